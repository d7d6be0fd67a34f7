"""An agent to be named by the setting `agent`, in a process of its own: its tools never end, each in another way."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from pydantic_ai import Agent

from netra_backend.app.agents.runtime import Turn


async def hold_on() -> str:
    """Swallow every cancellation."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


def block() -> str:
    """Wait in a thread, where nothing can be cancelled."""
    while True:
        time.sleep(3600)


async def block_the_loop() -> str:
    """What no tool may do."""
    while True:
        time.sleep(0.01)  # noqa: ASYNC251 - that is the point


async def block_a_worker() -> str:
    """Wait in a thread of the loop's own."""
    await asyncio.to_thread(block)
    return "never"


if slow := os.environ.get("HANGING_AGENT_IMPORT"):
    Path(slow).touch()
    block()

agent = Agent(deps_type=Turn, tools=[hold_on, block, block_the_loop, block_a_worker])
