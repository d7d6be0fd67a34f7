"""aiohttp under the OpenAI client: its pool and its parser, and a body that can be read without layers between."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from aiohttp.client_proto import ResponseHandler
from yarl import URL

__all__ = ["AiohttpTransport", "Body", "Reply", "may_follow"]

_MOST_REDIRECTIONS = 5
_ENCODING = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
"""Headers that don't hold for a body which is decoded already."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The beginning of a response. Its body has to be closed."""

    status: int
    headers: Iterable[tuple[bytes, bytes]]
    body: Body

    def as_httpx2(self, request: httpx2.Request | None = None, content: bytes | None = None) -> httpx2.Response:
        """The same as a response of httpx2; with `content`, what was read of its body already."""
        headers = [pair for pair in self.headers if pair[0].lower() not in _ENCODING]
        body: dict[str, Any] = {"stream": self.body} if content is None else {"content": content}
        extensions = {"http_version": b"HTTP/1.1"}
        return httpx2.Response(self.status, headers=headers, extensions=extensions, request=request, **body)


_FRAMING_BYTES = 4 * 1024 * 1024
"""What a response may take for its heads and the framing of its chunks, whatever little it says. What the parser has
received and not yet handed on, because nobody reads so quickly, counts here until it does: less than a megabyte."""

_FRAMING_PER_BYTE = 16
"""Bytes of framing for each byte of the body beyond that: a chunk of a single byte has five."""


class TooMuchFraming(aiohttp.ClientPayloadError):
    """A server sends heads, chunk extensions or trailers without end, of which nothing is ever handed on."""


class _BoundedResponses(ResponseHandler):
    """A connection on which what isn't body has a bound: the parser passes over it, however much it is."""

    _framing = 0

    def set_response_params(self, **params: Any) -> None:
        # Called once for each request on this connection.
        self._framing = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        payload, before = self._payload, self._told()
        super().data_received(data)
        if self._payload is not payload:
            before = 0
        # What it says buys no framing for later.
        self._framing = max(0, self._framing + len(data) - (self._told() - before) * (1 + _FRAMING_PER_BYTE))
        if self._framing > _FRAMING_BYTES and self.transport is not None:
            self.set_exception(TooMuchFraming("more around the answer than in it"))
            self.transport.abort()

    def _told(self) -> int:
        return self._payload.total_bytes if self._payload is not None else 0


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends requests through one pool of connections. Belongs to the event loop that first uses it.

    `connect_timeout` is in seconds. Nothing else is timed here, and nothing is repeated. Raises httpx2's errors.
    """

    def __init__(self, connect_timeout: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout)
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        url = URL(str(request.url), encoded=True)
        reply = await self.send(request.method, url, headers, await request.aread(), follow=False)
        return reply.as_httpx2()

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes, *, follow: bool = True
    ) -> Reply:
        """Send a request and wait for the head of its response. `follow`: go where a redirection leads, on the same
        server: keys and conversations are for that one only."""
        session = self._session or self._open(url)
        for _ in range(_MOST_REDIRECTIONS):
            try:
                response = await session.request(
                    method,
                    url,
                    headers={**headers, "accept-encoding": "gzip, deflate"},
                    data=body,
                    allow_redirects=False,
                    proxy=self._proxies.get(url.scheme),
                )
            except (aiohttp.ClientError, TimeoutError) as error:
                raise _as_httpx2_error(error) from error
            led = _led_to(url, response) if follow else None
            if led is None:
                return Reply(response.status, response.raw_headers, Body(response))
            response.close()
            url = led
        raise httpx2.ConnectError("the model server redirects without end")

    async def aclose(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()

    def _open(self, url: URL) -> aiohttp.ClientSession:
        # As many connections as there are runs: those are limited elsewhere.
        secure = url.scheme == "https"
        connector = aiohttp.TCPConnector(limit=0, ssl=httpx2.create_ssl_context() if secure else True)
        # Asked once: aiohttp would read the environment, and ~/.netrc in a thread, for every request.
        self._proxies = {} if proxy_bypass(url.host or "") else getproxies()
        responses = functools.partial(_BoundedResponses, loop=asyncio.get_running_loop())
        connector._factory = responses  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue] - there is no public way
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            skip_auto_headers=("user-agent", "accept", "content-type"),
        )
        return self._session


class Body(httpx2.AsyncByteStream):
    """A response's body, decompressed. httpx2 reads it by iterating; `read` and `closing` are the short way."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def read(self) -> bytes:
        """What has arrived, or arrives next; empty at the end."""
        content = self._response.content
        # aiohttp would raise, and drop what had arrived before the connection broke.
        if content.exception() is not None and (left := content._read_nowait(-1)):  # pyright: ignore[reportPrivateUsage]
            return left
        try:
            return await content.readany()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _as_httpx2_error(error) from error

    async def drain(self, limit: float) -> None:
        """Read to the end, if that comes within `limit` seconds, so that the connection can be used again."""
        if self._response.content.at_eof():
            return
        try:
            async with asyncio.timeout(limit):
                while await self._response.content.readany():
                    pass
        except (TimeoutError, aiohttp.ClientError):
            return

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.read():
            yield piece

    async def aclose(self) -> None:
        """Give the connection back if the body was read to its end; else close it, now."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _led_to(url: URL, response: aiohttp.ClientResponse) -> URL | None:
    location = response.headers.get("location")
    if response.status not in {307, 308} or location is None:
        return None
    try:
        led = url.join(URL(location, encoded=True))
    except ValueError:
        return None
    return led if may_follow(str(url), str(led)) else None


def may_follow(asked: str, led: str) -> bool:
    """Whether a redirection stays on the server that was asked: the same origin, or the same name over TLS."""
    one, other = URL(asked, encoded=True), URL(led, encoded=True)
    upgraded = (one.scheme, other.scheme) == ("http", "https") and one.host == other.host
    return one.origin() == other.origin() or (upgraded and other.port == 443)


def _as_httpx2_error(error: Exception) -> httpx2.RequestError:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx2.ConnectTimeout(str(error))
        case (
            aiohttp.ClientConnectorError()
            | aiohttp.ClientHttpProxyError()
            | aiohttp.InvalidURL()
            | aiohttp.TooManyRedirects()
        ):
            return httpx2.ConnectError(str(error))
        case TimeoutError():
            return httpx2.ReadTimeout(str(error))
        case _:
            return httpx2.ReadError(str(error))
