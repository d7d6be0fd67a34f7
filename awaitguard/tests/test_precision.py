"""Findings that were false on published projects, each as a test before it was mended; and some that must stay."""

from textwrap import dedent

import pytest

from awaitguard.memory import check_sources


def codes(source: str | dict[str, str]) -> list[tuple[str, str]]:
    files = (
        {"app.py": dedent(source)} if isinstance(source, str) else {path: dedent(text) for path, text in source.items()}
    )
    return [(finding.code, finding.level) for finding in check_sources(files) if finding.level != "hint"]


SILENT = {
    "a hook that a subclass may make async (distributed)": """
        class Plugin:
            def setup(self, worker):
                '''Called when the worker starts.'''
        class Mine(Plugin):
            async def setup(self, worker):
                return worker
    """,
    "the async twin of a class, by name (jupyter-server, redis)": """
        class Checkpoints:
            def list(self):
                return []
        class AsyncCheckpoints(Checkpoints):
            async def list(self):
                return []
    """,
    "methods in Python's resolution order (jupyter-server)": """
        class Mixin:
            def copy(self):
                return 1
        class AsyncMixin(Mixin):
            async def copy(self):
                return 1
        class Base(Mixin):
            pass
        class Both(AsyncMixin, Base):
            async def go(self):
                return await self.copy()
    """,
    "an assigned stub that only raises (tornado)": """
        class Handler:
            def _unimplemented(self, *args) -> None:
                raise ValueError(405)
            get = _unimplemented
        class Mine(Handler):
            async def get(self, *args):
                return 1
    """,
    "a descriptor in a class body (celery)": """
        class getitem:
            def __init__(self, key):
                self.key = key
            def __get__(self, obj, owner=None):
                return obj[self.key]
        class Signature:
            options = getitem('options')
            def go(self):
                return self.options.get('x')
    """,
    "a variable declared with a base class (websockets)": """
        class Protocol:
            def send(self):
                return 1
        class Client(Protocol):
            def connect(self):
                return 2
        class Connection:
            def __init__(self, protocol: Protocol) -> None:
                self.protocol = protocol
            def go(self):
                return self.protocol.connect()
    """,
    "an attribute that is set from outside (websockets)": """
        class Connection:
            pass
        def route(connection: Connection, handler):
            connection.handler = handler
        def call(connection: Connection):
            return connection.handler()
    """,
    "super() in a class that others mix in (openai, nonebot2)": """
        class Base:
            def __init__(self, *, version):
                self.version = version
        class Azure(Base):
            def __init__(self, *, version, extra):
                super().__init__(version=version, enforce=extra)
        class Client(Base):
            def __init__(self, *, version, enforce):
                super().__init__(version=version)
        class AzureClient(Azure, Client):
            pass
    """,
    "super().__new__ (prefect)": """
        class Annotation:
            def __new__(cls, value):
                return super().__new__(cls, value)
    """,
    "__lt__ with the operands in the other order (discord.py)": """
        class Role:
            def __lt__(self, other):
                return True
            def __ge__(self, other):
                return not Role.__lt__(other, self)
    """,
    "a default sentinel declared as Any (discord.py)": """
        from typing import Any
        class Sentinel:
            pass
        MISSING: Any = Sentinel()
        def go(choices=MISSING):
            return MISSING.copy()
    """,
    "the default function of a dataclass field (homeassistant)": """
        from collections.abc import Callable
        from dataclasses import dataclass
        @dataclass(frozen=True)
        class Description:
            exists: Callable[[int], bool] = lambda _: True
        def go(description: Description):
            return description.exists(1)
    """,
    "a dict of coroutines for a framework, declared to hold anything (homeassistant)": """
        from typing import Any
        async def reach(url):
            return url
        async def info(hass) -> dict[str, Any]:
            data = {'a': reach('b')}
            data['c'] = reach('d')
            return data
        async def more(hass) -> dict[str, Any]:
            return {'a': reach('b')}
    """,
    "lists of coroutines added up for gather (homeassistant)": """
        import asyncio
        async def setup(x):
            return x
        async def go():
            await asyncio.gather(*([setup(1), setup(2)] + [setup(x) for x in (1, 2)]))
    """,
    "a decorator that runs async tests (tornado)": """
        import functools, inspect
        def gen_test(func=None, timeout=None):
            def wrap(f):
                if inspect.isgeneratorfunction(f):
                    f = list(f)
                @functools.wraps(f)
                def post(self, *args):
                    return self.loop.run_sync(f)
                return post
            if func is not None:
                return wrap(func)
            return wrap
        class Tests:
            def test(self):
                @gen_test
                async def test(self):
                    return 1
                test(self)
    """,
    "a function that starts a loop only for sync callers (sanic)": """
        import asyncio
        async def load():
            return 1
        def serve(run_async=False):
            loop = asyncio.new_event_loop()
            if run_async:
                return asyncio.ensure_future(load())
            return loop.run_until_complete(load())
        async def main():
            return await serve(run_async=True)
    """,
    "a callback whose colour is asked (pyrogram)": """
        import inspect
        class Filter:
            async def __call__(self, client):
                return True
        class Handler:
            def __init__(self):
                self.filters = Filter()
            async def check(self, client):
                if inspect.iscoroutinefunction(self.filters.__call__):
                    return await self.filters(client)
                return await client.loop.run_in_executor(None, self.filters, client)
    """,
    "a lock that is taken in another branch than the await (prefect)": """
        import asyncio, threading
        async def go(fresh):
            if fresh:
                lock = threading.Lock()
                lock.acquire()
                return True
            await asyncio.sleep(1)
    """,
    "NamedTuple methods": """
        from typing import NamedTuple
        class Point(NamedTuple):
            x: int
        Point(1)._replace(x=2)
    """,
    "a dispatch with one of each colour": """
        def a():
            return 1
        async def b():
            return 2
        TABLE = {'a': a, 'b': b}
        async def go(key):
            if key == 'b':
                await TABLE[key]()
            await TABLE[key]()
    """,
    "tasks that are gathered later": """
        import asyncio
        async def load(x):
            return x
        class App:
            async def go(self):
                tasks = [load(x) for x in (1, 2)]
                more = []
                more.append(load(3))
                self.pending = load(4)
                named = {'a': load(5)}
                await asyncio.gather(*tasks, *more, self.pending, *named.values())
    """,
    "hasattr and isawaitable guards": """
        import inspect
        def make():
            return 1
        async def go():
            made = make()
            if inspect.isawaitable(made):
                await made
            if hasattr(make, '__await__'):
                await make
    """,
    "deliberate failures in tests": """
        import pytest
        def make():
            return 1
        async def test():
            with pytest.raises(TypeError):
                await make()
            try:
                await make()
            except TypeError:
                make()
    """,
    "a sync function that hands out a coroutine is awaited by its caller": """
        async def load():
            return 1
        def start():
            return load()
        async def go():
            return await start()
    """,
    "an optional import with a fallback": """
        try:
            import shop.fast
        except ImportError:
            shop = None
    """,
    "functions through asyncio.run in a thread": """
        import asyncio
        async def load():
            return 1
        def blocking():
            return asyncio.run(load())
        async def go():
            return await asyncio.to_thread(blocking)
    """,
    "a module with __getattr__": {
        "shop/__init__.py": "def __getattr__(name):\n    return 1\n",
        "app.py": "from shop import anything\n",
    },
    "a generated module": {
        "shop/__init__.py": "from shop._version import version\nfrom shop.api_pb2 import Message\n",
    },
    "helpers of one name whose classes have a common base (homeassistant)": {
        "shop/__init__.py": "",
        "shop/base.py": "class Description:\n    pass\n",
        "shop/one.py": "from shop.base import Description\nclass One(Description):\n    pass\ndef get_it(x):\n    return One()\n",
        "shop/two.py": "from shop.base import Description\nclass Two(Description):\n    pass\ndef get_it(x):\n    return Two()\n",
    },
    "a package among the examples that is named like a library (celery)": {
        "shop/__init__.py": "def run():\n    return 1\n",
        "shop/app.py": "from pydantic import BaseModel\nimport pydantic\nprint(BaseModel, pydantic.Field())\n",
        "examples/pydantic/__init__.py": "",
        "examples/pydantic/tasks.py": "from pydantic import BaseModel\nfrom shop import run\nprint(BaseModel, run())\n",
    },
    "a package that makes its names by itself (celery)": {
        "shop/__init__.py": "from shop import local\nold, new = local.recreate_module(__name__, by_module={'shop.core': ['make']})\n",
        "shop/local.py": "def recreate_module(name, by_module):\n    return name, by_module\n",
        "shop/core.py": "def make():\n    return 1\n",
        "app.py": "from shop import make\nprint(make())\n",
    },
    "names that __all__ gathers (asyncpg)": {
        "shop/__init__.py": "from .exceptions import *\n",
        "shop/exceptions/__init__.py": "from ._base import *\nfrom . import _base\n"
        "__all__ = ('One',)\n__all__ += _base.__all__\nclass One(Exception):\n    pass\n",
        "shop/exceptions/_base.py": "__all__ = ('Two',)\nclass Two(Exception):\n    pass\n",
        "app.py": "import shop\nprint(shop.Two(), shop.One())\n",
    },
    "a method that a test replaces (celery)": """
        from unittest.mock import AsyncMock, Mock
        class Session:
            def get_engine(self, dburi):
                return dburi + 'x'
            def close(self):
                return 1
        class App:
            def __init__(self):
                self.session = Session()
        async def test():
            session = Session()
            session.get_engine = Mock()
            session.close = AsyncMock()
            session.get_engine()
            await session.close()
        class Tests:
            def setup(self):
                self.app = App()
            async def test(self):
                self.app.session.close = AsyncMock()
                await self.app.session.close()
    """,
    "a task as the key of a dict (redis, aiohttp, langchain)": """
        import asyncio
        async def load(x):
            return x
        async def go(found):
            task = asyncio.create_task(load(1))
            found[task] = 1
            tasks = {asyncio.create_task(load(x)): x for x in (1, 2)}
            while tasks:
                done, _ = await asyncio.wait(tasks)
                tasks[task] = 2
    """,
    "the coroutine itself is compared (anyio)": """
        async def load():
            return 1
        async def go(group):
            coro = load()
            handle = group.start(coro)
            assert handle.coro is coro
    """,
    "a coroutine as a mock's result, and one handed to another object (aiohttp)": """
        from unittest import mock
        async def fake():
            return 1
        async def test(request):
            with mock.patch('x') as patched:
                patched.call.return_value = fake()
                patched().side_effect = [fake()]
            request.body = fake()
    """,
    "a keyword-only parameter is no self (anyio)": """
        class TaskStatus:
            def started(self, value=None):
                return 1
        class Tests:
            async def check(*, task_status: TaskStatus):
                task_status.started()
    """,
    "a loop that only runs as often as it is told (asyncpg)": """
        import asyncio
        async def connect():
            return 1
        def status(timeout=0):
            loop = asyncio.new_event_loop()
            for _ in range(timeout):
                loop.run_until_complete(connect())
            return 'running'
        async def go():
            return status()
    """,
    "a loop in a forked child (motor)": """
        import asyncio, os
        async def ping():
            return 1
        async def go():
            if os.fork() == 0:
                asyncio.new_event_loop().run_until_complete(ping())
    """,
    "iter with a sentinel calls its function (gradio, prefect)": """
        def go(file):
            for chunk in iter(lambda: file.read(3), b''):
                print(chunk)
    """,
    "a context manager that a factory or decorator gives (gradio, trio)": """
        import functools
        from contextlib import asynccontextmanager
        def make(user):
            @asynccontextmanager
            async def handler(app):
                yield user
            return handler
        def as_channel(fn):
            @asynccontextmanager
            @functools.wraps(fn)
            async def manager(*args):
                yield fn(*args)
            return manager
        @as_channel
        async def numbers():
            yield 1
        async def go():
            async with make(1)(2):
                print(1)
            async with numbers() as channel:
                print(channel)
    """,
    "annotations that an async twin inherits (redis)": """
        class Search:
            def size(self, key) -> int:
                return self.execute(key)
            def execute(self, key):
                return run(key)
        class AsyncSearch(Search):
            pass
        async def go():
            await AsyncSearch().size('a')
    """,
    "a class method that makes an instance of the subclass (redis)": """
        class Pool:
            async def get(self):
                return 1
            @classmethod
            def from_url(cls, url) -> 'Pool':
                return cls()
        class Dummy(Pool):
            def get(self):
                return DUMMY
        def test():
            assert Dummy.from_url('x').get().size == 1
    """,
    "a call that raises before there is anything to await (sanic)": """
        import pytest
        class Blueprint:
            async def wait(self):
                return 1
            def event(self, name):
                if not name:
                    raise LookupError
                return self.wait()
        def test():
            with pytest.raises(LookupError):
                Blueprint().event('')
    """,
    "a callback that may be of either colour (tornado)": """
        from collections.abc import Awaitable, Callable
        from typing import Optional
        class Periodic:
            def __init__(self, callback: Callable[[], Optional[Awaitable]]):
                self.callback = callback
        def tick():
            print(1)
        Periodic(tick)
    """,
    "handlers that a framework finds by name (textual)": """
        class Widget:
            async def _on_click(self, event):
                return 1
            async def action_toggle(self):
                return 1
        class Button(Widget):
            def _on_click(self, event):
                return 2
            def action_toggle(self):
                return 2
    """,
    "a property that only raises (trio)": """
        class Instrument:
            def after_run(self):
                return 1
        class Evil(Instrument):
            @property
            def after_run(self):
                raise ValueError
    """,
    "a call that creates tasks from generators too (python-telegram-bot)": """
        async def go(app):
            def gen():
                yield 1
            await app.create_task(gen())
    """,
    "a function that becomes a method of something else (celery)": """
        class Stamp:
            def visit(self):
                return 1
        class Task:
            pass
        def task(**options):
            return options.get('x')
        @task(bind=True)
        def replace(self: Stamp, seconds):
            return self.replace(seconds)
    """,
    "a generator whose yield is never reached (pydantic-ai)": """
        class Stream:
            async def before(self):
                return
                yield
            async def after(self):
                raise NotImplementedError
                yield
        class Mine(Stream):
            async def before(self):
                yield 1
            async def after(self):
                yield 2
        async def go():
            async for event in Stream().before():
                print(event)
    """,
    "class and static methods by assignment (distutils, regex, pyparsing)": """
        class Reg:
            def get(cls, path, key):
                return path + key
            get = classmethod(get)
            def flush(path):
                return path.upper()
            flush = staticmethod(flush)
            enable = classmethod(lambda cls, name: cls.get(name, name))
            def __init_subclass__(cls, **options):
                super().__init_subclass__(**options)
        Reg.get('a', 'b')
        Reg.flush('a')
        Reg.enable('x')
        Reg.__init_subclass__()
    """,
    "a function imported in a class body (email)": {
        "shop/__init__.py": "",
        "shop/walk.py": "def walk(self, deep=False):\n    return [self, deep]\n",
        "app.py": "class Message:\n    from shop.walk import walk\n    def go(self):\n        return self.walk()\n",
    },
    "a table that is filled later (multiprocessing)": """
        import os
        TABLE = {'noop': lambda: None}
        if os.name == 'posix':
            TABLE.update({'unlink': os.unlink})
        def go(kind, name):
            TABLE[kind](name)
    """,
    "a fallback that names its one parameter otherwise (getopt), and one that raises (requests)": {
        "shop/__init__.py": "",
        "shop/text.py": "def gettext(message):\n    return message.upper()\nclass Proxy:\n    def __init__(self, url):\n        self.url = url\n",
        "app.py": "try:\n    from shop.text import gettext as _, Proxy\nexcept ImportError:\n    def _(s):\n        return s\n"
        "    def Proxy(*args):\n        raise ValueError(args)\n",
    },
    "a module that is named like one of the standard library (opentelemetry)": {
        "shop/__init__.py": "",
        "shop/orm.py": "import types\nfrom types import MethodType\nprint(types.FunctionType(1), MethodType)\n",
        "other/util/types.py": "Value = int\n",
    },
    "two factories with open parameters (structlog)": {
        "shop/__init__.py": "",
        "shop/one.py": "class One:\n    pass\ndef get_logger(*args, **values):\n    return One()\n",
        "shop/two.py": "class Two:\n    pass\ndef get_logger(*args, **values):\n    return Two()\n",
    },
    "an import under a longer name (setuptools, smtplib)": {
        "shop/__init__.py": "from shop.discovery import find as find_packages\n",
        "shop/discovery.py": "def find(where):\n    return [where]\n",
        "shop/config.py": "def find_packages(where):\n    return [where, 1]\n",
    },
    "a coroutine that is driven by hand (the standard library's tests)": """
        async def load():
            return 1
        def run_async(coro):
            assert coro.__class__.__name__ == 'coroutine'
            while True:
                try:
                    coro.send(None)
                except StopIteration as stop:
                    return stop.value
        run_async(load())
    """,
    "a table of another module that is filled later (multiprocessing)": {
        "shop/__init__.py": "",
        "shop/tracker.py": "import os\nTABLE = {'noop': lambda: None}\nTABLE.update({'unlink': os.unlink})\n",
        "app.py": "from shop import tracker\ntracker.TABLE['unlink']('x')\n",
    },
    "what every class has (the standard library's tests)": """
        class Store:
            pass
        print(Store.mro(), Store.__subclasses__())
    """,
    "recursion that swaps its arguments (turtledemo)": """
        def hanoi(n, source, target, spare):
            if n:
                hanoi(n - 1, source, spare, target)
                hanoi(n - 1, spare, target, source)
    """,
    "a module that makes its submodules by itself (six)": {
        "shop/__init__.py": "from .packages.six.moves import urllib\nfrom shop.packages.six.moves.urllib import parse\nprint(urllib, parse)\n",
        "shop/packages/__init__.py": "",
        "shop/packages/six.py": "__path__ = []\n",
    },
    "defaults that modules take for their interface (pre-commit)": {
        "shop/__init__.py": "",
        "shop/base.py": "def basic_health_check(x):\n    return x + 1\ndef no_env(x):\n    return x + 1\n",
        "shop/dart.py": "from shop.base import basic_health_check as health_check\nfrom shop.base import no_env as in_env\n",
        "shop/node.py": "def health_check(x):\n    return x + 2\ndef in_env(x):\n    return x + 2\n",
    },
    "super() where a builtin stands before the base (typing-extensions)": """
        class Default:
            def __init__(self, default):
                self.default = default
        class Spec(list, Default):
            def __init__(self, name):
                super().__init__([name])
                super().__init__()
    """,
    "a plain function that gives an async context manager (pydantic-ai)": """
        from contextlib import AbstractAsyncContextManager, asynccontextmanager
        class Model:
            def scope(self) -> AbstractAsyncContextManager[None]:
                return make()
        class Fallback(Model):
            @asynccontextmanager
            async def scope(self):
                yield
    """,
    "some of a list of tasks (Netra's own tests)": """
        import asyncio
        async def load(x):
            return x
        async def go():
            waiting = [asyncio.create_task(load(x)) for x in (1, 2, 3)]
            for task in waiting[::2]:
                task.cancel()
            done = waiting[:1]
            await asyncio.gather(*done)
    """,
    "singleton by __new__": """
        class One:
            _instance = None
            def __new__(cls):
                if cls._instance is None:
                    cls._instance = super().__new__(cls)
                return cls._instance
            async def go(self):
                return 1
        async def main():
            await One().go()
    """,
}


