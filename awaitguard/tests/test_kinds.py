"""Each kind of mismatch with its correct twin, untyped and typed.

A case is the code before, the line that is wrong, and the line that is right; `typed` is another form of the code
before with annotations. `#!` marks nothing: the wrong line is wherever `WRONG` stands.
"""

from textwrap import dedent
from typing import NamedTuple

import pytest

from awaitguard.memory import check_sources as check


class Kind(NamedTuple):
    name: str
    code: str
    untyped: str
    typed: str
    wrong: str
    right: str


KINDS: list[Kind] = []


def kind(name: str, code: str, untyped: str, typed: str, wrong: str, right: str) -> None:
    KINDS.append(Kind(name, code, dedent(untyped), dedent(typed), wrong, right))


def both(name: str, code: str, source: str, wrong: str, right: str) -> None:
    """A kind in which annotations change nothing but the header: `->` is put in by hand where it matters."""
    kind(name, code, source, source, wrong, right)


# Awaits

for route, code, untyped, typed, call in [
    ("plain function", "AG101", "def load(key):\n    return {'key': key}\n", "def load(key: str) -> dict[str, str]:\n    return {'key': key}\n", "load('a')"),
    ("function without return", "AG101", "def load():\n    print('x')\n", "def load() -> None:\n    print('x')\n", "load()"),
    ("alias", "AG103", "def load():\n    return 1\nfetch = load\n", "def load() -> int:\n    return 1\nfetch = load\n", "fetch()"),
    ("method", "AG101", "class Store:\n    def load(self):\n        return 1\nstore = Store()\n",
     "class Store:\n    def load(self) -> int:\n        return 1\nstore: Store = Store()\n", "store.load()"),
    ("static method", "AG101", "class Store:\n    @staticmethod\n    def load():\n        return 1\n",
     "class Store:\n    @staticmethod\n    def load() -> int:\n        return 1\n", "Store.load()"),
    ("class method", "AG101", "class Store:\n    @classmethod\n    def make(cls):\n        return cls()\n",
     "class Store:\n    @classmethod\n    def make(cls) -> 'Store':\n        return cls()\n", "Store.make()"),
    ("inherited method", "AG101", "class Base:\n    def load(self):\n        return 1\nclass Store(Base):\n    pass\n",
     "class Base:\n    def load(self) -> int:\n        return 1\nclass Store(Base):\n    pass\n", "Store().load()"),
    ("class", "AG104", "class Store:\n    def __init__(self):\n        self.x = 1\n", "class Store:\n    x: int = 1\n", "Store()"),
    ("property", "AG105", "class Store:\n    @property\n    def size(self):\n        return 1\nstore = Store()\n",
     "class Store:\n    @property\n    def size(self) -> int:\n        return 1\nstore = Store()\n", "store.size"),
    ("cached property", "AG105", "from functools import cached_property\nclass Store:\n    @cached_property\n    def size(self):\n        return 1\nstore = Store()\n",
     "from functools import cached_property\nclass Store:\n    @cached_property\n    def size(self) -> int:\n        return 1\nstore = Store()\n", "store.size"),
    ("partial", "AG106", "import functools\ndef load(key):\n    return {'key': key}\nfetch = functools.partial(load, 'a')\n",
     "import functools\ndef load(key: str) -> dict[str, str]:\n    return {'key': key}\nfetch = functools.partial(load, 'a')\n", "fetch()"),
    ("decorated", "AG107", "import functools\ndef timed(fn):\n    @functools.wraps(fn)\n    def wrapper(*args):\n        print('x')\n        return 3\n    return wrapper\n@timed\nasync def load():\n    return 1\n",
     "import functools\nfrom collections.abc import Callable\ndef timed(fn: Callable[..., int]) -> Callable[..., int]:\n    @functools.wraps(fn)\n    def wrapper(*args: int) -> int:\n        return 3\n    return wrapper\n@timed\ndef load() -> int:\n    return 1\n", "load()"),
    ("decorator factory", "AG107", "def retry(times):\n    def deco(fn):\n        def wrapper(*args):\n            return len(args)\n        return wrapper\n    return deco\n@retry(3)\ndef load():\n    return 1\n",
     "def retry(times: int):\n    def deco(fn):\n        def wrapper(*args: int) -> int:\n            return len(args)\n        return wrapper\n    return deco\n@retry(3)\ndef load() -> int:\n    return 1\n", "load()"),
    ("async generator", "AG108", "async def rows():\n    yield 1\n", "from collections.abc import AsyncIterator\nasync def rows() -> AsyncIterator[int]:\n    yield 1\n", "rows()"),
    ("generator", "AG108", "def rows():\n    yield 1\n", "from collections.abc import Iterator\ndef rows() -> Iterator[int]:\n    yield 1\n", "rows()"),
    ("async context manager", "AG112", "from contextlib import asynccontextmanager\n@asynccontextmanager\nasync def session():\n    yield 1\n",
     "from collections.abc import AsyncIterator\nfrom contextlib import asynccontextmanager\n@asynccontextmanager\nasync def session() -> AsyncIterator[int]:\n    yield 1\n", "session()"),
    ("uncalled", "AG111", "async def load():\n    return 1\n", "async def load() -> int:\n    return 1\n", "load"),
    ("library function", "AG101", "import time\n", "import time\n", "time.sleep(1)"),
    ("queue put_nowait", "AG101", "import asyncio\nqueue = asyncio.Queue()\n", "import asyncio\nqueue: asyncio.Queue[int] = asyncio.Queue()\n", "queue.put_nowait(1)"),
    ("dict dispatch", "AG116", "def go():\n    return 1\nTABLE = {'go': go}\n", "def go() -> int:\n    return 1\nTABLE = {'go': go}\n", "TABLE['go']()"),
    ("dict get", "AG116", "def go():\n    return 1\ndef stop():\n    return 2\nTABLE = {'go': go, 'stop': stop}\n",
     "def go() -> int:\n    return 1\ndef stop() -> int:\n    return 2\nTABLE = {'go': go, 'stop': stop}\n", "TABLE.get(name)()"),
    ("getattr", "AG117", "class Store:\n    def load(self):\n        return 1\nstore = Store()\n", "class Store:\n    def load(self) -> int:\n        return 1\nstore = Store()\n", "getattr(store, 'load')()"),
    ("conditional", "AG118", "import os\nif os.name == 'nt':\n    def load():\n        return 1\nelse:\n    def load():\n        return 2\n",
     "import os\nif os.name == 'nt':\n    def load() -> int:\n        return 1\nelse:\n    def load() -> int:\n        return 2\n", "load()"),
    ("lambda", "AG101", "load = lambda: 1\n", "load = lambda: 1\n", "load()"),
    ("closure", "AG101", "def outer():\n    def inner():\n        return 1\n    return inner\nload = outer()\n", "def outer():\n    def inner() -> int:\n        return 1\n    return inner\nload = outer()\n", "load()"),
    ("global singleton", "AG101", "class Manager:\n    pass\n_manager = None\ndef get_manager():\n    global _manager\n    if _manager is None:\n        _manager = Manager()\n    return _manager\n",
     "class Manager:\n    pass\n_manager: Manager | None = None\ndef get_manager() -> Manager:\n    global _manager\n    if _manager is None:\n        _manager = Manager()\n    return _manager\n", "get_manager()"),
    ("registry", "AG101", "class Manager:\n    pass\n_managers = {}\ndef get_manager(key):\n    if key not in _managers:\n        _managers[key] = Manager()\n    return _managers[key]\n",
     "class Manager:\n    pass\n_managers: dict[str, Manager] = {}\ndef get_manager(key: str) -> Manager:\n    return _managers[key]\n", "get_manager('a')"),
    ("factory with try", "AG101", "class Manager:\n    pass\ndef create(ctx):\n    try:\n        m = Manager()\n        return m\n    except Exception:\n        raise\n",
     "class Manager:\n    pass\ndef create(ctx: object) -> 'Manager':\n    return Manager()\n", "create(1)"),
    ("container of functions", "AG116", "def one():\n    return 1\nSTEPS = [one]\n", "def one() -> int:\n    return 1\nSTEPS = [one]\n", "STEPS[0]()"),
]:  # fmt: skip
    source = "{}\nasync def main(name='a'):\n    "
    for variant, header in (("untyped", untyped), ("typed", typed)):
        right = f"value = {call}" if call not in ("load",) else f"value = await {call}()"
        if "rows()" in call:
            right = f"value = [row {'async ' if 'async def' in header else ''}for row in rows()]"
        if "session()" in call:
            right = "async with session() as value:\n        pass"
        kind(
            f"await {route} {variant}",
            code,
            source.format(header) + "WRONG\n    return 1\n",
            "",
            f"value = await {call}\n    print(value)",
            right + "\n    print(value)",
        )

