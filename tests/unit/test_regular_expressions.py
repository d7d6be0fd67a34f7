"""Every regular expression of the tree is found here and held against text that makes backtracking grow.

None is listed by hand: a new one is tried from the moment it is written. The text is made of the expression's own
parts, since it is those that it can be made to go back over.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tests.harness.work import growth

ROOT = Path(__file__).parents[2]
METHODS = ("match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer")
TRIED_ELSEWHERE = {
    "netra_backend.app.agents.intents: pattern": "rules; test_intents.py::test_the_work_is_linear",
    "netra_backend.app.agents.answer_end: words": "a choice of words, in 100 characters",
    "netra_backend.app.agents.request_form: name": "the names of a request's parts, from a table; one each",
    "netra_backend.app.agents.request_form: f\"{part.replace('.', '.*')}|tools.*\\\\.{part}\" if part != 'tools' else"
    " 'tools?'": "a refusal's `param`, which is one name",
    "netra_backend.app.agents.thinking_tags: '[`~]+$'": "looked for in the last `_LONGEST` characters",
}
"""Expressions that are no constant where they are used, or that see a few characters: what tries or bounds them."""


@dataclass(frozen=True)
class Found:
    where: str
    compiled: re.Pattern[str]
    method: str

    @property
    def pattern(self) -> str:
        return self.compiled.pattern


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "netra_backend").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text())


def expressions() -> Iterator[Found]:
    for name, tree in modules():
        methods = used_methods(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            given = pattern_of(call)
            if given is None:
                continue
            pattern, method = given
            if f"{name}: {ast.unparse(pattern)}" in TRIED_ELSEWHERE:
                continue
            module = importlib.import_module(name)
            made = compiled(module, tree, call) or value(module, pattern)
            assert made is not None, f"{name}: {ast.unparse(pattern)}: name what tries this expression here"
            made = re.compile(made)
            for used in sorted(methods.get(call, {"search"}) if method == "compile" else {method}):
                yield Found(f"{name}:{call.lineno}", made, used)


def pattern_of(call: ast.Call) -> tuple[ast.expr, str] | None:
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "re":
        return (call.args[0], call.func.attr) if call.func.attr in {"compile", *METHODS} else None
    # Pydantic's and msgspec's constraints.
    return next(((keyword.value, "search") for keyword in call.keywords if keyword.arg == "pattern"), None)


def used_methods(tree: ast.Module) -> dict[ast.Call, set[str]]:
    """By `NAME = re.compile(…)`: how that name is used in its module, which private names are nowhere else."""
    named = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Call)
    }
    used: dict[ast.Call, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            call = named.get(ast.unparse(node.value).removeprefix("self."))
            if call is not None:
                used.setdefault(call, set()).add(node.attr)
    return used


def compiled(module: ModuleType, tree: ast.Module, call: ast.Call) -> re.Pattern[str] | None:
    """What `NAME = re.compile(…)` made, in the module or in one of its classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node.value is call and isinstance(node.targets[0], ast.Name):
            for home in (module, *(each for each in vars(module).values() if isinstance(each, type))):
                found = vars(home).get(node.targets[0].id)
                if isinstance(found, re.Pattern):
                    return found
    return None


def value(module: ModuleType, expression: ast.expr) -> str | None:
    try:
        return eval(compile(ast.Expression(expression), "<pattern>", "eval"), vars(module))
    except NameError:
        return None


# Text that an expression may be made to go back over: its own literals and one of each kind of character, repeated
# alone and in pairs, behind each of them, and with an end that fits nothing.


def parts_of(pattern: str) -> list[str]:
    signs = re.findall(r"(?<!\\)[-@:;,.!?*%=/<>\"'`$#&~|+(){}]", pattern)
    words = re.findall(r"(?<!\\)[A-Za-z]+", pattern)
    return list(dict.fromkeys(["a", "1", " ", ".", "-", *signs[:8], *words]))[:15]


def texts(pattern: str) -> Iterator[tuple[str, str]]:
    """(start, repeated): pairs of parts, and each part behind each other."""
    parts = parts_of(pattern)
    for part in parts:
        yield "", part
    for first, second in itertools.permutations(parts, 2):
        yield "", first + second
        yield first, second


