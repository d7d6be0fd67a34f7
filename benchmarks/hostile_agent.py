"""The agent that `benchmarks.hostile` brings: its tools end, interrupt and exhaust whatever runs them."""

from __future__ import annotations

import sys
from typing import Any

from pydantic_ai import Agent

__all__ = ["TOOLS", "agent"]

agent: Agent[Any, str] = Agent(deps_type=object)


@agent.tool_plain
def exit_in_a_thread() -> str:
    """End the process."""
    sys.exit(3)


@agent.tool_plain
async def exit_on_the_loop() -> str:
    """End the process."""
    raise SystemExit(3)


@agent.tool_plain
async def interrupt() -> str:
    """As Ctrl-C would."""
    raise KeyboardInterrupt


@agent.tool_plain
def interrupt_in_a_thread() -> str:
    """As Ctrl-C would."""
    raise KeyboardInterrupt


@agent.tool_plain
async def no_memory() -> str:
    """Have none left."""
    raise MemoryError


@agent.tool_plain
async def too_deep() -> str:
    """Recurse without end."""
    return await too_deep()


@agent.tool_plain
async def closed_early() -> str:
    """As a generator that is closed."""
    raise GeneratorExit


@agent.tool_plain
async def many_at_once() -> str:
    """Several of them, as a task group would raise them."""
    raise BaseExceptionGroup("several", [SystemExit(3), KeyboardInterrupt(), ValueError("one")])


@agent.tool_plain
async def much(characters: int) -> str:
    """Answer with that many characters."""
    return "m" * characters


@agent.tool_plain
def slow(seconds: float) -> str:
    """Hold a thread."""
    import time

    time.sleep(min(seconds, 3))
    return "slept"


TOOLS = (
    "exit_in_a_thread",
    "exit_on_the_loop",
    "interrupt",
    "interrupt_in_a_thread",
    "no_memory",
    "too_deep",
    "closed_early",
    "many_at_once",
)
"""Those that raise what isn't an `Exception`, or nearly."""
