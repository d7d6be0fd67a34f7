"""Codes as users write them: a code, the beginning of some, or `async` for all that are about colour."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from awaitguard.rules.registry import RULES

ASYNC: Final = "async"
UNREADABLE, UNUSED_IGNORE = "AG001", "AG002"
GENERAL: Final = {
    UNREADABLE: ("unreadable-file", "A file couldn't be checked: a syntax error, an encoding that doesn't fit, a grammar newer than the Python that runs "
        "awaitguard, or no permission. Nothing is known about its calls."),
    UNUSED_IGNORE: ("unused-ignore", "An `# awaitguard: ignore[...]` comment silences nothing any more, or names a code that there isn't. Remove it, so that "
        "it can't hide a later mistake."),
}  # fmt: skip
CODES: Final = (*GENERAL, *RULES)
# Beside AG1xx: interfaces whose two sides have different colours, rather than other parameters or results.
COLOUR: Final = ("AG1", "AG201", "AG204", "AG205", "AG206", "AG207", "AG210", "AG211")


class UnknownCodeError(Exception):
    """Somebody asks for a code that there isn't; the message says which, and which one is nearest."""


def is_async(code: str) -> bool:
    """Whether a code is about colour: something is awaited, called, entered or defined in the wrong one."""
    return code.startswith(COLOUR)


def is_known(code: str) -> bool:
    """Whether a code, or the beginning of one, means anything."""
    return code.startswith("AG") and any(one.startswith(code) for one in CODES)


def prefixes(wanted: Iterable[str], where: str) -> tuple[str, ...]:
    """The beginnings of codes that a user's choice stands for; `where` says in messages where it was made.

    Raises:
        UnknownCodeError: one of them stands for no code.
    """
    found: list[str] = []
    for one in wanted:
        if one == ASYNC:
            found.extend(COLOUR)
        elif is_known(one):
            found.append(one)
        else:
            raise UnknownCodeError(f"{where}: there is no code {one}{nearest(one)}; `awaitguard explain` lists all")
    return tuple(found)


def nearest(code: str) -> str:
    """`, did you mean AG101?`, or nothing if no code is like it."""
    names = {rule.name: rule.code for rule in RULES.values()}
    if code.lower() in names:
        return f", did you mean {names[code.lower()]}?"
    if is_known(code.upper()):
        return f", did you mean {code.upper()}?"
    # One character is wrong, most often a letter for a digit.
    near = [one for one in CODES if len(one) == len(code) and same(one, code.upper()) == len(one) - 1]
    near = near or get_close_matches(code.lower(), [ASYNC, *names], 1)
    return f", did you mean {names.get(near[0], near[0])}?" if near else ""


def same(one: str, other: str) -> int:
    """How many characters of two codes are alike in their places."""
    return sum(left == right for left, right in zip(one, other, strict=True))
