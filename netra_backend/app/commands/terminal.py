"""Writing to a terminal what others have written."""

from __future__ import annotations

import re
import sys

from rich.console import Console
from rich.text import Text

__all__ = ["Screen", "harmless"]

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Everything that could move the cursor, set a title, or show text in another order (C0 without tab and line feed,
DEL, C1, bidirectional controls), and lone surrogates, which no terminal can be sent."""


def harmless(text: str) -> str:
    """`text` with each such character spelled out, so that a model can't act on the terminal."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


class Screen:
    """Standard output for people: styled on a terminal, plain in a pipe; and standard error for remarks."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)
        self._at_line_start = True

    @property
    def is_terminal(self) -> bool:
        """Whether a person is looking."""
        return self._out.is_terminal

    def line(self, *parts: str | tuple[str, str]) -> None:
        """One line, on a line of its own. A part is text, or text with its style."""
        self.fresh()
        self._put(Text.assemble(*[_part(part) for part in parts]), end="\n")
        self._at_line_start = True

    def fresh(self) -> None:
        """Have what follows begin a line."""
        if not self._at_line_start:
            self.write("\n")

    def write(self, text: str, style: str = "") -> None:
        """Text as it comes, without a line's end."""
        if text:
            self._put(Text(harmless(text), style), end="")
            self._at_line_start = text.endswith("\n")

    def raw(self, text: str) -> None:
        """A line for programs, unchanged but for what can't be encoded."""
        sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
        sys.stdout.flush()

    def remark(self, text: str) -> None:
        """A line beside the output."""
        self.fresh()
        self._err.print(Text(harmless(text), "yellow"))

    def _put(self, text: Text, end: str) -> None:
        self._out.print(text, end=end)


def _part(part: str | tuple[str, str]) -> str | tuple[str, str]:
    return harmless(part) if isinstance(part, str) else (harmless(part[0]), part[1])
