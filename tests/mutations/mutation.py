"""One edit of the code that breaks a promise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["APP", "ROOT", "Mutation", "Nearest", "StaleAnchor"]

ROOT = Path(__file__).parents[2]
APP = "netra_backend/app"


class StaleAnchor(Exception):
    """The text that an edit goes by isn't in its file, or is there more than once; the message says which."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """`old` is found exactly once in `file` and becomes `new`; then one of `tests` should fail.

    `hangs` says why a test that never ends is how it is noticed. `equivalent` says why no test can notice it.
    """

    id: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    hangs: str = ""
    equivalent: str = ""

    def path(self, root: Path = ROOT) -> Path:
        """Where the edit goes."""
        return root / APP / self.file

    def mutated(self, root: Path = ROOT) -> str:
        """The file's text with the edit in it. Raises `StaleAnchor`."""
        path = self.path(root)
        text = path.read_text() if path.exists() else ""
        if (found := text.count(self.old)) != 1:
            raise StaleAnchor(
                f"mutation {self.id}: its anchor is {found} times in {APP}/{self.file}, not once; find where the"
                f" promise is kept now, and move the mutation there:\n{self.old}"
            )
        return text.replace(self.old, self.new)


class Nearest:
    """The mutations of one file, and the tests that are nearest to it."""

    def __init__(self, file: str, *tests: str) -> None:
        self._file = file
        self._tests = tests

    def edit(self, id: str, old: str, new: str, *tests: str, hangs: str = "", equivalent: str = "") -> Mutation:
        """A mutation; `tests` instead of those of the file, where others are nearer."""
        return Mutation(id, self._file, old, new, tests or self._tests, hangs=hangs, equivalent=equivalent)
