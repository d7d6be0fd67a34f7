"""AG161-AG166: an async function is given to something that calls it and never awaits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from awaitguard.finding import CERTAIN
from awaitguard.library import (
    EXECUTOR_CLASSES,
    EXECUTORS,
    EXIT_HANDLERS,
    LOOP_CALLBACKS,
    SIGNALS,
    SORTS,
    THREAD_TARGETS,
)
from awaitguard.rules.rule import FOLLOWING, NEVER, Group, Rule
from awaitguard.summary import OP_CALL, OP_NAME, Use
from awaitguard.value import COROUTINE, FUNCTION, INSTANCE, LIBRARY, METHOD, PARTIAL, Value

if TYPE_CHECKING:
    from awaitguard.check import FileCheck
    from awaitguard.finding import Finding
    from awaitguard.resolver import Resolver
    from awaitguard.summary import Site

WHY = "It is called like a plain function, which makes a coroutine that no one awaits: nothing of it runs. "
START = "import {0}\n\nasync def work(*args):\n    return 1\n\ndef plain(*args):\n    return 1\n\n"


def _rule(code: str, name: str, title: str, why: str, module: str, line: str) -> Rule:
    start = START.format(module)
    return Rule(
        code, name, CERTAIN, title, WHY + why, start + line.format("work") + "\n", start + line.format("plain") + "\n"
    )


THREAD = _rule("AG161", "async-thread-target", "an async function as the target of a thread or process",
    "Run it on the loop, or give the thread a plain function.", "threading", "threading.Thread(target={0}).start()")  # fmt: skip
EXECUTOR = _rule("AG162", "async-in-executor", "an async function given to an executor",
    "Executors run plain functions in threads; await the coroutine on the loop instead.", "asyncio",
    "async def main():\n    await asyncio.to_thread({0})")  # fmt: skip
SORT = _rule("AG163", "async-key-or-predicate", "an async function as predicate, key or mapping function",
    "filter, sorted, min, max and reduce use the result at once, and a coroutine is always true and can't be compared.", "functools",
    "print(list(filter({0}, [1, 2])))")  # fmt: skip
SIGNAL = _rule("AG164", "async-signal-handler", "an async function as signal handler",
    "Set an event in a plain handler, or schedule a task from it.", "signal", "signal.signal(signal.SIGTERM, {0})")  # fmt: skip
EXIT = _rule("AG165", "async-exit-handler", "an async function registered for the end of the program",
    "At exit no loop runs any more.", "atexit", "atexit.register({0})")  # fmt: skip
CALLBACK = _rule("AG166", "async-loop-callback", "an async function as callback of a loop or future",
    "call_soon, call_later, add_done_callback and their kin want plain functions; create a task instead.", "asyncio",
    "async def main():\n    asyncio.get_running_loop().call_soon({0})")  # fmt: skip
TABLES = (
    (THREAD, THREAD_TARGETS),
    (EXECUTOR, EXECUTORS),
    (SORT, SORTS),
    (SIGNAL, SIGNALS),
    (EXIT, EXIT_HANDLERS),
    (CALLBACK, LOOP_CALLBACKS),
)
BY_NAME = {name: (rule, *where) for rule, table in TABLES for name, where in table.items()}
LAST_PARTS = frozenset(name.rpartition(".")[2] for name in BY_NAME)


class Callbacks(Group):
    """Looks at calls whose argument is a function."""

    rules = (THREAD, EXECUTOR, SORT, SIGNAL, EXIT, CALLBACK)
    uses = frozenset({Use.STATEMENT, Use.ASSIGN, Use.RETURN, Use.AWAIT, Use.OTHER, Use.ATTRIBUTE, Use.ARGUMENT, Use.VALUE_ARGUMENT,
        Use.ITERATE, Use.ELEMENT, Use.MAPPED, Use.STORED, Use.SCHEDULED, Use.TRUTH, Use.COMPARE, Use.FORMAT, Use.SUBSCRIPT, Use.OPERAND, Use.WITH})  # fmt: skip

    only_calls = True

    def cares(self, resolver: Resolver, target: Value) -> int:
        is_map = target.kind == LIBRARY and target.extra == "builtins.map"
        return FOLLOWING if is_map or self.known(resolver, target) is not None else NEVER

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        expr = file.expr(site.expr)
        if expr[0] != OP_CALL or not (expr[2] or expr[3]):
            return
        for target in file.values(expr[1])[:1]:
            known = self.known(file.resolver, target)
            if site.use == Use.MAPPED and target.kind == LIBRARY and target.extra == "builtins.map":
                known = (SORT, 0, "")
            if known is None:
                continue
            rule, number, keyword = known
            argument = next((value for name, value in expr[3] if name == keyword), None)
            if argument is None and number is not None and number < len(expr[2]):
                argument = expr[2][number]
            if not isinstance(argument, int) or argument < 0:
                continue
            values = file.values(argument)
            if values and all(makes_coroutine(file, value) for value in values):
                text = file.text(argument)
                named = "a lambda that makes a coroutine" if text == "the value" else f"{text}, an async function,"
                yield file.finding(
                    rule, expr[5], f"{file.text(expr[1])}() is given {named} and never awaits it", values[0].definition
                )

    def known(self, resolver: Resolver, target: Value) -> tuple[Rule, int | None, str] | None:
        """Whether `target` takes a plain function, and where."""
        if target.kind == LIBRARY:
            return BY_NAME.get(str(target.extra)) or self.method(str(target.extra).rpartition(".")[2], "")
        if target.kind == METHOD and isinstance(target.extra, str):
            return self.method(target.extra, target.via[0] if target.via else "", str(target.origin or ""))
        if target.kind == FUNCTION and target.module.startswith("/"):
            summary = resolver.table.summary(target.module)
            if summary is not None:
                name = summary.scopes[target.scope].name
                if "concurrent/futures" in target.module and name in ("submit", "map"):
                    return BY_NAME["executor." + name]
                if "asyncio" in target.module and "loop." + name in BY_NAME:
                    return BY_NAME["loop." + name]
        return None

    @staticmethod
    def method(name: str, receiver: str, origin: str = "") -> tuple[Rule, int | None, str] | None:
        """Methods known by name: of loops and futures whatever they are called, of executors only under a telling name."""
        if name in ("submit", "map"):
            last = receiver.rpartition(".")[2].lower()
            telling = (
                origin in EXECUTOR_CLASSES
                or "executor" in last
                or last in ("pool", "thread_pool", "threadpool", "_pool")
            )
            return BY_NAME["executor." + name] if telling else None
        if "io_loop" in receiver.lower() or "ioloop" in receiver.lower():
            return None  # Tornado's loop takes coroutine functions
        return BY_NAME.get("loop." + name) or BY_NAME.get("future." + name) or BY_NAME.get("list." + name)


def makes_coroutine(file: FileCheck, value: Value) -> bool:
    """Whether calling a value gives a coroutine."""
    if value.kind not in (FUNCTION, PARTIAL, INSTANCE):
        return False
    made = file.resolver.call(value)
    return bool(made) and all(one.kind == COROUTINE for one in made)


__all__ = ["OP_NAME"]
