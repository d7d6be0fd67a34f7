"""Findings that were false at first sight on published projects that nothing had been mended for (see precision.md)."""

from textwrap import dedent

import pytest

from awaitguard.memory import check_sources

SILENT = {
    "a directory without __init__.py inside a package (litellm, letta)": {
        "shop/__init__.py": "",
        "shop/main.py": "import openai\nfrom openai.types import Chat\nprint(openai.Client(), Chat)\n",
        "shop/llms/openai/__init__.py": "",
        "shop/llms/openai/openai.py": "from openai import Timeout\nprint(Timeout)\n",
        "shop/types/llms/openai.py": "from openai.types.chat import Chunk\nprint(Chunk)\n",
        "shop/types/llms/types.py": "x = 1\n",
        "shop/types/llms/other.py": "import types\nprint(types.MappingProxyType({}))\n",
    },
    "a package imported by the name of its file (letta)": {
        "shop/__init__.py": "version = '1'\n",
        "shop/app.py": "from shop.__init__ import version\nprint(version)\n",
    },
    "a plain function that hands on a coroutine through another one (agno)": """
        from typing import AsyncIterator, Union
        async def work(x):
            return x
        async def steps(x):
            yield x
        def dispatch(x, stream) -> Union[str, AsyncIterator[str]]:
            if stream:
                return steps(x)
            return work(x)
        class Agent:
            def run(self, x, stream=False) -> Union[str, AsyncIterator[str]]:
                return dispatch(x, stream)
        class Remote(Agent):
            async def run(self, x, stream=False):
                return x
        async def go(agent: Agent):
            return await agent.run(1)
    """,
    "a function that gives a coroutine to those who ask for one (litellm)": """
        async def aload(x):
            return [x]
        def load(x, is_async: bool = False) -> list[int]:
            if is_async:
                return aload(x)
            return [x]
        async def route(data, router):
            if "models" in data:
                return router.batch(data)
            elif "config" in data:
                return aload(data)
            return getattr(router, data["route"])(data)
    """,
    "a field of a dataclass that is made later (litellm)": """
        import asyncio
        from dataclasses import dataclass, field
        @dataclass
        class Approval:
            decision: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_event_loop().create_future())
            async def wait(self):
                return await self.decision
    """,
    "replace() on a dataclass with an __init__ of its own (litellm)": """
        from dataclasses import dataclass, replace
        @dataclass(frozen=True, init=False)
        class Labels:
            user: str | None = None
            def __init__(self, **values):
                object.__setattr__(self, 'user', values.get('user'))
        def go():
            return replace(Labels(user='a'), user='b')
    """,
    "picking the coroutines that are there (litellm)": """
        async def load(x):
            return x
        async def go(x):
            wanted = tuple(one for one in (load(1), load(2) if x else None) if one is not None)
            for one in wanted:
                await one
    """,
    "a function that looks at the signature of what it calls (litellm)": """
        import inspect
        def make(params, guard):
            return params, guard
        MAKERS = {'a': make}
        def go(kind, router):
            maker = MAKERS.get(kind)
            if 'router' in inspect.signature(maker).parameters:
                return maker(1, 2, router)
            return maker(1, 2)
    """,
    "the name of a positional-only parameter in **kwargs (agno)": """
        def invoke(handle, operation, /, *, slow=False, **payload):
            return handle, operation, slow, payload
        print(invoke(1, 'rpc', operation='start'))
    """,
    "an id for the one and an object for the other (litellm)": """
        def get_user(user_id: str):
            return user_id
        class User:
            pass
        def create_user(user: User):
            return user
    """,
    "a method that is called on a loop only under conditions (litellm, crewai)": {
        "shop/load.py": """
import asyncio
async def fetch(url):
    return url
def load(url):
    if url.startswith('s3://'):
        if url.endswith('/'):
            return url
        else:
            return asyncio.run(fetch(url))
    return url
def inside():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
def call(callback):
    if inside():
        return asyncio.create_task(callback())
    return asyncio.run(callback())
def run(x):
    if x:
        return asyncio.run(fetch(x))
    return x
""",
        "app.py": """
from shop.load import call, fetch, load
async def main():
    load('a')
    call(fetch)
""",
        "tests/test_load.py": "from shop.load import run\nasync def test_run():\n    run(0)\n",
    },
    "a class whose __new__ makes others (crewai)": """
        from typing import Any
        def native(model):
            return OTHERS[model]
        class LLM:
            def __new__(cls, model: str, **given: Any) -> 'LLM':
                found = native(model)
                if found:
                    return found(model=model, **given)
                return super().__new__(cls)
            def prepare(self, messages):
                return messages
        def go():
            llm = LLM('anthropic/x')
            llm.other()
            return llm.prepare([], tools=[])
        OTHERS = {}
    """,
    "a method that refuses what its base does (pydantic-ai)": """
        from contextlib import asynccontextmanager
        from typing import NoReturn
        class Model:
            @asynccontextmanager
            async def connect(self):
                yield 1
            def refuse(self, name) -> NoReturn:
                raise NotImplementedError(name)
        class Eleven(Model):
            def connect(self) -> NoReturn:
                self.refuse('connect')
    """,
    "a test that is to fail (scrapy)": """
        import pytest
        class Settings:
            def update(self, values, priority=1):
                return values, priority
        class Tests:
            @pytest.mark.xfail(raises=TypeError, reason="doesn't support kwargs")
            def test_update(self):
                Settings().update(key=1)
    """,
    "super() in a class method that makes an instance (scrapy)": """
        from typing import Self
        class Spider:
            @classmethod
            def from_crawler(cls, crawler) -> Self:
                spider = cls()
                return spider
        class Map(Spider):
            @classmethod
            def from_crawler(cls, crawler) -> Self:
                spider = super().from_crawler(crawler)
                return spider
            def body(self):
                return 1
        def test():
            return Map.from_crawler(1).body()
    """,
    "an object that is declared to be of the class that makes it (letta)": """
        class Base:
            def stream(self):
                return 1
        class Client:
            @staticmethod
            def create(kind):
                return Base()
        def go(client: Client):
            return client.stream()
    """,
    "methods of an interface that have no self (twisted, buildbot)": """
        from zope.interface import Interface
        class IEndpoint(Interface):
            def connect(factory):
                '''Connect.'''
            def close():
                '''Close.'''
        def go(reactor):
            endpoint = IEndpoint(reactor)
            endpoint.close()
            return endpoint.connect(1)
    """,
    "modules that a star brings along (hikari)": {
        "shop/__init__.py": "",
        "shop/api/__init__.py": "",
        "shop/api/shard.py": "class Shard:\n    pass\n",
        "shop/impl/__init__.py": "from shop.impl.shard import *\nfrom shop.impl.rest import *\n",
        "shop/impl/shard.py": "import typing\n__all__: typing.Sequence[str] = ('ShardImpl',)\n"
        "from shop.api import shard\nclass ShardImpl(shard.Shard):\n    pass\n",
        "shop/impl/rest.py": "from shop.api import shard\nprint(shard.Shard())\n",
        "app.py": "from shop.impl import shard\nprint(shard.ShardImpl())\n",
    },
    "gather with a variable for return_exceptions (haystack, Home Assistant)": """
        import asyncio
        async def load(x):
            return x
        async def go(careful):
            return_exceptions = not careful
            return await asyncio.gather(*(load(x) for x in (1, 2)), return_exceptions=return_exceptions)
    """,
    "a coroutine that is made in a thread and scheduled (langflow)": """
        import asyncio
        async def build(x):
            return x
        async def go():
            task = asyncio.create_task(await asyncio.to_thread(build, 1))
            await task
            await (await asyncio.to_thread(build, 2))
    """,
    "a coroutine or None (open-webui)": """
        import asyncio
        async def load(x):
            return x
        async def go(servers):
            tasks = []
            for server in servers:
                task = None
                if server.startswith('http'):
                    task = load(server)
                elif server:
                    task = asyncio.sleep(0, result=server)
                if task:
                    tasks.append(task)
            return await asyncio.gather(*tasks)
    """,
    "methods that only raise an error (openai-agents, mlflow)": """
        from abc import ABC, abstractmethod
        from contextlib import asynccontextmanager
        class Unsupported(Exception):
            pass
        class Server(ABC):
            @abstractmethod
            @asynccontextmanager
            async def streams(self):
                yield 1
            async def chunks(self, x):
                raise Unsupported(x)
        class Dummy(Server):
            def streams(self):
                raise NotImplementedError
            async def chunks(self, x):
                yield x
    """,
    "a helper that tries to start a loop (piccolo)": """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        async def load(x):
            return x
        def run_sync(coroutine):
            try:
                return asyncio.run(coroutine)
            except RuntimeError:
                with ThreadPoolExecutor(max_workers=1) as executor:
                    return executor.submit(asyncio.run, coroutine).result()
        async def go():
            run_sync(load(1))
    """,
    "a module that stands for a package of another project (dask)": {
        "shop/__init__.py": "",
        "shop/spread.py": "def __getattr__(name):\n    import spread\n    return getattr(spread, name)\n",
        "app.py": "from shop.spread.protocol import dumps\nprint(dumps(1))\n",
    },
    "a package with modules from other places (twisted)": {
        "shop/__init__.py": "",
        "shop/plugins/__init__.py": "from shop.paths import more\n__path__.extend(more(__name__))\n",
        "shop/paths.py": "def more(name):\n    return [name]\n",
        "app.py": "def test():\n    from shop.plugins import fake\n    import shop.plugins.made\n    return fake, shop\n",
    },
    "a class that another one is put in the place of (telethon)": {
        "shop/__init__.py": "from shop import patched\nprint(patched)\n",
        "shop/types.py": "class Message:\n    def __init__(self, id, date):\n        self.id, self.date = id, date\n",
        "shop/patched.py": "from shop import types\nclass Message(types.Message):\n"
        "    def __init__(self, id, date=None):\n        self.id, self.date = id, date\n"
        "    def finish(self):\n        return 1\ntypes.Message = Message\n",
        "app.py": "from shop import types\nmessage = types.Message(id=1)\nmessage.finish()\n",
    },
    "an inherited class method that makes an instance (twisted)": """
        class Certificate:
            @classmethod
            def load(Class, data):
                return Class(data)
            def __init__(self, data):
                self.data = data
        class Private(Certificate):
            @classmethod
            def read(Class, data):
                return Class.load(data).with_key(1)
            def with_key(self, key):
                return self, key
    """,
    "a test that looks at a coroutine itself (twisted)": """
        import types
        class Case:
            def assertIsInstance(self, instance, kind):
                if not isinstance(instance, kind):
                    raise AssertionError(str(instance))
        class Tests(Case):
            def test(self):
                async def run():
                    return 1
                coroutine = run()
                self.assertIsInstance(coroutine, types.CoroutineType)
                coroutine.close()
    """,
    "methods whose colour is asked about (dagster, jupyterhub)": """
        import inspect
        from abc import ABC, abstractmethod
        class Condition(ABC):
            @abstractmethod
            def evaluate(self, context) -> int:
                ...
        class Hook:
            def add_user(self, user):
                return user
            def stop(self):
                return 1
        class Missing(Condition):
            async def evaluate(self, context) -> int:
                return 1
        class Local(Hook):
            async def add_user(self, user):
                return user
            async def stop(self):
                return 2
        async def go(condition: Condition, hook, maybe_future):
            if inspect.iscoroutinefunction(condition.evaluate):
                await condition.evaluate(1)
            await maybe_future(hook.add_user(1))
            if inspect.isawaitable(hook.stop()):
                await hook.stop()
    """,
    "coroutines that enumerate hands out (dagster)": """
        async def submit(x):
            return x
        async def go(items):
            results = [submit(item) for item in items]
            for number, one in enumerate(results):
                print(number, await one)
    """,
    "methods of a class that a framework makes something else of (llama-deploy)": """
        import reflex as rx
        class State(rx.State):
            def select(self, index: int):
                return index
        def view(index):
            return rx.box(on_click=State.select(index))
    """,
    "yield from a task (kopf)": """
        import asyncio
        class Waiter:
            async def work(self):
                return 1
            def __await__(self):
                task = asyncio.create_task(self.work())
                yield from task
    """,
    "parallel versions of one thing (faststream)": {
        "shop/__init__.py": "",
        "shop/v2/__init__.py": "",
        "shop/v3/__init__.py": "",
        "shop/v2/generate.py": "def get_channels(broker) -> dict[str, int]:\n    return {'a': broker}\n",
        "shop/v3/generate.py": "def get_channels(broker) -> tuple[int, int]:\n    return broker, 1\n",
    },
    "an attribute that is given or made (gql)": """
        class Transport:
            def connect(self):
                return 1
        class Local(Transport):
            def __init__(self, schema):
                self.schema = schema
        class Client:
            def __init__(self, transport: Transport | None = None):
                if transport is None:
                    transport = Local(1)
                self.transport = transport
        def go(transport):
            client = Client(transport=transport)
            client.transport.send_stop(2)
    """,
    "an element of a dict that is declared to hold something else (errbot)": """
        class Flow:
            def __init__(self, name):
                self.name = name
        class BotFlow:
            def activate(self):
                return 1
        class Manager:
            flows: dict[str, Flow]
            def __init__(self):
                self.flows = {}
            def activate(self, name):
                return self.flows[name].activate()
    """,
    "a script among the examples that is named like a library (instructor)": {
        "shop/__init__.py": "",
        "shop/client.py": "import cohere\nprint(cohere.Client())\n",
        "examples/cohere/cohere.py": "import instructor\nprint(instructor)\n",
    },
    "a special method of the metaclass or of the instances (mautrix)": """
        class Meta(type):
            def __setattr__(cls, name, value):
                return type.__setattr__(cls, name, value)
            def __setitem__(cls, name, value):
                return cls.__setattr__(cls, name, value)
    """,
    "a method of the metaclass (slack-bolt)": """
        from abc import ABCMeta, abstractmethod
        class Listener(metaclass=ABCMeta):
            @abstractmethod
            def run(self):
                ...
        class One:
            def run(self):
                return 1
        Listener.register(One)
    """,
    "a coroutine function that stands for an async generator (python-socketio)": """
        class Manager:
            async def _listen(self):
                raise NotImplementedError('must be overridden')
            async def thread(self):
                async for message in self._listen():
                    print(message)
    """,
    "what is declared to be iterable (instructor)": """
        from typing import Iterable
        async def extract(client) -> Iterable[int]:
            return await client.create(stream=True)
        async def go(client):
            async for one in await extract(client):
                print(one)
    """,
    "callbacks of Tornado (panel)": """
        import tornado.ioloop
        import tornado.web
        class Handler(tornado.web.RequestHandler):
            async def get(self):
                loop = tornado.ioloop.IOLoop.current()
                loop.call_later(1, self.check)
            async def check(self):
                return 1
        class Password(Handler):
            def get(self):
                return 1
    """,
}


@pytest.mark.parametrize("source", [pytest.param(value, id=key) for key, value in SILENT.items()])
def test_silent(source: str | dict[str, str]):
    files = {"app.py": dedent(source)} if isinstance(source, str) else source
    assert [(one.code, one.path, one.line) for one in check_sources(files) if one.level != "hint"] == []
