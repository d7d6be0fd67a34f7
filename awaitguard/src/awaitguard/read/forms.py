"""What other files can see of a summary, in a form that holds no positions.

A file whose form is as before is the same to every other file, wherever its lines have moved to and whatever happened in
its functions. Forms are only compared and never stored: of a file that changed, those of before and after.
"""

from __future__ import annotations

import marshal
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, cast

from awaitguard.read.summary import (
    ANNOTATION,
    ATTRIBUTES,
    BASES,
    BINDINGS,
    BODY,
    CALLS,
    DECORATORS,
    FLAGS,
    KEYWORDS,
    KIND,
    NAME,
    NONE,
    OP_ANNOTATED,
    OP_CALL,
    OP_CONST,
    OP_DICT,
    OP_LIST,
    OP_METHOD,
    OP_NAME,
    OP_SCOPE,
    OP_SUBSCRIPTED,
    OP_UNION,
    OUTER_BLOCK,
    PARAMS,
    PARENT,
    RETURNS,
    SCOPE,
    STARS,
    Expr,
    Flag,
    RawBinding,
    Use,
)

# What others can see: definitions with what they give; also which calls functions make; also the objects at `places`; also
# what is done with values.
OFFER, WITH_CALLS, WITH_PLACES, WITH_SITES = 0, 1, 2, 3
VIEWS: Final = (OFFER, WITH_CALLS, WITH_PLACES, WITH_SITES)


def same_views(before: bytes, after: bytes) -> tuple[bool, ...]:
    """Which of the views of a file are as before, by its stored summaries."""
    if form(before, OFFER) != form(after, OFFER):
        return (False,) * len(VIEWS)  # the others show it too
    return (True, *(form(before, view) == form(after, view) for view in VIEWS[1:]))


def form(data: bytes, view: int) -> bytes:
    """One view of a stored summary. Equal forms look equal to other files.

    Raises:
        ValueError, EOFError, TypeError: the summary is damaged.
    """
    raw = cast("tuple[Any, ...]", marshal.loads(data))  # noqa: S302 - our own cache, checked by its checksum
    return b"" if raw[-1] is not None else View(raw, view).form()


