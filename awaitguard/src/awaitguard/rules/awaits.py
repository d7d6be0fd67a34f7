"""AG101-AG119: something is awaited or scheduled that can't be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.infer.library_calls import is_loop
from awaitguard.infer.value import (
    ASYNC_CONTEXT,
    ASYNC_GENERATOR,
    CLASS,
    CONTAINER,
    CONTEXT,
    FUNCTION,
    GENERATOR,
    INSTANCE,
    LIBRARY,
    METHOD,
    MODULE,
    NONE_KIND,
    OBJECT,
    PARTIAL,
    UNKNOWN_KIND,
    Definition,
    Value,
    Values,
)
from awaitguard.read.contracts import AWAITABLE_CONTRACTS
from awaitguard.read.summary import NO_EXPR, NONE, OP_ATTR, OP_CALL, OP_ELEMENT, OP_ITEM, OP_NAME, Flag, Use
from awaitguard.rules.confidence import ONE_OF_SEVERAL, ONE_WAY_OUT, OPEN_BASES, PROMISED, assumed
from awaitguard.rules.rule import Group, Rule

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.read.summary import Binding, Site
    from awaitguard.rules.file_check import FileCheck

ERROR: Final = "At run time Python raises TypeError: object can't be used in 'await' expression."
SYNC: Final = Rule("AG101", "await-sync-function", "await of a plain function",
    f"A plain function hands back its result at once; there is nothing to wait for. {ERROR}",
    "def load(key):\n    return {'key': key}\n\nasync def main():\n    return await load(1)\n",
    "def load(key):\n    return {'key': key}\n\nasync def main():\n    return load(1)\n")  # fmt: skip
REEXPORT: Final = Rule("AG102", "await-sync-reexport", "await of a plain function that another module re-exports",
    f"The name is imported from a module that only passes it on, so the colour of the real definition isn't seen. {ERROR}",
    "# file: shop/__init__.py\nfrom shop.core import create_cart\n# file: shop/core.py\ndef create_cart():\n    return []\n"
    "# file: app.py\nfrom shop import create_cart\n\nasync def main():\n    return await create_cart()\n",
    "# file: shop/__init__.py\nfrom shop.core import create_cart\n# file: shop/core.py\nasync def create_cart():\n    return []\n"
    "# file: app.py\nfrom shop import create_cart\n\nasync def main():\n    return await create_cart()\n")  # fmt: skip
ALIAS: Final = Rule("AG103", "await-sync-alias", "await of a plain function under another name",
    f"An alias hides which function is meant, and with it the colour. {ERROR}",
    "def create():\n    return 1\n\nget_async = create\n\nasync def main():\n    return await get_async()\n",
    "async def create():\n    return 1\n\nget_async = create\n\nasync def main():\n    return await get_async()\n")  # fmt: skip
CONSTRUCTOR: Final = Rule("AG104", "await-class", "await of a new instance",
    f"Calling a class gives an instance. Unless the class has __await__, it can't be awaited. {ERROR}",
    "class Client:\n    pass\n\nasync def main():\n    return await Client()\n",
    "class Client:\n    def __await__(self):\n        yield\n        return self\n\nasync def main():\n    return await Client()\n")  # fmt: skip
PROPERTY: Final = Rule("AG105", "await-property", "await of a property",
    f"Reading the property already gives its value. {ERROR}",
    "class User:\n    @property\n    def name(self):\n        return 'x'\n\nasync def main(user: User):\n    return await user.name\n",
    "class User:\n    @property\n    def name(self):\n        return 'x'\n\nasync def main(user: User):\n    return user.name\n")  # fmt: skip
PARTIAL_RULE: Final = Rule("AG106", "await-sync-partial", "await of a functools.partial of a plain function",
    f"A partial is as sync as the function inside it. {ERROR}",
    "from functools import partial\n\ndef save(key, value):\n    return value\n\nstore = partial(save, 'a')\n\nasync def main():\n    await store(1)\n",
    "from functools import partial\n\nasync def save(key, value):\n    return value\n\nstore = partial(save, 'a')\n\nasync def main():\n    await store(1)\n")  # fmt: skip
DECORATED: Final = Rule("AG107", "await-decorated", "await of a function that a decorator made sync",
    f"The decorator returns a plain wrapper: whatever the function below it is, callers get the wrapper's result. {ERROR}",
    "def logged(fn):\n    def wrapper(*args):\n        return str(args)\n    return wrapper\n\n@logged\nasync def load(key):\n    return key\n\n"
    "async def main():\n    return await load(1)\n",
    "def logged(fn):\n    async def wrapper(*args):\n        return await fn(*args)\n    return wrapper\n\n@logged\nasync def load(key):\n    return key\n\n"
    "async def main():\n    return await load(1)\n")  # fmt: skip
GENERATORS: Final = Rule("AG108", "await-generator", "await of a generator or async generator",
    f"A function with yield gives an iterator; use `async for` (or `for`), not `await`. {ERROR}",
    "async def rows():\n    yield 1\n\nasync def main():\n    return await rows()\n",
    "async def rows():\n    yield 1\n\nasync def main():\n    return [row async for row in rows()]\n")  # fmt: skip
SCHEDULED: Final = Rule("AG109", "schedule-not-awaitable", "something not awaitable given to gather, create_task or wait_for",
    "asyncio.gather, create_task, wait_for and their kin need coroutines; a plain result, a function that isn't called or an async "
    "generator raises TypeError there.",
    "import asyncio\n\ndef load(key):\n    return key\n\nasync def main():\n    return await asyncio.gather(load(1), load(2))\n",
    "import asyncio\n\nasync def load(key):\n    return key\n\nasync def main():\n    return await asyncio.gather(load(1), load(2))\n")  # fmt: skip
VALUE: Final = Rule("AG110", "await-value", "await of a plain value",
    f"The value was made by something that isn't async. {ERROR}",
    "def load():\n    return {'a': 1}\n\nasync def main():\n    data = {'a': load()}\n    return await data\n",
    "async def load():\n    return 1\n\nasync def main():\n    data = {'a': load()}\n    return await data['a']\n")  # fmt: skip
UNCALLED: Final = Rule("AG111", "await-uncalled", "await of a function that isn't called",
    f"The parentheses are missing: the function itself can't be awaited. {ERROR}",
    "async def load():\n    return 1\n\nasync def main():\n    return await load\n",
    "async def load():\n    return 1\n\nasync def main():\n    return await load()\n")  # fmt: skip
MANAGER: Final = Rule("AG112", "await-context-manager", "await of a context manager",
    f"A function under @contextmanager or @asynccontextmanager gives a context manager: use `with` or `async with`. {ERROR}",
    "from contextlib import asynccontextmanager\n\n@asynccontextmanager\nasync def session():\n    yield 1\n\nasync def main():\n    await session()\n",
    "from contextlib import asynccontextmanager\n\n@asynccontextmanager\nasync def session():\n    yield 1\n\nasync def main():\n    async with session():\n        pass\n")  # fmt: skip
DICT: Final = Rule("AG116", "await-sync-from-dict", "await of a plain function taken from a dict or list",
    f"Every function that the table can give here is a plain one. {ERROR}",
    "def start():\n    return 1\n\nHANDLERS = {'start': start}\n\nasync def main():\n    await HANDLERS['start']()\n",
    "async def start():\n    return 1\n\nHANDLERS = {'start': start}\n\nasync def main():\n    await HANDLERS['start']()\n")  # fmt: skip
GETATTR: Final = Rule("AG117", "await-sync-getattr", "await of a plain method found with getattr",
    f"getattr with a constant name is the same as writing the name, and that method is a plain one. {ERROR}",
    "class Store:\n    def load(self):\n        return 1\n\nasync def main(store: Store):\n    await getattr(store, 'load')()\n",
    "class Store:\n    async def load(self):\n        return 1\n\nasync def main(store: Store):\n    await getattr(store, 'load')()\n")  # fmt: skip
CONDITIONAL: Final = Rule("AG118", "await-sync-conditional", "await of a function with several definitions, all of them plain",
    f"Whichever branch defines it, the function is a plain one. {ERROR}",
    "import sys\n\nif sys.platform == 'win32':\n    def load():\n        return 1\nelse:\n    def load():\n        return 2\n\nasync def main():\n    await load()\n",
    "import sys\n\nif sys.platform == 'win32':\n    async def load():\n        return 1\nelse:\n    async def load():\n        return 2\n\nasync def main():\n    await load()\n")  # fmt: skip

ROUTES: Final = (("decorated", DECORATED), ("partial", PARTIAL_RULE), ("getattr", GETATTR), ("dict", DICT), ("property", PROPERTY),
    ("conditional", CONDITIONAL), ("alias", ALIAS), ("reexport", REEXPORT))  # fmt: skip
HANDED: Final = 3  # functions in a row that only hand on what the next one gives
# How the names of other people's classes begin or end whose instances are there to stay, not to be awaited.
THINGS: Final = ("Model", "Agent", "Manager", "Service", "Repository", "Engine", "Handler", "Schema", "Settings", "Config", "Mixin",
    "Component", "Plugin", "Tool", "Store", "Factory", "View", "Registry", "Provider", "Processor", "Exception", "Error")  # fmt: skip
AWAITED_NAMES: Final = (
    "await",
    "async",
    "future",
    "task",
    "promise",
    "deferred",
    "query",
    "result",
    "operation",
    "lazy",
    "coro",
)
SCHEDULING_METHODS: Final = frozenset(
    {"create_task", "ensure_future", "run_until_complete", "run_coroutine_threadsafe"}
)


class Awaits(Group):
    """Looks at every awaited and every scheduled value."""

    rules = (SYNC, REEXPORT, ALIAS, CONSTRUCTOR, PROPERTY, PARTIAL_RULE, DECORATED, GENERATORS, SCHEDULED, VALUE, UNCALLED, MANAGER,
             DICT, GETATTR, CONDITIONAL)  # fmt: skip
    uses = frozenset({Use.AWAIT, Use.SCHEDULED})

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        if site.use == Use.SCHEDULED and not self.schedules(file, site):
            return
        values = file.resolver.infer_thoroughly(file.path, site.expr)
        mask = self.judge(file, site.expr, values)
        if mask is None:
            yield from self.mixed(file, site, values)
            return
        value = next((one for one in values if one.kind != UNKNOWN_KIND), values[0])
        value = next((one for one in values if isinstance(one.origin, tuple)), value)
        text = file.text(site.expr)
        if site.use == Use.SCHEDULED:
            scheduler = file.text(file.expr(site.call)[1])
            message = f"{scheduler}() needs something awaitable, but {text} {describe(value)}"
            yield file.finding(SCHEDULED, site.position, message, origin(value), mask)
            return
        rule = choose(value, file.expr(site.expr)[0] == OP_CALL)
        yield file.finding(rule, site.position, f"{text} is awaited, but it {describe(value)}", origin(value), mask)

    def mixed(self, file: FileCheck, site: Site, values: Values) -> Iterator[Finding]:
        """A table or list of functions of both colours, all of which are awaited alike: name the one that is wrong."""
        if len(values) < 2 or file.summary.scopes[site.scope].flags & (Flag.CHOOSES | Flag.ASKS_COLOUR):
            return
        judged = [file.resolver.is_awaitable(value) for value in values]
        wrong = [value for value, verdict in zip(values, judged, strict=True) if verdict is False]
        right = {value.origin for value, verdict in zip(values, judged, strict=True) if verdict}
        # A function that gives either, or something that can't be followed, is no function of one colour.
        right |= {value.origin for value, verdict in zip(values, judged, strict=True) if verdict is None}
        wrong = [value for value in wrong if value.origin not in right]
        if None in right or not wrong or not all(isinstance(value.origin, tuple) for value in wrong):
            return
        if not takes_any(file, site, values):
            return
        named = file.cause(wrong[0].origin)
        if named is None or any("conditional" in value.via for value in values):
            return
        rule = SCHEDULED if site.use == Use.SCHEDULED else DICT
        message = f"{file.text(site.expr)} is awaited, but among what it may be is {named.name}, which isn't async"
        yield file.finding(rule, site.position, message, wrong[0].origin, assumed(values) | ONE_OF_SEVERAL)

    def judge(self, file: FileCheck, expr: int, values: Values) -> int | None:
        """What it takes for granted that none of the values can be awaited; None when some can, for all that is known."""
        judged = [file.resolver.is_awaitable(value) for value in values]
        if not judged or True in judged:
            return None
        if None not in judged:
            made_by = [value.origin for value in values if isinstance(value.origin, tuple)]
            if any(hands_on(file, one) or is_overloaded(file, one) for one in made_by):
                return None
            only_none = all(value.kind == NONE_KIND for value in values)
            # A bare None may be a placeholder that is replaced somewhere else.
            if only_none and not any(value.origin for value in values):
                return None
            promised = any(self.is_promised(file, value) for value in values)
            return assumed(values) | (PROMISED if promised else 0)
        # One way out of the function gives something that can't be awaited; the others can't be followed.
        solid = [
            value for value, verdict in zip(values, judged, strict=True)
            if verdict is False and value.kind in (INSTANCE, CONTAINER, OBJECT, GENERATOR) and isinstance(value.origin, tuple)
        ]  # fmt: skip
        if solid and file.expr(expr)[0] == OP_CALL and "conditional" not in solid[0].via:
            targets = file.values(file.expr(expr)[1])
            one_function = len(targets) == 1 and targets[0].kind == FUNCTION
            return assumed(values) | ONE_WAY_OUT if one_function else None
        return assumed(values) | OPEN_BASES if all(is_foreign(file, value) for value in values) else None

    @staticmethod
    def is_promised(file: FileCheck, value: Value) -> bool:
        """Whether only a Protocol says that the function is plain: what stands for it may be async all the same."""
        if not isinstance(value.origin, tuple):
            return False
        summary = file.resolver.table.summary(value.origin[0])
        parent = summary.scopes[value.origin[1]].parent if summary is not None else -1
        return summary is not None and parent > 0 and file.resolver.is_protocol((value.origin[0], parent))

    def schedules(self, file: FileCheck, site: Site) -> bool:
        """Whether the call around a value is one of asyncio's that need awaitables, in this position."""
        if site.call < 0:
            return False
        for target in file.values(file.expr(site.call)[1]):
            if target.kind == LIBRARY and target.extra in AWAITABLE_CONTRACTS:
                wanted = AWAITABLE_CONTRACTS[target.extra]
                if wanted.listed != (site.argument != "*" and file.expr(site.expr)[0] == OP_ELEMENT):
                    return False
                return site.argument in (wanted.position, wanted.keyword, "*") or (
                    wanted.position is None and isinstance(site.argument, int)
                )
            if target.kind == METHOD and target.extra in SCHEDULING_METHODS:
                # Of objects that aren't known some take generators too.
                of_generator = any(value.kind == GENERATOR for value in file.values(site.expr))
                return site.argument == 0 and (bool(target.origin) or not of_generator) and is_loop(target)
        return False


