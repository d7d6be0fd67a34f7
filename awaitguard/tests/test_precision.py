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