class View:
    """Gathers what can be reached from a module's names, and numbers it anew in its old order."""

    def __init__(self, raw: tuple[Any, ...], view: int) -> None:
        self.exprs: tuple[Expr, ...] = raw[0]
        self.blocks: list[tuple[Any, ...]] = raw[1]
        self.scopes: list[tuple[Any, ...]] = raw[2]
        self.sites: list[tuple[Any, ...]] = raw[3]
        self.imports: list[tuple[Any, ...]] = raw[4]
        self.places: list[tuple[str, int]] = raw[5]
        self.view = view
        self.seen_exprs: set[int] = set()
        self.seen_blocks: set[int] = set()
        self.seen_scopes: set[int] = set()
        # Of functions only the names that are reached: scope, name.
        self.seen_names: set[tuple[int, str]] = set()
        self.waiting: list[int] = []  # expressions
        self.reach_scope(0)
        if view == WITH_PLACES:
            self.waiting.extend(receiver for _, receiver in self.places)
        if view == WITH_SITES:
            self.waiting.extend(site[1] for site in self.sites)
        while self.waiting:
            self.reach_expr(self.waiting.pop())

    # What is reached

    def reach_scope(self, index: int) -> None:
        if index < 0 or index in self.seen_scopes:
            return
        self.seen_scopes.add(index)
        scope = self.scopes[index]
        self.reach_scope(scope[PARENT])
        self.reach_block(scope[OUTER_BLOCK])
        self.reach_block(scope[BODY])
        for _, _, block in scope[STARS]:
            self.reach_block(block)
        for _, _, annotation, _, _, default in scope[PARAMS]:
            self.waiting += (annotation, default)
        self.waiting += (*scope[DECORATORS], scope[ANNOTATION], *scope[RETURNS], *scope[BASES])
        self.waiting += [value for _, value in scope[KEYWORDS]]
        if self.view == WITH_CALLS:
            self.waiting += scope[CALLS]
        for bindings in scope[ATTRIBUTES].values():
            self.reach_bindings(bindings)
        # What a module's `__getattr__` imports is asked for by any name.
        if scope[KIND] in ("module", "class") or (scope[NAME] == "__getattr__" and scope[PARENT] == 0):
            for name in scope[BINDINGS]:
                self.reach_name(index, name)

    def reach_name(self, index: int, name: str) -> None:
        bindings = self.scopes[index][BINDINGS].get(name)
        if bindings is not None and (index, name) not in self.seen_names:
            self.seen_names.add((index, name))
            self.reach_bindings(bindings)

    def reach_bindings(self, bindings: Iterable[RawBinding]) -> None:
        for kind, value, _, block, *_ in bindings:
            self.reach_block(block)
            if kind in ("def", "class"):
                self.reach_scope(value)
            elif kind in ("value", "narrowed"):
                self.waiting.append(value)

    def reach_block(self, block: int) -> None:
        while block >= 0 and block not in self.seen_blocks:
            self.seen_blocks.add(block)
            self.reach_scope(self.blocks[block][SCOPE])
            block = self.blocks[block][0]

    def reach_expr(self, index: int) -> None:
        if index <= NONE or index in self.seen_exprs:
            return
        self.seen_exprs.add(index)
        expr = self.exprs[index]
        operator: str = expr[0]
        if operator == OP_NAME:
            self.reach_root(expr[1].partition(".")[0], expr[2] if expr[2] >= 0 else ~expr[2])
        elif operator == OP_SCOPE:
            self.reach_scope(expr[1])
        else:
            self.waiting += parts(expr)

    def reach_root(self, root: str, block: int) -> None:
        """The bindings of a name in all scopes in which it is looked for, and what is put into it."""
        self.reach_block(block)
        index: int = self.blocks[block][SCOPE]
        while index >= 0:
            scope = self.scopes[index]
            self.reach_scope(index)
            self.reach_name(index, root)
            self.reach_name(index, root + "[]")
            if scope[KIND] != "class" and (root in scope[BINDINGS] or any(one[0] == root for one in scope[PARAMS])):
                return
            index = scope[PARENT]

    # Its form

    def form(self) -> bytes:
        self.exprs_in_order = sorted(self.seen_exprs)
        self.blocks_in_order = sorted(self.seen_blocks)
        self.scopes_in_order = sorted(self.seen_scopes)
        statements = sorted({self.blocks[one][2] for one in self.blocks_in_order} | {0})
        asking = self.asking()
        self.twins: list[int] = []
        counted: Counter[str] = Counter()
        names: list[str] = []
        for index, scope in enumerate(self.scopes):
            names.append(f"{names[scope[PARENT]]}.{scope[NAME]}" if index else "")
            self.twins.append(counted[names[index]])
            counted[names[index]] += 1
        return marshal.dumps(
            (
                [self.expr_form(self.exprs[one]) for one in self.exprs_in_order],
                [self.block_form(self.blocks[one], statements) for one in self.blocks_in_order],
                [self.scope_form(one, one in asking) for one in self.scopes_in_order],
                self.awaited_attributes(),
                [(word, self.number(receiver)) for word, receiver in self.places] if self.view == WITH_PLACES else None,
                [(use, self.number(index)) for use, index, *_ in self.sites] if self.view == WITH_SITES else None,
                [one[0] for one in self.imports if one[0].startswith("nest_asyncio")]
                if self.view == WITH_CALLS
                else None,
            ),
            # Without references, since equal objects need not be the same one.
            2,
        )

    def number(self, expr: int) -> int:
        """The new number of an expression; those that are no index stay."""
        return expr if expr <= NONE else bisect_left(self.exprs_in_order, expr) + NONE + 1

    def block_number(self, block: int) -> int:
        return block if block < 0 else bisect_left(self.blocks_in_order, block)

    def scope_number(self, scope: int) -> int:
        return scope if scope < 0 else bisect_left(self.scopes_in_order, scope)

    def numbers(self, exprs: Iterable[Any]) -> list[Any]:
        return [self.number(one) if isinstance(one, int) else one for one in exprs]

    def expr_form(self, expr: Expr) -> Any:
        operator: str = expr[0]
        if operator == OP_NAME:
            block: int = expr[2]
            return (OP_NAME, expr[1], self.block_number(block) if block >= 0 else ~self.block_number(~block))
        if operator == OP_CALL:
            keywords = [(name, self.number(one)) for name, one in expr[3]]
            return (OP_CALL, self.number(expr[1]), self.numbers(expr[2]), keywords, expr[4])
        if operator == OP_SCOPE:
            return (OP_SCOPE, self.scope_number(expr[1]))
        if operator in (OP_CONST, OP_METHOD):
            return expr
        if operator == OP_UNION:
            return (OP_UNION, self.numbers(expr[1:]))
        if operator == OP_DICT:
            return (OP_DICT, [(key, self.number(one)) for key, one in expr[1]])
        if operator == OP_LIST:
            return (OP_LIST, self.numbers(expr[1]))
        if operator == OP_SUBSCRIPTED:
            return (OP_SUBSCRIPTED, self.number(expr[1]), self.numbers(expr[2]))
        if operator == OP_ANNOTATED:
            return (OP_ANNOTATED, self.number(expr[1]), self.number(expr[2]))
        return (operator, self.number(expr[1]), *expr[2:])

    def block_form(self, block: tuple[Any, ...], statements: list[int]) -> Any:
        parent, scope, statement, *rest = block
        return (self.block_number(parent), self.scope_number(scope), bisect_left(statements, statement), *rest)

    def binding_forms(self, bindings: Iterable[RawBinding]) -> list[Any]:
        forms: list[Any] = []
        for kind, value, at, block, _, name, level in bindings:
            if kind in ("def", "class"):
                value = self.scope_number(value)
            elif kind in ("value", "narrowed"):
                value = self.number(value)
            # The order of bindings and uses is kept.
            forms.append((kind, value, bisect_left(self.exprs_in_order, at), self.block_number(block), name, level))
        return forms

    def scope_form(self, index: int, asks: bool) -> Any:
        scope = self.scopes[index]
        bindings: dict[str, list[RawBinding]] = scope[BINDINGS]
        return (
            scope[KIND],
            scope[NAME],
            # Which of the scopes of this name a cause means.
            self.twins[index],
            self.scope_number(scope[PARENT]),
            self.block_number(scope[OUTER_BLOCK]),
            self.block_number(scope[BODY]),
            [(name, self.binding_forms(bindings[name])) for name in bindings if (index, name) in self.seen_names],
            scope[FLAGS],
            asks,
            [
                (name, kind, self.number(annotation), has_default, use, self.number(default))
                for name, kind, annotation, has_default, use, default in scope[PARAMS]
            ],
            self.numbers(scope[DECORATORS]),
            self.number(scope[ANNOTATION]),
            self.numbers(scope[RETURNS]),
            self.numbers(scope[BASES]),
            [(name, self.number(value)) for name, value in scope[KEYWORDS]],
            [(name, self.binding_forms(found)) for name, found in scope[ATTRIBUTES].items()],
            [(module, level, self.block_number(block)) for module, level, block in scope[STARS]],
            self.numbers(scope[CALLS]) if self.view == WITH_CALLS else None,
        )

    def asking(self) -> set[int]:
        """The scopes in which, or in one inside of which, somebody asks for the colour of a function."""
        found: set[int] = set()
        for index, scope in enumerate(self.scopes):
            while scope[FLAGS] & Flag.ASKS_COLOUR and index >= 0:
                found.add(index)
                index = self.scopes[index][PARENT]
        return found

    def awaited_attributes(self) -> list[str]:
        """The attributes that hold what a method was given, if somebody in the file calls them and awaits the result."""
        held: set[str] = set()
        for scope in self.scopes:
            for name, bindings in scope[ATTRIBUTES].items():
                values = [one[1] for one in bindings if one[0] == "value" and one[1] > NONE]
                if any(self.exprs[one][0] == OP_NAME for one in values):
                    held.add(name)
        found: set[str] = set()
        for use, index, *_ in self.sites:
            call = self.exprs[index] if use == Use.AWAIT and index > NONE else ()
            function = self.exprs[call[1]] if call and call[0] == OP_CALL and call[1] > NONE else ()
            if function and function[0] == OP_NAME and function[1].count(".") == 1:
                found.add(function[1].partition(".")[2])
        return sorted(found & held)


def parts(expr: Expr) -> list[int]:
    """The expressions that one is made of."""
    operator: str = expr[0]
    if operator == OP_CALL:
        return [expr[1], *(one for one in expr[2] if isinstance(one, int)), *(one for _, one in expr[3])]
    if operator == OP_UNION:
        return list(expr[1:])
    if operator == OP_DICT:
        return [one for _, one in expr[1]]
    if operator == OP_LIST:
        return list(expr[1])
    if operator == OP_SUBSCRIPTED:
        return [expr[1], *expr[2]]
    if operator == OP_ANNOTATED:
        return [expr[1], expr[2]]
    return [] if operator in (OP_CONST, OP_METHOD, OP_NAME, OP_SCOPE) else [expr[1]]
