"""How sure a finding is: one function and its table, which the docs show."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from awaitguard.cli import app
from awaitguard.finding import LEVELS
from awaitguard.memory import check_sources
from awaitguard.rules import confidence as table
from awaitguard.rules.confidence import WORDS, confidence, mask_of, names_of
from awaitguard.rules.registry import RULES

ROOT = Path(__file__).parents[2]
JUDGING = Path(__file__).parents[1] / "judging"
PAGE = ROOT / "docs" / "awaitguard" / "confidence.md"
RULES_FOLDER = Path(table.__file__).parent
NAMES = {name: bit for bit, (name, _) in WORDS.items()}


def cells() -> list[tuple[str, str, str]]:
    """Each code with each assumption, and the level that the page's table says."""
    base = set(re.findall(r"AG\d+", PAGE.read_text().partition("`likely` at best:")[2].partition("\n\n")[0]))
    found: list[tuple[str, str, str]] = []
    for name, most, other in re.findall(r"^\| ([^|]+) \| [^|]+ \| (\w+) \| ([^|]*)\|$", PAGE.read_text(), re.MULTILINE):
        if name not in NAMES:
            continue
        levels = {
            code.strip(): level
            for level, codes in re.findall(r"(\w+): ([AG\d, ]+)", other)
            for code in codes.split(", ")
        }
        for code in RULES:
            level = levels.get(code, most)
            found.append((code, name, max(level, "likely" if code in base else "certain", key=LEVELS.index)))
    return found


def test_the_page_is_the_table():
    made = subprocess.run([sys.executable, JUDGING / "calibrate.py"], capture_output=True, text=True, check=True)
    assert made.stdout == PAGE.read_text()


def test_every_code_with_every_assumption_is_as_the_page_says():
    said = cells()
    assert len(said) == len(RULES) * len(WORDS)
    for code, name, level in said:
        assert confidence(code, NAMES[name]) == level, (code, name)


@pytest.mark.parametrize("code", sorted(RULES))
def test_one_more_assumption_never_makes_a_finding_surer(code: str):
    for first in WORDS:
        for second in WORDS:
            both = LEVELS.index(confidence(code, first | second))
            assert both >= LEVELS.index(confidence(code, first))


def test_no_rule_decides_a_level():
    for path in RULES_FOLDER.glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {one.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for one in node.names}
        if path.name != "confidence.py":
            assert not texts & set(LEVELS), path.name
            assert not names & {"CERTAIN", "LIKELY", "HINT"}, path.name


def test_a_bare_name_makes_nothing_certain():
    assert [code for code in RULES if confidence(code, table.BARE) == "certain"] == []


def test_names_and_masks_are_one():
    for bit, (name, _) in WORDS.items():
        assert mask_of([name]) == bit
        assert names_of(bit) == (name,)
    assert mask_of(names_of(table.BARE | table.PLACED)) == table.BARE | table.PLACED


def test_the_ledger_has_the_levels_of_the_table():
    for line in (JUDGING / "judged.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "assumed" in entry:
            assert entry["level"] == confidence(entry["code"], mask_of(entry["assumed"])), entry


ASSUMING = {
    "bare name": "async def load():\n    return 1\nasync def main(outbox):\n    outbox.send_json(load())\n",
    "overridable": (
        "class Store:\n    def load(self):\n        return 1\n    async def main(self):\n        return await self.load()\n"
        "class Disk(Store):\n    async def load(self):\n        return 2\n"
    ),
    "promised": (
        "from typing import Protocol\nclass Loads(Protocol):\n    def load(self) -> int:\n        ...\n"
        "async def main(store: Loads):\n    return await store.load()\n"
    ),
    "by use": "async def load():\n    return 1\ndef show(value):\n    return value + 1\nasync def main():\n    show(load())\n",
    "one of several": (
        "async def load():\n    return 1\nasync def main(fresh):\n    data = load() if fresh else 1\n    return data + 1\n"
    ),
    "a condition": (
        "import asyncio\nasync def load():\n    return 1\ndef now(fresh):\n    if fresh:\n        return asyncio.run(load())\n"
        "    return 1\nasync def main():\n    return now(1)\n"
    ),
    "declared": (
        "class Store:\n    def load(self):\n        return 1\nasync def main(store: Store):\n    return await store.load()\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ASSUMING))
def test_a_finding_says_what_it_took_for_granted(name: str):
    found = check_sources({"app.py": ASSUMING[name]})
    assert name in {one for finding in found for one in names_of(finding.assumed)}, found


LOADING = (
    "class Base:\n    async def load(self):\n        return 1\nclass Child(Base):\n    def load(self):\n        return 2\n"
    "class Page:\n    async def load(self):\n        return 1\n"
)


@pytest.mark.parametrize(
    ("caller", "level"),
    [
        ("", "likely"),
        ("async def main():\n    await Page().load()\n", "likely"),
        ("async def main(thing):\n    await thing.load()\n", "likely"),
        ("async def main(thing: Base):\n    await thing.load()\n", "certain"),
    ],
)
def test_only_a_caller_of_the_class_itself_makes_an_override_certain(caller: str, level: str):
    (found,) = check_sources({"app.py": LOADING + caller})
    assert (found.code, found.level) == ("AG204", level)


def test_a_caller_that_comes_or_goes_is_seen_with_a_warm_cache(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "base.py").write_text(LOADING)
    levels: list[str] = []
    for body in ("await thing.load()", "return thing", "await thing.load()"):
        (tmp_path / "app.py").write_text(f"from base import Base\nasync def main(thing: Base):\n    {body}\n")
        run = CliRunner().invoke(app, ["check", str(tmp_path), "--format", "json"])
        levels += [one["level"] for one in json.loads(run.stdout)["findings"]]
    assert levels == ["certain", "likely", "certain"]