for where, code, wrong, right in [
    ("gather", "AG109", "asyncio.gather(load(1), load(2))", "asyncio.gather(aload(1), aload(2))"),
    ("create_task", "AG109", "asyncio.create_task(load(1))", "asyncio.create_task(aload(1))"),
    ("create_task uncalled", "AG109", "asyncio.create_task(aload)", "asyncio.create_task(aload(1))"),
    ("ensure_future", "AG109", "asyncio.ensure_future(load(1))", "asyncio.ensure_future(aload(1))"),
    ("wait_for", "AG109", "asyncio.wait_for(load(1), 3)", "asyncio.wait_for(aload(1), 3)"),
    ("shield", "AG109", "asyncio.shield(load(1))", "asyncio.shield(aload(1))"),
    ("loop.create_task", "AG109", "asyncio.get_running_loop().create_task(load(1))", "asyncio.get_running_loop().create_task(aload(1))"),
    ("gather of library function", "AG109", "asyncio.gather(time.sleep(1))", "asyncio.gather(asyncio.sleep(1))"),
]:  # fmt: skip
    kind(f"{where}", code, "import asyncio\nimport time\ndef load(key):\n    return [key]\nasync def aload(key):\n    return [key]\nasync def main():\n    return await WRONG\n",
         "import asyncio\nimport time\ndef load(key: int) -> list[int]:\n    return [key]\nasync def aload(key: int) -> list[int]:\n    return [key]\nasync def main() -> object:\n    return await WRONG\n", wrong, right)  # fmt: skip
