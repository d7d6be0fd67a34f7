from __future__ import annotations

import itertools
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra_backend.app.agents import calculator
from netra_backend.app.agents.calculator import CannotCalculate, calculate, is_arithmetic

MAX_BITS = calculator.MAX_BITS
OPERATIONS = {**calculator._OPERATORS, **{f"{name}x": each for name, each in calculator._BEFORE.items()}}
OPERATIONS |= calculator._FUNCTIONS


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17*23", "391"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3 =", "9"),
        ("7 // 2", "3"),
        ("7 % 4", "3"),
        ("7 / 2", "3.5"),
        ("6 / 2", "3"),
        ("2 ** 10", "1024"),
        ("2^10", "1024"),
        ("-3 - -4", "1"),
        ("0.1 + 0.2", "0.3"),
        ("6 × 7", "42"),
        ("84 ÷ 2", "42"),
        ("5 − 3", "2"),
        ("3 x 4", "12"),
        ("1,234,567 + 1", "1234568"),
        ("√16 + sqrt(9)", "7"),
        ("square root of 81", "9"),
        ("15% of 80", "12"),
        ("20 percent of 50", "10"),
        ("3 plus 4 times 2", "11"),
        ("100 divided by 8", "12.5"),
        ("5 squared", "25"),
        ("max(1, 2, 3) - min(4, 5)", "-1"),
        ("factorial(20)", "2432902008176640000"),
        ("round(2.5 * pi)", "8"),
        ("10 ** -2", "0.01"),
        ("2 ** 0.5", "1.4142135623731"),
        ("2 ** 3 ** 2", "512"),
        ("-2 ** 2", "-4"),
        ("2 ** -1", "0.5"),
        ("2 * -3 ** 2", "-18"),
        ("100 / 10 / 5", "2"),
        ("10 - 3 - 2", "5"),
        ("3x4x5", "60"),
        ("max(1, 2x3) x 2", "12"),
        ("(10 + 5)% of 80", "12"),
        ("10 % 4", "2"),
        ("√√16 * 2", "4"),
        ("the square root of 16 squared", "16"),
        ("1 ** 10 ** 1000", "1"),
        ("(-1) ** 10 ** 1000", "1"),
        ("2 ** 2 ** 0.5", "2.66514414269023"),
        ("round(1, -900000000)", "0"),
        ("round(1.25, 900000000)", "1.25"),
        ("round(1234.5, -2)", "1200"),
        ("round(2.567, 1)", "2.6"),
        ("round(10 ** 1200, -10 ** 1200)", "0"),
        ("floor(-1e300) + ceil(1e300)", "0"),
        ("log(8, 2)", "3"),
        ("007 + 1", "8"),
    ],
)
def test_values(expression: str, value: str) -> None:
    assert calculate(expression)[: len(value)] == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1/0", "division by zero"),
        ("5 % 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("9**9**9**9", "too large"),
        ("2**100000", "too large"),
        ("10.0**400", "too large"),
        ("factorial(100000)", "too large"),
        ("factorial(10 ** 1000)", "too large"),
        ("1e309 - 1", "too large"),
        ("1e308 * 10", "too large"),
        ("1e308 + 1e308", "too large"),
        ("1e308 // 1e-308", "too large"),
        ("10 ** 1200 * 1.5", "too large"),
        ("sqrt(10 ** 1200)", "too large"),
        ("9" * 490 + " ** 9", "too large"),
        ("round(1, 0.5)", "no such number"),
        ("2 3", "isn't an arithmetic"),
        ("2 (3)", "isn't an arithmetic"),
        ("sqrt 4", "isn't an arithmetic"),
        ("max()", "isn't an arithmetic"),
        ("(1, 2)", "only numbers"),
        ("max(1, 2", "isn't an arithmetic"),
        ("1)", "isn't an arithmetic"),
        ("x x x", "only numbers"),
        ("٣ + ٤", "only numbers"),
        ("0b11 + 1", "only numbers"),
        ("(2**3999)*(2**3999)", "too large"),
        ("exp(1000)", "too large"),
        ("sqrt(-1)", "no such number"),
        ("(-8) ** 0.5", "real number"),
        ("log(0)", "no such number"),
        ("factorial(2.5)", "no such number"),
        ("sqrt(1, 2, 3)", "no such number"),
        ("1 +", "isn't an arithmetic"),
        ("1+" * 300 + "1", "longer than"),
        ("(" * 250 + "1" + ")" * 240, "isn't an arithmetic"),
        ("__import__('os').system('true')", "only numbers"),
        ("open('x')", "only numbers"),
        ("(1).real", "only numbers"),
        ("[1 for x in (1,)]", "only numbers"),
        ("True + 1", "only numbers"),
        ("'a' * 3", "only numbers"),
        ("1 if 2 else 3", "only numbers"),
        ("1 << 30", "only numbers"),
        ("1j * 2", "only numbers"),
        ("x + 1", "only numbers"),
        ("", "isn't an arithmetic"),
    ],
)
def test_refusals(expression: str, why: str) -> None:
    with pytest.raises(CannotCalculate, match=why):
        calculate(expression)


