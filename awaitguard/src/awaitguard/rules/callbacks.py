"""AG161-AG166: an async function is given to something that calls it and never awaits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.infer.value import (
    AWAITABLE,
    CLASS,
    CONTAINER,
    COROUTINE,
    FUNCTION,
    INSTANCE,
    LIBRARY,
    METHOD,
    NONE_KIND,
    PARTIAL,
    PLAIN_KIND,
    Value,
    Values,
    is_unknown,
)
from awaitguard.read.contracts import (
    EXECUTORS,
    EXIT_HANDLERS,
    LOOP_CALLBACKS,
    SIGNALS,
    SORTS,
    THREAD_TARGETS,
    Place,
)
from awaitguard.read.library import EXECUTOR_CLASSES, GIVES_AWAITABLE
from awaitguard.read.summary import (
    DECORATORS,
    FLAGS,
    NO_EXPR,
    OP_ATTR,
    OP_AWAIT,
    OP_CALL,
    OP_GETATTR,
    OP_NAME,
    OP_SCOPE,
    OP_SUBSCRIPTED,
    OP_UNION,
    Flag,
    ParamUse,
    Use,
)
from awaitguard.rules.confidence import BARE, BY_USE, assumed
from awaitguard.rules.rule import FOLLOWING, NEVER, Group, Rule
from awaitguard.rules.signatures import parameter

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.infer.resolver import Resolver
    from awaitguard.read.summary import Expr, Param, Site, Summary
    from awaitguard.rules.file_check import FileCheck

WHY: Final = "It is called like a plain function, which makes a coroutine that no one awaits: nothing of it runs. "
START: Final = "import {0}\n\nasync def work(*args):\n    return 1\n\ndef plain(*args):\n    return 1\n\n"


def _rule(code: str, name: str, title: str, why: str, module: str, line: str) -> Rule:
    start = START.format(module)
    return Rule(code, name, title, WHY + why, start + line.format("work") + "\n", start + line.format("plain") + "\n")


THREAD: Final = _rule("AG161", "async-thread-target", "an async function as the target of a thread or process",
    "Run it on the loop, or give the thread a plain function.", "threading", "threading.Thread(target={0}).start()")  # fmt: skip
EXECUTOR: Final = _rule("AG162", "async-in-executor", "an async function given to an executor",
    "Executors run plain functions in threads; await the coroutine on the loop instead.", "asyncio",
    "async def main():\n    await asyncio.to_thread({0})")  # fmt: skip
SORT: Final = _rule("AG163", "async-key-or-predicate", "an async function as predicate, key, factory or mapping function",
    "filter, sorted, min, max and reduce use the result at once, and a coroutine is always true and can't be compared.", "functools",
    "print(list(filter({0}, [1, 2])))")  # fmt: skip
SIGNAL: Final = _rule("AG164", "async-signal-handler", "an async function as signal handler",
    "Set an event in a plain handler, or schedule a task from it.", "signal", "signal.signal(signal.SIGTERM, {0})")  # fmt: skip
EXIT: Final = _rule("AG165", "async-exit-handler", "an async function registered for the end of the program",
    "At exit no loop runs any more.", "atexit", "atexit.register({0})")  # fmt: skip
CALLBACK: Final = _rule("AG166", "async-loop-callback", "an async function as callback of a loop or future",
    "call_soon, call_later, add_done_callback and their kin want plain functions; create a task instead.", "asyncio",
    "async def main():\n    asyncio.get_running_loop().call_soon({0})")  # fmt: skip
EACH: Final = "from collections.abc import Callable\n\ndef each(rows: list[int], fn: Callable[[int], int]) -> list[int]:\n    return [fn(row) for row in rows]\n\n"
PARAMETER: Final = Rule("AG167", "async-callback", "an async function for a parameter that takes a plain one",
    "The function on the other side calls it and uses what comes back at once, or its annotation says so. It gets a coroutine.",
    EACH + "async def double(n: int) -> int:\n    return n * 2\n\nprint(each([1], double))\n",
    EACH + "def double(n: int) -> int:\n    return n * 2\n\nprint(each([1], double))\n")  # fmt: skip
SHOW: Final = "from collections.abc import Awaitable, Callable\n\nasync def show(fn: Callable[[], Awaitable[int]]) -> int:\n    return await fn()\n\n"
REVERSE: Final = Rule("AG168", "sync-callback", "a plain function for a parameter that takes an async one",
    "The function on the other side awaits what the callback gives, says its annotation. It raises TypeError there.",
    SHOW + "def load() -> int:\n    return 1\n\nasync def main():\n    print(await show(load))\n",
    SHOW + "async def load() -> int:\n    return 1\n\nasync def main():\n    print(await show(load))\n")  # fmt: skip
TABLES: Final = (
    (THREAD, THREAD_TARGETS),
    (EXECUTOR, EXECUTORS),
    (SORT, SORTS),
    (SIGNAL, SIGNALS),
    (EXIT, EXIT_HANDLERS),
    (CALLBACK, LOOP_CALLBACKS),
)
BY_NAME: Final = {name: (rule, where) for rule, table in TABLES for name, where in table.items()}
LOOP, EXECUTOR_BASE, POOL, STACK, A_FUTURE, A_LIST = (
    "asyncio.AbstractEventLoop.", "concurrent.futures.Executor.", "multiprocessing.pool.Pool.", "contextlib.ExitStack.",
    "asyncio.Future.", "builtins.list.",
)  # fmt: skip
STACKS: Final = frozenset({"contextlib.ExitStack", "contextlib.AsyncExitStack"})
# What objects are known to be whose methods are asked for by name: executors, stacks, tasks and futures, lists.
KNOWN_OWNERS: Final = frozenset(
    {
        "multiprocessing.Pool",
        *EXECUTOR_CLASSES,
        *STACKS,
        *GIVES_AWAITABLE,
        AWAITABLE,
        CONTAINER,
        PLAIN_KIND,
        "builtins.list",
    }
)


# Rules about what calls a function in any case, so that a coroutine in its place is wrong too.
CALLING: Final = frozenset({THREAD, EXECUTOR, SIGNAL, EXIT, CALLBACK})


class Callbacks(Group):
    """Looks at calls whose argument is a function."""

    rules = (THREAD, EXECUTOR, SORT, SIGNAL, EXIT, CALLBACK, PARAMETER, REVERSE)
    uses = Use.ALL - {Use.FORGOTTEN, Use.LOCKED}

    def file(self, file: FileCheck) -> Iterator[Finding]:
        """`@atexit.register` above an async function."""
        for index, raw in enumerate(file.summary.scopes.raw):
            if not (raw[FLAGS] & Flag.ASYNC and raw[DECORATORS]):
                continue
            scope = file.summary.scopes[index]
            if set(file.resolver.decorator_paths(file.path, scope)) & EXIT_HANDLERS.keys():
                message = (
                    f"{scope.name}, an async function, is registered for the end of the program, and nobody awaits it"
                )
                yield file.finding(EXIT, scope.position, message, (file.path, index))

    only_calls = True

    def cares(self, resolver: Resolver, target: Value) -> int:
        is_map = target.kind == LIBRARY and target.extra == "builtins.map"
        if is_map or self.known(resolver, target) is not None:
            return FOLLOWING
        return FOLLOWING if takes_function(resolver, target) else NEVER

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        expr = file.expr(site.expr)
        if expr[0] != OP_CALL or not (expr[2] or expr[3]):
            return
        targets = file.values(expr[1])
        if len(targets) == 1 and targets[0].kind in (FUNCTION, CLASS):
            yield from self.parameters(file, expr, targets[0])
        for target in targets[:1]:
            known = self.known(file.resolver, target)
            if site.use == Use.MAPPED and target.kind == LIBRARY and target.extra == "builtins.map":
                known = (SORT, Place(0, "", False))
            if known is None:
                continue
            rule, where = known
            argument = next((value for name, value in expr[3] if name == where.keyword), None)
            if argument is None and where.position is not None and where.position < len(expr[2]):
                argument = expr[2][where.position]
            if not isinstance(argument, int) or argument < 0:
                continue
            values = file.values(argument)
            if rule is CALLBACK and any(one.module.startswith("tornado") for one in file.summary.imports):
                continue  # Tornado's loop takes coroutine functions
            if site.use == Use.AWAIT and self.is_used_awaitable(file, site.expr):
                continue
            mask = assumed([target, *values]) | (0 if self.is_contracted(target) else BARE)
            if values and all(makes_coroutine(file, value) for value in values):
                text = file.text(argument)
                named = "a lambda that makes a coroutine" if text == "the value" else f"{text}, an async function,"
                yield file.finding(
                    rule,
                    expr[5],
                    f"{file.text(expr[1])}() is given {named} and never awaits it",
                    values[0].definition,
                    mask,
                )
            elif values and rule in CALLING and all(value.kind == COROUTINE for value in values):
                message = (
                    f"{file.text(expr[1])}() is given {file.text(argument)}, a coroutine, where it calls a function"
                )
                yield file.finding(rule, expr[5], message, values[0].definition, mask)

    @staticmethod
    def is_contracted(target: Value) -> bool:
        """Whether a contract says that it takes a plain function, rather than a method's name alone."""
        if target.kind == LIBRARY:
            return target.extra in BY_NAME or target.extra == "builtins.map"
        if target.kind == METHOD and isinstance(target.extra, str):
            origin = str(target.origin or "")
            return origin in KNOWN_OWNERS or f"{origin}.{target.extra}" in BY_NAME
        return True

    @staticmethod
    def is_used_awaitable(file: FileCheck, call: int) -> bool:
        """Whether the coroutine that a thread made is awaited or scheduled: `create_task(await to_thread(load))`."""
        awaited = (OP_AWAIT, call)
        return any(
            raw[0] in (Use.AWAIT, Use.SCHEDULED) and file.expr(raw[1])[:2] == awaited for raw in file.summary.sites
        )

    def parameters(self, file: FileCheck, expr: Expr, target: Value) -> Iterator[Finding]:
        """Functions given to parameters of the project's own functions."""
        given: list[tuple[int | str, int]] = [
            (number, one) for number, one in enumerate(expr[2]) if isinstance(one, int) and one > 1
        ]
        given += [(name, one) for name, one in expr[3] if name and one > 1]
        for where, argument in given:
            values = file.values(argument) if is_reference(file, argument) else ()
            if len(values) != 1 or values[0].kind not in (FUNCTION, PARTIAL):
                continue
            found = parameter(file, target, where)
            if found is None:
                continue
            path, param = found
            declared = result_of_callable(file, path, param.annotation)
            text, called = file.text(argument), file.text(expr[1])
            mask = assumed([target, *values])
            if makes_coroutine(file, values[0]):
                plain = declared and all(file.resolver.is_awaitable(one) is False for one in declared)
                if plain and awaits_all_the_same(file, target, param):
                    continue  # what it does with it counts, not what the annotation says
                if plain or (param.annotation < 0 and param.use & ~ParamUse.AS_VALUE == ParamUse.CALLED):
                    message = f"{called}() is given {text}, an async function, for `{param.name}`, which it calls without await"
                    yield file.finding(
                        PARAMETER, expr[5], message, values[0].definition, mask | (0 if plain else BY_USE)
                    )
            elif (
                declared
                and all(file.resolver.is_awaitable(one) for one in declared)
                and param.use & ~ParamUse.AS_VALUE != ParamUse.CALLED
            ) or awaits_result(param):
                made = file.resolver.call(values[0])
                if made and all(file.resolver.is_awaitable(one) is False for one in made):
                    message = (
                        f"{called}() is given {text}, a plain function, for `{param.name}`, whose result it awaits"
                    )
                    yield file.finding(
                        REVERSE, expr[5], message, values[0].definition, mask | (0 if declared else BY_USE)
                    )

    def known(self, resolver: Resolver, target: Value) -> tuple[Rule, Place] | None:
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
                    return BY_NAME[EXECUTOR_BASE + name]
                if "asyncio" in target.module and LOOP + name in BY_NAME:
                    return BY_NAME[LOOP + name]
        return None

    @staticmethod
    def method(name: str, receiver: str, origin: str = "") -> tuple[Rule, Place] | None:
        """Methods known by name: of loops and futures whatever they are called, of executors only under a telling name."""
        if origin == "multiprocessing.Pool":
            return BY_NAME.get(POOL + name)
        if origin in STACKS:
            return BY_NAME.get(STACK + name)
        if name in ("submit", "map"):
            last = receiver.rpartition(".")[2].lower()
            telling = (
                origin in EXECUTOR_CLASSES
                or "executor" in last
                or last in ("pool", "thread_pool", "threadpool", "_pool")
            )
            return BY_NAME[EXECUTOR_BASE + name] if telling else None
        if "io_loop" in receiver.lower() or "ioloop" in receiver.lower():
            return None  # Tornado's loop takes coroutine functions
        return BY_NAME.get(LOOP + name) or BY_NAME.get(A_FUTURE + name) or BY_NAME.get(A_LIST + name)


