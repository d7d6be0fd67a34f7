"""The symbol table: summaries on demand, and which of them an answer depended on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from awaitguard.infer.modules import Modules
from awaitguard.infer.trail import PLACES, WORD, Trail
from awaitguard.infer.words import IMPORTED, Words
from awaitguard.read.source import summarise
from awaitguard.read.summary import Summary, load

KEPT: Final = 16_000_000  # bytes of stored summaries that are unpacked in memory at a time


class Table:
    """Summaries by path, read through `fetch` from wherever they are stored."""

    def __init__(self, modules: Modules, fetch: Callable[[str], bytes | None], words: Words | None = None) -> None:
        self.modules = modules
        self.fetch = fetch
        self.words: Words = words or {}
        self.loaded: dict[str, Summary] = {}
        self.weight = 0
        self.trail: Trail = modules.trail

    def is_subclassed(self, name: str) -> bool:
        """Whether a class somewhere has a base with this last name."""
        return self.has(">" + name)

    def places(self, word: str) -> list[tuple[str, int]]:
        """The places that say one of the words that have places: file, and expression of what the word is about."""
        self.trail.note(WORD + word)
        found: list[tuple[str, int]] = []
        for path in self.words.get(word, ()):
            self.trail.note(path + PLACES)
            summary = self.summary(path)
            if summary is not None:
                found.extend((path, receiver) for said, receiver in summary.places if said == word)
        return found

    def imports_of(self, package: str) -> tuple[str, ...]:
        """What files of the project import from below a top-level package: `core`, `core.create`."""
        self.trail.note(WORD + IMPORTED + package)
        return self.words.get(IMPORTED + package, ())

    def sayers(self, word: str) -> tuple[str, ...]:
        """The files that say one of the words for which files are kept."""
        self.trail.note(WORD + word)
        return self.words.get(word, ())

    def has(self, word: str) -> bool:
        self.trail.note(WORD + word)
        return word in self.words

    def summary(self, path: str) -> Summary | None:
        """The summary of a file, or None for a directory or a file that can't be read."""
        self.trail.note(path)
        found = self.loaded.get(path)
        if found is not None:
            return found
        if path.endswith("/"):
            return None
        data = self.fetch(path)
        if data is None and os.path.isabs(path):
            data = self.read_outside(path)
        if data is None:
            return None
        summary = load(data)
        if summary.error is not None:
            return None
        self.keep(path, summary, len(data))
        return summary

    def keep(self, path: str, summary: Summary, weight: int) -> None:
        """Hold a summary in memory, letting go of those that were used longest ago."""
        if path in self.loaded:
            return
        if self.weight > KEPT:
            # Let go of the older half; what is still wanted comes back by itself.
            for old in list(self.loaded)[: len(self.loaded) // 2]:
                del self.loaded[old]
            self.weight //= 2
        self.loaded[path] = summary
        self.weight += weight

    def read_outside(self, path: str) -> bytes | None:
        """Summarise a source of the library now."""
        try:
            with open(path, "rb") as file:
                return summarise(file.read())[0]
        except OSError:
            return None
