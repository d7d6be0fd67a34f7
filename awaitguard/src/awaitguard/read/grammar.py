"""Whether a file that this Python can't parse is written for a newer one."""

from __future__ import annotations

import ast
import re
import sys
from typing import Final

# Forms of newer grammars that can be seen on the line that the parser stumbles over, with the version that reads them.
FORMS: Final = (
    ((3, 12), re.compile(r"^\s*(?:type\s+\w+\s*(?:\[.*\])?\s*=|(?:async\s+)?def\s+\w+\s*\[|class\s+\w+\s*\[)")),
    # Python 2 had a name in the second place, which begins with a small letter.
    ((3, 14), re.compile(r"^\s*except\*?\s+[\w.]+\s*,\s*(?:\w+\.)*[A-Z]\w*|\b(?:t|T|[tT][rR]|[rR][tT])[\"']")),
    ((3, 15), re.compile(r"^\s*lazy\s+(?:import|from)\b")),
)
FREE_FORMATS: Final = (3, 12)  # PEP 701: any expression, quote and comment inside an f-string
WORD: Final = re.compile(r"\w+")
PREFIXES: Final = frozenset({"r", "u", "b", "br", "rb"})
FORMATTED: Final = frozenset({"f", "fr", "rf"})
OPENING, CLOSING = "([{", ")]}"


class BrokenError(Exception):
    """A string that no version of Python reads."""


def needs(text: str, line: int) -> tuple[int, int] | None:
    """The version that a text is written for, if it is newer than this Python's; `line` is where the parser stumbled."""
    running = sys.version_info[:2]
    lines = text.splitlines()
    if 0 < line <= len(lines):
        for version, form in FORMS:
            if version > running and form.search(lines[line - 1]):
                return version
    if running >= FREE_FORMATS:
        return None
    try:
        formats = Formats(text)
        blank = formats.blank()
    except BrokenError:
        return None
    if not formats.fields or not all(map(is_expression, formats.fields)):
        return None
    try:
        ast.parse(blank)
    except SyntaxError as error:
        at = error.lineno or 1
        lines = blank.splitlines()
        newer = [version for version, form in FORMS if 0 < at <= len(lines) and form.search(lines[at - 1])]
        return newer[0] if newer else None
    except (RecursionError, MemoryError, ValueError):
        return None
    return FREE_FORMATS


def is_expression(text: str) -> bool:
    if not text.strip():
        return False
    try:
        ast.parse(f"(\n{text}\n)", mode="eval")
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        return False
    return True


class Formats:
    """Finds the f-strings of a text as Python 3.12 reads them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.fields: list[str] = []  # the expressions in them, without f-strings of their own

    def blank(self) -> str:
        """The text with an empty string of as many lines in the place of each f-string.

        Raises:
            BrokenError: a string doesn't end, or a field isn't one.
        """
        found, _ = self.code(0, nested=False)
        return found

    def code(self, at: int, nested: bool) -> tuple[str, int]:
        """Code from a place on, to the end of the text or of the field that it stands in."""
        text, parts, depth = self.text, list[str](), 0
        while at < len(text):
            one = text[at]
            word = WORD.match(text, at)
            prefix = word[0].lower() if word and text[word.end() : word.end() + 1] in ("'", '"') else ""
            if one in "'\"" or prefix in PREFIXES or prefix in FORMATTED:
                begin = at
                at = self.string(at + len(prefix), prefix)
                taken = text[begin:at]
                parts.append('"""' + "\n" * taken.count("\n") + '"""' if prefix in FORMATTED else taken)
                continue
            if word:
                parts.append(word[0])
                at = word.end()
                continue
            if one == "#":
                end = text.find("\n", at)
                at = len(text) if end < 0 else end
                continue
            if nested and depth == 0 and (one in "}:" or (one == "!" and text[at + 1 : at + 2] != "=")):
                return "".join(parts), at
            depth += (one in OPENING) - (one in CLOSING)
            parts.append(one)
            at += 1
        if nested:
            raise BrokenError
        return "".join(parts), at

    def string(self, at: int, prefix: str) -> int:
        """The end of the string whose quote stands at a place."""
        text = self.text
        quote = text[at] * 3 if text.startswith(text[at] * 3, at) else text[at]
        at += len(quote)
        while at < len(text):
            one = text[at]
            if text.startswith(quote, at):
                return at + len(quote)
            if one == "\\" and not (prefix in FORMATTED and text[at + 1 : at + 2] in ("{", "}")):
                named = prefix == "f" and text.startswith("\\N{", at)
                at = text.find("}", at) + 1 if named else at + 2
                if at == 0:
                    raise BrokenError
            elif one == "\n" and len(quote) == 1:
                raise BrokenError
            elif one in "{}" and prefix in FORMATTED:
                at = at + 2 if text.startswith(one * 2, at) else self.field(at, quote)
            else:
                at += 1
        raise BrokenError

    def field(self, at: int, quote: str) -> int:
        """The end of the field that begins at a place: `{expression = !r : specification}`."""
        text = self.text
        if text[at] == "}":
            raise BrokenError
        expression, at = self.code(at + 1, nested=True)
        self.fields.append(expression.rstrip().removesuffix("=") if expression.rstrip()[-2:] != "==" else expression)
        if text[at] == "!":
            at += 2
        if text[at : at + 1] == ":":
            at += 1
            while at < len(text) and text[at] != "}":
                if text.startswith(quote, at):
                    raise BrokenError
                at = self.field(at, quote) if text[at] == "{" else at + 1
        if text[at : at + 1] != "}":
            raise BrokenError
        return at + 1
