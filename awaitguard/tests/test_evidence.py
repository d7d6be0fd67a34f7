"""A finding's evidence leads from line to line to what proves it."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from awaitguard.cli import app
from awaitguard.finding import Finding, Step
from awaitguard.memory import check_sources, resolver_of
from awaitguard.rules.evidence import evidence
from awaitguard.rules.registry import RULES

SHOP = {
    "shop/__init__.py": "from shop.core import create_cart as create_cart\n",
    "shop/core.py": (
        "import asyncio\n"
        "\n"
        "class Base:\n"
        "    async def save(self):\n"
        "        return 2\n"
        "\n"
        "class Cart(Base):\n"
        "    def total(self):\n"
        "        return 1\n"
        "\n"
        "def create_cart(user) -> Cart:\n"
        "    return Cart()\n"
        "\n"
        "async def load():\n"
        "    return 1\n"
        "\n"
        "def inner():\n"
        "    return asyncio.run(load())\n"
        "\n"
        "def load_now():\n"
        "    return inner()\n"
    ),
}


def proved(text: str) -> list[tuple[Finding, list[tuple[str, int]]]]:
    """The findings of a file beside the shop, and the places of their evidence."""
    files = {**SHOP, "app.py": text}
    resolver = resolver_of(files)
    found = [one for one in check_sources(files) if one.path == "app.py"]
    return [(one, [(step.path, step.line) for step in evidence(resolver, one)]) for one in found]


CASES = {
    "a re-export": (
        "from shop import create_cart\nasync def main():\n    return await create_cart('a')\n",
        [("app.py", 1), ("shop/__init__.py", 1), ("shop/core.py", 11), ("shop/core.py", 12), ("shop/core.py", 7)],
    ),
    "a receiver that a function makes, and a method of its base": (
        "from shop import create_cart\ndef main():\n    cart = create_cart('a')\n    cart.save()\n",
        [("app.py", 3), ("app.py", 1), ("shop/__init__.py", 1), ("shop/core.py", 11), ("shop/core.py", 12),
         ("shop/core.py", 7), ("shop/core.py", 3), ("shop/core.py", 4)],
    ),
    "a receiver by its annotation": (
        "from shop.core import Cart\nasync def main(cart: Cart):\n    return await cart.total()\n",
        [("app.py", 2), ("app.py", 1), ("shop/core.py", 7), ("shop/core.py", 8)],
    ),
    "an attribute that `__init__` sets": (
        "from shop.core import Cart\nclass Page:\n    def __init__(self):\n        self.cart = Cart()\n"
        "    async def show(self):\n        return await self.cart.total()\n",
        [("app.py", 2), ("app.py", 4), ("app.py", 1), ("shop/core.py", 7), ("shop/core.py", 8)],
    ),
    "a loop through two calls": (
        "from shop.core import load_now\nasync def main():\n    load_now()\n",
        [("app.py", 1), ("shop/core.py", 20), ("shop/core.py", 21), ("shop/core.py", 17), ("shop/core.py", 18), ("shop/core.py", 1)],
    ),
    "an async function that is given to a thread": (
        "import threading\nfrom shop.core import load\nthreading.Thread(target=load).start()\n",
        [("app.py", 2), ("shop/core.py", 14)],
    ),
    "columns behind letters of two bytes": (
        "from shop.core import load\nasync def main():\n    größe = 'ä'; größe = load()\n",
        [("app.py", 1), ("shop/core.py", 14)],
    ),
    "an override, and who awaits it": (
        "from shop.core import Base\nclass Disk(Base):\n    def save(self):\n        return 3\nasync def main(one: Base):\n    await one.save()\n",
        [("app.py", 3), ("app.py", 2), ("shop/core.py", 3), ("shop/core.py", 4), ("app.py", 6)],
    ),
    "a lock, and the await under it": (
        "import asyncio\nimport threading\nlock = threading.Lock()\nasync def main():\n    with lock:\n        print(1)\n        await asyncio.sleep(1)\n",
        [("app.py", 3), ("app.py", 2), ("app.py", 7)],
    ),
    "a coroutine that an async function returns": (
        "from shop.core import load\nasync def main():\n    print(1)\n    return load()\n",
        [("app.py", 1), ("shop/core.py", 14), ("app.py", 2)],
    ),
    "a name that isn't there": (
        "from shop.core import make\n",
        [("shop/core.py", 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_steps_lead_to_the_proof(name: str):
    text, wanted = CASES[name]
    found = proved(text)
    assert len(found) == 1, found
    places = [one for one in found[0][1] if not one[0].startswith("/")]
    assert set(wanted) <= set(places)
    assert [one for one in places if one in wanted] == wanted


@pytest.mark.parametrize("code", sorted(RULES))
def test_every_kind_of_finding_has_evidence_that_names_what_stands_there(code: str):
    files = RULES[code].files[0]
    resolver = resolver_of(files)
    for finding in [one for one in check_sources(files) if one.code == code]:
        steps = evidence(resolver, finding)
        assert steps or finding.line == 1
        for step in steps:
            assert says_what_is_there(files, step), step
        cause = finding.cause
        if cause is not None and cause.line and (cause.path, cause.line) != (finding.path, finding.line):
            assert (cause.path, cause.line) in {(step.path, step.line) for step in steps}


def says_what_is_there(files: dict[str, str], step: Step) -> bool:
    """Whether the line that a step points at has the names that the step says of it."""
    if step.path.startswith("/"):
        return Path(step.path).exists()
    if step.text.startswith("this "):
        return step.path in files
    line = files[step.path].splitlines()[step.line - 1]
    first = re.findall(r"`([^`(]+)", step.text)[0]
    return first.rpartition(".")[2] in line


def test_the_reports_have_it(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("")
    for path, text in {**SHOP, "app.py": CASES["a re-export"][0]}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    run = CliRunner().invoke(app, ["check", str(tmp_path), "--format", "json", "--no-cache"])
    (finding,) = json.loads(run.stdout)["findings"]
    assert [(one["path"], one["line"]) for one in finding["evidence"]] == CASES["a re-export"][1]
    text = CliRunner().invoke(app, ["check", str(tmp_path), "--no-cache"]).stdout
    assert "because shop/core.py:11  def create_cart(user) -> Cart:  (`create_cart` is defined" in text
    sarif = CliRunner().invoke(app, ["check", str(tmp_path), "--format", "sarif", "--no-cache"]).stdout
    related = json.loads(sarif)["runs"][0]["results"][0]["relatedLocations"]
    assert [one["physicalLocation"]["region"]["startLine"] for one in related[1:]] == [1, 1, 11, 12, 7]
