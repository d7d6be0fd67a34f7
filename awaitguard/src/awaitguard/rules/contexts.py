"""AG141-AG145: `with` and `for` of the other colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.infer.value import ASYNC_GENERATOR, COROUTINE, FUNCTION, GENERATOR, Value, Values
from awaitguard.read.summary import NO_EXPR, NONE, OP_NAME, Flag, Use
from awaitguard.rules.confidence import assumed
from awaitguard.rules.rule import Group, Rule
from awaitguard.rules.signatures import type_name

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.read.summary import Site
    from awaitguard.rules.file_check import FileCheck

SESSION: Final = "from contextlib import asynccontextmanager, contextmanager\n\n@asynccontextmanager\nasync def session():\n    yield 1\n\n\n@contextmanager\ndef lock():\n    yield 2\n\n"
WITH: Final = Rule("AG141", "with-async-context-manager", "`with` on an async context manager",
    "It has __aenter__ but no __enter__: Python raises TypeError (AttributeError before 3.11).",
    SESSION + "async def main():\n    with session():\n        pass\n",
    SESSION + "async def main():\n    async with session():\n        pass\n")  # fmt: skip
ASYNC_WITH: Final = Rule("AG142", "async-with-context-manager", "`async with` on a plain context manager",
    "It has __enter__ but no __aenter__: Python raises TypeError (AttributeError before 3.11).",
    SESSION + "async def main():\n    async with lock():\n        pass\n",
    SESSION + "async def main():\n    with lock():\n        pass\n")  # fmt: skip
ROWS: Final = "async def rows():\n    yield 1\n\ndef lines():\n    yield 2\n\n"
FOR: Final = Rule("AG143", "for-async-iterable", "`for` over an async iterable",
    "It has __aiter__ but no __iter__: Python raises TypeError. This holds for comprehensions too.",
    ROWS + "async def main():\n    for row in rows():\n        print(row)\n",
    ROWS + "async def main():\n    async for row in rows():\n        print(row)\n")  # fmt: skip
ASYNC_FOR: Final = Rule("AG144", "async-for-iterable", "`async for` over a plain iterable",
    "It has __iter__ but no __aiter__: Python raises TypeError. This holds for comprehensions too.",
    ROWS + "async def main():\n    return [line async for line in lines()]\n",
    ROWS + "async def main():\n    return [line for line in lines()]\n")  # fmt: skip
OPENED: Final = "class Session:\n    async def __aenter__(self):\n        return self\n    async def __aexit__(self, *error):\n        pass\n\nasync def connect():\n    return Session()\n\n"
COROUTINE_WITH: Final = Rule("AG145", "with-coroutine", "`with` or `async with` on a coroutine",
    "The async function has to be awaited first: only its result is a context manager.",
    OPENED + "async def main():\n    async with connect() as session:\n        return session\n",
    OPENED + "async def main():\n    async with await connect() as session:\n        return session\n")  # fmt: skip

GENERATOR_WITH: Final = Rule("AG146", "with-generator", "`with` or `async with` on a generator",
    "A generator function is no context manager by itself: @contextmanager or @asynccontextmanager is missing above it.",
    "async def session():\n    yield 1\n\nasync def main():\n    async with session() as current:\n        print(current)\n",
    "from contextlib import asynccontextmanager\n\n@asynccontextmanager\nasync def session():\n    yield 1\n\n"
    "async def main():\n    async with session() as current:\n        print(current)\n")  # fmt: skip
UNCALLED: Final = Rule("AG147", "with-uncalled", "`with` or `for` on a function that isn't called",
    "The parentheses are missing: the function itself can't be entered or iterated.",
    ROWS + "async def main():\n    async for row in rows:\n        print(row)\n",
    ROWS + "async def main():\n    async for row in rows():\n        print(row)\n")  # fmt: skip

OWN: Final = {
    Use.WITH: "__enter__",
    Use.ASYNC_WITH: "__aenter__",
    Use.ITERATE: "__iter__",
    Use.ASYNC_ITERATE: "__aiter__",
}
OTHER: Final = {
    Use.WITH: "__aenter__",
    Use.ASYNC_WITH: "__enter__",
    Use.ITERATE: "__aiter__",
    Use.ASYNC_ITERATE: "__iter__",
}
GENERATORS: Final = frozenset({GENERATOR, ASYNC_GENERATOR})
RULE: Final = {Use.WITH: WITH, Use.ASYNC_WITH: ASYNC_WITH, Use.ITERATE: FOR, Use.ASYNC_ITERATE: ASYNC_FOR}
SAYS: Final = {
    Use.WITH: "is an async context manager: it needs `async with`",
    Use.ASYNC_WITH: "is a plain context manager: it needs `with`",
    Use.ITERATE: "is an async iterable: it needs `async for`",
    Use.ASYNC_ITERATE: "is a plain iterable: it needs `for`",
}


class Contexts(Group):
    """Looks at what `with` and `for` are given."""

    rules = (WITH, ASYNC_WITH, FOR, ASYNC_FOR, COROUTINE_WITH, GENERATOR_WITH, UNCALLED)
    uses = frozenset(OWN) | {Use.VALUE_ARGUMENT, Use.UNPACKED, Use.ARGUMENT}

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        if site.use == Use.ARGUMENT:
            yield from self.pushed(file, site)
            return
        values = file.values(site.expr)
        if not values:
            return
        text = file.text(site.expr)
        first, mask = values[0], assumed(values)
        where = first.origin or ((first.module, first.scope) if first.module else None)
        if site.use in (Use.VALUE_ARGUMENT, Use.UNPACKED):
            if all(value.kind == ASYNC_GENERATOR and value.module for value in values):
                yield file.finding(FOR, site.position, f"{text} {SAYS[Use.ITERATE]}", where, mask)
        elif site.use in (Use.WITH, Use.ASYNC_WITH) and all(value.kind == COROUTINE for value in values):
            if site.use == Use.ASYNC_WITH and all(stands_for_context(file, value) for value in values):
                return
            message = f"{text} is a coroutine: await it before it is entered (`async with await ...`)"
            yield file.finding(COROUTINE_WITH, site.position, message, where, mask)
        elif site.use in (Use.WITH, Use.ASYNC_WITH) and all(
            value.kind in GENERATORS and value.module for value in values
        ):
            wanted = "asynccontextmanager" if first.kind == ASYNC_GENERATOR else "contextmanager"
            message = f"{text} gives {'an' if first.kind == ASYNC_GENERATOR else 'a'} {first.kind}, no context manager: @{wanted} is missing"
            yield file.finding(GENERATOR_WITH, site.position, message, where, mask)
        elif all(
            value.kind == FUNCTION and not {"wrapped", "decorated", "awaitable"} & set(value.via) for value in values
        ):
            message = f"{text} is a function that isn't called"
            yield file.finding(UNCALLED, site.position, message, first.definition, mask)
        elif self.is_other(file, site.use, values):
            yield file.finding(RULE[site.use], site.position, f"{text} {SAYS[site.use]}", where, mask)

    def pushed(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        """`stack.enter_async_context(x)` is `async with x`, and `stack.enter_context(x)` is `with x`."""
        function = file.expr(file.expr(site.call)[1]) if site.call > NONE and site.argument == 0 else NO_EXPR
        method = str(function[1]).rpartition(".")[2] if function[0] == OP_NAME else ""
        if method in ("enter_context", "enter_async_context"):
            use = Use.ASYNC_WITH if method == "enter_async_context" else Use.WITH
            targets, values = file.values(file.expr(site.call)[1]), file.values(site.expr)
            stack = any(str(target.origin).endswith("ExitStack") for target in targets)
            if stack and values and self.is_other(file, use, values):
                message = (
                    f"{file.text(site.expr)} {SAYS[use]} or enter_{'' if use == Use.ASYNC_WITH else 'async_'}context"
                )
                yield file.finding(RULE[use], site.position, message, values[0].origin, assumed(values))

    def is_other(self, file: FileCheck, use: int, values: Values) -> bool:
        """Whether every candidate lacks this colour's method and some has the other's."""
        answers = file.resolver.answers_to
        if any(value.kind == FUNCTION for value in values):
            return False
        # What is declared to be iterable may be both; only a generator is surely not.
        if use == Use.ASYNC_ITERATE and any(
            str(value.origin).endswith((".Iterable", ".Collection")) for value in values
        ):
            return False
        return all(answers(value, OWN[use]) is False for value in values) and any(
            answers(value, OTHER[use]) for value in values
        )


def stands_for_context(file: FileCheck, value: Value) -> bool:
    """Whether a coroutine is of an empty method that gives a context manager: what takes its place may be one itself."""
    summary = file.resolver.table.summary(value.module)
    scope = summary.scopes[value.scope] if summary is not None and value.scope >= 0 else None
    if (
        summary is None
        or scope is None
        or not scope.flags & (Flag.STUB | Flag.NEVER_RETURNS)
        or scope.annotation <= NONE
    ):
        return False
    return (type_name(summary, scope.annotation) or "").endswith(("ContextManager", "Iterator", "Generator"))
