"""The model of OpenAI-compatible servers: Pydantic-AI's, with the answer read by Netra itself.

Requests, tools and everything unusual stay the library's. Only the reading differs, whichever client received the
bytes: what an answer says is settled by `Answer`, its text goes straight to the turn (`Ahead`), all of one read at
once. The library gets the first chunk of each part as it comes, and the rest of the part as one chunk when something
else follows.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import httpx2
from openai import APIConnectionError, APIError, APITimeoutError, AsyncStream
from openai.types.chat import ChatCompletionChunk
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings, OpenAIStreamedResponse

from netra_backend.app.agents.ahead import Ahead
from netra_backend.app.agents.chat_answer import ALIVE, Answer, Reported, Spoken
from netra_backend.app.agents.chat_chunk import Growth
from netra_backend.app.agents.library_chunk import library_chunk
from netra_backend.app.agents.openai_request import StreamedCompletion
from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.agents.server_words import words_of
from netra_backend.app.agents.sse import EventStream
from netra_backend.app.agents.tool_calls import CallLimits
from netra_backend.app.protocol.events import FailureCode

__all__ = ["AnswerLimits", "ChatModel", "ChunkReader"]

DRAIN = 0.1
"""Seconds that a response may take to end after it said that it's done; then its connection is closed instead."""

_MOST_TURNS = 1_000
"""Changes between text and thinking in one answer. Each makes a part, and the library looks through all parts often."""

_DONE = frozenset({b"[DONE]", b'"[DONE]"', b"DONE"})
"""OpenAI's end of a stream, and how others write it."""

