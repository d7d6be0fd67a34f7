"""Inline `# awaitguard: ignore[AG101] reason` comments."""

from __future__ import annotations

from collections.abc import Iterable

from awaitguard.codes import UNUSED_IGNORE, is_known, nearest
from awaitguard.finding import CERTAIN, Finding
from awaitguard.read.summary import FOREIGN_REASON, Ignore


def apply_ignores(findings: Iterable[Finding], ignores: dict[str, list[Ignore]]) -> list[Finding]:
    """Leave out findings that a comment silences, and report comments that silence nothing.

    A comment counts for findings that begin on its line or on the line after it, if it stands alone there, or that end
    on its line. One without codes silences every code.
    """
    used: set[tuple[str, int, str]] = set()
    kept: list[Finding] = []
    for finding in findings:
        silenced = False
        for ignore in ignores.get(finding.path, ()):
            if ignore.line not in (finding.line, finding.end_line, finding.line - 1):
                continue
            if not ignore.codes:
                silenced = True
                used.add((finding.path, ignore.line, ""))
            for code in ignore.codes:
                if finding.code.startswith(code):
                    silenced = True
                    used.add((finding.path, ignore.line, code))
        if not silenced:
            kept.append(finding)
    for path, found in ignores.items():
        for ignore in found:
            if ignore.reason == FOREIGN_REASON:
                continue
            for code in ignore.codes or ("",):
                if (path, ignore.line, code) not in used:
                    what = f"ignore[{code}]" if code else "ignore"
                    message = f"this `awaitguard: {what}` silences nothing: remove it"
                    if code and not is_known(code):
                        message = f"`awaitguard: {what}` names no code{nearest(code)}"
                    kept.append(
                        Finding(UNUSED_IGNORE, "unused-ignore", CERTAIN, path, ignore.line, 1, ignore.line, 1, message)
                    )
    return sorted(kept, key=lambda one: one.sort_key)
