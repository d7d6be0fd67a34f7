"""Reports: one module per format, each with `render(report) -> str`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from awaitguard.codes import is_async
from awaitguard.finding import LEVELS, Cause, Finding, Step


class Grouped(NamedTuple):
    """Findings with one cause."""

    key: str
    cause: Cause | None
    findings: list[Finding]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """What is about colour first, the rest behind it, each from file to file."""
    return sorted(findings, key=lambda one: (not is_async(one.code), one.sort_key))


class Report(NamedTuple):
    """Everything that a report tells. `sources` gives the lines of a file of the project."""

    findings: list[Finding]
    root: str
    files: int
    unparsed: int
    unresolved: int
    seconds: float
    evidence: Mapping[Finding, tuple[Step, ...]] = MappingProxyType({})

    def groups(self) -> list[Grouped]:
        """The findings by cause: those about colour first, of these the surest and largest group."""
        found: dict[str, Grouped] = {}
        for finding in self.findings:
            group = found.setdefault(finding.group, Grouped(finding.group, finding.cause, []))
            group.findings.append(finding)
        return sorted(
            found.values(),
            key=lambda one: (
                not any(is_async(each.code) for each in one.findings),
                min(LEVELS.index(each.level) for each in one.findings),
                -len(one.findings),
                one.key,
            ),
        )
