"""Run the rules over one file."""

from __future__ import annotations

from collections.abc import Iterator

from awaitguard.finding import Cause, Finding
from awaitguard.resolver import Resolver
from awaitguard.rules.rule import Rule
from awaitguard.signature import colour_of_scope, signature_of_scope
from awaitguard.summary import (
    OP_ATTR,
    OP_CALL,
    OP_GETATTR,
    OP_NAME,
    Expr,
    Scope,
    Site,
    Summary,
    qualname,
    unpack_position,
)
from awaitguard.value import Definition, Values


class FileCheck:
    """One file under check, as the rules see it."""

    def __init__(self, path: str, summary: Summary, resolver: Resolver) -> None:
        self.path = path
        self.summary = summary
        self.resolver = resolver
        self.unresolved = 0

    def values(self, expr: int) -> Values:
        """What an expression of this file may stand for."""
        return self.resolver.infer(self.path, expr)

    def expr(self, index: int) -> Expr:
        return self.summary.exprs[index]

    def function(self, scope: int) -> Scope | None:
        """The function that code in `scope` runs in; None at module and class level."""
        found = self.summary.scopes[scope]
        return found if found.kind in ("function", "lambda") else None

    def text(self, index: int) -> str:
        """An expression in short, for messages."""
        for _ in range(6):
            if index < 0:
                break
            expr = self.summary.exprs[index]
            if expr[0] == OP_NAME:
                return str(expr[1])
            if expr[0] in (OP_ATTR, OP_GETATTR):
                return f"{self.text(expr[1])}.{expr[2]}"
            if expr[0] == OP_CALL:
                return f"{self.text(expr[1])}()"
            if expr[0] == "s":
                key = "..." if expr[2] is None else repr(expr[2])
                return f"{self.text(expr[1])}[{key}]"
            if expr[0] in "wie":
                index = expr[1]
                continue
            break
        return "the value"

    def cause(self, origin: Definition | str | None) -> Cause | None:
        """Describe the definition that explains a finding."""
        if origin is None:
            return None
        if isinstance(origin, str):
            return Cause(origin, "", 0, "library", "")
        path, index = origin
        summary = self.resolver.table.summary(path)
        if summary is None or index < 0:
            return None
        scope = summary.scopes[index]
        line = unpack_position(scope.position)[0]
        names = self.resolver.decorator_names(summary, scope)
        return Cause(qualname(summary, index), path, line, colour_of_scope(scope, names), signature_of_scope(scope))

    def finding(
        self, rule: Rule, position: int, message: str, origin: Definition | str | None = None, level: str = ""
    ) -> Finding:
        line, column, end_line, end_column = unpack_position(position)
        return Finding(
            rule.code,
            rule.name,
            level or rule.level,
            self.path,
            line,
            column + 1,
            end_line,
            end_column + 1,
            message,
            self.cause(origin),
        )


def check_file(path: str, summary: Summary, resolver: Resolver) -> tuple[list[Finding], int]:
    """All findings of one file and the number of calls that couldn't be resolved."""
    from awaitguard.rules import GROUPS, SITE_GROUPS

    file = FileCheck(path, summary, resolver)
    found: list[Finding] = []
    for raw in summary.sites:
        site = Site._make(raw)
        for group in SITE_GROUPS[site.use]:
            found.extend(group.site(file, site))
    for group in GROUPS:
        found.extend(group.file(file))
    return deduplicate(found), file.unresolved


def deduplicate(findings: list[Finding]) -> list[Finding]:
    """One finding per place: of several codes at one place the first group's stays."""
    seen: set[tuple[int, int, str]] = set()
    kept: list[Finding] = []
    for finding in findings:
        key = (finding.line, finding.column, finding.code)
        if key not in seen:
            seen.add(key)
            kept.append(finding)
    return kept


def sites_with_calls(file: FileCheck) -> Iterator[Site]:
    for raw in file.summary.sites:
        yield Site._make(raw)
