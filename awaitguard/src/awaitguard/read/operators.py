"""Await, operators, subscripts and yield: what they do with values, and what they give."""

from __future__ import annotations

import ast
from typing import Any, Final

from awaitguard.read.naming import Names, dotted_name
from awaitguard.read.nodes import (
    Attribute,
    Await,
    BinOp,
    Call,
    Constant,
    Dict,
    Is,
    IsNot,
    Name,
    Not,
    Or,
    Slice,
    Starred,
    Tuple,
)
from awaitguard.read.summary import (
    NONE,
    OP_AWAIT,
    OP_DEFAULT,
    OP_ITEM,
    OP_SCOPE,
    OP_UNION,
    PLAIN,
    SLICE,
    UNKNOWN,
    Flag,
    Use,
)
from awaitguard.read.syntax import constant_truth
from awaitguard.read.vocabulary import CONTAINER_NODES, LOOKS_AT, OF_COROUTINES, SITED_USES

# Functions that are awaited and call what they are given in a thread, so that it has to be plain.
IN_THREADS: Final = frozenset(
    {"to_thread", "run_in_executor", "run_sync", "run_in_threadpool", "sync_to_async", "async_add_executor_job"}
)


class Operators(Names):
    """The part of the walker that visits operators."""

    def value_wanted(self, node: ast.expr, use: int) -> int:
        """Visit an expression whose value is wanted at once, such as a key or an exception that is raised."""
        if type(node) is not Call:
            return self.visit(node, use)
        index = self.visit(node, Use.VALUE_ARGUMENT)
        if index > NONE:
            self.site(Use.VALUE_ARGUMENT, index, node)
        return index

    def visit_await(self, node: ast.Await, use: int) -> int:
        self.note_await()
        if type(node.value) is Call:
            self.note_handed(node.value)
        elif type(node.value) is Await:
            self.note_twice(node.value.value)
        value = self.visit(node.value, Use.AWAIT)
        if value < 0:
            return UNKNOWN
        self.site(Use.AWAIT, value, node)
        index = self.add((OP_AWAIT, value))
        if use not in (Use.STATEMENT, Use.AWAIT, Use.ASSIGN, Use.OTHER, Use.ARGUMENT):
            self.site(use, index, node)
        return index

    def note_handed(self, node: ast.Call) -> None:
        """`await call(x.install, site)`: whoever calls a method for others may well await what it gives."""
        if dotted_name(node.func).rpartition(".")[2] not in IN_THREADS:
            for argument in node.args:
                if type(argument) is Attribute:
                    self.ask(argument.attr, argument.value)
                elif type(argument) is Starred:
                    self.note_twice(argument.value.value if type(argument.value) is Await else argument.value)

    def note_twice(self, node: ast.expr) -> None:
        """`await (await start())` and `gather(*await start())`: what the function gives is awaited too."""
        name = dotted_name(node.func) if type(node) is Call else ""
        if name:
            self.twice_awaited.add(name.rpartition(".")[2])

    def note_await(self) -> None:
        frame = self.frame
        frame.awaits += 1
        for lock, where in frame.held.values():
            if lock >= 0 and not self.muted:
                self.sites.append((int(Use.LOCKED), lock, frame.index, where, UNKNOWN, 0))
        frame.held.clear()

    def visit_bool(self, node: ast.BoolOp, use: int) -> int:
        owner, self.owner = self.owner, None
        found = [self.visit(value, Use.TRUTH) for value in node.values[:-1]]
        self.owner = owner
        last = node.values[-1]
        found.append(self.visit(last, use))
        first = node.values[0]
        if type(last) is Call and type(first) is Name and type(node.op) is Or and len(found) == 2:
            return self.stand_in(first.id, found[1], found)
        return self.union(found)

    def open_parameter(self, name: str) -> str:
        """The name if it is a parameter without annotation, of which nothing is known but its stand-in."""
        if not name or name not in self.frame.param_use or self.frame.bindings.get(name):
            return ""
        return name if any(one[0] == name and one[2] < 0 for one in self.frame.params) else ""

    def stand_in(self, name: str, default: int, found: list[int]) -> int:
        """`parameter or Default()`: callers that give nothing show what the parameter is meant to be."""
        return self.add((OP_DEFAULT, default)) if default > NONE and self.open_parameter(name) else self.union(found)

    def union(self, found: list[int]) -> int:
        if min(found) < 0:
            return UNKNOWN
        return self.add((OP_UNION, *found)) if max(found) > NONE else PLAIN

    def visit_conditional(self, node: ast.IfExp, use: int) -> int:
        owner, self.owner = self.owner, None
        self.visit(node.test, Use.TRUTH)
        self.owner = owner
        known = constant_truth(node.test, self.constants)
        found: list[int] = []
        for part, never in ((node.body, known is False), (node.orelse, known is True)):
            self.muted += never
            found.append(self.visit(part, use))
            self.muted -= never
        if known is not None:
            return found[0] if known else found[1]
        for given, other, index in ((node.body, node.orelse, found[1]), (node.orelse, node.body, found[0])):
            if type(given) is Name and type(other) is Call:
                return self.stand_in(given.id, index, found)
        return self.union(found)

    def visit_binary(self, node: ast.BinOp, use: int) -> int:
        # Long sums nest deeply on the left: walk down instead of recursing.
        left: ast.expr = node
        rights: list[ast.expr] = []
        while type(left) is BinOp:
            rights.append(left.right)
            left = left.left
        self.visit(left, use if type(left) in CONTAINER_NODES else Use.OPERAND)
        text = type(left) is Constant and isinstance(left.value, str)
        contained = type(left) in CONTAINER_NODES
        for right in reversed(rights):
            if text and type(right) is Tuple:
                for element in right.elts:
                    self.visit(element, Use.FORMAT)
            elif text and type(right) is Dict:
                for element in right.values:
                    self.visit(element, Use.FORMAT)
            elif type(right) in CONTAINER_NODES:
                contained = True
                self.visit(right, use)
            else:
                self.visit(right, Use.FORMAT if text else Use.OPERAND)
        # Operators give numbers, texts, lists and the like: never something to await.
        return UNKNOWN if contained else PLAIN

    def visit_unary(self, node: ast.UnaryOp, use: int) -> int:
        self.visit(node.operand, Use.TRUTH if type(node.op) is Not else Use.OPERAND)
        return PLAIN

    def visit_compare(self, node: ast.Compare, use: int) -> int:
        # `task.coro is coro` asks for the coroutine itself; `is None` asks for its result.
        sides = (node.left, *node.comparators)
        identity = all(type(one) in (Is, IsNot) for one in node.ops)
        if type(node.left) is Name and not identity:
            self.frame.flags |= Flag.CHOOSES
        same = identity and not any(type(one) is Constant for one in sides)
        for side in sides:
            self.visit(side, Use.OTHER if same else Use.COMPARE)
        return PLAIN

    def visit_walrus(self, node: ast.NamedExpr, use: int) -> int:
        value = self.visit(node.value, use)
        self.bind_name(node.target.id, value, node.value)
        return value

    def visit_subscript(self, node: ast.Subscript, use: int) -> int:
        value = node.value
        looks = self.only_looks(use)
        if type(value) is Name and not looks:
            self.frame.consumed.add(value.id)
        if type(value) is Name and looks:
            was = value.id in self.frame.consumed
            base = self.visit(value, Use.SUBSCRIPT)
            if not was:
                self.frame.consumed.discard(value.id)
        else:
            attribute = value.attr if type(value) is Attribute and looks else ""
            was = attribute in self.consumed_attributes
            base = self.visit(value, Use.SUBSCRIPT)
            if attribute and not was:
                self.consumed_attributes.discard(attribute)
        key = node.slice
        constant: Any = None
        if type(key) is Constant and isinstance(key.value, str | int):
            constant = key.value
        elif type(key) is Name and key.id in self.guards:
            constant = self.guards[key.id]
            self.load(key.id, Use.OPERAND)
        elif type(key) is Slice:
            constant = SLICE
            self.visit(key, Use.OPERAND)
        else:
            self.value_wanted(key, Use.OPERAND)
        if base < 0:
            return UNKNOWN
        index = self.add((OP_ITEM, base, constant))
        if use in SITED_USES and use != Use.AWAIT:
            self.site(use, index, node)
        return index

    def only_looks(self, use: int) -> bool:
        """Whether a use of a container's element can't lead to an await of it."""
        if use == Use.RETURN:
            return bool(self.frame.flags & Flag.ASYNC)
        return (
            use in LOOKS_AT
            or use == Use.SUBSCRIPT
            or (use == Use.ATTRIBUTE and self.attribute_name not in OF_COROUTINES)
        )

    def visit_slice(self, node: ast.Slice, use: int) -> int:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.visit(part, Use.OPERAND)
        return PLAIN

    def visit_yield(self, node: ast.Yield, use: int) -> int:
        self.frame.flags |= Flag.GENERATOR
        if node.value is not None:
            self.frame.yields.append(self.visit(node.value, Use.YIELD))
        return UNKNOWN

    def visit_yield_from(self, node: ast.YieldFrom, use: int) -> int:
        self.frame.flags |= Flag.GENERATOR
        # Under @types.coroutine a generator may go over coroutines.
        self.visit(node.value, Use.OTHER if self.frame.decorators else Use.ITERATE)
        self.frame.yields.append(UNKNOWN)
        return UNKNOWN

    def visit_lambda(self, node: ast.Lambda, use: int) -> int:
        return self.add((OP_SCOPE, self.lambda_scope(node)))
