"""One's own data: take it along, or have all of it removed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from netra_backend.app.auth.passwords import MAX_LENGTH
from netra_backend.app.routes.dependencies import AccessNow
from netra_backend.app.routes.problems import problem_responses
from netra_backend.app.routes.services import services
from netra_backend.app.services.user_execution_context import UserExecutionContext

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["account"], responses=problem_responses(401, 422, 429, 503))


class Confirmation(BaseModel):
    """The account's password; an account that has none must have signed in by a one-time link just before."""

    model_config = ConfigDict(extra="forbid")

    password: Annotated[str, Field(max_length=MAX_LENGTH)] | None = None


_MEDIA_TYPES = {"json": "application/json", "markdown": "text/markdown; charset=utf-8"}
_NAMES = {"json": "netra-export.json", "markdown": "netra-export.md"}


@router.get("/export", response_class=StreamingResponse)
async def export(
    access: AccessNow, request: Request, format: Annotated[Literal["json", "markdown"], Query()] = "json"
) -> StreamingResponse:
    """All of your threads with their messages, and your notes."""
    content = await services(request).export.start(UserExecutionContext(user_id=access.user_id), format)
    return StreamingResponse(
        content,
        media_type=_MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="{_NAMES[format]}"'},
    )


@router.delete("/account", status_code=204, responses=problem_responses(403))
async def delete_account(access: AccessNow, request: Request, body: Confirmation | None = None) -> Response:
    """Stop your runs and remove your account with everything that was stored for it. It can't be undone."""
    serving = services(request)
    await serving.sign_in.confirm(access, body.password if body else None)
    await serving.accounts.delete(UserExecutionContext(user_id=access.user_id))
    response = Response(status_code=204)
    serving.authenticator.clear_cookie(response)
    return response
