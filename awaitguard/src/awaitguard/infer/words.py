"""What the files of a project say by name, for questions that no import leads to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Words = dict[
    str, tuple[str, ...]
]  # each word, and for those that have places the files that say it; for `@package` what is imported of it

SET: Final = "="  # an attribute of this name is set on another object
ASKED: Final = "?"  # somebody asks what colour a method of this name has
STARRED: Final = ">*"  # the bases of a class are in a list or tuple: `class App(*commands)`
AWAITED: Final = "!"  # somebody awaits what a method of this name gives
CALLED: Final = "."  # somebody uses it at once, or drops it
AWAITED_TWICE: Final = "*"  # somebody awaits what awaiting it gives
PLACED: Final = (SET, ASKED, STARRED, AWAITED, CALLED, AWAITED_TWICE)
IMPORTED: Final = "@"  # `@shop` with what is imported from below that package: `core.create`


def collect_words(lines: Iterable[tuple[str, str]]) -> Words:
    """The words of a project, from pairs of a file's path and its words, in any order."""
    placed: dict[str, set[str]] = {}
    words: Words = {}
    for path, line in lines:
        for word in line.split():
            if word.startswith(PLACED):
                placed.setdefault(word, set()).add(path)
            elif word.startswith(IMPORTED):
                package, _, rest = word.partition(".")
                placed.setdefault(package, set()).add(rest)
            else:
                words[word] = ()
    words.update({word: tuple(sorted(paths)) for word, paths in placed.items()})
    return words


def digest_text(words: Words, word: str) -> bytes | None:
    """What an answer that asked for a word depends on; None if nobody says it."""
    found = words.get(word)
    return None if found is None else "\0".join(("1", *found)).encode()
