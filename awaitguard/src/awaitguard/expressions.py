"""Turn the expressions of a file into the compact table of its summary, noting how each value is used."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable
from typing import Any, cast

from awaitguard.library import PASSES_THROUGH, PLAIN_BUILTINS, PLAIN_MODULES
from awaitguard.frame import Frame, Owner, RawSite
from awaitguard.summary import (
    ABSENT,
    NONE,
    OP_ATTR,
    OP_AWAIT,
    OP_CALL,
    OP_COMPREHENSION,
    OP_CONST,
    OP_DICT,
    OP_ELEMENT,
    OP_GETATTR,
    OP_ITEM,
    OP_LIST,
    OP_METHOD,
    OP_NAME,
    OP_SCOPE,
    OP_SUBSCRIPTED,
    OP_UNION,
    OP_UNPACK,
    PLAIN,
    UNKNOWN,
    Binding,
    Expr,
    Flag,
    ParamUse,
    Use,
    pack_position,
)

BUILTINS = frozenset(dir(builtins))
# Builtins whose calls are followed; all others give plain values.
FOLLOWED_BUILTINS = frozenset({"super", "type", "map", "filter", "sorted", "min", "max", "staticmethod", "classmethod",
    "property", "object", "anext", "aiter", "list", "tuple", "set", "next", "iter", "Exception", "BaseException"})  # fmt: skip
# Builtins and library functions that want a value: a coroutine given to them is a mistake.
VALUE_FUNCTIONS = frozenset({"len", "print", "str", "int", "float", "bool", "repr", "sum", "abs", "round", "bytes",
    "hash", "format", "ord", "chr", "any", "all", "min", "max", "sorted", "enumerate", "dict", "reversed", "vars",
    "json.dumps", "json.loads", "json.dump", "divmod", "pow", "bytearray", "range", "open", "ascii", "bin", "hex",
    "os.path.join", "os.path.exists", "Path", "pathlib.Path"})  # fmt: skip
PASSING_FUNCTIONS = frozenset({"list", "tuple", "set", "frozenset", "iter", "zip", "next"})
ASKS_COLOUR = frozenset({"isawaitable", "iscoroutine", "iscoroutinefunction", "isasyncgenfunction", "isasyncgen",
    "isfuture", "is_async_callable", "is_coroutine_function", "is_coroutine", "is_awaitable", "iscoroutinefunc",
    "isgenerator", "isgeneratorfunction", "is_async", "maybe_await", "is_coroutine_callable",
    "is_async_gen_callable", "is_gen_callable", "_is_coroutine", "markcoroutinefunction"})  # fmt: skip
ASKS_KIND = frozenset({"hasattr", "callable", "isinstance", "issubclass", "isclass", "isfunction", "ismethod"})
ASKS_LOOP = frozenset({"get_running_loop", "_get_running_loop", "is_running", "sniff", "current_async_library"})
FILLS_NAMESPACES = frozenset({"exec", "globals", "setattr", "vars", "locals", "__setattr__"})
TELLING_CALLS = FILLS_NAMESPACES | ASKS_COLOUR | ASKS_LOOP | ASKS_KIND
SCHEDULERS = frozenset({"gather", "create_task", "ensure_future", "wait_for", "shield", "run_until_complete",
    "run_coroutine_threadsafe", "run", "as_completed", "wait"})  # fmt: skip
# Methods that are looked at even when nothing is known about the object: their names say enough.
TELLING_METHODS = SCHEDULERS - {"run", "wait", "shield", "gather", "as_completed"} | {"submit", "run_in_executor",
    "call_soon", "call_later", "call_at", "call_soon_threadsafe", "add_done_callback", "add_signal_handler",
    "add_reader", "add_writer", "sort"}  # fmt: skip
FILLING_METHODS = frozenset({"append", "add", "insert", "appendleft", "setdefault", "extend", "update"})
CONTAINER_CALLS = {"list": "list", "set": "list", "deque": "list", "dict": "dict", "defaultdict": "dict",
    "OrderedDict": "dict"}  # fmt: skip
# Modules of the standard library whose functions matter for colours; the rest is looked at only where it is awaited.
FOLLOWED_LIBRARY = frozenset({"asyncio", "contextlib", "functools", "threading", "concurrent", "signal", "atexit",
    "dataclasses", "abc", "typing", "types", "multiprocessing", "enum", "collections", "inspect", "unittest"})  # fmt: skip
QUIET_LIBRARY = frozenset(sys.stdlib_module_names) - FOLLOWED_LIBRARY

KEEP_UNKNOWN = frozenset({Use.AWAIT, Use.ASYNC_WITH, Use.ASYNC_ITERATE, Use.SCHEDULED})
# A container with coroutines is handed over in these uses, and whoever gets it may await them.
HANDED_OVER = frozenset({Use.ARGUMENT, Use.AWAIT, Use.YIELD, Use.CALLEE, Use.OTHER, Use.ITERATE, Use.ASYNC_ITERATE,
    Use.SCHEDULED, Use.SUBSCRIPT, Use.ATTRIBUTE, Use.WITH, Use.ASYNC_WITH})  # fmt: skip
LOOKS_AT = frozenset({Use.TRUTH, Use.COMPARE, Use.FORMAT, Use.VALUE_ARGUMENT, Use.STATEMENT, Use.OPERAND})
TRACKED_USES = frozenset({Use.TRUTH, Use.COMPARE, Use.FORMAT, Use.OPERAND, Use.SUBSCRIPT, Use.VALUE_ARGUMENT})
SITED_USES = frozenset({Use.AWAIT, Use.WITH, Use.ASYNC_WITH, Use.ITERATE, Use.ASYNC_ITERATE})
VALUE_USES = frozenset({Use.ATTRIBUTE, Use.SUBSCRIPT, Use.OPERAND, Use.FORMAT, Use.COMPARE, Use.TRUTH, Use.ITERATE,
    Use.VALUE_ARGUMENT})  # fmt: skip
OWNED_USES = frozenset({Use.ELEMENT, Use.STORED, Use.MAPPED})
PARENT_SITES = frozenset({Use.ARGUMENT, Use.VALUE_ARGUMENT, Use.SCHEDULED, Use.AWAIT})


class Expressions:
    """The part of the walker that visits expressions.

    Every visitor takes the node and how its value is used, and gives the index of its entry in the expression table.
    """

    def __init__(self) -> None:
        self.exprs: list[Expr] = [(OP_CONST, "plain", None), (OP_CONST, "None", None)]
        self.sites: list[RawSite] = []
        self.pending_attributes: list[tuple[str, RawSite]] = []
        self.consumed_attributes: set[str] = set()
        self.set_outside: set[str] = set()
        self.block = 0
        self.muted = 0
        self.loops = False
        self.owner: Owner | None = None
        self.guards: dict[str, Any] = {}
        self.attribute_name = ""
        self.frame = Frame("module", "", 0, None, 0)
        self.module = self.frame

    # Entry points

    def visit(self, node: ast.expr, use: int) -> int:
        """Visit any expression."""
        return VISITORS[type(node)](self, node, use)

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
            else:
                self.frame.pending.append((name, raw))
            return
        self.sites.append(raw)

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
                    if name in frame.containers:
                        return True
                    if name in frame.param_use:
                        return frame is not current or use in (Use.RETURN, Use.AWAIT)
                    return use == Use.AWAIT
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
        uses = frame.param_use
        if name in uses:
            if use == Use.AWAIT or use == Use.SCHEDULED:
                uses[name] |= ParamUse.AWAITED
            elif use in VALUE_USES:
                uses[name] |= ParamUse.AS_VALUE
            else:
                uses[name] |= ParamUse.PASSED_ON
        if use not in LOOKS_AT and not (use == Use.RETURN and frame.containers.get(name) == "dict"):
            frame.consumed.add(name)

    def visit_name(self, node: ast.Name, use: int) -> int:
        name = node.id
        self.load(name, use)
        if not self.is_known(name, use):
            return UNKNOWN
        index = self.add((OP_NAME, name, self.block))
        if use in SITED_USES and use != Use.AWAIT or (use in TRACKED_USES and name in self.frame.tracked):
            if use != Use.VALUE_ARGUMENT:
                self.site(use, index, node)
        return index

    def visit_attribute(self, node: ast.Attribute, use: int) -> int:
        parts = [node.attr]
        value = node.value
        while type(value) is ast.Attribute:
            parts.append(value.attr)
            value = value.value
        if parts[0] in FILLING_METHODS:
            self.consumed_attributes.update(parts[2:])
        elif use not in LOOKS_AT:
            self.consumed_attributes.update(parts)
        else:
            self.consumed_attributes.update(parts[1:])
        if parts[-1] == "modules" or parts[0] == "__dict__":
            self.note_tests("globals" if parts[-1] == "modules" else "vars", NO_CALL)
        if type(value) is ast.Name:
            name = value.id
            frame = self.frame
            if parts[0] in FILLING_METHODS and use == Use.CALLEE:
                frame.loads[name] = len(self.exprs)
                if name in frame.param_use:
                    frame.param_use[name] |= ParamUse.AS_VALUE
            else:
                self.load(name, Use.ATTRIBUTE)
            inner = use if use in KEEP_UNKNOWN and use != Use.AWAIT else Use.CALLEE
            if not self.is_known(name, inner):
                return self.telling(parts[0], use, ".".join([name, *reversed(parts[1:])]))
            parts.append(name)
            parts.reverse()
            index = self.add((OP_NAME, ".".join(parts), self.block))
            if name in frame.tracked:
                self.site(Use.ATTRIBUTE, self.add((OP_NAME, name, self.block)), value, UNKNOWN, parts[1])
            if use in SITED_USES and use != Use.AWAIT:
                self.site(use, index, node)
            return index
        self.attribute_name = parts[-1]
        base = self.visit(value, Use.ATTRIBUTE)
        if base < 0:
            return self.telling(parts[0], use)
        for part in reversed(parts):
            base = self.add((OP_ATTR, base, part))
        return base

    def telling(self, attribute: str, use: int, receiver: str = "") -> int:
        if use in (Use.CALLEE, Use.AWAIT, Use.SCHEDULED) and attribute in TELLING_METHODS:
            return self.add((OP_METHOD, attribute, receiver))
        return UNKNOWN

    # Calls

    def visit_call(self, node: ast.Call, use: int) -> int:
        function = node.func
        owner, self.owner = self.owner, None
        argument_use: int = Use.ARGUMENT
        name = ""
        base = ""
        if type(function) is ast.Name:
            name = function.id
            if name == "getattr" and len(node.args) >= 2:
                self.owner = owner
                return self.visit_getattr(node, use)
            if name in VALUE_FUNCTIONS:
                argument_use = Use.VALUE_ARGUMENT if self.is_builtin(name) else argument_use
            elif name in PASSING_FUNCTIONS and self.is_builtin(name):
                self.owner = owner
                argument_use = self.element_use(use, is_dict=False)
            if name in TELLING_CALLS:
                self.note_tests(name, node)
        elif type(function) is ast.Attribute:
            name = function.attr
            if type(function.value) is ast.Name:
                base = function.value.id
                if f"{base}.{name}" in VALUE_FUNCTIONS:
                    argument_use = Use.VALUE_ARGUMENT
            elif type(function.value) is ast.Constant and isinstance(function.value.value, str):
                argument_use = Use.FORMAT
            if name in TELLING_CALLS:
                self.note_tests(name, node)
        if name in SCHEDULERS:
            argument_use = Use.SCHEDULED
        keep = use in KEEP_UNKNOWN
        target = self.visit(function, Use.SCHEDULED if keep else Use.CALLEE)
        if name in FILLING_METHODS and type(function) is ast.Attribute:
            argument_use = self.filled(function.value) or argument_use
        if name == "map" and type(function) is ast.Name:
            self.owner = owner
            use = Use.MAPPED if self.element_use(use, is_dict=False) == Use.ELEMENT else use
            self.owner = None
        arguments: list[int | str] = []
        has_star = False
        found: list[tuple[int, ast.expr, int | str]] = []
        fill = (argument_use, self.owner) if argument_use == Use.ELEMENT else None
        for argument in node.args:
            if type(argument) is ast.Starred:
                has_star = True
                self.visit(argument.value, Use.OTHER)
                continue
            self.owner = fill[1] if fill else None
            index = self.visit(argument, argument_use)
            if index > NONE and name in PASSING_FUNCTIONS and type(function) is ast.Name and self.is_builtin(name):
                self.site(Use.ITERATE, index, argument)
            if index < 0 and type(argument) is ast.Name:
                arguments.append(argument.id)
            else:
                arguments.append(index)
                if index > NONE and (type(argument) is ast.Call or type(argument) is ast.Name):
                    found.append((index, argument, len(arguments) - 1))
        self.owner = None
        keywords: list[tuple[str | None, int]] = []
        for keyword in node.keywords:
            index = self.visit(keyword.value, argument_use if keyword.arg else Use.OTHER)
            keywords.append((keyword.arg, index))
            if index > NONE and keyword.arg and type(keyword.value) in (ast.Call, ast.Name):
                found.append((index, keyword.value, keyword.arg))
        self.owner = owner
        if target < 0:
            for index, argument, where in found:
                self.argument_site(argument_use, index, argument, UNKNOWN, where)
            return self.plain_call(function)
        where_it_is = position(node)
        call = self.add((OP_CALL, target, tuple(arguments), tuple(keywords), has_star, where_it_is))
        for index, argument, where in found:
            self.argument_site(argument_use, index, argument, call, where)
        frame = self.frame
        if use not in PARENT_SITES:
            if use in OWNED_USES or use == Use.ATTRIBUTE:
                self.site(use, call, node)
            elif not self.muted:
                self.sites.append((use, call, frame.index, where_it_is, UNKNOWN, 0))
        frame.calls.append(call)
        if name in ("run", "run_until_complete"):
            if name == "run_until_complete" or base == "asyncio" or (not base and type(function) is ast.Name):
                frame.flags |= Flag.RUNS_LOOP
        elif name == "acquire" and use == Use.STATEMENT:
            frame.held[dotted_name(function)] = (self.receiver(target), position(node))
        elif name == "release":
            frame.held.pop(dotted_name(function).removesuffix("release") + "acquire", None)
        return call

    def plain_call(self, function: ast.expr) -> int:
        """A call of something that isn't followed: what is known to give numbers, texts and the like is plain."""
        if type(function) is ast.Name:
            quiet = self.frame.quiet.get(function.id) or self.module.quiet.get(function.id)
            if quiet is None:
                return PLAIN if function.id in PLAIN_BUILTINS and self.is_builtin(function.id) else UNKNOWN
            dotted = quiet
        else:
            dotted = dotted_name(function)
            root, _, rest = dotted.partition(".")
            quiet = self.frame.quiet.get(root) or self.module.quiet.get(root)
            if not quiet:
                return UNKNOWN
            dotted = f"{quiet}.{rest}"
        return PLAIN if dotted.partition(".")[0] in PLAIN_MODULES and dotted not in PASSES_THROUGH else UNKNOWN

    def receiver(self, target: int) -> int:
        """The expression for `lock` when `target` is `lock.acquire`."""
        expr = self.exprs[target]
        if expr[0] == OP_NAME and "." in expr[1]:
            return self.add((OP_NAME, expr[1].rpartition(".")[0], expr[2]))
        return expr[1] if expr[0] == OP_ATTR else UNKNOWN

    def argument_site(self, use: int, index: int, node: ast.expr, call: int, where: int | str) -> None:
        if type(node) is ast.Name and use != Use.SCHEDULED and node.id not in self.frame.tracked:
            return
        if type(node) is ast.Name and use == Use.ELEMENT:
            return
        if use in PARENT_SITES:
            self.site(use, index, node, call, where)

    def filled(self, container: ast.expr) -> int:
        """`tasks.append(x)`: the use of x, and the container as owner of what is put into it."""
        if type(container) is ast.Name and container.id in self.frame.containers:
            self.owner = ("name", container.id)
            return Use.ELEMENT
        if (
            type(container) is ast.Attribute
            and type(container.value) is ast.Name
            and container.value.id == self.frame.self_name
            and container.value.id
        ):
            self.owner = ("attribute", container.attr)
            return Use.ELEMENT
        return 0

    def note_tests(self, name: str, node: ast.Call) -> None:
        """`isawaitable(x)`, `hasattr(x, ...)` and the like: the code knows that x may be of either kind."""
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
            self.frame.flags |= Flag.ASKS_LOOP
            return
        elif name not in ASKS_KIND:
            return
        for argument in node.args[:1]:
            target = argument.func if type(argument) is ast.Call else argument
            dotted = dotted_name(target)
            if dotted:
                self.frame.tested.add(dotted.removesuffix(".__call__"))

    def visit_getattr(self, node: ast.Call, use: int) -> int:
        key = node.args[1]
        base = self.visit(node.args[0], Use.OTHER)
        constant = type(key) is ast.Constant and isinstance(key.value, str)
        if not constant:
            self.visit(key, Use.OTHER)
        for extra in node.args[2:]:
            self.visit(extra, Use.OTHER)
        if base < 0 or not constant or len(node.args) > 2:
            return UNKNOWN
        return self.add((OP_GETATTR, base, cast("ast.Constant", key).value))

    # Literals and containers

    def visit_constant(self, node: ast.Constant, use: int) -> int:
        return NONE if node.value is None else PLAIN

    def visit_joined(self, node: ast.JoinedStr, use: int) -> int:
        for value in node.values:
            if type(value) is ast.FormattedValue:
                self.visit(value.value, Use.FORMAT)
                if value.format_spec is not None:
                    self.visit(value.format_spec, Use.FORMAT)
        return PLAIN

    def visit_formatted(self, node: ast.FormattedValue, use: int) -> int:
        self.visit(node.value, Use.FORMAT)
        return PLAIN

    def element_use(self, use: int, is_dict: bool) -> int:
        """How the elements of a container are used, given how the container is."""
        if use in HANDED_OVER:
            return Use.OTHER
        if use == Use.RETURN:
            return Use.RETURNED_DICT if is_dict else Use.OTHER
        if use in (Use.ELEMENT, Use.ASSIGN, Use.STORED) and self.owner is None:
            return Use.OTHER
        return use if use in (Use.RETURNED_DICT, Use.MAPPED) else Use.ELEMENT

    def visit_sequence(self, node: ast.List | ast.Tuple | ast.Set, use: int) -> int:
        inner = self.element_use(use, is_dict=False)
        elements = tuple([self.visit(element, inner) for element in node.elts])
        return self.add((OP_LIST, elements)) if elements and max(elements) > NONE else PLAIN

    def visit_dict(self, node: ast.Dict, use: int) -> int:
        inner = self.element_use(use, is_dict=True)
        pairs: list[tuple[Any, int]] = []
        known = False
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                self.visit(value, Use.OTHER)
                pairs.append((None, UNKNOWN))
                continue
            constant = type(key) is ast.Constant and isinstance(key.value, str | int)
            if not constant:
                self.visit(key, Use.OPERAND)
            index = self.visit(value, inner)
            known = known or index > NONE
            pairs.append((cast("ast.Constant", key).value if constant else None, index))
        return self.add((OP_DICT, tuple(pairs))) if known else PLAIN

    def visit_starred(self, node: ast.Starred, use: int) -> int:
        self.visit(node.value, Use.OTHER)
        return UNKNOWN

    def visit_comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, use: int) -> int:
        is_generator = type(node) is ast.GeneratorExp
        if is_generator and use == Use.ASSIGN:
            use = Use.OTHER
        return self.comprehend(node.generators, [node.elt], use, is_generator, is_dict=False)

    def visit_dict_comprehension(self, node: ast.DictComp, use: int) -> int:
        # In Python 3.15 the value of `{**x for x in y}` is absent.
        values = [one for one in (node.key, cast("ast.expr | None", node.value)) if one is not None]
        return self.comprehend(node.generators, values, use, is_generator=False, is_dict=True)

    def iterated(self, node: ast.expr, is_async: bool) -> int:
        """What a `for` or comprehension goes over."""
        index = self.visit(node, Use.ASYNC_ITERATE if is_async else Use.ITERATE)
        if is_async and index >= 0 and (index == PLAIN or type(node) in CONTAINER_NODES):
            self.site(Use.ASYNC_ITERATE, index, node)
        return index

    def comprehend(
        self, generators: list[ast.comprehension], values: list[ast.expr], use: int, is_generator: bool, is_dict: bool
    ) -> int:
        owner, self.owner = self.owner, None
        outer, outer_loops = self.block, self.loops
        is_async = False
        self.block = self.new_block(leaves=True)
        for generator in generators:
            is_async = is_async or bool(generator.is_async)
            if generator.is_async:
                self.frame.awaits += 1
            iterated = self.iterated(generator.iter, bool(generator.is_async))
            self.bind_target(generator.target, (OP_ELEMENT, iterated, bool(generator.is_async)), iterated)
            for test in generator.ifs:
                self.visit(test, Use.TRUTH)
        self.owner = owner
        awaits = self.frame.awaits
        inner = self.element_use(use, is_dict)
        if is_dict:
            self.visit(values[0], Use.OPERAND)
        element = self.visit(values[-1], inner)
        if is_generator and self.frame.awaits > awaits:
            is_async = True
        self.block, self.loops = outer, outer_loops
        if element < 0 and not is_generator:
            return UNKNOWN
        return self.add((OP_COMPREHENSION, element, is_generator, is_generator and is_async))

    # Operators

    def visit_await(self, node: ast.Await, use: int) -> int:
        self.note_await()
        value = self.visit(node.value, Use.AWAIT)
        if value < 0:
            return UNKNOWN
        self.site(Use.AWAIT, value, node)
        index = self.add((OP_AWAIT, value))
        if use not in (Use.STATEMENT, Use.AWAIT, Use.ASSIGN, Use.OTHER, Use.ARGUMENT):
            self.site(use, index, node)
        return index

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
        found.append(self.visit(node.values[-1], use))
        return self.union(found)

    def union(self, found: list[int]) -> int:
        if min(found) < 0:
            return UNKNOWN
        return self.add((OP_UNION, *found)) if max(found) > NONE else PLAIN

    def visit_conditional(self, node: ast.IfExp, use: int) -> int:
        owner, self.owner = self.owner, None
        self.visit(node.test, Use.TRUTH)
        self.owner = owner
        return self.union([self.visit(node.body, use), self.visit(node.orelse, use)])

    def visit_binary(self, node: ast.BinOp, use: int) -> int:
        # Long sums nest deeply on the left: walk down instead of recursing.
        left: ast.expr = node
        rights: list[ast.expr] = []
        while type(left) is ast.BinOp:
            rights.append(left.right)
            left = left.left
        plain = self.visit(left, use if type(left) in CONTAINER_NODES else Use.OPERAND)
        for right in reversed(rights):
            if type(right) in CONTAINER_NODES:
                self.visit(right, use)
            elif type(left) is ast.Constant and isinstance(left.value, str):
                self.visit(right, Use.FORMAT)
            else:
                self.visit(right, Use.OPERAND)
        return PLAIN if plain == PLAIN else UNKNOWN

    def visit_unary(self, node: ast.UnaryOp, use: int) -> int:
        self.visit(node.operand, Use.TRUTH if type(node.op) is ast.Not else Use.OPERAND)
        return PLAIN

    def visit_compare(self, node: ast.Compare, use: int) -> int:
        self.visit(node.left, Use.COMPARE)
        for comparator in node.comparators:
            self.visit(comparator, Use.COMPARE)
        return PLAIN

    def visit_walrus(self, node: ast.NamedExpr, use: int) -> int:
        value = self.visit(node.value, use)
        self.bind_name(node.target.id, value, node.value)
        return value

    def visit_subscript(self, node: ast.Subscript, use: int) -> int:
        value = node.value
        if type(value) is ast.Name and use not in (Use.ATTRIBUTE, Use.SUBSCRIPT, *LOOKS_AT):
            self.frame.consumed.add(value.id)
        if type(value) is ast.Name and use in (Use.ATTRIBUTE, Use.SUBSCRIPT, *LOOKS_AT):
            was = value.id in self.frame.consumed
            base = self.visit(value, Use.SUBSCRIPT)
            if not was:
                self.frame.consumed.discard(value.id)
        else:
            base = self.visit(value, Use.SUBSCRIPT)
        key = node.slice
        constant: Any = None
        if type(key) is ast.Constant and isinstance(key.value, str | int):
            constant = key.value
        elif type(key) is ast.Name and key.id in self.guards:
            constant = self.guards[key.id]
            self.load(key.id, Use.OPERAND)
        else:
            self.visit(key, Use.VALUE_ARGUMENT if type(key) is ast.Call else Use.OPERAND)
        if base < 0:
            return UNKNOWN
        index = self.add((OP_ITEM, base, constant))
        if use in SITED_USES and use != Use.AWAIT:
            self.site(use, index, node)
        return index

    def visit_slice(self, node: ast.Slice, use: int) -> int:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.visit(part, Use.OPERAND)
        return PLAIN

    def visit_yield(self, node: ast.Yield, use: int) -> int:
        self.frame.flags |= Flag.GENERATOR
        if node.value is not None:
            self.visit(node.value, Use.YIELD)
        return UNKNOWN

    def visit_yield_from(self, node: ast.YieldFrom, use: int) -> int:
        self.frame.flags |= Flag.GENERATOR
        self.visit(node.value, Use.OTHER)
        return UNKNOWN

    def visit_lambda(self, node: ast.Lambda, use: int) -> int:
        return self.add((OP_SCOPE, self.lambda_scope(node)))

    # Annotations

    def annotation(self, node: ast.expr | None) -> int:
        """The entry of an annotation; strings are parsed, and names in it see the whole scope."""
        if node is None:
            return UNKNOWN
        if type(node) is ast.Name:
            self.frame.loads[node.id] = len(self.exprs)
            return self.add((OP_NAME, node.id, ~self.block))
        if type(node) is ast.Attribute:
            dotted = dotted_name(node)
            return self.add((OP_NAME, dotted, ~self.block)) if dotted else UNKNOWN
        if type(node) is ast.Constant:
            if node.value is None:
                return NONE
            if not isinstance(node.value, str):
                return UNKNOWN
            try:
                return self.annotation(ast.parse(node.value.strip(), mode="eval").body)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return UNKNOWN
        if type(node) is ast.Subscript:
            base = self.annotation(node.value)
            inner = node.slice.elts if type(node.slice) is ast.Tuple else [node.slice]
            if base >= 0 and self.exprs[base][1].rpartition(".")[2] in ("Literal", "Annotated"):
                if self.exprs[base][1].endswith("Literal"):
                    return PLAIN
                inner = inner[:1]
            return self.add((OP_SUBSCRIPTED, base, tuple([self.annotation(one) for one in inner]))) if base >= 0 else base
        if type(node) is ast.BinOp and type(node.op) is ast.BitOr:
            alternatives: list[ast.expr] = []
            left: ast.expr = node
            while type(left) is ast.BinOp:
                alternatives.append(left.right)
                left = left.left
            alternatives.append(left)
            found = [self.annotation(one) for one in alternatives]
            return UNKNOWN if min(found) < 0 else self.add((OP_UNION, *found))
        return UNKNOWN

    # Implemented by the walker

    def new_block(self, leaves: bool = False) -> int:
        raise NotImplementedError

    def lambda_scope(self, node: ast.Lambda) -> int:
        raise NotImplementedError

    # Binding

    def bind_name(self, name: str, value: int, node: ast.expr | None) -> None:
        """`name = value` in the current scope (or the one that `global` names)."""
        frame = self.frame
        line = node.lineno if node is not None else 0
        binding = Binding("value" if value >= 0 else "unknown", value, len(self.exprs), self.block, line)
        if name in frame.outer:
            owner = frame.parent
            while owner is not None and owner.kind != "module" and name not in owner.bindings:
                owner = owner.parent
            (owner or frame).bind(name, binding)
            return
        frame.bind(name, binding)
        if value > NONE and (type(node) is ast.Call or self.exprs[value][0] in (OP_CALL, OP_ELEMENT, OP_UNION)):
            frame.tracked.add(name)
        if type(node) in CONTAINER_NODES:
            frame.containers[name] = "dict" if type(node) in (ast.Dict, ast.DictComp) else "list"
        elif type(node) is ast.Call and type(node.func) is ast.Name and node.func.id in CONTAINER_CALLS:
            frame.containers[name] = CONTAINER_CALLS[node.func.id]

    def bind_target(self, target: ast.expr, expr: Expr, source: int) -> None:
        """Bind the target of a for, with or unpacking to `expr`, or to nothing known when `source` is unknown."""
        if type(target) is ast.Name:
            self.bind_name(target.id, self.add(expr) if source >= 0 else UNKNOWN, None)
            if source >= 0 and expr[0] == OP_ELEMENT:
                self.frame.tracked.add(target.id)
        elif type(target) in (ast.Tuple, ast.List):
            whole = self.add(expr) if source >= 0 else UNKNOWN
            for number, element in enumerate(cast("ast.Tuple", target).elts):
                if type(element) is ast.Starred:
                    self.bind_target(element.value, (OP_UNPACK, whole, None), UNKNOWN)
                else:
                    self.bind_target(element, (OP_UNPACK, whole, number), whole)
        elif type(target) is ast.Starred:
            self.bind_target(target.value, expr, UNKNOWN)
        elif type(target) is ast.Attribute:
            self.bind_attribute(target, self.add(expr) if source >= 0 else UNKNOWN)
        elif type(target) is ast.Subscript:
            self.visit(target.value, Use.STATEMENT)
            self.visit(target.slice, Use.OPERAND)

    def bind_attribute(self, target: ast.Attribute, value: int, annotation: int = UNKNOWN) -> None:
        """`self.x = value` inside a method belongs to the class; all else is only read."""
        owner = target.value
        frame = self.frame
        if type(owner) is ast.Name:
            frame.loads[owner.id] = len(self.exprs)
            if owner.id in frame.param_use:
                frame.param_use[owner.id] |= ParamUse.AS_VALUE
            method: Frame | None = frame
            while method is not None and method.self_name != owner.id:
                method = method.parent
            if method is not None and owner.id and method.parent is not None and method.parent.kind == "class":
                kind = "value" if value >= 0 else "unknown"
                binding = Binding(kind, value, len(self.exprs), self.block, target.lineno)
                method.parent.attributes.setdefault(target.attr, []).append(tuple(binding))
            else:
                self.set_outside.add(target.attr)
        else:
            self.set_outside.add(target.attr)
            self.visit(owner, Use.ATTRIBUTE)


