"""An agent with a tool that takes as long as it is told, so that a crash or a stop can fall into it."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent

agent: Agent[object, str] = Agent()


@agent.tool_plain
async def linger(seconds: float) -> str:
    """Take that long."""
    await asyncio.sleep(seconds)
    return f"took {seconds:g} s"
