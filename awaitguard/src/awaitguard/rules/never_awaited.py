"""AG121-AG133: a coroutine is made and never awaited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.infer import callers, places
from awaitguard.infer.lookup import reaching_bindings
from awaitguard.infer.value import (
    ASYNC_CONTEXT,
    ASYNC_GENERATOR,
    AWAITABLE,
    CLASS,
    CONTAINER,
    COROUTINE,
    FUNCTION,
    INSTANCE,
    LIBRARY,
    METHOD,
    Value,
    Values,
    is_unknown,
)
from awaitguard.read.contracts import wants_value
from awaitguard.read.library import AWAITABLE_TYPES, GIVES_AWAITABLE
from awaitguard.read.summary import (
    BARE as BARE_CALL,
)
from awaitguard.read.summary import (
    DECORATORS,
    FLAGS,
    NO_EXPR,
    NONE,
    OP_CALL,
    OP_NAME,
    OP_SUBSCRIPTED,
    OP_UNION,
    Flag,
    ParamUse,
    Use,
)
from awaitguard.read.vocabulary import OF_BOTH, OF_COROUTINES
from awaitguard.rules.confidence import (
    AWAITED,
    AWAITED_BY_NAME,
    BARE,
    BY_USE,
    INHERITED,
    ONE_OF_SEVERAL,
    OPEN_RESULT,
    OVERRIDABLE,
    REPLACEABLE,
    assumed,
)
from awaitguard.rules.rule import ALWAYS, FOLLOWING, NEVER, Group, Rule
from awaitguard.rules.signatures import parameter

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.infer.resolver import Resolver
    from awaitguard.read.summary import Binding, Scope, Site
    from awaitguard.rules.file_check import FileCheck

WHY: Final = "Calling an async function only makes a coroutine; until it is awaited, nothing of it runs. "
LOAD: Final = "async def load():\n    return {'a': 1}\n\n"


def _rule(code: str, name: str, title: str, why: str, bad: str, good: str) -> Rule:
    return Rule(code, name, title, WHY + why, LOAD + "async def main():\n" + bad, LOAD + "async def main():\n" + good)


STATEMENT: Final = _rule("AG121", "coroutine-never-awaited", "a coroutine that is made and dropped",
    "Python only warns, often much later, and the work is silently left out.", "    load()\n", "    await load()\n")  # fmt: skip
FORGOTTEN: Final = _rule("AG122", "coroutine-forgotten", "a coroutine that is assigned and never used",
    "The variable holds a coroutine that no one awaits.", "    data = load()\n", "    data = await load()\n    return data\n")  # fmt: skip
TRUTH: Final = _rule("AG123", "coroutine-truth", "a coroutine used as a condition",
    "A coroutine is always true, so the branch is always the same.", "    if load():\n        return 1\n",
    "    if await load():\n        return 1\n")  # fmt: skip
COMPARE: Final = _rule("AG124", "coroutine-compared", "a coroutine that is compared",
    "A coroutine equals nothing but itself.", "    return load() == {}\n", "    return await load() == {}\n")  # fmt: skip
ITERATE: Final = _rule("AG125", "coroutine-iterated", "a loop over a coroutine",
    "A coroutine can't be iterated, neither with `for` nor with `async for`.", "    for key in load():\n        print(key)\n",
    "    for key in await load():\n        print(key)\n")  # fmt: skip
FORMAT: Final = _rule("AG126", "coroutine-formatted", "a coroutine in a text",
    "The text will read `<coroutine object ...>`.", "    return f'got {load()}'\n", "    return f'got {await load()}'\n")  # fmt: skip
STORED: Final = _rule("AG127", "coroutine-stored", "a coroutine put into a container or attribute and left there",
    "Whoever reads it gets a coroutine instead of a value.", "    cache = {}\n    cache['a'] = load()\n    return cache\n",
    "    cache = {}\n    cache['a'] = await load()\n    return cache\n")  # fmt: skip
RETURNED: Final = _rule("AG128", "coroutine-returned", "an async function that returns a coroutine",
    "Its callers await once and get a coroutine instead of a value.", "    return load()\n", "    return await load()\n")  # fmt: skip
PASSED: Final = _rule("AG129", "coroutine-passed", "a coroutine passed where a value is wanted",
    "The function on the other side will work on a coroutine instead of a value.", "    return len(load())\n",
    "    return len(await load())\n")  # fmt: skip
ATTRIBUTE: Final = _rule("AG130", "coroutine-attribute", "an attribute of a coroutine",
    "The result has this attribute, the coroutine hasn't.", "    return load().keys()\n", "    return (await load()).keys()\n")  # fmt: skip
SUBSCRIPT: Final = _rule("AG131", "coroutine-subscripted", "a coroutine with an index",
    "The result can be subscripted, the coroutine can't.", "    return load()['a']\n", "    return (await load())['a']\n")  # fmt: skip
OPERAND: Final = _rule("AG132", "coroutine-operand", "arithmetic with a coroutine",
    "Operators work on the result, not on the coroutine.", "    return load() | {'b': 2}\n", "    return (await load()) | {'b': 2}\n")  # fmt: skip
GENERATOR: Final = Rule("AG133", "async-generator-dropped", "an async generator or async context manager that is made and dropped",
    "Calling it runs nothing of it: it has to be iterated with `async for`, or entered with `async with`.",
    "async def rows():\n    yield 1\n\nasync def main():\n    rows()\n",
    "async def rows():\n    yield 1\n\nasync def main():\n    async for row in rows():\n        print(row)\n")  # fmt: skip

CALLED: Final = _rule("AG134", "coroutine-called", "a coroutine that is called",
    "Only its result can be called.", "    return load()('a')\n", "    return (await load())('a')\n")  # fmt: skip
FUTURE: Final = Rule("AG135", "future-used-as-value", "a task or future used as if it were its result",
    "create_task, ensure_future, gather and shield give a task or future; its result is there only after await.",
    LOAD + "import asyncio\n\nasync def main():\n    first, second = asyncio.gather(load(), load())\n    return first\n",
    LOAD + "import asyncio\n\nasync def main():\n    first, second = await asyncio.gather(load(), load())\n    return first\n")  # fmt: skip

RULES_BY_USE: Final = {Use.STATEMENT: STATEMENT, Use.FORGOTTEN: FORGOTTEN, Use.TRUTH: TRUTH, Use.COMPARE: COMPARE, Use.ITERATE: ITERATE,
    Use.ASYNC_ITERATE: ITERATE, Use.FORMAT: FORMAT, Use.ELEMENT: STORED, Use.STORED: STORED, Use.RETURNED_DICT: STORED,
    Use.MAPPED: STORED, Use.RETURN: RETURNED, Use.ARGUMENT: PASSED, Use.VALUE_ARGUMENT: PASSED, Use.ATTRIBUTE: ATTRIBUTE,
    Use.SUBSCRIPT: SUBSCRIPT, Use.OPERAND: OPERAND, Use.UNPACKED: ITERATE, Use.RETURNED_LIST: STORED, Use.YIELD: RETURNED,
    Use.CALLEE: CALLED, Use.LOGGED: FORMAT, Use.SCHEDULED: PASSED}  # fmt: skip
WHERE: Final = {
    Use.STATEMENT: "is never awaited: the call alone runs nothing",
    Use.FORGOTTEN: "is assigned to `{0}` and never awaited",
    Use.TRUTH: "is tested for truth without await: a coroutine is always true",
    Use.COMPARE: "is compared without await",
    Use.ITERATE: "is iterated without await",
    Use.ASYNC_ITERATE: "is iterated with `async for`, but it is a coroutine that has to be awaited first",
    Use.FORMAT: "is put into a text without await",
    Use.ELEMENT: "is put into a container without await, and nothing awaits it later",
    Use.STORED: "is stored without await, and nothing awaits it later",
    Use.RETURNED_DICT: "is put into a dict and returned without await",
    Use.MAPPED: "is put into a container without await",
    Use.RETURN: "is returned without await: callers get a coroutine instead of a value",
    Use.VALUE_ARGUMENT: "is passed without await where a value is wanted",
    Use.LOGGED: "is put into a text without await",
    Use.SUBSCRIPT: "is subscripted without await",
    Use.OPERAND: "is used as an operand without await",
    Use.UNPACKED: "is unpacked without await",
    Use.RETURNED_LIST: "is put into a list or tuple and returned without await",
    Use.YIELD: "is yielded without await, but values are declared",
    Use.CALLEE: "is called without await",
}
# Uses that work on a value there and then, whichever branch it came from.
USED_AT_ONCE: Final = frozenset(
    {Use.OPERAND, Use.SUBSCRIPT, Use.FORMAT, Use.ATTRIBUTE, Use.VALUE_ARGUMENT, Use.ITERATE, Use.UNPACKED}
)
# Uses in which a task or future fails just like a coroutine.
OF_FUTURES: Final = frozenset({Use.ITERATE, Use.ASYNC_ITERATE, Use.UNPACKED, Use.SUBSCRIPT})
CACHES: Final = frozenset({"functools.lru_cache", "functools.cache"})
CHECKED_FIRST: Final = frozenset({Use.ATTRIBUTE, Use.ARGUMENT, Use.RETURN, Use.RETURNED_LIST})
DROPPED: Final = {
    ASYNC_GENERATOR: "an async generator that is never iterated",
    ASYNC_CONTEXT: "an async context manager that is never entered",
}
HANDED_OUT: Final = frozenset({Use.RETURN, Use.RETURNED_DICT, Use.RETURNED_LIST})
# Arguments of what is known by its name to want values, or awaitables; the project may have something else by that name.
WANTED: Final = frozenset({Use.VALUE_ARGUMENT, Use.LOGGED, Use.SCHEDULED})
CONTAINED: Final = frozenset({Use.ELEMENT, Use.RETURNED_DICT, Use.RETURNED_LIST, Use.MAPPED})

# With these it may be another function than the one that is seen.
UNSURE: Final = OVERRIDABLE | INHERITED | REPLACEABLE | ONE_OF_SEVERAL


class NeverAwaited(Group):
    """Looks at every use of a value that isn't an await."""

    rules = (
        STATEMENT,
        FORGOTTEN,
        TRUTH,
        COMPARE,
        ITERATE,
        FORMAT,
        STORED,
        RETURNED,
        PASSED,
        ATTRIBUTE,
        SUBSCRIPT,
        OPERAND,
        GENERATOR,
        CALLED,
        FUTURE,
    )
    uses = frozenset(RULES_BY_USE)

    def cares(self, resolver: Resolver, target: Value) -> int:
        made = resolver.remember(("call", target), lambda: resolver.call(target))
        if any(is_telling(value) for value in made):
            return ALWAYS
        return FOLLOWING if resolver.looks_at_arguments(target) else NEVER

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        use = site.use
        if use in CHECKED_FIRST and not self.applies(file, site):
            return
        expr = file.expr(site.expr)
        if expr[0] == OP_NAME and "." not in expr[1] and not file.may_be(site.expr, is_telling):
            return
        values = file.values(site.expr)
        if not values:
            return
        if use == Use.STATEMENT and all(value.kind in DROPPED for value in values) and values[0].module:
            message = f"{file.text(site.expr)} makes {DROPPED[values[0].kind]}"
            yield file.finding(GENERATOR, site.position, message, values[0].origin)
            return
        if use in OF_FUTURES and all(is_future(value) for value in values):
            function = file.summary.scopes[site.scope]
            if function.is_generator and not function.is_async:
                return  # `yield from task` waits for it, as coroutines once did
            message = f"{file.text(site.expr)} is a task or future, whose result is there only after await"
            yield file.finding(FUTURE, site.position, message, values[0].origin)
            return
        partly = not all(is_coroutine(value) for value in values)
        if partly and not (use in USED_AT_ONCE and in_one_branch(file, site, values)):
            return
        if expr[0] == OP_CALL and gives_sometimes(file, expr[1]):
            return
        if use == Use.ASYNC_ITERATE and all(is_stub(file, value) for value in values):
            return
        if use in (Use.TRUTH, Use.COMPARE) and may_be_none(file, site.expr):
            return
        if use == Use.RETURN and not self.returns_by_mistake(file, site):
            return
        mask = assumed(values) | (ONE_OF_SEVERAL if partly else 0)
        if use in HANDED_OUT:
            # Its callers may know that there is something to await in what it gives.
            function = file.summary.scopes[site.scope]
            twice = callers.awaited_twice(file.resolver, (file.path, site.scope), function.name)
            mask |= AWAITED if twice == places.SURELY else AWAITED_BY_NAME if twice else 0
            mask |= self.is_awaited(file, site)
        if mask & UNSURE and any(overridden(file, value) for value in values):
            return
        given = use in WANTED and self.is_given_to_project(file, site)
        if use == Use.ARGUMENT or given:
            wanted = self.wants_value(file, site)
            if wanted is None:
                return
            mask |= wanted
        elif use == Use.SCHEDULED:
            return
        elif use in WANTED and self.is_bare(file, site):
            mask |= BARE
        if use in CONTAINED and file.summary.scopes[site.scope].annotation >= 0:
            declared = self.declared(file, site)
            if declared is None:
                return
            mask |= declared
        if use == Use.STORED and site.argument and not self.result_has(file, site):
            return
        if use == Use.YIELD and not self.yields_by_mistake(file, site):
            return
        rule = RULES_BY_USE[use]
        text = file.text(site.expr)
        if use == Use.ATTRIBUTE:
            end = f"is used by its attribute `{site.argument}` without await"
        elif use == Use.ARGUMENT or given:
            end = f"is passed without await to {file.text(file.expr(site.call)[1])}(), which wants a value"
        else:
            end = WHERE[use].format(site.argument)
        made = next(value for value in values if is_coroutine(value))
        yield file.finding(rule, site.position, f"{text} {end}", made.origin, mask)

    def file(self, file: FileCheck) -> Iterator[Finding]:
        """Async functions under functools.cache: it keeps the coroutine, which can be awaited only once."""
        for index, raw in enumerate(file.summary.scopes.raw):
            if not raw[DECORATORS] or not raw[FLAGS] & Flag.ASYNC or raw[FLAGS] & Flag.GENERATOR:
                continue
            scope = file.summary.scopes[index]
            if CACHES & set(file.resolver.decorator_paths(file.path, scope)):
                message = f"{scope.name} is async, and its cache keeps the coroutine, which can be awaited only once"
                yield file.finding(STORED, scope.position, message, (file.path, index))

    def declared(self, file: FileCheck, site: Site) -> int | None:
        """What is assumed about the function's return annotation; None if it says that awaitables are handed out."""
        inside = names_inside(file, file.summary.scopes[site.scope].annotation)
        if inside & AWAITABLE_TYPES:
            return None
        return OPEN_RESULT if inside & {"Any", "object"} or (site.use == Use.RETURNED_LIST and not inside) else 0

    def yields_by_mistake(self, file: FileCheck, site: Site) -> bool:
        """Whether a generator is declared to give something that can't be awaited."""
        annotation = file.summary.scopes[site.scope].annotation
        if annotation < 0 or file.expr(annotation)[0] != OP_SUBSCRIPTED:
            return False
        declared = file.resolver.annotated(file.path, file.expr(annotation)[2][0])
        return not is_unknown(declared) and all(file.resolver.is_awaitable(one) is False for one in declared)

    def applies(self, file: FileCheck, site: Site) -> bool:
        if site.use == Use.ATTRIBUTE:
            return site.argument not in OF_COROUTINES or (site.argument in OF_BOTH and self.result_has(file, site))
        if site.use == Use.ARGUMENT:
            return site.call >= 0
        function = file.function(site.scope)
        if function is None or function.kind == "lambda":
            return False
        # A plain function that looks whether a loop is running gives a coroutine to those who run one.
        return function.is_async or (function.annotation >= 0 and not function.flags & Flag.ASKS_LOOP)

    @staticmethod
    def result_has(file: FileCheck, site: Site) -> bool:
        """Whether what the coroutine gives has the attribute too, so that `connect().send(x)` means that one."""
        resolver = file.resolver
        results = [
            one for value in file.values(site.expr) if value.kind == COROUTINE for one in resolver.awaited(value)
        ]
        return bool(results) and all(
            one.kind == INSTANCE and bool(resolver.class_member(one.definition, str(site.argument))[1])
            for one in results
        )

    def returns_by_mistake(self, file: FileCheck, site: Site) -> bool:
        """An async function that returns a coroutine may mean to, if its annotation says so."""
        function = file.summary.scopes[site.scope]
        if self.chooses(file, function):
            return False
        if function.annotation < 0:
            return file.expr(site.expr)[0] in (OP_CALL, OP_NAME)
        declared = file.resolver.annotated(file.path, function.annotation)
        return not is_unknown(declared) and all(file.resolver.is_awaitable(value) is False for value in declared)

    @staticmethod
    def is_awaited(file: FileCheck, site: Site) -> int:
        """What is assumed about a plain method that returns a coroutine: that nobody who calls it awaits."""
        function = file.summary.scopes[site.scope]
        owner = (file.path, function.parent)
        if site.use != Use.RETURN or function.is_async or file.summary.scopes[function.parent].kind != "class":
            return 0
        awaited = callers.awaited(file.resolver, owner, function.name)
        if not awaited or callers.called_plainly(file.resolver, owner, function.name) == places.SURELY:
            return 0
        return AWAITED if awaited == places.SURELY else AWAITED_BY_NAME

    @staticmethod
    def chooses(file: FileCheck, function: Scope) -> bool:
        """Whether a function gives a coroutine to those who ask for one: it has other ways out that are no mistakes.

        A plain function does so whatever the others give (`if is_async: return aload()`), an async one if it never
        gives a finished value.
        """
        made = [file.resolver.infer(file.path, one) for one in function.returns if one != NONE]
        if len(made) < 2:
            return False
        if not function.is_async:
            return not all(is_coroutine(value) for values in made for value in values)
        return all(is_unknown(values) or any(file.resolver.is_awaitable(one) for one in values) for values in made)

    def is_given_to_project(self, file: FileCheck, site: Site) -> bool:
        """Whether what is called is a function or class of the project, whatever a library's of its name would want."""
        targets = file.values(file.expr(site.call)[1]) if site.call >= 0 else ()
        return any(target.kind in (FUNCTION, CLASS) and not target.module.startswith("/") for target in targets)

    @staticmethod
    def is_bare(file: FileCheck, site: Site) -> bool:
        """Whether nothing but a name says that it wants a value: no contract does, or what it is called on can't be followed."""
        if site.call < 0:
            return site.call == BARE_CALL
        function = file.expr(file.expr(site.call)[1])
        targets = file.values(file.expr(site.call)[1])
        if any(not is_contracted(target) for target in targets):
            return True
        return "." in str(function[1:]) and is_unknown(targets)

    def wants_value(self, file: FileCheck, site: Site) -> int | None:
        """What it assumes that the called function wants a value in this position; None when it may want an awaitable."""
        targets = file.values(file.expr(site.call)[1])
        mask = assumed(targets)
        for target in targets:
            found = parameter(file, target, site.argument)
            if found is None:
                return None
            path, param = found
            if param.annotation >= 0:
                declared = file.resolver.annotated(path, param.annotation)
                if is_unknown(declared) or any(file.resolver.is_awaitable(value) is not False for value in declared):
                    return None
            elif param.use != ParamUse.AS_VALUE:
                return None
            else:
                mask |= BY_USE
        return mask if targets else None


