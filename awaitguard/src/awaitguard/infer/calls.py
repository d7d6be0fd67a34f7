"""What calling something gives: colours of functions, what decorators do to them, results."""

from __future__ import annotations

from typing import Final

from awaitguard.infer import places
from awaitguard.infer.library_calls import LibraryCalls
from awaitguard.infer.value import (
    ASYNC_CONTEXT,
    ASYNC_GENERATOR,
    AWAITABLE,
    CLASS,
    CONTEXT,
    COROUTINE,
    FUNCTION,
    GENERATOR,
    INSTANCE,
    LIBRARY,
    MAPPING,
    METHOD,
    NONE_VALUE,
    PARTIAL,
    PROPERTY,
    UNKNOWN_VALUE,
    UNKNOWN_VALUES,
    Definition,
    Environment,
    Value,
    Values,
    is_unknown,
    merge,
)
from awaitguard.read.library import (
    AWAITABLE_TYPES,
)
from awaitguard.read.summary import (
    ABSENT,
    FLAGS,
    NO_EXPR,
    NONE,
    OP_CALL,
    OP_NAME,
    VAR_KEYWORD,
    VAR_POSITIONAL,
    Binding,
    Flag,
    ParamUse,
    Scope,
    Summary,
)

# Decorators of the library that leave a function as callable as it was, and as coloured.
KEEPING: Final = frozenset({"builtins.staticmethod", "builtins.classmethod", "functools.lru_cache", "functools.cache",
    "functools.wraps", "abc.abstractmethod", "typing.override", "typing_extensions.override", "typing.final",
    "typing.overload", "typing_extensions.overload", "typing.no_type_check", "atexit.register",
    "typing_extensions.deprecated", "warnings.deprecated", "typing.runtime_checkable", "functools.singledispatch",
    "functools.total_ordering", "pytest.mark.asyncio", "typing_extensions.final",
    "abc.abstractclassmethod", "abc.abstractstaticmethod"})  # fmt: skip
# These keep the colour but may change the parameters.
COLOUR_KEEPING: Final = ("pytest.mark.", "unittest.mock.patch", "mock.patch", "tenacity.retry", "backoff.on_", "hypothesis.given",
    "hypothesis.settings", "unittest.skip", "pytest.skip")  # fmt: skip
RETURNS: Final = 14  # functions in functions that arguments are followed into
# Functions of the library whose result is made from their arguments.
HANDS_BACK: Final = frozenset({"functools.partial", "functools.partialmethod", "functools.update_wrapper", "builtins.list",
    "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.iter", "builtins.map", "builtins.staticmethod",
    "builtins.classmethod", "builtins.property", "typing.cast", "typing_extensions.cast", "asyncio.run"})  # fmt: skip
# Routes that say what a function or its result is, not only how it was reached.
KINDS: Final = frozenset({"contextmanager", "asynccontextmanager", "awaitable", "wrapped", "inherited", "default"})
PROPERTIES: Final = frozenset({"builtins.property", "functools.cached_property", "abc.abstractproperty"})


