"""What the rules about the whole project need to know: its public functions and renaming imports."""

from __future__ import annotations

import posixpath
from typing import Any, Final, NamedTuple

from awaitguard.infer.resolver import Resolver, called_name
from awaitguard.infer.signature import colour_of_scope, signature_of_scope
from awaitguard.infer.value import CLASS, COROUTINE, FUNCTION, INSTANCE, Value
from awaitguard.read.summary import (
    BINDINGS,
    NO_EXPR,
    NONE,
    OP_CONST,
    OP_DICT,
    OP_NAME,
    Binding,
    Flag,
    Scope,
    Summary,
    pack_position,
    unpack_position,
)

ASIDE: Final = frozenset({"tests", "test", "testing", "examples", "example", "docs", "doc", "docs_src", "scripts",
    "benchmarks", "benchmark", "samples", "tools", "demo", "demos", "_testbase", "testutils", "test_utils",
    "_testing", "utils_test", "migrations", "fixtures", "conftest", "sample", "recipes", "tutorials", "e2e",
    "integration"})  # fmt: skip
# Builtin types by which two functions of one name can be told apart.
TYPES: Final = frozenset({"int", "str", "bool", "float", "bytes", "dict", "list", "set", "tuple"})


# How the names of functions begin that hand out objects; of others nobody asks what they give.
VERBS: Final = ("get_", "create_", "make_", "build_", "new_", "open_", "obtain_", "provide_")
# Beginnings of names of functions that give something which can be compared.
RETURNING: Final = (*VERBS, "load_", "fetch_", "find_", "read_", "resolve_")


class PublicFunction(NamedTuple):
    """A function that a module of the project defines at its top level."""

    name: str
    path: str
    position: int
    colour: str
    signature: str
    params: tuple[tuple[str, str], ...]  # name and annotation's text, without defaults' details
    required: int
    returns: tuple[str, ...]  # names of the class it gives and of that class's bases

    @property
    def line(self) -> int:
        return unpack_position(self.position)[0]

    @property
    def package(self) -> str:
        return posixpath.dirname(self.path)


class Renaming(NamedTuple):
    """`from module import name as other` of a project function."""

    path: str
    position: int
    name: str
    other: str
    target: str  # the file of the definition


class FileFacts(NamedTuple):
    """The part of a project's facts that one file gives."""

    functions: tuple[PublicFunction, ...]
    renamings: tuple[Renaming, ...]


class ProjectFacts(NamedTuple):
    """All public functions by name, all renaming imports, and the families that the configuration names."""

    functions: dict[str, list[PublicFunction]]
    renamings: list[Renaming]
    families: tuple[tuple[str, ...], ...]


def is_aside(path: str) -> bool:
    """Whether a file is no part of the product: tests, examples, scripts."""
    parts = path.lower().split("/")
    name = parts[-1].removesuffix(".py")
    return bool(ASIDE & set(parts[:-1])) or name in ASIDE or name.startswith("test_") or name.endswith("_test")


def file_facts(path: str, summary: Summary, resolver: Resolver) -> FileFacts:
    """What one file adds to the project's facts."""
    return FileFacts((), ()) if is_aside(path) else resolver.patiently(lambda: find_facts(path, summary, resolver))


def find_facts(path: str, summary: Summary, resolver: Resolver) -> FileFacts:
    functions: list[PublicFunction] = []
    renamings: list[Renaming] = []
    module = summary.scopes[0]
    for name, bindings in module.bindings.items():
        if not bindings or name.startswith("_"):
            continue
        last = bindings[-1]
        if last.kind == "def" and len(bindings) == 1:
            functions.append(public_function(path, summary, last.value, resolver))
        elif last.kind == "value" and last.value > NONE and summary.exprs[last.value][0] == OP_NAME:
            original = str(summary.exprs[last.value][1]).rpartition(".")[2]
            target = renamed(path, summary, original, name, last.block, resolver) if original != name else ""
            if target and target != path:
                renamings.append(
                    Renaming(path, pack_position(last.line, 0, last.line, len(name)), original, name, target)
                )
    for raw in summary.scopes.raw:
        for name, bindings in raw[BINDINGS].items():
            if not bindings or (bindings[-1][0] if type(bindings[-1]) is tuple else bindings[-1].kind) != "from":
                continue
            taken: Binding = bindings[-1] if type(bindings[-1]) is Binding else Binding(bindings[-1])
            if name.startswith("_") or taken.name in (name, "*") or taken.name.startswith("_"):
                continue
            target = renamed(path, summary, taken.name, name, taken.block, resolver)
            if target:
                position = next(
                    (one.position for one in summary.imports if one.name == taken.name and one.module == taken.value), 0
                )
                renamings.append(Renaming(path, position, taken.name, name, target))
    return FileFacts(tuple(functions), tuple(renamings))


