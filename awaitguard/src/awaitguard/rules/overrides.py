"""AG204-AG206: methods that override or implement another colour."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from awaitguard.discovery import is_test
from awaitguard.finding import CERTAIN, HINT, LIKELY
from awaitguard.resolver import CONTAINER_TYPES, MAPPING_TYPES
from awaitguard.rules.awaits import hands_on
from awaitguard.rules.rule import FOLLOWING, NEVER, Group, Rule
from awaitguard.rules.signatures import type_name
from awaitguard.summary import (
    ANNOTATION,
    BASES,
    KIND,
    NO_EXPR,
    NONE,
    OP_ANNOTATED,
    OP_CALL,
    OP_DICT,
    OP_LIST,
    OP_NAME,
    OP_SCOPE,
    OP_SUBSCRIPTED,
    PARAMS,
    UNKNOWN,
    Flag,
    Param,
    Scope,
    Summary,
    Use,
    qualname,
)
from awaitguard.value import (
    ASYNC_CONTEXT,
    ASYNC_GENERATOR,
    CLASS,
    CONTEXT,
    COROUTINE,
    FUNCTION,
    GENERATOR,
    INSTANCE,
    PROPERTY,
    UNKNOWN_KIND,
    Definition,
    Value,
    is_unknown,
)
from awaitguard.vocabulary import BUILTINS

if TYPE_CHECKING:
    from awaitguard.check import FileCheck
    from awaitguard.finding import Finding
    from awaitguard.resolver import Resolver
    from awaitguard.summary import Site

BASE: Final = "class Store:\n    async def load(self):\n        return 1\n\n"
OVERRIDE: Final = Rule("AG204", "override-other-colour", CERTAIN, "an override of another colour",
    "Code that has the base class in mind awaits (or doesn't await) the method, and gets the other kind with this class.",
    BASE + "class Disk(Store):\n    def load(self):\n        return 2\n",
    BASE + "class Disk(Store):\n    async def load(self):\n        return 2\n")  # fmt: skip
ABSTRACT_BASE: Final = "from abc import ABC, abstractmethod\n\nclass Store(ABC):\n    @abstractmethod\n    async def load(self):\n        ...\n\n"
ABSTRACT: Final = Rule("AG205", "abstract-other-colour", CERTAIN, "an abstract method implemented in another colour",
    "The abstract class promises that the method is (or isn't) awaited; this implementation breaks the promise.",
    ABSTRACT_BASE + "class Disk(Store):\n    def load(self):\n        return 2\n",
    ABSTRACT_BASE + "class Disk(Store):\n    async def load(self):\n        return 2\n")  # fmt: skip
PROTOCOL_BASE: Final = (
    "from typing import Protocol\n\nclass Loads(Protocol):\n    async def load(self):\n        ...\n\n"
)
PROTOCOL: Final = Rule("AG206", "protocol-other-colour", CERTAIN, "a class used for a Protocol of another colour",
    "The Protocol says how the method is called; this class has it in the other colour.",
    PROTOCOL_BASE + "class Disk:\n    def load(self):\n        return 2\n\nasync def main(store: Loads):\n    return await store.load()\n\nmain(Disk())\n".replace("\nmain(Disk())", "\nwork = main(Disk())"),
    PROTOCOL_BASE + "class Disk:\n    async def load(self):\n        return 2\n\nasync def main(store: Loads):\n    return await store.load()\n\nwork = main(Disk())\n")  # fmt: skip
GIVEN: Final = frozenset({OP_CALL, OP_LIST, OP_DICT})
ENTERED: Final = {"with": "__enter__", "async with": "__aenter__"}
# Methods that frameworks find by name and call in whatever colour they have.
HOOKS: Final = ("on_", "action_")
# Handlers of requests, which web frameworks call so too.
VERBS: Final = frozenset({"get", "post", "put", "delete", "patch", "head", "options", "prepare"})
# Words in a class's path or name that say that it is the twin of another colour.
TWINS: Final = ("async", "sync", "aio", "asgi", "wsgi", "blocking", "trio")
GUESSED: Final = "a plain function (def)"
# How a method of each colour is called: colours of one form can stand for each other.
CALLED, AWAITED, READ, STREAMED = "called", "awaited", "read", "async for"
FORMS: Final = {
    "a plain function": CALLED,
    GUESSED: CALLED,
    "a generator": CALLED,
    "a coroutine function (async def)": AWAITED,
    "an async generator": STREAMED,
    "a context manager": "with",
    "an async context manager": "async with",
    "a property": READ,
}


class Overrides(Group):
    """Looks at classes with bases, and at instances that are used for a Protocol."""

    rules = (OVERRIDE, ABSTRACT, PROTOCOL)
    uses = Use.ALL - {Use.FORGOTTEN, Use.LOCKED}
    only_calls = True

    def cares(self, resolver: Resolver, target: Value) -> int:
        return FOLLOWING if self.protocol_params(resolver, target) else NEVER

    def file(self, file: FileCheck) -> Iterator[Finding]:
        for index, raw in enumerate(file.summary.scopes.raw):
            if raw[KIND] != "class" or not raw[BASES]:
                continue
            scope = file.summary.scopes[index]
            above = file.resolver.names_above((file.path, index))
            for name in [one for one in scope.bindings if one in above]:
                bindings = scope.bindings[name]
                # `run = _run` makes a method too.
                is_method = bool(bindings) and (
                    bindings[-1].kind == "def"
                    or (bindings[-1].kind == "value" and file.expr(bindings[-1].value)[0] in (OP_NAME, OP_SCOPE))
                )
                if is_method and not (name.startswith("__") and name.endswith("__")):
                    yield from self.method(file, index, name)
            if len(scope.bases) > 1:
                yield from self.mixed(file, index)
        for index, raw in enumerate(file.summary.scopes.raw):
            for param in [Param(*one) for one in raw[PARAMS]]:
                if param.default > NONE and param.annotation > NONE:
                    position = file.expr(param.default)[5]
                    yield from self.stands_for(file, param.default, file.path, param.annotation, position)
            if raw[KIND] == "function" and raw[ANNOTATION] > 1:
                scope = file.summary.scopes[index]
                for returned in scope.returns:
                    if returned > 1 and file.expr(returned)[0] in (OP_CALL, OP_NAME):
                        expr = file.expr(returned)
                        where = expr[5] if expr[0] == OP_CALL else scope.position
                        yield from self.stands_for(file, returned, file.path, scope.annotation, where)

        exprs = file.summary.exprs
        if any(
            expr[0] == OP_ANNOTATED and expr[1] > 1 and expr[2] > 1 and exprs[expr[2]][0] in GIVEN for expr in exprs
        ):
            for scope in file.summary.scopes:
                for bindings in (*scope.bindings.values(), *scope.attributes.values()):
                    for binding in bindings:
                        if binding.kind == "value" and exprs[binding.value][0] == OP_ANNOTATED:
                            yield from self.assigned(file, binding.value)

    def method(self, file: FileCheck, index: int, name: str) -> Iterator[Finding]:
        definition = (file.path, index)
        if self.is_alike(file, definition, name):
            return
        own = file.resolver.own_member(file.path, file.summary, index, name)
        base, owner = file.resolver.class_member(definition, name, skip_first=True)
        if not own or not base or owner is None or len(own) != 1 or len(base) != 1:
            return
        verdict = self.differ(file, own[0], base[0])
        if not verdict:
            return
        mine, other, level = verdict
        rule = OVERRIDE
        summary = file.resolver.table.summary(base[0].module)
        if summary is not None and "abstractmethod" in file.resolver.decorator_names(
            summary, summary.scopes[base[0].scope]
        ):
            rule = ABSTRACT
        if file.resolver.is_protocol(owner):
            rule = PROTOCOL
        position = (
            file.summary.scopes[own[0].scope].position
            if own[0].module == file.path
            else file.summary.scopes[index].position
        )
        asked = file.resolver.table.may_be_either(name)
        # An abstract async method says itself how it is called, and some code does so without asking.
        promised = rule is ABSTRACT and FORMS[other] == AWAITED and file.resolver.table.is_awaited(name)
        if level == CERTAIN and (asked or not self.is_seen(file, name, FORMS[mine], FORMS[other])):
            level = LIKELY
        holder = file.cause(owner)
        handles = name in VERBS and not file.resolver.lineage(definition)[1]
        if (
            handles
            or self.is_twin(file, index, owner)
            or name.lstrip("_").startswith(HOOKS)
            or (asked and not promised)
            or (is_test(file.path) and is_test(owner[0]))  # a double of a double, which its test knows
        ):
            level = HINT
        message = f"{file.summary.scopes[index].name}.{name} is {mine}, but {holder.name if holder else 'its base'}.{name} is {other}"
        yield file.finding(rule, position, message, base[0].definition, level)

    @staticmethod
    def is_alike(file: FileCheck, definition: Definition, name: str) -> bool:
        """Whether a method and the one above it surely have one colour: by their words, which is quick to see.

        Nearly all overrides are so, and the others are looked at closely. A plain function may hand out what an async one
        makes, and is alike only if it returns no calls or names.
        """
        words: int = -1
        for path, index in file.resolver.lineage(definition)[0]:
            summary = file.resolver.table.summary(path)
            if summary is None:
                return False
            scope = summary.scopes[index]
            if name not in scope.bindings and name not in scope.attributes:
                continue
            bindings = scope.bindings.get(name) or []
            if len(bindings) != 1 or bindings[0].kind != "def" or name in scope.attributes:
                return False
            method = summary.scopes[bindings[0].value]
            if method.decorators:
                return False
            its = method.flags & (Flag.ASYNC | Flag.GENERATOR)
            if not its and (method.annotation > NONE or any(one > NONE for one in method.returns)):
                return False
            if words >= 0:
                return its == words
            words = its
        return False

    def mixed(self, file: FileCheck, index: int) -> Iterator[Finding]:
        """`class C(Mixin, Base)`: what the first base puts in the place of the second's, though neither knows the other."""
        resolver, scope = file.resolver, file.summary.scopes[index]
        bases, complete, _ = resolver.bases(file.path, index)
        if not complete or len(bases) < 2 or self.is_twin(file, index, bases[0]):
            return
        for number, second in enumerate(bases[1:], 1):
            if self.is_twin(file, index, second):
                return
            for first in bases[:number]:
                summary = resolver.table.summary(first[0])
                if summary is None or second in resolver.lineage(first)[0] or first[0].startswith("/"):
                    continue
                for name in summary.scopes[first[1]].bindings:
                    if name.startswith("__") or name in scope.bindings or name in scope.attributes:
                        continue
                    mine, owner = resolver.class_member((file.path, index), name)
                    theirs, other = resolver.class_member(second, name)
                    if not mine or not theirs or owner != first or other is None or [len(mine), len(theirs)] != [1, 1]:
                        continue
                    verdict = self.differ(file, mine[0], theirs[0])
                    holders = file.cause(owner), file.cause(other)
                    if mine[0].module == first[0] and summary.scopes[mine[0].scope].flags & Flag.STUB:
                        continue  # the mixin only says what it needs
                    if verdict and holders[0] and holders[1] and not name.lstrip("_").startswith(HOOKS):
                        message = (
                            f"{scope.name}.{name} is {holders[0].name}'s, {verdict[0]}, "
                            f"and takes the place of {holders[1].name}'s, {verdict[1]}"
                        )
                        level = HINT if verdict[2] == HINT else LIKELY
                        yield file.finding(OVERRIDE, scope.position, message, theirs[0].definition, level)

    @staticmethod
    def is_seen(file: FileCheck, name: str, mine: str, other: str) -> bool:
        """Whether some code calls a method of this name as the base wants it.

        Without such a caller the other colour hurts nobody that is seen: it may be called through something that asks.
        """
        table = file.resolver.table
        if other == AWAITED:
            return table.is_awaited(name)
        return mine != AWAITED or (table.is_called_plainly(name) and not table.is_awaited(name))

    def is_twin(self, file: FileCheck, index: int, base: Definition) -> bool:
        """Whether class or path say that this class is the other colour's twin of its base on purpose."""
        summary = file.resolver.table.summary(base[0])
        other = f"{base[0]}.{qualname(summary, base[1])}".lower() if summary else ""
        own = f"{file.path}.{qualname(file.summary, index)}".lower()
        words = any((word in own) != (word in other) for word in TWINS)
        # `SyncStore` and `AsyncStore` both have the word "sync" in them.
        return words or ("sync" in own.replace("async", "")) != ("sync" in other.replace("async", ""))

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        """An argument that goes to a parameter annotated with a Protocol."""
        expr = file.expr(site.expr)
        if expr[0] != OP_CALL:
            return
        targets = file.values(expr[1])
        if len(targets) != 1:
            return
        for number, name, path, annotation in self.protocol_params(file.resolver, targets[0]):
            given = [one for where, one in enumerate(expr[2]) if where == number and isinstance(one, int) and one > 1]
            given += [one for keyword, one in expr[3] if keyword == name and one > 1]
            for argument in given:
                yield from self.stands_for(file, argument, path, annotation, expr[5])

    def protocol_params(self, resolver: Resolver, target: Value) -> list[tuple[int, str, str, int]]:
        """Number, name and annotation of the parameters that want a Protocol of the project."""
        if target.kind not in (FUNCTION, CLASS) or target.module.startswith("/"):
            return []
        if not resolver.table.is_subclassed("Protocol"):
            return []
        key = ("protocol parameters", target.kind, target.definition, target.bound)
        return resolver.remember(key, partial(self.find_protocol_params, resolver, target))

    def find_protocol_params(self, resolver: Resolver, target: Value) -> list[tuple[int, str, str, int]]:
        if target.kind == CLASS:
            members, _ = resolver.class_member(target.definition, "__init__")
            if not members or len(members) != 1 or members[0].kind != FUNCTION:
                return []
            target = members[0]._replace(bound=True)
        summary = resolver.table.summary(target.module)
        if summary is None:
            return []
        params = [one for one in summary.scopes[target.scope].params if one.kind in "opk"][1 if target.bound else 0 :]
        return [
            (number, one.name, target.module, one.annotation)
            for number, one in enumerate(params)
            if one.annotation > 1
            and (
                wanted_protocol(resolver, target.module, one.annotation)
                or wanted_protocol(resolver, target.module, element_annotation(resolver, target.module, one.annotation))
            )
        ]

    def assigned(self, file: FileCheck, index: int) -> Iterator[Finding]:
        """`name: Protocol = instance`."""
        _, annotation, value = file.expr(index)
        if annotation > 1 and value > 1 and file.expr(value)[0] == OP_CALL:
            yield from self.stands_for(file, value, file.path, annotation, file.expr(value)[5])
        elif annotation > 1 and value > 1:
            for element in listed(file, value):
                if file.expr(element)[0] == OP_CALL:
                    inner = element_annotation(file.resolver, file.path, annotation)
                    yield from self.stands_for(file, element, file.path, inner, file.expr(element)[5])

    def stands_for(
        self, file: FileCheck, argument: int, path: str, annotation: int, position: int
    ) -> Iterator[Finding]:
        wanted = wanted_protocol(file.resolver, path, annotation)
        if wanted is None:
            inner = element_annotation(file.resolver, path, annotation)
            for element in listed(file, argument) if inner > NONE else ():
                yield from self.stands_for(file, element, path, inner, position)
            return
        values = file.values(argument)
        if len(values) == 1 and values[0].kind == FUNCTION:
            theirs, _ = file.resolver.class_member(wanted, "__call__")
            verdict = self.differ(file, values[0], theirs[0]) if theirs and len(theirs) == 1 else None
            if verdict:
                message = f"{file.text(argument)} is {verdict[0]}, but the Protocol's __call__ is {verdict[1]}"
                yield file.finding(PROTOCOL, position, message, values[0].definition, verdict[2])
            return
        if len(values) != 1 or values[0].kind != INSTANCE or wanted in file.resolver.lineage(values[0].definition)[0]:
            return
        yield from self.compare(file, values[0], wanted, position)

    def compare(self, file: FileCheck, value: Value, protocol: Definition, position: int) -> Iterator[Finding]:
        summary = file.resolver.table.summary(protocol[0])
        if summary is None:
            return
        scope = summary.scopes[protocol[1]]
        for name, bindings in scope.bindings.items():
            if not bindings or bindings[-1].kind != "def":
                continue
            mine, _ = file.resolver.class_member(value.definition, name)
            theirs, _ = file.resolver.class_member(protocol, name)
            if not mine or not theirs or len(mine) != 1 or len(theirs) != 1:
                continue
            verdict = self.differ(file, mine[0], theirs[0])
            if verdict:
                own = file.cause(value.definition)
                message = f"{own.name if own else 'the object'}.{name} is {verdict[0]}, but {scope.name}.{name} is {verdict[1]}"
                level = HINT if file.resolver.table.may_be_either(name) else verdict[2]
                yield file.finding(PROTOCOL, position, message, mine[0].definition, level)

    def differ(self, file: FileCheck, mine: Value, base: Value) -> tuple[str, str, str] | None:
        """The two colours in words and how sure it is, if callers of one can't call the other alike."""
        if not {mine.kind, base.kind} <= {FUNCTION, PROPERTY}:
            return None
        if self.is_open(file, base):
            return None
        own, other = self.colour(file, mine), self.colour(file, base)
        if not own or not other or FORMS[own] == FORMS[other]:
            return None
        for one, form in ((mine, FORMS[other]), (base, FORMS[own])):
            # A property may give what is called like the method: it can't be told whether callers find a difference.
            if one.kind == PROPERTY and form in (CALLED, AWAITED) and gives_callables(file, one):
                return None
            # A plain function may give an object that is entered just like what the context manager gives.
            made = file.resolver.result(one) if form in ENTERED and one.kind == FUNCTION else ()
            if made and all(file.resolver.answers_to(value, ENTERED[form]) for value in made):
                return None
        summary = file.resolver.table.summary(base.module)
        scope = summary.scopes[base.scope] if summary else None
        stub = scope is not None and bool(scope.flags & Flag.STUB)
        if (stub or self.refuses(file, base)) and FORMS[own] not in (CALLED, AWAITED):
            return None  # a stub of an async generator or context manager can't be told from one of a coroutine
        streams = FORMS[own] == AWAITED and FORMS[other] == STREAMED
        if self.refuses(file, mine) and (FORMS[own] == CALLED or streams):
            return None  # it raises an error in whatever colour it is called
        if scope is not None and FORMS[own] == AWAITED and self.is_left_open(file, scope):
            return own, other, HINT
        unsure = scope is not None and stub and not scope.is_async and scope.annotation < 0
        if not unsure:
            return own, other, LIKELY if GUESSED in (own, other) else CERTAIN
        # A plain stub that may be left as it is is a hook: frameworks call those and look at what comes back.
        hook = scope is not None and bool(scope.flags & Flag.FALLS_THROUGH) and not scope.decorators
        return own, other, HINT if hook else LIKELY

    @staticmethod
    def is_open(file: FileCheck, function: Value) -> bool:
        """Whether a plain function is declared to give something that can't be followed (`MaybeAwaitable[int]`)."""
        summary = file.resolver.table.summary(function.module)
        scope = summary.scopes[function.scope] if summary is not None else None
        if summary is None or scope is None or scope.is_async or scope.annotation <= NONE:
            return False
        expr = summary.exprs[scope.annotation]
        name = str(summary.exprs[expr[1]][1]).rpartition(".")[2] if expr[0] == OP_SUBSCRIPTED else ""
        return "await" in name.lower() and is_unknown(file.resolver.annotated(function.module, scope.annotation))

    @staticmethod
    def is_left_open(file: FileCheck, scope: Scope) -> bool:
        """Whether a plain method only raises, without being abstract, and all that call methods of its name await them."""
        table = file.resolver.table
        raises = scope.flags & (Flag.STUB | Flag.NEVER_RETURNS) and not scope.flags & Flag.FALLS_THROUGH
        return (
            bool(raises)
            and not scope.is_async
            and not scope.decorators
            and table.is_awaited(scope.name)
            and not table.is_called_plainly(scope.name)
        )

    @staticmethod
    def refuses(file: FileCheck, function: Value) -> bool:
        """Whether a function does nothing but raise an error."""
        summary = file.resolver.table.summary(function.module)
        scope = summary.scopes[function.scope] if summary is not None else None
        if summary is None or scope is None:
            return False
        if scope.flags & Flag.NEVER_RETURNS:
            return True
        if len(scope.returns) != 1 or scope.returns[0] <= NONE or summary.exprs[scope.returns[0]][0] != OP_CALL:
            return False
        # Or hands on to one that does.
        targets = file.resolver.infer(function.module, summary.exprs[scope.returns[0]][1])
        return all(one.kind == FUNCTION and file.resolver.never_returns(one) for one in targets)

    @staticmethod
    def gives_values(file: FileCheck, function: Value) -> bool:
        """Whether a plain function surely gives no coroutine, though what it gives isn't known: it returns names, no calls."""
        summary = file.resolver.table.summary(function.module)
        scope = summary.scopes[function.scope] if summary is not None else None
        if summary is None or scope is None or scope.annotation >= 0 or not scope.returns or scope.decorators:
            return False
        names = {param.name for param in scope.params}
        for returned in scope.returns:
            values = file.resolver.infer(function.module, returned)
            if is_unknown(values):
                # A parameter that is handed back; a local name or attribute may be a future.
                if returned < 0 or summary.exprs[returned][0] != OP_NAME or summary.exprs[returned][1] not in names:
                    return False
            elif any(file.resolver.is_awaitable(one) is not False for one in values):
                return False
        return True

    def colour(self, file: FileCheck, function: Value) -> str:
        """How a method is called, in words; empty when it can't be told."""
        summary = file.resolver.table.summary(function.module)
        if summary is None:
            return ""
        scope = summary.scopes[function.scope]
        if function.kind == PROPERTY:
            abstract = "abstractmethod" in file.resolver.decorator_names(summary, scope)
            says_nothing = scope.flags & (Flag.STUB | Flag.NEVER_RETURNS) and not abstract
            return "" if scope.is_async or says_nothing else "a property"
        made = file.resolver.result(function)
        kinds = {one.kind for one in made}
        if kinds == {COROUTINE}:
            return "a coroutine function (async def)"
        if kinds == {ASYNC_GENERATOR}:
            return "an async generator"
        if kinds == {GENERATOR} and scope.is_generator:
            return "a generator"
        if kinds == {CONTEXT}:
            return "a context manager"
        if kinds == {ASYNC_CONTEXT}:
            return "an async context manager"
        if scope.is_async or (scope.flags & Flag.NEVER_RETURNS and not scope.flags & Flag.STUB):
            return ""
        if UNKNOWN_KIND in kinds or not kinds:
            stub = scope.flags & Flag.STUB and scope.annotation < 0
            return "a plain function" if stub else GUESSED if self.gives_values(file, function) else ""
        if scope.annotation > 1 and never_comes_back(summary, scope.annotation):
            return ""
        if all(file.resolver.is_awaitable(one) is False for one in made):
            return "" if hands_on(file, function.definition) else "a plain function"
        return ""


