"""What is kept of one source file after a single walk over its syntax tree.

A summary is made of plain tuples, dicts, strings and numbers, so that `marshal` can store it. Expressions live in one
table per file and refer to each other by index; two indices are fixed (`PLAIN`, `NONE`) and `UNKNOWN` stands for all
that cannot be followed. An expression is a tuple whose first item is one of the `OP_*` letters.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

FOREIGN_REASON: Final = "said to another tool"  # the reason of ignores that are comments for type checkers
UNKNOWN: Final = -1
PLAIN: Final = 0
NONE: Final = 1
ABSENT: Final = -2
BARE: Final = -3  # the call of a site where only the name of the method says what it does

Expr = tuple[Any, ...]
RawSite = tuple[int, int, int, int, int, int | str]  # the fields of a Site, as they are stored
RawBinding = tuple[str, Any, int, int, int, str, int]  # the same of a Binding
NO_EXPR: Final[Expr] = ("",)  # stands for what can't be followed, where an entry of the table is looked at

# Operators of the expression table, with what follows the letter.
OP_CONST: Final = "k"  # type name, value or None
OP_NAME: Final = "n"  # dotted name, block
OP_ATTR: Final = "."  # base, attribute
OP_GETATTR: Final = "G"  # base, attribute: getattr() with a constant name
OP_CALL: Final = "c"  # function, arguments, keywords, has_star, position
OP_AWAIT: Final = "w"  # expression
OP_DICT: Final = "d"  # ((key, expression), ...)
OP_LIST: Final = "t"  # elements
OP_ITEM: Final = "s"  # base, constant key or None or SLICE
OP_UNION: Final = "u"  # alternatives
OP_SCOPE: Final = "f"  # scope index of a lambda
OP_COMPREHENSION: Final = "g"  # element, is_generator, is_async
OP_ELEMENT: Final = "i"  # iterated expression, is_async
OP_ENTER: Final = "e"  # context manager expression, is_async
OP_UNPACK: Final = "x"  # expression, index
OP_ANNOTATED: Final = "a"  # annotation, value or ABSENT
OP_SUBSCRIPTED: Final = "["  # base, arguments: in annotations
SLICE: Final = "[:]"  # no key that anyone would write
OP_DEFAULT: Final = "o"  # expression: what stands in for a parameter that isn't given
OP_METHOD: Final = "m"  # attribute of an unknown object, kept because the name says enough


class Use:
    """How the value of an expression is used by the syntax around it."""

    STATEMENT: Final = 0
    AWAIT: Final = 1
    TRUTH: Final = 2
    COMPARE: Final = 3
    ITERATE: Final = 4
    FORMAT: Final = 5
    ELEMENT: Final = 6
    RETURN: Final = 7
    ARGUMENT: Final = 8
    ATTRIBUTE: Final = 9
    SUBSCRIPT: Final = 10
    OPERAND: Final = 11
    ASSIGN: Final = 12
    YIELD: Final = 13
    WITH: Final = 14
    ASYNC_WITH: Final = 15
    ASYNC_ITERATE: Final = 16
    CALLEE: Final = 17
    STORED: Final = 18
    FORGOTTEN: Final = 19
    VALUE_ARGUMENT: Final = 20
    LOCKED: Final = 21
    OTHER: Final = 22
    RETURNED_DICT: Final = 23
    MAPPED: Final = 24
    SCHEDULED: Final = 25
    UNPACKED: Final = 26
    RETURNED_LIST: Final = 27
    READ: Final = 28  # of a property that runs a loop; only there
    LOGGED: Final = 29  # given to a method of a logger

    ALL: Final = frozenset({*range(28), 29})


class ParamUse:
    """What a function does with a parameter."""

    AWAITED: Final = 1
    PASSED_ON: Final = 2
    AS_VALUE: Final = 4
    CALLED: Final = 8  # and what comes back is used at once, never awaited
    CALL_AWAITED: Final = 16  # called, and what comes back is awaited


class Flag:
    """Facts about a function or class scope."""

    ASYNC: Final = 1
    GENERATOR: Final = 2
    STUB: Final = 4  # the body says nothing: `...`, `pass`, a docstring, `raise NotImplementedError`
    ASKS_COLOUR: Final = 8  # looks at iscoroutinefunction, isawaitable or the like
    RUNS_LOOP: Final = 16  # calls asyncio.run or run_until_complete itself
    FALLS_THROUGH: Final = 32  # the end of the body can be reached
    NEVER_RETURNS: Final = 64
    ASKS_LOOP: Final = 128  # looks whether a loop is running
    CHOOSES: Final = 512  # compares a name with something, which may be the key of a table
    HANDS_ON: Final = 1024  # a decorator's wrapper that gives all that it is given, and nothing else, to what it wraps
    OWN_NAMESPACE: Final = 256  # exec, globals(), setattr on itself: names can appear that no one sees


class Param:
    """One parameter of a function.

    `kind` is the letter of inspect's kinds: o, p, v, k, w. `default` is the call that makes the default.
    """

    __slots__ = ("annotation", "default", "has_default", "kind", "name", "use")

    def __init__(
        self, name: str, kind: str, annotation: int, has_default: bool, use: int, default: int = UNKNOWN
    ) -> None:
        self.name, self.kind, self.annotation = name, kind, annotation
        self.has_default, self.use, self.default = has_default, use, default


POSITIONAL_ONLY, POSITIONAL, VAR_POSITIONAL, KEYWORD, VAR_KEYWORD = "opvkw"


class Binding:
    """One place where a name gets a value.

    `kind` is one of import, from, def, class, value, param, unknown, narrowed (by isinstance: it holds in its own block
    alone), and all for the names in `__all__`. `value` is a scope or expression index or, for imports, the dotted
    module; `name` is the imported name and `level` the number of dots of a relative import. `at` orders bindings and
    uses inside a file.
    """

    __slots__ = ("at", "block", "kind", "level", "line", "name", "value")

    def __init__(self, raw: RawBinding) -> None:
        self.kind, self.value, self.at, self.block, self.line, self.name, self.level = raw


Item = TypeVar("Item")


class Lazy(Generic[Item]):
    """A sequence whose items are put together when they are first asked for: of most files only a few are."""

    __slots__ = ("made", "make", "raw")

    def __init__(self, raw: list[tuple[Any, ...]], make: Callable[[tuple[Any, ...]], Item]) -> None:
        self.raw = raw
        self.make = make
        self.made: list[Item | None] = [None] * len(raw)

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, index: int) -> Item:
        found = self.made[index]
        if found is None:
            found = self.made[index] = self.make(self.raw[index])
        return found

    def __iter__(self) -> Iterator[Item]:
        return map(self.__getitem__, range(len(self.raw)))


class Bindings:
    """Bindings by name; their stored tuples are turned into bindings when someone asks for the name."""

    __slots__ = ("raw",)

    def __init__(self, raw: dict[str, list[Any]]) -> None:
        self.raw = raw

    def __contains__(self, name: str) -> bool:
        return name in self.raw

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __getitem__(self, name: str) -> list[Binding]:
        found = self.raw[name]
        if found and type(found[0]) is tuple:
            found[:] = [Binding(one) for one in found]
        return found

    def get(self, name: str) -> list[Binding] | None:
        return self[name] if name in self.raw else None

    def items(self) -> Iterator[tuple[str, list[Binding]]]:
        return ((name, self[name]) for name in self.raw)

    def values(self) -> Iterator[list[Binding]]:
        return map(self.__getitem__, self.raw)


TRIED: Final = -1  # the arm of a block that is the body of a `try`: unlike those of an `if` it always begins

KNOWN_ARMS: Final = 1000  # the arms from here on are of an `if` about versions or type checking, which callers ask too


class Block:
    """A stretch of code that runs or doesn't run together."""

    __slots__ = ("arm", "exclusive", "fallback", "leaves", "loops", "parent", "scope", "statement")

    def __init__(self, raw: tuple[int, int, int, int, bool, bool, bool, bool]) -> None:
        self.parent, self.scope, self.statement, self.arm, self.loops, self.leaves, self.exclusive, self.fallback = raw


