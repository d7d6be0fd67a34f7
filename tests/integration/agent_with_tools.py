"""An agent that a user might bring, with tools that misbehave. Named by `NETRA_AGENT` in tests."""

from __future__ import annotations

import threading
from typing import Any

from pydantic_ai import Agent

from tests.harness.deadline import DEADLINE

__all__ = ["agent", "entered", "release"]

agent: Agent[Any, str] = Agent(deps_type=object)
entered = threading.Semaphore(0)
"""Released once for each `block` that has begun."""
release = threading.Event()


@agent.tool_plain
def block() -> str:
    """Hold a thread, deaf to everything, until `release`."""
    entered.release()
    assert release.wait(DEADLINE)
    return "released"


@agent.tool_plain
async def call_api(url: str, headers: dict[str, str], body: Any) -> dict[str, Any]:
    """Answer with what a careless API might: the caller's secrets, and far too much else."""
    return {"url": url, "echo": headers, "session": {"access_token": "tok-777", "id": 7}, "rows": ["row"] * 5000}


@agent.tool_plain
async def fail(why: str) -> str:
    """Raise an error that holds what nobody should read."""
    raise RuntimeError(f"{why} at /home/somebody/secret.py with sk-live-999")
