"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from netra_backend.app.routes.services import services

__all__ = ["router"]

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process answers."""

    status: str = "live"


class Ready(BaseModel):
    """Whether an event travels append → wake-up → read, how the bridge stands, and how many runs work and wait."""

    status: str
    reason: str | None
    bridge: str
    running: int
    waiting: int


@router.get("/live")
async def live() -> Live:
    """200 as long as the process answers."""
    return Live()


@router.get("/ready", responses={503: {"model": Ready, "description": "Not ready"}})
async def ready(request: Request, response: Response) -> Ready:
    """200 only if a canary event has travelled the whole way within the last seconds."""
    serving = services(request)
    trouble = await serving.canary.trouble()
    state = serving.bridge.get_status().state
    running, waiting = serving.supervisor.counts()
    if trouble is not None or state != "active":
        response.status_code = 503
    return Ready(
        status="ready" if response.status_code != 503 else "not ready",
        # What the database said may name paths; the log has it.
        reason="events don't travel now" if trouble is not None else None,
        bridge=state,
        running=running,
        waiting=waiting,
    )