SCOPE: Final = 1  # where they are in the stored tuple of a block
FALLBACK: Final = 7


# Where these are in the stored tuple of a scope, for those who look at all scopes of a file and want few of them.
KIND: Final = 0
NAME: Final = 1
PARENT: Final = 2
OUTER_BLOCK: Final = 3
BODY: Final = 4
POSITION: Final = 5
BINDINGS: Final = 6
FLAGS: Final = 7
PARAMS: Final = 8
DECORATORS: Final = 9
ANNOTATION: Final = 10
RETURNS: Final = 11
BASES: Final = 12
KEYWORDS: Final = 13
ATTRIBUTES: Final = 14
STARS: Final = 15
CALLS: Final = 16


class Scope:
    """A module, class, function or lambda."""

    __slots__ = (
        "annotation", "attributes", "bases", "bindings", "block", "body", "calls", "decorators", "flags", "keywords", "kind",
        "name", "params", "parent", "position", "returns", "stars",
    )  # fmt: skip

    def __init__(self, raw: tuple[Any, ...]) -> None:
        self.kind: str = raw[KIND]
        self.name: str = raw[NAME]
        self.parent: int = raw[PARENT]
        self.block: int = raw[OUTER_BLOCK]
        self.body: int = raw[BODY]
        self.position: int = raw[POSITION]
        self.bindings = Bindings(raw[BINDINGS])
        self.flags: int = raw[FLAGS]
        self.params = tuple([Param(*one) for one in raw[PARAMS]])
        self.decorators: tuple[int, ...] = raw[DECORATORS]
        self.annotation: int = raw[ANNOTATION]
        self.returns: tuple[int, ...] = raw[RETURNS]
        self.bases: tuple[int, ...] = raw[BASES]
        self.keywords: tuple[tuple[str, int], ...] = raw[KEYWORDS]
        self.attributes = Bindings(raw[ATTRIBUTES])
        self.stars: tuple[tuple[str, int, int], ...] = raw[STARS]
        self.calls: tuple[int, ...] = raw[CALLS]

    @property
    def is_async(self) -> bool:
        return bool(self.flags & Flag.ASYNC)

    @property
    def is_generator(self) -> bool:
        return bool(self.flags & Flag.GENERATOR)


