"""Arithmetic on text that a user typed: nothing but numbers is ever worked with, and no step of it is large.

An expression is read once, from left to right, into steps for a stack; there is no recursion that could get deep.
Every number that a step gives, a literal included, passes through `_Stack.push`, which takes none beyond `MAX_BITS`.
Every operation says beforehand how large its result can get (`_Operation.bits`), so what would be larger is refused
before it is worked out. So an expression costs at most as many steps as it has characters, each on small numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["CannotCalculate", "calculate", "is_arithmetic"]

MAX_CHARS = 500
MAX_BITS = 4_000
"""The size of the largest whole number, about 1,200 digits."""
_MAX_PLACES = 1_250
"""More decimal places than any number here has, before its point or behind it."""

Number = int | float


class CannotCalculate(ValueError):
    """The expression can't be worked out; the message says why, for the person who typed it."""


def calculate(expression: str) -> str:
    """The value of an arithmetic expression, as text. Raises `CannotCalculate`."""
    steps = _steps(expression)
    try:
        return _shown(_worked_out(steps))
    except ZeroDivisionError:
        raise CannotCalculate("division by zero") from None
    except OverflowError:
        raise CannotCalculate("the numbers get too large") from None
    except (ValueError, TypeError) as error:
        if isinstance(error, CannotCalculate):
            raise
        raise CannotCalculate("there is no such number") from None


def is_arithmetic(text: str) -> bool:
    """Whether `text` is an expression with something to work out, so a number alone isn't one."""
    try:
        steps = _steps(text)
    except CannotCalculate:
        return False
    return any(isinstance(step, _Call) and step.operation not in _SIGNS for step in steps)


# Reading


@dataclass(frozen=True, slots=True)
class _Operation:
    """`bits` is how large a whole number `apply` may give for these arguments, in bits; a float counts as `_FLOAT`.

    `rank` is how strongly it binds; functions have none. `apply` takes `fewest` to `most` arguments.
    """

    bits: Callable[..., int]
    apply: Callable[..., object]
    fewest: int
    most: int
    rank: int


@dataclass(frozen=True, slots=True)
class _Call:
    operation: _Operation
    arguments: int


@dataclass(slots=True)
class _Bracket:
    """One that is open: that of a function with the arguments so far, or one that only groups."""

    function: _Operation | None
    arguments: int = 1


_Step = str | float | _Call
"""A literal as it was written, a constant, or an operation on what the steps before it gave."""

_SPELLINGS = {
    "×": ("*",),
    "✕": ("*",),
    "·": ("*",),
    "÷": ("/",),
    "−": ("-",),
    "–": ("-",),
    "^": ("**",),
    "π": ("pi",),
    "plus": ("+",),
    "minus": ("-",),
    "times": ("*",),
    "multiplied by": ("*",),
    "divided by": ("/",),
    "mod": ("%",),
    "modulo": ("%",),
    "to the power of": ("**",),
    "squared": ("**", "2"),
    "cubed": ("**", "3"),
    "square root of": ("√",),
    "the square root of": ("√",),
    "% of": ("/", "100", "*"),
    "percent of": ("/", "100", "*"),
}
_DIGITS = "0123456789."
_TOKEN = re.compile(
    r" ?(?P<number>(?:[0-9]+(?:,[0-9]{3}(?![0-9]))*(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?)"
    r"| ?(?P<percent>(?:%|percent) of\b)"
    r"| ?(?P<phrase>multiplied by\b|divided by\b|to the power of\b|(?:the )?square root of\b)"
    r"| ?(?P<word>[a-z]+[0-9]*)"
    r"| ?(?P<sign>\*\*|//|[-+*/%^(),√π×✕·÷−–])"
)
"""One token, and the single space before it. Nothing in it repeats but runs of one kind, so it reads each character
once or twice."""
_BETWEEN = re.compile(r"x(?= ?[0-9(])")
_NOT_ONE = "this isn't an arithmetic expression"
_UNKNOWN = "only numbers, + - * / // % ** ( ) and a few functions such as sqrt are understood"


def _tokens(text: str) -> Iterator[str]:
    position, behind_value = 0, False
    while position < len(text):
        # Between two values an x is a sign; "3x4" would be read as a name otherwise.
        skipped = position + (text[position] == " ")
        if behind_value and (times := _BETWEEN.match(text, skipped)) is not None:
            position, behind_value = times.end(), False
            yield "*"
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise CannotCalculate(_UNKNOWN)
        position = match.end()
        token = match[0].strip()
        if match["number"] is not None:
            token = token.replace(",", "")
        meant = _SPELLINGS.get(token, (token,))
        behind_value = meant[-1] == ")" or meant[-1][0] in _DIGITS
        yield from meant


