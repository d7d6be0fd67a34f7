"""What a parameter is when nobody says so but its default."""

from __future__ import annotations

from typing import Final

from awaitguard.containers import Containers
from awaitguard.summary import NO_EXPR, NONE, OP_CALL, Binding, Expr
from awaitguard.value import (
    ASYNC_GENERATOR,
    COROUTINE,
    FUNCTION,
    GENERATOR,
    INSTANCE,
    LIBRARY,
    UNKNOWN_VALUES,
    Value,
    Values,
    merge,
)

INJECTING: Final = frozenset({"Depends", "Security"})  # FastAPI's: the parameter is what the given function gives


def stand_ins(values: Values) -> Values:
    """The same instances as what somebody else may replace by others; unknown if there is anything but instances."""
    if not values or any(one.kind != INSTANCE or one.module.startswith("/") for one in values):
        return UNKNOWN_VALUES
    return tuple([one._replace(extra="declared").reached("default") for one in values])


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

    def by_fixture(self, path: str, name: str) -> Values:
        """What pytest gives a test for a parameter: the fixture of that name in the file, or the nearest conftest.py."""
        return self.remember(("fixture", path, name), lambda: self.find_fixture(path, name))

    def find_fixture(self, path: str, name: str) -> Values:
        parts = path.split("/")[:-1]
        above = ["/".join([*parts[:count], "conftest.py"]) for count in range(len(parts), -1, -1)]
        for place in (path, *above):
            summary = self.table.summary(place) if place == path or place in self.modules.paths else None
            bindings: list[Binding] = summary.scopes[0].bindings.get(name) or [] if summary is not None else []
            if summary is None or not bindings:
                continue
            scope = summary.scopes[bindings[-1].value] if bindings[-1].kind == "def" else None
            if scope is None or len(bindings) > 1 or "fixture" not in self.decorator_names(summary, scope):
                return UNKNOWN_VALUES
            return stand_ins(self.injected(Value(FUNCTION, place, bindings[-1].value)))
        return UNKNOWN_VALUES

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
