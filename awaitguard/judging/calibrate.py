"""The page docs/awaitguard/confidence.md: the table of confidence, and the verdicts that it is measured by.

python awaitguard/judging/calibrate.py > docs/awaitguard/confidence.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from compare import LEVELS, Judged, ledger

from awaitguard.rules.confidence import CAPS, OF_KIND, WORDS, confidence, names_of
from awaitguard.rules.registry import RULES

CODES = ("AG001", *RULES)


def rows() -> Iterator[tuple[str, str, str, str]]:
    """For each assumption its name, what it says, what a finding is at most with it, and the codes for which that differs."""
    for bit, (name, words) in WORDS.items():
        most = CAPS.get(bit, LEVELS[0])
        other: dict[str, list[str]] = {}
        for code, lines in OF_KIND.items():
            if bit in lines and lines[bit] != most:
                other.setdefault(lines[bit], []).append(code)
        yield name, words, most, "; ".join(f"{level}: {', '.join(codes)}" for level, codes in other.items())


def together() -> Iterator[tuple[str, str, str]]:
    """The lines for several assumptions at once: their names, the level, and the codes for which it holds."""
    for lines, where in [(CAPS, "all"), *((lines, code) for code, lines in OF_KIND.items())]:
        for mask, level in lines.items():
            if mask not in WORDS:
                yield " and ".join(names_of(mask)), level, where


def measured(entries: Iterable[Judged]) -> Iterator[tuple[str, str, int, int, int]]:
    """What was judged with each assumption: name, level, how many, how many of them are real, in how many projects.

    Findings of one project, code and cause count once.
    """
    causes = {(one.project, one.code, one.cause or f"{one.path}:{one.line}", one.level): one for one in entries}
    counts: Counter[tuple[str, str]] = Counter()
    real: Counter[tuple[str, str]] = Counter()
    projects: dict[tuple[str, str], set[str]] = {}
    for one in causes.values():
        for name in one.assumed or ("nothing",):
            key = (name, one.level)
            counts[key] += 1
            real[key] += one.verdict == "real"
            projects.setdefault(key, set()).add(one.project)
    names = ["nothing", *(name for name, _ in WORDS.values())]
    for key in sorted(counts, key=lambda one: (names.index(one[0]), LEVELS.index(one[1]))):
        yield *key, counts[key], real[key], len(projects[key])


def page() -> str:
    """The page as Markdown."""
    likely = ", ".join(code for code in CODES if confidence(code, 0) == "likely")
    lines = [
        "# How sure a finding is",
        "",
        "A rule says what it took for granted, and never decides a level. The level follows from the code and these assumptions by",
        "one function, `confidence(code, assumed)`, whose table this page shows: a finding is as sure as the lowest of the lines that fit.",
        "With nothing assumed it is `certain`, except for these codes, which are `likely` at best:",
        f"{likely}.",
        "",
        "The JSON report names the assumptions of each finding (`assumed`), the text says them in words. This page is made by",
        "`awaitguard/judging/calibrate.py`.",
        "",
        "| assumption | what it says | a finding is at most | other codes |",
        "|---|---|---|---|",
        *(f"| {name} | {words} | {most} | {other} |" for name, words, most, other in rows()),
        "",
        "Several together:",
        "",
        "| assumptions | a finding is at most | codes |",
        "|---|---|---|",
        *(f"| {names} | {level} | {where} |" for names, level, where in together()),
        "",
        "## What was measured",
        "",
        "The verdicts of the ledger (`judged.jsonl`), by cause: findings of one project, code and cause count once, and one with several",
        "assumptions in the line of each. A debatable one counts as not real. The line of a `certain` one with an assumption should have",
        "twenty causes from eight projects with at most one that isn't real; most lines have too few to say so yet.",
        "Those without the field (judged before assumptions were written down) count under `nothing`.",
        "",
        "| assumption | level | causes | real | projects |",
        "|---|---|---|---|---|",
        *(f"| {name} | {level} | {count} | {real} | {projects} |" for name, level, count, real, projects in measured(ledger())),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
