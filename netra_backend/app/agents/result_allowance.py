"""What the tools hand to the model in one request."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic_ai.messages import ToolReturnPart

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
        most = min(self._each, max(self._left, _AT_LEAST))
        self._left -= min(len(text), most)
        if len(text) <= most:
            return result
        short = shortened(text, most)
        return replace(result, content=[short, *result.files] if result.files else short)
