"""Whether one thing can be called like another: functions, classes, instances, modules and mocks."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from awaitguard.infer.signature import PROPERTY
from awaitguard.testing.live import Signature, signature


class Mismatch(NamedTuple):
    """One way in which two interfaces differ: the member (or the whole), and what is wrong in words."""

    member: str
    message: str

    def __str__(self) -> str:
        return f"{self.member}: {self.message}"


def check_interface(real: object, expected: object) -> tuple[Mismatch, ...]:
    """How `real` fails to be callable like `expected`.

    Both are functions, classes, instances, modules or mocks, or dotted names of functions (which are read, not
    imported). Of classes and objects every public callable member and property of `expected` is compared. An empty
    result means that every call that suits `expected` suits `real`, awaited alike.

    Raises:
        LookupError: a dotted name can't be found.
    """
    if is_single(real) and is_single(expected):
        return tuple(compare(signature(expected).name, signature(real), signature(expected)))
    found: list[Mismatch] = []
    for name in public_names(expected):
        wanted = member(expected, name)
        if not (callable(wanted) or is_property(wanted)) or isinstance(wanted, type):
            continue
        if is_property(wanted) and is_mock(real):
            continue  # a mock's attribute can stand for any value
        own = member(real, name)
        if own is None:
            found.append(Mismatch(name, "is missing"))
        elif is_property(own) or callable(own):
            found.extend(compare(name, signature(own), signature(wanted)))
        else:
            found.append(Mismatch(name, f"is {type(own).__name__}, not callable"))
    return tuple(found)


def assert_same_interface(real: object, double: object) -> None:
    """Assert that a double stands for the real thing: same members, colours and parameters.

    A member that only the double has counts too, unless the double is a mock, which answers to everything.

    Raises:
        AssertionError: they differ; the message lists how.
    """
    found = list(check_interface(double, real))
    if not is_single(double) and not is_mock(double):
        theirs = set(public_names(real))
        found += [Mismatch(name, "is only on the double") for name in public_names(double)
                  if name not in theirs and callable(member(double, name))]  # fmt: skip
    if found:
        raise AssertionError(
            f"{label(double)} does not stand for {label(real)}:\n" + "\n".join(f"  {one}" for one in found)
        )


def assert_family(members: Iterable[object], *, same_colour: bool = False) -> None:
    """Assert that functions that stand for each other name their parameters alike.

    Parameters are compared position by position as far as both functions have them. `same_colour` asks for one colour too.

    Raises:
        AssertionError: they differ; the message lists how.
        ValueError: there are fewer than two members.
    """
    signatures: Sequence[Signature] = [signature(one) for one in members]
    if len(signatures) < 2:
        raise ValueError("a family has at least two members")
    first = signatures[0]
    found: list[str] = []
    for other in signatures[1:]:
        if same_colour and other.colour != first.colour:
            found.append(f"{other.name} is {other.colour}, {first.name} is {first.colour}")
        for number, (left, right) in enumerate(zip(positional(first), positional(other), strict=False)):
            if left != right:
                found.append(f"parameter {number + 1} is `{right}` in {other.name} and `{left}` in {first.name}")
    if found:
        raise AssertionError("the family does not agree:\n" + "\n".join(f"  {one}" for one in found))


def compare(name: str, real: Signature, expected: Signature) -> Iterable[Mismatch]:
    """How a call that suits `expected` fails on `real`."""
    if real.colour != expected.colour and not {real.colour, expected.colour} <= {"class", "sync"}:
        yield Mismatch(name, f"is {real.colour}, expected {expected.colour}")
        return
    if real.colour == PROPERTY:
        return
    kinds = {one.kind for one in real.parameters}
    own, wanted = positional(real), positional(expected)
    if "*" not in kinds:
        for left, right in zip(own, wanted, strict=False):
            if left != right and not left.startswith("_"):
                yield Mismatch(name, f"has parameter `{left}` where `{right}` is expected")
                return
        for extra in wanted[len(own) :]:
            if "**" not in kinds or extra not in keywords(expected):
                yield Mismatch(name, f"lacks parameter `{extra}`")
    for keyword in sorted(keywords(expected) - keywords(real) - set(wanted)):
        if "**" not in kinds:
            yield Mismatch(name, f"lacks keyword parameter `{keyword}`")
    given = set(wanted) | keywords(expected)
    for one in real.parameters:
        if one.required and one.name not in given and "*" not in {each.kind for each in expected.parameters}:
            yield Mismatch(name, f"requires `{one.name}`, which callers don't pass")


def positional(of: Signature) -> list[str]:
    return [one.name for one in of.parameters if one.kind in ("positional", "positional-only")]


def keywords(of: Signature) -> set[str]:
    return {one.name for one in of.parameters if one.kind in ("positional", "keyword")}


def is_single(target: object) -> bool:
    """Whether a thing is compared as one callable, not member by member."""
    if isinstance(target, str) or inspect.isroutine(target):
        return True
    return callable(target) and not isinstance(target, type | ModuleType) and not public_names(target)


def public_names(target: object) -> list[str]:
    spec = getattr(target, "_spec_class", None) if is_mock(target) else None
    names = dir(spec) if spec is not None else [] if is_mock(target) else dir(target)
    return [name for name in names if not name.startswith("_")]


def is_mock(target: object) -> bool:
    return any(base.__module__ == "unittest.mock" for base in type(target).__mro__)


def is_property(target: object) -> bool:
    return isinstance(target, property)


def member(target: object, name: str) -> Any:
    """A member as callers see it, without running properties."""
    owner = target if isinstance(target, type | ModuleType) else type(target)
    static = inspect.getattr_static(owner, name, None)
    if is_property(static):
        return static
    if isinstance(target, type) and inspect.isfunction(static):
        return BoundLike(static)
    return getattr(target, name, None)


def label(target: object) -> str:
    return target if isinstance(target, str) else getattr(target, "__name__", None) or f"a {type(target).__name__}"


class BoundLike:
    """A method taken from a class, with the signature that it has on an instance."""

    def __new__(cls, function: Any) -> Any:
        return function.__get__(object.__new__(object))
