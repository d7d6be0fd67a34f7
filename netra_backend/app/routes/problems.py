"""Errors over HTTP: problem details (RFC 9457) with the contract's codes."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from netra_backend.app.auth.attempts import TooManyAttempts
from netra_backend.app.auth.authenticator import ForbiddenOrigin
from netra_backend.app.auth.passwords import PasswordRefused, TooManyChecks
from netra_backend.app.auth.session_registry import NotAuthenticated
from netra_backend.app.auth.sign_in import NotConfirmed, WrongPassword
from netra_backend.app.services.refusals import Refusal
from netra_backend.app.storage.errors import LogUnavailable

__all__ = ["Problem", "ProblemBody", "install_problem_handlers", "problem_responses"]

MEDIA_TYPE = "application/problem+json"

RETRY_UNAVAILABLE = 2.0
"""Seconds after which a client may try again while the database is away."""

_CODES = {
    400: "invalid_request",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    422: "invalid_request",
    429: "rate_limited",
    503: "unavailable",
}

_logger = logging.getLogger(__name__)


class ProblemBody(BaseModel):
    """The body of every error answer. `code` is for programs, `detail` for a person, `retry_after` in seconds."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    retry_after: float | None = None
    instance: str | None = None


class Problem(Exception):
    """A refusal, raised by whatever serves a request. `retry_after` is in seconds; `instance` names one occurrence."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        retry_after: float | None = None,
        *,
        instance: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.instance = instance
        self.headers = dict(headers or {})
        super().__init__(message)

    def response(self) -> Response:
        """The answer that says it."""
        body = ProblemBody(
            title=_phrase(self.status),
            status=self.status,
            detail=self.message,
            code=self.code,
            field=self.field,
            retry_after=None if self.retry_after is None else round(self.retry_after, 3),
            instance=self.instance,
        )
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))  # whole seconds: RFC 9110, 10.2.3
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(body.model_dump(exclude_none=True), self.status, headers, MEDIA_TYPE)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these error statuses, for the `responses` of a route or router."""
    return {
        status: {
            "description": _phrase(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
            "model": ProblemBody,
        }
        for status in statuses
    }


def problem_of(error: Exception) -> Problem | None:
    """What `error` is to a client; None for one that no client should be told of."""
    match error:
        case Problem():
            return error
        case NotAuthenticated():
            return Problem(401, "not_authenticated", str(error))
        case ForbiddenOrigin() | WrongPassword():
            field = "current_password" if isinstance(error, WrongPassword) else None
            return Problem(403, "forbidden", str(error), field)
        case NotConfirmed():
            return Problem(403, "forbidden", str(error), "password")
        case PasswordRefused():
            return Problem(422, "invalid_request", str(error), "new_password")
        case TooManyAttempts():
            return Problem(429, "rate_limited", str(error), retry_after=error.retry_after)
        case TooManyChecks():
            return Problem(503, "unavailable", str(error), retry_after=1.0)
        case Refusal():
            field = error.field.removeprefix("payload.") if error.field is not None else None
            code = "invalid_request" if error.code == "invalid_frame" else error.code
            return Problem(error.status, code, error.message, field, retry_after=error.retry_after)
        case LogUnavailable():
            # What the database said may name paths; it is logged by the writer.
            message = "the server can't reach its records at the moment; try again"
            return Problem(503, "unavailable", message, retry_after=RETRY_UNAVAILABLE)
        case RequestValidationError():
            return _invalid(error.errors())
        case HTTPException():
            code = _CODES.get(error.status_code) or _phrase(error.status_code).lower().replace(" ", "_")
            return Problem(error.status_code, code, error.detail, headers=error.headers)
        case _:
            return None


def install_problem_handlers(app: FastAPI) -> None:
    """Have every error of this app answered as a problem."""
    for kind in (
        Problem,
        NotAuthenticated,
        ForbiddenOrigin,
        WrongPassword,
        NotConfirmed,
        PasswordRefused,
        TooManyAttempts,
        TooManyChecks,
        Refusal,
        LogUnavailable,
        RequestValidationError,
        HTTPException,
    ):
        app.add_exception_handler(kind, _answer)
    app.add_middleware(_Defects)


async def _answer(_request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem is None:
        raise error
    return problem.response()


class _Defects:
    """Answers 500 for what nobody expected, with an id that the log has next to the traceback.

    A middleware, because Starlette's own handler for this raises the error again after answering, and the server
    then logs it a second time, without the id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            if started:
                raise  # half an answer is out; the server cuts the connection, and logs why
            instance = f"urn:uuid:{uuid7()}"
            _logger.exception("unhandled error", extra={"instance": instance, "path": scope["path"]}, exc_info=error)
            message = "something went wrong in the server; its log has more under this id"
            await Problem(500, "internal", message, instance=instance).response()(scope, receive, send)


def _invalid(errors: Sequence[Any]) -> Problem:
    first: dict[str, Any] = errors[0]
    source, *path = first["loc"]
    if first["type"] == "json_invalid":
        return Problem(400, "invalid_request", "the body is not valid JSON")
    message = str(first["msg"]).removeprefix("Value error, ")
    if not path and first["type"] == "value_error":
        return Problem(422, "invalid_request", message)
    if not path:
        return Problem(422, "invalid_request", f"the {source} is needed, as JSON with Content-Type application/json")
    # A name may be the client's own; it is shown, but not at any length.
    field = ".".join(str(part)[:100] for part in path)
    return Problem(422, "invalid_request", message, field)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
