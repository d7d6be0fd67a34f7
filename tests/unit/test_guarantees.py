"""`docs/guarantees.md` puts each promise next to a test; this sees that the tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def test_every_test_that_a_promise_names_is_there() -> None:
    assert NAMED
    missing = [f"{path}::{name}" for path, name in NAMED if name not in _tests_of(ROOT / path)]
    assert missing == []


def test_every_promise_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert rows
    assert [row for row in rows if "::test_" not in row] == []


def _tests_of(path: Path) -> set[str]:
    assert path.exists(), f"{path.name} is gone"
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
