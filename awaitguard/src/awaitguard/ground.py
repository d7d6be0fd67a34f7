"""What the results of a run stand on, and which results of earlier runs it still bears."""

from __future__ import annotations

import os
from collections.abc import Iterable

from awaitguard.cache import Known, digest
from awaitguard.infer.modules import Modules
from awaitguard.infer.trail import CALLS, GENERATED, OUTSIDE, PLACES, SITES, WORD
from awaitguard.infer.words import Words, digest_text
from awaitguard.read.discovery import state_of
from awaitguard.read.forms import OFFER, WITH_CALLS, WITH_PLACES, WITH_SITES

ABSENT = b"-"
VIEW_OF = {"": OFFER, CALLS: WITH_CALLS, PLACES: WITH_PLACES, SITES: WITH_SITES}


class Ground:
    """Answers what a trail notes: a result is kept for as long as all answers that it was worked out from are the same."""

    def __init__(self, files: dict[str, Known], words: Words, modules: Modules) -> None:
        self.files = files
        self.words = words
        self.modules = modules
        self.known: dict[str, bytes] = {}

    def answer(self, question: str) -> bytes:
        """A short form of the answer to a question on a trail."""
        found = self.known.get(question)
        if found is None:
            found = self.known[question] = self.find_answer(question)
        return found

    def find_answer(self, question: str) -> bytes:
        path, mark, rest = question.partition("\0")
        if path:
            if path.startswith("/"):
                return outside(path)
            file = self.files.get(path)
            return ABSENT if file is None else file.views[VIEW_OF[mark + rest]]
        if question.startswith(WORD):
            return digest(digest_text(self.words, question.removeprefix(WORD)) or ABSENT)
        return digest(self.modules.fact(question).encode())

    def key(self, path: str, questions: Iterable[str]) -> bytes:
        """What a result was worked out from: its file itself, and the answers to some questions."""
        return digest(self.files[path].summary + b"".join([self.answer(one) for one in questions]))

    def outer_key(self, questions: Iterable[str]) -> bytes:
        """The same of questions about what isn't in the files of the project."""
        return digest(b"".join([self.answer(one) for one in questions]))

    def everything(self, families: tuple[tuple[str, ...], ...]) -> bytes:
        """All that the outcome of a run hangs on, but for what isn't in the files of the project."""
        files = [path.encode() + b"\0" + self.files[path].summary for path in sorted(self.files)]
        return digest(repr(families).encode() + self.modules.everything().encode() + b"".join(files))


def outer(questions: Iterable[str]) -> tuple[str, ...]:
    """Those of some questions that are about what isn't in the files of the project."""
    return tuple([one for one in questions if one.startswith(("/", OUTSIDE, GENERATED))])


def outside(path: str) -> bytes:
    """A stand-in for the content of a file of the library."""
    try:
        state = state_of(os.stat(path))
        if state:
            return digest(state.encode())
        with open(path, "rb") as file:
            return digest(file.read())
    except OSError:
        return ABSENT
