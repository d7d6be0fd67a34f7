"""One file under check, as the rules see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from awaitguard.finding import Cause, Finding
from awaitguard.infer.resolver import Resolver
from awaitguard.infer.signature import colour_of_scope, signature_of_scope
from awaitguard.infer.value import Definition, Value, Values
from awaitguard.read.summary import (
    NONE,
    OP_ATTR,
    OP_CALL,
    OP_GETATTR,
    OP_METHOD,
    OP_NAME,
    SLICE,
    Expr,
    Scope,
    Summary,
    definitions,
    qualname,
    unpack_position,
)
from awaitguard.rules.confidence import confidence

if TYPE_CHECKING:
    from awaitguard.rules.rule import Rule


class FileCheck:
    """What a rule can ask about the file: values of expressions, their text, and the causes of findings."""

    def __init__(self, path: str, summary: Summary, resolver: Resolver) -> None:
        self.path = path
        self.summary = summary
        self.resolver = resolver
        self.known: dict[int, Values] = {}
        self.names: dict[tuple[int, str], Values | None] = {}
        self.variables: dict[tuple[int, str], bool] = {}

    def values(self, expr: int) -> Values:
        """What an expression of this file may stand for."""
        found = self.known.get(expr)
        if found is None:
            found = self.known[expr] = self.held(expr) or self.resolver.infer(self.path, expr)
        return found

    def held(self, expr: int) -> Values | None:
        """A name that is the same all over a function, which is most often seen before."""
        if expr <= NONE or self.summary.exprs[expr][0] != OP_NAME:
            return None
        _, text, block = self.summary.exprs[expr]
        key = (self.summary.scope_of(block) if block >= 0 else block, text)
        found = self.names.get(key)
        if found is None and key not in self.names:
            found = self.names[key] = self.resolver.held_name(self.path, self.summary, expr, self.summary.exprs[expr])
        return found

    def may_be(self, name: int, is_it: Callable[[Value], bool]) -> bool:
        """Whether one of the values that are given to a local variable anywhere is of a kind.

        It is asked before the values that reach one place are worked out, which takes longer.
        """
        _, text, block = self.summary.exprs[name]
        scope = self.summary.scopes[self.summary.scope_of(block)]
        if scope.kind == "module" or text not in scope.bindings or any(param.name == text for param in scope.params):
            return True
        key = (scope.position, text)
        found = self.variables.get(key)
        if found is None:
            bound = scope.bindings[text]
            found = self.variables[key] = any(
                one.kind != "unknown" and (one.kind != "value" or any(map(is_it, self.values(one.value))))
                for one in bound
            )
        return found

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
            if expr[0] == OP_METHOD:
                return f"{expr[2] + '()' if expr[2] else '...'}.{expr[1]}"
            if expr[0] == "s":
                key = "..." if expr[2] is None else ":" if expr[2] == SLICE else repr(expr[2])
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
        name = qualname(summary, index)
        number = definitions(summary, name).index(index)
        return Cause(name, path, line, colour_of_scope(scope, names), signature_of_scope(scope), number)

    def finding(
        self, rule: Rule, position: int, message: str, origin: Definition | str | None = None, assumed: int = 0
    ) -> Finding:
        """A finding, as sure as what was taken for granted lets it be."""
        line, column, end_line, end_column = unpack_position(position)
        return Finding(
            rule.code,
            rule.name,
            confidence(rule.code, assumed),
            self.path,
            line,
            column + 1,
            end_line,
            end_column + 1,
            message,
            assumed,
            self.cause(origin),
        )
