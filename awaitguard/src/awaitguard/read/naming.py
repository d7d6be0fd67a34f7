"""Names: how they are read and bound, and the annotations that hold them."""

from __future__ import annotations

import ast
import itertools
from typing import Any, Final, cast

from awaitguard.read.constants import Constants
from awaitguard.read.frame import Frame, Owner, raw_binding
from awaitguard.read.library import AWAITABLE_TYPES
from awaitguard.read.nodes import (
    Attribute,
    BinOp,
    BitOr,
    Call,
    Constant,
    Dict,
    DictComp,
    List,
    Name,
    Starred,
    Subscript,
    Tuple,
)
from awaitguard.read.summary import (
    NONE,
    OP_ATTR,
    OP_CALL,
    OP_CONST,
    OP_ELEMENT,
    OP_METHOD,
    OP_NAME,
    OP_SUBSCRIPTED,
    OP_UNION,
    OP_UNPACK,
    PLAIN,
    UNKNOWN,
    Expr,
    Flag,
    ParamUse,
    RawSite,
    Use,
    pack_position,
)
from awaitguard.read.vocabulary import (
    ASKS_COLOUR,
    ASKS_KIND,
    ASKS_LOOP,
    BUILTINS,
    CONTAINER_CALLS,
    CONTAINER_NODES,
    DRIVING,
    FILLING_METHODS,
    FILLS_NAMESPACES,
    FOLLOWED_BUILTINS,
    KEEP_UNKNOWN,
    LOOKS_AT,
    OF_BOTH,
    OF_COROUTINES,
    OWNED_USES,
    PARENT_SITES,
    SITED_USES,
    TAKES_BOTH,
    TELLING_METHODS,
    TRACKED_USES,
    USES_OF_GLOBALS,
    VALUE_USES,
)


