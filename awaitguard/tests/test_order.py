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
