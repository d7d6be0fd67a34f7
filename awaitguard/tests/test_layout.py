"""Which part of the package may know which."""

import ast
from graphlib import CycleError, TopologicalSorter
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


ALL = frozenset(SOURCES.rglob("*.py"))


def dependencies(path: Path) -> set[Path]:
    """The modules of the package that one imports when it is loaded; imports for type checkers and in functions aside."""
    found: set[Path] = set()
    waiting: list[ast.stmt] = list(ast.parse(path.read_text("utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If | ast.Try) and "TYPE_CHECKING" not in ast.dump(node):
            waiting += [one for one in ast.walk(node) if isinstance(one, ast.ImportFrom | ast.Import)]
        elif isinstance(node, ast.ImportFrom | ast.Import):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for name in {above.rstrip("."), *(above + one.name for one in node.names)}:
                place = SOURCES.parent.joinpath(*name.split("."))
                found |= {file for file in (place.with_suffix(".py"), place / "__init__.py") if file in ALL}
    return found - {path}


def test_no_module_is_imported_in_a_circle():
    modules = {path: dependencies(path) for path in sorted(ALL)}
    assert sum(map(len, modules.values())) > 150
    try:
        tuple(TopologicalSorter(modules).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(path.relative_to(SOURCES).as_posix() for path in error.args[1]))
