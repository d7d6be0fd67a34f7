"""What a rule says about one place in the code."""

from __future__ import annotations

from typing import Final, NamedTuple

CERTAIN, LIKELY, HINT = "certain", "likely", "hint"
LEVELS: Final = (CERTAIN, LIKELY, HINT)


class Cause(NamedTuple):
    """The definition that explains a finding: what it is called, where it stands, its colour and signature.

    `number` says which one it is of the definitions of its file that have this name, counted from 0: it is the same
    wherever the lines of the file move to.
    """

    name: str
    path: str
    line: int
    colour: str
    signature: str
    number: int = 0


class Step(NamedTuple):
    """One step of a finding's evidence: a line, and what it says."""

    path: str
    line: int
    text: str


class Finding(NamedTuple):
    """One finding. Lines and columns count from 1; columns are in characters."""

    code: str
    rule: str
    level: str
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    assumed: int = 0  # what was taken for granted: bits of rules/confidence.py
    cause: Cause | None = None

    @property
    def group(self) -> str:
        """Findings with the same group have one cause."""
        if self.cause is not None:
            return f"{self.cause.path}:{self.cause.name}"
        return f"{self.code}:{self.path}"

    @property
    def sort_key(self) -> tuple[str, int, int, str]:
        return self.path, self.line, self.column, self.code