def position(node: ast.expr | ast.stmt) -> int:
    """The packed position of a node."""
    line, column, end_line, end_column = node.lineno, node.col_offset, node.end_lineno, node.end_col_offset
    if end_line is None or end_column is None or column > 4095 or end_column > 4095 or end_line - line > 4095:
        return pack_position(line, column, end_line or line, end_column or 0)
    return (line << 36) | (column << 24) | ((end_line - line) << 12) | end_column


def dotted_name(node: ast.expr) -> str:
    """`a.b.c` for a chain of attributes on a name, else an empty string."""
    parts: list[str] = []
    while type(node) is ast.Attribute:
        parts.append(node.attr)
        node = node.value
    if type(node) is not ast.Name:
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


NO_CALL = ast.Call(ast.Name("globals"), [], [])
CONTAINER_NODES = frozenset({ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp})

Visitor = Callable[[Any, Any, int], int]

VISITORS: dict[type[ast.AST], Visitor] = {
    ast.Name: Expressions.visit_name,
    ast.Attribute: Expressions.visit_attribute,
    ast.Call: Expressions.visit_call,
    ast.Constant: Expressions.visit_constant,
    ast.JoinedStr: Expressions.visit_joined,
    ast.FormattedValue: Expressions.visit_formatted,
    ast.List: Expressions.visit_sequence,
    ast.Tuple: Expressions.visit_sequence,
    ast.Set: Expressions.visit_sequence,
    ast.Dict: Expressions.visit_dict,
    ast.Starred: Expressions.visit_starred,
    ast.ListComp: Expressions.visit_comprehension,
    ast.SetComp: Expressions.visit_comprehension,
    ast.GeneratorExp: Expressions.visit_comprehension,
    ast.DictComp: Expressions.visit_dict_comprehension,
    ast.Await: Expressions.visit_await,
    ast.BoolOp: Expressions.visit_bool,
    ast.IfExp: Expressions.visit_conditional,
    ast.BinOp: Expressions.visit_binary,
    ast.UnaryOp: Expressions.visit_unary,
    ast.Compare: Expressions.visit_compare,
    ast.NamedExpr: Expressions.visit_walrus,
    ast.Subscript: Expressions.visit_subscript,
    ast.Slice: Expressions.visit_slice,
    ast.Yield: Expressions.visit_yield,
    ast.YieldFrom: Expressions.visit_yield_from,
    ast.Lambda: Expressions.visit_lambda,
}