def hands_on(file: FileCheck, function: Definition, depth: int = 0) -> bool:
    """Whether a function that is declared to give a value in fact hands on something awaitable, itself or by another."""
    path, index = function
    summary = file.resolver.table.summary(path)
    scope = summary.scopes[index] if summary is not None else None
    if scope is None or scope.kind != "function" or scope.annotation < 0 or scope.is_async or scope.is_generator:
        return False
    handed = [one for returned in scope.returns for one in file.resolver.infer(path, returned)]
    if any(file.resolver.is_awaitable(one) for one in handed):
        return True
    further = {one.origin for one in handed if isinstance(one.origin, tuple) and one.origin != function}
    return depth < HANDED and any(hands_on(file, one, depth + 1) for one in further)


def is_overloaded(file: FileCheck, function: Definition) -> bool:
    """Whether one of a function's overloads says that there is something to await."""
    summary = file.resolver.table.summary(function[0])
    if summary is None or function[1] <= 0:
        return False
    scope = summary.scopes[function[1]]
    found: list[Binding] = summary.scopes[scope.parent].bindings.get(scope.name) or []
    others = [one.value for one in found if one.kind == "def" and one.value != function[1]]
    return any(
        "overload" in file.resolver.decorator_names(summary, summary.scopes[one])
        and any(map(file.resolver.is_awaitable, file.resolver.result(Value(FUNCTION, function[0], one))))
        for one in others
    )


