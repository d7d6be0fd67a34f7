"""What a parameter is when nobody says so but its default."""

from __future__ import annotations

from typing import Final

from awaitguard.infer.containers import Containers
from awaitguard.infer.value import (
    ASYNC_GENERATOR,
    COROUTINE,
    FUNCTION,
    GENERATOR,
    LIBRARY,
    UNKNOWN_VALUES,
    Definition,
    Value,
    Values,
    merge,
    stand_ins,
)
from awaitguard.read.summary import NO_EXPR, NONE, OP_CALL, OP_NAME, Binding, Expr, Scope, Summary

INJECTING: Final = frozenset({"Depends", "Security"})  # FastAPI's: the parameter is what the given function gives


def is_renamed(summary: Summary, scope: Scope) -> bool:
    """Whether a decorator of a function is given `name=`."""
    calls = [summary.exprs[one] for one in scope.decorators if one > NONE]
    return any(name == "name" for call in calls if call[0] == OP_CALL for name, _ in call[3])


def may_fill(summary: Summary, decorator: int) -> bool:
    """Whether a decorator may give a test's parameters: `parametrize`, `patch`, all with arguments but pytest's marks."""
    if decorator <= NONE:
        return True
    expr = summary.exprs[decorator]
    if expr[0] == OP_NAME:
        # `both = pytest.mark.parametrize(...)`
        bindings: list[Binding] = summary.scopes[0].bindings.get(str(expr[1])) or []
        if bindings and bindings[-1].kind == "value":
            expr = summary.exprs[bindings[-1].value]
    if expr[0] != OP_CALL or not (expr[2] or expr[3] or expr[4]):
        return False
    function = summary.exprs[expr[1]]
    parts = str(function[1]).split(".") if function[0] == OP_NAME else []
    return "mark" not in parts or "param" in parts[-1]


class Defaults(Containers):
    """Objects that stand in for parameters: `clock or Clock()`, `clock=Clock()`, `repo=Depends(get_repo)`.

    Callers may give something else of the same shape, so what follows from a default is never certain.
    """

    def by_default(self, path: str, index: int) -> Values:
        """Instances of the project's classes that the default gives; unknown if it gives anything else."""
        summary = self.table.summary(path)
        expr: Expr = summary.exprs[index] if summary is not None else NO_EXPR
        if expr[0] != OP_CALL:
            return UNKNOWN_VALUES
        targets = self.infer(path, expr[1])
        if len(targets) == 1 and targets[0].kind == LIBRARY:
            name = str(targets[0].extra).rpartition(".")[2]
            first = expr[2][0] if expr[2] else -1
            if name not in INJECTING or not isinstance(first, int) or first <= NONE:
                return UNKNOWN_VALUES
            values = merge([self.injected(one) for one in self.infer(path, first)])
        else:
            values = self.infer(path, index)
        return stand_ins(values)

    def by_fixture(self, path: str, index: int, name: str) -> Values:
        """What pytest gives a test for a parameter: the fixture of that name in its class, its file or a conftest.py."""
        summary = self.table.summary(path)
        if summary is None:
            return UNKNOWN_VALUES
        parent: int = summary.scopes[index].parent
        outer = index
        while outer > 0:
            if any(may_fill(summary, one) for one in summary.scopes[outer].decorators):
                return UNKNOWN_VALUES
            outer = summary.scopes[outer].parent
        return self.remember(("fixture", path, parent, name), lambda: self.find_fixture(path, parent, name))

    def find_fixture(self, path: str, parent: int, name: str) -> Values:
        """The fixture that is nearest to a test in the scope `parent`."""
        places: list[Definition] = []
        summary = self.table.summary(path)
        while summary is not None and parent > 0:
            if summary.scopes[parent].kind == "class":
                lineage, complete = self.lineage((path, parent))
                if not complete:
                    return UNKNOWN_VALUES
                places += lineage
            parent = summary.scopes[parent].parent
        parts = path.split("/")[:-1]
        above = ["/".join([*parts[:count], "conftest.py"]) for count in range(len(parts), -1, -1)]
        places += [(place, 0) for place in (path, *above) if place == path or self.modules.has(place)]
        for place, index in places:
            summary = self.table.summary(place)
            if summary is None:
                continue
            bindings: list[Binding] = summary.scopes[index].bindings.get(name) or []
            if not bindings:
                if self.renames(place, index):
                    return UNKNOWN_VALUES
                continue
            scope = summary.scopes[bindings[-1].value] if bindings[-1].kind == "def" else None
            if (
                scope is None
                or len(bindings) > 1
                or "fixture" not in self.decorator_names(summary, scope)
                or is_renamed(summary, scope)
            ):
                return UNKNOWN_VALUES
            return stand_ins(self.injected(Value(FUNCTION, place, bindings[-1].value, bound=index > 0)))
        return UNKNOWN_VALUES

    def renames(self, path: str, index: int) -> bool:
        """Whether a module or class has a fixture whose name is given apart: `@pytest.fixture(name="store")`."""
        return self.remember(("renames", path, index), lambda: self.find_renamed(path, index))

    def find_renamed(self, path: str, index: int) -> bool:
        summary = self.table.summary(path)
        if summary is None:
            return False
        for bindings in summary.scopes[index].bindings.values():
            for one in bindings:
                if one.kind == "def" and is_renamed(summary, summary.scopes[one.value]):
                    return True
        return False

    def injected(self, function: Value) -> Values:
        """What a framework hands over for a dependency: it awaits, and it enters generators."""
        found: list[Values] = []
        for one in self.call(function):
            if one.kind == COROUTINE:
                found.append(self.awaited(one))
            elif one.kind in (GENERATOR, ASYNC_GENERATOR):
                found.append(self.returned(one))
            else:
                found.append((one,))
        return merge(found)

    # Implemented by the resolver

    def awaited(self, value: Value) -> Values:
        raise NotImplementedError
