"""What a model shows of its answer by itself, ahead of the agent library's events of it.

The library makes several objects of every piece of a streamed response, which costs more than everything else a token
passes. A model that reads the wire itself (`openai_stream`) therefore hands text and thinking straight to the turn, in
the turn's own task, and tells the library of it in few, large pieces. So the same text comes twice: first here, and
later in an event, where it is passed over.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pydantic_ai.models import Model

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

    def begin_response(self) -> None:
        """What follows belongs to a new response."""
        self._text = self._thinking = 0

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
        self._idle.waiting()

    async def text_event(self, delta: str) -> None:
        """From the library: a piece of the answer. What was shown ahead of it isn't shown again."""
        known = min(self._text, len(delta))
        self._text -= known
        await self._transcript.text(delta[known:])

    async def thinking_event(self, delta: str) -> None:
        """From the library: a piece of reasoning."""
        known = min(self._thinking, len(delta))
        self._thinking -= known
        await self._transcript.thinking(delta[known:])


@runtime_checkable
class ShowsAhead(Protocol):
    """A model that can show its answer ahead of the library."""

    def showing(self, ahead: Ahead) -> Model:
        """This model for one turn, which shows its answers there."""
        ...