def applied(found: Found) -> Callable[[str], object]:
    if found.method in {"sub", "subn"}:
        return lambda text: found.compiled.sub("", text)
    if found.method == "finditer":
        return found.compiled.findall
    method: Callable[[str], object] = getattr(found.compiled, found.method)
    return method


EXPRESSIONS = list(expressions())


def test_they_are_found() -> None:
    assert len({found.where for found in EXPRESSIONS}) > 20
    assert {"netra_backend.app.runs.redaction", "netra_backend.app.agents.calculator"} <= {
        found.where.rpartition(":")[0] for found in EXPRESSIONS
    }


@pytest.mark.parametrize(
    "found", EXPRESSIONS, ids=[f"{found.where.rpartition('app.')[2]}-{found.method}" for found in EXPRESSIONS]
)
def test_work_is_linear(found: Found) -> None:
    """Four times the text may cost about four times as much: what is quadratic costs sixteen times."""
    assert worst(applied(found), found.pattern) < 10


def worst(work: Callable[[str], object], pattern: str) -> float:
    """The largest growth that is found. Only what costs much more than a plain scan is measured with care."""
    plain = min(once(re.compile("(?:a|b)*c").match, "a" * 3_000) for _ in range(5))
    found = 0.0
    for start, repeated in texts(pattern):
        for end in ("", "\x01") if len(repeated) < 3 else ("\x01",):
            small, large = (start + repeated * (size // len(repeated)) + end for size in (750, 3_000))
            if once(work, large) > 60 * plain:
                found = max(found, growth(work, small, large))
                if found > 10:
                    return found
    return found


def once(work: Callable[[str], object], text: str) -> float:
    before = time.process_time()
    work(text)
    return time.process_time() - before


@pytest.mark.parametrize(
    "pattern", [r"\s*(?:[,;]|\band\b)+\s*(?=what)", r"a.*b", r"\s+$", r"(?:\s*\S+){1,4}\s*", r"key\W+\S+@"]
)
def test_the_trial_finds_what_is_not_linear(pattern: str) -> None:
    """The first is like the one that cost everybody a second for one message."""
    assert worst(re.compile(pattern).search, pattern) > 10


PAGE_HAS = {
    r"""/[&<>"']/g""",
    r"/^(?:https?:|mailto:)/i",
    r"/^language-[\w+#.-]+$/",
    r"/language-(\S+)/",
    r"/\n$/",
    r"/^\n/",
    r"/[*_~]/",
    r"/^(?: {0,3}(?:>|[*+-]|\d{1,9}[.)])[ \t]?){16}/",
    r"/\\\(|\\\[|\$/",
    r"/^(?:\\\[|\$\$)/m",
    r"/[\\^_={}<>]/",
    r"/^[A-Za-z]'*$/",
    r"/\d/",
    r"/\p{L}/u",
    r"/^openai:/",
    r"/^\/t\/([^/]+)$/",
    r"/^http/",
    r"/^\S*/",
    r"/^\n+/",
    r"/\s+/",
    r"/^[\w+#.-]+$/",
    r"/[\w$]/",
    r"/(Firefox|Edg|OPR|Chrome|Safari)\//",
    r"/(Windows|Android|iPhone|iPad|Mac OS X|Linux)/",
}
"""Those of the page, which see what models and users write. Each repeats one kind of character at most once."""


def test_the_page_has_only_expressions_that_repeat_one_kind_once() -> None:
    literal = re.compile(r"(?<=[(,:=] )/(?![/*])\S+?/[gimsuy]*(?=[,.)])|(?<=\()/(?![/*])\S+?/[gimsuy]*(?=[,.)])")
    for path in sorted((ROOT / "web" / "src").rglob("*.ts*")):
        if path.name == "protocol.ts":
            continue
        text = path.read_text()
        assert "new RegExp(" not in text, path.name
        for found in literal.findall(text):
            assert found in PAGE_HAS, f"{path.name}: {found}: look whether it is linear, then add it here"
            assert len(re.findall(r"[*+]", re.sub(r"\[[^]]*\]", "", found))) <= 1
