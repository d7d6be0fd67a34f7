"""What functions outside of the project want: a data file, and no name that is only written alike."""

import pkgutil
import tomllib
from importlib import resources

import pytest

from awaitguard.memory import check_sources
from awaitguard.read import contracts
from awaitguard.rules.confidence import names_of

READ = tomllib.loads(resources.files("awaitguard.read").joinpath("contracts.toml").read_text())
WORK = "async def work(*args):\n    return 1\n\n"
# Code, and how sure it is that the object is the one of the contract.
SURE = {
    "AG166 a running loop": "import asyncio\nasync def main():\n    asyncio.get_running_loop().call_soon(work)\n",
    "AG166 a loop in a variable": "import asyncio\ndef main():\n    loop = asyncio.new_event_loop()\n    loop.call_later(1, work)\n",
    "AG166 a loop by its annotation": "import asyncio\ndef main(loop: asyncio.AbstractEventLoop):\n    loop.call_soon(work)\n",
    "AG166 a task": "import asyncio\nasync def main():\n    task = asyncio.create_task(work())\n    task.add_done_callback(work)\n",
    "AG164 a signal of a loop": "import asyncio\ndef main():\n    asyncio.get_event_loop().add_signal_handler(2, work)\n",
    "AG162 an executor": "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor()\npool.submit(work)\n",
    "AG162 a pool": "import multiprocessing\npool = multiprocessing.Pool()\npool.map(work, [1])\n",
    "AG165 a stack": "from contextlib import ExitStack\nwith ExitStack() as stack:\n    stack.callback(work)\n",
    "AG163 a list": "rows = [2, 1]\nrows.sort(key=work)\n",
    "AG152 a loop that is asked to run": "import asyncio\nasync def main():\n    asyncio.get_event_loop().run_until_complete(work())\n",
    "AG129 a function of a module": "import json\nasync def main():\n    return json.dumps(work())\n",
    "AG129 a response": "from fastapi.responses import JSONResponse\nasync def main():\n    return JSONResponse(work())\n",
    "AG129 an error": "async def main():\n    raise ValueError(work())\n",
    "AG129 an assertion": "import unittest\nclass Case(unittest.TestCase):\n    def test(self):\n        self.assertEqual(work(), 1)\n",
    "AG126 a logger": "import logging\nlogger = logging.getLogger()\ndef main():\n    logger.info(work())\n",
}  # fmt: skip
BARE = {
    "AG166 what is called loop": "def main(loop):\n    loop.call_soon(work)\n",
    "AG166 somebody's clock": "from clocks import Clock\ndef main():\n    Clock().call_later(1, work)\n",
    "AG166 a module's attribute": "import clocks\ndef main():\n    clocks.loop.call_later(1, work)\n",
    "AG162 what is called pool": "def main(pool):\n    pool.submit(work)\n",
    "AG163 what is sorted": "def main(rows):\n    rows.sort(key=work)\n",
    "AG152 what is asked to run": "async def main(runner):\n    runner.run_until_complete(work())\n",
    "AG129 a response of somebody's": "from mine import JSONResponse\nasync def main():\n    return JSONResponse(work())\n",
    "AG129 what sends": "async def main(outbox):\n    await outbox.send_json(work())\n",
    "AG126 what is called logger": "def main(logger):\n    logger.info(work())\n",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SURE))
def test_what_an_import_leads_to_may_be_certain(name: str):
    (found,) = check_sources({"app.py": WORK + SURE[name]})
    assert (found.code, found.level) == (name.split()[0], "certain")


@pytest.mark.parametrize("name", sorted(BARE))
def test_what_is_only_called_so_never_is(name: str):
    (found,) = check_sources({"app.py": WORK + BARE[name]})
    assert (found.code, found.level) == (name.split()[0], "likely")
    assert "bare name" in names_of(found.assumed)


def rows() -> list[str]:
    """The names of all rows."""
    value = READ["value"]
    names = [*value["functions"], *value["classes"], *value["methods"], *value["loggers"], *READ["awaitable"]]
    return [*names, *READ["loop"]["functions"], *(name for kind in READ["plain-callable"].values() for name in kind)]


def test_every_row_is_a_dotted_name():
    assert len(rows()) > 100
    assert [name for name in rows() if "." not in name or not all(map(str.isidentifier, name.split(".")))] == []


def test_what_the_standard_library_has_is_there():
    for name in rows():
        if name.partition(".")[0] not in ("anyio", "trio", "uvloop", "fastapi", "starlette", "aiohttp"):
            assert callable(pkgutil.resolve_name(name)), name


def test_a_contract_says_where_the_argument_goes():
    for table in (contracts.THREAD_TARGETS, contracts.EXECUTORS, contracts.SORTS, contracts.LOOP_CALLBACKS):
        for name, place in table.items():
            assert place.keyword, name
            assert place.position is None or place.position >= 0
    assert contracts.wants_value("json.dumps")
    assert not contracts.wants_value("mine.JSONResponse")
