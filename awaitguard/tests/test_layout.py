"""Which part of the package may know which."""

import ast
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src" / "awaitguard"
# What each folder may import of this package, besides itself; the modules beside the folders may import everything.
MAY_KNOW = {
    "read": set[str](),
    "infer": {"read"},
    "rules": {"read", "infer", "finding"},
    "report": {"codes", "finding", "rules", "interfaces", "read", "version"},
    "testing": {"read", "infer"},
}


def imported(path: Path) -> set[str]:
    """The parts of the package that a module imports, for type checkers alone included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.update(
                [node.module] if node.module != "awaitguard" else [f"awaitguard.{one.name}" for one in node.names]
            )
        elif isinstance(node, ast.Import):
            names.update(one.name for one in node.names)
    return {name.split(".")[1] for name in names if name.startswith("awaitguard.")}


@pytest.mark.parametrize("folder", sorted(MAY_KNOW))
def test_a_folder_knows_only_what_stands_below_it(folder: str):
    modules = sorted((SOURCES / folder).rglob("*.py"))
    assert modules
    beyond = {path.name: imported(path) - MAY_KNOW[folder] - {folder} for path in modules}
    assert {name: parts for name, parts in beyond.items() if parts} == {}


def test_every_folder_is_named_here():
    assert {path.parent.name for path in SOURCES.glob("*/__init__.py")} == set(MAY_KNOW)
