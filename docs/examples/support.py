"""An agent of one's own: `netra up --agent support:support`, with NETRA_MODEL set."""

from __future__ import annotations

from pydantic_ai import Agent, RunContext

from netra_backend.app.agents.runtime import Turn

support = Agent(deps_type=Turn, instructions="Be brief.")


@support.tool
async def remember(ctx: RunContext[Turn], text: str) -> str:
    """Keep a note for the user."""
    return f"note {await ctx.deps.data.add_note(text)}"
