"""Read one Python file and summarise it, whatever is in it."""

from __future__ import annotations

import ast
import gc
import io
import marshal
import re
import sys
import tokenize
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from awaitguard.read.grammar import needs
from awaitguard.read.summary import FOREIGN_REASON
from awaitguard.read.walker import IGNORE, Walker

if TYPE_CHECKING:
    from collections.abc import Generator

# Pure Python calls need no C stack, so a tree that the parser accepts can be walked at any depth.
WALK_DEPTH: Final = 1_000_000
TOO_DEEP: Final = "nested too deeply"
# What authors write to tell type checkers that a dropped coroutine, or an override of another kind, is meant.
FOREIGN: Final = re.compile(
    r"#.*(?:(unused-coroutine|unused-awaitable|reportUnusedCoroutine|pyre-(?:ignore|fixme)\[1001\])"
    r"|(?:ignore\[[^\]]*\boverride\b|reportIncompatibleMethodOverride))"
)

FOREIGN_WORDS: Final = ("unused-coroutine", "unused-awaitable", "reportUnusedCoroutine", "[1001]", "ignore[", "reportIncompatibleMethodOverride")  # fmt: skip


class UnreadableSourceError(Exception):
    """A file that can't be summarised, with the line and column and the reason in words.

    `is_newer` says that nothing is wrong with it: only this Python's grammar is too old.
    """

    def __init__(self, line: int, column: int, reason: str, is_newer: bool = False) -> None:
        super().__init__(reason)
        self.line, self.column, self.reason, self.is_newer = line, column, reason, is_newer


@contextmanager
def walking_deep() -> Generator[None]:
    """Raise the recursion limit for the walk only: the parser keeps the ordinary one, which guards the C stack."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, WALK_DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def decode(data: bytes) -> str:
    """The text of a source file by its BOM or encoding comment.

    Raises:
        UnreadableSourceError: the bytes don't fit the encoding, or it is unknown.
    """
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise UnreadableSourceError(line, 0, "the file holds a NUL byte")
    try:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        except SyntaxError:
            # Either the declared encoding is unknown, or there is none and the first lines aren't UTF-8.
            if b"coding" in b"".join(data.splitlines()[:2]):
                raise
            encoding = "utf-8"
        return data.decode(encoding)
    except (SyntaxError, LookupError) as error:
        raise UnreadableSourceError(1, 0, f"unknown encoding: {error}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableSourceError(line, 0, f"not valid {error.encoding}: {error.reason}") from None


def parse(data: bytes) -> tuple[ast.Module, str]:
    """The tree and text of a source file.

    Raises:
        UnreadableSourceError: it can't be parsed by this Python.
    """
    text = decode(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text), text
    except SyntaxError as error:
        line, column = error.lineno or 1, (error.offset or 1) - 1
        version = needs(text, line)
        if version is None:
            raise UnreadableSourceError(line, column, f"syntax error: {error.msg or 'invalid syntax'}") from None
        newer, own = ".".join(map(str, version)), ".".join(map(str, sys.version_info[:2]))
        reason = f"it is written for Python {newer} or newer, and awaitguard runs on {own}: run it on a newer Python"
        raise UnreadableSourceError(line, column, reason, is_newer=True) from None
    except (RecursionError, MemoryError):
        raise UnreadableSourceError(1, 0, TOO_DEEP) from None
    except ValueError as error:
        raise UnreadableSourceError(1, 0, str(error)) from None


def ignores(text: str) -> list[tuple[int, tuple[str, ...], str]]:
    """The inline ignores of a file: (line, codes, reason)."""
    found: list[tuple[int, tuple[str, ...], str]] = []
    # What looks like such a comment in a text stands where no finding is, so these needn't be told from comments.
    if any(word in text for word in FOREIGN_WORDS):
        for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
            said = FOREIGN.search(line) if "#" in line else None
            if said:
                found.append((number, ("AG121",) if said[1] else ("AG204", "AG205", "AG206"), FOREIGN_REASON))
    if "awaitguard:" not in text:
        return found
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            match = IGNORE.search(token.string) if token.type == tokenize.COMMENT else None
            if match:
                codes = tuple(code.strip() for code in (match[1] or "").split(",") if code.strip())
                found.append((token.start[0], codes, match[2].strip()))
    except (tokenize.TokenError, IndentationError):
        return found
    return found


def summarise(data: bytes) -> tuple[bytes, str]:
    """The stored summary of a source file and the names it gives to the project.

    A file that can't be read gives a summary that says so.
    """
    collecting = gc.isenabled()
    # Nothing of a syntax tree is garbage before the walk is over, so looking for some only costs time.
    gc.disable()
    try:
        tree, text = parse(data)
        with walking_deep():
            walker = Walker()
            raw = walker.walk(tree, ignores(text))
        return marshal.dumps(raw), walker.names()
    except UnreadableSourceError as error:
        return unreadable(error), ""
    except RecursionError:
        return unreadable(UnreadableSourceError(1, 0, TOO_DEEP)), ""
    finally:
        if collecting:
            gc.enable()


def unreadable(error: UnreadableSourceError) -> bytes:
    """The summary of a file that can't be read."""
    return marshal.dumps(((), [], [], [], [], [], [], (error.line, error.column, error.reason, error.is_newer)))
