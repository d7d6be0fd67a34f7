"""What makes it quick must not change what it finds."""

import shutil
import sysconfig
from pathlib import Path

import pytest

from awaitguard import engine, work
from awaitguard.config import Config
from awaitguard.engine import Outcome, run
from awaitguard.infer.resolver import Resolver
from awaitguard.rules.file_check import FileCheck
from awaitguard.rules.registry import GROUPS
from awaitguard.rules.rule import ALWAYS

LIBRARY = Path(sysconfig.get_paths()["stdlib"])
PACKAGES = ("asyncio", "concurrent", "http", "unittest")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages of the standard library, and every rule's bad and good example."""
    root = tmp_path_factory.mktemp("tree")
    for name in PACKAGES:
        shutil.copytree(LIBRARY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for group in GROUPS:
        for rule in group.rules:
            for kind, files in zip(("bad", "good"), rule.files, strict=True):
                for path, text in files.items():
                    target = root / "examples" / rule.code / kind / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(text)
    return root


def findings(root: Path, cache: Path | None = None) -> Outcome:
    return run(Config(root, cache=cache, hints=True), [root], jobs=1)._replace(seconds=0.0)


def test_calls_that_no_rule_cares_about_give_no_findings(tree: Path, monkeypatch: pytest.MonkeyPatch):
    quick = findings(tree)
    for group in GROUPS:
        monkeypatch.setattr(type(group), "cares", lambda *_: ALWAYS)
        monkeypatch.setattr(type(group), "in_coroutines", False)
    monkeypatch.setattr(FileCheck, "may_be", lambda *_: True)
    assert findings(tree) == quick
    assert len(quick.findings) > 50


def test_names_that_are_worked_out_once_mean_the_same_everywhere(tree: Path, monkeypatch: pytest.MonkeyPatch):
    quick = findings(tree)
    monkeypatch.setattr(Resolver, "held_name", lambda *_: None)
    assert findings(tree) == quick


def test_nothing_is_checked_again_if_nothing_changed(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    first = findings(tree, tmp_path)

    def unwanted(*_: object) -> None:
        raise AssertionError("read or checked again")

    monkeypatch.setattr(work, "summarise", unwanted)
    monkeypatch.setattr(engine, "check", unwanted)
    assert findings(tree, tmp_path) == first


def checked_again(
    sources: dict[str, str], changed: str, text: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The files that are checked again after a change that mends the one finding there is, in user.py."""
    for name, source in sources.items():
        (tree / name).write_text(source)
    cache = tree / ".cache"
    assert [one.path for one in findings(tree, cache).findings] == ["user.py"]
    checked: list[str] = []
    original = work.Checker.check
    monkeypatch.setattr(work.Checker, "check", lambda self, path: checked.append(path) or original(self, path))
    (tree / changed).write_text(text)
    assert findings(tree, cache).findings == []
    return sorted(checked)


def test_only_what_depends_on_a_change_is_checked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sources = {
        "core.py": "def load(key):\n    return {'key': key}\n",
        "user.py": "from core import load\n\nasync def main():\n    return await load(1)\n",
        "other.py": "def alone():\n    return 1\n\nalone()\n",
    }
    change = "async def load(key):\n    return {'key': key}\n"
    assert checked_again(sources, "core.py", change, tmp_path, monkeypatch) == ["core.py", "user.py"]


def test_new_subclasses_and_attributes_concern_only_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sources = {
        "core.py": "class Store:\n    def load(self):\n        return 1\n",
        "user.py": "from core import Store\n\ndef main(store: Store):\n    store.save()\n",
        "other.py": "def alone():\n    return 1\n\nalone()\n",
        "far.py": "x = 1\n",
    }
    change = "from core import Store\n\nStore.save = print\n\n\nclass Far(Near):\n    pass\n"
    assert checked_again(sources, "far.py", change, tmp_path, monkeypatch) == ["far.py", "user.py"]
