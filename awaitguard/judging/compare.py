"""Show which findings a change adds, loses or moves between levels, with the verdicts that are on record.

    python awaitguard/judging/compare.py BEFORE AFTER

BEFORE and AFTER are JSON reports of `awaitguard check --hints --format json`, or directories with one per project. A
finding is the same one in both if its project, file, code and message are, whatever its line.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

LEDGER = Path(__file__).with_name("judged.jsonl")
LEVELS = ("certain", "likely", "hint")


class Shown(NamedTuple):
    """A finding as the comparison knows it."""

    project: str
    path: str
    code: str
    message: str


class Judged(NamedTuple):
    """An entry of the ledger: what was found where, and what it was judged to be (`real`, `false` or `debatable`).

    `assumed` has the names of what was taken for granted, `cause` the place of the definition behind the finding, and
    `sample` the corpus whose first sight it was.
    """

    project: str
    version: str
    path: str
    line: int
    code: str
    level: str
    verdict: str
    why: str
    assumed: tuple[str, ...] = ()
    cause: str = ""
    sample: str = ""


class Change(NamedTuple):
    """What became of a finding; a level that is empty means that it isn't reported there."""

    finding: Shown
    line: int
    before: str
    after: str
    verdict: str


def ledger(path: Path = LEDGER) -> list[Judged]:
    """The judged findings.

    Raises:
        TypeError, ValueError: an entry isn't whole.
    """
    return [Judged(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def reports(place: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The findings of each project whose report stands there; a project is called like its file."""
    for path in sorted(place.glob("*.json")) if place.is_dir() else [place]:
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))["findings"]


def findings(place: Path) -> dict[Shown, list[tuple[str, int]]]:
    """Level and line of every place of each finding, the surest first."""
    found: dict[Shown, list[tuple[str, int]]] = {}
    for project, entries in reports(place):
        for one in entries:
            shown = Shown(project, one["path"], one["code"], one["message"])
            found.setdefault(shown, []).append((one["level"], one["line"]))
    for places in found.values():
        places.sort(key=lambda one: (LEVELS.index(one[0]), one[1]))
    return found


def changes(before: Path, after: Path, judged: Iterable[Judged]) -> list[Change]:
    """All differences between two reports: what is lost first, what is new last."""
    old, new = findings(before), findings(after)
    known = {(one.project, one.path, one.line, one.code): one.verdict for one in judged}
    found: list[Change] = []
    for one in {**old, **new}:
        left, right = old.get(one, []), new.get(one, [])
        for number in range(max(len(left), len(right))):
            was, is_now = (part[number] if number < len(part) else ("", 0) for part in (left, right))
            if was[0] != is_now[0]:
                name = one.project.rpartition("-")[0] or one.project
                verdict = next(
                    (
                        known[name, one.path, at, one.code]
                        for _, at in (was, is_now)
                        if (name, one.path, at, one.code) in known
                    ),
                    "",
                )
                found.append(Change(one, is_now[1] or was[1], was[0], is_now[0], verdict))
    return sorted(found, key=lambda change: (bool(change.after), not change.before, change.finding, change.line))


def main() -> None:
    """Print the differences, and how many there are of each kind."""
    before, after = (Path(argument) for argument in sys.argv[1:3])
    found = changes(before, after, ledger())
    for one in found:
        verdict = f"  [{one.verdict}]" if one.verdict else ""
        place = f"{one.finding.project} {one.finding.path}:{one.line}"
        print(f"{one.before or '-'} -> {one.after or '-'}  {one.finding.code}  {place}  {one.finding.message}{verdict}")
    kinds = Counter((one.before or "-", one.after or "-") for one in found)
    print(", ".join(f"{count} {was} -> {now}" for (was, now), count in sorted(kinds.items())) or "no differences")


if __name__ == "__main__":
    main()