class Names:
    """The part of the walker that knows about names.

    Every visitor takes the node and how its value is used, and gives the index of its entry in the expression table.
    """

    def __init__(self) -> None:
        self.exprs: list[Expr] = [(OP_CONST, "plain", None), (OP_CONST, "None", None)]
        self.sites: list[RawSite] = []
        self.pending_attributes: list[tuple[str, RawSite]] = []
        # Uses of names from outside of a function, and the names of the module that are given a call's result somewhere.
        self.pending_globals: list[tuple[str, RawSite]] = []
        self.called_globals: set[str] = set()
        # Attributes whose elements someone may await, and attributes that themselves may be awaited.
        self.consumed_attributes: set[str] = set()
        self.awaited_attributes: set[str] = set()
        # Attributes of which something is used that both coroutines and results may have: `self.conn.send(x)`.
        self.looked_into: dict[str, str] = {}
        # Coroutines that are settings of classes, and the attributes that this file reads.
        self.stored_settings: list[tuple[str, RawSite]] = []
        self.read_attributes: set[str] = set()
        # Coroutines that functions put into names of the module, and the names that are handed to someone somewhere.
        self.stored_globals: list[tuple[str, RawSite]] = []
        self.handed: set[str] = set()
        # `=name` where an attribute is set on another object (`=*Class`: any attribute of it), `?name` where somebody asks
        # what colour it has, each with the expression of the object.
        self.places: set[tuple[str, int]] = set()
        self.base_names: set[str] = set()
        # Arguments of functions that only show what they are given.
        self.shown: set[int] = set()
        # Names and attributes that hold what logging.getLogger() gave.
        self.loggers: set[str] = set()
        # Methods whose results are awaited, and those whose results are used at once.
        self.awaited_methods: set[str] = set()
        self.plain_methods: set[str] = set()
        # Functions that give what is to be awaited once more.
        self.twice_awaited: set[str] = set()
        self.block = 0
        self.muted: int = 0
        self.raising: int = 0
        self.loops = False
        self.depth: int = 0  # of the expression that is visited
        self.owner: Owner | None = None
        self.guards: dict[str, Any] = {}
        self.constants = Constants(ast.Module([], []))
        self.attribute_name = ""
        self.leaving: set[str] = set()  # functions of this file that are declared never to return
        self.watched: set[str] = set()  # properties of this file's classes that are async or run a loop
        self.absent: str = ""  # the parameter that wasn't given, in a branch under `if name is None`
        self.frame = Frame("module", "", 0, None, 0)
        self.module = self.frame

    # Entry points

    def add(self, expr: Expr) -> int:
        self.exprs.append(expr)
        return len(self.exprs) - 1

    def site(self, use: int, expr: int, node: ast.expr, call: int = UNKNOWN, argument: int | str = 0) -> None:
        """Record a use of a value, unless the code around it says that a failure is expected."""
        if self.muted:
            return
        if use == Use.ATTRIBUTE and not argument:
            argument = self.attribute_name
        raw = (use, expr, self.frame.index, position(node), call, argument)
        if use in OWNED_USES and self.owner is not None:
            kind, name = self.owner
            if kind == "attribute":
                self.pending_attributes.append((name, raw))
                return
            if not self.holds_plain(name):
                self.frame.pending.append((name, raw))
                return
        self.sites.append(raw)

    def holds_plain(self, name: str) -> bool:
        """Whether a container is declared to hold plain values."""
        frame: Frame | None = self.frame
        while frame is not None and name not in frame.bindings:
            frame = frame.parent
        return frame is not None and name in frame.declared_plain

    # Names

    def is_known(self, name: str, use: int) -> bool:
        """Whether following `name` can lead anywhere."""
        frame: Frame | None = self.frame
        current = frame
        while frame is not None:
            if name in frame.bindings and (frame is current or frame.kind != "class"):
                if name in frame.quiet:
                    return use in KEEP_UNKNOWN
                if name in frame.fuzzy:
                    if use in KEEP_UNKNOWN:
                        frame.exact.add(name)
                    if name in frame.containers:
                        return True
                    if name in frame.param_use:
                        return frame is not current or use == Use.RETURN or use in KEEP_UNKNOWN
                    return use in KEEP_UNKNOWN
                return True
            frame = frame.parent
        return name not in BUILTINS or name in FOLLOWED_BUILTINS or use in KEEP_UNKNOWN

    def is_builtin(self, name: str) -> bool:
        frame: Frame | None = self.frame
        while frame is not None:
            if name in frame.bindings:
                return False
            frame = frame.parent
        return name in BUILTINS

    def load(self, name: str, use: int) -> None:
        """Note that the current scope reads `name`."""
        frame = self.frame
        frame.loads[name] = len(self.exprs)
        if use in DRIVING:
            frame.driven.add(name)
            if name in frame.made and (use == Use.AWAIT or use == Use.SCHEDULED):
                frame.param_use[frame.made[name]] |= ParamUse.CALL_AWAITED
        uses = frame.param_use
        if name in uses:
            if use == Use.AWAIT or use == Use.SCHEDULED:
                uses[name] |= ParamUse.AWAITED
            elif use in VALUE_USES:
                uses[name] |= ParamUse.AS_VALUE
            else:
                uses[name] |= ParamUse.PASSED_ON
        if use in LOOKS_AT or (use == Use.RETURN and self.keeps(frame, name)):
            return
        frame.consumed.add(name)
        if use != Use.ATTRIBUTE and use != Use.SUBSCRIPT:
            self.handed.add(name)

    @staticmethod
    def keeps(frame: Frame, name: str) -> bool:
        """Whether a container that a function returns should hold values: dicts, and whatever is awaited for."""
        owner: Frame | None = frame
        while owner is not None and name not in owner.bindings:
            owner = owner.parent
        kind = owner.containers.get(name) if owner is not None else None
        return kind == "dict" or (kind is not None and owner is frame and bool(frame.flags & Flag.ASYNC))

    def visit_name(self, node: ast.Name, use: int) -> int:
        name = node.id
        self.load(name, use)
        if not self.is_known(name, use):
            return UNKNOWN
        index = self.add((OP_NAME, name, self.block))
        if use in USES_OF_GLOBALS and name not in self.frame.bindings and not self.muted:
            self.pending_globals.append((name, (use, index, self.frame.index, position(node), UNKNOWN, 0)))
        elif (
            (use in SITED_USES and use != Use.AWAIT)
            or (use in TRACKED_USES and name in self.frame.tracked)
            or (
                (use == Use.RETURN or use == Use.RETURNED_DICT)
                and name in self.frame.tracked
                and (self.frame.flags & Flag.ASYNC or (use == Use.RETURN and self.frame.annotation > NONE))
            )
        ) and use not in PARENT_SITES:
            self.site(use, index, node)
        return index

    def visit_attribute(self, node: ast.Attribute, use: int) -> int:
        parts = [node.attr]
        value = node.value
        while type(value) is Attribute:
            parts.append(value.attr)
            value = value.value
        if parts[0] in FILLING_METHODS:
            self.consumed_attributes.update(parts[2:])
        elif use not in LOOKS_AT:
            self.consumed_attributes.update(parts)
        else:
            self.consumed_attributes.update(parts[1:])
        # What is only looked into (`self.settings.port`, `self.settings["port"]`) is handed to no one who could await it.
        if (
            use not in LOOKS_AT
            and use != Use.SUBSCRIPT
            and (use != Use.ATTRIBUTE or self.attribute_name in OF_COROUTINES)
        ):
            self.awaited_attributes.add(parts[0])
        self.read_attributes.update(parts)
        for inner, outer in itertools.pairwise(parts):
            if inner in OF_BOTH and use == Use.CALLEE:
                self.looked_into[outer] = inner
            elif inner in OF_COROUTINES:
                self.awaited_attributes.add(outer)
        if parts[-1] in ("modules", "meta_path") or parts[0] == "__dict__" or parts[:2] == ["update", "__dict__"]:
            self.note_tests("globals" if parts[-1] in ("modules", "meta_path") else "vars", NO_CALL)
        if len(parts) > MOST_PARTS:
            self.visit(value, Use.OTHER)
            return UNKNOWN
        if type(value) is Name:
            name = value.id
            frame = self.frame
            if parts[0] in FILLING_METHODS and use == Use.CALLEE:
                frame.loads[name] = len(self.exprs)
                if name in frame.param_use:
                    frame.param_use[name] |= ParamUse.AS_VALUE
            else:
                self.load(name, Use.ATTRIBUTE)
                if parts[-1] in OF_COROUTINES:
                    self.handed.add(name)
                if name in frame.param_use and (parts[-1] in OF_COROUTINES or parts[-1] == "__class__"):
                    frame.param_use[name] |= ParamUse.AWAITED  # it is driven by hand
            kept = use if use in KEEP_UNKNOWN and use != Use.AWAIT else Use.CALLEE
            if not self.is_known(name, kept):
                return self.telling(parts[0], use, ".".join([name, *reversed(parts[1:])]))
            parts.append(name)
            parts.reverse()
            dotted = ".".join(parts)
            if frame.replaced and any(dotted == one or dotted.startswith(one + ".") for one in frame.replaced):
                return self.telling(parts[-1], use, dotted.rpartition(".")[0])
            index = self.add((OP_NAME, dotted, self.block))
            if name in frame.tracked:
                self.site(Use.ATTRIBUTE, self.add((OP_NAME, name, self.block)), value, UNKNOWN, parts[1])
            if use in SITED_USES and use != Use.AWAIT:
                self.site(use, index, node)
            if parts[-1] in self.watched:
                self.watched_site(use, index, node)
            return index
        self.attribute_name = parts[-1]
        base = self.visit(value, Use.ATTRIBUTE)
        if base < 0:
            return self.telling(parts[0], use, dotted_name(value.func) if type(value) is Call else "")
        for part in reversed(parts):
            base = self.add((OP_ATTR, base, part))
        if parts[0] in self.watched:
            self.watched_site(use, base, node)
        return base

    def watched_site(self, use: int, index: int, node: ast.expr) -> None:
        """A property that is async or runs a loop is read here, and may be used at once."""
        self.site(Use.READ, index, node)
        if use in TRACKED_USES or use == Use.STATEMENT:
            self.site(use, index, node)

    def telling(self, attribute: str, use: int, receiver: str = "") -> int:
        if use in (Use.CALLEE, Use.AWAIT, Use.SCHEDULED) and attribute in TELLING_METHODS:
            return self.add((OP_METHOD, attribute, receiver))
        return UNKNOWN

    def note_asked(self, node: ast.expr) -> None:
        """Remember the method of `iscoroutinefunction(x.run)` or `maybe_await(x.run())`: it may be of either colour.

        The same goes for `result = x.run()` and later `isawaitable(result)`.
        """
        called = node.func if type(node) is Call else node
        if type(called) is Attribute:
            self.ask(called.attr, called.value)
        elif type(called) is Name:
            method = self.frame.methods.get(called.id) or self.frame.taken.get(called.id)
            if method is not None:
                self.ask(*method)

    def ask(self, method: str, receiver: ast.expr) -> None:
        """Somebody looks what colour a method or its result has, and so takes both."""
        self.places.add(("?" + method, self.holder(receiver)))

    def note_set(self, node: ast.Call) -> None:
        """`setattr(module, "name", value)`, of pytest's monkeypatch too where it says that the name needn't be there."""
        is_patch = type(node.func) is Attribute
        if len(node.args) > 1 and type(node.args[1]) is Constant and (not is_patch or node.keywords):
            self.places.add(("=" + str(node.args[1].value), self.holder(node.args[0])))
        elif len(node.args) > 1 and not is_patch and type(node.args[0]) is Name:
            # `setattr(Store, name, value)` in a loop: nobody knows what the class has, under its own name or another.
            for binding in self.module.bindings.get(node.args[0].id, ()):
                if binding[0] in ("class", "from"):
                    name = binding[5] or node.args[0].id
                    self.places.add((f"=*{name}", self.add((OP_NAME, node.args[0].id, self.block))))

    def holder(self, node: ast.expr) -> int:
        """The expression of an object whose attribute is set or asked about, if it can be followed."""
        if type(node) is Call:
            made = self.holder(node.func)
            return self.add((OP_CALL, made, (), (), False, position(node))) if made > NONE else UNKNOWN
        dotted = dotted_name(node)
        known = dotted and self.is_known(dotted.partition(".")[0], Use.CALLEE)
        return self.add((OP_NAME, dotted, self.block)) if known else UNKNOWN

    def is_get_logger(self, function: ast.expr) -> bool:
        """Whether a call of this gives a logger of the standard library."""
        root, _, rest = dotted_name(function).partition(".")
        origin = self.frame.quiet.get(root) or self.module.quiet.get(root) or ""
        return f"{origin}.{rest}".strip(".") == "logging.getLogger"

    def note_bases(self, node: ast.expr) -> None:
        """`class Job(mixed(Base))` and `type("Job", (Base,), {})`: whatever is named there may get a subclass."""
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute | ast.Name):
                self.base_names.add(part.attr if isinstance(part, ast.Attribute) else part.id)

    def note_tests(self, name: str, node: ast.Call) -> None:
        """`isawaitable(x)`, `hasattr(x, ...)` and the like: the code knows that x may be of either kind."""
        if name in TAKES_BOTH or name in ASKS_COLOUR:
            for argument in node.args[:1]:
                self.note_asked(argument)
            if name not in ASKS_COLOUR:
                return
        elif name in ("hasattr", "isinstance") and len(node.args) == 2:
            kinds = node.args[1].elts if type(node.args[1]) is Tuple else node.args[1:]
            if any(names_awaitable(kind) for kind in kinds):
                self.note_asked(node.args[0])
        if name == "setattr":
            self.note_set(node)
        if name in FILLS_NAMESPACES:
            self.module.flags |= Flag.OWN_NAMESPACE if name in ("globals", "exec") else 0
            frame: Frame | None = self.frame
            while frame is not None:
                if frame.kind == "class":
                    frame.flags |= Flag.OWN_NAMESPACE
                frame = frame.parent
            return
        if name in ASKS_COLOUR:
            self.frame.flags |= Flag.ASKS_COLOUR
        elif name in ASKS_LOOP:
            # In an async function the loop runs anyhow: there it is asked for its methods.
            if not (name.endswith("get_running_loop") and self.frame.flags & Flag.ASYNC):
                self.frame.flags |= Flag.ASKS_LOOP
            return
        elif name not in ASKS_KIND:
            return
        for argument in node.args[:1]:
            if name in ASKS_KIND and type(argument) is Call:
                continue  # `isinstance(load(), str)` says nothing about what load is
            target = argument.func if type(argument) is Call else argument
            dotted = dotted_name(target)
            if dotted:
                self.frame.tested.add(dotted.removesuffix(".__call__"))

    # Annotations

    def annotation(self, node: ast.expr | None) -> int:
        """The entry of an annotation; strings are parsed, and names in it see the whole scope."""
        if node is None:
            return UNKNOWN
        if type(node) is Name:
            self.frame.loads[node.id] = len(self.exprs)
            return self.add((OP_NAME, node.id, ~self.block))
        if type(node) is Attribute:
            dotted = dotted_name(node)
            return self.add((OP_NAME, dotted, ~self.block)) if dotted else UNKNOWN
        if type(node) is Constant:
            if node.value is None:
                return NONE
            if not isinstance(node.value, str):
                return UNKNOWN
            try:
                return self.annotation(ast.parse(node.value.strip(), mode="eval").body)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return UNKNOWN
        if type(node) is Subscript:
            base = self.annotation(node.value)
            inner = node.slice.elts if type(node.slice) is Tuple else [node.slice]
            if base >= 0 and str(self.exprs[base][1]).rpartition(".")[2] in ("Literal", "Annotated"):
                if str(self.exprs[base][1]).endswith("Literal"):
                    return PLAIN
                inner = inner[:1]
            return (
                self.add((OP_SUBSCRIPTED, base, tuple([self.annotation(one) for one in inner]))) if base >= 0 else base
            )
        if type(node) is BinOp and type(node.op) is BitOr:
            alternatives: list[ast.expr] = []
            left: ast.expr = node
            while type(left) is BinOp:
                alternatives.append(left.right)
                left = left.left
            alternatives.append(left)
            found = [self.annotation(one) for one in alternatives]
            return UNKNOWN if min(found) < 0 else self.add((OP_UNION, *found))
        return UNKNOWN

    # Implemented by the other parts

    def visit(self, node: ast.expr, use: int) -> int:
        raise NotImplementedError

    def new_block(self, leaves: bool = False) -> int:
        raise NotImplementedError

    def lambda_scope(self, node: ast.Lambda) -> int:
        raise NotImplementedError

    def bind_item(self, name: str, index: int, value: ast.expr) -> None:
        raise NotImplementedError

    def bind_attribute_item(self, container: ast.Attribute, index: int, value: ast.expr, by_key: bool) -> None:
        raise NotImplementedError

    # Binding

    def bind_name(self, name: str, value: int, node: ast.expr | None) -> None:
        """`name = value` in the current scope (or the one that `global` names)."""
        frame = self.frame
        line = node.lineno if node is not None else 0
        binding = raw_binding("value" if value >= 0 else "unknown", value, len(self.exprs), self.block, line)
        if name in frame.outer:
            owner = frame.parent
            while owner is not None and owner.kind != "module" and name not in owner.bindings:
                owner = owner.parent
            (owner or frame).bind(name, binding)
            if value > NONE and type(node) is Call:
                self.called_globals.add(name)
            return
        same = type(node) is Name and node.id in frame.tracked  # `other = name`
        frame.bind(name, binding)
        if frame is self.module and value > NONE and type(node) is Call:
            self.called_globals.add(name)
        if value > NONE and (same or type(node) is Call or self.exprs[value][0] in (OP_CALL, OP_ELEMENT, OP_UNION)):
            frame.tracked.add(name)
        if type(node) in CONTAINER_NODES:
            frame.containers[name] = "dict" if type(node) in (Dict, DictComp) else "list"
        elif type(node) is Call and type(node.func) is Name and node.func.id in CONTAINER_CALLS:
            frame.containers[name] = CONTAINER_CALLS[node.func.id]

    def bind_target(self, target: ast.expr, expr: Expr, source: int) -> None:
        """Bind the target of a for, with or unpacking to `expr`, or to nothing known when `source` is unknown."""
        if type(target) is Name:
            self.bind_name(target.id, self.add(expr) if source >= 0 else UNKNOWN, None)
            if source >= 0 and expr[0] == OP_ELEMENT:
                self.frame.tracked.add(target.id)
        elif type(target) in (Tuple, List):
            whole = self.add(expr) if source >= 0 else UNKNOWN
            for number, element in enumerate(cast("ast.Tuple", target).elts):
                if type(element) is Starred:
                    self.bind_target(element.value, (OP_UNPACK, whole, None), UNKNOWN)
                else:
                    self.bind_target(element, (OP_UNPACK, whole, number), whole)
        elif type(target) is Starred:
            self.bind_target(target.value, expr, UNKNOWN)
        elif type(target) is Attribute:
            self.bind_attribute(target, self.add(expr) if source >= 0 else UNKNOWN)
        elif type(target) is Subscript:
            self.visit(target.value, Use.STATEMENT)
            self.visit(target.slice, Use.OPERAND)

    def bind_attribute(self, target: ast.Attribute, value: int, annotation: int = UNKNOWN) -> None:
        """`self.x = value` inside a method belongs to the class; all else is only read."""
        owner = target.value
        frame = self.frame
        if type(owner) is Name:
            frame.loads[owner.id] = len(self.exprs)
            if owner.id in frame.param_use:
                frame.param_use[owner.id] |= ParamUse.AS_VALUE
            if owner.id in frame.tracked:
                self.site(Use.ATTRIBUTE, self.add((OP_NAME, owner.id, self.block)), owner, UNKNOWN, target.attr)
            method: Frame | None = frame
            while method is not None and method.self_name != owner.id:
                method = method.parent
            if method is not None and owner.id and method.parent is not None and method.parent.kind == "class":
                kind = "value" if value >= 0 else "unknown"
                binding = raw_binding(kind, value, len(self.exprs), self.block, target.lineno)
                method.parent.attributes.setdefault(target.attr, []).append(binding)
            else:
                self.places.add(("=" + target.attr, self.holder(owner)))
                frame.replaced.add(f"{owner.id}.{target.attr}")
        else:
            self.places.add(("=" + target.attr, self.visit(owner, Use.ATTRIBUTE)))
            if dotted_name(target):
                frame.replaced.add(dotted_name(target))


def position(node: ast.expr | ast.stmt) -> int:
    """The packed position of a node."""
    line, column, end_line, end_column = node.lineno, node.col_offset, node.end_lineno, node.end_col_offset
    if end_line is None or end_column is None or column > 4095 or end_column > 4095 or end_line - line > 4095:
        return pack_position(line, column, end_line or line, end_column or 0)
    return (line << 36) | (column << 24) | ((end_line - line) << 12) | end_column


def dotted_name(node: ast.expr) -> str:
    """`a.b.c` for a chain of attributes on a name, else an empty string."""
    parts: list[str] = []
    while type(node) is Attribute:
        parts.append(node.attr)
        node = node.value
    if type(node) is not Name:
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


def names_awaitable(kind: ast.expr) -> bool:
    """Whether `isinstance(x, kind)` or `hasattr(x, kind)` asks for something that can be awaited."""
    if type(kind) is Constant:
        return kind.value == "__await__"
    return dotted_name(kind).rpartition(".")[2] in AWAITABLE_TYPES


MOST_PARTS: Final = 40  # a longer chain of attributes is no one's code
NO_CALL: Final = ast.Call(ast.Name("globals"), [], [])
