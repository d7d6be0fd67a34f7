"""The report for people: grouped by cause, with a code frame for the first place of each group."""

from __future__ import annotations

import os
from io import StringIO

from rich.console import Console
from rich.text import Text

from awaitguard.finding import Finding
from awaitguard.report import Grouped, Report
from awaitguard.rules.advice import advice
from awaitguard.rules.confidence import WORDS

SHOWN = 12  # places that a group lists before it only counts


def render(report: Report, colour: bool = False, width: int = 120, verbose: bool = False) -> str:
    """The report as text; `colour` adds terminal colours."""
    out = StringIO()
    console = Console(
        file=out,
        force_terminal=colour,
        no_color=not colour,
        width=width,
        highlight=False,
        soft_wrap=True,
        color_system="standard" if colour else None,
    )
    for group in report.groups():
        print_group(console, report, group)
    print_summary(console, report, verbose)
    return out.getvalue()


def print_group(console: Console, report: Report, group: Grouped) -> None:
    cause, findings = group.cause, group.findings
    title = Text()
    if cause is not None and cause.colour == "missing":
        title.append(f"{cause.name} isn't there", style="bold")
    elif cause is not None and cause.path:
        what = (
            "class"
            if cause.colour == "class"
            else f"{cause.colour} function"
            if cause.colour in ("sync", "async")
            else cause.colour
        )
        title.append(f"{cause.name}{cause.signature if cause.colour != 'class' else ''}", style="bold")
        title.append(f"  {what}, {cause.path}:{cause.line}")
    elif cause is not None:
        title.append(cause.name, style="bold")
        title.append("  of a library")
    else:
        title.append(f"{findings[0].rule.replace('-', ' ')}", style="bold")
        title.append(f"  {findings[0].path}")
    files = len({finding.path for finding in findings})
    count = f"{len(findings)} place{'s' if len(findings) > 1 else ''} in {files} file{'s' if files > 1 else ''}"
    console.print(title)
    first = findings[0]
    console.print(Text(f"  {count}: {first.message}"))
    print_frame(console, report, first)
    for finding in findings[:SHOWN]:
        line = Text("  ")
        line.append(f"{finding.path}:{finding.line}:{finding.column}", style="cyan")
        line.append(f"  {finding.code}", style="red" if finding.level == "certain" else "yellow")
        line.append(f" {finding.level}")
        if finding is not first and finding.message != first.message:
            line.append(f"  {finding.message}")
        console.print(line)
    if len(findings) > SHOWN:
        console.print(Text(f"  ... and {len(findings) - SHOWN} more (--format json lists all)"))
    print_evidence(console, report, first)
    reasons = doubts(findings)
    if reasons:
        console.print(Text(f"  Taken for granted: {'; '.join(reasons)}", style="dim"))
    console.print(Text(f"  {advice(first.code)}  More: awaitguard explain {first.code}\n", style="dim"))


def print_evidence(console: Console, report: Report, finding: Finding) -> None:
    """The lines that prove a finding, with what each of them says."""
    for step in report.evidence.get(finding, ()):
        lines = source_lines(report.root, step.path)
        source = lines[step.line - 1].strip()[:100] if step.line <= len(lines) else ""
        console.print(Text(f"  because {step.path}:{step.line}  {source}  ({step.text})", style="dim"))


def doubts(findings: list[Finding]) -> list[str]:
    """What was taken for granted in any of the findings, in words."""
    assumed = 0
    for finding in findings:
        assumed |= finding.assumed
    return [words for bit, (_, words) in WORDS.items() if bit & assumed]


def print_frame(console: Console, report: Report, finding: Finding) -> None:
    """Three lines of source with the place underlined."""
    lines = source_lines(report.root, finding.path)
    if not 0 < finding.line <= len(lines):
        return
    width = len(str(finding.line + 1))
    for number in range(max(1, finding.line - 1), min(len(lines), finding.line + 1) + 1):
        console.print(Text(f"    {number:>{width}} | {lines[number - 1].expandtabs(4)}"[:200]))
        if number == finding.line:
            text = lines[number - 1]
            start = len(text[: finding.column - 1].expandtabs(4))
            end = (
                len(text[: finding.end_column - 1].expandtabs(4))
                if finding.end_line == finding.line
                else len(text.rstrip().expandtabs(4))
            )
            console.print(Text(f"    {' ' * width} | {' ' * start}{'^' * max(1, min(end - start, 160))}", style="red"))


def source_lines(root: str, path: str) -> list[str]:
    """The lines of a file, or none if it can't be read any more."""
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            # A source may hold anything; a terminal should only get what can be printed.
            return [
                "".join(one if one.isprintable() or one == "\t" else "?" for one in line)
                for line in file.read().splitlines()
            ]
    except OSError:
        return []


def print_summary(console: Console, report: Report, verbose: bool) -> None:
    certain = sum(finding.level == "certain" for finding in report.findings)
    total = len(report.findings)
    files = f"{report.files} file{'s' if report.files != 1 else ''}"
    if total:
        groups = len(report.groups())
        text = f"{total} finding{'s' if total > 1 else ''} ({certain} certain) with {groups} cause{'s' if groups > 1 else ''}"
    else:
        text = "No findings"
    text += f" in {files}, {report.seconds:.1f} s."
    if report.unparsed:
        text += f" {report.unparsed} could not be checked."
    if verbose:
        text += f" {report.unresolved} calls could not be resolved and were not judged."
    console.print(Text(text, style="bold"))