def is_contracted(target: Value) -> bool:
    """Whether a contract says that something of a library wants values; of what isn't a library's nothing is said."""
    if target.kind == LIBRARY:
        return wants_value(str(target.extra))
    if target.kind == METHOD and target.origin:
        return wants_value(f"{target.origin}.{target.extra}")
    return True


def is_stub(file: FileCheck, value: Value) -> bool:
    """Whether a coroutine is of a function that only stands for the async generators that take its place."""
    summary = file.resolver.table.summary(value.module)
    return summary is not None and bool(summary.scopes[value.scope].flags & (Flag.STUB | Flag.NEVER_RETURNS))


def gives_sometimes(file: FileCheck, function: int) -> bool:
    """Whether a plain function gives a coroutine only to who asks for one: it has ways out with nothing at all."""
    for target in file.values(function):
        summary = file.resolver.table.summary(target.module) if target.kind == FUNCTION else None
        scope = summary.scopes[target.scope] if summary is not None else None
        if scope is not None and not scope.is_async and scope.returns and not scope.is_generator:
            return bool(scope.flags & Flag.FALLS_THROUGH) or NONE in scope.returns
    return False


def in_one_branch(file: FileCheck, site: Site, values: Values) -> bool:
    """Whether `x = load() if fresh else 1` makes a value that is a coroutine only sometimes, and that nobody awaits."""
    expr = file.expr(site.expr)
    if expr[0] != OP_NAME or expr[2] < 0 or file.summary.scopes[site.scope].flags & Flag.ASKS_COLOUR:
        return False
    others = [value for value in values if not is_coroutine(value)]
    if len(others) == len(values) or any(file.resolver.is_awaitable(value) is not False for value in others):
        return False
    bindings: list[Binding] = file.summary.scopes[file.summary.scope_of(expr[2])].bindings.get(expr[1]) or []
    reaching, _ = reaching_bindings(file.summary.blocks, bindings, expr[2], site.expr)
    if not any(one.kind == "value" and one.value > NONE and file.expr(one.value)[0] == OP_UNION for one in reaching):
        return False  # branches of statements go with conditions further down
    # Whoever awaits it, hands it on or returns it may do so under the same condition.
    uses = {
        raw[0] for raw in file.summary.sites if raw[2] == site.scope and file.expr(raw[1])[:2] == (OP_NAME, expr[1])
    }
    return uses <= USED_AT_ONCE | {Use.TRUTH, Use.COMPARE}


