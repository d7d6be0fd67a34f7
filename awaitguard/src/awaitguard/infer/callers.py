"""Who calls a method and what becomes of the result: whether code awaits it, or uses it at once.

The files are known by the method's name; whether a call there means the method of one class is worked out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from awaitguard.infer.places import MOST, NONE, PERHAPS, SURELY, is_kin
from awaitguard.infer.trail import SITES
from awaitguard.infer.value import DOUBLE_VALUE, FUNCTION, UNKNOWN_KIND, Definition, Values
from awaitguard.infer.words import AWAITED, AWAITED_TWICE, CALLED
from awaitguard.read.summary import NO_EXPR, OP_ATTR, OP_AWAIT, OP_CALL, OP_ELEMENT, OP_GETATTR, OP_NAME, Use
from awaitguard.read.summary import NONE as NO_VALUE

if TYPE_CHECKING:
    from awaitguard.infer.resolver import Resolver
    from awaitguard.read.summary import Summary

USES: Final = {
    AWAITED: frozenset({Use.AWAIT, Use.SCHEDULED}),
    CALLED: Use.ALL - {Use.AWAIT, Use.SCHEDULED, Use.FORGOTTEN, Use.LOCKED},
}


def awaited(resolver: Resolver, owner: Definition, name: str) -> int:
    """Whether code awaits what a class's method gives."""
    return called(resolver, AWAITED, owner, name)


def called_plainly(resolver: Resolver, owner: Definition, name: str) -> int:
    """Whether code uses at once what a class's method gives, or drops it."""
    return called(resolver, CALLED, owner, name)


def called(resolver: Resolver, word: str, owner: Definition, name: str) -> int:
    """The strongest of what the calls of methods of a name say about one class."""

    def work() -> int:
        calls = resolver.remember(("calls", word, name), lambda: calls_of(resolver, word, name))
        if calls is None:
            return PERHAPS
        found = NONE
        for path, function in calls:
            if found == SURELY:
                break
            values = receivers(resolver, path, function)
            if values is None or any(one.kind == UNKNOWN_KIND and one != DOUBLE_VALUE for one in values):
                found = max(found, PERHAPS)
            elif any(is_kin(resolver, one, owner) for one in values):
                found = SURELY
        return found

    return resolver.remember(("called", word, owner, name), work)


def place(resolver: Resolver, word: str, owner: Definition, name: str) -> tuple[str, int] | None:
    """File and position of a call that surely means the method of a class."""
    for path, function in calls_of(resolver, word, name) or ():
        values = receivers(resolver, path, function)
        summary = resolver.table.summary(path)
        if summary is None or values is None or not any(is_kin(resolver, one, owner) for one in values):
            continue
        for _, index, _, position, *_ in summary.sites:
            if summary.exprs[index][0] == OP_CALL and summary.exprs[index][1] == function:
                return path, position
    return None


def calls_of(resolver: Resolver, word: str, name: str) -> list[tuple[str, int]] | None:
    """File and function expression of each call of a method of a name; None if there are too many to look at.

    A call whose object isn't kept at all stands there without an expression.
    """
    paths = resolver.table.sayers(word + name)
    if len(paths) > MOST:
        return None
    found: list[tuple[str, int]] = []
    for path in paths:
        resolver.table.trail.note(path + SITES)
        summary = resolver.table.summary(path)
        if summary is None:
            continue
        here = [
            (path, function)
            for use, index, *_ in summary.sites
            if use in USES[word] and (function := method_called(summary, index, name)) > NO_VALUE
        ]
        found.extend(here or [(path, NO_VALUE)])
    return found if len(found) <= MOST else None


def method_called(summary: Summary, index: int, name: str) -> int:
    """The function of a call of a method of a name; nothing if the expression is something else."""
    expr = summary.exprs[index]
    function = summary.exprs[expr[1]] if expr[0] == OP_CALL and expr[1] > NO_VALUE else NO_EXPR
    if function[0] == OP_NAME and str(function[1]).endswith("." + name):
        return expr[1]
    return expr[1] if function[0] in (OP_ATTR, OP_GETATTR) and function[2] == name else NO_VALUE


def receivers(resolver: Resolver, path: str, function: int) -> Values | None:
    """What a method is called on; None if it isn't kept."""
    summary = resolver.table.summary(path)
    expr = summary.exprs[function] if summary is not None and function > NO_VALUE else NO_EXPR
    if summary is None or expr is NO_EXPR:
        return None
    if expr[0] == OP_NAME:
        return resolver.dotted(path, summary, function, str(expr[1]).rpartition(".")[0], expr[2])
    return resolver.infer(path, expr[1])


def awaited_twice(resolver: Resolver, function: Definition, name: str) -> int:
    """Whether code awaits what awaiting a function gives, as `await (await start())` and `gather(*await start())` do."""

    def work() -> int:
        paths = resolver.table.sayers(AWAITED_TWICE + name)
        if len(paths) > MOST:
            return PERHAPS
        found = NONE
        for path in paths:
            resolver.table.trail.note(path + SITES)
            summary = resolver.table.summary(path)
            for _, index, *_ in summary.sites if summary is not None else ():
                expr = summary.exprs[index] if summary is not None else NO_EXPR
                while expr[0] in (OP_AWAIT, OP_ELEMENT) and summary is not None and expr[1] > NO_VALUE:
                    expr = summary.exprs[expr[1]]
                if expr[0] != OP_CALL or expr[1] <= NO_VALUE:
                    continue
                values = resolver.infer(path, expr[1])
                if any(one.kind == FUNCTION and one.definition == function for one in values):
                    return SURELY
            found = PERHAPS
        return found

    return resolver.remember(("awaited twice", function), work)
