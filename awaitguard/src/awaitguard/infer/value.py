"""What an expression may stand for."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

Definition = tuple[str, int]  # path of the file, index of the scope in it


class Environment:
    """What the parameters of enclosing calls are, keyed by path, scope and name; compared by identity."""

    __slots__ = ("given", "names")

    def __init__(self, given: dict[tuple[str, int, str], tuple[Value, ...]]) -> None:
        self.given = given
        self.names = frozenset([name for _, _, name in given])

    def get(self, key: tuple[str, int, str]) -> tuple[Value, ...] | None:
        return self.given.get(key)


class Value(NamedTuple):
    """One thing that an expression may be.

    `kind` is one of the constants below. `module` and `scope` name the function or class it is, is made by or is an
    instance of. `origin` is the definition that is the cause of its colour, or the dotted name of a library function;
    `via` tells the route by which it was reached. `bound` says that a method already has its first argument.
    """

    kind: str
    module: str = ""
    scope: int = -1
    origin: Definition | str | None = None
    via: tuple[str, ...] = ()
    bound: bool = False
    extra: Any = None

    def reached(self, route: str) -> Value:
        """The same value, reached by one more kind of detour."""
        return self if route in self.via else self._replace(via=(*self.via, route))

    @property
    def definition(self) -> Definition:
        return self.module, self.scope


UNKNOWN_KIND: Final = "unknown"
NONE_KIND: Final = "none"
PLAIN_KIND: Final = "plain"  # a number, text, list or the like
FUNCTION: Final = "function"
CLASS: Final = "class"
INSTANCE: Final = "instance"
COROUTINE: Final = "coroutine"
ASYNC_GENERATOR: Final = "async generator"
GENERATOR: Final = "generator"
CONTEXT: Final = "context manager"
ASYNC_CONTEXT: Final = "async context manager"
AWAITABLE: Final = "awaitable"  # a task, a future or something annotated so
MODULE: Final = "module"
PARTIAL: Final = "partial"
CONTAINER: Final = "container"  # extra: (path, expression of the elements, ...)
MAPPING: Final = "mapping"
LIBRARY: Final = "library"  # extra: dotted name outside of the project
OBJECT: Final = "object"  # an instance of something of the library; extra: its dotted name
SUPER: Final = "super"
PROPERTY: Final = "property"
ALIAS: Final = (
    "alias"  # a type that was given a name, `Users = Annotated[Store, ...]`; module and scope: where it is written
)
METHOD: Final = "method"  # a telling method of an unknown object; extra: its name

UNKNOWN_VALUE: Final = Value(UNKNOWN_KIND)
# Can't be followed either, but is surely no object of the project's own classes.
DOUBLE_VALUE: Final = Value(UNKNOWN_KIND, extra="double")
NONE_VALUE: Final = Value(NONE_KIND)
PLAIN_VALUE: Final = Value(PLAIN_KIND)
UNKNOWN_VALUES: Final = (UNKNOWN_VALUE,)

Values = tuple[Value, ...]


def is_unknown(values: Values) -> bool:
    """Whether some candidate can't be followed."""
    return not values or any(value.kind == UNKNOWN_KIND for value in values)


def merge(groups: list[Values]) -> Values:
    """The union of candidates, without doubles; a lone None beside real candidates says nothing and is dropped."""
    if len(groups) == 1 and len(groups[0]) < 2:
        return groups[0]
    merged: dict[Value, None] = {}
    for group in groups:
        for value in group:
            merged[value] = None
    if len(merged) > 1 and NONE_VALUE in merged:
        del merged[NONE_VALUE]
    return tuple(merged)


def stand_ins(values: Values) -> Values:
    """The same instances as what somebody else may replace by others; unknown if there is anything but instances."""
    if not values or any(one.kind != INSTANCE or one.module.startswith("/") for one in values):
        return UNKNOWN_VALUES
    return tuple([one._replace(extra="declared").reached("default") for one in values])
