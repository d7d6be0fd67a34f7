"""What is found doesn't depend on the order of files, the number of processes, or what a cache holds."""

import random
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from awaitguard import engine
from awaitguard.config import Config
from awaitguard.engine import Outcome, run
from awaitguard.rules.rule import split_files

LIBRARY = Path(sysconfig.get_paths()["stdlib"])
PACKAGES = ("asyncio", "concurrent", "unittest")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages of the standard library, and the wrong form of every fourth pair: files that have much to ask each other."""
    root = tmp_path_factory.mktemp("tree")
    for name in PACKAGES:
        shutil.copytree(LIBRARY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for number, block in enumerate(blocks()[::4]):
        for path, text in split_files(block.partition("\n")[2]).items():
            target = root / "pairs" / f"p{number}" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(line for line in text.splitlines(True) if not line.endswith("#=\n")))
    return root


def blocks() -> list[str]:
    """The pairs of all files, as `test_pairs.py` reads them."""
    files = sorted(Path(__file__).parent.glob("pairs/*.txt"))
    return [block for path in files for block in ("\n" + path.read_text("utf-8")).split("\n== ")[1:]]


@pytest.fixture(scope="module")
def first(tree: Path) -> Outcome:
    outcome = check(tree)
    assert len(outcome.findings) > 50
    return outcome


def check(root: Path, jobs: int = 1, cache: Path | None = None) -> Outcome:
    return run(Config(root, cache=cache, hints=True), [root], jobs)._replace(seconds=0.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_files_changes_nothing(tree: Path, first: Outcome, seed: int, monkeypatch: pytest.MonkeyPatch):
    original = engine.batches

    def shuffled(items: Any, *sizes: int) -> Any:
        mixed = list(items)
        random.Random(seed).shuffle(mixed)
        return original(mixed, *sizes)

    monkeypatch.setattr(engine, "batches", shuffled)
    assert check(tree) == first


@pytest.mark.parametrize("jobs", [2, 5])
def test_the_number_of_processes_changes_nothing(tree: Path, first: Outcome, jobs: int):
    assert check(tree, jobs) == first


# Each link leads to the one before it, in a file of its own.
CHAINS = {
    "re-exports": ("def make():\n    return 1\n", "from m{0} import make\n"),
    "aliases": ("def make():\n    return 1\n", "from m{0} import make as other\nmake = other\n"),
    "results": ("def make():\n    return 1\n", "import m{0}\ndef make():\n    return m{0}.make()\n"),
    "stars": ("def make():\n    return 1\n", "from m{0} import *\n"),
    "classes": ("class Base:\n    def run(self):\n        return 1\nclass make(Base):\n    pass\n",
                "import m{0}\nclass make(m{0}.make):\n    pass\n"),
}  # fmt: skip


@pytest.mark.parametrize("length", [20, 45, 130])
@pytest.mark.parametrize("kind", CHAINS)
def test_a_long_way_is_as_good_as_a_short_one(kind: str, length: int, tmp_path: Path):
    start, link = CHAINS[kind]
    (tmp_path / "m000.py").write_text(start)
    for number in range(1, length):
        (tmp_path / f"m{number:03}.py").write_text(link.format(f"{number - 1:03}"))
    call = "make().run()" if kind == "classes" else "make()"
    # One is checked before all links, one after them.
    for name in ("before.py", "then.py"):
        (tmp_path / name).write_text(f"from m{length - 1:03} import make\nasync def main():\n    return await {call}\n")
    found = [(one.path, one.code, one.level) for one in check(tmp_path).findings if one.code.startswith("AG10")]
    assert found == [("before.py", *found[0][1:]), ("then.py", *found[0][1:])]


def test_a_circle_that_is_longer_than_any_way_ends(tmp_path: Path):
    for number in range(400):
        (tmp_path / f"m{number:03}.py").write_text(f"import m{(number + 1) % 400:03} as o\nmake = o.make\n")
    (tmp_path / "app.py").write_text("from m000 import make\nasync def main():\n    return await make()\n")
    assert [one.path for one in check(tmp_path).findings if one.code.startswith("AG10")] == []


def test_a_cache_that_holds_a_part_changes_nothing(tree: Path, first: Outcome, tmp_path: Path):
    root, cache = tmp_path / "tree", tmp_path / "cache"
    shutil.copytree(tree, root)
    changed = sorted(root.rglob("*.py"))[::7]
    texts = {path: path.read_text() for path in changed}
    for path in changed:
        path.write_text("")
    check(root, cache=cache)
    for path, text in texts.items():
        path.write_text(text)
    assert check(root, cache=cache) == first
    assert check(root, cache=cache) == first
