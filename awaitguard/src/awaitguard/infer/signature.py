"""Signatures and colours, of definitions in source and of live objects."""

from __future__ import annotations

from typing import Final

from awaitguard.read.summary import NONE, OP_NAME, OP_SUBSCRIPTED, OP_UNION, Scope, Summary

SYNC, ASYNC, GENERATOR, ASYNC_GENERATOR = "sync", "async", "generator", "async generator"
CONTEXT_MANAGER, ASYNC_CONTEXT_MANAGER, PROPERTY = "context manager", "async context manager", "property"
CLASS: Final = "class"


def colour_of_scope(scope: Scope, decorators: tuple[str, ...]) -> str:
    """The colour of a function or class in source; `decorators` are the last parts of its decorators' names."""
    if scope.kind == "class":
        return CLASS
    if "property" in decorators or "cached_property" in decorators:
        return PROPERTY
    if "contextmanager" in decorators:
        return CONTEXT_MANAGER
    if "asynccontextmanager" in decorators:
        return ASYNC_CONTEXT_MANAGER
    if scope.is_async:
        return ASYNC_GENERATOR if scope.is_generator else ASYNC
    return GENERATOR if scope.is_generator else SYNC


def signature_of_scope(scope: Scope) -> str:
    """The parameters of a function as text, without annotations: `(user, *, key=...)`."""
    parts: list[str] = []
    starred = False
    for number, param in enumerate(scope.params):
        if param.kind == "k" and not starred:
            parts.append("*")
            starred = True
        starred = starred or param.kind == "v"
        prefix = {"v": "*", "w": "**"}.get(param.kind, "")
        parts.append(prefix + param.name + ("=..." if param.has_default else ""))
        if param.kind == "o" and (number + 1 == len(scope.params) or scope.params[number + 1].kind != "o"):
            parts.append("/")
    return f"({', '.join(parts)})"


def annotation_source(summary: Summary, annotation: int) -> str:
    """The text of an annotation, as far as it is kept."""
    if annotation <= NONE:
        return "None" if annotation == NONE else ""
    expr = summary.exprs[annotation]
    if expr[0] == OP_NAME:
        return str(expr[1])
    if expr[0] == OP_UNION:
        return " | ".join(annotation_source(summary, one) for one in reversed(expr[1:]))
    if expr[0] == OP_SUBSCRIPTED:
        inner = ", ".join(annotation_source(summary, one) or "..." for one in expr[2])
        return f"{annotation_source(summary, expr[1])}[{inner}]"
    return ""