kind("asyncio.run of plain", "AG109", "import asyncio\ndef load():\n    return 1\nasync def aload():\n    return 1\nWRONG\n",
     "import asyncio\ndef load() -> int:\n    return 1\nasync def aload() -> int:\n    return 1\nWRONG\n", "asyncio.run(load())", "asyncio.run(aload())")  # fmt: skip
kind("task group", "AG109", "import asyncio\ndef load():\n    return 1\nasync def aload():\n    return 1\nasync def main():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(WRONG)\n",
     "", "load()", "aload()")  # fmt: skip

# Coroutines that are never awaited

LOAD = (
    "async def load():\n    return {'a': 1}\ndef save(user):\n    return user.name\ndef keep(user):\n    return user\n"
)
TYPED_LOAD = "async def load() -> dict[str, int]:\n    return {'a': 1}\ndef save(user: dict[str, int]) -> int:\n    return user['a']\ndef keep(user):\n    return user\n"
for name, code, wrong, right in [
    ("statement", "AG121", "load()", "await load()"),
    ("method statement", "AG121", "Repo().fetch()", "await Repo().fetch()"),
    ("assigned to underscore", "AG122", "_ = load()", "_ = await load()"),
    ("assigned and forgotten", "AG122", "data = load()", "data = await load()"),
    ("if", "AG123", "if load():\n        print(1)", "if await load():\n        print(1)"),
    ("if variable", "AG123", "data = load()\n    if data:\n        print(1)", "data = await load()\n    if data:\n        print(1)"),
    ("not", "AG123", "print(not load())", "print(not await load())"),
    ("while", "AG123", "while load():\n        pass", "while await load():\n        pass"),
    ("assert", "AG123", "assert load()", "assert await load()"),
    ("or", "AG123", "value = load() or {}\n    print(value)", "value = (await load()) or {}\n    print(value)"),
    ("ternary", "AG123", "print(1 if load() else 2)", "print(1 if await load() else 2)"),
    ("walrus", "AG123", "if data := load():\n        print(data)", "if data := await load():\n        print(data)"),
    ("filter in comprehension", "AG123", "print([x for x in (1, 2) if load()])", "print([x for x in (1, 2) if await load()])"),
    ("==", "AG124", "print(load() == {})", "print(await load() == {})"),
    ("variable ==", "AG124", "data = load()\n    assert data == {}", "data = await load()\n    assert data == {}"),
    ("is None", "AG124", "print(load() is None)", "print(await load() is None)"),
    ("in", "AG124", "print('a' in load())", "print('a' in await load())"),
    ("match", "AG124", "match load():\n        case {}:\n            pass", "match await load():\n        case {}:\n            pass"),
    ("for", "AG125", "for key in load():\n        print(key)", "for key in await load():\n        print(key)"),
    ("for variable", "AG125", "data = load()\n    for key in data:\n        print(key)", "data = await load()\n    for key in data:\n        print(key)"),
    ("comprehension", "AG125", "print([key for key in load()])", "print([key for key in await load()])"),
    ("async for", "AG125", "async for key in load():\n        print(key)", "for key in await load():\n        print(key)"),
    ("unpacked", "AG125", "a, b = load()\n    print(a, b)", "a, b = await load()\n    print(a, b)"),
    ("f-string", "AG126", "print(f'{load()}')", "print(f'{await load()}')"),
    ("f-string variable", "AG126", "data = load()\n    print(f'{data}')", "data = await load()\n    print(f'{data}')"),
    ("percent", "AG126", "print('%s' % load())", "print('%s' % await load())"),
    ("format", "AG126", "print('{}'.format(load()))", "print('{}'.format(await load()))"),
    ("str", "AG129", "print(str(load()))", "print(str(await load()))"),
    ("dict returned", "AG127", "return {'data': load()}", "return {'data': await load()}"),
    ("dict item", "AG127", "cache = {}\n    cache['a'] = load()\n    return cache", "cache = {}\n    cache['a'] = await load()\n    return cache"),
    ("list append", "AG127", "found = []\n    found.append(load())\n    print(len(found))", "found = []\n    found.append(await load())\n    print(len(found))"),
    ("list display", "AG127", "found = [load(), load()]\n    print(len(found))", "found = [await load(), await load()]\n    print(len(found))"),
    ("len", "AG129", "print(len(load()))", "print(len(await load()))"),
    ("len variable", "AG129", "data = load()\n    print(len(data))", "data = await load()\n    print(len(data))"),
    ("json.dumps", "AG129", "print(json.dumps(load()))", "print(json.dumps(await load()))"),
    ("print", "AG129", "print(load())", "print(await load())"),
    ("argument", "AG129", "save(load())", "save(await load())"),
    ("keyword argument", "AG129", "save(user=load())", "save(user=await load())"),
    ("variable argument", "AG129", "data = load()\n    save(data)", "data = await load()\n    save(data)"),
    ("attribute", "AG130", "print(load().keys())", "print((await load()).keys())"),
    ("variable attribute", "AG130", "data = load()\n    print(data.keys())", "data = await load()\n    print(data.keys())"),
    ("subscript", "AG131", "print(load()['a'])", "print((await load())['a'])"),
    ("variable subscript", "AG131", "data = load()\n    print(data['a'])", "data = await load()\n    print(data['a'])"),
    ("plus", "AG132", "print(load() | {})", "print(await load() | {})"),
    ("sleep", "AG121", "asyncio.sleep(1)", "await asyncio.sleep(1)"),
    ("queue put", "AG121", "queue = asyncio.Queue()\n    queue.put(1)", "queue = asyncio.Queue()\n    await queue.put(1)"),
    ("async generator statement", "AG133", "rows()", "async for row in rows():\n        print(row)"),
    ("sync wrapper", "AG121", "start()", "await start()"),
    ("sync wrapper variable", "AG130", "print(start().keys())", "print((await start()).keys())"),
    ("alias statement", "AG121", "other()", "await other()"),
    ("dict dispatch statement", "AG121", "TABLE['a']()", "await TABLE['a']()"),
    ("getattr statement", "AG121", "getattr(Repo(), 'fetch')()", "await getattr(Repo(), 'fetch')()"),
    ("partial statement", "AG121", "part()", "await part()"),
    ("decorated statement", "AG121", "decorated()", "await decorated()"),
    ("loop variable", "AG130", "for item in [load(), load()]:\n        print(item.name)", "for item in [load(), load()]:\n        print(await item)"),
    ("any", "AG127", "print(any(load() for _ in (1, 2)))", "print(any([await load() for _ in (1, 2)]))"),
]:  # fmt: skip
    more = """import asyncio
import functools
import json
class Repo:
    async def fetch(self):
        return 1
async def rows():
    yield 1
def start():
    return load()
other = load
TABLE = {'a': load}
part = functools.partial(load)
def deco(fn):
    @functools.wraps(fn)
    async def wrapper(*args):
        return await fn(*args)
    return wrapper
@deco
async def decorated():
    return 1
"""
    kind(
        f"never awaited: {name}",
        code,
        more + LOAD + "async def main():\n    WRONG\n",
        more + TYPED_LOAD + "async def main() -> object:\n    WRONG\n",
        wrong,
        right,
    )