class Calls(LibraryCalls):
    """The part of the resolver that knows about calls of the project's own functions and classes."""

    # Decorators

    def function_value(self, path: str, summary: Summary, index: int, env: Environment | None) -> Values:
        scope = summary.scopes[index]
        values: Values = (Value(FUNCTION, path, index, extra=env),)
        for decorator in reversed(scope.decorators):
            values = merge([self.decorate(path, decorator, value, env) for value in values])
        return values

    def decorate(self, path: str, decorator: int, value: Value, env: Environment | None) -> Values:
        """What a decorator makes of a function."""
        if decorator < 0 or self.depth > 12:
            return UNKNOWN_VALUES
        summary = self.table.summary(path)
        if summary is None:
            return UNKNOWN_VALUES
        expr = summary.exprs[decorator]
        if expr[0] == OP_NAME and expr[1].endswith((".setter", ".deleter", ".getter")):
            return (value._replace(kind=PROPERTY),) if value.kind == FUNCTION else (value,)
        self.depth += 1
        try:
            name = self.library_name(path, expr[1] if expr[0] == OP_CALL else decorator)
            if name:
                return self.decorate_by_library(name, value)
            found = self.infer(path, decorator, env)
            return merge([self.decorate_by(one, value) for one in found])
        finally:
            self.depth -= 1

    def library_name(self, path: str, expr: int) -> str:
        """The dotted library name that an expression means, or nothing."""
        values = self.infer(path, expr) if expr >= 0 else ()
        return values[0].extra if len(values) == 1 and values[0].kind == LIBRARY else ""

    def decorate_by_library(self, name: str, value: Value) -> Values:
        if name in KEEPING:
            return (value,)
        if name in PROPERTIES:
            return (value._replace(kind=PROPERTY) if value.kind == FUNCTION else UNKNOWN_VALUE,)
        if name in ("contextlib.contextmanager", "contextlib.asynccontextmanager"):
            return (value.reached(name.partition(".")[2]),)
        if name in ("types.coroutine", "asyncio.coroutine"):
            return (value.reached("awaitable"),)
        if name.startswith(COLOUR_KEEPING):
            return (value.reached("wrapped"),)
        return UNKNOWN_VALUES

    def decorate_by(self, decorator: Value, value: Value) -> Values:
        """A decorator of the project: see what it returns when it is given this function."""
        if decorator.kind == CLASS:
            return (Value(INSTANCE, *decorator.definition, origin=value.definition, via=(*value.via, "decorated")),)
        if decorator.kind != FUNCTION:
            return UNKNOWN_VALUES
        summary = self.table.summary(decorator.module)
        if summary is None:
            return UNKNOWN_VALUES
        scope = summary.scopes[decorator.scope]
        asks = self.asks_colour(summary, decorator.scope)
        names = [param.name for param in scope.params if param.kind in "op"]
        if decorator.bound:
            names = names[1:]
        if not names:
            return UNKNOWN_VALUES
        key = (decorator.module, decorator.scope, names[0])
        given = dict(decorator.extra.given) if isinstance(decorator.extra, Environment) else {}
        results = self.result(decorator, Environment({**given, key: (value,)}))
        if asks and (is_unknown(results) or len(results) > 1):
            # It makes one wrapper for each colour, so the function stays what it was.
            colours = {self.is_async_function(one) for one in results if one.kind == FUNCTION}
            return (value.reached("wrapped"),) if len(colours) > 1 else UNKNOWN_VALUES
        made: list[Value] = []
        for one in results:
            if one.kind == FUNCTION and one.definition != value.definition:
                via = (*(route for route in one.via if route in KINDS), *value.via, "decorated")
                made.append(one._replace(origin=value.origin or value.definition, via=via))
            else:
                made.append(one)
        return tuple(made)

    def is_async_function(self, value: Value) -> bool:
        summary = self.table.summary(value.module)
        return summary is not None and summary.scopes[value.scope].is_async

    def asks_colour(self, summary: Summary, index: int) -> bool:
        """Whether a function or one nested in it asks what colour a function has."""
        for number, raw in enumerate(summary.scopes.raw):
            if not raw[FLAGS] & Flag.ASKS_COLOUR:
                continue
            while number > index:
                number = summary.scopes[number].parent
            if number == index:
                return True
        return False

    def decorator_paths(self, path: str, scope: Scope) -> tuple[str, ...]:
        """Dotted library names of a scope's decorators, without those that can't be followed."""
        summary = self.table.summary(path)
        found: list[str] = []
        for decorator in scope.decorators:
            if summary is not None and decorator >= 0:
                expr = summary.exprs[decorator]
                found.append(self.library_name(path, expr[1] if expr[0] == OP_CALL else decorator))
        return tuple(found)

    def decorator_names(self, summary: Summary, scope: Scope) -> tuple[str, ...]:
        """The last parts of the decorators' names as they are written."""
        found: list[str] = []
        for decorator in scope.decorators:
            if decorator >= 0:
                expr = summary.exprs[decorator]
                expr = summary.exprs[expr[1]] if expr[0] == OP_CALL and expr[1] >= 0 else expr
                if expr[0] == OP_NAME:
                    found.append(expr[1].rpartition(".")[2])
        return tuple(found)

    # Results

    def result(self, function: Value, env: Environment | None = None) -> Values:
        """What calling a function gives."""
        summary = self.table.summary(function.module)
        if summary is None:
            return UNKNOWN_VALUES
        scope = summary.scopes[function.scope]
        origin = function.origin or function.definition
        made = Value("", function.module, function.scope, origin, function.via, extra=env or function.extra)
        if "contextmanager" in function.via:
            return (made._replace(kind=CONTEXT),)
        if "asynccontextmanager" in function.via:
            return (made._replace(kind=ASYNC_CONTEXT),)
        if "awaitable" in function.via:
            return (made._replace(kind=AWAITABLE),)
        stub = bool(scope.flags & Flag.STUB) or function.module.endswith(".pyi")
        if scope.is_async:
            if scope.is_generator:
                return (made._replace(kind=ASYNC_GENERATOR),)
            if stub and scope.annotation >= 0:
                annotated = self.annotated(function.module, scope.annotation, None)
                if any(one.kind in (ASYNC_GENERATOR, AWAITABLE) for one in annotated):
                    return UNKNOWN_VALUES
            return (made._replace(kind=COROUTINE),)
        if scope.is_generator:
            return (made._replace(kind=GENERATOR),)
        routes = function.via
        if scope.flags & Flag.STUB and summary.scopes[scope.parent].kind == "class":
            routes = (*routes, "default")  # subclasses are meant to do it, in a way that nobody knows
        return tuple(
            [
                value._replace(origin=origin, via=(*(route for route in value.via if route in KINDS), *routes))
                for value in self.returned(function, env)
            ]
        )

    def returned(self, function: Value, env: Environment | None = None) -> Values:
        """What the return statements of a function give; for a coroutine function, what awaiting it gives."""
        summary = self.table.summary(function.module)
        if summary is None:
            return UNKNOWN_VALUES
        if env is None and isinstance(function.extra, Environment):
            env = function.extra
        scope = summary.scopes[function.scope]
        key = ("returned", function.module, function.scope)
        going_on = self.active if env is None else self.going_on
        if key in going_on or (env is not None and self.depth > RETURNS):
            self.cuts += 1
            return UNKNOWN_VALUES
        going_on.add(key)
        self.depth += 1
        try:
            if env is None:
                return self.remember(key, lambda: self.find_returned(function, summary, scope, None))
            return self.find_returned(function, summary, scope, env)
        finally:
            self.depth -= 1
            going_on.discard(key)

    def find_returned(self, function: Value, summary: Summary, scope: Scope, env: Environment | None) -> Values:
        if scope.annotation >= 0:
            values = self.annotated(function.module, scope.annotation, env)
            if not is_unknown(values):
                return values
        if function.module.endswith(".pyi"):
            return UNKNOWN_VALUES
        if scope.flags & Flag.STUB:
            owner = summary.scopes[scope.parent]
            free = not scope.decorators and (
                owner.kind != "class" or self.is_final((function.module, scope.parent), scope.name)
            )
            return (NONE_VALUE,) if free and scope.flags & Flag.FALLS_THROUGH else UNKNOWN_VALUES
        if scope.flags & Flag.NEVER_RETURNS:
            return UNKNOWN_VALUES
        groups = [self.infer(function.module, index, env) if index >= 0 else UNKNOWN_VALUES for index in scope.returns]
        if scope.flags & Flag.FALLS_THROUGH:
            groups.append((NONE_VALUE,))
        if scope.annotation >= 0 and not scope.is_async and len(groups) > 1:
            # Declared as something that can't be followed, it may be declared to give either (weaviate's `Result[None]`).
            kinds = {one.kind for group in groups for one in group}
            if COROUTINE in kinds and len(kinds) > 1:
                return UNKNOWN_VALUES
        return merge(groups) or UNKNOWN_VALUES

    def call(
        self, value: Value, arguments: tuple[Values, ...] = (), keywords: tuple[tuple[str | None, Values], ...] = ()
    ) -> Values:
        """What calling `value` gives."""
        kind = value.kind
        if kind == FUNCTION:
            return self.result(value, self.environment(value, arguments, keywords))
        if kind == CLASS:
            return self.construct(value)
        if kind == PARTIAL:
            inner: Value = value.extra[0]
            given: tuple[Values, ...] = (*value.extra[1], *arguments)
            return tuple([one.reached("partial") for one in self.call(inner, given, keywords)])
        if kind == LIBRARY:
            return self.call_library(value, arguments)
        if kind == INSTANCE:
            members = self.instance_attribute(value, "__call__")
            if members is None or is_unknown(members):
                return UNKNOWN_VALUES
            found = merge([self.call(member) for member in members])
            return tuple([one._replace(origin=value.origin or one.origin, via=(*one.via, *value.via)) for one in found])
        if kind == METHOD:
            return self.call_method(value)
        return UNKNOWN_VALUES

    def looks_at_arguments(self, target: Value) -> bool:
        """Whether what a call gives may depend on functions or containers that it is given."""
        if target.kind == FUNCTION:
            summary = self.table.summary(target.module)
            scope = summary.scopes[target.scope] if summary is not None else None
            return (
                scope is not None
                and any(one > NONE for one in scope.returns)
                and any(param.use & ParamUse.PASSED_ON for param in scope.params)
            )
        return target.kind == PARTIAL or (target.kind == LIBRARY and target.extra in HANDS_BACK)

    def environment(
        self, function: Value, arguments: tuple[Values, ...], keywords: tuple[tuple[str | None, Values], ...]
    ) -> Environment | None:
        """Bind functions and coroutines given as arguments, so that wrappers can be seen through."""
        given: dict[tuple[str, int, str], Values] = {}
        callable_kinds = (FUNCTION, COROUTINE, PARTIAL, AWAITABLE)
        passed = (*arguments, *(one for _, one in keywords))
        # Functions are worth following into wrappers; plain values only where everything hangs on one call.
        wanted = any(value.kind in callable_kinds for values in passed for value in values) or (
            self.thorough and self.depth <= 2 and any(not is_unknown(values) for values in passed)
        )
        if wanted and self.depth < 16:
            summary = self.table.summary(function.module)
            scope = summary.scopes[function.scope] if summary is not None else None
            if scope is not None and any(param.use & ParamUse.PASSED_ON for param in scope.params):
                params = [param for param in scope.params if param.kind in "opk"]
                params = params[1:] if function.bound else params
                for param, values in zip(params, arguments, strict=False):
                    given[function.module, function.scope, param.name] = values
                for name, values in keywords:
                    if any(param.name == name for param in params):
                        given[function.module, function.scope, name or ""] = values
        if isinstance(function.extra, Environment):
            given = {**function.extra.given, **given}
        return Environment(given) if given else None

    def construct(self, value: Value) -> Values:
        """An instance of a class, unless `__new__` or a metaclass may give something else."""
        if value.extra == "self":
            return (Value(INSTANCE, *value.definition, origin=value.definition, extra="self", via=value.via),)
        found, owner = self.class_member(value.definition, "__new__")
        if found is not None and owner is not None and not owner[0].startswith("/"):
            made = self.class_member(value.definition, "__new__")[0] or ()
            if any(self.makes_others(one) for one in made):
                return UNKNOWN_VALUES
            results = merge([self.returned(one) for one in made if one.kind == FUNCTION]) or UNKNOWN_VALUES
            # The usual singleton gives an instance that is kept on the class, which can't be followed: still its own.
            if any(one.kind not in (INSTANCE, "unknown", "none") for one in results):
                return UNKNOWN_VALUES
        summary = self.table.summary(value.module)
        if (
            summary is not None
            and any(key in ("metaclass", "**") for key, _ in summary.scopes[value.scope].keywords)
            and not self.bases(*value.definition)[1]
        ):
            return UNKNOWN_VALUES
        return (Value(INSTANCE, *value.definition, origin=value.definition, via=value.via),)

    def makes_others(self, new: Value) -> bool:
        """Whether a `__new__` returns what something else than the `__new__` above makes: a factory in disguise."""
        summary = self.table.summary(new.module) if new.kind == FUNCTION else None
        if summary is None:
            return False
        scope = summary.scopes[new.scope]
        own = (scope.params[0].name if scope.params else "cls") + "."
        for returned in scope.returns:
            if returned < 0:
                return True  # `instance = kind.__new__(kind)`, and later `return instance`
            expr = summary.exprs[returned] if returned > NONE else NO_EXPR
            bindings: list[Binding] = (scope.bindings.get(expr[1]) or []) if expr[0] == OP_NAME else []
            for made in [one.value for one in bindings if one.kind == "value"] or [returned]:
                call = summary.exprs[made] if made > NONE else NO_EXPR
                function = summary.exprs[call[1]] if call[0] == OP_CALL and call[1] > NONE else NO_EXPR
                if call[0] == OP_CALL and "__new__" not in str(function):
                    return True
                if function[0] == OP_NAME and not function[1].startswith((own, "object.", "super.")):
                    return True
        return False

    def is_final(self, definition: Definition, name: str) -> bool:
        """Whether nobody in the project puts something else in the place of a method: no subclass, no test's double."""
        summary = self.table.summary(definition[0])
        return (
            summary is not None
            and not definition[0].startswith("/")
            and not self.table.is_subclassed(summary.scopes[definition[1]].name)
            and places.set_on(self, definition, name) != places.SURELY
            and not self.library_bases(definition) - {"builtins.object"}
            and self.lineage(definition)[0] == [definition]
        )

    def never_returns(self, function: Value) -> bool:
        summary = self.table.summary(function.module)
        return summary is not None and bool(summary.scopes[function.scope].flags & Flag.NEVER_RETURNS)

    def takes_anything(self, scope: Scope) -> bool:
        return any(param.kind in (VAR_POSITIONAL, VAR_KEYWORD) for param in scope.params)


__all__ = ["ABSENT", "AWAITABLE_TYPES", "MAPPING", "Calls"]
