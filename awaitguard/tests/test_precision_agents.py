"""More findings that were false at first sight on published projects that nothing had been mended for (see precision.md)."""

from textwrap import dedent

import pytest

from awaitguard.memory import check_sources

STORES = """
        import pytest
        class Store:
            def save(self):
                return 3
        class AsyncStore:
            async def save(self):
                return 3
        @pytest.fixture
        def store():
            return Store()
"""
SILENT = {
    "packages in directories without __init__.py, named like a library (agentops)": {
        "shop/__init__.py": "",
        "shop/integration/callbacks/dspy/__init__.py": "from shop.integration.callbacks.dspy.callback import Handler\nprint(Handler)\n",
        "shop/integration/callbacks/dspy/callback.py": "from dspy.utils import Base\nimport dspy\ndspy.configure()\n"
        "class Handler(Base):\n    pass\n",
    },
    "a class whose __init__ a test takes away (aider)": """
        from unittest.mock import patch
        class Coder:
            def __init__(self, model):
                self.model = model
        def test():
            with patch('app.Coder.__init__', return_value=None):
                coder = Coder()
            assert coder
    """,
    "methods that hand on to one that refuses (dspy)": """
        class Unsupported(Exception):
            pass
        class Plain:
            def upload(self, request) -> dict[str, int]:
                raise Unsupported(request)
        class Base:
            async def upload(self, request):
                return request
        class Blocked(Base):
            def __init__(self):
                self.inner = Plain()
            def upload(self, request):
                return self.inner.upload(request)
    """,
    "a method that is declared to give either (strands-agents)": """
        from typing import Awaitable, TypeVar, Union
        T = TypeVar('T')
        MaybeAwaitable = Union[T, Awaitable[T]]
        class Handler:
            def before(self, event) -> MaybeAwaitable[int]:
                return 1
        class Confirm(Handler):
            async def before(self, event):
                return 2
    """,
    "a plain function that runs an async one inside it (langchain-community)": {
        "shop/__init__.py": "",
        "shop/cohere.py": "def acompletion_with_retry(llm):\n    @llm.retry(3)\n"
        "    async def inner():\n        return await llm.generate()\n    return inner()\n",
        "shop/fireworks.py": "async def acompletion_with_retry(llm):\n    return await llm.generate()\n",
    },
    "a field of a dataclass that has the name of a method (praisonaiagents)": """
        from dataclasses import dataclass
        @dataclass
        class Action:
            kind: str
            command: str | None = None
            @classmethod
            def command(cls, command):
                return cls(kind='command', command=command)
        print(Action(kind='a', command='b'))
    """,
    "a function that is called in both directions (ragas)": """
        def decompose(reference, response):
            return reference, response
        def score(reference, response):
            return decompose(reference, response), decompose(response, reference)
        class Metric:
            async def decompose(self, reference, response):
                return [reference, response]
            async def score(self, row):
                reference, response = row.reference, row.response
                first = self.decompose(reference, response)
                second = self.decompose(response, reference)
                return await first, await second
    """,
    "a field that a subclass takes out of __init__ (marvin, ag2)": """
        from dataclasses import dataclass, field
        @dataclass(kw_only=True)
        class Event:
            type: str
            id: int = 0
        @dataclass(kw_only=True)
        class Result(Event):
            type: str = field(default='result', init=False)
            message: str
        print(Result(message='done'))
    """,
    "a stand-in for a parameter of the base that a subclass gives itself (python-socketio)": {
        "shop/__init__.py": "",
        "shop/manager.py": "class Manager:\n    def emit(self, event):\n        print(event)\n"
        "class AsyncManager:\n    async def emit(self, event):\n        print(event)\n",
        "shop/base.py": "from shop import manager\nclass Base:\n    def __init__(self, client_manager=None):\n"
        "        if client_manager is None:\n            client_manager = manager.Manager()\n"
        "        self.manager = client_manager\n",
        "shop/server.py": "from shop import base, manager\nclass AsyncServer(base.Base):\n"
        "    def __init__(self, client_manager=None):\n        if client_manager is None:\n"
        "            client_manager = manager.AsyncManager()\n        super().__init__(client_manager)\n"
        "    async def emit(self, event):\n        await self.manager.emit(event)\n",
    },
    "a mixin that says what it needs from the class beside it (vllm)": """
        from contextlib import contextmanager
        from typing import TYPE_CHECKING
        class Omni:
            if TYPE_CHECKING:
                def mark(self, kind): ...
            def make(self):
                with self.mark('tower'):
                    return 1
        class Model:
            @contextmanager
            def mark(self, kind):
                yield kind
        class Spark(Omni, Model):
            pass
    """,
    "methods that a base puts into its subclasses (dask)": """
        class Accessor:
            def __init_subclass__(cls, **options):
                for name in cls.names:
                    bind(cls, name)
        class Categories(Accessor):
            names = ('set_categories',)
            def known(self):
                return self.set_categories(1)
        def bind(owner, name):
            owner.__dict__[name] = len
    """,
    "keywords that are crossed on purpose, beside the straight call (sglang)": """
        class Bridge:
            def control(self, states, first_freqs, second_freqs):
                return states, first_freqs, second_freqs
            def forward(self, audio, video, first_freqs, second_freqs):
                one = self.control(states=video, first_freqs=first_freqs, second_freqs=second_freqs)
                two = self.control(states=audio, first_freqs=second_freqs, second_freqs=first_freqs)
                return one, two
    """,
    "an agent's own create_task (autogpt-forge)": """
        class TaskRequest:
            pass
        async def create(request):
            task_request = TaskRequest()
            task = await request['agent'].create_task(task_request)
            agent = request['agent']
            task = await agent.create_task(task_request)
            return task
    """,
    "an interface that describes a plain method as async (guillotina)": """
        from zope.interface import Interface
        class ITransaction(Interface):
            async def add_hook(hook):
                'Add a hook.'
        def add(txn: ITransaction, hook):
            txn.add_hook(hook)
    """,
    "a function that is declared to give a result of either colour (weaviate)": """
        from shop import executor
        class Data:
            def reference_add(self, connection, path) -> executor.Result[None]:
                if isinstance(connection, executor.Async):
                    async def execute():
                        await connection.post(path)
                    return execute()
                connection.post(path)
        def main(data: Data, connection):
            data.reference_add(connection, 'x')
    """,
    "a method of the project that takes a coroutine by a name that wants values elsewhere": """
        async def build():
            return {}
        class Bus:
            async def send_json(self, payload):
                return await payload
        async def main():
            await Bus().send_json(build())
    """,
    "a default that is a getattr": """
        from shop import settings, Store
        def make(store: Store = getattr(settings, 'store'), *, other: Store = getattr(settings, 'other', None)):
            return store, other
    """,
    "a name that a module's __getattr__ gives to others, inside that module": {
        "shop/__init__.py": 'import importlib\n_LAZY = {"open": ".client"}\n'
        "def __getattr__(name):\n    return getattr(importlib.import_module(_LAZY[name], __name__), name)\n"
        "def read():\n    with open('x') as file:\n        return file.read()\n",
        "shop/client.py": "from contextlib import asynccontextmanager\n"
        "@asynccontextmanager\nasync def open(path):\n    yield path\n",
    },
    "a name of an inner function, like the parameter that wasn't given": """
        class Client:
            def send(self):
                return 1
        class AsyncClient:
            async def send(self):
                return 1
        def make(x=None):
            if x is None:
                async def inner(x):
                    while x.busy:
                        x = Client()
                    return await x.send()
                return inner
            return x
        print(make, AsyncClient)
    """,
    "a field with init=True": """
        from dataclasses import dataclass, field
        CHOSEN = bool(input())
        @dataclass
        class A:
            x: int = field(init=True, default=1)
        @dataclass
        class B:
            x: int = field(init=CHOSEN, default=1)
        print(A(x=2), A(2), A(), B(x=2))
    """,
    "a field whose default is the property of its name": """
        from dataclasses import dataclass
        @dataclass
        class A:
            name: str
            @property
            def name(self):
                return 'a'
            @name.setter
            def name(self, value):
                print(value)
        @dataclass
        class B:
            size: int
            size = 3
        print(A(), A('b'), B())
    """,
    "a fixture of the test's own class, beside the module's": STORES
    + """
        class TestAsync:
            @pytest.fixture
            def store(self):
                return AsyncStore()
            async def test_save(self, store):
                assert await store.save() == 3
            class TestMore:
                async def test_save(self, store):
                    assert await store.save() == 3
        class TestFurther(TestAsync):
            async def test_again(self, store):
                assert await store.save() == 3
    """,
    "parameters of a test that decorators fill, beside a fixture of their name": STORES
    + """
        from unittest.mock import patch
        @pytest.mark.parametrize('store', [AsyncStore()])
        async def test_save(store):
            assert await store.save() == 3
        @patch('app.Store')
        async def test_patched(store):
            assert await store.save() == 3
        both = pytest.mark.parametrize('store', [AsyncStore()])
        @both
        async def test_both(store):
            assert await store.save() == 3
        @pytest.mark.parametrize('store', [AsyncStore()])
        class TestStore:
            async def test_save(self, store):
                assert await store.save() == 3
    """,
    "a fixture that is given a name, beside one of that name further up": {
        "app.py": "class Store:\n    def save(self):\n        return 3\n"
        "class AsyncStore:\n    async def save(self):\n        return 3\n",
        "tests/conftest.py": "import pytest\nfrom app import Store\n@pytest.fixture\ndef store():\n    return Store()\n",
        "tests/test_app.py": "import pytest\nfrom app import AsyncStore\n@pytest.fixture(name='store')\n"
        "def make_store():\n    return AsyncStore()\n"
        "async def test_save(store):\n    assert await store.save() == 3\n",
        "tests/unit/conftest.py": "import pytest\nfrom app import AsyncStore\n@pytest.fixture(name='store')\n"
        "def make_store():\n    return AsyncStore()\n",
        "tests/unit/test_app.py": "async def test_save(store):\n    assert await store.save() == 3\n",
    },
}

