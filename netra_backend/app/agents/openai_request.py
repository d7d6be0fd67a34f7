"""The OpenAI client with a short way for what is asked nearly always: a streamed chat completion.

What a request says and how a refusal reads is the client's own. Its way from there to the wire, through a
transformation of every field, a generic request and another HTTP client, costs more than all tokens of a short answer.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self, cast

import httpx2
import msgspec
from openai import APIConnectionError, APITimeoutError, AsyncOpenAI, AsyncStream, NotGiven, Omit
from openai.resources.chat.chat import AsyncChat
from openai.resources.chat.completions import AsyncCompletions
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from yarl import URL

from netra_backend.app.agents.aiohttp_transport import AiohttpTransport, Reply
from netra_backend.app.agents.bounded_body import REFUSAL_BYTES, HttpxBody
from netra_backend.app.agents.received import Received
from netra_backend.app.agents.request_form import RequestForm

__all__ = ["LeanClient", "SdkClient", "StreamedCompletion", "nobodys_cookies"]

_logger = logging.getLogger(__name__)
_NOT_OF_THE_BODY = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})


class StreamedCompletion:
    """A response that has begun well; its body is still to be read."""

    def __init__(self, request: Callable[[], httpx2.Request], body: Received) -> None:
        self._request = request
        self.body = body
        self.close: Callable[[], Awaitable[None]] = body.aclose
        """What ends it; whoever reads it puts his own end here, as the library leaves it also where it has failed."""

    @property
    def request(self) -> httpx2.Request:
        """What was asked, as far as an error needs it."""
        return self._request()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class LeanClient(AsyncOpenAI):
    """Sends through a transport of Netra's. It never repeats a request: Netra does, and says how often it asked."""

    def __init__(
        self,
        transport: AiohttpTransport,
        *,
        base_url: str | None,
        api_key: str | None,
        form: RequestForm | None = None,
    ) -> None:
        # Silence is timed by the run, which names what ran out; connecting is timed by the transport.
        super().__init__(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            timeout=None,
            # All users' requests go through this one client, so it must keep no cookie of any.
            http_client=httpx2.AsyncClient(transport=transport, cookies=nobodys_cookies(), follow_redirects=False),
        )
        self.transport = transport
        self.form = form or RequestForm()

    def with_options(self, **_: Any) -> Self:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The client as it is: the only option that is ever asked for is how often to repeat a request."""
        return self

    @cached_property
    def chat(self) -> AsyncChat:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Chat(self)

    @cached_property
    def completions_url(self) -> URL:
        """Where chat completions are asked for."""
        return URL(f"{self.base_url}chat/completions", encoded=True)

    @cached_property
    def standing_headers(self) -> dict[str, str]:
        """The headers of every request."""
        told = self.default_headers | self.auth_headers | {"x-stainless-retry-count": "0"}
        return {name: value for name, value in told.items() if isinstance(value, str)}


class _Chat(AsyncChat):
    @cached_property
    def completions(self) -> AsyncCompletions:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Completions(self._client)


class _Completions(AsyncCompletions):
    async def create(self, **asked: Any) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:  # pyright: ignore[reportIncompatibleMethodOverride]
        client = cast("LeanClient", self._client)
        return await client.form.ask(asked, self._send)

    async def _send(self, asked: dict[str, Any]) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        if asked.get("stream") is not True:
            return cast("ChatCompletion", await super().create(**asked))
        client = cast("LeanClient", self._client)
        body = {name: value for name, value in asked.items() if name not in _NOT_OF_THE_BODY and _is_given(value)}
        extra: Any = asked.get("extra_body")
        headers = client.standing_headers | dict(asked.get("extra_headers") or {})
        url = client.completions_url
        try:
            reply = await client.transport.send("POST", url, headers, msgspec.json.encode(body | (extra or {})))
        except httpx2.TimeoutException as error:
            raise APITimeoutError(request=_request(url)) from error
        except httpx2.RequestError as error:
            raise APIConnectionError(request=_request(url)) from error
        _logger.info("asked the model at %s%s: HTTP %d", url.origin(), url.path, reply.status)
        if not 200 <= reply.status < 300:
            raise await self._refusal(reply, _request(url))
        return _as_stream(StreamedCompletion(lambda: _request(url), reply.body))

    async def _refusal(self, reply: Reply, request: httpx2.Request) -> Exception:
        body = bytearray()
        try:
            while len(body) < REFUSAL_BYTES and (piece := await reply.body.read()):
                body += piece
        except httpx2.RequestError as error:
            broken = APIConnectionError(request=request, message=str(error))
            broken.__cause__ = error  # by which it's known that the server had been reached
            return broken
        finally:
            await reply.body.aclose()
        response = reply.as_httpx2(request, bytes(body[:REFUSAL_BYTES]))
        return self._client._make_status_error_from_response(response)  # pyright: ignore[reportPrivateUsage]


class SdkClient(AsyncOpenAI):
    """The OpenAI client, to which Netra says what to ask, and of which it reads what is received."""

    form = RequestForm()

    @cached_property
    def chat(self) -> AsyncChat:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _SdkChat(self)


class _SdkChat(AsyncChat):
    @cached_property
    def completions(self) -> AsyncCompletions:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _SdkCompletions(self._client)


class _SdkCompletions(AsyncCompletions):
    async def create(self, **asked: Any) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return await cast("SdkClient", self._client).form.ask(asked, self._send)

    async def _send(self, asked: dict[str, Any]) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        made = cast("ChatCompletion | AsyncStream[ChatCompletionChunk]", await super().create(**asked))
        if not isinstance(made, AsyncStream):
            return made
        response = made.response
        return _as_stream(StreamedCompletion(lambda: response.request, HttpxBody(response)))


def _as_stream(completion: StreamedCompletion) -> AsyncStream[ChatCompletionChunk]:
    """Only entered and left by the library, and read by the model of `openai_stream`."""
    return cast("AsyncStream[ChatCompletionChunk]", cast("object", completion))


def nobodys_cookies() -> CookieJar:
    """A jar that takes no cookie."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _is_given(value: object) -> bool:
    return not isinstance(value, Omit | NotGiven)


def _request(url: URL) -> httpx2.Request:
    return httpx2.Request("POST", str(url))
