"""What the tools hand to the model in one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic_ai.messages import TextContent, ToolReturnPart, UserContent

from netra_backend.app.agents.shortening import shortened

__all__ = ["ResultAllowance", "ResultLimits"]

_AT_LEAST = 500
"""Characters of a result that are handed over even when nothing is left, so that the model sees what kind it was."""


@dataclass(frozen=True, slots=True)
class ResultLimits:
    """Characters: of `each` result, and of `all` results in one request."""

    each: int
    all: int


class ResultAllowance:
    """One request's results, from the oldest on: what an earlier request of the turn told is told the same again."""

    def __init__(self, limits: ResultLimits) -> None:
        self._each = limits.each
        self._left = limits.all

    def cut(self, result: ToolReturnPart) -> ToolReturnPart:
        """The result as it is handed over: itself, or its text with a note where it was too long."""
        text = result.content if isinstance(result.content, str) else result.model_response_str()
        short = self._short(text)
        if short is text:
            return result
        return replace(result, content=[short, *result.files] if result.files else short)

    def cut_said(self, said: str | Sequence[UserContent]) -> str | Sequence[UserContent]:
        """What a tool said besides its result, in the user's voice; files are as they are."""
        if isinstance(said, str):
            return self._short(said)
        cut: list[UserContent] = []
        for piece in said:
            if isinstance(piece, str):
                cut.append(self._short(piece))
            elif isinstance(piece, TextContent) and (short := self._short(piece.content)) is not piece.content:
                cut.append(TextContent(short))
            else:
                cut.append(piece)
        return cut

    def _short(self, text: str) -> str:
        most = min(self._each, max(self._left, _AT_LEAST))
        self._left -= min(len(text), most)
        return text if len(text) <= most else shortened(text, most)
