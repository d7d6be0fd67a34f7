"""How methods are called, in words, and whether those who call one can call another alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from awaitguard.infer import callers, places
from awaitguard.infer.value import (
    ASYNC_CONTEXT,
    ASYNC_GENERATOR,
    CONTEXT,
    COROUTINE,
    FUNCTION,
    GENERATOR,
    PROPERTY,
    UNKNOWN_KIND,
    Value,
    is_unknown,
)
from awaitguard.read.summary import NONE, OP_CALL, OP_NAME, OP_SUBSCRIPTED, Flag, Scope, Summary
from awaitguard.rules.awaits import hands_on
from awaitguard.rules.confidence import GUESSED_COLOUR, LEFT_OPEN, STUB, assumed
from awaitguard.rules.signatures import type_name

if TYPE_CHECKING:
    from awaitguard.rules.file_check import FileCheck

ENTERED: Final = {"with": "__enter__", "async with": "__aenter__"}
GUESSED: Final = "a plain function (def)"
# How a method of each colour is called: colours of one form can stand for each other.
CALLED, AWAITED, READ, STREAMED = "called", "awaited", "read", "async for"
FORMS: Final = {
    "a plain function": CALLED,
    GUESSED: CALLED,
    "a generator": CALLED,
    "a coroutine function (async def)": AWAITED,
    "an async generator": STREAMED,
    "a context manager": "with",
    "an async context manager": "async with",
    "a property": READ,
}


def differ(file: FileCheck, mine: Value, base: Value) -> tuple[str, str, int] | None:
    """The two colours in words and what is assumed, if callers of one can't call the other alike."""
    if not {mine.kind, base.kind} <= {FUNCTION, PROPERTY}:
        return None
    if is_open(file, base):
        return None
    own, other = colour(file, mine), colour(file, base)
    if not own or not other or FORMS[own] == FORMS[other]:
        return None
    for one, form in ((mine, FORMS[other]), (base, FORMS[own])):
        # A property may give what is called like the method: it can't be told whether callers find a difference.
        if one.kind == PROPERTY and form in (CALLED, AWAITED) and gives_callables(file, one):
            return None
        # A plain function may give an object that is entered just like what the context manager gives.
        made = file.resolver.result(one) if form in ENTERED and one.kind == FUNCTION else ()
        if made and all(file.resolver.answers_to(value, ENTERED[form]) for value in made):
            return None
    summary = file.resolver.table.summary(base.module)
    scope = summary.scopes[base.scope] if summary else None
    stub = scope is not None and bool(scope.flags & Flag.STUB)
    if (stub or refuses(file, base)) and FORMS[own] not in (CALLED, AWAITED):
        return None  # a stub of an async generator or context manager can't be told from one of a coroutine
    streams = FORMS[own] == AWAITED and FORMS[other] == STREAMED
    if refuses(file, mine) and (FORMS[own] == CALLED or streams):
        return None  # it raises an error in whatever colour it is called
    if scope is not None and FORMS[own] == AWAITED and is_left_open(file, base, scope):
        return own, other, LEFT_OPEN
    unsure = scope is not None and stub and not scope.is_async and scope.annotation < 0
    if not unsure:
        return own, other, assumed([mine, base]) | (GUESSED_COLOUR if GUESSED in (own, other) else 0)
    # A plain stub that may be left as it is is a hook: frameworks call those and look at what comes back.
    hook = scope is not None and bool(scope.flags & Flag.FALLS_THROUGH) and not scope.decorators
    return own, other, LEFT_OPEN if hook else STUB


def is_open(file: FileCheck, function: Value) -> bool:
    """Whether a plain function is declared to give something that can't be followed (`MaybeAwaitable[int]`)."""
    summary = file.resolver.table.summary(function.module)
    scope = summary.scopes[function.scope] if summary is not None else None
    if summary is None or scope is None or scope.is_async or scope.annotation <= NONE:
        return False
    expr = summary.exprs[scope.annotation]
    name = str(summary.exprs[expr[1]][1]).rpartition(".")[2] if expr[0] == OP_SUBSCRIPTED else ""
    return "await" in name.lower() and is_unknown(file.resolver.annotated(function.module, scope.annotation))