@pytest.mark.parametrize("source", [pytest.param(value, id=key) for key, value in SILENT.items()])
def test_silent(source: str | dict[str, str]):
    assert codes(source) == []


def test_a_stub_that_raises_stays_a_finding():
    assert codes("""
        class Base:
            def run(self):
                raise NotImplementedError
        class Job(Base):
            async def run(self):
                return 1
    """) == [("AG204", "likely")]


def test_a_missing_argument_in_a_subclass_of_slots_stays_a_finding():
    # sqlalchemy/orm/context.py had one of these.
    assert codes("""
        class Entity:
            __slots__ = ()
        class Bundle(Entity):
            __slots__ = ('expr',)
            def __init__(self, state, expr, current, extra=True):
                self.expr = expr
        Bundle(1, 2)
    """) == [("AG309", "certain")]


def test_a_subclass_beside_the_call_may_have_the_method_in_another_colour():
    # aiohttp's tests have one; the override itself is a finding, which they silence for mypy.
    found = codes(
        {
            "shop/__init__.py": "",
            "shop/client.py": "class Response:\n    async def read(self):\n        return 1\n\n\nclass Request:\n"
            "    def send(self) -> Response:\n        return Response()\n",
            "tests/test_client.py": "from shop.client import Request, Response\n\n\nclass Custom(Response):\n    def read(self):\n        return 'x'\n\n\n"
            "def test(request: Request):\n    assert request.send().read() == 'x'\n",
        }
    )
    assert found == [("AG204", "certain")]