# Found, but never for certain: other code may put something else in the place of what is seen here.
UNCERTAIN = {
    "a base class that leaves the call to others (bocadillo)": """
        class ASGIApp:
            def __call__(self, scope) -> None:
                raise NotImplementedError
        class Middleware:
            def __init__(self, inner: ASGIApp):
                self.inner = inner
            async def run(self, scope):
                await self.inner(scope)
    """,
    "what a default leads to": """
        class Store:
            def load(self):
                return 1
        class Client:
            def __init__(self):
                self.store = Store()
            def make(self):
                return Store()
        async def main(client=None):
            client = client or Client()
            await client.store.load()
            await client.make().load()
    """,
    "a subclass under another name of its base": {
        "shop/__init__.py": "",
        "shop/base.py": "class Base:\n    def hook(self):\n        pass\n    async def run(self):\n        await self.hook()\n",
        "shop/real.py": "from shop.base import Base as Ground\nclass Real(Ground):\n    async def hook(self):\n        print('done')\n",
    },
}


@pytest.mark.parametrize("source", [pytest.param(value, id=key) for key, value in UNCERTAIN.items()])
def test_never_certain(source: str | dict[str, str]):
    files = {"app.py": dedent(source)} if isinstance(source, str) else source
    assert [(one.code, one.path, one.line) for one in check_sources(files) if one.level == "certain"] == []


@pytest.mark.parametrize("source", [pytest.param(value, id=key) for key, value in SILENT.items()])
def test_silent(source: str | dict[str, str]):
    files = {"app.py": dedent(source)} if isinstance(source, str) else source
    assert [(one.code, one.path, one.line) for one in check_sources(files) if one.level != "hint"] == []
