"""How large a request's body may be."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netra_backend.app.routes.problems import Problem

__all__ = ["BodyLimit"]


class BodyLimit:
    """Middleware: a body beyond `max_bytes` is answered with 413 `too_large`, before it is read where it says its
    length, and otherwise when it passes the limit."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

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

        async def counted() -> Message:
            nonlocal taken
            part = await receive()
            taken += len(part.get("body", b""))
            if taken > self.max_bytes:
                # This kind, because FastAPI lets it pass while it reads a body.
                raise HTTPException(413, message, {"Connection": "close"})
            return part

        await self.app(scope, counted, send)
