"""What a model shows of its answer by itself, ahead of the agent library's events of it.

The library makes several objects of every piece of a streamed response, and carries each through layers of iterators,
which costs more than everything else a token passes. A model that reads the wire itself (`openai_stream`) therefore
hands text and thinking straight to the turn, and tells the library of it in few, large pieces. So the same text comes
twice: first from the wire, and later in an event, where it is passed over.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, runtime_checkable

from pydantic_ai.messages import (
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)
from pydantic_ai.models import Model, StreamedResponse

from netra_backend.app.agents.idle_watch import IdleWatch
from netra_backend.app.agents.transcript import Transcript

__all__ = ["Ahead", "ShowsAhead"]


class Ahead:
    """One turn's way from the wire to its transcript, and from the library's events."""

    def __init__(self, transcript: Transcript, idle: IdleWatch) -> None:
        self._transcript = transcript
        self._idle = idle
        # How many characters were shown that the library has yet to tell of.
        self._text = 0
        self._thinking = 0
        self._response: StreamedResponse | None = None
        self._first: asyncio.Timeout | None = None
        self._alive = False

    def begin_response(self) -> None:
        """What follows belongs to a new response."""
        self._text = self._thinking = 0
        self._response = None
        self._alive = False

    def asked(self, first: asyncio.Timeout) -> None:
        """The model was asked. `first` limits the time until it says anything."""
        self._first = first

    async def read(self, response: StreamedResponse) -> None:
        """Read a response to its end, and show what of it wasn't."""
        self._response = response
        async for event in response:
            self._spoke()
            await self.event(event)
        self._idle.busy()

    @property
    def begun(self) -> bool:
        """Whether something of the present response has arrived: what was shown of it can't be taken back."""
        return self._alive or self._transcript.shown_in_response or bool((so_far := self.so_far()) and so_far.parts)

    def so_far(self) -> ModelResponse | None:
        """What the library made of the response that is or was being read, if any."""
        return self._response.get() if self._response is not None else None

    async def event(self, event: ModelResponseStreamEvent) -> None:
        """From the library. What was shown ahead of it isn't shown again."""
        self._idle.busy()
        match event:
            case (
                PartStartEvent(part=TextPart(content=content))
                | PartDeltaEvent(delta=TextPartDelta(content_delta=content))
            ):
                known = min(self._text, len(content))
                self._text -= known
                await self._transcript.text(content[known:])
            case (
                PartStartEvent(part=ThinkingPart(content=content))
                | PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(content)))
            ):
                known = min(self._thinking, len(content))
                self._thinking -= known
                await self._transcript.thinking(content[known:])
            case _:
                pass
        self._idle.waiting()

    async def text(self, delta: str) -> None:
        """From the wire: a piece of the answer."""
        self._idle.busy()
        self._text += len(delta)
        await self._transcript.text(delta)
        self._idle.waiting()

    async def thinking(self, delta: str) -> None:
        """From the wire: a piece of reasoning."""
        self._idle.busy()
        self._thinking += len(delta)
        await self._transcript.thinking(delta)
        self._idle.waiting()

    def alive(self) -> None:
        """From the wire: the model said something that isn't to be shown."""
        self._alive = True
        self._spoke()
        self._idle.waiting()

    def _spoke(self) -> None:
        first, self._first = self._first, None
        if first is not None:
            first.reschedule(None)


@runtime_checkable
class ShowsAhead(Protocol):
    """A model that can show its answer ahead of the library's events."""

    def showing(self, ahead: Ahead) -> Model:
        """This model for one turn, which shows its answers there."""
        ...