@pytest.mark.parametrize("text", ["17*23", "sqrt(2)", "2^8", "15% of 80", "1/0", "3 plus 4"])
def test_arithmetic(text: str) -> None:
    assert is_arithmetic(text)


@pytest.mark.parametrize("text", ["42", "hello", "time in Tokyo", "a-b", "e", "pi", "", "no. 5", "print(1)"])
def test_not_arithmetic(text: str) -> None:
    assert not is_arithmetic(text)


def test_no_known_expression_keeps_the_interpreter() -> None:
    """In a process with ten seconds of CPU: what works with the interpreter's lock held can't be timed out."""
    expressions = [
        "round(1, -900000000)",
        "round(7, -9 ** 12)",
        "round(1.5, 10 ** 1200)",
        "2 ** 10 ** 1000",
        "(10 ** 1200) ** 10 ** 1200",
        "1 ** 10 ** 1200 + (-1) ** (10 ** 1200 + 1)",
        "factorial(factorial(20))",
        "factorial(10 ** 1200)",
        "*".join(["(2**3999)"] * 49),
        "+".join(["1e308"] * 80),
        "-" * 499 + "1",
        "(" * 249 + "1" + ")" * 249,
        "sqrt(" * 83 + "2" + ")" * 83,
        "√" * 499 + "2",
        "max(" + ",".join(["9"] * 240) + ")",
        "9" * 500,
        "0x" + "f" * 490,
        "1e" + "9" * 490,
        "%".join(["10**1200"] * 50),
        "//".join(["-10**1200"] * 40),
        "sin(1e308) + cos(10**300) + tan(1e-308)",
        "log(10**1200, 10**1199)",
        "square root of " * 33 + "2",
        "9 squared" + " squared" * 60,
    ]
    program = "import sys\nfrom netra_backend.app.agents.calculator import *\nfor each in sys.argv[1:]:\n"
    program += "    is_arithmetic(each)\n    try: calculate(each)\n    except CannotCalculate: pass\n"

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))

    done = subprocess.run([sys.executable, "-c", program, *expressions], preexec_fn=bounded, check=False)
    assert done.returncode == 0


# What work a step is: the digits it works with. They are memory too, and that can be measured exactly.
MOST_MEMORY = 64 * 1024
"""Bytes. A number of `MAX_BITS` has about 560, and a message of an error a few hundred; ten million digits, which is a
second's work, have four million."""