def _steps(expression: str) -> list[_Step]:
    """The expression as steps for a stack (Dijkstra's shunting yard). Raises `CannotCalculate`."""
    if len(expression) > MAX_CHARS:
        raise CannotCalculate(f"the expression is longer than {MAX_CHARS} characters")
    reader = _Reader()
    for token in _tokens(" ".join(expression.lower().split()).rstrip("=?. ")):
        reader.take(token)
    return reader.end()


class _Reader:
    """Takes token after token. Either a value comes next (`_wanted`), or something that stands behind one."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._waiting: list[_Operation | _Bracket] = []
        self._wanted = True
        self._function: _Operation | None = None

    def take(self, token: str) -> None:
        if self._function is not None and token != "(":
            raise CannotCalculate(_NOT_ONE)
        if self._wanted:
            self._value(token)
        else:
            self._behind_value(token)

    def end(self) -> list[_Step]:
        if self._wanted:
            raise CannotCalculate(_NOT_ONE)
        while self._waiting:
            waiting = self._waiting.pop()
            if isinstance(waiting, _Bracket):
                raise CannotCalculate(_NOT_ONE)
            self._steps.append(_Call(waiting, waiting.fewest))
        return self._steps

    def _value(self, token: str) -> None:
        if token[0] in _DIGITS:
            self._steps.append(token)
            self._wanted = False
        elif token in _CONSTANTS:
            self._steps.append(_CONSTANTS[token])
            self._wanted = False
        elif token in _BEFORE:
            self._waiting.append(_BEFORE[token])
        elif token in _FUNCTIONS:
            self._function = _FUNCTIONS[token]
        elif token == "(":
            self._waiting.append(_Bracket(self._function))
            self._function = None
        elif token == ")" or token == "," or token in _OPERATORS:
            raise CannotCalculate(_NOT_ONE)
        else:
            raise CannotCalculate(_UNKNOWN)

    def _behind_value(self, token: str) -> None:
        if token in _OPERATORS:
            operation = _OPERATORS[token]
            # A power takes what stands right of it first: 2**3**2 is 2**9.
            self._settle(operation.rank + (token == "**"))
            self._waiting.append(operation)
            self._wanted = True
        elif token == ",":
            bracket = self._settled_bracket()
            if bracket.function is None:
                raise CannotCalculate(_UNKNOWN)
            bracket.arguments += 1
            self._waiting.append(bracket)
            self._wanted = True
        elif token == ")":
            bracket = self._settled_bracket()
            if bracket.function is not None:
                if not bracket.function.fewest <= bracket.arguments <= bracket.function.most:
                    raise CannotCalculate("there is no such number")
                self._steps.append(_Call(bracket.function, bracket.arguments))
        elif token[0].isalpha() and token not in _FUNCTIONS and token not in _CONSTANTS:
            raise CannotCalculate(_UNKNOWN)
        else:
            raise CannotCalculate(_NOT_ONE)

    def _settle(self, rank: int) -> None:
        """Everything that waits and binds at least as strongly as `rank` comes first."""
        while self._waiting:
            waiting = self._waiting[-1]
            if isinstance(waiting, _Bracket) or waiting.rank < rank:
                return
            self._steps.append(_Call(waiting, waiting.fewest))
            self._waiting.pop()

    def _settled_bracket(self) -> _Bracket:
        self._settle(0)
        bracket = self._waiting.pop() if self._waiting else None
        if not isinstance(bracket, _Bracket):
            raise CannotCalculate(_NOT_ONE)
        return bracket


# Working out


class _Stack:
    """The numbers that later steps will need. None is larger than `MAX_BITS`, infinite, or no number."""

    def __init__(self) -> None:
        self._numbers: list[Number] = []

    def push(self, number: object) -> None:
        """Raises `OverflowError`, and `CannotCalculate` for what is no real number."""
        if isinstance(number, int):
            if number.bit_length() > MAX_BITS:
                raise OverflowError
        elif not isinstance(number, float):
            raise CannotCalculate("the result isn't a real number")
        elif not math.isfinite(number):
            raise OverflowError
        self._numbers.append(number)

    def pop(self, count: int) -> list[Number]:
        taken = self._numbers[-count:]
        del self._numbers[-count:]
        return taken


def _worked_out(steps: list[_Step]) -> Number:
    stack = _Stack()
    for step in steps:
        match step:
            case str():
                stack.push(_literal(step))
            case _Call(operation, count):
                arguments = stack.pop(count)
                if operation.bits(*arguments) > MAX_BITS:
                    raise OverflowError
                stack.push(operation.apply(*arguments))
            case number:
                stack.push(number)
    return stack.pop(1)[0]


def _literal(written: str) -> Number:
    """At most as long as the expression, which is far from what the interpreter refuses to read."""
    return int(written) if written.isdecimal() else float(written)


def _shown(number: Number) -> str:
    if isinstance(number, int):
        return str(number)
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return format(number, ".15g")


# What there is

_FLOAT = 64


def _size(number: Number) -> int:
    return number.bit_length() if isinstance(number, int) else _FLOAT


def _larger(*numbers: Number) -> int:
    return max(map(_size, numbers))


def _float(*_: Number) -> int:
    return _FLOAT


def _to_whole(number: Number, *_: Number) -> int:
    # The largest float has 1,024 bits before its point. Rounding up adds a digit at most.
    return max(_size(number), 1024) + 4


def _whole(number: Number) -> int:
    if not isinstance(number, int):
        raise TypeError("not a whole number")
    return number


def _bits_of_power(base: Number, exponent: Number) -> int:
    if isinstance(base, float) or isinstance(exponent, float) or exponent < 0:
        return _FLOAT
    return math.ceil(math.log2(abs(base)) * exponent) + 1 if abs(base) > 1 else 1


def _bits_of_factorial(number: Number) -> int:
    return max(_size(number) * _whole(number), 1)


def _factorial(number: Number) -> int:
    return math.factorial(_whole(number))


def _rounded(number: Number, digits: Number = 0) -> Number:
    places = _whole(digits)
    # Python would make a power of ten of that many digits first.
    if places > _MAX_PLACES or places < -_MAX_PLACES:
        return number if places > 0 else 0
    return round(number, places) if places else round(number)


def _smallest(*numbers: Number) -> Number:
    return min(numbers)


def _largest(*numbers: Number) -> Number:
    return max(numbers)


def _between(rank: int, bits: Callable[[Number, Number], int], apply: Callable[[Number, Number], object]) -> _Operation:
    return _Operation(bits, apply, 2, 2, rank)


def _before(rank: int, bits: Callable[[Number], int], apply: Callable[[Number], object]) -> _Operation:
    return _Operation(bits, apply, 1, 1, rank)


def _function(bits: Callable[..., int], apply: Callable[..., object], most: int = 1) -> _Operation:
    return _Operation(bits, apply, 1, most, 0)


_OPERATORS = {
    "+": _between(1, lambda left, right: _larger(left, right) + 1, lambda left, right: left + right),
    "-": _between(1, lambda left, right: _larger(left, right) + 1, lambda left, right: left - right),
    "*": _between(2, lambda left, right: _size(left) + _size(right), lambda left, right: left * right),
    "/": _between(2, _float, lambda left, right: left / right),
    "//": _between(2, lambda left, right: _larger(left, right) + 1, lambda left, right: left // right),
    "%": _between(2, _larger, lambda left, right: left % right),
    "**": _between(4, _bits_of_power, lambda left, right: left**right),
}
_BEFORE = {
    "-": _before(3, _size, lambda number: -number),
    "+": _before(3, _size, lambda number: number),
    "√": _before(5, _float, math.sqrt),
}
_SIGNS = (_BEFORE["-"], _BEFORE["+"])
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}
_FUNCTIONS = {
    "sqrt": _function(_float, math.sqrt),
    "abs": _function(_size, abs),
    "round": _function(_to_whole, _rounded, most=2),
    "floor": _function(_to_whole, math.floor),
    "ceil": _function(_to_whole, math.ceil),
    "min": _function(_larger, _smallest, most=MAX_CHARS),
    "max": _function(_larger, _largest, most=MAX_CHARS),
    "log": _function(_float, math.log, most=2),
    "log10": _function(_float, math.log10),
    "log2": _function(_float, math.log2),
    "exp": _function(_float, math.exp),
    "sin": _function(_float, math.sin),
    "cos": _function(_float, math.cos),
    "tan": _function(_float, math.tan),
    "factorial": _function(_bits_of_factorial, _factorial),
}
