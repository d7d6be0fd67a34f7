"""Run the rules over one file."""

from __future__ import annotations

from awaitguard.finding import Finding
from awaitguard.infer.resolver import Resolver
from awaitguard.infer.value import UNKNOWN_KIND, Values
from awaitguard.read.summary import FLAGS, OP_CALL, Expr, Flag, Site, Summary, tells
from awaitguard.rules.file_check import FileCheck
from awaitguard.rules.registry import CALL_GROUPS, CHOOSY_GROUPS, GROUPS, VALUE_GROUPS
from awaitguard.rules.rule import ALWAYS, Group

Interest = tuple[tuple[Group, ...], tuple[Group, ...]]


class Interests:
    """Which groups of rules may say something about the calls of a file; it counts those that can't be resolved."""

    def __init__(self, file: FileCheck) -> None:
        self.file = file
        self.unresolved = 0
        self.known: dict[Values, Interest] = {}

    def of(self, call: Expr) -> tuple[Group, ...]:
        """The groups by what is called and by what it is given."""
        targets = self.file.values(call[1])
        if targets[0].kind == UNKNOWN_KIND:
            self.unresolved += 1
        found = self.known.get(targets)
        if found is None:
            key, resolver = ("interest", targets), self.file.resolver
            found = self.known[targets] = resolver.remember(key, lambda: interest(resolver, targets))
        return found[tells(call)] if found[1] else found[0]


def check_file(path: str, summary: Summary, resolver: Resolver) -> tuple[list[Finding], int]:
    """All findings of one file and the number of calls that couldn't be resolved."""
    return resolver.patiently(lambda: look_at(path, summary, resolver))


def look_at(path: str, summary: Summary, resolver: Resolver) -> tuple[list[Finding], int]:
    file = FileCheck(path, summary, resolver)
    interests = Interests(file)
    found: list[Finding] = []
    exprs, scopes = summary.exprs, summary.scopes.raw
    for raw in summary.sites:
        use, index, scope, _, _, _ = raw
        expr = exprs[index]
        groups = interests.of(expr) if expr[0] == OP_CALL else VALUE_GROUPS[use]
        for group in groups:
            if use in group.uses and (not group.in_coroutines or scopes[scope][FLAGS] & Flag.ASYNC):
                found.extend(group.site(file, Site(raw)))
    for group in GROUPS:
        found.extend(group.file(file))
    return deduplicate(found), interests.unresolved


def interest(resolver: Resolver, targets: Values) -> Interest:
    """The groups that may say something about a call of one of these, without and with arguments to follow."""
    plain: list[Group] = []
    following: list[Group] = []
    for group in CALL_GROUPS:
        most = ALWAYS
        if group in CHOOSY_GROUPS:
            most = group.cares(resolver, targets[0])
            for target in targets[1:]:
                most = max(most, group.cares(resolver, target))
        if most:
            following.append(group)
        if most == ALWAYS:
            plain.append(group)
    return tuple(plain), tuple(following)


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
