"""Arithmetic on text that a user typed: nothing but numbers is ever evaluated, and none grows without bound."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any

__all__ = ["CannotCalculate", "calculate", "is_arithmetic"]

_MAX_CHARS = 500
_MAX_BITS = 4_000
"""The size of the largest whole number, about 1,200 digits. Powers are refused before they are worked out."""

_SPELLINGS = (
    (r"[×✕·]", "*"),
    (r"÷", "/"),
    (r"[−–]", "-"),
    (r"\^", "**"),
    (r"√\s*(\d+(?:\.\d+)?)", r"sqrt(\1)"),
    (r"√", "sqrt"),
    (r"π", "pi"),
    (r"(?<=\d),(?=\d{3}(?!\d))", ""),
    (r"(?<=[\d)])\s*x\s*(?=[\d(])", "*"),
    (r"\bplus\b", "+"),
    (r"\bminus\b", "-"),
    (r"\b(?:times|multiplied by)\b", "*"),
    (r"\bdivided by\b", "/"),
    (r"\bmod(?:ulo)?\b", "%"),
    (r"\bto the power of\b", "**"),
    (r"\bsquared\b", "**2"),
    (r"\bcubed\b", "**3"),
    (r"\b(?:the )?square root of\s+(\d+(?:\.\d+)?)", r"sqrt(\1)"),
    (r"(\d+(?:\.\d+)?)\s*(?:%|percent)\s+of\b", r"\1/100*"),
)

Number = int | float


class CannotCalculate(ValueError):
    """The expression can't be worked out; the message says why, for the person who typed it."""


def calculate(expression: str) -> str:
    """The value of an arithmetic expression, as text. Raises `CannotCalculate`."""
    try:
        return _shown(_value(_parsed(expression)))
    except ZeroDivisionError:
        raise CannotCalculate("division by zero") from None
    except (OverflowError, MemoryError, RecursionError):
        raise CannotCalculate("the numbers get too large") from None
    except (ValueError, TypeError) as error:
        if isinstance(error, CannotCalculate):
            raise
        raise CannotCalculate("there is no such number") from None


def is_arithmetic(text: str) -> bool:
    """Whether `text` is an expression with something to work out, so a number alone isn't one."""
    try:
        node = _parsed(text)
    except CannotCalculate:
        return False
    return isinstance(node, ast.BinOp | ast.Call) and all(
        not isinstance(name, ast.Name) or name.id in _FUNCTIONS or name.id in _CONSTANTS for name in ast.walk(node)
    )


def _parsed(expression: str) -> ast.expr:
    if len(expression) > _MAX_CHARS:
        raise CannotCalculate(f"the expression is longer than {_MAX_CHARS} characters")
    text = expression.strip().lower().rstrip("=?. ")
    for spelling, meaning in _SPELLINGS:
        text = re.sub(spelling, meaning, text)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise CannotCalculate("this isn't an arithmetic expression") from None


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _bounded(_OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*(_value(argument) for argument in arguments)))
        case _:
            raise CannotCalculate("only numbers, + - * / // % ** ( ) and a few functions such as sqrt are understood")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > _MAX_BITS:
        raise OverflowError
    result: object = base**exponent
    if not isinstance(result, int | float):
        raise CannotCalculate("the result isn't a real number")
    return result


def _bounded(number: Number) -> Number:
    if isinstance(number, int) and number.bit_length() > _MAX_BITS:
        raise OverflowError
    return number


def _factorial(number: Number) -> int:
    if number > 300:
        raise OverflowError
    return math.factorial(operator.index(number))  # pyright: ignore[reportArgumentType] - a float raises TypeError


def _shown(number: Number) -> str:
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number):
        raise OverflowError
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return format(number, ".15g")


_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: operator.mod,
}
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sqrt": math.sqrt,
    "abs": abs,
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
    "min": lambda *numbers: min(numbers),
    "max": lambda *numbers: max(numbers),
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "exp": math.exp,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "factorial": _factorial,
}
