"""The lean model: Pydantic-AI's model of OpenAI-compatible servers, with the stream read by Netra itself.

Requests, errors, tools and everything unusual stay the library's. Only the reading differs: aiohttp receives, msgspec
decodes, and a chunk that merely continues what the chunk before it said never becomes an object of the OpenAI client
or of the library. Its text goes straight to the turn (`Ahead`), all of one read at once; the library gets the first
chunk of each part as it comes, and the rest of the part as one chunk when something else follows.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any, cast

import httpx2
from openai import APIConnectionError, APIError, APITimeoutError, AsyncStream
from openai.types.chat import ChatCompletionChunk
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings, OpenAIStreamedResponse

from netra_backend.app.agents.ahead import Ahead
from netra_backend.app.agents.chat_chunk import (
    Choice,
    Chunk,
    Delta,
    Fragment,
    Function,
    Growth,
    Head,
    growth_of,
    head_of,
    read_chunk,
)
from netra_backend.app.agents.library_chunk import constructed, plain_chunk
from netra_backend.app.agents.openai_request import StreamedCompletion
from netra_backend.app.agents.sse import EventStream

__all__ = ["ChunkReader", "LeanChatModel"]

DRAIN = 0.1
"""Seconds that a response may take to end after it said that it's done; then its connection is closed instead."""


class LeanChatModel(OpenAIChatModel):
    """Reads its responses as this module says. Its provider's client must be a `LeanClient`."""

    _ahead: Ahead | None = None

    def showing(self, ahead: Ahead) -> LeanChatModel:
        """See `ShowsAhead`."""
        bound = copy.copy(self)
        bound._ahead = ahead
        return bound

    async def _process_streamed_response(
        self,
        response: AsyncStream[ChatCompletionChunk],
        model_request_parameters: ModelRequestParameters,
        model_settings: OpenAIChatModelSettings | None = None,
    ) -> OpenAIStreamedResponse:
        tags = self.profile.get("thinking_tags", ("<think>", "</think>"))
        reader = ChunkReader(cast("StreamedCompletion", response), self._ahead, tags)
        # It is iterated and closed, which a reader can as well.
        return await super()._process_streamed_response(
            cast("AsyncStream[ChatCompletionChunk]", reader), model_request_parameters, model_settings
        )


