"""Questions about pieces of syntax that need nothing but the tree."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import Any, Final, cast

from awaitguard.read.constants import Constants
from awaitguard.read.naming import dotted_name
from awaitguard.read.nodes import (
    Assign,
    AsyncFunctionDef,
    Attribute,
    Call,
    ClassDef,
    Compare,
    Constant,
    Dict,
    Eq,
    Expr,
    FunctionDef,
    If,
    Import,
    ImportFrom,
    Is,
    Lambda,
    Name,
    Not,
    Pass,
    Raise,
    Starred,
    Tuple,
    UnaryOp,
    Yield,
    YieldFrom,
)

DELIBERATE_ERRORS: Final = frozenset({"TypeError", "AttributeError", "RuntimeError", "RuntimeWarning", "Exception",
    "BaseException", "ImportError", "ModuleNotFoundError"})  # fmt: skip
RUNS: Final = frozenset({"run", "run_until_complete"})
RAISES: Final = frozenset({"raises", "assertRaises", "assertRaisesRegex", "warns", "assertWarns", "assertWarnsRegex"})


def equality(test: ast.expr) -> tuple[str, Any] | None:
    """`name == constant`."""
    if type(test) is Compare and len(test.ops) == 1 and type(test.ops[0]) is Eq:
        left, right = test.left, test.comparators[0]
        if type(left) is Name and type(right) is Constant and isinstance(right.value, str | int):
            return left.id, right.value
    return None


def caught_names(node: ast.expr | None) -> list[str]:
    """The last parts of the exception names that a handler catches; a bare except catches everything."""
    if node is None:
        return ["BaseException"]
    parts = node.elts if type(node) is Tuple else [node]
    return [dotted_name(part).rpartition(".")[2] for part in parts]


def expects_error(context: ast.expr) -> bool:
    """`with pytest.raises(TypeError)` and its kin: what is inside is wrong on purpose."""
    if type(context) is not Call:
        return False
    name = dotted_name(context.func).rpartition(".")[2]
    if name == "RaisesGroup":
        return True
    if name in ("patch", "object"):
        # `with patch("shop.Client.__init__", return_value=None)`: what takes no arguments now.
        texts = [str(one.value) for one in context.args[:2] if type(one) is Constant]
        return any(text.endswith("__init__") for text in texts)
    if name not in RAISES and name != "suppress":
        return False
    names = {dotted_name(part).rpartition(".")[2] for one in context.args[:2] for part in
             (one.elts if type(one) is Tuple else [one])}  # fmt: skip
    return bool(names & DELIBERATE_ERRORS) or (name in RAISES and not context.args)


def is_raises(context: ast.expr) -> bool:
    """`with pytest.raises(...)` and its kin, whatever error it is about."""
    return type(context) is Call and dotted_name(context.func).rpartition(".")[2] in RAISES | {"RaisesGroup"}


def falls_back(node: ast.Try) -> bool:
    """`try: await f() except TypeError: f()`: the code tries one colour and falls back to the other."""
    for handler in node.handlers:
        if {"TypeError", "AttributeError"} & set(caught_names(handler.type)):
            again = called_names(handler.body)
            if again and again & called_names(node.body):
                return True
    return False


def may_fail(node: ast.Try) -> bool:
    """Whether a single statement stands in a `try` that names the errors of wrong calls: it is known to fail at times."""
    caught = {name for handler in node.handlers if handler.type is not None for name in caught_names(handler.type)}
    return len(node.body) == 1 and bool({"TypeError", "AttributeError"} & caught)


def constant_truth(test: ast.expr, constants: Constants) -> bool | None:
    """Whether a condition is a constant, of the module too, or the opposite of one."""
    if type(test) is Constant and type(test.value) in (bool, int):
        return bool(test.value)
    if type(test) is UnaryOp and type(test.op) is Not:
        inner = constant_truth(test.operand, constants)
        return None if inner is None else not inner
    return constants.get(test.id) if type(test) is Name else None


def is_skipped(decorator: ast.expr, constants: Constants) -> bool:
    """`@unittest.skipUnless(not _IS_SYNC, ...)`, where a constant says that the test never runs, or one that is to fail."""
    called = decorator.func if type(decorator) is Call else decorator
    if dotted_name(called).rpartition(".")[2] in ("xfail", "expectedFailure"):
        return True
    if type(decorator) is not Call or not decorator.args:
        return False
    skips = {"skipIf": True, "skipUnless": False}.get(dotted_name(decorator.func).rpartition(".")[2])
    return skips is not None and constant_truth(decorator.args[0], constants) is skips


def has_yield(body: list[ast.stmt]) -> bool:
    """Whether statements contain a yield of the function that they stand in."""
    left: list[ast.AST] = list(body)
    while left:
        node = left.pop()
        if type(node) in (Yield, YieldFrom):
            return True
        if type(node) not in (FunctionDef, AsyncFunctionDef, Lambda, ClassDef):
            left.extend(ast.iter_child_nodes(node))
    return False


def only_imports(body: list[ast.stmt]) -> bool:
    """Whether a try block does little else than import."""
    if type(body[0]) not in (Import, ImportFrom):
        return False
    return all(type(one) in (Import, ImportFrom, Assign, Pass) for one in body) or len(body) == 2


def called_names(body: list[ast.stmt]) -> set[str]:
    names = {dotted_name(part.func) for statement in body for part in ast.walk(statement) if type(part) is Call}
    return {name for name in names if name and not name.startswith(("print", "log", "self.log", "str", "isinstance"))}


def decorator_names(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [dotted_name(one).rpartition(".")[2] for one in node.decorator_list]


def is_stub(body: list[ast.stmt]) -> bool:
    """A body that only says that something else does the work."""
    for statement in body:
        kind = type(statement)
        if kind is Pass or (kind is Expr and type(cast("ast.Expr", statement).value) is Constant):
            continue
        if kind is Raise:
            raised = cast("ast.Raise", statement).exc
            name = dotted_name(raised.func if type(raised) is Call else raised) if raised else ""
            return name.rpartition(".")[2].startswith("NotImplemented") or "Abstract" in name
        return False
    return True


def asks_version(test: ast.expr) -> bool:
    """Whether a condition is about the version of Python or of a library, or about type checking."""
    left: list[ast.AST] = [test]
    while left:
        node = left.pop()
        name = node.attr if type(node) is Attribute else node.id if type(node) is Name else ""
        if "version" in name.lower() or name == "TYPE_CHECKING" or name.startswith("PY"):
            return True
        left.extend(ast.iter_child_nodes(node))
    return False


def hands_on(node: ast.FunctionDef | ast.AsyncFunctionDef, others: Collection[str]) -> str:
    """Which of `others` a wrapper hands all its parameters on to, in order, and does nothing else with them; or nothing."""
    given = node.args
    if not given.vararg or not given.kwarg or given.kwonlyargs:
        return ""
    names = [one.arg for one in (*given.posonlyargs, *given.args)] + [given.vararg.arg, given.kwarg.arg]
    uses = handed = 0
    called = ""
    for part in ast.walk(node):
        if type(part) is Name and part.id in names:
            uses += 1
        elif type(part) is Call and type(part.func) is Name and part.func.id in others:
            passed = [one.value if type(one) is Starred else one for one in part.args]
            passed += [one.value for one in part.keywords if one.arg is None]
            texts = [one.id if type(one) is Name else "" for one in passed]
            if (
                texts != names
                or len(passed) != len(part.args) + len(part.keywords)
                or type(part.args[-1]) is not Starred
                or called not in ("", part.func.id)
            ):
                return ""
            called = part.func.id
            handed += 1
    return called if uses == handed * len(names) else ""


def never_returning(body: list[ast.stmt], owner: str = "") -> Iterator[str]:
    """The functions that are declared to give NoReturn or Never; methods as `Class.method`."""
    for one in body:
        if type(one) is ClassDef:
            yield from never_returning(one.body, one.name + ".")
        elif type(one) is FunctionDef:
            declared = dotted_name(one.returns).rpartition(".")[2] if one.returns is not None else ""
            if declared in ("NoReturn", "Never"):
                yield owner + one.name


def tests_of(node: ast.If) -> Iterator[ast.expr]:
    """The conditions of an `if` and its `elif`s."""
    yield node.test
    while len(node.orelse) == 1:
        inner = node.orelse[0]
        if type(inner) is not If:
            return
        yield inner.test
        node = inner


def tested_class(test: ast.expr) -> tuple[str, ast.expr | None]:
    """The name and the one class that `isinstance(name, Class)` asks about."""
    if type(test) is Call and type(test.func) is Name and test.func.id == "isinstance" and len(test.args) == 2:
        value, kind = test.args
        if type(value) is Name and type(kind) in (Name, Attribute):
            return value.id, kind
    return "", None


def tested_for_none(node: ast.expr) -> str:
    """The name that `name is None` or `not name` asks about."""
    if type(node) is UnaryOp and type(node.op) is Not and type(node.operand) is Name:
        return node.operand.id
    if (
        type(node) is Compare
        and type(node.left) is Name
        and type(node.ops[0]) is Is
        and type(node.comparators[0]) is Constant
        and node.comparators[0].value is None
    ):
        return node.left.id
    return ""


def lazy_names(table: ast.expr | None) -> Iterator[tuple[str, str]]:
    """Names and the modules that have them, in a dict such as `{"Agent": ".agents"}` or `{"Agent": (".agents", "Agent")}`.

    Only what surely names a module: it begins with a dot, or has one inside and stands beside the name.
    """
    if type(table) is not Dict:
        return
    for key, value in zip(table.keys, table.values, strict=True):
        parts = value.elts if type(value) is Tuple else [value]
        texts = [one.value for one in (key, *parts) if type(one) is Constant and isinstance(one.value, str)]
        if len(texts) != len(parts) + 1 or len(texts) > 3:
            return
        name, module = texts[0], texts[1]
        if (len(texts) == 3 and texts[2] != name) or not name.isidentifier():
            continue
        if all(part.isidentifier() for part in module.lstrip(".").split(".")) and (
            module.startswith(".") or len(texts) == 3
        ):
            yield name, module


def telling_properties(node: ast.ClassDef) -> Iterator[str]:
    """The properties of a class that are async, or that run a loop when they are read."""
    for one in node.body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and {"property", "cached_property"} & set(
            decorator_names(one)
        ):
            runs = (type(inner) is Attribute and inner.attr in RUNS for inner in ast.walk(one))
            if type(one) is AsyncFunctionDef or any(runs):
                yield one.name