class Site:
    """A place that a rule may want to look at: an expression and how its value is used there.

    `call` and `argument` name the enclosing call and the position or keyword when `use` is ARGUMENT.
    """

    __slots__ = ("argument", "call", "expr", "position", "scope", "use")

    def __init__(self, raw: RawSite) -> None:
        self.use, self.expr, self.scope, self.position, self.call, self.argument = raw


class Import(NamedTuple):
    """One imported name, for the rules that ask whether it is there."""

    module: str
    level: int
    name: str
    scope: int
    position: int
    guarded: bool


class Ignore(NamedTuple):
    """An inline `# awaitguard: ignore[...]` comment; no codes means every code."""

    line: int
    codes: tuple[str, ...]
    reason: str


class Summary:
    """Everything that later steps know about a file."""

    __slots__ = ("blocks", "error", "exprs", "ignores", "imports", "places", "scopes", "sites")

    def __init__(self, raw: tuple[Any, ...]) -> None:
        exprs, blocks, scopes, sites, imports, places, ignores, error = raw
        self.exprs: tuple[Expr, ...] = exprs
        self.blocks = Lazy(blocks, Block)
        self.scopes = Lazy(scopes, Scope)
        self.sites: list[RawSite] = sites
        self.imports: tuple[Import, ...] = tuple([Import(*one) for one in imports])
        # `=name` where an attribute is set on another object, `?name` where its colour is asked, with the object's expression.
        self.places: list[tuple[str, int]] = places
        self.ignores: tuple[Ignore, ...] = tuple([Ignore(*one) for one in ignores])
        self.error: tuple[int, int, str, bool] | None = error  # line, column, reason, whether a newer Python reads it

    def scope_of(self, block: int) -> int:
        """The scope that a block is in."""
        return self.blocks.raw[block][SCOPE]


def tells(call: Expr) -> bool:
    """Whether a call has an argument that can be followed: a function, say, and not only numbers and texts."""
    return any(type(one) is int and one > NONE for one in call[2]) or any(one > NONE for _, one in call[3])


def pack_position(line: int, column: int, end_line: int, end_column: int) -> int:
    """Put a source range into one number; columns are UTF-8 byte offsets as in `ast`, clipped at 4095."""
    return (line << 36) | (min(column, 4095) << 24) | (min(end_line - line, 4095) << 12) | min(end_column, 4095)


def unpack_position(position: int) -> tuple[int, int, int, int]:
    """Undo `pack_position`: (line, column, end line, end column)."""
    line = position >> 36
    return line, (position >> 24) & 4095, line + ((position >> 12) & 4095), position & 4095


def load(data: bytes) -> Summary:
    """Read back a summary that the walker wrote.

    Raises:
        ValueError, EOFError, TypeError: the bytes are damaged.
    """
    return Summary(cast("tuple[Any, ...]", marshal.loads(data)))  # noqa: S302 - our own cache, checked by its checksum


def qualname(summary: Summary, scope: int) -> str:
    """The dotted name of a scope inside its module."""
    parts: list[str] = []
    while scope > 0:
        parts.append(summary.scopes[scope].name)
        scope = summary.scopes[scope].parent
    return ".".join(reversed(parts))


def definitions(summary: Summary, name: str) -> list[int]:
    """The scopes that have a qualified name, in their order."""
    last = name.rpartition(".")[2]
    scopes = summary.scopes.raw
    return [index for index in range(len(scopes)) if scopes[index][NAME] == last and qualname(summary, index) == name]
