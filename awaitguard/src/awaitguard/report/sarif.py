"""SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from awaitguard.codes import GENERAL
from awaitguard.finding import CERTAIN, LIKELY, Finding, Step
from awaitguard.report import Report
from awaitguard.report.baseline import fingerprint
from awaitguard.report.explain import explain_code, page
from awaitguard.rules.advice import advice
from awaitguard.rules.registry import RULES
from awaitguard.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {CERTAIN: "error", LIKELY: "warning"}


def render(report: Report) -> str:
    """The report as a SARIF log."""
    codes = sorted({finding.code for finding in report.findings})
    index = {code: number for number, code in enumerate(codes)}
    rules = {finding.code: finding.rule for finding in report.findings}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "awaitguard",
                "version": __version__,
                "rules": [describe(code, rules[code]) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"ROOT": {"description": {"text": "The root of the checked tree."}}},
        "results": [
            result(finding, index[finding.code], report.evidence.get(finding, ())) for finding in report.findings
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def describe(code: str, name: str) -> dict[str, Any]:
    rule = RULES.get(code)
    if rule is None:
        why = GENERAL[code][1]
        return {
            "id": code,
            "name": name,
            "shortDescription": {"text": name.replace("-", " ")},
            "fullDescription": {"text": why},
            "help": {"text": f"{why}\n{advice(code)}", "markdown": explain_code(code)},
        }
    return {
        "id": code,
        "name": name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why}\n{advice(code)}", "markdown": page(rule)},
        "defaultConfiguration": {"level": LEVELS.get(rule.level, "note")},
    }


def result(finding: Finding, index: int, evidence: Sequence[Step]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": LEVELS.get(finding.level, "note"),
        "message": {"text": finding.message},
        "locations": [location(finding.path, finding.line, finding.column, finding.end_line, finding.end_column)],
        "partialFingerprints": {"awaitguard/v1": fingerprint(finding)},
        "properties": {"group": finding.group},
    }
    if finding.cause is not None and finding.cause.path and finding.cause.line:
        cause = location(finding.cause.path, finding.cause.line, 1, finding.cause.line, 1)
        cause["message"] = {"text": f"{finding.cause.name}{finding.cause.signature} is {finding.cause.colour}"}
        cause["id"] = 0
        found["relatedLocations"] = [cause]
    for number, step in enumerate(evidence, 1):
        place = location(step.path, step.line, 1, step.line, 1)
        place["message"] = {"text": step.text}
        place["id"] = number
        found.setdefault("relatedLocations", []).append(place)
    return found


def location(path: str, line: int, column: int, end_line: int, end_column: int) -> dict[str, Any]:
    outside = path.startswith("/")
    artifact = {"uri": quote(path)} if outside else {"uri": quote(path), "uriBaseId": "ROOT"}
    region = {
        "startLine": line,
        "startColumn": column,
        "endLine": end_line,
        "endColumn": max(end_column, column if line == end_line else 1),
    }
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}
