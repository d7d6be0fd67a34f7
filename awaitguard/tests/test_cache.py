"""A run with a cache says what one without says, and checks again no more than what asked for what changed."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from awaitguard import engine, work
from awaitguard.cache import Cache, freeze, maker
from awaitguard.config import Config
from awaitguard.engine import Outcome, run
from awaitguard.interfaces import find_interfaces

LIBRARY = Path(sysconfig.get_paths()["stdlib"])


def check(root: Path, cache: Path | None = None, roots: tuple[str, ...] = ()) -> Outcome:
    return run(Config(root, cache=cache, hints=True, roots=roots), [root], 1)._replace(seconds=0.0)


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are checked, as they are."""
    seen: list[str] = []
    original = work.Checker.check

    def note(self: work.Checker, path: str) -> work.Checked:
        seen.append(path)
        return original(self, path)

    monkeypatch.setattr(work.Checker, "check", note)
    return seen


# How much is checked again

SHOP = {
    "shop/__init__.py": "from shop.api import load\n",
    "shop/api.py": "from shop.core import load\n",
    "shop/core.py": (
        "import json\n\n\ndef helper(key):\n    text = str(key)\n    return text\n\n\n"
        "def load(key):\n    found = helper(key)\n    return {'found': found}\n\n\n"
        "def quiet():\n    count = 1\n    for number in range(3):\n        count = count + number\n    print(count)\n"
    ),
    "app.py": "from shop import load\n\n\nasync def main():\n    await load(1)\n",
    "job.py": "from shop import load\n\n\nasync def main():\n    load(1)\n",
    "late.py": "def main():\n    from shop.extra import thing\n    return thing\n",
    "pump.py": "import asyncio\n\n\ndef pump(job):\n    return asyncio.run(job)\n",
    "alone.py": "def alone():\n    return 1\n",
    "tests/test_shop.py": "async def test_shop(client):\n    await client.send()\n",
}
CORE = SHOP["shop/core.py"]
ASKING = ["app.py", "job.py", "shop/api.py"]  # for what the shop's core offers
CHANGES: dict[str, tuple[dict[str, str | None], list[str]]] = {
    "nothing": ({}, []),
    "a comment": ({"shop/core.py": CORE + "# done\n"}, []),
    "lines that move": ({"shop/core.py": "\n\n# moved\n\n" + CORE}, ["shop/core.py"]),
    "the body of a function": ({"shop/core.py": CORE.replace("count = count + number", "count = count.next(number)")}, ["shop/core.py"]),
    "more in a body": (
        {"shop/core.py": CORE.replace("    count = 1\n", "    count = 1\n    held = [count, str(count)]\n    print(held)\n")},
        ["shop/core.py"],
    ),
    "a value that is given another name": (
        {"shop/core.py": CORE.replace("    return text\n", "    if not text:\n        print('none')\n    return text\n")},
        ["shop/core.py"],
    ),
    "a signature": ({"shop/core.py": CORE.replace("load(key)", "load(key, more=1)")}, [*ASKING, "shop/core.py"]),
    "a colour": ({"shop/core.py": CORE.replace("def load", "async def load")}, [*ASKING, "shop/core.py"]),
    "what is given back": ({"shop/core.py": CORE.replace("return {'found': found}", "return helper")}, [*ASKING, "shop/core.py"]),
    "what helps with it": ({"shop/core.py": CORE.replace("return text", "return [text]")}, [*ASKING, "shop/core.py"]),
    "which functions are called": (
        # Only the one who asks, in a running loop, whether the call starts another one.
        {"shop/core.py": CORE.replace("    found = helper(key)\n", "    found = helper(key)\n    quiet()\n")},
        ["job.py", "shop/core.py"],
    ),
    "a file nobody asked for": ({"shop/new.py": "def new():\n    return 1\n"}, ["shop/new.py"]),
    "a file of a name of its own": ({"new.py": "from shop import load\n"}, ["new.py"]),
    "a module that was asked for and not found": (
        {"shop/extra.py": "thing = 1\n"}, ["late.py", "shop/extra.py"]),
    "a package in its place": (
        {"shop/extra/__init__.py": "thing = 1\n"}, ["late.py", "shop/extra/__init__.py"]),
    "a fixture that was asked for and not found": (
        {"conftest.py": "import pytest\n\n\n@pytest.fixture\ndef client():\n    return 1\n"},
        ["conftest.py", "tests/test_shop.py"],
    ),
    "a file of the name of another": ({"lib/alone.py": "x = 1\n"}, ["lib/alone.py"]),
    "a file of the name of the library's": ({"asyncio.py": "def run(job):\n    return job\n"}, ["asyncio.py", "pump.py"]),
    "a file that is gone, which nobody asked for": ({"alone.py": None}, []),
    "a file that is gone": ({"shop/api.py": None}, ["app.py", "job.py", "shop/__init__.py"]),
    "a file that is moved": ({"alone.py": None, "lib/single.py": SHOP["alone.py"]}, ["lib/single.py"]),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_asked_for_it_is_checked_again(change: str, tmp_path: Path, checked: list[str]):
    root, cache = tmp_path / "shop", tmp_path / "cache"
    write(root, SHOP)
    check(root, cache)
    assert sorted(checked) == sorted(SHOP)
    files, expected = CHANGES[change]
    for path, text in files.items():
        if text is None:
            (root / path).unlink()
        else:
            write(root, {path: text})
    checked.clear()
    outcome = check(root, cache)
    assert sorted(checked) == sorted(expected)
    assert outcome == check(root)
    checked.clear()
    assert check(root, cache) == outcome
    assert checked == []


def test_what_is_as_it_was_is_not_checked_again(tmp_path: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch):
    """Two branches with different bodies: going back and forth costs the file that differs."""
    root, cache = tmp_path / "shop", tmp_path / "cache"
    write(root, SHOP)
    check(root, cache)
    one, two = CORE, CORE.replace("count = count + number", "count = count.next(number)")
    write(root, {"shop/core.py": two})
    check(root, cache)
    checked.clear()
    # Both were read before.
    monkeypatch.setattr(work, "summarise", lambda _data: pytest.fail("a file was summarised again"))
    for text in (one, two, one):
        write(root, {"shop/core.py": text})
        check(root, cache)
    assert checked == ["shop/core.py"] * 3


def test_a_moved_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root, cache = tmp_path / "shop", tmp_path / "cache"
    write(root, SHOP)
    check(root, cache)
    monkeypatch.setattr(work, "summarise", lambda _data: pytest.fail("a file was summarised again"))
    (root / "shop").rename(root / "store")
    after = check(root, cache)
    monkeypatch.undo()
    assert after == check(root)


def test_a_cause_is_told_where_it_stands_now(tmp_path: Path, checked: list[str]):
    root, cache = tmp_path / "shop", tmp_path / "cache"
    write(root, SHOP)
    (first,) = [one for one in check(root, cache).findings if one.path == "app.py"]
    assert first.cause is not None
    assert first.cause.path == "shop/core.py"
    checked.clear()
    for lines in (3, 7, 0):
        write(root, {"shop/core.py": "\n" * lines + CORE})
        (found,) = [one for one in check(root, cache).findings if one.path == "app.py"]
        assert found.cause == first.cause._replace(line=first.cause.line + lines)
    assert set(checked) == {"shop/core.py"}


def test_a_cause_is_the_right_one_of_its_name(tmp_path: Path):
    """Of two definitions of one name the one that was meant is found again, though both moved."""
    root, cache = tmp_path / "shop", tmp_path / "cache"
    core = "import sys\nif sys.argv:\n    def load():\n        def load():\n            pass\n        return 1\nelse:\n    def load():\n        return 2\n"
    write(root, {"core.py": core, "app.py": "from core import load\nasync def main():\n    await load()\n"})
    check(root, cache)
    write(root, {"core.py": "\n\n" + core.replace("        return 1\n", "        print(1)\n        return 1\n")})
    assert check(root, cache) == check(root)


# What isn't in the files


def test_settings_of_the_project_are_asked_for(tmp_path: Path, checked: list[str]):
    """Configuration that says what is on the path, what git ignores, and what else stands beside the sources."""
    root, cache = tmp_path / "root", tmp_path / "cache"
    write(root, {
        "apps/acp/__init__.py": "", "apps/acp/core.py": "def load():\n    return 1\n",
        "apps/main.py": "from acp.core import lost\n", "other/main.py": "from acp.core import lost\nfrom acp.gone import x\n",
        "alone.py": "x = 1\n",
    })  # fmt: skip
    steps: list[Callable[[], object]] = [
        lambda: write(root, {"pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["apps"]\n'}),
        lambda: write(root, {".gitignore": "apps/acp/gone.py\n"}),
        lambda: write(root, {".gitignore": "", "pyproject.toml": ""}),
        lambda: write(root, {"apps/acp/gone.c": ""}),
        lambda: (root / "apps/acp/gone.c").unlink(),
        lambda: write(root, {"apps/setup.cfg": ""}),
    ]
    check(root, cache)
    for step in steps:
        step()
        checked.clear()
        assert check(root, cache) == check(root)
        assert checked.count("alone.py") == 1  # by the run without


def test_the_environment_is_asked_for(tmp_path: Path):
    """A library in the project's environment that changes, comes or goes."""
    root, cache = tmp_path / "root", tmp_path / "cache"
    library = root / ".venv/lib/python3.11/site-packages"
    write(
        root,
        {
            "app.py": "import helper\nclass Mine(helper.Base):\n    pass\nasync def main():\n    Mine().lost()\n    await Mine().run()\n"
        },
    )
    outcomes = [check(root, cache)]
    for text in (
        "class Base:\n    def run(self):\n        return 1\n",
        "class Base:\n    async def run(self):\n        return 1\n",
        "",
    ):
        write(library, {"helper.py": text})
        outcomes.append(check(root, cache))
        assert outcomes[-1] == check(root)
    shutil.rmtree(library)
    assert check(root, cache) == check(root) == outcomes[0]
    assert len({repr(one.findings) for one in outcomes}) > 1


def test_roots_are_asked_for(tmp_path: Path):
    write(tmp_path, {"apps/acp/core.py": "", "main.py": "from acp.core import lost\n", "pyproject.toml": ""})
    cache = tmp_path / ".cache"
    for roots in ((), ("apps",), ()):
        assert check(tmp_path, cache, roots) == check(tmp_path, None, roots)


def test_one_and_the_same_size_and_time(tmp_path: Path):
    """Content that changes without a trace in size or time of change, and files that take each other's place."""
    root, cache = tmp_path / "root", tmp_path / "cache"
    plain, waits = "def load():\n    return 1\n#----\n", "async def load():\n    return 1\n"
    assert len(plain) == len(waits)
    user = "from one import load\nasync def main():\n    await load()\n"
    write(root, {"one.py": plain, "two.py": waits, "app.py": user})
    for path in ("one.py", "two.py"):
        os.utime(root / path, (1, 1))
    assert [one.path for one in check(root, cache).findings if one.path == "app.py"] == ["app.py"]
    (root / "one.py").rename(root / "three.py")
    (root / "two.py").rename(root / "one.py")
    (root / "three.py").rename(root / "two.py")
    assert [one.path for one in check(root, cache).findings if one.path == "app.py"] == []
    (root / "one.py").write_text(plain)
    os.utime(root / "one.py", (1, 1))
    assert [one.path for one in check(root, cache).findings if one.path == "app.py"] == ["app.py"]


# Any sequence of changes

CODE = [
    "def load(key):\n    return key\n",
    "async def load(key):\n    return key\n",
    "def load(key, other):\n    found = make(key)\n    return found\n\ndef make(x):\n    return x\n",
    "async def make():\n    return 1\n\ndef load(key):\n    held = make()\n    return held\n",
    "class load:\n    def __init__(self, key):\n        self.key = key\n    async def run(self):\n        return self.key\n",
    "import sys\nif sys.argv:\n    def load(key):\n        return 1\nelse:\n    async def load(key):\n        return 1\n",
    "from shop.core import load\n",
    "from .core import load\n",
    "from .core import *\n",
    "from core import load as get_load\nload = get_load\n",
    "import shop.core as core\nload = core.load\n",
    "def __getattr__(name):\n    from shop.core import load\n    return load\n",
    "try:\n    from shop.fast import load\nexcept ImportError:\n    async def load(key):\n        return 1\n",
    "from shop import load\nasync def main():\n    await load(1)\n    load(2)\n    return await load(1).run()\n",
    "from shop.core import load\nasync def main():\n    await load(1)\n",
    "from core import load, missing\nasync def main():\n    await load(1)\n",
    "from shop.sub.core import load\nasync def main():\n    return f'{load(1)}'\n",
    "from shop import core, sub\nasync def main():\n    return await core.load(1), await sub.load(1)\n",
    "import asyncio\nasync def work():\n    pass\ndef go():\n    asyncio.run(work())\ndef load(key):\n    go()\n    return key\n",
    "import pytest\nfrom shop.core import load\n@pytest.fixture\ndef client():\n    return load(1)\n",
    "async def test_it(client):\n    await client\n    await client.run()\n",
    "from unittest.mock import AsyncMock\nfrom shop import core\ncore.load = AsyncMock()\n",
    "from shop.core import load\ndef test_it():\n    box = load(1)\n    box.run = lambda: 1\n",
    "from shop.core import load\nclass More(load):\n    def run(self):\n        return 2\n",
    "from shop.core import load\nkinds = (load,)\nclass More(*kinds):\n    pass\n",
    "import inspect\nfrom shop.core import load\ndef ask():\n    box = load(1)\n    return inspect.isawaitable(box.run())\n",
    "def broken(:\n",
    "",
]
DIRECTORIES = ["", "shop/", "shop/sub/", "tests/", "src/shop/", "examples/", "lib/"]
NAMES = ["__init__.py", "core.py", "api.py", "conftest.py", "test_x.py", "fast.py"]
PATHS = [directory + name for directory in DIRECTORIES for name in NAMES if directory or name != "__init__.py"]
OTHERS = {
    "pyproject.toml": ["", '[tool.pytest.ini_options]\npythonpath = ["lib", "tests"]\n'],
    ".gitignore": ["", "shop/fast.py\n"],
    "shop/fast.c": [""],
    "lib/setup.cfg": [""],
}
paths = st.sampled_from(PATHS)
# Lines and comments above, and bodies below that say nothing to others.
around = st.tuples(
    st.sampled_from(["", "\n\n", "# said\n"]), st.sampled_from(["", "\ndef _aside():\n    held = 1\n    return None\n"])
)


class Edits(RuleBasedStateMachine):
    """A project that somebody works on, with a run after each change."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory(prefix="awaitguard-edits-")
        self.root, self.cache = Path(self.place.name, "root"), Path(self.place.name, "cache")
        self.root.mkdir()

    @initialize()
    def begin(self) -> None:
        write(
            self.root,
            {
                "shop/__init__.py": CODE[7],
                "shop/core.py": CODE[0],
                "core.py": CODE[6],
                "api.py": CODE[13],
                "tests/test_x.py": CODE[20],
            },
        )

    @rule(path=paths, code=st.sampled_from(CODE), around=around)
    def edit(self, path: str, code: str, around: tuple[str, str]) -> None:
        write(self.root, {path: around[0] + code + around[1]})

    @rule(path=paths, lines=st.integers(1, 3))
    def push_down(self, path: str, lines: int) -> None:
        if (self.root / path).exists():
            write(self.root, {path: "\n" * lines + (self.root / path).read_text()})

    @rule(path=paths)
    def delete(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)

    @rule(path=paths, other=paths)
    def move(self, path: str, other: str) -> None:
        if (self.root / path).exists():
            (self.root / other).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).rename(self.root / other)

    @rule(directory=st.sampled_from(DIRECTORIES[1:]), other=st.sampled_from(DIRECTORIES[1:]))
    def move_all(self, directory: str, other: str) -> None:
        if (self.root / directory).is_dir() and not (self.root / other).exists():
            (self.root / other).parent.mkdir(parents=True, exist_ok=True)
            if not other.startswith(directory):
                (self.root / directory).rename(self.root / other)

    @rule(path=paths, other=paths)
    def swap(self, path: str, other: str) -> None:
        one, two = self.root / path, self.root / other
        if one.exists() and two.exists() and one != two:
            one.rename(self.root / "between")
            two.rename(one)
            (self.root / "between").rename(two)

    @rule(path=st.sampled_from(sorted(OTHERS)), number=st.integers(0, 1))
    def set_up(self, path: str, number: int) -> None:
        write(self.root, {path: OTHERS[path][number % len(OTHERS[path])]})

    @rule(path=st.sampled_from(sorted(OTHERS)))
    def take_down(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)

    @rule(table=st.sampled_from(["files", "summaries", "results", "runs"]), number=st.integers(0, 40))
    def damage(self, table: str, number: int) -> None:
        for path in self.cache.glob("*.sqlite"):
            connection = sqlite3.connect(path)
            with connection:
                connection.execute(
                    f"UPDATE {table} SET data = substr(data, 1, {number}) || x'00' || substr(data, {number} + 2)"
                    f" WHERE rowid = (SELECT rowid FROM {table} ORDER BY name LIMIT 1 OFFSET {number % 5})"
                )
            connection.close()

    @invariant()
    def a_run_with_the_cache_says_what_one_without_says(self) -> None:
        assert check(self.root, self.cache) == check(self.root)

    def teardown(self) -> None:
        self.place.cleanup()


TestEdits = Edits.TestCase
TestEdits.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)


@pytest.mark.parametrize("seed", [1, 2])
def test_edits_of_a_real_tree(seed: int, tmp_path: Path):
    """Files of the library that lose lines and functions, are pushed down, moved, swapped, put away and brought back."""
    root, cache = tmp_path / "tree", tmp_path / "cache"
    for package in ("asyncio", "concurrent"):
        shutil.copytree(LIBRARY / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    chance = random.Random(seed)
    away: list[tuple[Path, bytes]] = []
    check(root, cache)
    for _ in range(6):
        for _ in range(chance.randint(1, 3)):
            files = sorted(root.rglob("*.py"))
            one, two = chance.sample(files, 2)
            data = one.read_bytes()
            lines = data.splitlines(keepends=True)
            what = chance.choice(["colour", "drop", "push", "swap", "away", "back", "name"])
            if what == "colour":
                one.write_bytes(
                    data.replace(b"    async def ", b"    def ", 1)
                    if chance.random() < 0.5
                    else data.replace(b"\ndef ", b"\nasync def ", 2)
                )
            elif what == "drop" and lines:
                del lines[chance.randrange(len(lines))]
                one.write_bytes(b"".join(lines))
            elif what == "push":
                one.write_bytes(b"# pushed\n" * chance.randint(1, 4) + data)
            elif what == "swap":
                one.write_bytes(two.read_bytes())
                two.write_bytes(data)
            elif what == "away":
                away.append((one, data))
                one.unlink()
            elif what == "back" and away:
                path, old = away.pop()
                path.write_bytes(old)
            else:
                one.rename(one.with_name(f"other_{one.name}"))
        assert check(root, cache) == check(root)


# Broken, foreign and shared caches


def cache_file(cache: Path) -> Path:
    (path,) = cache.glob("*.sqlite")
    return path


@pytest.fixture
def warm(tmp_path: Path) -> tuple[Path, Path, Outcome]:
    root, cache = tmp_path / "root", tmp_path / "cache"
    write(root, SHOP)
    return root, cache, check(root, cache)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_cache_that_is_cut_off(share: float, warm: tuple[Path, Path, Outcome]):
    root, cache, outcome = warm
    path = cache_file(cache)
    for left in (*cache.glob("*-wal"), *cache.glob("*-shm")):
        left.unlink()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert check(root, cache) == outcome
    write(root, {"app.py": SHOP["app.py"] + "\n"})
    assert check(root, cache) == check(root)


@pytest.mark.parametrize("seed", range(12))
def test_a_cache_with_other_bytes_in_it(seed: int, warm: tuple[Path, Path, Outcome]):
    root, cache, outcome = warm
    path = cache_file(cache)
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    start = chance.randrange(len(data))
    data[start : start + 600] = chance.randbytes(min(600, len(data) - start))
    path.write_bytes(data)
    assert check(root, cache) == outcome
    write(root, {"app.py": SHOP["app.py"] + "\n", "shop/core.py": CORE + "\n\ndef more():\n    return 1\n"})
    assert check(root, cache) == check(root)


@pytest.mark.parametrize("table", ["files", "summaries", "results"])
def test_rows_that_took_each_others_places(table: str, warm: tuple[Path, Path, Outcome]):
    """As a damaged index gives them: whole, and under another name."""
    root, cache, outcome = warm
    connection = sqlite3.connect(cache_file(cache))
    with connection:
        rows = connection.execute(f"SELECT name, data FROM {table} ORDER BY name").fetchall()
        for (name, _), (_, data) in zip(rows, rows[1:] + rows[:1], strict=True):
            connection.execute(f"UPDATE {table} SET data = ? WHERE name = ?", (data, name))
        connection.execute("DELETE FROM runs")
    connection.close()
    assert check(root, cache) == outcome
    write(root, {"shop/core.py": CORE.replace("def load", "async def load")})
    assert check(root, cache) == check(root)


@pytest.mark.parametrize("table", ["files", "summaries", "results", "runs"])
@pytest.mark.parametrize("value", [None, 7, "text", b"", b"\0" * 40, "gone"])
def test_rows_that_are_something_else(table: str, value: object, warm: tuple[Path, Path, Outcome]):
    root, cache, outcome = warm
    connection = sqlite3.connect(cache_file(cache))
    with connection:
        if value == "gone":
            connection.execute(f"DROP TABLE {table}")
        else:
            connection.execute(f"UPDATE {table} SET data = ?", (value,))
    connection.close()
    assert check(root, cache) == outcome
    write(root, {"shop/core.py": CORE.replace("def load", "async def load")})
    assert check(root, cache) == check(root)


def test_damaged_summaries_are_made_anew_and_kept(warm: tuple[Path, Path, Outcome], monkeypatch: pytest.MonkeyPatch):
    root, cache, _ = warm
    connection = sqlite3.connect(cache_file(cache))
    with connection:
        connection.execute("UPDATE summaries SET data = x'00'")
    connection.close()
    assert find_interfaces(Config(root, cache=cache), [root], "load") == find_interfaces(Config(root), [root], "load")
    monkeypatch.setattr(work, "summarise", lambda _data: pytest.fail("a file was summarised again"))
    find_interfaces(Config(root, cache=cache), [root], "load")


def test_what_another_version_kept_is_not_believed(warm: tuple[Path, Path, Outcome], monkeypatch: pytest.MonkeyPatch):
    root, cache, outcome = warm
    connection = sqlite3.connect(cache_file(cache))
    lies = {"results": (b"", (), b"", ()), "runs": ([], b"", b""), "files": ("", b"", b"", (b"", b"", b"", b""), "")}
    with connection:
        for table, lie in lies.items():
            for (name,) in connection.execute(f"SELECT name FROM {table}").fetchall():
                connection.execute(f"UPDATE {table} SET data = ? WHERE name = ?", (freeze(name, lie), name))
    connection.close()
    monkeypatch.setattr("awaitguard.cache.__version__", "0.0.1")
    assert check(root, cache) == outcome
    assert len(list(cache.glob("*.sqlite"))) == 2


def test_another_module_or_data_file_makes_another_version(tmp_path: Path):
    package = tmp_path / "awaitguard"
    write(package, {"cli.py": "", "rules/contracts.toml": "a = 1\n"})
    first = maker(package)
    write(package, {"__pycache__/cli.pyc": "", "rules/__pycache__/x.pyc": ""})
    assert maker(package) == first
    write(package, {"rules/contracts.toml": "a = 12\n"})
    second = maker(package)
    write(package, {"rules/new.py": ""})
    assert len({first, second, maker(package)}) == 3


def test_what_other_versions_left_goes_after_a_while(tmp_path: Path):
    cache = tmp_path / "cache"
    cache.mkdir()
    for name, age in (("cache-old.sqlite", 30), ("cache-old.sqlite-wal", 30), ("cache-young.sqlite", 2)):
        (cache / name).write_bytes(b"")
        when = (cache / name).stat().st_mtime - age * 24 * 3600
        os.utime(cache / name, (when, when))
    with Cache(cache) as made:
        assert {path.name for path in cache.glob("*.sqlite*")} >= {"cache-young.sqlite", Path(made.path).name}
    assert not list(cache.glob("cache-old*"))


def test_a_cache_that_is_full_or_locked_is_done_without(
    warm: tuple[Path, Path, Outcome], monkeypatch: pytest.MonkeyPatch
):
    root, cache, _ = warm
    write(root, {"shop/core.py": CORE.replace("def load", "async def load")})

    class Full(Cache):
        def open(self, path: str) -> bool:
            opened = super().open(path)
            self.connection.execute("PRAGMA max_page_count = 1")
            return opened

    monkeypatch.setattr(engine, "Cache", Full)
    assert check(root, cache) == check(root)
    monkeypatch.undo()
    assert check(root, cache) == check(root)


def test_a_source_that_changes_while_it_is_checked(warm: tuple[Path, Path, Outcome], monkeypatch: pytest.MonkeyPatch):
    """Whatever such a run says, the next one says what is true."""
    root, cache, _ = warm
    changed = CORE.replace("def load", "async def load")
    original = engine.check

    def late(cache: Cache, *arguments: object) -> object:
        cache.connection.execute("DELETE FROM summaries")  # so that sources are read again
        write(root, {"shop/core.py": changed})
        return original(cache, *arguments)

    write(root, {"app.py": SHOP["app.py"] + "\n\nasync def more():\n    await load(2)\n"})
    monkeypatch.setattr(engine, "check", late)
    check(root, cache)
    monkeypatch.undo()
    assert check(root, cache) == check(root)
    write(root, {"shop/core.py": CORE})
    assert check(root, cache) == check(root)


def test_a_cache_that_loses_its_summaries_while_it_is_used(
    warm: tuple[Path, Path, Outcome], monkeypatch: pytest.MonkeyPatch
):
    """The result stands, its cause has moved, and nobody can say where to: it is checked again."""
    root, cache, _ = warm
    original = engine.check

    def without(cache: Cache, *arguments: object) -> object:
        cache.connection.execute("DELETE FROM summaries")
        return original(cache, *arguments)

    write(root, {"shop/core.py": "\n\n\n" + CORE})
    monkeypatch.setattr(engine, "check", without)
    assert check(root, cache) == check(root)
    monkeypatch.undo()
    assert check(root, cache) == check(root)


def test_runs_at_one_time_while_files_change(tmp_path: Path):
    """Several processes on one cache, on a tree that changes under them: what they leave is no lie."""
    root, cache = tmp_path / "root", tmp_path / "root" / ".awaitguard_cache"
    write(root, {**SHOP, "pyproject.toml": ""})
    command = [sys.executable, "-m", "awaitguard", "check", ".", "--jobs", "1", "--exit-zero"]
    codes: list[int] = []

    def go() -> None:
        for _ in range(2):
            done = subprocess.run(
                command, cwd=root, capture_output=True, check=False, env={**os.environ, "PYTHONSAFEPATH": "1"}
            )
            codes.append(done.returncode)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    number = 0
    while any(thread.is_alive() for thread in threads):
        number += 1
        write(root, {"shop/core.py": CORE if number % 2 else CORE.replace("def load", "async def load")})
        threads[0].join(0.02)
    assert codes == [0] * 4
    assert check(root, cache) == check(root)
