"""Generated and mutated Python: never a crash."""

import ast
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awaitguard.memory import check_sources
from awaitguard.read.source import summarise

NAMES = st.sampled_from(
    ["load", "Store", "x", "self", "asyncio", "main", "print", "gather", "create_task", "data", "__init__"]
)


def expressions() -> st.SearchStrategy[str]:
    return st.recursive(
        NAMES | st.sampled_from(["1", "'a'", "None", "[]", "{}", "..."]),
        lambda inner: st.one_of(
            st.builds("{}({})".format, inner, inner),
            st.builds("{}.{}".format, NAMES, NAMES),
            st.builds("({}).{}".format, inner, NAMES),
            st.builds("({})[{}]".format, inner, inner),
            st.builds("(await {})".format, inner),
            st.builds("(lambda {}=1: {})".format, NAMES, inner),
            st.builds("[{} async for {} in {}]".format, inner, NAMES, inner),
            st.builds("{{{}: {}}}".format, inner, inner),
            st.builds("({} if {} else {})".format, inner, inner, inner),
            st.builds("(x := {})".format, inner),
            st.builds("f'{{{}!r:>3}}'".format, NAMES),
            st.builds("{}(*{}, **{}, key={})".format, NAMES, inner, inner, inner),
            st.builds("({} and {} or not {})".format, inner, inner, inner),
        ),
        max_leaves=8,
    )


def statements() -> st.SearchStrategy[str]:
    line = st.one_of(
        st.builds("{} = {}".format, NAMES, expressions()),
        st.builds("{}".format, expressions()),
        st.builds("return {}".format, expressions()),
        st.builds("self.{} = {}".format, NAMES, expressions()),
        st.builds("x: {} = {}".format, expressions(), expressions()),
        st.builds("import {} as {}".format, NAMES, NAMES),
        st.builds("from {} import {}".format, NAMES, NAMES),
        st.builds("global {}".format, NAMES),
        st.just("yield 1"),
        st.just("raise"),
    )
    return st.recursive(
        st.lists(line, min_size=1, max_size=3).map("\n".join),
        lambda inner: st.one_of(
            st.builds("async def {}({}=1, *args, **kwargs):\n{}".format, NAMES, NAMES, inner.map(indent)),
            st.builds("@{}\ndef {}(self):\n{}".format, expressions(), NAMES, inner.map(indent)),
            st.builds("class {}({}):\n{}".format, NAMES, expressions(), inner.map(indent)),
            st.builds("if {}:\n{}\nelse:\n{}".format, expressions(), inner.map(indent), inner.map(indent)),
            st.builds(
                "try:\n{}\nexcept TypeError as x:\n{}\nfinally:\n    pass".format, inner.map(indent), inner.map(indent)
            ),
            st.builds("async with {} as {}:\n{}".format, expressions(), NAMES, inner.map(indent)),
            st.builds("for {} in {}:\n{}".format, NAMES, expressions(), inner.map(indent)),
            st.builds(
                "match {}:\n    case {{'a': x}} if x:\n{}".format, NAMES, inner.map(lambda text: indent(indent(text)))
            ),
        ),
        max_leaves=6,
    )


def indent(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(statements(), statements())
def test_generated_code(one: str, two: str):
    files = {}
    for path, text in (("asyncio_like/__init__.py", one), ("main.py", two)):
        try:
            ast.parse(text)
        except SyntaxError:
            continue
        files[path] = text
    check_sources(files)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300))
def test_bytes(data: bytes):
    summarise(data)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_library(seed: int):
    rng = random.Random(seed)
    library = Path(os.__file__).parent
    files = sorted((library / "asyncio").glob("*.py")) + sorted((library / "unittest").glob("*.py"))
    for path in rng.sample(files, 4):
        tokens = path.read_text(encoding="utf-8").split(" ")
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(tokens))
            action = rng.randrange(3)
            if action == 0:
                del tokens[place]
            elif action == 1:
                tokens[place] = rng.choice(tokens)
            else:
                tokens.insert(
                    place, rng.choice(["await", "async", "(", ")", ":", "yield", "\n", "*", "lambda:", "\x0c", "é"])
                )
        text = " ".join(tokens)
        try:
            ast.parse(text)
        except (SyntaxError, ValueError):
            summarise(text.encode())
            continue
        check_sources({path.name: text})