def takes_any(file: FileCheck, site: Site, values: Values) -> bool:
    """Whether an awaited call is one of anything in a table by a key that isn't known, or of each thing in a list."""
    expr = file.expr(site.expr)
    if expr[0] == OP_ELEMENT:
        return site.use == Use.SCHEDULED
    function = file.expr(expr[1]) if expr[0] == OP_CALL and expr[1] > NONE else NO_EXPR
    if function[0] == OP_NAME and "." not in function[1]:
        found: list[Binding] = file.summary.scopes[site.scope].bindings.get(function[1]) or []
        function = file.expr(found[0].value) if len(found) == 1 and found[0].kind == "value" else NO_EXPR
    if function[0] == OP_ELEMENT:
        return True
    if function[0] == OP_CALL:
        method = file.expr(function[1]) if function[1] > NONE else NO_EXPR
        by_key = method[0] in (OP_NAME, OP_ATTR) and str(method[-2 if method[0] == OP_NAME else -1]).endswith("get")
        return by_key and all("dict" in value.via for value in values)
    return function[0] == OP_ITEM and function[2] is None and all("dict" in value.via for value in values)


def is_thing(name: str) -> bool:
    """Whether a class's name says what its instances are, and nothing of awaiting."""
    telling = (
        name.startswith(("Base", "Abstract"))
        or name.endswith((*THINGS, "Base"))
        or name in ("object", "ABC", "Generic")
    )
    return telling and not any(word in name.lower() for word in AWAITED_NAMES)


