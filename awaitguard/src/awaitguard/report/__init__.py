"""Reports: one module per format, each with `render(report) -> str`."""

from __future__ import annotations

from typing import NamedTuple

from awaitguard.finding import LEVELS, Cause, Finding


class Grouped(NamedTuple):
    """Findings with one cause."""

    key: str
    cause: Cause | None
    findings: list[Finding]


class Report(NamedTuple):
    """Everything that a report tells. `sources` gives the lines of a file of the project."""

    findings: list[Finding]
    root: str
    files: int
    unparsed: int
    unresolved: int
    seconds: float

    def groups(self) -> list[Grouped]:
        """The findings by cause: the surest and largest group first."""
        found: dict[str, Grouped] = {}
        for finding in self.findings:
            group = found.setdefault(finding.group, Grouped(finding.group, finding.cause, []))
            group.findings.append(finding)
        return sorted(
            found.values(),
            key=lambda one: (min(LEVELS.index(each.level) for each in one.findings), -len(one.findings), one.key),
        )
