"""Pairs of a wrong and a right form of the same code, in the text files of `pairs/`.

A pair begins with `== name CODE`; `typed` after the code says that annotations are what it is about. A line that ends
in `#!` is only in the wrong form and is where the finding belongs; `#=` is only in the right form; `#<` is in both and
is where the finding belongs because of a wrong line elsewhere; `#-` is only in the wrong form and no place of a finding.
`# file: path` starts another file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from awaitguard.finding import Finding
from awaitguard.memory import check_sources
from awaitguard.rules.rule import split_files

Files = dict[str, str]


class Pair(NamedTuple):
    name: str
    code: str
    is_typed: bool
    text: str


def read(path: Path) -> list[Pair]:
    """The pairs of one file."""
    found: list[Pair] = []
    for block in ("\n" + path.read_text(encoding="utf-8")).split("\n== ")[1:]:
        title, _, text = block.partition("\n")
        words = title.split()
        is_typed = words[-1] == "typed"
        code = words[-2] if is_typed else words[-1]
        found.append(Pair(title.rpartition(" " + code)[0], code, is_typed, text))
    return found


def variants(pair: Pair) -> Iterator[tuple[str, Files, Files, set[tuple[str, int]] | None]]:
    """The styles of a pair: name, wrong files, right files, and the places of the findings where they are known."""
    wrong = split_files(keep(pair.text, "!<-"))
    right = split_files(keep(pair.text, "=<"))
    marked_in = "<" if "#<" in pair.text else "!"
    lines = {
        (path, number)
        for path, text in wrong.items()
        for number, line in enumerate(text.splitlines(), 1)
        if line.rstrip().endswith("#" + marked_in)
    }
    yield "typed", wrong, right, lines
    if not pair.is_typed:
        bare = {path: untyped(text) for path, text in wrong.items()}
        if any(bare[path] != ast.unparse(ast.parse(text)) for path, text in wrong.items()):
            yield "untyped", bare, {path: untyped(text) for path, text in right.items()}, None


def keep(text: str, marks: str) -> str:
    """The lines that a form has: all without a mark, and those with one of `marks`."""
    lines = text.splitlines(keepends=True)
    return "".join(
        line for line in lines if line.rstrip()[-2:] not in ("#!", "#=", "#<", "#-") or line.rstrip()[-1] in marks
    )


class Untyper(ast.NodeTransformer):
    """Takes annotations out, except of the fields of classes, which some kinds are about."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None or getattr(node, "in_class", False):
            return node
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        for one in node.body:
            one.in_class = True
        self.generic_visit(node)
        return node


def untyped(text: str) -> str:
    return ast.unparse(ast.fix_missing_locations(Untyper().visit(ast.parse(text)))) + "\n"


PAIRS = [pair for path in sorted(Path(__file__).parent.glob("pairs/*.txt")) for pair in read(path)]
CASES = [
    pytest.param(pair, *variant[1:], id=f"{pair.code} {pair.name} ({variant[0]})")
    for pair in PAIRS
    for variant in variants(pair)
]


def shown(files: Files) -> list[Finding]:
    return [finding for finding in check_sources(files) if finding.level != "hint"]


@pytest.mark.parametrize(("pair", "wrong", "right", "places"), CASES)
def test_pair(pair: Pair, wrong: Files, right: Files, places: set[tuple[str, int]] | None):
    found = shown(wrong)
    assert any(finding.code.startswith(pair.code) for finding in found), "the mismatch is not reported"
    if places is not None:
        assert {(finding.path, finding.line) for finding in found} == places
    assert shown(right) == [], "the correct twin is reported"


def test_names_tell_pairs_apart():
    names = [(pair.code, pair.name) for pair in PAIRS]
    assert len(set(names)) == len(names)


def test_a_mark_that_is_forgotten_is_seen():
    pair = Pair(
        "x",
        "AG101",
        is_typed=False,
        text="def f(x: int) -> int:\n    return x\nasync def g():\n    await f(1)  #!\n    f(1)  #=\n",
    )
    styles = {style: (wrong, right, places) for style, wrong, right, places in variants(pair)}
    assert styles["typed"][2] == {("app.py", 4)}
    assert "await" in styles["typed"][0]["app.py"]
    assert "await" not in styles["typed"][1]["app.py"]
    assert "int" not in styles["untyped"][0]["app.py"]
