"""One walk over a syntax tree, statement by statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from awaitguard.read.constants import Constants
from awaitguard.read.definitions import Definitions
from awaitguard.read.expressions import VISITORS, Expressions, asks_for_awaitable
from awaitguard.read.frame import Frame, raw_binding
from awaitguard.read.naming import dotted_name
from awaitguard.read.nodes import (
    And,
    AsyncFor,
    AsyncWith,
    Attribute,
    BoolOp,
    Call,
    Constant,
    If,
    MatchAs,
    MatchValue,
    Name,
)
from awaitguard.read.summary import (
    KNOWN_ARMS,
    NONE,
    OP_CALL,
    OP_ELEMENT,
    OP_ENTER,
    TRIED,
    UNKNOWN,
    Flag,
    Use,
)
from awaitguard.read.syntax import (
    asks_version,
    called_names,
    caught_names,
    constant_truth,
    equality,
    expects_error,
    falls_back,
    has_yield,
    is_raises,
    lazy_names,
    may_fail,
    never_returning,
    only_imports,
    tested_class,
    tested_for_none,
    tests_of,
)

IGNORE: Final = re.compile(r"#\s*awaitguard:\s*ignore(?:\[([^\]]*)\])?[ \t]*([^#\n]*)")
RUNS: Final = (".run", "run_until_complete")
LEAVING_CALLS: Final = frozenset({"exit", "_exit", "abort", "fail", "skip", "xfail"})
IMPORT_ERRORS: Final = frozenset({"ImportError", "ModuleNotFoundError"})
BROAD_ERRORS: Final = frozenset({"Exception", "BaseException"})
Statement = Callable[[Any, Any], bool]


class Walker(Definitions):
    """Walks a module and collects its summary. Every statement's visitor says whether control leaves there."""

    def walk(self, tree: ast.Module, ignores: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """The raw summary of a module, ready for `marshal`."""
        self.leaving.update(never_returning(tree.body))
        self.constants = Constants(tree)
        self.body(tree.body)
        if "__getattr__" in self.frame.bindings:
            for statement in tree.body:
                if isinstance(statement, ast.Assign | ast.AnnAssign):
                    self.lazy_imports(statement.value)
        self.leave(self.frame)
        self.sites.extend(site for name, site in self.pending_globals if name in self.called_globals)
        # Where such a name is used as a value, that is the place to speak of; what nobody here reads may be for others.
        used = self.handed.union([name for name, _ in self.pending_globals])
        read = self.frame.loads
        self.sites.extend(site for name, site in self.stored_globals if name in read and name not in used)
        # A setting that is only read elsewhere may be awaited there.
        settings = [one for one in self.stored_settings if one[0] in self.read_attributes]
        for name, site in self.pending_attributes + settings:
            if name not in (self.awaited_attributes if site[0] == Use.STORED else self.consumed_attributes):
                self.sites.append((*site[:5], self.looked_into[name]) if name in self.looked_into else site)
            elif self.exprs[site[1]][0] == OP_CALL:
                self.sites.append((int(Use.OTHER), *site[1:]))
        return (
            tuple(self.exprs),
            [tuple(block) for block in self.blocks],
            self.scopes,
            self.sites,
            self.imports,
            sorted(self.places),
            list(ignores),
            None,
        )

    def lazy_imports(self, table: ast.expr | None) -> None:
        """`{"name": ".module"}` beside a module's `__getattr__`: others that ask for these names import them.

        Inside the module nobody asks `__getattr__`, so they are kept as bindings of names of their own.
        """
        for name, module in lazy_names(table):
            if name not in self.frame.bindings:
                level = len(module) - len(module.lstrip("."))
                binding = raw_binding("from", module.lstrip("."), len(self.exprs), 0, 0, name, level)
                self.frame.bindings["lazy " + name] = [binding]

    def names(self) -> str:
        """Names that the rest of the project should know.

        `>Class` has subclasses here, `=name` is set on other objects (`=*Class`: something is, whatever it is called),
        `?name` is a method whose colour is asked about,
        `!name` is one that is awaited, and `.name` one whose result is used without await; `*name` is a function whose
        result's result is awaited, `@package.module.name` something that is imported.
        """
        marked = ((">", self.base_names), ("!", self.awaited_methods),
                  (".", self.plain_methods), ("*", self.twice_awaited))  # fmt: skip
        placed = {word for word, _ in self.places}
        for module, level, name, *_ in self.imports:
            if not level and name != "*":
                placed.add(f"@{module}.{name}" if name else f"@{module}")
        return " ".join(sorted(placed.union([mark + name for mark, names in marked for name in names])))

    def body(self, statements: list[ast.stmt]) -> bool:
        for number, statement in enumerate(statements):
            if STATEMENTS[type(statement)](self, statement):
                # `return` and then `yield` is how one writes a generator that gives nothing.
                if number + 1 < len(statements) and has_yield(statements[number + 1 :]):
                    self.frame.flags |= Flag.GENERATOR
                return True
        return False

    # Simple statements

    def expression(self, node: ast.Expr) -> bool:
        value = node.value
        if type(value) is Constant:
            return False
        # Inside `pytest.raises` the call itself is meant to fail, before there is anything to await.
        self.visit(value, Use.OTHER if self.raising and type(value) is Call else Use.STATEMENT)
        if type(value) is Call:
            name = dotted_name(value.func)
            if self.never_comes_back(name):
                return True
            if name.rpartition(".")[2] in LEAVING_CALLS and name.partition(".")[0] in (
                "sys",
                "os",
                "pytest",
                "self",
                "exit",
            ):
                return True
        return False

    def never_comes_back(self, name: str) -> bool:
        """Whether a function of this file, or a method of the class around this code, is declared to give NoReturn."""
        if not name.startswith("self."):
            return name in self.leaving and name not in self.frame.bindings
        owner: Frame | None = self.frame
        while owner is not None and owner.kind != "class":
            owner = owner.parent
        return owner is not None and f"{owner.name}.{name[5:]}" in self.leaving

    def return_(self, node: ast.Return) -> bool:
        if node.value is None:
            self.frame.returns.append(NONE)
        else:
            index = self.visit(node.value, Use.RETURN)
            # Of `isinstance(self.db, AsyncDatabase)` some other class is left here.
            asked = type(node.value) is Attribute and dotted_name(node.value) in self.frame.tested
            self.frame.returns.append(UNKNOWN if asked else index)
        return True

    def raise_(self, node: ast.Raise) -> bool:
        for part in (node.exc, node.cause):
            if part is not None:
                self.value_wanted(part, Use.OTHER)
        return True

    def leave_loop(self, node: ast.stmt) -> bool:
        return False

    def assert_(self, node: ast.Assert) -> bool:
        narrowed = self.narrow(node.test)
        self.visit(node.test, Use.TRUTH)
        if narrowed[0]:
            self.frame.tested.discard(narrowed[0])
            self.bind_narrowed(narrowed)
        if node.msg is not None:
            self.visit(node.msg, Use.FORMAT)
        return False

    def delete(self, node: ast.Delete) -> bool:
        for target in node.targets:
            if type(target) is not Name:
                self.visit(target, Use.OTHER)
        return False

    def outer(self, node: ast.Global | ast.Nonlocal) -> bool:
        self.frame.outer.update(node.names)
        if self.frame.parent is not None:
            for name in node.names:
                self.frame.parent.loads[name] = 1 << 60
        return False

    def nothing(self, node: ast.stmt) -> bool:
        return False

    def type_alias(self, node: Any) -> bool:
        self.bind_name(node.name.id, UNKNOWN, node.name)
        return False

    # Compound statements

    def if_(self, node: ast.If) -> bool:
        statement = self.next_statement()
        # Only of modules and classes does anyone ask what their branches define.
        asks = not self.frame.is_function and any(map(asks_version, tests_of(node)))
        arm = KNOWN_ARMS if asks else 0
        leaves = True
        while True:
            narrowed = self.narrow(node.test)
            self.visit(node.test, Use.TRUTH)
            if narrowed[0]:
                self.frame.tested.discard(narrowed[0])
            outer = self.guards
            guard = equality(node.test)
            if guard:
                self.guards = {**outer, guard[0]: guard[1]}
            known = constant_truth(node.test, self.constants)
            self.skip(known is False)
            absent: str = self.absent
            self.absent = self.open_parameter(tested_for_none(node.test))
            leaves &= self.arm(node.body, statement, arm, narrowed=narrowed)
            self.absent = absent
            self.skip(known is False, -1)
            self.guards = outer
            arm += 1
            if len(node.orelse) == 1 and type(node.orelse[0]) is If:
                node = node.orelse[0]
                continue
            break
        if not node.orelse:
            return False
        self.skip(known is True)
        leaves &= self.arm(node.orelse, statement, arm)
        self.skip(known is True, -1)
        return leaves

    def narrow(self, test: ast.expr) -> tuple[str, int]:
        """The name and the class of `isinstance(name, Class)`, of a local name of which nothing else is known."""
        parts = test.values if type(test) is BoolOp and type(test.op) is And else [test]
        for part in parts:
            name, kind = tested_class(part)
            frame = self.frame
            if (
                kind is not None
                and not asks_for_awaitable(cast("ast.Call", part))
                and frame.is_function
                and name in frame.fuzzy
                and name not in frame.tested
            ):
                index = self.annotation(kind)
                return (name, index) if index > NONE else ("", UNKNOWN)
        return "", UNKNOWN

    def skip(self, never: bool, step: int = 1) -> None:
        """Say nothing about code that a constant of this module keeps from running (`_IS_SYNC = True`)."""
        if never:
            self.muted += step
            self.guarded_imports += step

    def while_(self, node: ast.While) -> bool:
        outer, self.loops = self.loops, True
        self.visit(node.test, Use.TRUTH)
        self.arm(node.body, self.next_statement(), 0, exclusive=False)
        self.loops = outer
        if node.orelse:
            self.arm(node.orelse, self.next_statement(), 0, exclusive=False)
        return False

    def for_(self, node: ast.For | ast.AsyncFor) -> bool:
        is_async = type(node) is AsyncFor
        if is_async:
            self.note_await()
        iterated = self.iterated(node.iter, is_async)
        outer, self.loops = self.loops, True
        outer_block = self.block
        self.block = self.new_block(statement=self.next_statement())
        self.bind_target(node.target, (OP_ELEMENT, iterated, is_async), iterated)
        self.body(node.body)
        self.block, self.loops = outer_block, outer
        if node.orelse:
            self.arm(node.orelse, self.next_statement(), 0, exclusive=False)
        return False

    def with_(self, node: ast.With | ast.AsyncWith) -> bool:
        is_async = type(node) is AsyncWith
        if is_async:
            self.note_await()
        entered: list[tuple[int, ast.expr]] = []
        muted = raising = 0
        for item in node.items:
            context = self.visit(item.context_expr, Use.ASYNC_WITH if is_async else Use.WITH)
            entered.append((context, item.context_expr))
            if item.optional_vars is not None:
                self.bind_target(item.optional_vars, (OP_ENTER, context, is_async), context)
            muted += expects_error(item.context_expr)
            raising += is_raises(item.context_expr)
        self.muted += muted
        self.raising += raising
        awaits = self.frame.awaits
        leaves = self.body(node.body)
        self.muted -= muted
        self.raising -= raising
        if self.frame.awaits > awaits and not is_async:
            for context, manager in entered:
                if context >= 0:
                    self.site(Use.LOCKED, context, manager)
        return leaves and not (muted or raising)

    def try_(self, node: ast.Try) -> bool:
        statement = self.next_statement()
        caught = {name for handler in node.handlers for name in caught_names(handler.type)}
        # `except Exception` around real work is no sign that the import may fail; around nothing but imports it is.
        guarded = bool(caught & IMPORT_ERRORS) or (bool(caught & BROAD_ERRORS) and only_imports(node.body))
        muted = int(falls_back(node) or may_fail(node))
        if "RuntimeError" in caught and any(name.endswith(RUNS) for name in called_names(node.body)):
            self.frame.flags |= Flag.ASKS_LOOP  # it tries whether a loop can be started
        self.guarded_imports += guarded
        self.muted += muted
        leaves = self.arm(node.body, statement, TRIED)
        self.muted -= muted
        self.guarded_imports -= guarded
        for number, handler in enumerate(node.handlers):
            if handler.type is not None:
                self.visit(handler.type, Use.OTHER)
            fallback = bool({"ImportError", "ModuleNotFoundError"} & set(caught_names(handler.type)))
            if handler.name:
                self.bind_name(handler.name, UNKNOWN, handler.type)
            self.guarded_imports += fallback
            leaves &= self.arm(handler.body, statement, number, fallback=fallback)
            self.guarded_imports -= fallback
        if node.orelse:
            leaves |= self.arm(node.orelse, self.next_statement(), 0, exclusive=False)
        if node.finalbody:
            leaves |= self.body(node.finalbody)
        return leaves

    def match(self, node: ast.Match) -> bool:
        self.visit(node.subject, Use.COMPARE)
        self.frame.flags |= Flag.CHOOSES
        subject = dotted_name(node.subject)
        statement = self.next_statement()
        leaves = bool(node.cases)
        for number, case in enumerate(node.cases):
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    self.bind_name(name, UNKNOWN, None)
            if case.guard is not None:
                self.visit(case.guard, Use.TRUTH)
            outer = self.guards
            pattern = case.pattern
            if subject and type(pattern) is MatchValue and type(pattern.value) is Constant:
                self.guards = {**outer, subject: pattern.value.value}
            leaves &= self.arm(case.body, statement, number)
            self.guards = outer
        return leaves and type(node.cases[-1].pattern) is MatchAs and node.cases[-1].guard is None


STATEMENTS: Final[dict[type[ast.AST], Statement]] = {
    ast.FunctionDef: Walker.function,
    ast.AsyncFunctionDef: Walker.function,
    ast.ClassDef: Walker.class_,
    ast.Import: Walker.import_,
    ast.ImportFrom: Walker.import_from,
    ast.Assign: Walker.assign,
    ast.AnnAssign: Walker.annotated,
    ast.AugAssign: Walker.augmented,
    ast.Expr: Walker.expression,
    ast.Return: Walker.return_,
    ast.Raise: Walker.raise_,
    ast.Break: Walker.leave_loop,
    ast.Continue: Walker.leave_loop,
    ast.Assert: Walker.assert_,
    ast.Delete: Walker.delete,
    ast.Global: Walker.outer,
    ast.Nonlocal: Walker.outer,
    ast.Pass: Walker.nothing,
    ast.If: Walker.if_,
    ast.While: Walker.while_,
    ast.For: Walker.for_,
    ast.AsyncFor: Walker.for_,
    ast.With: Walker.with_,
    ast.AsyncWith: Walker.with_,
    ast.Try: Walker.try_,
    ast.Match: Walker.match,
}
if hasattr(ast, "TryStar"):
    STATEMENTS[ast.TryStar] = Walker.try_
if "TypeAlias" in vars(ast):  # Python 3.12
    STATEMENTS[vars(ast)["TypeAlias"]] = Walker.type_alias
if "TemplateStr" in vars(ast):  # Python 3.14
    VISITORS[vars(ast)["TemplateStr"]] = Expressions.visit_joined
    VISITORS[vars(ast)["Interpolation"]] = Expressions.visit_formatted