def takes_function(resolver: Resolver, target: Value) -> bool:
    """Whether something of the project has a parameter for functions: annotated `Callable`, or called in its body."""
    if target.kind == CLASS:
        members, _ = resolver.class_member(target.definition, "__init__")
        if not members or members[0].kind != FUNCTION:
            return resolver.is_dataclass(*target.definition)
        target = members[0]
    summary = resolver.table.summary(target.module) if target.kind == FUNCTION else None
    if summary is None or target.module.startswith("/"):
        return False
    return any(
        is_callable(summary, param.annotation)
        if param.annotation >= 0
        else param.use & ~ParamUse.AS_VALUE == ParamUse.CALLED or awaits_result(param)
        for param in summary.scopes[target.scope].params
    )


def awaits_result(param: Param) -> bool:
    """Whether a function does nothing with a parameter but call it and await what comes back."""
    return param.annotation < 0 and param.use & ~ParamUse.AS_VALUE == ParamUse.AWAITED | ParamUse.CALL_AWAITED


def awaits_all_the_same(file: FileCheck, target: Value, param: Param) -> bool:
    """Whether a function, or the class that keeps the parameter in an attribute, awaits what the callback gives."""
    if param.use & ParamUse.CALL_AWAITED:
        return True
    summary = file.resolver.table.summary(target.module)
    if summary is None:
        return False
    owner = target.scope if target.kind == CLASS else summary.scopes[target.scope].parent
    scope = summary.scopes[owner]
    if scope.kind != "class":
        return False
    kept = {param.name} if target.kind == CLASS else set[str]()
    for name, bindings in scope.attributes.items():
        values = [summary.exprs[one.value] for one in bindings if one.kind == "value" and one.value > 1]
        if any(value[:2] == (OP_NAME, param.name) for value in values):
            kept.add(name)
    for raw in summary.sites:
        called = summary.exprs[raw[1]]
        function = summary.exprs[called[1]] if raw[0] == Use.AWAIT and called[0] == OP_CALL else NO_EXPR
        if function[0] == OP_NAME and function[1].count(".") == 1 and function[1].partition(".")[2] in kept:
            return True
    return False


