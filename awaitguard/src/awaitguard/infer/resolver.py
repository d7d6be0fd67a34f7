"""Work out what an expression may stand for, across files."""

from __future__ import annotations

from functools import partial
from typing import Final

from awaitguard.infer.defaults import Defaults
from awaitguard.infer.lookup import NESTED
from awaitguard.infer.trail import NOTHING, Names
from awaitguard.infer.value import (
    ALIAS,
    ASYNC_CONTEXT,
    ASYNC_GENERATOR,
    AWAITABLE,
    CLASS,
    CONTAINER,
    CONTEXT,
    COROUTINE,
    FUNCTION,
    GENERATOR,
    INSTANCE,
    LIBRARY,
    MAPPING,
    METHOD,
    NONE_VALUE,
    OBJECT,
    PARTIAL,
    PLAIN_KIND,
    PLAIN_VALUE,
    SUPER,
    UNKNOWN_VALUE,
    UNKNOWN_VALUES,
    Environment,
    Value,
    Values,
    is_unknown,
    merge,
)
from awaitguard.read.library import AWAITABLE_TYPES, OBJECTS
from awaitguard.read.summary import (
    ABSENT,
    NO_EXPR,
    NONE,
    OP_ANNOTATED,
    OP_ATTR,
    OP_AWAIT,
    OP_CALL,
    OP_COMPREHENSION,
    OP_DEFAULT,
    OP_DICT,
    OP_ELEMENT,
    OP_ENTER,
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
    Expr,
    Summary,
    tells,
)
from awaitguard.read.vocabulary import TELLING_METHODS

STEPS: Final = 1500  # expressions that are looked at for the arguments of calls to answer one question
DEPTH: Final = 24  # and calls in calls that they are followed into
CHAIN: Final = 20  # attributes in a row that are followed
MOST: Final = 40  # elements of a display that are looked at
PLAIN_TYPES: Final = frozenset({"int", "str", "float", "bool", "bytes", "bytearray", "complex", "frozenset", "range", "memoryview",
    "list", "dict", "set", "tuple", "List", "Dict", "Set", "Tuple", "FrozenSet", "Sequence", "Mapping", "MutableMapping",
    "DefaultDict", "OrderedDict", "Counter", "Deque", "deque", "defaultdict"})  # fmt: skip
CONTAINER_TYPES: Final = frozenset({"list", "List", "set", "Set", "Sequence", "Iterable", "Iterator", "tuple", "Tuple", "deque",
    "Deque", "frozenset", "FrozenSet", "Collection"})  # fmt: skip
MAPPING_TYPES: Final = frozenset(
    {"dict", "Dict", "Mapping", "MutableMapping", "DefaultDict", "defaultdict", "OrderedDict"}
)
GENERIC: Final = frozenset({"typing", "builtins", "collections", "contextlib", "typing_extensions", "types", "asyncio"})


