"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from netra_backend.app.routes.front_door import FOREIGN_HOST
from netra_backend.app.routes.services import services

__all__ = ["router"]

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process answers."""

    status: str = "live"


class Ready(BaseModel):
    """Whether an event travels append → wake-up → read; and, for those who ask by a name of this server, how the
    bridge stands and how many runs work and wait."""

    status: str
    reason: str | None = None
    bridge: str | None = None
    running: int | None = None
    waiting: int | None = None


@router.head("/live", include_in_schema=False)
@router.get("/live")
async def live() -> Live:
    """200 as long as the process answers. Whatever the `Host`."""
    return Live()


@router.head("/ready", include_in_schema=False, response_model_exclude_unset=True)
@router.get(
    "/ready",
    response_model_exclude_unset=True,
    responses={503: {"model": Ready, "description": "Not ready"}},
)
async def ready(request: Request, response: Response) -> Ready:
    """200 only if a canary event has travelled the whole way within the last seconds. Whatever the `Host`, but with
    details only for one of ours."""
    serving = services(request)
    trouble = await serving.canary.trouble()
    state = serving.bridge.get_status().state
    if trouble is not None or state != "active":
        response.status_code = 503
    status = "ready" if response.status_code != 503 else "not ready"
    if request.scope.get(FOREIGN_HOST):
        return Ready(status=status)
    running, waiting = serving.supervisor.counts()
    return Ready(
        status=status,
        # What the database said may name paths; the log has it.
        reason="events don't travel now" if trouble is not None else None,
        bridge=state,
        running=running,
        waiting=waiting,
    )
