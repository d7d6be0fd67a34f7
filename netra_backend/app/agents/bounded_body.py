"""What the OpenAI client receives by httpx2, so that it can't be larger than what anybody would read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2

from netra_backend.app.agents.aiohttp_transport import may_follow

__all__ = ["REFUSAL_BYTES", "HttpxBody", "bound_refusal"]

REFUSAL_BYTES = 64 * 1024
"""What is read of a refusal; what it says to people stands at its beginning."""


async def bound_refusal(response: httpx2.Response) -> None:
    """A hook of a client: reads no more than that of what isn't an answer, as the client would read it to its end."""
    if response.is_success:
        return
    led = response.headers.get("location")
    if led is not None and not _stays(response, led):
        # Without it, the response is a refusal as any other: keys and conversations aren't for another server.
        del response.headers["location"]
    body, read = HttpxBody(response), bytearray()
    try:
        while len(read) < REFUSAL_BYTES and (piece := await body.read()):
            read += piece
    finally:
        await body.aclose()
    response._content = bytes(read[:REFUSAL_BYTES])  # pyright: ignore[reportPrivateUsage] - there's no other way


def _stays(response: httpx2.Response, led: str) -> bool:
    asked = response.request.url
    try:
        return response.status_code in {307, 308} and may_follow(str(asked), str(asked.join(led)))
    except (httpx2.InvalidURL, ValueError):
        return False


class HttpxBody:
    """A response's body, decompressed (a `Received`)."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._pieces: AsyncIterator[bytes] = response.aiter_bytes()

    async def read(self) -> bytes:
        """See `Received`."""
        async for piece in self._pieces:
            if piece:
                return piece
        return b""

    async def drain(self, limit: float) -> None:
        """See `Received`."""
        try:
            async with asyncio.timeout(limit):
                while await self.read():
                    pass
        except (TimeoutError, httpx2.RequestError):
            return

    async def aclose(self) -> None:
        """See `Received`."""
        await self._response.aclose()
