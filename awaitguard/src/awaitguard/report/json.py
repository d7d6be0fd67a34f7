"""The JSON report; its schema is `report/schema.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from awaitguard.finding import Finding, Step
from awaitguard.report import Report
from awaitguard.rules.confidence import names_of

VERSION = 1


def render(report: Report) -> str:
    """The report as JSON text."""
    return json.dumps(document(report), indent=1) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    groups = report.groups()
    return {
        "version": VERSION,
        "findings": [entry(finding, report.evidence.get(finding, ())) for finding in report.findings],
        "groups": [
            {
                "id": group.key,
                "cause": cause(group.findings[0]),
                "count": len(group.findings),
                "codes": sorted({finding.code for finding in group.findings}),
                "paths": sorted({finding.path for finding in group.findings}),
            }
            for group in groups
        ],
        "summary": {
            "files": report.files,
            "unparsed": report.unparsed,
            "unresolved": report.unresolved,
            "seconds": round(report.seconds, 3),
        },
    }


def entry(finding: Finding, evidence: Sequence[Step]) -> dict[str, Any]:
    return {
        "code": finding.code,
        "rule": finding.rule,
        "level": finding.level,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "message": finding.message,
        "assumed": list(names_of(finding.assumed)),
        "cause": cause(finding),
        "group": finding.group,
        "evidence": [dict(step._asdict()) for step in evidence],
    }


def cause(finding: Finding) -> dict[str, Any] | None:
    if finding.cause is None:
        return None
    return {name: value for name, value in finding.cause._asdict().items() if name != "number"}


def schema() -> dict[str, Any]:
    """The JSON schema of this report."""
    return json.loads(resources.files("awaitguard.report").joinpath("schema.json").read_text(encoding="utf-8"))