class ChunkReader:
    """Reads one response: shows its text ahead of the library, and gives it few chunks.

    Without `ahead` nothing is held back: what one read brought is given as one chunk. `tags` are what some servers put
    around reasoning inside the text, each in a chunk of its own.

    Iterating raises what `AsyncStream` would: `APIConnectionError`, `APIError` for an error inside the stream, and
    `json.JSONDecodeError` or `UnicodeDecodeError` for what can't be read.
    """

    def __init__(self, response: StreamedCompletion, ahead: Ahead | None, tags: tuple[str, str]) -> None:
        self._response = response
        self._body = response.body
        response.close = self.close
        self._ahead = ahead
        self._tags = tags
        self._inside_tags = False
        self._odd = False
        self._head: Head | None = None
        # What grows now; its pieces that the library doesn't know, and those of them that aren't shown yet.
        self._growing: Growth | None = None
        self._held: list[str] = []
        self._unshown: list[str] = []
        self._reading: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Close the response, wherever it stands, and read no more of it."""
        if self._reading is not None:
            self._reading.cancel()
        # Closed before anything is waited for: a cancelled scope of anyio cancels every wait in it anew.
        await self._body.aclose()
        if self._reading is not None:
            await asyncio.wait({self._reading})

    async def __aiter__(self) -> AsyncGenerator[ChatCompletionChunk]:
        # In a task of its own, one per response: the library waits for a chunk through some thirty layers, and each of
        # them would be resumed for every read.
        handing = _Handing()
        reading = self._reading = asyncio.create_task(self._hand_over(handing))
        try:
            while (chunk := await handing.take()) is not None:
                yield chunk
            await reading
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait({reading})
            elif not reading.cancelled():
                reading.exception()

    async def _hand_over(self, handing: _Handing) -> None:
        try:
            async for chunk in self._chunks():
                await handing.give(chunk)
        finally:
            handing.end()

    async def _chunks(self) -> AsyncGenerator[ChatCompletionChunk]:
        stream = EventStream()
        done = False
        while not done and (arrived := await self._read()):
            try:
                for data in stream.feed(arrived):
                    if data.startswith(b"[DONE]"):
                        done = True
                        break
                    chunk = None if self._odd else read_chunk(data)
                    growth = growth_of(chunk) if chunk is not None else None
                    if chunk is not None and growth is not None and self._continues(chunk, growth):
                        self._held.append(growth.piece)
                        self._unshown.append(growth.piece)
                        continue
                    await self._show()
                    for held in self._release():
                        yield held
                    self._begin(chunk, growth)
                    yield (chunk and plain_chunk(chunk)) or self._whole(data)
            except UnicodeDecodeError:
                # What came before it was said all the same.
                await self._show()
                if self._ahead is None:
                    for held in self._release():
                        yield held
                raise
            await self._show()
            if self._ahead is None:
                for held in self._release():
                    yield held
        for held in self._release():
            yield held
        if done:
            await self._body.drain(DRAIN)
        else:
            stream.finish()

    async def _read(self) -> bytes:
        try:
            return await self._body.read()
        except httpx2.TimeoutException as error:
            raise APITimeoutError(request=self._response.request) from error
        except httpx2.RequestError as error:
            raise APIConnectionError(request=self._response.request) from error

    def _continues(self, chunk: Chunk, growth: Growth) -> bool:
        before = self._growing
        return (
            before is not None
            and before.field == growth.field
            and before.index == growth.index
            and self._head == head_of(chunk)
            and not self._is_tag(growth.piece, growth.field)
        )

    def _begin(self, chunk: Chunk | None, growth: Growth | None) -> None:
        """The library is given this chunk; what continues it needn't be."""
        self._growing = growth
        if chunk is None:
            # The library may read in it what isn't seen here, so the rest is its own as well.
            self._odd = True
            return
        self._head = head_of(chunk)
        delta = chunk.choices[0].delta if chunk.choices else None
        # Of a refusal the library reads nothing else.
        if delta is not None and delta.content and not delta.refusal and self._is_tag(delta.content, "content"):
            self._inside_tags = not self._inside_tags
            self._growing = None

    def _is_tag(self, piece: str, field: str) -> bool:
        return field == "content" and piece == self._tags[self._inside_tags]

    async def _show(self) -> None:
        """Show what one read brought, in one piece."""
        if not self._unshown or self._ahead is None or self._growing is None:
            return
        piece = "".join(self._unshown)
        self._unshown.clear()
        if self._growing.field == "tool_calls":
            self._ahead.alive()
        elif self._growing.field == "content" and not self._inside_tags:
            await self._ahead.text(piece)
        else:
            await self._ahead.thinking(piece)

    def _release(self) -> Iterator[ChatCompletionChunk]:
        """What was held back, as a chunk."""
        if not self._held or self._growing is None or self._head is None:
            return
        piece = "".join(self._held)
        self._held.clear()
        # Joined, pieces of text may look like a tag, which the library would take for one.
        pieces = [piece[:1], piece[1:]] if self._is_tag(piece, self._growing.field) else [piece]
        for part in pieces:
            yield _merged(self._growing, part, self._head)

    def _whole(self, data: bytes) -> ChatCompletionChunk:
        """The chunk as the OpenAI client makes it."""
        found: object = json.loads(data.decode())
        if not isinstance(found, dict):
            raise json.JSONDecodeError("a chunk must be an object", data.decode(), 0)
        values = cast("dict[str, Any]", found)
        error: object = values.get("error")
        if error:
            said = cast("dict[str, object]", error).get("message") if isinstance(error, dict) else None
            message = said if isinstance(said, str) and said else "An error occurred during streaming"
            raise APIError(message=message, request=self._response.request, body=cast("object", error))
        return ChatCompletionChunk.construct(None, **values)


class _Handing:
    """Chunks from hand to hand: `give` returns when the one who takes is done with the chunk and wants the next."""

    def __init__(self) -> None:
        self._chunk: ChatCompletionChunk | None = None
        self._given = asyncio.Event()
        self._wanted = asyncio.Event()

    async def give(self, chunk: ChatCompletionChunk) -> None:
        self._wanted.clear()
        self._chunk = chunk
        self._given.set()
        await self._wanted.wait()

    async def take(self) -> ChatCompletionChunk | None:
        """The next chunk; None after the last."""
        self._wanted.set()
        await self._given.wait()
        self._given.clear()
        chunk, self._chunk = self._chunk, None
        return chunk

    def end(self) -> None:
        self._given.set()


def _merged(growing: Growth, piece: str, head: Head) -> ChatCompletionChunk:
    identity, model, service_tier, _ = head
    match growing.field:
        case "content":
            delta = Delta(content=piece)
        case "reasoning":
            delta = Delta(reasoning=piece)
        case "reasoning_content":
            delta = Delta(reasoning_content=piece)
        case "tool_calls":
            delta = Delta(tool_calls=[Fragment(growing.index, function=Function(arguments=piece))])
    return constructed(Chunk([Choice(delta)], id=identity, model=model, service_tier=service_tier))
