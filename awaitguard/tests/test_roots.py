"""Which directories an absolute import may mean, by what is on record and not by their names alone."""

from pathlib import Path

import pytest

from awaitguard.config import Config
from awaitguard.engine import run

TREE = {
    "apps/acp/__init__.py": "",
    "apps/acp/tools.py": "def run():\n    return 1\n",
    "apps/acp/deep/main.py": "from acp import Agent\nimport acp.schema\n",
}


def levels(root: Path, files: dict[str, str], roots: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    for path, text in {**TREE, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    outcome = run(Config(root, cache=None, roots=roots), [root], 1)
    return {(one.code, one.level) for one in outcome.findings}


HINTS = {("AG302", "hint"), ("AG301", "hint")}
CERTAIN = {("AG302", "certain"), ("AG301", "certain")}


def test_a_directory_of_a_librarys_name_is_no_package_root(tmp_path: Path):
    assert levels(tmp_path, {}) == HINTS


@pytest.mark.parametrize(
    "files",
    [
        {"apps/pyproject.toml": ""},
        {"apps/setup.py": ""},
        {"apps/setup.cfg": ""},
        {"apps/conftest.py": ""},
        {"pyproject.toml": "[tool.setuptools.packages.find]\nwhere = ['apps']\n"},
        {"pyproject.toml": "[tool.setuptools.package-dir]\n'' = 'apps'\n"},
        {"pyproject.toml": "[tool.hatch.build.targets.wheel]\npackages = ['apps/acp']\n"},
        {"pyproject.toml": "[[tool.poetry.packages]]\ninclude = 'acp'\nfrom = 'apps'\n"},
        {"pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.', 'apps']\n"},
        {"pyproject.toml": "[tool.pytest.ini_options]\npythonpath = '. apps'\n"},
        {"pyproject.toml": "[tool.mypy]\nmypy_path = 'stubs:apps'\n"},
        {"pyproject.toml": "[tool.pyright]\nextraPaths = ['./apps']\n"},
        {"apps/other/__init__.py": "from acp.tools import run\n"},
        {"apps/other/__init__.py": "import acp.tools\n"},
        {"elsewhere.py": "from acp import tools\n"},
    ],
    ids=lambda files: " ".join(f"{path} {text}".strip() for path, text in files.items()),
)
def test_what_puts_a_directory_on_the_path(tmp_path: Path, files: dict[str, str]):
    assert levels(tmp_path, files) == CERTAIN


def test_the_configuration_puts_a_directory_on_the_path(tmp_path: Path):
    assert levels(tmp_path, {}, roots=("apps",)) == CERTAIN


def test_a_script_sees_what_stands_beside_it(tmp_path: Path):
    assert (
        levels(tmp_path, {"apps/acp/deep/main.py": "", "apps/start.py": "from acp import Agent\nimport acp.schema\n"})
        == CERTAIN
    )


@pytest.mark.parametrize(
    "text", ["[tool.pyright]\nextraPaths = 3\n", "[tool]\nmypy = 'x'\n", "[", "[[tool.poetry.packages]]\nfrom = 3\n"]
)
def test_a_configuration_that_says_nothing_of_it(tmp_path: Path, text: str):
    assert levels(tmp_path, {"pyproject.toml": text}) == HINTS


def test_an_import_that_finds_nothing_is_no_evidence(tmp_path: Path):
    assert levels(tmp_path, {"elsewhere.py": "from acp import Other\nimport acp.more\n"}) == HINTS


def test_a_package_at_the_root_or_in_src_is_one(tmp_path: Path):
    files = {
        "apps/acp/deep/main.py": "",
        "src/shop/__init__.py": "",
        "src/shop/main.py": "from shop import gone\n",
        "store/__init__.py": "",
    }
    assert levels(tmp_path, {**files, "store/main.py": "from store import gone\n"}) == {("AG302", "certain")}