def is_foreign(file: FileCheck, value: Value) -> bool:
    """Whether a plain function of the project makes an instance of a class of which only a base isn't there to read.

    Such a base could have `__await__`: its name has to speak against it.
    """
    if value.kind != INSTANCE or value.extra == "self" or not isinstance(value.origin, tuple):
        return False
    if value.origin == value.definition or value.module.startswith("/") or "default" in value.via:
        return False
    for path, index in file.resolver.lineage(value.definition)[0]:
        summary = file.resolver.table.summary(path)
        found, _, names = file.resolver.bases(path, index)
        if summary is None or summary.scopes[index].keywords or "__await__" in summary.scopes[index].bindings:
            return False
        if len(found) + len(names) < len(summary.scopes[index].bases):
            return False
        if not all(is_thing(name.rpartition(".")[2]) for name in names):
            return False
    return True


def choose(value: Value, is_call: bool) -> Rule:
    """The rule whose words fit how the value came about."""
    if value.kind in (FUNCTION, CLASS, PARTIAL, MODULE, LIBRARY) and "property" not in value.via:
        return UNCALLED
    if value.kind in (GENERATOR, ASYNC_GENERATOR):
        return GENERATORS
    if value.kind in (CONTEXT, ASYNC_CONTEXT):
        return MANAGER
    for route, rule in ROUTES:
        if route in value.via:
            return rule
    if value.kind == INSTANCE and value.origin == value.definition:
        return CONSTRUCTOR
    return SYNC if is_call else VALUE


