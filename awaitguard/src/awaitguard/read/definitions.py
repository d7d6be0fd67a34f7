"""Definitions and imports: what gives names a meaning beside assignments."""

from __future__ import annotations

import ast
from typing import Any

from awaitguard.read.assignments import Assignments
from awaitguard.read.frame import Frame, raw_binding
from awaitguard.read.naming import dotted_name, position
from awaitguard.read.nodes import (
    AsyncFunctionDef,
    Starred,
    Subscript,
)
from awaitguard.read.summary import (
    FLAGS,
    NONE,
    OP_CALL,
    OP_NAME,
    UNKNOWN,
    Flag,
    ParamUse,
    RawBinding,
    Use,
)
from awaitguard.read.syntax import decorator_names, hands_on, is_skipped, is_stub, telling_properties
from awaitguard.read.vocabulary import QUIET_LIBRARY


class Definitions(Assignments):
    """The part of the walker that enters scopes and binds names in them."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[list[Any]] = [[UNKNOWN, 0, 0, 0, False, False, False, False]]
        self.scopes: list[Any] = [None]
        self.imports: list[tuple[Any, ...]] = []
        self.statements = 0
        self.guarded_imports: int = 0

    # Blocks and scopes

    def new_block(
        self, leaves: bool = False, statement: int = 0, arm: int = 0, exclusive: bool = False, fallback: bool = False
    ) -> int:
        self.blocks.append([self.block, self.frame.index, statement, arm, self.loops, leaves, exclusive, fallback])
        return len(self.blocks) - 1

    def arm(
        self, body: list[ast.stmt], statement: int, arm: int, exclusive: bool = True, fallback: bool = False,
        narrowed: tuple[str, int] = ("", UNKNOWN),
    ) -> bool:  # fmt: skip
        """Walk a branch in a block of its own; True if control leaves there."""
        outer, held = self.block, self.frame.held
        self.frame.held = dict(held)
        self.block = self.new_block(False, statement, arm, exclusive, fallback)
        if narrowed[0]:
            self.bind_narrowed(narrowed)
        leaves = self.body(body)
        if narrowed[0] and self.frame.bindings[narrowed[0]][-1][0] == "narrowed":
            self.frame.fuzzy.add(narrowed[0])
        self.frame.held = held
        if leaves:
            self.blocks[self.block][5] = True
        self.block = outer
        return leaves

    def bind_narrowed(self, narrowed: tuple[str, int]) -> None:
        """From here on, and only below this block, a name stands for an instance of a class."""
        name, index = narrowed
        self.frame.bind(name, raw_binding("narrowed", index, len(self.exprs), self.block, 0))

    def body(self, statements: list[ast.stmt]) -> bool:
        """Walk statements; True if control leaves there."""
        raise NotImplementedError

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
                # Someone may await what is in the container; whether the calls themselves can work is another question.
                if self.exprs[site[1]][0] == OP_CALL:
                    self.sites.append((int(Use.OTHER), *site[1:]))
                continue
            if name in frame.bindings or frame.parent is None:
                self.sites.append(site)
            else:
                frame.parent.pending.append((name, site))
        for name, at, site, loops, _block in frame.forgettable:
            last = frame.loads.get(name, -1)
            if last < at and not (loops and last >= 0):
                self.sites.append((int(Use.FORGOTTEN), *site[1:4], UNKNOWN, name))
        if frame.kind == "class":
            # What the class itself reads may get another name there.
            self.stored_settings = [
                one for one in self.stored_settings if one[1][2] != frame.index or one[0] not in frame.loads
            ]
        if frame.tested:
            self.drop_tested(frame)
        if frame.driven and self.shown:
            self.drop_shown(frame)
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
        for index, name in frame.wrappers:
            if not frame.bindings[name]:  # it is still what the decorator was given
                raw = self.scopes[index]
                self.scopes[index] = (*raw[:FLAGS], raw[FLAGS] | Flag.HANDS_ON, *raw[FLAGS + 1 :])
        self.scopes[frame.index] = frame.finish()

    def drop_shown(self, frame: Frame) -> None:
        """A coroutine that is awaited here, or handed to someone who may, is shown on purpose: `log.debug("%s", task)`."""
        self.sites[frame.site_start :] = [
            site
            for site in self.sites[frame.site_start :]
            if site[2] != frame.index or site[1] not in self.shown or self.exprs[site[1]][1] not in frame.driven
        ]

    def drop_tested(self, frame: Frame) -> None:
        """Sites on names whose colour or kind the function asks about are the author's own affair."""
        tested = frame.tested
        kept = [
            site
            for site in self.sites[frame.site_start :]
            if not (site[2] == frame.index and self.is_tested(site[1], tested))
        ]
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
            if entry[0] not in "cw.Gsio":
                return False
            expr = entry[1]
        return False

    # Definitions

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        decorators = tuple([self.visit(one, Use.OTHER) for one in node.decorator_list])
        parent = self.frame
        outer_block, outer_loops, outer_guards, absent = self.block, self.loops, self.guards, self.absent
        params = self.parameters(node.args)
        annotation = self.annotation(node.returns)
        index = len(self.scopes)
        parent.bind(node.name, raw_binding("def", index, len(self.exprs), self.block, node.lineno))
        frame = self.enter("function", node.name, node)
        frame.position = position(node)
        frame.decorators, frame.annotation = decorators, annotation
        self.loops, self.guards, self.absent = False, {}, ""
        if type(node) is AsyncFunctionDef:
            frame.flags |= Flag.ASYNC
        self.bind_parameters(frame, params, parent.kind == "class" and "staticmethod" not in decorator_names(node))
        if is_stub(node.body):
            frame.flags |= Flag.STUB
        handed = hands_on(node, parent.param_use) if node.args.vararg and parent.kind == "function" else ""
        if handed:
            parent.wrappers.append((index, handed))
        skipped = int(any(is_skipped(one, self.constants) for one in node.decorator_list))
        self.muted += skipped
        leaves = self.body(node.body)
        self.muted -= skipped
        if not leaves:
            frame.flags |= Flag.FALLS_THROUGH
        elif not frame.returns and not frame.flags & Flag.GENERATOR:
            frame.flags |= Flag.NEVER_RETURNS
        self.leave(frame)
        self.frame = parent
        self.block, self.loops, self.guards, self.absent = outer_block, outer_loops, outer_guards, absent
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

    def parameters(self, node: ast.arguments) -> list[tuple[str, str, int, bool, int]]:
        """The parameters with their annotations and defaults, which belong to the scope around the function."""
        found: list[tuple[str, str, int, bool, int]] = []
        positional = [(one, "o") for one in node.posonlyargs] + [(one, "p") for one in node.args]
        without = len(positional) - len(node.defaults)
        for number, (one, kind) in enumerate(positional):
            default = self.default(node.defaults[number - without]) if number >= without else UNKNOWN
            found.append((one.arg, kind, self.annotation(one.annotation), number >= without, default))
        if node.vararg:
            found.append((node.vararg.arg, "v", UNKNOWN, False, UNKNOWN))
        for one, given in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            default = self.default(given) if given is not None else UNKNOWN
            found.append((one.arg, "k", self.annotation(one.annotation), given is not None, default))
        if node.kwarg:
            found.append((node.kwarg.arg, "w", UNKNOWN, False, UNKNOWN))
        return found

    def default(self, node: ast.expr) -> int:
        """Visit a parameter's default; only an object that is made there says something about the parameter."""
        index = self.value_wanted(node, Use.OTHER)
        return index if index > NONE and self.exprs[index][0] == OP_CALL else UNKNOWN

    def bind_parameters(self, frame: Frame, params: list[tuple[str, str, int, bool, int]], method: bool) -> None:
        frame.params = params
        for number, (name, kind, annotation, _, default) in enumerate(params):
            frame.bindings[name] = []
            frame.param_use[name] = 0
            if method and number == 0 and kind in "op":
                frame.self_name = name
            elif annotation == UNKNOWN and frame.name.startswith("test") and kind in "pk" and default < 0:
                continue  # pytest fills it with the fixture of its name
            elif (annotation <= NONE and default < 0) or (annotation > NONE and self.is_plain_type(annotation)):
                frame.fuzzy.add(name)

    def class_(self, node: ast.ClassDef) -> bool:
        decorators = tuple([self.visit(one, Use.OTHER) for one in node.decorator_list])
        bases: list[int] = []
        for base in node.bases:
            if type(base) is Subscript:  # Generic[T], Protocol[T], Base[T]
                self.visit(base.slice, Use.OTHER)
                bases.append(self.base_class(base.value))
            elif type(base) is Starred:
                bases.append(UNKNOWN)
                self.places.add((">*", self.visit(base.value, Use.OTHER)))
            else:
                bases.append(self.base_class(base))
        keywords = tuple([(one.arg or "**", self.visit(one.value, Use.OTHER)) for one in node.keywords])
        parent, outer_block, outer_loops, absent = self.frame, self.block, self.loops, self.absent
        parent.bind(node.name, raw_binding("class", len(self.scopes), len(self.exprs), self.block, node.lineno))
        frame = self.enter("class", node.name, node)
        frame.decorators, frame.bases, frame.keywords = decorators, tuple(bases), keywords
        self.loops, self.absent = False, ""
        self.watched.update(telling_properties(node))
        self.body(node.body)
        self.leave(frame)
        self.frame, self.block, self.loops, self.absent = parent, outer_block, outer_loops, absent
        return False

    def base_class(self, node: ast.expr) -> int:
        """A base class is followed even when its module is of no interest otherwise."""
        dotted = dotted_name(node)
        if not dotted:
            self.note_bases(node)
            return self.visit(node, Use.OTHER)
        self.frame.loads[dotted.partition(".")[0]] = len(self.exprs)
        self.base_names.add(dotted.rpartition(".")[2])
        frame: Frame | None = self.frame
        while frame is not None:
            # `from shop import Base as Ground`: others know it by its own name.
            self.base_names.update(one[5] for one in frame.bindings.get(dotted, ()) if one[0] == "from")
            frame = frame.parent
        return self.add((OP_NAME, dotted, self.block))

    # Imports

    def import_(self, node: ast.Import) -> bool:
        for alias in node.names:
            root = alias.name.partition(".")[0]
            bound = alias.asname or root
            target = alias.name if alias.asname else root
            self.bind_import(bound, raw_binding("import", target, len(self.exprs), self.block, node.lineno), root)
            if not alias.asname and "." in alias.name:
                # `import a.b` also makes a.b an attribute of a: remembered as a second binding of its own name.
                self.frame.bindings.setdefault("import " + alias.name, []).append(
                    raw_binding("import", alias.name, len(self.exprs), self.block, node.lineno)
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
                binding = raw_binding("from", module, len(self.exprs), self.block, node.lineno, alias.name, node.level)
                self.bind_import(alias.asname or alias.name, binding, root)
            if root not in QUIET_LIBRARY and module != "__future__":
                self.record_import(module, node.level, alias.name, node)
        return False

    def bind_import(self, name: str, binding: RawBinding, root: str) -> None:
        frame = self.frame
        if name in frame.outer:
            while frame.parent is not None and frame.kind != "module":
                frame = frame.parent
        frame.bind(name, binding)
        if root in QUIET_LIBRARY:
            frame.quiet[name] = f"{binding[1]}.{binding[5]}" if binding[5] else binding[1]

    def record_import(self, module: str, level: int, name: str, node: ast.stmt) -> None:
        guarded = bool(self.guarded_imports or self.muted)
        self.imports.append((module, level, name, self.frame.index, position(node), guarded))
