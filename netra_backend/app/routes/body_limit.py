"""How large a request's body may be."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netra_backend.app.auth.authenticator import ForbiddenOrigin
from netra_backend.app.auth.session_registry import NotAuthenticated
from netra_backend.app.doors.visit import admit
from netra_backend.app.routes.dependencies import auth_services
from netra_backend.app.routes.problems import Problem
from netra_backend.app.storage.errors import LogUnavailable

__all__ = ["BodyLimit"]


STRANGERS_BODY = 16 * 1024
"""Bytes that a body may have before its sender is known: a sign-in has some hundreds. Bodies are read before a route
looks at who asks, and strangers may come in any number."""


class BodyLimit:
    """Middleware: a body beyond `max_bytes` is answered with 413 `too_large`, before it is read where it says its
    length, and otherwise when it passes the limit. Beyond `STRANGERS_BODY` it is read only for somebody known, and
    what one user sent of that size is worked on one after the other: reading the largest takes a quarter of a second,
    and nobody else should wait for more than one of them."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        message = f"a request may have at most {self.max_bytes} bytes"
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self.max_bytes:
            # The rest won't be read, so the connection can't serve another request.
            response = Problem(413, "too_large", message, headers={"Connection": "close"}).response()
            await response(scope, receive, send)
            return
        taken = 0
        user_id: str | None = None
        turn: asyncio.Lock | None = None

        async def counted() -> Message:
            nonlocal taken, user_id, turn
            part = await receive()
            taken += len(part.get("body", b""))
            if taken > self.max_bytes:
                # This kind, because FastAPI lets it pass while it reads a body.
                raise HTTPException(413, message, {"Connection": "close"})
            if taken > STRANGERS_BODY and user_id is None:
                user_id = await _see_who_asks(scope)
            if user_id is not None and turn is None and not part.get("more_body", False):
                own = self._turns.setdefault(user_id, asyncio.Lock())
                await own.acquire()
                turn = own
            return part

        try:
            await self.app(scope, counted, send)
        finally:
            if turn is not None:
                turn.release()


async def _see_who_asks(scope: Scope) -> str:
    connection = HTTPConnection(scope)
    try:
        found = await auth_services(connection).authenticator.from_request(connection)
        # A route looks only once it has the whole body; until then a slow one would make room for strangers.
        admit(scope)
        return found.user_id
    except (NotAuthenticated, ForbiddenOrigin) as error:
        status = 401 if isinstance(error, NotAuthenticated) else 403
        raise HTTPException(status, str(error), {"Connection": "close"}) from None
    except LogUnavailable:
        raise HTTPException(
            503, "the server can't reach its records at the moment; try again", {"Connection": "close"}
        ) from None
