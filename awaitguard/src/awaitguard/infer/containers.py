"""What comes out of lists, dicts and generators."""

from __future__ import annotations

from typing import Any, cast

from awaitguard.infer.calls import Calls
from awaitguard.infer.value import (
    ASYNC_GENERATOR,
    CONTAINER,
    GENERATOR,
    MAPPING,
    PLAIN_KIND,
    PLAIN_VALUE,
    UNKNOWN_VALUES,
    Environment,
    Value,
    Values,
    is_unknown,
    merge,
    stand_ins,
)
from awaitguard.read.summary import (
    NO_EXPR,
    NONE,
    OP_CALL,
    OP_NAME,
    OP_SUBSCRIPTED,
    SLICE,
    Binding,
    Expr,
    Summary,
)


class Containers(Calls):
    """Elements by key, by iterating and by unpacking, with what later statements put in."""

    def items(self, path: str, summary: Summary, expr: Expr, env: Environment | None) -> Values:
        """`base[key]`, with what later statements put into the container."""
        key: Any = expr[2]
        base = self.infer(path, expr[1], env)
        if key == SLICE:
            return merge([(one,) if one.kind in (CONTAINER, PLAIN_KIND) else UNKNOWN_VALUES for one in base])
        stored, unsure = self.stored(path, summary, expr[1], env)
        groups: list[Values] = []
        for value in base:
            if value.kind in (MAPPING, CONTAINER):
                groups.append(self.item(value, key))
            elif value.kind != PLAIN_KIND or not stored:
                groups.append(UNKNOWN_VALUES)
        if unsure:
            groups.append(UNKNOWN_VALUES)
        return merge([*groups, *stored]) or UNKNOWN_VALUES

    def stored(self, path: str, summary: Summary, index: int, env: Environment | None) -> tuple[list[Values], bool]:
        """What statements put into the container that a name stands for, and whether that can't be followed."""
        entry = summary.exprs[index] if index > NONE else NO_EXPR
        stored: list[Values] = []
        unsure = False
        if entry[0] == OP_NAME:
            root = entry[1]
            index = summary.blocks[entry[2] if entry[2] >= 0 else ~entry[2]].scope
            while index >= 0:
                scope = summary.scopes[index]
                for binding in scope.bindings.get(root + "[]") or ():
                    if binding.kind == "value":
                        stored.append(tuple([one.reached("dict") for one in self.infer(path, binding.value, env)]))
                    else:
                        unsure = True
                if root in scope.bindings:
                    break
                index = scope.parent
        return stored, unsure

    def filled(self, path: str, summary: Summary, items: list[Binding]) -> Values:
        """An empty list or dict of `__init__` that methods fill with objects of the project's classes."""
        if not all(one.kind == "value" and summary.exprs[one.value][0] in (OP_CALL, OP_NAME) for one in items):
            return (PLAIN_VALUE,)
        held = stand_ins(merge([self.infer(path, one.value) for one in items]))
        ways = {one.name for one in items}
        if len(ways) > 1 or is_unknown(held):
            return (PLAIN_VALUE,)
        return (Value(MAPPING, extra=((None, held),)) if "key" in ways else Value(CONTAINER, extra=(held,)),)

    def item(self, value: Value, key: object) -> Values:
        """An element of a dict or list by constant key, or any of them."""
        if value.kind == MAPPING:
            pairs: tuple[tuple[Any, Values], ...] = value.extra
            if key is not None:
                exact = [values for name, values in pairs if name == key and type(name) is type(key)]
                if exact:
                    return tuple([one.reached("dict") for one in exact[-1]])
            loose = merge([values for name, values in pairs if key is None or name is None])
            return tuple([one.reached("dict") for one in loose]) or UNKNOWN_VALUES
        elements: tuple[Values, ...] = value.extra
        if isinstance(key, int) and -len(elements) <= key < len(elements) and len(elements) > 1:
            return tuple([one.reached("dict") for one in elements[key]])
        return tuple([one.reached("dict") for one in merge(list(elements))]) or UNKNOWN_VALUES

    def element(self, value: Value, is_async: bool) -> Values:
        """What iterating over a value gives."""
        if value.kind == CONTAINER and not is_async:
            return merge(list(value.extra)) or UNKNOWN_VALUES
        if value.kind == MAPPING and not is_async:
            return (PLAIN_VALUE,) if all(key is not None for key, _ in value.extra) else UNKNOWN_VALUES
        if value.kind == (ASYNC_GENERATOR if is_async else GENERATOR) and isinstance(value.extra, tuple):
            return cast("Values", value.extra)
        if value.kind == (ASYNC_GENERATOR if is_async else GENERATOR) and value.module:
            return self.remember(("yielded", value.definition), lambda: self.yielded(value))
        return UNKNOWN_VALUES

    def yielded(self, generator: Value) -> Values:
        """What a generator function gives to those who iterate over it."""
        path, index = generator.definition
        key = ("yielded", path, index)
        summary = self.table.summary(path)
        if summary is None or key in self.active:
            self.cuts += 1
            return UNKNOWN_VALUES
        scope = summary.scopes[index]
        if not scope.is_generator:
            return UNKNOWN_VALUES
        annotation = summary.exprs[scope.annotation] if scope.annotation > NONE else NO_EXPR
        if annotation[0] == OP_SUBSCRIPTED and annotation[2]:
            return self.annotated(path, annotation[2][0])
        self.active.add(key)
        try:
            return merge([self.infer(path, one) if one >= 0 else UNKNOWN_VALUES for one in scope.returns])
        finally:
            self.active.discard(key)

    def unpacked(self, value: Value, number: Any) -> Values:
        if value.kind == CONTAINER and isinstance(number, int):
            elements: tuple[Values, ...] = value.extra
            return elements[number] if number < len(elements) else merge(list(elements)) or UNKNOWN_VALUES
        return UNKNOWN_VALUES