kind("never awaited: in a sync function", "AG121", LOAD + "def main():\n    WRONG\n", TYPED_LOAD + "def main() -> None:\n    WRONG\n", "load()", "import asyncio\n    asyncio.run(load())")  # fmt: skip
kind("never awaited: returned from async", "AG128", LOAD + "async def main():\n    WRONG\n", TYPED_LOAD + "async def main() -> dict[str, int]:\n    WRONG\n", "return load()", "return await load()")  # fmt: skip
kind("never awaited: attribute of self", "AG127", LOAD + "class App:\n    async def start(self):\n        WRONG\n", TYPED_LOAD + "class App:\n    async def start(self) -> None:\n        WRONG\n",
     "self.data = load()", "self.data = await load()")  # fmt: skip
kind("never awaited: list of self", "AG127", LOAD + "class App:\n    def __init__(self):\n        self.found = []\n    async def start(self):\n        WRONG\n", "",
     "self.found.append(load())", "self.found.append(await load())")  # fmt: skip
kind("never awaited: super call", "AG121", "class Base:\n    async def close(self):\n        self.x = 1\nclass App(Base):\n    async def close(self):\n        WRONG\n", "",
     "super().close()", "await super().close()")  # fmt: skip
kind("never awaited: attribute of instance", "AG121", "class Repo:\n    async def save(self):\n        return 1\nclass App:\n    def __init__(self):\n        self.repo = Repo()\n    async def start(self):\n        WRONG\n",
     "class Repo:\n    async def save(self) -> int:\n        return 1\nclass App:\n    def __init__(self, repo: Repo) -> None:\n        self.repo = repo\n    async def start(self) -> None:\n        WRONG\n",
     "self.repo.save()", "await self.repo.save()")  # fmt: skip

