"""Colours and signatures of live objects, and of dotted names without importing them."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, cast
from unittest import mock

from awaitguard.infer.modules import Modules
from awaitguard.infer.resolver import Resolver
from awaitguard.infer.signature import (
    ASYNC,
    ASYNC_CONTEXT_MANAGER,
    ASYNC_GENERATOR,
    CLASS,
    CONTEXT_MANAGER,
    GENERATOR,
    PROPERTY,
    SYNC,
    annotation_source,
    colour_of_scope,
)
from awaitguard.infer.table import Table
from awaitguard.infer.value import FUNCTION, MODULE, Value, Values
from awaitguard.infer.value import PROPERTY as PROPERTY_KIND
from awaitguard.read.discovery import discover
from awaitguard.read.source import summarise

KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional-only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "**",
}
LETTERS = {"o": "positional-only", "p": "positional", "v": "*", "k": "keyword", "w": "**"}


@dataclass(frozen=True)
class Parameter:
    """A parameter; `kind` is positional-only, positional, keyword, * or **."""

    name: str
    kind: str
    required: bool
    annotation: str = ""


@dataclass(frozen=True)
class Signature:
    """How something is called: its name, colour, parameters (without self) and the text of its return annotation."""

    name: str
    colour: str
    parameters: tuple[Parameter, ...]
    returns: str = ""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.parameters)

    def __str__(self) -> str:
        parts: list[str] = []
        keyword_only = False
        for one in self.parameters:
            if one.kind == "keyword" and not keyword_only:
                parts.append("*")
            keyword_only = keyword_only or one.kind in ("keyword", "*")
            prefix = one.kind if one.kind in ("*", "**") else ""
            parts.append(prefix + one.name + ("" if one.required or prefix else "=..."))
        return f"{self.colour} {self.name}({', '.join(parts)})" + (f" -> {self.returns}" if self.returns else "")


def signature(target: object) -> Signature:
    """The signature of a function, method, class, property, partial or mock, or of a dotted name without importing it.

    Raises:
        LookupError: no source for the dotted name can be found, or it isn't a function, class or property.
        TypeError: the object can't be called.
    """
    return of_name(target) if isinstance(target, str) else of_object(target)


def colour_of(target: object) -> str:
    """The colour of a live object."""
    if isinstance(target, staticmethod | classmethod):
        return colour_of(cast("Any", target).__func__)
    if isinstance(target, property | functools.cached_property):
        return PROPERTY
    if isinstance(target, functools.partial | functools.partialmethod):
        return colour_of(cast("Any", target).func)
    if isinstance(target, type):
        return CLASS
    if isinstance(target, mock.NonCallableMock):
        # inspect can be wrong about mocks with a spec: their attributes answer to its questions too.
        return ASYNC if isinstance(target, mock.AsyncMock) else SYNC
    if inspect.iscoroutinefunction(target) or is_async_autospec(target):
        return ASYNC
    manager = manager_colour(target)
    if manager:
        return manager
    if inspect.isasyncgenfunction(target):
        return ASYNC_GENERATOR
    if inspect.isgeneratorfunction(target):
        return GENERATOR
    if not inspect.isroutine(target) and callable(target):
        return colour_of(type(target).__call__)
    return SYNC


def is_async_autospec(target: object) -> bool:
    """create_autospec makes a plain function that stands for a coroutine function."""
    return inspect.isfunction(target) and isinstance(getattr(target, "mock", None), mock.AsyncMock)


def manager_colour(target: object) -> str:
    """Functions under @contextmanager and @asynccontextmanager are plain wrappers from contextlib."""
    inner = getattr(target, "__wrapped__", None)
    code = getattr(
        inspect.unwrap(cast("Callable[..., Any]", target), stop=lambda one: one is target) if inner else None,
        "__code__",
        None,
    )
    if inner is None or code is None or code.co_filename != contextlib.__file__:
        return ""
    return ASYNC_CONTEXT_MANAGER if inspect.isasyncgenfunction(inner) else CONTEXT_MANAGER


def of_object(target: object) -> Signature:
    colour = colour_of(target)
    inner: Any = target
    if isinstance(target, staticmethod | classmethod):
        inner = cast("Any", target).__func__
    elif isinstance(target, property):
        inner = target.fget
    elif isinstance(target, functools.cached_property):
        inner = cast("Any", target).func
    name = getattr(inner, "__name__", None) or getattr(getattr(inner, "func", None), "__name__", type(inner).__name__)
    try:
        found = inspect.signature(inner)
    except ValueError:  # some functions in C don't tell
        return Signature(str(name), colour, (Parameter("args", "*", False), Parameter("kwargs", "**", False)))
    parameters = list(found.parameters.values())
    if isinstance(target, classmethod | property | functools.cached_property) and parameters:
        parameters = parameters[1:]
    return Signature(
        str(name),
        colour,
        tuple(
            Parameter(
                one.name, KINDS[one.kind],
                one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD), annotation_text(one.annotation),
            )
            for one in parameters
        ),
        annotation_text(found.return_annotation),
    )  # fmt: skip


def annotation_text(annotation: object) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def of_name(dotted: str) -> Signature:
    """The signature of `package.module.function` or `package.module:Class.method`, read from its source."""
    parts = dotted.replace(":", ".").split(".")
    root = source_root(parts[0])
    top = Path(root, parts[0])
    starts = [top] if top.is_dir() else [top.with_suffix(".py")]
    paths = [file.path for file in discover(Path(root), starts).files]

    def fetch(path: str) -> bytes | None:
        try:
            with open(os.path.join(root, path), "rb") as file:
                return summarise(file.read())[0]
        except OSError:
            return None

    resolver = Resolver(Table(Modules(root, paths), fetch))
    return resolver.patiently(lambda: of_parts(resolver, parts))


def of_parts(resolver: Resolver, parts: list[str]) -> Signature:
    values: Values = resolver.module_values(parts[0], "")
    dotted = ".".join(parts)
    if not values or values[0].kind != MODULE:
        raise LookupError(f"{dotted}: there is no source for {parts[0]}")
    for part in parts[1:]:
        values = resolver.attributes_of(values, part)
    if len(values) != 1 or values[0].kind not in (FUNCTION, PROPERTY_KIND, "class"):
        raise LookupError(f"{dotted} isn't one function, class or property in the sources under {parts[0]}")
    return of_source(resolver, values[0])


def of_source(resolver: Resolver, value: Value) -> Signature:
    summary = resolver.table.summary(value.module)
    if summary is None:
        raise LookupError(f"{value.module} can't be read")
    scope = summary.scopes[value.scope]
    names = resolver.decorator_names(summary, scope)
    colour = colour_of_scope(scope, names)
    params = scope.params
    if scope.kind == "class":
        found, _ = resolver.class_member(value.definition, "__init__")
        if found and found[0].kind == FUNCTION:
            owner = resolver.table.summary(found[0].module)
            params = owner.scopes[found[0].scope].params[1:] if owner else ()
    elif summary.scopes[scope.parent].kind == "class" and "staticmethod" not in names:
        params = params[1:]
    parameters = tuple(
        Parameter(
            one.name,
            LETTERS[one.kind],
            not one.has_default and one.kind not in "vw",
            annotation_source(summary, one.annotation),
        )
        for one in params
    )
    return Signature(scope.name, colour, parameters, annotation_source(summary, scope.annotation))


def source_root(name: str) -> str:
    """The directory on Python's path that holds a top-level package, found without importing it.

    Raises:
        LookupError: there is none.
    """
    spec = PathFinder.find_spec(name, [os.getcwd(), *sys.path])
    if spec is not None and spec.submodule_search_locations:
        return os.path.dirname(os.path.abspath(next(iter(spec.submodule_search_locations))))
    if spec is not None and spec.origin and spec.origin.endswith(".py"):
        return os.path.dirname(os.path.abspath(spec.origin))
    raise LookupError(f"there is no source for {name} on Python's path")