def may_be_none(file: FileCheck, index: int) -> bool:
    """Whether a variable that holds a coroutine can be None too, so that a test asks which of them it is."""
    expr = file.expr(index)
    if expr[0] != OP_NAME or expr[2] < 0:
        return False
    bindings: list[Binding] = file.summary.scopes[file.summary.scope_of(expr[2])].bindings.get(expr[1]) or []
    reaching, _ = reaching_bindings(file.summary.blocks, bindings, expr[2], index)
    given = [one.value for one in reaching if one.kind == "value"]
    # `x = load() if fresh else None` is such a variable too.
    return any(
        one == NONE or (one > NONE and NONE in file.expr(one) and file.expr(one)[0] == OP_UNION) for one in given
    )


def names_inside(file: FileCheck, annotation: int) -> set[str]:
    """The last parts of the names inside the brackets of an annotation."""
    if annotation <= 1:
        return set()
    expr = file.expr(annotation)
    if expr[0] == OP_NAME:
        return set()
    found: set[str] = set()
    for part in expr[2] if expr[0] == OP_SUBSCRIPTED else expr[1:]:
        inner = file.expr(part) if part > 1 else NO_EXPR
        if inner[0] == OP_NAME and expr[0] == OP_SUBSCRIPTED:
            found.add(str(inner[1]).rpartition(".")[2])
        elif inner[0] == OP_SUBSCRIPTED and expr[0] == OP_SUBSCRIPTED:
            found.add(str(file.expr(inner[1])[1]).rpartition(".")[2])
        found |= names_inside(file, part)
    return found


def overridden(file: FileCheck, value: Value) -> bool:
    """Whether a class of this file has a plain method in the place of the one that made a coroutine."""
    summary = file.resolver.table.summary(value.module)
    name = summary.scopes[value.scope].name if summary is not None and value.scope >= 0 else ""
    return any(
        scope.kind == "function"
        and scope.name == name
        and not scope.is_async
        and file.summary.scopes[scope.parent].bases
        for scope in file.summary.scopes
    )


def is_coroutine(value: Value) -> bool:
    """Whether a value is a coroutine that must be awaited, rather than a task that runs by itself."""
    if value.kind == CONTAINER:
        return False
    return value.kind == COROUTINE or (value.kind == AWAITABLE and value.extra == "coroutine")


def is_future(value: Value) -> bool:
    """Whether a value is a task or future that asyncio made."""
    return value.kind == AWAITABLE and value.origin in GIVES_AWAITABLE


def is_telling(value: Value) -> bool:
    """Whether anything is said about a value of this kind."""
    return is_coroutine(value) or value.kind in DROPPED or is_future(value)