def is_callable(summary: Summary, annotation: int) -> bool:
    """Whether an annotation is `Callable[..., result]`."""
    expr = summary.exprs[annotation] if annotation > 1 else NO_EXPR
    return (
        expr[0] == OP_SUBSCRIPTED
        and len(expr[2]) == 2
        and str(summary.exprs[expr[1]][1]).rpartition(".")[2] == "Callable"
    )


def is_reference(file: FileCheck, expr: int) -> bool:
    """Whether an argument names a function (or is a lambda), rather than being a call's result."""
    return file.expr(expr)[0] in (OP_NAME, OP_ATTR, OP_SCOPE, OP_GETATTR)


def result_of_callable(file: FileCheck, path: str, annotation: int) -> Values:
    """What a function of the annotation `Callable[..., result]` gives; empty if that isn't known."""
    summary = file.resolver.table.summary(path)
    if summary is None or not is_callable(summary, annotation):
        return ()
    inner: int = summary.exprs[annotation][2][1]
    result = summary.exprs[inner] if inner > 1 else NO_EXPR
    optional = result[0] == OP_SUBSCRIPTED and str(summary.exprs[result[1]][1]).rpartition(".")[2] in (
        "Optional",
        "Union",
    )
    if optional or result[0] == OP_UNION:
        return ()  # more than one kind is welcome
    made = file.resolver.annotated(path, inner)
    # `Callable[..., None]` is often written for callbacks of either colour.
    return () if is_unknown(made) or any(one.kind == NONE_KIND for one in made) else made


def makes_coroutine(file: FileCheck, value: Value) -> bool:
    """Whether calling a value gives a coroutine."""
    if value.kind not in (FUNCTION, PARTIAL, INSTANCE):
        return False
    made = file.resolver.call(value)
    return bool(made) and all(one.kind == COROUTINE for one in made)