_TAGS = ("<think>", "</think>")
"""What the library takes for tags, where they're a piece of their own; by them it's told of thinking in the text."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """How much is read of one answer, in bytes, and of what it calls for."""

    response: int
    event: int
    calls: CallLimits


class ChatModel(OpenAIChatModel):
    """Reads its answers as this module says. Its client must give `StreamedCompletion`s for what is streamed."""

    limits: AnswerLimits
    secrets: Sequence[str] = ()
    """What was sent as keys, and is never passed on."""
    opens_thinking: bool = False
    _ahead: Ahead | None = None

    def showing(self, ahead: Ahead) -> ChatModel:
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
        parameters = model_request_parameters
        offered = frozenset(tool.name for tool in (*parameters.function_tools, *parameters.output_tools))
        answer = Answer(
            offered,
            self.limits.calls,
            opened=self.opens_thinking,
            cites=parameters.output_mode == "text" and self._ahead is not None,
        )
        reader = ChunkReader(cast("StreamedCompletion", cast("object", response)), answer, self._ahead, self.limits)
        reader.secrets = self.secrets
        # It is iterated and closed, which a reader can as well.
        return await super()._process_streamed_response(
            cast("AsyncStream[ChatCompletionChunk]", reader), model_request_parameters, model_settings
        )


class ChunkReader:
    """Reads one response: shows its text ahead of the library, and gives it few chunks.

    Without `ahead` nothing is held back: what one read brought is given as one chunk.

    Iterating raises what `AsyncStream` would: `APIConnectionError`, `APIError` for an error inside the stream, and
    `json.JSONDecodeError` or `UnicodeDecodeError` for what can't be read; and `AgentFailure` for what is beyond the
    limits or no answer at all.
    """

    def __init__(self, response: StreamedCompletion, answer: Answer, ahead: Ahead | None, limits: AnswerLimits) -> None:
        self._response = response
        self._body = response.body
        response.close = self.close
        self._answer = answer
        self._ahead = ahead
        self._limits = limits
        self.secrets: Sequence[str] = ()
        self._size = 0
        # What grows now; its pieces that the library doesn't know, and those of them that aren't shown yet.
        self._growing: Growth | None = None
        self._turns = 0
        self._inside_tags = False
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
        stream = EventStream(self._limits.event)
        done = False
        try:
            while not done and (arrived := await self._read()):
                for data in stream.feed(arrived):
                    if len(data) < 20 and data.strip().upper() in _DONE:
                        done = True
                        break
                    for spoken in self._answer.take(data):
                        if self._follows(spoken):
                            continue
                        await self._show()
                        for chunk in self._next(spoken):
                            yield chunk
                await self._show()
                if self._ahead is None:
                    for chunk in self._release():
                        yield chunk
            for spoken in self._rest(stream, done):
                for chunk in self._next(spoken):
                    yield chunk
        except Exception as error:
            # What came before it was said all the same.
            await self._show()
            for chunk in self._release():
                yield chunk
            if isinstance(error, Reported):
                request = self._response.request
                raise APIError(message=error.words, request=request, body=error.body) from error
            raise
        for chunk in self._release():
            yield chunk
        if done:
            await self._body.drain(DRAIN)

    def _rest(self, stream: EventStream, done: bool) -> Iterator[Spoken]:
        """What is certain only at the end."""
        if not done:
            for data in stream.finish():
                yield from self._answer.take(data)
        if stream.whole:
            self._answer.is_whole()
        if not stream.gave_any or (stream.whole and not self._answer.ended):
            raise _no_answer(words_of(stream.words, self.secrets))
        yield from self._answer.finish()

    async def _read(self) -> bytes:
        try:
            arrived = await self._body.read()
        except httpx2.TimeoutException as error:
            raise APITimeoutError(request=self._response.request) from error
        except httpx2.RequestError as error:
            raise APIConnectionError(request=self._response.request) from error
        self._size += len(arrived)
        if self._size > self._limits.response:
            raise AgentFailure(
                FailureCode.MODEL_BAD_RESPONSE,
                f"The model server sent more than {self._limits.response} bytes in one answer"
                " (NETRA_MODEL_MAX_RESPONSE_BYTES).",
            )
        return arrived

    def _follows(self, spoken: Spoken) -> bool:
        """Keep what only continues what the library knows of. Says whether it does."""
        if spoken is ALIVE:
            if self._ahead is not None:
                self._ahead.alive()
            return True
        if not isinstance(spoken, Growth) or self._growing is None or spoken.field != self._growing.field:
            return False
        self._held.append(spoken.piece)
        self._unshown.append(spoken.piece)
        return True

    async def _show(self) -> None:
        """Show what one read brought, in one piece."""
        if not self._unshown or self._ahead is None or self._growing is None:
            return
        piece = "".join(self._unshown)
        self._unshown.clear()
        if self._growing.field == "content":
            await self._ahead.text(piece)
        else:
            await self._ahead.thinking(piece)

    def _next(self, spoken: Spoken) -> Iterator[ChatCompletionChunk]:
        """The library is given this; what continues it needn't be."""
        yield from self._release()
        if spoken is ALIVE:
            return
        grows = spoken if isinstance(spoken, Growth) else None
        if self._inside_tags and (grows is None or grows.field != "tagged"):
            self._inside_tags = False
            yield library_chunk(self._answer.head, {"content": _TAGS[1]})
        self._growing = grows
        self._turns += grows is not None
        if self._turns > _MOST_TURNS:
            raise AgentFailure(
                FailureCode.MODEL_BAD_RESPONSE,
                f"The model's answer changed between text and thinking more than {_MOST_TURNS} times.",
            )
        if grows is None:
            yield cast("ChatCompletionChunk", spoken)
            return
        if grows.field == "tagged" and not self._inside_tags:
            self._inside_tags = True
            yield library_chunk(self._answer.head, {"content": _TAGS[0]})
        yield from self._chunk(grows.field, grows.piece)

    def _release(self) -> Iterator[ChatCompletionChunk]:
        """What was held back, as a chunk."""
        if self._held and self._growing is not None:
            piece = "".join(self._held)
            self._held.clear()
            yield from self._chunk(self._growing.field, piece)

    def _chunk(self, field: str, piece: str) -> Iterator[ChatCompletionChunk]:
        if field == "tagged":
            field = "content"
        # Text that looks like a tag isn't one; the library would take it for one.
        whole = field != "content" or piece not in _TAGS
        for part in [piece] if whole else [piece[:1], piece[1:]]:
            yield library_chunk(self._answer.head, {field: part})


def _no_answer(said: str | None) -> AgentFailure:
    told = f" It says: {said}" if said else ""
    return AgentFailure(
        FailureCode.MODEL_BAD_RESPONSE,
        f"The model server gave no answer.{told} If that stays so, check NETRA_MODEL, and that NETRA_MODEL_BASE_URL is"
        " the address of an OpenAI-compatible API (it often ends in /v1).",
        retryable=True,
    )


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
