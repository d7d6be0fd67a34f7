"""One walk over a syntax tree: statements, scopes and blocks."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from awaitguard.expressions import QUIET_LIBRARY, VISITORS, Expressions, dotted_name, position
from awaitguard.frame import Frame
from awaitguard.summary import (
    ABSENT,
    NONE,
    OP_ANNOTATED,
    OP_COMPREHENSION,
    OP_ELEMENT,
    OP_ENTER,
    OP_NAME,
    PLAIN,
    UNKNOWN,
    Binding,
    Block,
    Flag,
    ParamUse,
    Use,
)

IGNORE = re.compile(r"#\s*awaitguard:\s*ignore(?:\[([^\]]*)\])?[ \t]*([^#\n]*)")
LEAVING_CALLS = frozenset({"exit", "_exit", "abort", "fail", "skip", "xfail"})
IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
DELIBERATE_ERRORS = frozenset({"TypeError", "AttributeError", "RuntimeError", "RuntimeWarning", "Exception",
    "BaseException", "ImportError", "ModuleNotFoundError"})  # fmt: skip
RAISES = frozenset({"raises", "assertRaises", "assertRaisesRegex", "warns", "assertWarns", "assertWarnsRegex"})
PLAIN_TYPES = frozenset({"int", "str", "float", "bool", "bytes", "dict", "list", "set", "tuple", "Any", "Dict", "List",
    "Set", "Tuple", "Callable", "Optional", "object", "None"})  # fmt: skip
Statement = Callable[[Any, Any], bool]


class Walker(Expressions):
    """Walks a module and collects its summary. Every statement's visitor says whether control leaves there."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[list[Any]] = [[UNKNOWN, 0, 0, 0, False, False, False, False]]
        self.scopes: list[Any] = [None]
        self.imports: list[tuple[Any, ...]] = []
        self.base_names: set[str] = set()
        self.statements = 0
        self.guarded_imports = 0

    def walk(self, tree: ast.Module, ignores: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """The raw summary of a module, ready for `marshal`."""
        self.body(tree.body)
        self.leave(self.frame)
        for name, site in self.pending_attributes:
            if name not in self.consumed_attributes:
                self.sites.append(site)
        return (
            tuple(self.exprs),
            [tuple(block) for block in self.blocks],
            self.scopes,
            self.sites,
            self.imports,
            list(ignores),
            None,
        )

    def names(self) -> str:
        """Names that the rest of the project should know: `>Class` has subclasses here, `=name` is set on other objects."""
        return " ".join(sorted([*(">" + one for one in self.base_names), *("=" + one for one in self.set_outside)]))

    # Blocks and scopes

    def new_block(
        self, leaves: bool = False, statement: int = 0, arm: int = 0, exclusive: bool = False, fallback: bool = False
    ) -> int:
        self.blocks.append(
            [self.block, self.frame.index, statement, arm, self.loops, leaves, exclusive, fallback]
        )
        return len(self.blocks) - 1

    def arm(
        self, body: list[ast.stmt], statement: int, arm: int, exclusive: bool = True, fallback: bool = False
    ) -> bool:
        """Walk a branch in a block of its own; True if control leaves there."""
        outer, held = self.block, self.frame.held
        self.frame.held = dict(held)
        self.block = self.new_block(False, statement, arm, exclusive, fallback)
        leaves = self.body(body)
        self.frame.held = held
        if leaves:
            self.blocks[self.block][5] = True
        self.block = outer
        return leaves

    def body(self, statements: list[ast.stmt]) -> bool:
        for statement in statements:
            if STATEMENTS[type(statement)](self, statement):
                return True
        return False

    def next_statement(self) -> int:
        self.statements += 1
        return self.statements

    def enter(self, kind: str, name: str, node: ast.expr | ast.stmt) -> Frame:
        frame = Frame(kind, name, len(self.scopes), self.frame, self.block)
        frame.position = position(node)
        frame.site_start = len(self.sites)
        self.scopes.append(None)
        self.frame = frame
        self.block = self.new_block()
        frame.body = self.block
        return frame

    def leave(self, frame: Frame) -> None:
        """Finish a scope: decide what was forgotten in it and hand its free names to the scope around it."""
        for name, site in frame.pending:
            if name in frame.bindings and name in frame.consumed:
                continue
            if name in frame.bindings or frame.parent is None:
                self.sites.append(site)
            else:
                frame.parent.pending.append((name, site))
        for name, at, site, loops in frame.forgettable:
            last = frame.loads.get(name, -1)
            if last < at and not (loops and last >= 0):
                self.sites.append((int(Use.FORGOTTEN), *site[1:4], UNKNOWN, name))
        if frame.tested:
            self.drop_tested(frame)
        parent = frame.parent
        if parent is not None:
            late = 1 << 60
            for name in frame.loads:
                if name not in frame.bindings:
                    parent.loads[name] = late
                    if name in frame.consumed:
                        parent.consumed.add(name)
                    if name in parent.param_use:
                        parent.param_use[name] |= ParamUse.PASSED_ON
        self.scopes[frame.index] = frame.finish()

    def drop_tested(self, frame: Frame) -> None:
        """Sites on names whose colour or kind the function asks about are the author's own affair."""
        tested = frame.tested
        kept = [site for site in self.sites[frame.site_start :] if not (site[2] == frame.index and self.is_tested(site[1], tested))]
        self.sites[frame.site_start :] = kept

    def is_tested(self, expr: int, tested: set[str]) -> bool:
        for _ in range(20):
            if expr < 0:
                return False
            entry = self.exprs[expr]
            if entry[0] == OP_NAME:
                name: str = entry[1]
                return any(name == one or name.startswith(one + ".") for one in tested)
            if entry[0] == "c" and any(isinstance(one, int) and self.is_tested(one, tested) for one in entry[2]):
                return True
            if entry[0] not in "cw.Gsi":
                return False
            expr = entry[1]
        return False

    # Definitions

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        decorators = tuple([self.visit(one, Use.OTHER) for one in node.decorator_list])
        parent = self.frame
        outer_block, outer_loops, outer_guards = self.block, self.loops, self.guards
        params = self.parameters(node.args)
        annotation = self.annotation(node.returns)
        index = len(self.scopes)
        parent.bind(node.name, Binding("def", index, len(self.exprs), self.block, node.lineno))
        frame = self.enter("function", node.name, node)
        frame.position = position(node)
        frame.decorators, frame.annotation = decorators, annotation
        self.loops, self.guards = False, {}
        if type(node) is ast.AsyncFunctionDef:
            frame.flags |= Flag.ASYNC
        self.bind_parameters(frame, params, parent.kind == "class" and "staticmethod" not in decorator_names(node))
        if is_stub(node.body):
            frame.flags |= Flag.STUB
        leaves = self.body(node.body)
        if not leaves:
            frame.flags |= Flag.FALLS_THROUGH
        elif not frame.returns and not frame.flags & Flag.GENERATOR:
            frame.flags |= Flag.NEVER_RETURNS
        self.leave(frame)
        self.frame = parent
        self.block, self.loops, self.guards = outer_block, outer_loops, outer_guards
        return False

    def lambda_scope(self, node: ast.Lambda) -> int:
        parent, outer_block, outer_loops = self.frame, self.block, self.loops
        owner, self.owner = self.owner, None
        params = self.parameters(node.args)
        frame = self.enter("lambda", "<lambda>", node)
        self.loops = False
        self.bind_parameters(frame, params, method=False)
        frame.returns.append(self.visit(node.body, Use.RETURN))
        self.leave(frame)
        self.frame, self.block, self.loops, self.owner = parent, outer_block, outer_loops, owner
        return frame.index

    def parameters(self, node: ast.arguments) -> list[tuple[str, str, int, bool]]:
        """The parameters with their annotations and defaults, which belong to the scope around the function."""
        found: list[tuple[str, str, int, bool]] = []
        positional = [(one, "o") for one in node.posonlyargs] + [(one, "p") for one in node.args]
        without = len(positional) - len(node.defaults)
        for number, (one, kind) in enumerate(positional):
            found.append((one.arg, kind, self.annotation(one.annotation), number >= without))
        if node.vararg:
            found.append((node.vararg.arg, "v", UNKNOWN, False))
        for one, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            found.append((one.arg, "k", self.annotation(one.annotation), default is not None))
        if node.kwarg:
            found.append((node.kwarg.arg, "w", UNKNOWN, False))
        for default in (*node.defaults, *node.kw_defaults):
            if default is not None:
                self.visit(default, Use.OTHER)
        return found

    def bind_parameters(self, frame: Frame, params: list[tuple[str, str, int, bool]], method: bool) -> None:
        frame.params = params
        for number, (name, kind, annotation, _default) in enumerate(params):
            frame.bindings[name] = []
            frame.param_use[name] = 0
            if method and number == 0 and kind in "op":
                frame.self_name = name
            elif annotation <= NONE or self.is_plain_type(annotation):
                frame.fuzzy.add(name)

    def is_plain_type(self, annotation: int) -> bool:
        expr = self.exprs[annotation]
        while expr[0] == "[":
            expr = self.exprs[expr[1]]
        return expr[0] == OP_NAME and expr[1].rpartition(".")[2] in PLAIN_TYPES - {"Optional"}

    def class_(self, node: ast.ClassDef) -> bool:
        decorators = tuple([self.visit(one, Use.OTHER) for one in node.decorator_list])
        bases: list[int] = []
        for base in node.bases:
            if type(base) is ast.Subscript:  # Generic[T], Protocol[T], Base[T]
                self.visit(base.slice, Use.OTHER)
                bases.append(self.base_class(base.value))
            elif type(base) is ast.Starred:
                bases.append(self.visit(base, Use.OTHER))
            else:
                bases.append(self.base_class(base))
        keywords = tuple([(one.arg or "**", self.visit(one.value, Use.OTHER)) for one in node.keywords])
        parent, outer_block, outer_loops = self.frame, self.block, self.loops
        parent.bind(node.name, Binding("class", len(self.scopes), len(self.exprs), self.block, node.lineno))
        frame = self.enter("class", node.name, node)
        frame.decorators, frame.bases, frame.keywords = decorators, tuple(bases), keywords
        self.loops = False
        self.body(node.body)
        self.leave(frame)
        self.frame, self.block, self.loops = parent, outer_block, outer_loops
        return False

    def base_class(self, node: ast.expr) -> int:
        """A base class is followed even when its module is of no interest otherwise."""
        dotted = dotted_name(node)
        if not dotted:
            return self.visit(node, Use.OTHER)
        self.frame.loads[dotted.partition(".")[0]] = len(self.exprs)
        self.base_names.add(dotted.rpartition(".")[2])
        return self.add((OP_NAME, dotted, self.block))

    # Imports

    def import_(self, node: ast.Import) -> bool:
        for alias in node.names:
            root = alias.name.partition(".")[0]
            bound = alias.asname or root
            target = alias.name if alias.asname else root
            self.bind_import(bound, Binding("import", target, len(self.exprs), self.block, node.lineno), root)
            if not alias.asname and "." in alias.name:
                # `import a.b` also makes a.b an attribute of a: remembered as a second binding of its own name.
                self.frame.bindings.setdefault("import " + alias.name, []).append(
                    tuple(Binding("import", alias.name, len(self.exprs), self.block, node.lineno))
                )
            if root not in QUIET_LIBRARY:
                self.record_import(alias.name, 0, "", node)
        return False

    def import_from(self, node: ast.ImportFrom) -> bool:
        module = node.module or ""
        root = "" if node.level else module.partition(".")[0]
        for alias in node.names:
            if alias.name == "*":
                self.frame.stars.append((module, node.level, self.block))
            else:
                binding = Binding("from", module, len(self.exprs), self.block, node.lineno, alias.name, node.level)
                self.bind_import(alias.asname or alias.name, binding, root)
            if root not in QUIET_LIBRARY and module != "__future__":
                self.record_import(module, node.level, alias.name, node)
        return False

    def bind_import(self, name: str, binding: Binding, root: str) -> None:
        frame = self.frame
        if name in frame.outer:
            while frame.parent is not None and frame.kind != "module":
                frame = frame.parent
        frame.bind(name, binding)
        if root in QUIET_LIBRARY:
            frame.quiet[name] = f"{binding.value}.{binding.name}" if binding.name else binding.value

    def record_import(self, module: str, level: int, name: str, node: ast.stmt) -> None:
        guarded = bool(self.guarded_imports or self.muted)
        self.imports.append((module, level, name, self.frame.index, position(node), guarded))

    # Assignments

    def assign(self, node: ast.Assign) -> bool:
        first = node.targets[0]
        value = node.value
        if type(first) in (ast.Tuple, ast.List) and type(value) in (ast.Tuple, ast.List) and len(node.targets) == 1:
            left, right = cast("ast.Tuple", first).elts, cast("ast.Tuple", value).elts
            if len(left) == len(right) and not any(type(one) is ast.Starred for one in (*left, *right)):
                found = [self.assigned(one, two) for one, two in zip(left, right, strict=True)]
                for one, two, index in zip(left, right, found, strict=True):
                    self.store(one, index, two)
                return False
        index = self.assigned(first, value)
        for target in node.targets:
            self.store(target, index, value)
        return False

    def assigned(self, target: ast.expr, value: ast.expr) -> int:
        """Visit the right side of an assignment, knowing where its value goes."""
        kind = type(target)
        use: int = Use.OTHER
        if kind is ast.Name:
            use, self.owner = Use.ASSIGN, ("name", cast("ast.Name", target).id)
        elif kind is ast.Attribute:
            use, self.owner = Use.STORED, ("attribute", cast("ast.Attribute", target).attr)
        elif kind is ast.Subscript:
            use = self.filled(cast("ast.Subscript", target).value) or Use.OTHER
        elif kind in (ast.Tuple, ast.List):
            use = Use.ITERATE if type(value) is ast.Call else Use.OTHER
        index = self.visit(value, use)
        self.owner = None
        return index

    def store(self, target: ast.expr, index: int, value: ast.expr) -> None:
        kind = type(target)
        if kind is ast.Name:
            name = cast("ast.Name", target).id
            self.bind_name(name, index, value)
            if index > NONE and type(value) is ast.Call and self.frame.is_function and not self.muted and name not in self.frame.outer:
                site = (0, index, self.frame.index, position(value), UNKNOWN, 0)
                self.frame.forgettable.append((name, len(self.exprs), site, self.loops))
        elif kind is ast.Attribute:
            self.bind_attribute(cast("ast.Attribute", target), index)
        elif kind is ast.Subscript:
            subscript = cast("ast.Subscript", target)
            if type(subscript.value) is ast.Name:
                name = subscript.value.id
                self.frame.loads[name] = len(self.exprs)
                if name in self.frame.param_use:
                    self.frame.param_use[name] |= ParamUse.AS_VALUE
                self.bind_item(name, index, value)
            else:
                self.visit(subscript.value, Use.STATEMENT)
            self.visit(subscript.slice, Use.VALUE_ARGUMENT if type(subscript.slice) is ast.Call else Use.OPERAND)
        elif kind in (ast.Tuple, ast.List):
            whole = index
            for number, element in enumerate(cast("ast.Tuple", target).elts):
                starred = type(element) is ast.Starred
                inner = element.value if type(element) is ast.Starred else element
                self.bind_target(inner, ("x", whole, number), UNKNOWN if starred else whole)
        elif kind is ast.Starred:
            self.bind_target(target, ("x", index, 0), UNKNOWN)

    def bind_item(self, name: str, index: int, value: ast.expr) -> None:
        """`name[key] = value`: one more thing that the container may hold."""
        frame: Frame | None = self.frame
        while frame is not None and name not in frame.bindings:
            frame = frame.parent
        if frame is not None:
            kind = "value" if index >= 0 else "unknown"
            frame.bindings.setdefault(name + "[]", []).append(
                tuple(Binding(kind, index, len(self.exprs), self.block, value.lineno))
            )

    def annotated(self, node: ast.AnnAssign) -> bool:
        annotation = self.annotation(node.annotation)
        value = ABSENT if node.value is None else self.assigned(node.target, node.value)
        if value == ABSENT and self.frame.kind == "function":
            return False
        index = self.add((OP_ANNOTATED, annotation, value))
        if type(node.target) is ast.Name:
            self.bind_name(node.target.id, index, node.value or node.target)
        elif type(node.target) is ast.Attribute:
            self.bind_attribute(node.target, index)
        else:
            self.visit(cast("ast.Subscript", node.target).value, Use.STATEMENT)
        return False

    def augmented(self, node: ast.AugAssign) -> bool:
        target = node.target
        if type(target) is ast.Name:
            # `tasks += [coroutine()]` fills a container like append does.
            use = self.filled(target) if target.id in self.frame.containers else 0
            self.visit(node.value, use or Use.OPERAND)
            self.owner = None
            self.frame.loads[target.id] = len(self.exprs)
            if target.id not in self.frame.containers:
                self.bind_name(target.id, UNKNOWN, node.value)
        else:
            self.visit(node.value, Use.OPERAND)
            self.visit(target, Use.STATEMENT)
        return False

    # Simple statements

    def expression(self, node: ast.Expr) -> bool:
        value = node.value
        if type(value) is ast.Constant:
            return False
        self.visit(value, Use.STATEMENT)
        if type(value) is ast.Call:
            name = dotted_name(value.func)
            if name.rpartition(".")[2] in LEAVING_CALLS and name.partition(".")[0] in ("sys", "os", "pytest", "self", "exit"):
                return True
        return False

    def return_(self, node: ast.Return) -> bool:
        if node.value is None:
            self.frame.returns.append(NONE)
        else:
            index = self.visit(node.value, Use.RETURN)
            self.frame.returns.append(index)
        return True

    def raise_(self, node: ast.Raise) -> bool:
        for part in (node.exc, node.cause):
            if part is not None:
                self.visit(part, Use.OTHER)
        return True

    def leave_loop(self, node: ast.stmt) -> bool:
        return False

    def assert_(self, node: ast.Assert) -> bool:
        self.visit(node.test, Use.TRUTH)
        if node.msg is not None:
            self.visit(node.msg, Use.FORMAT)
        return False

    def delete(self, node: ast.Delete) -> bool:
        for target in node.targets:
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
        arm = 0
        leaves = True
        while True:
            self.visit(node.test, Use.TRUTH)
            outer = self.guards
            guard = equality(node.test)
            if guard:
                self.guards = {**outer, guard[0]: guard[1]}
            leaves &= self.arm(node.body, statement, arm)
            self.guards = outer
            arm += 1
            if len(node.orelse) == 1 and type(node.orelse[0]) is ast.If:
                node = node.orelse[0]
                continue
            break
        if not node.orelse:
            return False
        return self.arm(node.orelse, statement, arm) and leaves

    def while_(self, node: ast.While) -> bool:
        outer, self.loops = self.loops, True
        self.visit(node.test, Use.TRUTH)
        self.arm(node.body, self.next_statement(), 0, exclusive=False)
        self.loops = outer
        if node.orelse:
            self.arm(node.orelse, self.next_statement(), 0, exclusive=False)
        return False

    def for_(self, node: ast.For | ast.AsyncFor) -> bool:
        is_async = type(node) is ast.AsyncFor
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
        is_async = type(node) is ast.AsyncWith
        if is_async:
            self.note_await()
        entered: list[tuple[int, ast.expr]] = []
        muted = 0
        for item in node.items:
            context = self.visit(item.context_expr, Use.ASYNC_WITH if is_async else Use.WITH)
            entered.append((context, item.context_expr))
            if item.optional_vars is not None:
                self.bind_target(item.optional_vars, (OP_ENTER, context, is_async), context)
            muted += expects_error(item.context_expr)
        self.muted += muted
        awaits = self.frame.awaits
        leaves = self.body(node.body)
        self.muted -= muted
        if self.frame.awaits > awaits and not is_async:
            for context, item in entered:
                if context >= 0:
                    self.site(Use.LOCKED, context, item)
        return leaves and not muted

    def try_(self, node: ast.Try) -> bool:
        statement = self.next_statement()
        caught = {name for handler in node.handlers for name in caught_names(handler.type)}
        guarded = bool(caught & IMPORT_ERRORS)
        muted = int(falls_back(node))
        self.guarded_imports += guarded
        self.muted += muted
        leaves = self.arm(node.body, statement, 0)
        self.muted -= muted
        self.guarded_imports -= guarded
        for number, handler in enumerate(node.handlers):
            if handler.type is not None:
                self.visit(handler.type, Use.OTHER)
            fallback = bool({"ImportError", "ModuleNotFoundError"} & set(caught_names(handler.type)))
            if handler.name:
                self.bind_name(handler.name, UNKNOWN, handler.type)
            self.guarded_imports += fallback
            leaves &= self.arm(handler.body, statement, number + 1, fallback=fallback)
            self.guarded_imports -= fallback
        if node.orelse:
            leaves |= self.arm(node.orelse, self.next_statement(), 0, exclusive=False)
        if node.finalbody:
            leaves |= self.body(node.finalbody)
        return leaves

    def match(self, node: ast.Match) -> bool:
        self.visit(node.subject, Use.COMPARE)
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
            if subject and type(pattern) is ast.MatchValue and type(pattern.value) is ast.Constant:
                self.guards = {**outer, subject: pattern.value.value}
            leaves &= self.arm(case.body, statement, number)
            self.guards = outer
        return leaves and type(node.cases[-1].pattern) is ast.MatchAs and node.cases[-1].guard is None


def equality(test: ast.expr) -> tuple[str, Any] | None:
    """`name == constant`."""
    if type(test) is ast.Compare and len(test.ops) == 1 and type(test.ops[0]) is ast.Eq:
        left, right = test.left, test.comparators[0]
        if type(left) is ast.Name and type(right) is ast.Constant and isinstance(right.value, str | int):
            return left.id, right.value
    return None


def caught_names(node: ast.expr | None) -> list[str]:
    """The last parts of the exception names that a handler catches; a bare except catches everything."""
    if node is None:
        return ["BaseException"]
    parts = node.elts if type(node) is ast.Tuple else [node]
    return [dotted_name(part).rpartition(".")[2] for part in parts]


def expects_error(context: ast.expr) -> bool:
    """`with pytest.raises(TypeError)` and its kin: what is inside is wrong on purpose."""
    if type(context) is not ast.Call:
        return False
    name = dotted_name(context.func).rpartition(".")[2]
    if name not in RAISES and name != "suppress":
        return False
    names = {dotted_name(part).rpartition(".")[2] for one in context.args[:2] for part in
             (one.elts if type(one) is ast.Tuple else [one])}  # fmt: skip
    return bool(names & DELIBERATE_ERRORS) or (name in RAISES and not context.args)


def falls_back(node: ast.Try) -> bool:
    """`try: await f() except TypeError: f()`: the code tries one colour and falls back to the other."""
    for handler in node.handlers:
        if {"TypeError", "AttributeError"} & set(caught_names(handler.type)):
            again = called_names(handler.body)
            if again and again & called_names(node.body):
                return True
    return False


def called_names(body: list[ast.stmt]) -> set[str]:
    names = {
        dotted_name(part.func) for statement in body for part in ast.walk(statement) if type(part) is ast.Call
    }
    return {name for name in names if name and not name.startswith(("print", "log", "self.log", "str", "isinstance"))}


def decorator_names(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [dotted_name(one).rpartition(".")[2] for one in node.decorator_list]


def is_stub(body: list[ast.stmt]) -> bool:
    """A body that only says that something else does the work."""
    for statement in body:
        kind = type(statement)
        if kind is ast.Pass or (kind is ast.Expr and type(cast("ast.Expr", statement).value) is ast.Constant):
            continue
        if kind is ast.Raise:
            raised = cast("ast.Raise", statement).exc
            name = dotted_name(raised.func if type(raised) is ast.Call else raised) if raised else ""
            return name.rpartition(".")[2].startswith("NotImplemented") or "Abstract" in name
        return False
    return True


STATEMENTS: dict[type[ast.AST], Statement] = {
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

__all__ = ["IGNORE", "Walker", "Block", "OP_COMPREHENSION", "PLAIN"]
