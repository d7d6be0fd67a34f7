"""Findings that were false on the source distributions of published projects, on the standard library and on this project."""

from textwrap import dedent

import pytest

from awaitguard.memory import check_sources

SILENT = {
    "a branch that a constant of the module keeps from running (pymongo)": """
        import asyncio
        _IS_SYNC = True
        def join():
            return 1
        class Event:
            async def wait(self):
                return 1
        def close():
            if not _IS_SYNC:
                asyncio.gather(join(), join())
            if _IS_SYNC:
                return join()
            else:
                asyncio.sleep(1)
        import unittest
        class Tests(unittest.TestCase):
            @unittest.skipUnless(not _IS_SYNC, 'async only')
            def test_cancel(self):
                asyncio.run(join())
            @unittest.skipIf(_IS_SYNC, 'async only')
            def test_close(self):
                asyncio.sleep(1)
    """,
    "a plain method that hands back a future (aiomysql)": """
        import asyncio
        class Cursor:
            def __init__(self, loop):
                self._loop = loop
                self._done = loop.create_future()
            def fetchone(self):
                fut = self._loop.create_future()
                fut.set_result(1)
                return fut
            def wait(self):
                return self._done
        class Streaming(Cursor):
            async def fetchone(self):
                return 1
            async def wait(self):
                return 1
    """,
    "a plain method that gives an object to enter (pymongo)": """
        from contextlib import asynccontextmanager
        class Checkout:
            async def __aenter__(self):
                return self
            async def __aexit__(self, *error):
                return None
        class Pool:
            def checkout(self):
                return Checkout()
        class MockPool(Pool):
            @asynccontextmanager
            async def checkout(self):
                yield 1
    """,
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
}


@pytest.mark.parametrize("source", [pytest.param(value, id=key) for key, value in SILENT.items()])
def test_silent(source: str | dict[str, str]):
    files = {"app.py": dedent(source)} if isinstance(source, str) else source
    assert [(one.code, one.path, one.line) for one in check_sources(files) if one.level != "hint"] == []