EXTREMES = [
    *(sign * whole for whole in (0, 1, 2, 3, 170, 443, 444, 10**9, 2**64, 2**3999, 10**1203) for sign in (1, -1)),
    *(sign * point for point in (0.0, 5e-324, 1e-308, 0.1, 1.5, 2**53 + 0.0, 1e22, 1e300, 1.7e308) for sign in (1, -1)),
]


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_operation_gives_more_than_it_says(name: str) -> None:
    """So that what would be too large is known before it is worked out."""
    operation = OPERATIONS[name]
    tried = 0
    for count in range(operation.fewest, min(operation.most, 2) + 1):
        for arguments in itertools.product(EXTREMES, repeat=count):
            with little_memory():
                try:
                    bits = operation.bits(*arguments)
                    if bits > MAX_BITS:
                        continue
                    result = operation.apply(*arguments)
                except (ValueError, TypeError, OverflowError, ZeroDivisionError):
                    continue
            tried += 1
            if isinstance(result, int):
                assert result.bit_length() <= bits, arguments
    assert tried


whole = st.one_of(
    st.integers(0, 50).map(str),
    st.sampled_from(["0", "1", "443", "900000000", "9" * 40, "9" * 200, "1,000,000", "007", "0x10"]),
    st.integers(0, 10**60).map(str),
)
literals = st.one_of(
    whole,
    st.sampled_from(["1e308", "1e-308", "1e309", ".5", "5.", "1.5e300", "pi", "e", "tau", "0.1", "9e99"]),
)


def longer(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "^", " x ", "×", "÷", " plus ", " mod ", "% of "])
    names = st.sampled_from(sorted(calculator._FUNCTIONS))
    return st.one_of(
        st.tuples(inner, signs, inner).map("".join),
        inner.map("({})".format),
        st.tuples(st.sampled_from(["-", "+", "√", "--", "square root of "]), inner).map("".join),
        st.tuples(inner, st.sampled_from([" squared", " cubed"])).map("".join),
        st.tuples(names, st.lists(inner, min_size=1, max_size=4).map(",".join)).map(
            lambda call: f"{call[0]}({call[1]})"
        ),
    )


expressions = st.one_of(
    st.recursive(literals, longer, max_leaves=20),
    st.text(alphabet="0123456789.,()+-*/%^√exround pi", max_size=600),
    st.lists(
        st.sampled_from([*OPERATIONS, *calculator._SPELLINGS, "(", ")", ",", "9", "1e308", " "]), max_size=120
    ).map("".join),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(expressions)
def test_the_work_of_any_expression_is_bounded(expression: str) -> None:
    """Few steps, each on numbers that are small before and after it."""
    most_steps = len(expression) + 3
    try:
        steps = calculator._steps(expression)
    except CannotCalculate:
        assert not is_arithmetic(expression)
        return
    assert len(steps) <= most_steps
    sizes: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        push = calculator._Stack.push

        def measured(stack: calculator._Stack, number: object) -> None:
            push(stack, number)
            sizes.append(number.bit_length() if isinstance(number, int) else 64)

        patch.setattr(calculator._Stack, "push", measured)
        with little_memory():
            try:
                text = calculate(expression)
            except CannotCalculate:
                text = ""
    assert len(sizes) <= len(steps)
    assert max(sizes, default=0) <= MAX_BITS
    assert len(text) <= 1 + MAX_BITS


@given(st.recursive(st.integers(0, 20).map(str), longer, max_leaves=8))
def test_it_gives_what_python_gives(expression: str) -> None:
    """The reader is our own, so that its work is bounded; it must still read as everybody does."""
    python = expression.replace("^", "**").replace("×", "*").replace("÷", "/").replace(" x ", "*").replace(" mod ", "%")
    if any(sign in python for sign in "√of ") or "log" in python or "round" in python:
        return
    try:
        text = calculate(expression)
    except CannotCalculate:
        return
    names = {"__builtins__": {}, **calculator._CONSTANTS}
    names |= {name: each.apply for name, each in calculator._FUNCTIONS.items()}
    assert text == calculator._shown(eval(python, names))
