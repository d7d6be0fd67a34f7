"""JUnit XML: one test case per finding, or a single passing one."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from awaitguard.report import Report


def render(report: Report) -> str:
    """The report as JUnit XML."""
    findings = report.findings
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<testsuites tests="{max(len(findings), 1)}" failures="{len(findings)}" errors="0">',
        f'<testsuite name="awaitguard" tests="{max(len(findings), 1)}" failures="{len(findings)}" errors="0" time="{report.seconds:.3f}">',
    ]
    if not findings:
        lines.append(f'<testcase name="no findings in {report.files} files" classname="awaitguard"/>')
    for finding in findings:
        name = clean(f"{finding.code} {finding.path}:{finding.line}")
        lines.append(
            f'<testcase name={quoteattr(name)} classname={quoteattr(clean(finding.rule))} file={quoteattr(clean(finding.path))} line="{finding.line}">'
        )
        cause = f"\ncause: {finding.cause.name} in {finding.cause.path}:{finding.cause.line}" if finding.cause else ""
        lines.append(
            f"<failure type={quoteattr(finding.level)} message={quoteattr(clean(finding.message))}>{escape(clean(finding.message + cause))}</failure>"
        )
        lines.append("</testcase>")
    lines += ["</testsuite>", "</testsuites>"]
    return "\n".join(lines) + "\n"


def clean(text: str) -> str:
    """Without characters that XML 1.0 can't hold."""
    return "".join(
        one if one in "\t\n\r" or (" " <= one <= "\ud7ff") or ("\ue000" <= one <= "\ufffd") or one > "\uffff" else "?"
        for one in text
    )