# with and for

CM = """import contextlib
import threading
class Async:
    async def __aenter__(self):
        return self
    async def __aexit__(self, *error):
        pass
    def __aiter__(self):
        return self
    async def __anext__(self):
        raise StopAsyncIteration
class Sync:
    def __enter__(self):
        return self
    def __exit__(self, *error):
        pass
    def __iter__(self):
        return iter([])
@contextlib.asynccontextmanager
async def asession():
    yield 1
@contextlib.contextmanager
def session():
    yield 1
async def arows():
    yield 1
def rows():
    yield 1
async def connect():
    return Async()
"""
for name, code, wrong, right in [
    ("with class", "AG141", "with Async():\n        pass", "async with Async():\n        pass"),
    ("with function", "AG141", "with asession():\n        pass", "async with asession():\n        pass"),
    ("with variable", "AG141", "x = Async()\n    with x:\n        pass", "x = Async()\n    async with x:\n        pass"),
    ("async with class", "AG142", "async with Sync():\n        pass", "with Sync():\n        pass"),
    ("async with function", "AG142", "async with session():\n        pass", "with session():\n        pass"),
    ("async with open", "AG142", "async with open('x'):\n        pass", "with open('x'):\n        pass"),
    ("async with thread lock", "AG142", "async with threading.Lock():\n        pass", "with threading.Lock():\n        pass"),
    ("async with coroutine", "AG145", "async with connect():\n        pass", "async with await connect():\n        pass"),
    ("with coroutine", "AG145", "with connect():\n        pass", "async with await connect():\n        pass"),
    ("for", "AG143", "for row in arows():\n        print(row)", "async for row in arows():\n        print(row)"),
    ("for class", "AG143", "for row in Async():\n        print(row)", "async for row in Async():\n        print(row)"),
    ("for in comprehension", "AG143", "print([row for row in arows()])", "print([row async for row in arows()])"),
    ("for in generator expression", "AG143", "x = sum(row for row in arows())\n    print(x)", "x = [row async for row in arows()]\n    print(x)"),
    ("list of async generator", "AG143", "print(list(arows()))", "print([row async for row in arows()])"),
    ("async for", "AG144", "async for row in rows():\n        print(row)", "for row in rows():\n        print(row)"),
    ("async for class", "AG144", "async for row in Sync():\n        print(row)", "for row in Sync():\n        print(row)"),
    ("async for list", "AG144", "async for row in [1, 2]:\n        print(row)", "for row in [1, 2]:\n        print(row)"),
    ("async for range", "AG144", "async for row in range(3):\n        print(row)", "for row in range(3):\n        print(row)"),
    ("async for in comprehension", "AG144", "print([row async for row in rows()])", "print([row for row in rows()])"),
    ("async for in dict comprehension", "AG144", "print({row: 1 async for row in rows()})", "print({row: 1 for row in rows()})"),
]:  # fmt: skip
    kind(f"context: {name}", code, CM + "async def main():\n    WRONG\n", "", wrong, right)

