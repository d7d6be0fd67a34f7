"""Turn the expressions of a file into the compact table of its summary, noting how each value is used."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Final, cast

from awaitguard.read.contracts import (
    LOG_METHODS,
    VALUE_CLASSES,
    VALUE_CONTRACTS,
    VALUE_FUNCTIONS,
    VALUE_METHODS,
    VALUE_MODULES,
)
from awaitguard.read.frame import Frame
from awaitguard.read.library import AWAITABLE_TYPES, PASSES_THROUGH, PLAIN_BUILTINS, PLAIN_MODULES
from awaitguard.read.naming import dotted_name, position
from awaitguard.read.nodes import (
    Attribute,
    Call,
    Compare,
    Constant,
    FormattedValue,
    GeneratorExp,
    IsNot,
    Name,
    Starred,
    Tuple,
)
from awaitguard.read.operators import Operators
from awaitguard.read.summary import (
    BARE,
    NONE,
    OP_ATTR,
    OP_CALL,
    OP_COMPREHENSION,
    OP_CONST,
    OP_DICT,
    OP_ELEMENT,
    OP_GETATTR,
    OP_LIST,
    OP_NAME,
    PLAIN,
    UNKNOWN,
    Flag,
    ParamUse,
    Use,
)
from awaitguard.read.vocabulary import (
    CONTAINER_NODES,
    FILLING_METHODS,
    HANDED_OVER,
    KEEP_UNKNOWN,
    LOGGERS,
    OWNED_USES,
    PARENT_SITES,
    PASSING_FUNCTIONS,
    PLAIN_METHODS,
    SCHEDULERS,
    SHOWING,
    TELLING_CALLS,
    VALUE_USES,
)

# How the result of a call is used when nobody can await it later.
CALLED_USES: Final = VALUE_USES | {Use.STATEMENT}
AWAITED_USES: Final = frozenset({Use.AWAIT, Use.SCHEDULED})
DEEPEST: Final = (
    3_000  # expressions inside each other; Python 3.11 parses no more, and each may take a kilobyte of stack
)
OF_LISTS: Final = frozenset({"as_completed", "wait"})  # schedulers that take a list of awaitables


class Expressions(Operators):
    """The part of the walker that visits expressions.

    Every visitor takes the node and how its value is used, and gives the index of its entry in the expression table.
    """

    def visit(self, node: ast.expr, use: int) -> int:
        """Visit any expression.

        Raises:
            RecursionError: it is nested more deeply than DEEPEST; compiled, the walk needs the C stack.
        """
        self.depth += 1
        if self.depth > DEEPEST:
            raise RecursionError
        # What most of code is made of is called by its name, which is quicker where it is compiled.
        if type(node) is Name:
            index = self.visit_name(node, use)
        elif type(node) is Attribute:
            index = self.visit_attribute(node, use)
        elif type(node) is Call:
            index = self.visit_call(node, use)
        elif type(node) is Constant:
            index = NONE if node.value is None else PLAIN
        else:
            index = VISITORS[type(node)](self, node, use)
        self.depth -= 1
        return index

    # Calls

    def visit_call(self, node: ast.Call, use: int) -> int:
        function = node.func
        owner, self.owner = self.owner, None
        argument_use: int = Use.ARGUMENT
        name = ""
        base = ""
        if type(function) is Name:
            name = function.id
            if name == "getattr" and len(node.args) >= 2:
                self.owner = owner
                return self.visit_getattr(node, use)
            if (name in VALUE_FUNCTIONS and self.is_builtin(name)) or name in VALUE_CLASSES:
                argument_use = Use.VALUE_ARGUMENT
            elif name in self.module.quiet and name not in self.frame.bindings:
                argument_use = self.quiet_use(self.module.quiet[name])
            elif name == "isinstance" and not asks_for_awaitable(node) and not self.is_given_kind(node):
                argument_use = Use.VALUE_ARGUMENT
            elif (
                name in PASSING_FUNCTIONS
                and self.is_builtin(name)
                and not (name in ("iter", "next") and len(node.args) > 1)
            ):
                self.owner = owner
                argument_use = self.element_use(use, is_dict=False)
            if name in TELLING_CALLS:
                self.note_tests(name, node)
            elif self.frame.kind == "module" and remakes_module(name, node):
                self.module.flags |= Flag.OWN_NAMESPACE
            if name == "type" and len(node.args) == 3:
                self.note_bases(node.args[1])
        elif type(function) is Attribute:
            name = function.attr
            if type(function.value) is Name:
                base = function.value.id
                if f"{base}.{name}" in VALUE_FUNCTIONS:
                    argument_use = Use.VALUE_ARGUMENT
                elif base in self.module.quiet:
                    argument_use = self.quiet_use(f"{self.module.quiet[base]}.{name}")
            elif type(function.value) is Attribute and dotted_name(function) in VALUE_FUNCTIONS:
                argument_use = Use.VALUE_ARGUMENT
            elif type(function.value) is Constant and isinstance(function.value.value, str):
                argument_use = Use.FORMAT
            if name in VALUE_METHODS:
                argument_use = Use.VALUE_ARGUMENT
            elif name in LOG_METHODS:
                holder = dotted_name(function.value).rpartition(".")[2]
                made = type(function.value) is Call and self.is_get_logger(function.value.func)
                if made or holder in self.loggers or holder in LOGGERS:
                    argument_use = Use.LOGGED
            if name in TELLING_CALLS:
                self.note_tests(name, node)
            elif self.frame.kind == "module" and remakes_module(name, node):
                self.module.flags |= Flag.OWN_NAMESPACE
        if name in SCHEDULERS:
            argument_use = Use.SCHEDULED
        if type(function) is Attribute:
            self.note_method(node, function, use)
        keep = use in KEEP_UNKNOWN
        if type(function) is Name and function.id in self.frame.param_use and use in CALLED_USES:
            self.frame.param_use[function.id] |= ParamUse.CALLED
            target = self.visit(function, Use.FORMAT)  # looked at, not passed on
        else:
            target = self.visit(function, Use.SCHEDULED if keep else Use.CALLEE)
            if use in AWAITED_USES and type(function) is Name:
                given = self.frame.renamed.get(function.id, function.id)
                if given in self.frame.param_use:
                    self.frame.param_use[given] |= ParamUse.CALL_AWAITED
        if keep and target > NONE and type(function) is Call:
            self.site(Use.CALLEE, target, function)
        if name in FILLING_METHODS and type(function) is Attribute:
            argument_use = self.filled(function.value) or argument_use
        if name == "map" and type(function) is Name:
            self.owner = owner
            use = Use.MAPPED if self.element_use(use, is_dict=False) in (Use.ELEMENT, Use.RETURNED_LIST) else use
            self.owner = None
        arguments: list[int | str] = []
        # `iter(function, sentinel)` calls its first argument.
        passing = (
            name in PASSING_FUNCTIONS
            and type(function) is Name
            and self.is_builtin(name)
            and not (name == "iter" and len(node.args) > 1)
        )
        has_star = False
        found: list[tuple[int, ast.expr, int | str]] = []
        fill = (argument_use, self.owner) if argument_use == Use.ELEMENT else None
        for argument in node.args:
            if type(argument) is Starred:
                has_star = True
                index = self.visit(argument.value, Use.UNPACKED)
                if index > NONE and argument_use == Use.SCHEDULED:
                    found.append((self.add((OP_ELEMENT, index, False)), argument.value, "*"))
                continue
            if type(argument) is Constant:
                arguments.append(NONE if argument.value is None else PLAIN)
                continue
            self.owner = fill[1] if fill else None
            index = self.visit(argument, argument_use)
            if type(argument) is Name and (argument_use == Use.LOGGED or name in SHOWING):
                self.shown.add(index)
            if index > NONE and passing:
                self.site(Use.ITERATE, index, argument)
            if name in ("enumerate", "reversed") and type(argument) is Name:
                self.frame.consumed.add(argument.id)  # hands out the elements
            if index < 0 and type(argument) is Name:
                arguments.append(argument.id)
            elif index < 0 and type(argument) is Attribute:
                arguments.append(argument.attr)
            else:
                arguments.append(index)
                if index > NONE and (type(argument) is Call or type(argument) is Name):
                    found.append((index, argument, len(arguments) - 1))
                if index > NONE and name in OF_LISTS and argument_use == Use.SCHEDULED:
                    found.append((self.add((OP_ELEMENT, index, False)), argument, len(arguments) - 1))
        self.owner = None
        keywords: list[tuple[str | None, int]] = []
        for keyword in node.keywords:
            index = self.visit(keyword.value, argument_use if keyword.arg else Use.UNPACKED)
            if index < 0 and type(keyword.value) is Name and self.crosses(keyword, node.keywords):
                index = self.add((OP_NAME, keyword.value.id, self.block))
            if keyword.arg == "init" and type(keyword.value) is Constant and isinstance(keyword.value.value, bool):
                index = self.add((OP_CONST, "bool", keyword.value.value))  # a dataclass's field may stay out
            keywords.append((keyword.arg, index))
            if index > NONE and keyword.arg and type(keyword.value) in (Call, Name):
                found.append((index, keyword.value, keyword.arg))
        self.owner = owner
        if name in ("append", "add") and type(function) is Attribute and type(function.value) is Name and arguments:
            first = arguments[0]
            self.bind_item(function.value.id, first if isinstance(first, int) else UNKNOWN, node)
        elif name in FILLING_METHODS and type(function) is Attribute and type(function.value) is Name:
            self.bind_item(function.value.id, UNKNOWN, node)
        elif name in FILLING_METHODS and type(function) is Attribute and type(function.value) is Attribute:
            first = arguments[0] if arguments and name in ("append", "add", "appendleft") else UNKNOWN
            self.bind_attribute_item(function.value, first if isinstance(first, int) else UNKNOWN, node, by_key=False)
        if name in FILLING_METHODS and type(function) is Attribute and dotted_name(function.value) == "__all__":
            self.bind_name("__all__", UNKNOWN, node)
        if target < 0:
            unknown = BARE if self.is_bare(name, argument_use, function) else UNKNOWN
            for index, argument, where in found:
                self.argument_site(argument_use, index, argument, unknown, where)
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
            if name == "run_until_complete" or base == "asyncio" or (not base and type(function) is Name):
                frame.flags |= Flag.RUNS_LOOP
        elif name == "acquire" and use == Use.STATEMENT:
            frame.held[dotted_name(function)] = (self.receiver(target), position(node))
        elif name == "release":
            frame.held.pop(dotted_name(function).removesuffix("release") + "acquire", None)
        return call

    def is_bare(self, name: str, use: int, function: ast.expr) -> bool:
        """Whether nothing but the name of a method or class says that it wants values."""
        if type(function) is Name and name in VALUE_CLASSES:
            imported = {f"{one[1]}.{one[5]}" for one in self.module.bindings.get(name, ()) if one[0] == "from"}
            return not imported or not imported <= VALUE_CONTRACTS
        if type(function) is not Attribute:
            return False
        if use == Use.LOGGED:
            if type(function.value) is Call:
                return not self.is_get_logger(function.value.func)
            holder = dotted_name(function.value)
            return holder.rpartition(".")[2] not in self.loggers and self.module.quiet.get(holder) != "logging"
        return name in VALUE_METHODS

    def is_given_kind(self, node: ast.Call) -> bool:
        """`isinstance(value, kind)` whose kind the caller chooses, be it that of coroutines."""
        kind = node.args[1] if len(node.args) > 1 else None
        return type(kind) is Name and kind.id in self.frame.param_use

    def note_method(self, node: ast.Call, function: ast.Attribute, use: int) -> None:
        """Remember how the results of methods are used, for who asks whether an override of another colour hurts."""
        above = function.value
        if type(above) is Call and type(above.func) is Name and above.func.id == "super":
            return  # an override that hands on says nothing about its callers
        if type(above) is Name and any(one[0] == "import" for one in self.module.bindings.get(above.id, ())):
            return  # a function of a module
        if use in AWAITED_USES:
            self.awaited_methods.add(function.attr)
        elif use in CALLED_USES:
            self.plain_methods.add(function.attr)

    @staticmethod
    def crosses(keyword: ast.keyword, others: list[ast.keyword]) -> bool:
        """Whether `source=target` stands beside `target=source`: the names are kept for the rule about swapping."""
        name = keyword.value.id if type(keyword.value) is Name else ""
        return name != keyword.arg and any(
            one.arg == name and type(one.value) is Name and one.value.id == keyword.arg for one in others
        )

    def plain_call(self, function: ast.expr) -> int:
        """A call of something that isn't followed: what is known to give numbers, texts and the like is plain."""
        if type(function) is Name:
            quiet = self.frame.quiet.get(function.id) or self.module.quiet.get(function.id)
            if quiet is None:
                return PLAIN if function.id in PLAIN_BUILTINS and self.is_builtin(function.id) else UNKNOWN
            dotted = quiet
        else:
            if function.attr in PLAIN_METHODS if type(function) is Attribute else False:
                return PLAIN
            dotted = dotted_name(function)
            root, _, rest = dotted.partition(".")
            quiet = self.frame.quiet.get(root) or self.module.quiet.get(root)
            if not quiet:
                return UNKNOWN
            dotted = f"{quiet}.{rest}"
        return PLAIN if dotted.partition(".")[0] in PLAIN_MODULES and dotted not in PASSES_THROUGH else UNKNOWN

    @staticmethod
    def quiet_use(dotted: str) -> int:
        """What a function of the library that isn't followed does with its arguments."""
        return Use.VALUE_ARGUMENT if dotted.partition(".")[0] in VALUE_MODULES else Use.ARGUMENT

    def receiver(self, target: int) -> int:
        """The expression for `lock` when `target` is `lock.acquire`."""
        expr = self.exprs[target]
        if expr[0] == OP_NAME and "." in expr[1]:
            return self.add((OP_NAME, expr[1].rpartition(".")[0], expr[2]))
        return expr[1] if expr[0] == OP_ATTR else UNKNOWN

    def argument_site(self, use: int, index: int, node: ast.expr, call: int, where: int | str) -> None:
        if type(node) is Name and use != Use.SCHEDULED and node.id not in self.frame.tracked:
            return
        if type(node) is Name and use == Use.ELEMENT:
            return
        if use in PARENT_SITES:
            self.site(use, index, node, call, where)

    def filled(self, container: ast.expr) -> int:
        """`tasks.append(x)`: the use of x, and the container as owner of what is put into it."""
        if type(container) is Name:
            if container.id == "__path__":
                self.module.flags |= Flag.OWN_NAMESPACE  # a package with modules from other places
            frame: Frame | None = self.frame
            while frame is not None:
                if container.id in frame.bindings:
                    if container.id not in frame.containers:
                        return 0
                    self.owner = ("name", container.id)
                    return Use.ELEMENT
                frame = frame.parent
        if (
            type(container) is Attribute
            and type(container.value) is Name
            and container.value.id == self.frame.self_name
            and container.value.id
        ):
            self.owner = ("attribute", container.attr)
            return Use.ELEMENT
        return 0

    def visit_getattr(self, node: ast.Call, use: int) -> int:
        key = node.args[1]
        base = self.visit(node.args[0], Use.OTHER)
        constant = type(key) is Constant and isinstance(key.value, str)
        if not constant:
            self.visit(key, Use.OTHER)
        for extra in node.args[2:]:
            self.visit(extra, Use.OTHER)
        if base < 0 or not constant:
            return UNKNOWN
        name = str(cast("ast.Constant", key).value)
        return self.add((OP_GETATTR, base, name, "default") if len(node.args) > 2 else (OP_GETATTR, base, name))

    # Literals and containers

    def visit_joined(self, node: ast.JoinedStr, use: int) -> int:
        for value in node.values:
            if type(value) is FormattedValue:
                index = self.visit(value.value, Use.FORMAT)
                if type(value.value) is Name:
                    self.shown.add(index)
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
            return Use.RETURNED_DICT if is_dict else Use.RETURNED_LIST
        if use in (Use.ELEMENT, Use.ASSIGN, Use.STORED) and self.owner is None:
            return Use.OTHER
        return use if use in (Use.RETURNED_DICT, Use.RETURNED_LIST, Use.MAPPED) else Use.ELEMENT

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
                self.visit(value, Use.UNPACKED)
                pairs.append((None, UNKNOWN))
                continue
            constant = type(key) is Constant and isinstance(key.value, str | int)
            if not constant:
                self.value_wanted(key, Use.OPERAND)
            index = self.visit(value, inner)
            known = known or index > NONE
            pairs.append((cast("ast.Constant", key).value if constant else None, index))
        if not known and use == Use.RETURN:
            return self.add(
                (OP_CONST, "dict", None)
            )  # for the rule about functions of one name that give different things
        return self.add((OP_DICT, tuple(pairs))) if known else PLAIN

    def visit_starred(self, node: ast.Starred, use: int) -> int:
        # `[*map(load, keys)]` is the list of what map makes.
        mapped = type(node.value) is Call and type(node.value.func) is Name and node.value.func.id == "map"
        self.visit(node.value, use if mapped and use in (Use.ELEMENT, Use.RETURNED_LIST) else Use.UNPACKED)
        return UNKNOWN

    def visit_comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, use: int) -> int:
        is_generator = type(node) is GeneratorExp
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
                # `c for c in (load(), save() if x else None) if c is not None` picks the coroutines that are there.
                if not is_picked(test, generator.target):
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
        if is_dict:
            return self.add((OP_DICT, ((None, element),)))
        return self.add((OP_COMPREHENSION, element, is_generator, is_generator and is_async))


def is_picked(test: ast.expr, target: ast.expr) -> bool:
    """`x is not None`, said of what a comprehension goes over."""
    return (
        type(test) is Compare
        and type(test.ops[0]) is IsNot
        and type(test.left) is Name
        and type(target) is Name
        and test.left.id == target.id
        and type(test.comparators[0]) is Constant
    )


def remakes_module(name: str, node: ast.Call) -> bool:
    """`lazy.attach(__name__, ...)`, `recreate_module(__name__, ...)`: a package that makes its names by itself."""
    return any(type(one) is Name and one.id == "__name__" for one in node.args) and any(
        word in name for word in ("module", "attach", "lazy", "deprecat", "export")
    )


def asks_for_awaitable(node: ast.Call) -> bool:
    """Whether an isinstance() asks about coroutines, awaitables or futures."""
    kinds = [one for argument in node.args[1:] for one in (argument.elts if type(argument) is Tuple else [argument])]
    names = {dotted_name(kind).rpartition(".")[2] for kind in kinds}
    return bool(names & AWAITABLE_TYPES) or "" in names or "Generator" in "".join(names)


Visitor = Callable[[Any, Any, int], int]

VISITORS: Final[dict[type[ast.AST], Visitor]] = {
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
