"""How sure a finding is: by its code, and by what was taken for granted on the way to it.

A rule says what it assumed, in bits; the level follows from the table here and from nothing else. The table stands in
docs/awaitguard/confidence.md too, and judging/judged.jsonl has the verdicts that it is measured by.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from awaitguard.finding import CERTAIN, HINT, LEVELS, LIKELY
from awaitguard.infer.value import METHOD, Value

# About the object or function that is meant.
BARE: Final = 1 << 0
DECLARED: Final = 1 << 1
OVERRIDABLE: Final = 1 << 2
INHERITED: Final = 1 << 3
REPLACEABLE: Final = 1 << 4
PROMISED: Final = 1 << 5
BY_SELF: Final = 1 << 6
BY_SUPER: Final = 1 << 7
OPEN_BASES: Final = 1 << 8
COMPLETED: Final = 1 << 9
SEVERAL: Final = 1 << 10
ONE_OF_SEVERAL: Final = 1 << 11
ONE_WAY_OUT: Final = 1 << 12
ELEMENT: Final = 1 << 13
HANDED_OUT: Final = 1 << 14
PLACED: Final = 1 << 15
WRAPPED: Final = 1 << 16
# About what is wanted of it.
BY_USE: Final = 1 << 17
OPEN_RESULT: Final = 1 << 18
AWAITED_BY_NAME: Final = 1 << 19
ASKED: Final = 1 << 20
MAY_BE_ASKED: Final = 1 << 21
UNSEEN: Final = 1 << 22
GUESSED_COLOUR: Final = 1 << 23
STUB: Final = 1 << 24
LEFT_OPEN: Final = 1 << 25
STRANGERS: Final = 1 << 26
CONDITION: Final = 1 << 27
CONDITIONS: Final = 1 << 28
# About the code's purpose, by names alone.
TWIN: Final = 1 << 29
HOOK: Final = 1 << 30
MEANT: Final = 1 << 31
BY_NAMES: Final = 1 << 32
CONVENTION: Final = 1 << 33
IN_TEST: Final = 1 << 34
DOUBLES: Final = 1 << 35
# About the world around.
ROOT: Final = 1 << 36
NEWER: Final = 1 << 37
TEMPLATE: Final = 1 << 38
# Of what other code does with it.
AWAITED: Final = 1 << 39
SEEN_BY_NAME: Final = 1 << 40

# What each assumption is called in reports and in the ledger, and what it says.
WORDS: Final[dict[int, tuple[str, str]]] = {
    BARE: ("bare name", "only the name of a method says what is called: the object can't be followed"),
    DECLARED: ("declared", "only an annotation says of which class the object is"),
    OVERRIDABLE: ("overridable", "a class below may have another method of this name"),
    INHERITED: ("inherited", "a class method of a base: what it makes is of the class that it is called on"),
    REPLACEABLE: ("replaceable", "a default, or what a stub declares: others may put something else in its place"),
    PROMISED: ("promised", "only a Protocol says so: what stands for it may be otherwise"),
    BY_SELF: ("self", "it is reached through `self`, which a class below may be"),
    BY_SUPER: ("super", "it is reached through `super()`, which may be a sibling"),
    OPEN_BASES: ("open bases", "a base of its class can't be read"),
    COMPLETED: ("completed elsewhere", "the class is one that others complete, by its name or by another use of `self`"),
    SEVERAL: ("several", "the object may be of several classes, and all of them are so"),
    ONE_OF_SEVERAL: ("one of several", "only some of the things that it may be are so"),
    ONE_WAY_OUT: ("one way out", "what another way out of the function gives can't be followed"),
    ELEMENT: ("element", "it is taken out of a container, which may hold other things too"),
    HANDED_OUT: ("handed out", "the object isn't seen being made: a function gives it, or it is a module"),
    PLACED: ("set elsewhere", "code sets an attribute of this name on an object that may be the one"),
    WRAPPED: ("wrapped", "a decorator that is known to keep the colour stands above it"),
    BY_USE: ("by use", "no annotation says what the parameter wants, only what the function does with it"),
    OPEN_RESULT: ("open result", "the result is declared as Any or object, or isn't declared inside"),
    AWAITED: ("awaited", "code awaits what it gives"),
    AWAITED_BY_NAME: ("awaited by name", "some code awaits what a function of this name gives, on an object that can't be followed"),
    ASKED: ("colour asked", "code asks of this class what colour the method has"),
    MAY_BE_ASKED: ("colour may be asked", "code asks for the colour of a method of this name, on an object that can't be followed"),
    SEEN_BY_NAME: ("caller by name", "calls of a method of this name are seen, on objects that can't be followed"),
    UNSEEN: ("no caller seen", "no code is seen that calls a method of this name as the other side wants it"),
    GUESSED_COLOUR: ("result unknown", "what a plain function gives can't be followed, but looks like a value"),
    STUB: ("stub", "the other side is an empty method without annotation"),
    LEFT_OPEN: ("left open", "the other side is an empty method that may be left as it is, or only raises"),
    STRANGERS: ("strangers", "two bases of one class that don't know each other"),
    CONDITION: ("a condition", "it happens under a condition"),
    CONDITIONS: ("conditions", "it happens under several conditions"),
    TWIN: ("twin", "names say that one is the other colour's twin of the other"),
    HOOK: ("hook", "a name that frameworks look for and call in any colour"),
    MEANT: ("may be meant", "names or a call beside it say that it may be meant so"),
    BY_NAMES: ("by names", "only the names of the functions say that they belong together"),
    CONVENTION: ("convention", "so many modules do it that it is how they are made, or the functions take different things"),
    IN_TEST: ("in a test", "it stands in a test, which may do it to see the error"),
    DOUBLES: ("doubles", "a test's double of a test's double"),
    ROOT: ("root guessed", "no evidence says that the directory is one that packages are imported from"),
    NEWER: ("newer grammar", "a newer Python reads it"),
    TEMPLATE: ("template", "it stands among templates, which are no Python yet"),
}  # fmt: skip

# The level with nothing assumed; `certain` for the codes that aren't here.
BASE: Final[dict[str, str]] = dict.fromkeys(
    ("AG127", "AG128", "AG201", "AG202", "AG208", "AG209", "AG210", "AG311"), LIKELY
)
# The most that a finding can be with these assumptions. Those without a line here are only recorded.
CAPS: Final[dict[int, str]] = {
    **dict.fromkeys((BARE, OVERRIDABLE, INHERITED, REPLACEABLE, PROMISED, BY_SELF, BY_SUPER, OPEN_BASES, ONE_OF_SEVERAL, ONE_WAY_OUT,
        PLACED, BY_USE, UNSEEN, SEEN_BY_NAME, AWAITED_BY_NAME, MAY_BE_ASKED, GUESSED_COLOUR, STUB, STRANGERS, CONDITION, BY_NAMES, NEWER), LIKELY),
    **dict.fromkeys((COMPLETED, OPEN_RESULT, AWAITED, ASKED, LEFT_OPEN, CONDITIONS, TWIN, HOOK, MEANT,
        CONVENTION, DOUBLES, ROOT, TEMPLATE), HINT),
    CONDITION | IN_TEST: HINT,
    MAY_BE_ASKED | UNSEEN: HINT,
}  # fmt: skip
# Where the same assumption weighs more for one code.
OF_KIND: Final[dict[str, dict[int, str]]] = {
    # What isn't there in the class is all the likelier what an object is given from outside, or has from below.
    "AG310": {
        DECLARED: LIKELY,
        HANDED_OUT: LIKELY,
        SEVERAL: LIKELY,
        **dict.fromkeys((PLACED, OVERRIDABLE, PROMISED, SEVERAL | DECLARED, SEVERAL | BY_SELF), HINT),
        **dict.fromkeys((ELEMENT | DECLARED, ELEMENT | BY_SELF), HINT),
    },
    # Such a class method gives another colour in each class on purpose.
    **{f"AG{number}": {INHERITED: HINT} for number in (*range(101, 113), 116, 117, 118)},
    "AG206": {MAY_BE_ASKED: HINT},
    # Nobody awaits `x.__setitem__()` who doesn't know of such a class.
    "AG211": {IN_TEST: HINT, AWAITED_BY_NAME: HINT},
}
ROUTES: Final = {
    "virtual": OVERRIDABLE,
    "inherited": INHERITED,
    "default": REPLACEABLE,
    "twin": TWIN,
    "super": BY_SUPER,
    "dict": ELEMENT,
    "declared": DECLARED,
    "wrapped": WRAPPED,
}


def confidence(kind: str, mask: int) -> str:
    """The level of a finding of a code under some assumptions: the lowest that its base and the lines of the table give."""
    level = LEVELS.index(BASE.get(kind, CERTAIN))
    own = OF_KIND.get(kind, {})
    for row, cap in CAPS.items():
        if row & mask == row:
            level = max(level, LEVELS.index(cap))
    for row, cap in own.items():
        if row & mask == row:
            level = max(level, LEVELS.index(cap))
    return LEVELS[level]


def assumed(values: Iterable[Value]) -> int:
    """What was taken for granted in resolving values: each may be the one that is meant, so that all count."""
    mask = 0
    for value in values:
        if value.kind == METHOD:
            mask |= 0 if value.origin or isinstance(value.extra, tuple) else BARE
            continue
        for route in value.via:
            mask |= ROUTES.get(route, 0)
    return mask


def names_of(mask: int) -> tuple[str, ...]:
    """The short names of assumptions, as reports and the ledger have them."""
    return tuple([name for bit, (name, _) in WORDS.items() if bit & mask])


def mask_of(names: Iterable[str]) -> int:
    """The assumptions of these names.

    Raises:
        KeyError: there is no assumption of a name.
    """
    bits = {name: bit for bit, (name, _) in WORDS.items()}
    return sum({bits[name] for name in names})