# Loops

LOOP = "import asyncio\nasync def load():\n    return 1\ndef now():\n    return asyncio.run(load())\ndef deeper():\n    return now()\ndef safe():\n    return 1\nclass Job:\n    def run(self):\n        return asyncio.get_event_loop().run_until_complete(load())\n"
for name, code, wrong, right in [
    ("asyncio.run", "AG151", "asyncio.run(load())", "await load()"),
    ("run_until_complete", "AG152", "asyncio.get_event_loop().run_until_complete(load())", "await load()"),
    ("loop variable", "AG152", "loop = asyncio.new_event_loop()\n    loop.run_until_complete(load())", "await load()"),
    ("through a helper", "AG153", "now()", "await asyncio.to_thread(now)"),
    ("through two helpers", "AG153", "deeper()", "await asyncio.to_thread(deeper)"),
    ("through a method", "AG153", "Job().run()", "await asyncio.to_thread(Job().run)"),
]:  # fmt: skip
    kind(f"loop: {name}", code, LOOP + "async def main():\n    WRONG\n", "", wrong, right)

# Callbacks

WORK = "import asyncio\nimport atexit\nimport concurrent.futures\nimport functools\nimport signal\nimport threading\nasync def bad(*args):\n    return 1\ndef good(*args):\n    return 1\n"
for name, code, wrong in [
    ("thread target", "AG161", "threading.Thread(target=FN).start()"),
    ("thread timer", "AG161", "threading.Timer(1, FN).start()"),
    ("thread target by partial", "AG161", "threading.Thread(target=functools.partial(FN, 1)).start()"),
    ("thread target by lambda", "AG161", "threading.Thread(target=lambda: FN()).start()"),
    ("submit", "AG162", "concurrent.futures.ThreadPoolExecutor().submit(FN)"),
    ("submit in with", "AG162", "with concurrent.futures.ThreadPoolExecutor() as pool:\n        pool.submit(FN)"),
    ("run_in_executor", "AG162", "await asyncio.get_running_loop().run_in_executor(None, FN)"),
    ("run_in_executor of unknown loop", "AG162", "await loop.run_in_executor(None, FN, 1)"),
    ("to_thread", "AG162", "await asyncio.to_thread(FN)"),
    ("filter", "AG163", "print(list(filter(FN, [1])))"),
    ("sorted", "AG163", "print(sorted([1], key=FN))"),
    ("max", "AG163", "print(max([1], key=FN))"),
    ("reduce", "AG163", "print(functools.reduce(FN, [1]))"),
    ("map", "AG129", "for row in map(FN, [1]):\n        print(row)"),
    ("list map", "AG163", "rows = list(map(FN, [1]))\n    print(rows)"),
    ("list sort", "AG163", "rows = [1]\n    rows.sort(key=FN)\n    print(rows)"),
    ("signal", "AG164", "signal.signal(signal.SIGTERM, FN)"),
    ("add_signal_handler", "AG164", "loop.add_signal_handler(signal.SIGTERM, FN)"),
    ("atexit", "AG165", "atexit.register(FN)"),
    ("call_soon", "AG166", "asyncio.get_running_loop().call_soon(FN)"),
    ("call_later", "AG166", "loop.call_later(1, FN)"),
    ("call_soon_threadsafe", "AG166", "loop.call_soon_threadsafe(FN)"),
    ("call_at", "AG166", "loop.call_at(1, FN)"),
    ("add_done_callback", "AG166", "task = asyncio.create_task(bad())\n    task.add_done_callback(FN)"),
]:  # fmt: skip
    kind(f"callback: {name}", code, WORK + "async def main(loop):\n    WRONG\n", WORK + "async def main(loop: asyncio.AbstractEventLoop) -> None:\n    WRONG\n",
         wrong.replace("FN", "bad"), wrong.replace("FN", "good"))  # fmt: skip

