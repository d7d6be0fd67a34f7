"""What this server is, for a page that shows it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from netra_backend.app.routes.dependencies import AccessNow
from netra_backend.app.routes.problems import problem_responses
from netra_backend.app.routes.services import services

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["about"], responses=problem_responses(401, 429, 503))


class About(BaseModel):
    """The agent that answers, its model, and messages of its own to try. `offline`: rules and tools, no model."""

    version: str
    agent: str
    model: str
    offline: bool
    examples: list[str]


@router.get("/about")
async def about(_access: AccessNow, request: Request) -> About:
    """The version, the agent and the model in use."""
    runtime = services(request).supervisor.runtime
    return About(
        version=request.app.version,
        agent=runtime.name,
        model=runtime.model,
        offline=runtime.model == "offline" and runtime.name == "offline",
        examples=list(runtime.suggestions),
    )