class Resolver(Defaults):
    """Evaluates expressions to the values they may have; what can't be followed is unknown, never guessed."""

    def infer(self, path: str, index: int, env: Environment | None = None) -> Values:
        """The values that expression `index` of a file may have."""
        if index <= NONE:
            return (PLAIN_VALUE,) if index == PLAIN else (NONE_VALUE,) if index == NONE else UNKNOWN_VALUES
        key = (path, index)
        if env is None:
            found = self.memo.get(key) or self.cut_short(key)
            if found is not None:
                self.table.trail.add(found[1])
                return found[0]
        summary = self.table.summary(path)
        if summary is None:
            return UNKNOWN_VALUES
        expr = summary.exprs[index]
        if expr[0] == OP_NAME:
            values = self.held_name(path, summary, index, expr, env)
            if values is not None:
                return values
        return self.work_out(key, path, summary, index, expr, env)

    def work_out(
        self, key: object, path: str, summary: Summary, index: int, expr: Expr, env: Environment | None
    ) -> Values:
        """Evaluate an expression, or a part of one, unless that is going on already; `key` names it."""
        if env is not None:
            return self.work_out_given(key, path, summary, index, expr, env)
        if self.nested >= NESTED and key not in self.active:
            self.defer(key, partial(self.work_out, key, path, summary, index, expr, None))
        if key in self.active or self.nested >= NESTED:
            self.cuts += 1
            return UNKNOWN_VALUES
        cuts = self.cuts
        self.active.add(key)
        around = self.begin()
        trail = self.table.trail
        outer, inner = trail.begin(), NOTHING
        trail.note(path)
        try:
            values = self.evaluate(path, summary, index, expr, None)
        finally:
            self.active.discard(key)
            inner = trail.end(outer)
            self.end(around)
        if len(values) > MOST:
            values = UNKNOWN_VALUES
        # What was cut short holds only for now.
        (self.memo if self.cuts == cuts else self.fleeting)[key] = (values, inner)
        return values

    def work_out_given(
        self, key: object, path: str, summary: Summary, index: int, expr: Expr, env: Environment
    ) -> Values:
        """Evaluate an expression of a function for the arguments of one call. That is a part of the question around it."""
        self.steps += 1
        if self.depth > DEPTH or key in self.going_on or self.steps > STEPS:
            self.cuts += 1
            return UNKNOWN_VALUES
        self.going_on.add(key)
        self.depth += 1
        try:
            values = self.evaluate(path, summary, index, expr, env)
        finally:
            self.depth -= 1
            self.going_on.discard(key)
        return UNKNOWN_VALUES if len(values) > MOST else values

    def cut_short(self, key: object) -> tuple[Values, Names] | None:
        """An answer that was cut short while this file is checked; whatever uses it is so too."""
        found = self.fleeting.get(key)
        if found is not None:
            self.cuts += 1
        return found

    def infer_thoroughly(self, path: str, index: int) -> Values:
        """Like `infer`, and plain arguments are followed into the function that is called."""
        values = self.infer(path, index)
        if not is_unknown(values) or index <= NONE:
            return values
        summary = self.table.summary(path)
        if summary is None:
            return values
        expr = summary.exprs[index]
        if expr[0] == OP_ELEMENT and expr[1] > NONE and summary.exprs[expr[1]][0] == OP_LIST:
            # `wait([load(1), load(2)])`: each element by itself.
            listed: tuple[int, ...] = summary.exprs[expr[1]][1][:MOST]
            return merge([self.infer_thoroughly(path, one) for one in listed])
        if expr[0] != OP_CALL:
            return values
        around = self.begin()
        self.thorough = True
        try:
            return self.evaluate(path, summary, index, expr, None)
        finally:
            self.end(around)

    def evaluate(self, path: str, summary: Summary, index: int, expr: Expr, env: Environment | None) -> Values:
        operator: str = expr[0]
        if operator == OP_NAME:
            return self.find_dotted(path, summary, index, expr[1], expr[2], env)
        if operator == OP_CALL:
            return self.called(path, summary, expr, env)
        if operator == OP_ATTR:
            return self.attributes_of(self.infer(path, expr[1], env), expr[2], called_name(summary, expr[1]))
        if operator == OP_GETATTR:
            found = self.attributes_of(self.infer(path, expr[1], env), expr[2])
            return tuple([value.reached("getattr") for value in found])
        if operator == OP_AWAIT:
            return merge([self.awaited(value) for value in self.infer(path, expr[1], env)])
        if operator == OP_UNION:
            values = merge([self.infer(path, one, env) for one in expr[1:]])
            return tuple([value.reached("conditional") for value in values]) if len(values) > 1 else values
        if operator == OP_SCOPE:
            return (Value(FUNCTION, path, expr[1], extra=env),)
        if operator == OP_ANNOTATED:
            return self.annotated_value(path, expr, env)
        if operator == OP_LIST:
            if len(expr[1]) > MOST:
                return (PLAIN_VALUE,)
            return (Value(CONTAINER, extra=tuple([self.infer(path, one, env) for one in expr[1]])),)
        if operator == OP_DICT:
            if len(expr[1]) > MOST:
                return UNKNOWN_VALUES
            return (Value(MAPPING, extra=tuple([(key, self.infer(path, one, env)) for key, one in expr[1]])),)
        if operator == OP_ITEM:
            return self.items(path, summary, expr, env)
        if operator == OP_COMPREHENSION:
            if expr[2]:
                element = self.infer(path, expr[1], env)
                return (Value(ASYNC_GENERATOR if expr[3] else GENERATOR, extra=element),)
            return (Value(CONTAINER, extra=(self.infer(path, expr[1], env),)),)
        if operator == OP_ELEMENT:
            base = self.infer(path, expr[1], env)
            stored, unsure = ([], False) if expr[2] else self.stored(path, summary, expr[1], env)
            if stored and not unsure:
                return merge([*(self.element(value, False) for value in base if value.kind != PLAIN_KIND), *stored])
            return merge([self.element(value, expr[2]) for value in base])
        if operator == OP_UNPACK:
            return merge([self.unpacked(value, expr[2]) for value in self.infer(path, expr[1], env)])
        if operator == OP_ENTER:
            return merge([self.entered(value, expr[2]) for value in self.infer(path, expr[1], env)])
        if operator == OP_SUBSCRIPTED:
            return (Value(ALIAS, path, index),)
        if operator == OP_DEFAULT:
            return self.by_default(path, expr[1])
        if operator == OP_METHOD:
            return (Value(METHOD, extra=expr[1], via=(expr[2],)),)
        return UNKNOWN_VALUES if operator != "k" else (PLAIN_VALUE,)

    def dotted(self, path: str, summary: Summary, index: int, text: str, block: int) -> Values:
        """What a name or a chain of attributes on one means at expression `index`."""
        values = self.held_name(path, summary, index, (OP_NAME, text, block))
        return self.find_dotted(path, summary, index, text, block, None) if values is None else values

    def held_name(
        self, path: str, summary: Summary, index: int, expr: Expr, env: Environment | None = None
    ) -> Values | None:
        """A name or chain of attributes, if it means the same all over the function or block that it stands in."""
        _, text, block = expr
        if block < 0:
            # A name in an annotation sees the whole of its scope.
            return self.held(path, summary, index, expr, block) if env is None else None
        root = text.partition(".")[0]
        scope = summary.scope_of(block)
        key = (path, scope, root)
        if key not in self.holders:
            self.holders[key] = self.holder(summary, root, scope)
        holder = self.holders[key]
        if holder is None or (env is not None and not self.is_outside(summary, root, holder, env)):
            return None
        return self.held(path, summary, index, expr, holder)

    @staticmethod
    def is_outside(summary: Summary, root: str, holder: int, env: Environment) -> bool:
        """Whether what a name means has nothing to do with what enclosing calls were given."""
        return summary.scopes[holder].kind in ("module", "class") and root not in env.names

    def held(self, path: str, summary: Summary, index: int, expr: Expr, holder: int) -> Values:
        """A name that means the same wherever it is used below its holder, or a chain of attributes on one.

        The holder of a name in an annotation is its block, as a negative number.
        """
        key = (path, holder, expr[1])
        found = self.memo.get(key) or self.cut_short(key)
        if found is not None:
            self.table.trail.add(found[1])
            return found[0]
        return self.work_out(key, path, summary, index, expr, None)

    @staticmethod
    def holder(summary: Summary, root: str, index: int) -> int | None:
        """The scope by which a name means the same wherever it is used in a function; None if there is none.

        Names of the module mean their final value inside functions, `self` is the same in all methods of a class, and
        for a local variable with a single value there is no question which one reaches a place.
        """
        scope = summary.scopes[index]
        if scope.kind not in ("function", "lambda"):
            return None
        while scope.kind != "module":
            if scope.kind != "class":
                number = next((number for number, param in enumerate(scope.params) if param.name == root), None)
                if root in scope.bindings:
                    return index if number is None and len(scope.bindings[root]) < 2 else None
                if number is not None:
                    is_method = summary.scopes[scope.parent].kind == "class" and scope.kind == "function"
                    same = number == 0 and is_method and not scope.decorators and not scope.name.startswith("__")
                    return scope.parent if same else None
            index = scope.parent
            scope = summary.scopes[index]
        return 0

    def find_dotted(
        self, path: str, summary: Summary, index: int, text: str, block: int, env: Environment | None
    ) -> Values:
        base, dot, last = text.rpartition(".")
        if not dot:
            return self.name(path, summary, text, block, index, env)
        if text.count(".") > CHAIN:
            return UNKNOWN_VALUES
        values = (
            self.dotted(path, summary, index, base, block)
            if env is None
            else self.find_dotted(path, summary, index, base, block, env)
        )
        if values and values[0].kind == LIBRARY:
            # `import package.module` makes the submodule an attribute of whatever `package` is.
            project = self.submodule_import(path, summary, text)
            if project is not None:
                values, parts = project
                for part in parts[:-1]:
                    values = self.attributes_of(values, part)
                last = parts[-1] if parts else ""
        return self.attributes_of(values, last, base) if last else values

    def submodule_import(self, path: str, summary: Summary, text: str) -> tuple[Values, list[str]] | None:
        parts = text.split(".")
        for cut in range(len(parts) - 1, 1, -1):
            dotted = ".".join(parts[:cut])
            if "import " + dotted in summary.scopes[0].bindings:
                values = self.module_values(dotted, path)
                return values, parts[cut:]
        return None

    def attributes_of(self, values: Values, name: str, receiver: str = "") -> Values:
        """`value.name` for every candidate; a candidate that lacks it makes the whole unknown."""
        groups: list[Values] = []
        for value in values:
            if value.kind == MAPPING:
                groups.append((Value(METHOD, extra=(name, value)),))
                continue
            found = self.attribute(value, name)
            groups.append(UNKNOWN_VALUES if found is None else found)
        merged = merge(groups) or UNKNOWN_VALUES
        if name in TELLING_METHODS and is_unknown(merged):
            return (Value(METHOD, extra=name, via=(receiver,)),)
        return merged

    def called(self, path: str, summary: Summary, expr: Expr, env: Environment | None) -> Values:
        """The value of a call expression."""
        function = summary.exprs[expr[1]]
        if function[0] == OP_NAME and function[1] == "super" and not expr[2]:
            return self.super_value(path, summary, function[2])
        targets = self.infer(path, expr[1], env)
        if is_unknown(targets):
            return UNKNOWN_VALUES
        # Most arguments are plain or unknown and change nothing about the result.
        telling = tells(expr)
        if self.thorough or any((telling or one.kind != FUNCTION) and self.looks_at_arguments(one) for one in targets):
            arguments = tuple(
                [self.infer(path, one, env) if isinstance(one, int) else UNKNOWN_VALUES for one in expr[2]]
            )
            keywords = tuple([(name, self.infer(path, one, env)) for name, one in expr[3]])
            return merge([self.call(target, arguments, keywords) for target in targets]) or UNKNOWN_VALUES
        return merge([self.call_plainly(target) for target in targets]) or UNKNOWN_VALUES

    def call_plainly(self, target: Value) -> Values:
        """What calling something gives, whatever it is given."""
        if isinstance(target.extra, Environment):
            return self.call(target)  # a function inside one that was given something: part of that question
        return self.remember(("call", target), partial(self.call, target))

    @staticmethod
    def super_value(path: str, summary: Summary, block: int) -> Values:
        index = summary.blocks[block if block >= 0 else ~block].scope
        while index >= 0 and summary.scopes[index].kind != "class":
            index = summary.scopes[index].parent
        return (Value(SUPER, path, index),) if index >= 0 else UNKNOWN_VALUES

    def awaited(self, value: Value) -> Values:
        """What awaiting a value gives."""
        if value.kind == COROUTINE:
            env = value.extra if isinstance(value.extra, Environment) else None
            return self.returned(Value(FUNCTION, value.module, value.scope), env)
        if value.kind == AWAITABLE and value.origin in ("asyncio.gather", "asyncio.tasks.gather"):
            return (Value(CONTAINER, extra=(UNKNOWN_VALUES,)),)
        return UNKNOWN_VALUES

    def entered(self, value: Value, is_async: bool) -> Values:
        """What `with value as name` binds."""
        if value.kind == INSTANCE:
            members = self.instance_attribute(value, "__aenter__" if is_async else "__enter__")
            if members is None or is_unknown(members):
                return UNKNOWN_VALUES
            made = merge([self.call(member) for member in members])
            values = merge([self.awaited(one) for one in made]) if is_async else made
            return tuple([value if one.extra == "self" else one for one in values])
        if value.kind in (CONTEXT, ASYNC_CONTEXT) and value.module:
            summary = self.table.summary(value.module)
            scope = summary.scopes[value.scope] if summary else None
            if summary and scope and scope.annotation >= 0:
                annotation = summary.exprs[scope.annotation]
                if annotation[0] == OP_SUBSCRIPTED and annotation[2]:
                    return self.annotated(value.module, annotation[2][0])
            if scope and len(scope.returns) == 1:  # the one thing that it yields
                return self.infer(value.module, scope.returns[0])
        if value.kind == OBJECT and value.extra in OBJECTS:
            return (value,)
        return UNKNOWN_VALUES

    # Annotations

    def annotated_value(self, path: str, expr: Expr, env: Environment | None) -> Values:
        """`name: annotation = value`: the value if it can be followed, else an instance of the annotation."""
        if expr[2] == ABSENT:
            return self.annotated(path, expr[1], env)
        summary = self.table.summary(path)
        if (
            summary is not None
            and expr[1] > NONE
            and str(summary.exprs[expr[1]][1]).rpartition(".")[2] in ("Any", "object")
        ):
            return UNKNOWN_VALUES
        values = self.infer(path, expr[2], env)
        if any(one.kind == INSTANCE and one.module.endswith("/dataclasses.py") for one in values):
            return self.annotated(path, expr[1], env)  # `field(default_factory=list)` stands for what it makes
        if not is_unknown(values) and not all(one.kind in ("none", PLAIN_KIND, MAPPING) for one in values):
            if not all(one.kind == INSTANCE and one.module.startswith("/") for one in values):
                return values
            # What a library makes says less about the attribute than its annotation.
            declared = self.annotated(path, expr[1], env)
            return values if is_unknown(declared) else declared
        declared = self.annotated(path, expr[1], env)
        return values if is_unknown(declared) and not is_unknown(values) and values[0].kind != "none" else declared

    def annotated(self, path: str, index: int, env: Environment | None = None) -> Values:
        """Instances of what an annotation names."""
        if index <= NONE:
            return (NONE_VALUE,) if index == NONE else (PLAIN_VALUE,) if index == PLAIN else UNKNOWN_VALUES
        summary = self.table.summary(path)
        if summary is None:
            return UNKNOWN_VALUES
        expr = summary.exprs[index]
        if expr[0] == OP_UNION:
            return merge([self.annotated(path, one, env) for one in expr[1:]])
        if expr[0] == OP_SUBSCRIPTED:
            return self.annotated_generic(path, expr, env)
        if expr[0] != OP_NAME:
            return UNKNOWN_VALUES
        return merge([self.instance_of(value) for value in self.infer(path, index, env)]) or UNKNOWN_VALUES

    def annotated_generic(self, path: str, expr: Expr, env: Environment | None) -> Values:
        base = self.infer(path, expr[1], env)
        arguments: tuple[int, ...] = expr[2]
        if len(base) == 1 and base[0].kind == LIBRARY:
            module, _, name = str(base[0].extra).rpartition(".")
            if module.partition(".")[0] in GENERIC:
                if name == "Optional":
                    return merge([self.annotated(path, arguments[0], env), (NONE_VALUE,)])
                if name == "Union":
                    return merge([self.annotated(path, one, env) for one in arguments])
                if name in ("Annotated", "ClassVar", "Final", "Required", "NotRequired", "ReadOnly"):
                    return self.annotated(path, arguments[0], env)
                if name in MAPPING_TYPES and len(arguments) == 2:
                    return (Value(MAPPING, extra=((None, self.annotated(path, arguments[1], env)),)),)
                if name in ("list", "List", "set", "Set", "deque", "Deque", "Sequence", "frozenset"):
                    return (Value(CONTAINER, extra=(self.annotated(path, arguments[0], env),)),)
        return merge([self.instance_of(value) for value in base]) or UNKNOWN_VALUES

    def instance_of(self, value: Value) -> Values:
        """An instance of the class that an annotation names."""
        if value.kind == CLASS:
            if any(name.rpartition(".")[2] == "Interface" for name in self.library_bases(value.definition)):
                return UNKNOWN_VALUES  # zope's only describe what others are, colours not included
            return (Value(INSTANCE, *value.definition, origin=value.definition, extra="declared"),)
        if value.kind == ALIAS:
            return self.aliased(value)
        if value.kind != LIBRARY:
            return UNKNOWN_VALUES
        module, _, name = str(value.extra).rpartition(".")
        if module == "builtins" or module.partition(".")[0] in GENERIC:
            if name in AWAITABLE_TYPES:
                return (Value(AWAITABLE, origin=value.extra),)
            if name in PLAIN_TYPES:
                return (PLAIN_VALUE,)
            if name in ("AsyncIterator", "AsyncIterable", "AsyncGenerator"):
                return (Value(ASYNC_GENERATOR, origin=value.extra),)
            if name in ("Iterator", "Iterable", "Generator", "Collection"):
                return (Value(GENERATOR, origin=value.extra),)
            if name in ("AsyncContextManager", "AbstractAsyncContextManager"):
                return (Value(ASYNC_CONTEXT, origin=value.extra),)
            if name in ("ContextManager", "AbstractContextManager"):
                return (Value(CONTEXT, origin=value.extra),)
            if module in ("builtins", "typing", "typing_extensions", "types", "collections.abc"):
                return UNKNOWN_VALUES
        if value.extra in OBJECTS:
            return (Value(OBJECT, extra=value.extra, origin=value.extra),)
        expanded = self.expand(value)
        if len(expanded) == 1 and expanded[0].kind == CLASS:
            return (Value(INSTANCE, *expanded[0].definition, origin=expanded[0].definition, extra="declared"),)
        return UNKNOWN_VALUES

    def aliased(self, alias: Value) -> Values:
        """An instance of a type that was given a name; such types may hold themselves, as that of JSON does."""
        if alias in self.active:
            self.cuts += 1
            return UNKNOWN_VALUES
        self.active.add(alias)
        try:
            return self.annotated(alias.module, alias.scope)
        finally:
            self.active.discard(alias)


def called_name(summary: Summary, index: int) -> str:
    """`asyncio.get_running_loop` for a call of it; empty for all else."""
    expr = summary.exprs[index] if index > NONE else NO_EXPR
    function = summary.exprs[expr[1]] if expr[0] == OP_CALL and expr[1] > NONE else NO_EXPR
    return str(function[1]) if function[0] == OP_NAME else ""


__all__ = ["PARTIAL", "UNKNOWN_VALUE", "Resolver"]