# Locks

for name, wrong, right in [
    ("with", "with LOCK:\n            await asyncio.sleep(1)", "with LOCK:\n            print(1)\n        await asyncio.sleep(1)"),
    ("acquire", "LOCK.acquire()\n        await asyncio.sleep(1)\n        LOCK.release()", "LOCK.acquire()\n        LOCK.release()\n        await asyncio.sleep(1)"),
    ("async with inside", "with LOCK:\n            async with asyncio.Lock():\n                pass", "with LOCK:\n            pass"),
    ("self", "with self.lock:\n            await asyncio.sleep(1)", "async with self.alock:\n            await asyncio.sleep(1)"),
]:  # fmt: skip
    both(
        f"lock: {name}",
        "AG171",
        "import asyncio\nimport threading\nLOCK = threading.RLock()\nclass App:\n    def __init__(self):\n        self.lock = threading.Lock()\n        self.alock = asyncio.Lock()\n    async def go(self):\n        WRONG\n",
        wrong,
        right,
    )

# Interfaces

both(
    "override sync of async",
    "AG204",
    "class A:\n    async def go(self):\n        return 1\nclass B(A):\n    WRONG\n        return 2\n",
    "def go(self):",
    "async def go(self):",
)
both(
    "override async of sync",
    "AG204",
    "class A:\n    def go(self):\n        return 1\nclass B(A):\n    WRONG\n        return 2\n",
    "async def go(self):",
    "def go(self):",
)
both(
    "override two levels down",
    "AG204",
    "class A:\n    async def go(self):\n        return 1\nclass M(A):\n    pass\nclass B(M):\n    WRONG\n        return 2\n",
    "def go(self):",
    "async def go(self):",
)
both(
    "abstract sync of async",
    "AG205",
    "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    async def go(self): ...\nclass B(A):\n    WRONG\n        return 2\n",
    "def go(self):",
    "async def go(self):",
)
both(
    "abstract async of sync",
    "AG205",
    "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def go(self) -> int: ...\nclass B(A):\n    WRONG\n        return 2\n",
    "async def go(self):",
    "def go(self):",
)
PROTO = "import typing\nclass P(typing.Protocol):\n    {} go(self) -> int: ...\nclass B:\n    WRONG\n        return 2\n"
both(
    "protocol argument sync of async",
    "AG206",
    PROTO.format("async def") + "def use(p: P):\n    return p\nuse(B())\n",
    "def go(self):",
    "async def go(self):",
)
both(
    "protocol argument async of sync",
    "AG206",
    PROTO.format("def") + "def use(p: P):\n    return p\nuse(p=B())\n",
    "async def go(self):",
    "def go(self):",
)
both("protocol assignment", "AG206", PROTO.format("async def") + "p: P = B()\n", "def go(self):", "async def go(self):")
both(
    "protocol base",
    "AG206",
    "import typing\nclass P(typing.Protocol):\n    async def go(self) -> int: ...\nclass B(P):\n    WRONG\n        return 2\n",
    "def go(self):",
    "async def go(self):",
)
both(
    "protocol in constructor",
    "AG206",
    PROTO.format("async def") + "class App:\n    def __init__(self, p: P) -> None:\n        self.p = p\nApp(B())\n",
    "def go(self):",
    "async def go(self):",
)
both(
    "protocol return",
    "AG206",
    PROTO.format("async def") + "def make() -> P:\n    return B()\n",
    "def go(self):",
    "async def go(self):",
)

