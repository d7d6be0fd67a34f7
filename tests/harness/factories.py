"""Reads a source tree for how the two factories are defined and called, without importing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

FACTORIES = ("get_websocket_manager", "create_websocket_manager")


@dataclass(frozen=True)
class Definition:
    """A function of one of the two names."""

    name: str
    path: Path
    is_async: bool
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A call of one of them, under whatever name the module knows it by."""

    name: str
    path: Path
    line: int
    awaited: bool


@dataclass(frozen=True)
class Import:
    """An import of one of them."""

    name: str
    path: Path
    module: str


def definitions(root: Path) -> list[Definition]:
    """Every definition in the tree, nested ones too."""
    return [
        Definition(
            node.name,
            path.relative_to(root),
            isinstance(node, ast.AsyncFunctionDef),
            tuple(argument.arg for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]),
        )
        for path, tree in _trees(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in FACTORIES
    ]


def calls(root: Path) -> list[Call]:
    """Every call in the tree, through aliases and attributes too."""
    found: list[Call] = []
    for path, tree in _trees(root):
        names = {name: name for name in FACTORIES}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                names |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in FACTORIES}
        awaited = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if called in names:
                found.append(Call(names[called], path.relative_to(root), node.lineno, id(node) in awaited))
    return found


def imports(root: Path) -> list[Import]:
    """Every import of one of them."""
    return [
        Import(alias.name, path.relative_to(root), node.module or "")
        for path, tree in _trees(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in FACTORIES
    ]


def wrong_calls(root: Path) -> list[str]:
    """Calls of the wrong colour: the sync factory awaited, or the async one not."""
    return [
        f"{call.path}:{call.line}: {call.name} is {'sync but awaited' if call.awaited else 'async but not awaited'}"
        for call in calls(root)
        if call.awaited != (call.name == "get_websocket_manager")
    ]


def _trees(root: Path) -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text())) for path in sorted(root.rglob("*.py"))]