def is_left_open(file: FileCheck, function: Value, scope: Scope) -> bool:
    """Whether a plain method only raises, without being abstract, and all that call it await what it gives."""
    summary = file.resolver.table.summary(function.module)
    owner = (function.module, summary.scopes[function.scope].parent if summary is not None else 0)
    raises = scope.flags & (Flag.STUB | Flag.NEVER_RETURNS) and not scope.flags & Flag.FALLS_THROUGH
    return (
        bool(raises)
        and not scope.is_async
        and not scope.decorators
        and callers.awaited(file.resolver, owner, scope.name) != places.NONE
        and callers.called_plainly(file.resolver, owner, scope.name) == places.NONE
    )


def refuses(file: FileCheck, function: Value) -> bool:
    """Whether a function does nothing but raise an error."""
    summary = file.resolver.table.summary(function.module)
    scope = summary.scopes[function.scope] if summary is not None else None
    if summary is None or scope is None:
        return False
    if scope.flags & Flag.NEVER_RETURNS:
        return True
    if len(scope.returns) != 1 or scope.returns[0] <= NONE or summary.exprs[scope.returns[0]][0] != OP_CALL:
        return False
    # Or hands on to one that does.
    targets = file.resolver.infer(function.module, summary.exprs[scope.returns[0]][1])
    return all(one.kind == FUNCTION and file.resolver.never_returns(one) for one in targets)


def gives_values(file: FileCheck, function: Value) -> bool:
    """Whether a plain function surely gives no coroutine, though what it gives isn't known: it returns names, no calls."""
    summary = file.resolver.table.summary(function.module)
    scope = summary.scopes[function.scope] if summary is not None else None
    if summary is None or scope is None or scope.annotation >= 0 or not scope.returns or scope.decorators:
        return False
    names = {param.name for param in scope.params}
    for returned in scope.returns:
        values = file.resolver.infer(function.module, returned)
        if is_unknown(values):
            # A parameter that is handed back; a local name or attribute may be a future.
            if returned < 0 or summary.exprs[returned][0] != OP_NAME or summary.exprs[returned][1] not in names:
                return False
        elif any(file.resolver.is_awaitable(one) is not False for one in values):
            return False
    return True


def colour(file: FileCheck, function: Value) -> str:
    """How a method is called, in words; empty when it can't be told."""
    summary = file.resolver.table.summary(function.module)
    if summary is None:
        return ""
    scope = summary.scopes[function.scope]
    if function.kind == PROPERTY:
        abstract = "abstractmethod" in file.resolver.decorator_names(summary, scope)
        says_nothing = scope.flags & (Flag.STUB | Flag.NEVER_RETURNS) and not abstract
        return "" if scope.is_async or says_nothing else "a property"
    made = file.resolver.result(function)
    kinds = {one.kind for one in made}
    if kinds == {COROUTINE}:
        return "a coroutine function (async def)"
    if kinds == {ASYNC_GENERATOR}:
        return "an async generator"
    if kinds == {GENERATOR} and scope.is_generator:
        return "a generator"
    if kinds == {CONTEXT}:
        return "a context manager"
    if kinds == {ASYNC_CONTEXT}:
        return "an async context manager"
    if scope.is_async or (scope.flags & Flag.NEVER_RETURNS and not scope.flags & Flag.STUB):
        return ""
    if UNKNOWN_KIND in kinds or not kinds:
        stub = scope.flags & Flag.STUB and scope.annotation < 0
        return "a plain function" if stub else GUESSED if gives_values(file, function) else ""
    if scope.annotation > 1 and never_comes_back(summary, scope.annotation):
        return ""
    if all(file.resolver.is_awaitable(one) is False for one in made):
        return "" if hands_on(file, function.definition) else "a plain function"
    return ""


def gives_callables(file: FileCheck, function: Value) -> bool:
    """Whether what a property gives is something to call."""
    summary = file.resolver.table.summary(function.module)
    if summary is not None and type_name(summary, summary.scopes[function.scope].annotation) == "Callable":
        return True
    made = file.resolver.result(function)
    return bool(made) and all(one.kind == FUNCTION or file.resolver.answers_to(one, "__call__") for one in made)


def never_comes_back(summary: Summary, annotation: int) -> bool:
    """Whether a function is declared to raise an error always: it refuses what its base does, in whatever colour."""
    expr = summary.exprs[annotation]
    return expr[0] == OP_NAME and str(expr[1]).rpartition(".")[2] in ("NoReturn", "Never")