def origin(value: Value) -> Definition | str | None:
    """The definition to blame: what made the value, else what the value is."""
    if value.origin is not None:
        return value.origin
    if value.kind in (FUNCTION, CLASS, GENERATOR, ASYNC_GENERATOR):
        return value.definition
    return None


def describe(value: Value) -> str:
    """What a value is, as the end of a sentence."""
    kind = value.kind
    if "property" in value.via:
        return "is a property, whose value is there at once"
    if kind == FUNCTION:
        return "is a function that isn't called"
    if kind == CLASS:
        return "is a class"
    if kind == PARTIAL:
        return "is a partial that isn't called"
    if kind == ASYNC_GENERATOR:
        return "gives an async generator, which is iterated with `async for`"
    if kind == GENERATOR:
        return "gives a generator, which is iterated with `for`"
    if kind == CONTEXT:
        return "gives a context manager, which is entered with `with`"
    if kind == ASYNC_CONTEXT:
        return "gives an async context manager, which is entered with `async with`"
    if kind == INSTANCE and value.origin == value.definition:
        return "is an instance of a class without __await__"
    if "decorated" in value.via:
        return "gives what a plain wrapper returns, since its decorator isn't async"
    if value.origin is None:
        return "is a plain value"
    if isinstance(value.origin, str):
        return f"comes from {value.origin.removeprefix('builtins.')}, which isn't async"
    return "is the result of a plain function (def, not async def)"
