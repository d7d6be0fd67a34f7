"""AG206: objects that are used for a Protocol of another colour."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from awaitguard.infer import places
from awaitguard.infer.resolver import CONTAINER_TYPES, MAPPING_TYPES
from awaitguard.infer.value import CLASS, FUNCTION, INSTANCE, Definition, Value
from awaitguard.read.summary import (
    ANNOTATION,
    KIND,
    NO_EXPR,
    NONE,
    OP_ANNOTATED,
    OP_CALL,
    OP_DICT,
    OP_LIST,
    OP_NAME,
    OP_SUBSCRIPTED,
    PARAMS,
    UNKNOWN,
    Param,
    Use,
)
from awaitguard.read.vocabulary import BUILTINS
from awaitguard.rules.confidence import ASKED, MAY_BE_ASKED
from awaitguard.rules.forms import differ
from awaitguard.rules.rule import FOLLOWING, NEVER, Group, Rule

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.infer.resolver import Resolver
    from awaitguard.read.summary import Site
    from awaitguard.rules.file_check import FileCheck

PROTOCOL_BASE: Final = (
    "from typing import Protocol\n\nclass Loads(Protocol):\n    async def load(self):\n        ...\n\n"
)
PROTOCOL: Final = Rule("AG206", "protocol-other-colour", "a class used for a Protocol of another colour",
    "The Protocol says how the method is called; this class has it in the other colour.",
    PROTOCOL_BASE + "class Disk:\n    def load(self):\n        return 2\n\nasync def main(store: Loads):\n    return await store.load()\n\nmain(Disk())\n".replace("\nmain(Disk())", "\nwork = main(Disk())"),
    PROTOCOL_BASE + "class Disk:\n    async def load(self):\n        return 2\n\nasync def main(store: Loads):\n    return await store.load()\n\nwork = main(Disk())\n")  # fmt: skip
GIVEN: Final = frozenset({OP_CALL, OP_LIST, OP_DICT})


class Protocols(Group):
    """Looks at instances that are used for a Protocol: as arguments, results, defaults and annotated values."""

    rules = (PROTOCOL,)
    uses = Use.ALL - {Use.FORGOTTEN, Use.LOCKED}
    only_calls = True

    def cares(self, resolver: Resolver, target: Value) -> int:
        return FOLLOWING if self.protocol_params(resolver, target) else NEVER

    def file(self, file: FileCheck) -> Iterator[Finding]:
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
            verdict = differ(file, values[0], theirs[0]) if theirs and len(theirs) == 1 else None
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
            verdict = differ(file, mine[0], theirs[0])
            if verdict:
                own = file.cause(value.definition)
                message = f"{own.name if own else 'the object'}.{name} is {verdict[0]}, but {scope.name}.{name} is {verdict[1]}"
                asked = max(places.asks_colour(file.resolver, one, name) for one in (value.definition, protocol))
                mask = verdict[2] | (ASKED if asked == places.SURELY else MAY_BE_ASKED if asked else 0)
                yield file.finding(PROTOCOL, position, message, mine[0].definition, mask)


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