def runs_inner(summary: Summary, scope: Scope, returned: int) -> bool:
    """Whether a function gives what an async function inside it gives, under decorators that can't be followed."""
    bindings: list[Binding] = scope.bindings.get(called_name(summary, returned)) or []
    return any(one.kind == "def" and summary.scopes[one.value].is_async for one in bindings)


def public_function(path: str, summary: Summary, index: int, resolver: Resolver) -> PublicFunction:
    scope = summary.scopes[index]
    names = resolver.decorator_names(summary, scope)
    colour = colour_of_scope(scope, names)
    if (
        scope.decorators and colour in ("sync", "async") and set(names) - {"lru_cache", "cache", "wraps", "deprecated"}
    ) or -1 in scope.decorators:
        colour = "decorated"
    elif colour == "sync":
        made = resolver.result(Value(FUNCTION, path, index)) if scope.returns else ()
        if any(resolver.is_awaitable(one) for one in made):
            # An instance with __await__ can be used without, and whoever hands on a coroutine can't be told by the word def.
            colour = "async" if all(one.kind == COROUTINE for one in made) else "awaitable"
        elif any(runs_inner(summary, scope, returned) for returned in scope.returns):
            colour = "awaitable"
    params = tuple((one.name, annotation_text(summary, one.annotation)) for one in scope.params if one.kind in "op")
    required = sum(1 for one in scope.params if one.kind in "opk" and not one.has_default)
    returns: tuple[str, ...] = ()
    if (
        scope.name.startswith(RETURNING)
        and (scope.annotation > 1 or any(one > 1 for one in scope.returns))
        and not scope.is_generator
    ):
        made = resolver.returned(Value(FUNCTION, path, index))
        written = annotation_text(summary, scope.annotation)
        if written in TYPES:
            returns = (written,)
        elif only_dicts(summary, scope):
            returns = ("dict",)
        elif len(made) == 1 and made[0].kind == INSTANCE:
            lineage = resolver.lineage(made[0].definition)[0]
            owners = [(resolver.table.summary(file), scope_index) for file, scope_index in lineage]
            returns = tuple([owner.scopes[scope_index].name for owner, scope_index in owners if owner])
            if any(name.endswith("TypedDict") for name in resolver.library_bases(made[0].definition)):
                returns = (*returns, "dict")
    return PublicFunction(
        scope.name, path, scope.position, colour, signature_of_scope(scope), params, required, returns
    )


def only_dicts(summary: Summary, scope: Scope) -> bool:
    """Whether a function without annotation gives what is written as a dict, whichever way it ends."""
    given = [summary.exprs[one] if one > NONE else NO_EXPR for one in scope.returns]
    dicts = all(expr[0] == OP_DICT or expr[:2] == (OP_CONST, "dict") for expr in given)
    return bool(given) and dicts and scope.annotation < 0 and not scope.flags & Flag.FALLS_THROUGH


def annotation_text(summary: Summary, annotation: int) -> str:
    if annotation <= 1:
        return ""
    expr: Any = summary.exprs[annotation]
    if expr[0] == "[":
        expr = summary.exprs[expr[1]]
    return str(expr[1]).rpartition(".")[2] if expr[0] == "n" else ""


def renamed(path: str, summary: Summary, original: str, name: str, block: int, resolver: Resolver) -> str:
    """The file of the project function behind a renaming import; empty if there is none."""
    values = resolver.name(path, summary, name, block, 1 << 60, None)
    if (
        len(values) != 1
        or values[0].kind not in (FUNCTION, CLASS)
        or values[0].kind == CLASS
        or values[0].module.startswith("/")
    ):
        return ""
    owner = resolver.table.summary(values[0].module)
    return values[0].module if owner is not None and owner.scopes[values[0].scope].name == original else ""
