"""Annotations for GitHub Actions, one line per finding."""

from __future__ import annotations

from awaitguard.finding import CERTAIN, LIKELY
from awaitguard.report import Report

COMMANDS = {CERTAIN: "error", LIKELY: "warning"}


def render(report: Report) -> str:
    """The report as workflow commands."""
    lines: list[str] = []
    for finding in report.findings:
        message = finding.message
        if finding.cause is not None and finding.cause.line:
            message += f" (defined in {finding.cause.path}:{finding.cause.line})"
        lines.append(
            f"::{COMMANDS.get(finding.level, 'notice')} file={escape(finding.path)},line={finding.line},endLine={finding.end_line},"
            f"col={finding.column},endColumn={finding.end_column},title={escape(f'{finding.code} {finding.rule}')}::{data(message)}"
        )
    return "".join(line + "\n" for line in lines)


def data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape(text: str) -> str:
    return data(text).replace(":", "%3A").replace(",", "%2C")