def gives_callables(file: FileCheck, function: Value) -> bool:
    """Whether what a property gives is something to call."""
    summary = file.resolver.table.summary(function.module)
    if summary is not None and type_name(summary, summary.scopes[function.scope].annotation) == "Callable":
        return True
    made = file.resolver.result(function)
    return bool(made) and all(one.kind == FUNCTION or file.resolver.answers_to(one, "__call__") for one in made)


def never_comes_back(summary: Summary, annotation: int) -> bool:
    """Whether a function is declared to raise an error always: it refuses what its base does, in whatever colour."""
    expr = summary.exprs[annotation]
    return expr[0] == OP_NAME and str(expr[1]).rpartition(".")[2] in ("NoReturn", "Never")


def element_annotation(resolver: Resolver, path: str, annotation: int) -> int:
    """The annotation of what a list, set, dict or the like holds; UNKNOWN if it isn't one."""
    summary = resolver.table.summary(path)
    expr = summary.exprs[annotation] if summary is not None and annotation > NONE else NO_EXPR
    if summary is None or expr[0] != OP_SUBSCRIPTED or expr[1] <= NONE or summary.exprs[expr[1]][0] != OP_NAME:
        return UNKNOWN
    name = str(summary.exprs[expr[1]][1]).rpartition(".")[2]
    number = 0 if name in CONTAINER_TYPES else 1 if name in MAPPING_TYPES else UNKNOWN
    return expr[2][number] if 0 <= number < len(expr[2]) else UNKNOWN


def listed(file: FileCheck, index: int) -> list[int]:
    """The elements of a list or dict that is written out."""
    expr = file.expr(index)
    elements = expr[1] if expr[0] == OP_LIST else [one for _, one in expr[1]] if expr[0] == OP_DICT else []
    return [one for one in elements if one > NONE]


def wanted_protocol(resolver: Resolver, path: str, annotation: int) -> Definition | None:
    """The one Protocol that an annotation names, if it names one."""
    if annotation <= NONE:
        return None
    summary = resolver.table.summary(path)
    name = summary.exprs[annotation][1] if summary is not None and summary.exprs[annotation][0] == OP_NAME else ""
    if summary is not None and name in BUILTINS and name not in summary.scopes[0].bindings:
        return None
    declared = resolver.annotated(path, annotation)
    if len(declared) != 1 or declared[0].kind != INSTANCE or not resolver.is_protocol(declared[0].definition):
        return None
    return declared[0].definition
