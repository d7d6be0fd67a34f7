"""What the user was shown of one turn, response by response: the source of a stopped turn's history."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Literal

from netra_backend.app.agents.clean import clean_json, clean_text
from netra_backend.app.agents.runtime import Json, RunSink, ToolStatus

__all__ = ["Kind", "ShownResponse", "Transcript"]

_LONGEST_NAME = 200
"""A tool's name; a model may call for one that nobody ever gave it."""

Kind = Literal["text", "thinking"]


@dataclass(slots=True)
class ShownResponse:
    """One response of the model: where each stretch of its text and thinking begins in what was shown."""

    stretches: list[tuple[Kind, int]] = field(default_factory=list[tuple[Kind, int]])
    break_before: str = ""
    """Blank lines put between this response's text and the text of an earlier one."""
    complete: bool = False
    """The response arrived whole, so that the library's own record of it can be kept."""


class Transcript:
    """A turn's way to its sink: cleans what passes and keeps apart which response showed what.

    `RunSink.shown_text` and `shown_thinking` are the only truth about what was shown: a call that is cancelled
    while it waits may or may not have been taken, and only they tell. Errors of the sink are remembered, so that they
    aren't taken for the agent's.
    """

    def __init__(self, sink: RunSink) -> None:
        self._sink = sink
        self.responses: list[ShownResponse] = []
        self._sink_errors: list[Exception] = []

    def begin_response(self) -> None:
        """What follows belongs to a new response of the model."""
        self.responses.append(ShownResponse())

    def complete_response(self) -> None:
        """The latest response arrived whole."""
        self.responses[-1].complete = True

    @property
    def shown_in_response(self) -> bool:
        """Whether the latest response showed anything."""
        return bool(self.responses[-1].stretches)

    @property
    def text_in_response(self) -> bool:
        """Whether the latest response showed any text."""
        return any(kind == "text" for kind, _ in self.responses[-1].stretches)

    def is_of_sink(self, error: Exception) -> bool:
        """Whether a call of the sink raised this."""
        return any(error is raised for raised in self._sink_errors)

    async def text(self, delta: str) -> None:
        """Show a piece of the answer."""
        delta = clean_text(delta)
        if not delta:
            return
        stretches = self.responses[-1].stretches
        begins = not stretches or stretches[-1][0] != "text"
        if begins and not self.text_in_response:
            shown = self._sink.shown_text
            if shown and not shown[-1].isspace() and not delta[0].isspace():
                # "Let me look." and "It is 4." are two responses, with a tool between them; joined, they'd touch.
                self.responses[-1].break_before = "\n\n"
                delta = "\n\n" + delta
        self._mark("text")
        await self._passing(self._sink.text(delta))

    async def thinking(self, delta: str) -> None:
        """Show a piece of reasoning."""
        delta = clean_text(delta)
        if not delta:
            return
        self._mark("thinking")
        await self._passing(self._sink.thinking(delta))

    async def tool_started(self, tool_call_id: str, tool_name: str, parameters: Json) -> None:
        """Returns when the start is on record."""
        await self._passing(
            self._sink.tool_started(tool_call_id, clean_text(tool_name)[:_LONGEST_NAME], clean_json(parameters))
        )

    async def tool_finished(self, tool_call_id: str, status: ToolStatus, result: Json) -> None:
        """Returns when the end is on record."""
        await self._passing(self._sink.tool_finished(tool_call_id, status, clean_json(result)))

    def shown_in(self, number: int) -> list[tuple[Kind, str]]:
        """What the user was shown of that response (from 0), in order."""
        stretches = self.responses[number].stretches
        later = [stretch for response in self.responses[number + 1 :] for stretch in response.stretches]
        following = [*stretches, *later]
        shown: list[tuple[Kind, str]] = []
        for index, (kind, start) in enumerate(stretches):
            whole = self._sink.shown_text if kind == "text" else self._sink.shown_thinking
            end = next((begin for other, begin in following[index + 1 :] if other == kind), len(whole))
            if whole[start:end]:
                shown.append((kind, whole[start:end]))
        return shown

    def _mark(self, kind: Kind) -> None:
        # What was shown is only looked at where a stretch begins: it's long, and most pieces begin none.
        stretches = self.responses[-1].stretches
        if not stretches or stretches[-1][0] != kind:
            shown = self._sink.shown_text if kind == "text" else self._sink.shown_thinking
            stretches.append((kind, len(shown)))

    async def _passing(self, call: Awaitable[None]) -> None:
        try:
            await call
        except Exception as error:
            self._sink_errors.append(error)
            raise
