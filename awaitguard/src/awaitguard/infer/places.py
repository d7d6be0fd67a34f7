"""Places that do something to a member by its name: set it on an object, or ask what colour it has.

Each place is known by its file and the expression of its object. What that means for one class is worked out here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from awaitguard.infer.value import CLASS, DOUBLE_VALUE, INSTANCE, MODULE, UNKNOWN_KIND, Definition, Value
from awaitguard.infer.words import ASKED, SET
from awaitguard.read.discovery import is_test

if TYPE_CHECKING:
    from awaitguard.infer.classes import Classes

# No place means it; one may, since its object can't be followed or is one of many; one surely does.
NONE, PERHAPS, SURELY = 0, 1, 2
MOST: Final = 64  # places of one name that are looked at; of more nobody asks which objects they mean


def set_on(resolver: Classes, owner: Definition, name: str) -> int:
    """Whether code puts something in the place of a class's member, or gives the class one that it lacks.

    What is set on one object, or by a test, leaves the others as they are.
    """

    def work() -> int:
        summary = resolver.table.summary(owner[0])
        anything = f"*{summary.scopes[owner[1]].name}" if summary is not None else ""
        found = search(resolver, SET + name, lambda value: is_kin(resolver, value, owner))
        return max(found, search(resolver, SET + anything, lambda value: is_kin(resolver, value, owner)))

    return resolver.remember(("set on", owner, name), work)


def set_in_module(resolver: Classes, path: str, name: str) -> int:
    """Whether code gives a module a name."""
    key = ("set in module", path, name)
    return resolver.remember(
        key, lambda: search(resolver, SET + name, lambda value: value.kind == MODULE and value.module == path)
    )


def replaces_class(resolver: Classes, definition: Definition) -> int:
    """Whether code puts another class in the place of one, in a module that has it."""
    summary = resolver.table.summary(definition[0])
    name = summary.scopes[definition[1]].name if summary is not None else ""

    def has_it(value: Value) -> bool:
        held = resolver.member(value.module, name) if value.kind == MODULE else ()
        return any(one.kind == CLASS and one.definition == definition for one in held or ())

    return resolver.remember(("replaces", definition), lambda: search(resolver, SET + name, has_it))


def asks_colour(resolver: Classes, owner: Definition, name: str) -> int:
    """Whether code asks what colour a class's method has, or its result, and so takes both."""
    key = ("asks colour", owner, name)
    return resolver.remember(key, lambda: search(resolver, ASKED + name, lambda value: is_kin(resolver, value, owner)))


def search(resolver: Classes, word: str, is_it: Callable[[Value], bool]) -> int:
    """The strongest of what the places of a word say."""
    places = resolver.table.places(word)
    if len(places) > MOST:
        return PERHAPS
    found = NONE
    for path, receiver in places:
        for value in resolver.infer(path, receiver):
            if value.kind == UNKNOWN_KIND:
                found = max(found, NONE if value == DOUBLE_VALUE else PERHAPS)
            elif is_it(value):
                one_of_many = word[0] == SET and (value.kind == INSTANCE or is_test(path))
                found = max(found, PERHAPS if one_of_many else SURELY)
    return found


def is_kin(resolver: Classes, value: Value, owner: Definition) -> bool:
    """Whether a value is of a class, or is a class, that is `owner`, above it or below it."""
    if value.kind not in (INSTANCE, CLASS):
        return False
    one = value.definition
    return one == owner or owner in resolver.lineage(one)[0] or one in resolver.lineage(owner)[0]