# Calls that can't work

SEND = "def send(user, text, *, retries=1):\n    return [user, text, retries]\nclass Box:\n    def __init__(self, size, name='x'):\n        self.size = size\n        self.name = name\n    def put(self, thing):\n        return [thing]\n    @classmethod\n    def make(cls, size):\n        return cls(size)\nbox = Box(1)\n"
TSEND = "def send(user: str, text: str, *, retries: int = 1) -> list[object]:\n    return [user, text, retries]\nclass Box:\n    def __init__(self, size: int, name: str = 'x') -> None:\n        self.size = size\n        self.name = name\n    def put(self, thing: int) -> list[int]:\n        return [thing]\n    @classmethod\n    def make(cls, size: int) -> 'Box':\n        return cls(size)\nbox: Box = Box(1)\n"
for name, code, wrong, right in [
    ("unknown keyword", "AG305", "send('a', 'b', retry=1)", "send('a', 'b', retries=1)"),
    ("missing argument", "AG306", "send('a')", "send('a', 'b')"),
    ("too many", "AG307", "send('a', 'b', 1)", "send('a', 'b')"),
    ("constructor keyword", "AG308", "Box(1, title='x')", "Box(1, name='x')"),
    ("constructor missing", "AG309", "Box(name='x')", "Box(1)"),
    ("constructor too many", "AG309", "Box(1, 'x', 2)", "Box(1, 'x')"),
    ("method keyword", "AG305", "box.put(item=1)", "box.put(thing=1)"),
    ("method missing", "AG306", "box.put()", "box.put(1)"),
    ("class method missing", "AG306", "Box.make()", "Box.make(1)"),
    ("missing method", "AG310", "box.take()", "box.put(1)"),
]:  # fmt: skip
    kind(f"call: {name}", code, SEND + "WRONG\n", TSEND + "WRONG\n", wrong, right)
DATA = "import dataclasses\n@dataclasses.dataclass\nclass User:\n    id: int\n    name: str = ''\n    tags: list[str] = dataclasses.field(default_factory=list)\n@dataclasses.dataclass(frozen=True)\nclass Admin(User):\n    level: int = 0\n"
for name, code, wrong, right in [
    ("dataclass keyword", "AG308", "User(id=1, nme='x')", "User(id=1, name='x')"),
    ("dataclass missing", "AG309", "User(name='x')", "User(1)"),
    ("dataclass too many", "AG309", "User(1, 'x', [], 3)", "User(1, 'x', [])"),
    ("dataclass inherited", "AG308", "Admin(id=1, rank=1)", "Admin(id=1, level=1)"),
]:  # fmt: skip
    both(f"call: {name}", code, DATA + "WRONG\n", wrong, right)
kind("call: swapped", "AG311", "def move(source, target):\n    return [source, target]\ndef main(source, target):\n    return WRONG\n",
     "def move(source: str, target: str) -> list[str]:\n    return [source, target]\ndef main(source: str, target: str) -> list[str]:\n    return WRONG\n", "move(target, source)", "move(source, target)")  # fmt: skip

CASES = [
    pytest.param(source, one, id=f"{one.name} ({style})" if one.typed else one.name)
    for one in KINDS
    for style, source in (("untyped", one.untyped), ("typed", one.typed))
    if source
]


@pytest.mark.parametrize(("source", "case"), CASES)
def test_kind(source: str, case: Kind):
    wrong = check({"app.py": source.replace("WRONG", case.wrong)})
    shown = [finding for finding in wrong if finding.level != "hint"]
    assert case.code in {finding.code for finding in shown}, "the mismatch is not reported"
    right = [finding for finding in check({"app.py": source.replace("WRONG", case.right)}) if finding.level != "hint"]
    assert right == [], "the correct twin is reported"
