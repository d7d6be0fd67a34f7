"""Runs over HTTP: look, and stop. Stopping works while the database is away."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from netra_backend.app.routes.dependencies import AccessForStop, AccessNow
from netra_backend.app.routes.models import RunInfo, RunList, RunSoFar, StopOutcomes, StopReason
from netra_backend.app.routes.problems import problem_responses
from netra_backend.app.routes.services import services
from netra_backend.app.services.user_execution_context import UserExecutionContext

__all__ = ["router"]

router = APIRouter(prefix="/api/runs", tags=["runs"], responses=problem_responses(401, 404, 422, 429, 503))
DEFAULT_REASON = "stopped by the user"


@router.get("")
async def list_runs(
    access: AccessNow,
    request: Request,
    thread_id: Annotated[str | None, Query(max_length=128)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> RunList:
    """The last runs first; those of one thread if it is named."""
    context = UserExecutionContext(user_id=access.user_id)
    found = await services(request).threads.runs(context, limit, thread_id)
    return RunList(runs=[RunInfo.of(run) for run in found])


@router.post("/stop")
async def stop_all(access: AccessForStop, request: Request, body: StopReason | None = None) -> StopOutcomes:
    """Stop all of your open runs. Answered when the stop is durable."""
    reason = (body.reason if body is not None else None) or DEFAULT_REASON
    report = await services(request).agents.stop_agent(access.user_id, reason=reason)
    return StopOutcomes.of(report.runs)


@router.get("/{run_id}")
async def get_run(run_id: str, access: AccessNow, request: Request) -> RunSoFar:
    """A run with everything that was told of it."""
    context = UserExecutionContext(user_id=access.user_id)
    return RunSoFar.of(await services(request).threads.run(context, run_id))


@router.post("/{run_id}/stop")
async def stop_run(
    run_id: str, access: AccessForStop, request: Request, body: StopReason | None = None
) -> StopOutcomes:
    """Stop one run. Answered when the stop is durable; one that had ended says where."""
    reason = (body.reason if body is not None else None) or DEFAULT_REASON
    report = await services(request).agents.stop_agent(access.user_id, run_id, reason=reason)
    return StopOutcomes.of(report.runs)
