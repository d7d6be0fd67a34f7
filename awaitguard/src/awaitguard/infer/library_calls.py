"""What calling something of the library or a builtin gives."""

from __future__ import annotations

from typing import Any, cast

from awaitguard.infer.classes import Classes
from awaitguard.infer.modules import STANDARD_LIBRARY
from awaitguard.infer.value import (
    AWAITABLE,
    CONTAINER,
    COROUTINE,
    DOUBLE_VALUE,
    FUNCTION,
    INSTANCE,
    LIBRARY,
    MODULE,
    OBJECT,
    PARTIAL,
    PLAIN_KIND,
    PLAIN_VALUE,
    PROPERTY,
    UNKNOWN_VALUE,
    UNKNOWN_VALUES,
    Value,
    Values,
    is_unknown,
    merge,
)
from awaitguard.read.library import (
    ASYNC_METHODS,
    FUTURE_METHODS,
    GIVES_AWAITABLE,
    LOOP,
    LOOP_GETTERS,
    OBJECTS,
    PASSES_THROUGH,
    PLAIN_BUILTINS,
    PLAIN_MODULES,
    SYNC_METHODS,
)
from awaitguard.read.summary import NO_EXPR, NONE, OP_NAME


class LibraryCalls(Classes):
    """The part of the resolver that knows what functions and objects of the library give."""

    def call_library(self, value: Value, arguments: tuple[Values, ...]) -> Values:
        """What a function or class of the library gives."""
        name: str = value.extra
        root, _, rest = name.partition(".")
        if root == "builtins":
            return self.call_builtin(rest, arguments)
        if name in ("functools.partial", "functools.partialmethod"):
            if not arguments or is_unknown(arguments[0]):
                return UNKNOWN_VALUES
            return tuple(
                [
                    Value(PARTIAL, one.module, one.scope, one.origin, one.via, extra=(one, arguments[1:]))
                    for one in arguments[0]
                ]
            )
        if name == "functools.wraps":
            return UNKNOWN_VALUES
        if name == "functools.update_wrapper" and arguments:
            return arguments[0]
        if name in ("typing.cast", "typing_extensions.cast") and arguments:
            return merge([self.instance_of(one) for one in arguments[0]]) or UNKNOWN_VALUES
        if name == "asyncio.run":
            ran = arguments[0] if arguments else ()
            if ran and all(map(self.hands_back, ran)):
                return (PLAIN_VALUE._replace(origin=name),)
            return merge([self.awaited(one) for one in ran]) or UNKNOWN_VALUES
        if name in GIVES_AWAITABLE:
            return (Value(AWAITABLE, origin=name),)
        if name in LOOP_GETTERS:
            return (Value(OBJECT, extra=LOOP, origin=name),)
        if name in OBJECTS:
            return (Value(OBJECT, extra=name, origin=name),)
        if name.startswith(("unittest.mock.", "mock.")) or name == "types.SimpleNamespace":
            return (DOUBLE_VALUE,)
        if rest.rpartition(".")[2] in ("cast", "TypeVar", "NewType"):
            return UNKNOWN_VALUES
        expanded = self.expand(value)
        if expanded and not any(one.kind == LIBRARY for one in expanded):
            found = merge([self.call(one) for one in expanded])
            if not is_unknown(found):
                return tuple([one._replace(origin=name) if one.kind != INSTANCE else one for one in found])
        is_function = not expanded or all(one.kind in (FUNCTION, LIBRARY) for one in expanded)
        if is_function and root in PLAIN_MODULES and name not in PASSES_THROUGH and rest[:1].islower():
            return (PLAIN_VALUE._replace(origin=name),)
        return UNKNOWN_VALUES

    def call_builtin(self, name: str, arguments: tuple[Values, ...]) -> Values:
        if name in PLAIN_BUILTINS:
            return (PLAIN_VALUE._replace(origin="builtins." + name),)
        if name == "object":
            return (PLAIN_VALUE._replace(origin="builtins.object"),)
        if name == "open":
            return (Value(OBJECT, extra="builtins.open", origin="builtins.open"),)
        if name in ("list", "tuple", "set", "sorted", "iter"):
            if arguments and arguments[0] and arguments[0][0].kind == CONTAINER:
                return arguments[0]
            return (PLAIN_VALUE._replace(origin="builtins." + name),)
        if name == "map" and arguments:
            made = merge([self.call(one) for one in arguments[0]])
            return (Value(CONTAINER, extra=(made,), origin="builtins.map"),)
        if name == "filter":
            return (PLAIN_VALUE._replace(origin="builtins.filter"),)
        if name == "anext":
            return (Value(AWAITABLE, origin="builtins.anext"),)
        if name in ("staticmethod", "classmethod") and arguments:
            return tuple([one.reached(name) for one in arguments[0]])
        if name == "property" and arguments:
            return tuple(
                [one._replace(kind=PROPERTY) if one.kind == FUNCTION else UNKNOWN_VALUE for one in arguments[0]]
            )
        return UNKNOWN_VALUES

    def call_method(self, value: Value) -> Values:
        """A method of a library object, or `mapping.get`."""
        if isinstance(value.extra, tuple):
            name, mapping = cast("tuple[str, Value]", value.extra)
            if name in ("get", "pop", "setdefault"):
                return self.item(mapping, None)
            if name == "copy":
                return (mapping,)
            pairs = cast("tuple[tuple[Any, Values], ...]", mapping.extra)
            if name == "values":
                return (Value(CONTAINER, extra=tuple([one for _, one in pairs])),)
            if name == "items":
                both = tuple([(Value(CONTAINER, extra=((PLAIN_VALUE,), one)),) for _, one in pairs])
                return (Value(CONTAINER, extra=both),)
            return UNKNOWN_VALUES
        name, owner = str(value.extra), str(value.origin or "")
        if owner == PLAIN_KIND:
            return (PLAIN_VALUE._replace(origin=f"{owner}.{name}"),) if name in SYNC_METHODS[owner] else UNKNOWN_VALUES
        if name in ASYNC_METHODS.get(owner, ()):
            return (Value(AWAITABLE, origin=f"{owner}.{name}", extra="coroutine"),)
        if name in SYNC_METHODS.get(owner, ()):
            return (PLAIN_VALUE._replace(origin=f"{owner}.{name}"),)
        if name in FUTURE_METHODS and owner == AWAITABLE:
            return (PLAIN_VALUE._replace(origin=f"future.{name}"),)
        if name in ("create_task", "ensure_future", "run_in_executor") and owner in ("", LOOP) and is_loop(value):
            return (Value(AWAITABLE, origin=f"loop.{name}"),)
        return UNKNOWN_VALUES

    def expand(self, value: Value) -> Values:
        """The definitions behind a library name, read from its source; empty if there is none."""
        name: str = value.extra
        key = ("expand", name)
        if name.startswith("builtins."):
            return ()
        if key in self.active:
            self.cuts += 1
            return ()
        parts = name.split(".")
        if parts[0] not in STANDARD_LIBRARY and self.modules.is_project(parts[0]):
            return ()
        self.active.add(key)
        try:
            return self.remember(key, lambda: self.find_expansion(parts))
        finally:
            self.active.discard(key)

    def find_expansion(self, parts: list[str]) -> Values:
        for cut in range(len(parts) - 1, 0, -1):
            path = self.modules.find_outside(".".join(parts[:cut]))
            if path is None:
                continue
            values: Values = (Value(MODULE, path),)
            for part in parts[cut:]:
                found = [self.attribute(one, part) for one in values]
                values = merge([one for one in found if one is not None])
                values = merge([self.expand(one) or (one,) if one.kind == LIBRARY else (one,) for one in values])
            return () if is_unknown(values) else values
        return ()

    def object_answers(self, name: str, dunder: str) -> bool | None:
        known = OBJECTS.get(name)
        return None if known is None else dunder in known

    # Implemented by the other parts

    def call(
        self, value: Value, arguments: tuple[Values, ...] = (), keywords: tuple[tuple[str | None, Values], ...] = ()
    ) -> Values:
        raise NotImplementedError

    def hands_back(self, value: Value) -> bool:
        """Whether a coroutine only gives back what its function was given: hardly ever something to await again."""
        summary = self.table.summary(value.module) if value.kind == COROUTINE else None
        if summary is None:
            return False
        scope = summary.scopes[value.scope]
        given = {param.name for param in scope.params if param.annotation < 0}
        exprs = [summary.exprs[one] if one > NONE else NO_EXPR for one in scope.returns]
        return bool(exprs) and all(one[0] == OP_NAME and one[1] in given for one in exprs)

    def awaited(self, value: Value) -> Values:
        raise NotImplementedError

    def item(self, value: Value, key: object) -> Values:
        raise NotImplementedError

    def instance_of(self, value: Value) -> Values:
        raise NotImplementedError


def is_loop(method: Value) -> bool:
    """Whether a telling method is called on what is known or named as a loop or a group of tasks.

    Others have a `create_task` that makes something of their own: agents, trackers of issues.
    """
    if method.extra != "create_task" or method.origin:
        return True
    name = method.via[0].rpartition(".")[2].lower() if method.via else ""
    return name.endswith(("loop", "group", "tg", "nursery", "asyncio", "tasks"))
