"""The parameters of what a call resolves to, as the rules about arguments and families need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from awaitguard.infer import places
from awaitguard.infer.calls import KEEPING
from awaitguard.infer.resolver import Resolver
from awaitguard.infer.value import CLASS, FUNCTION, INSTANCE, Definition, Value
from awaitguard.read.summary import (
    ABSENT,
    NO_EXPR,
    NONE,
    OP_ANNOTATED,
    OP_CALL,
    OP_CONST,
    OP_NAME,
    OP_SUBSCRIPTED,
    UNKNOWN,
    Binding,
    Flag,
    Param,
    Scope,
    Summary,
)

if TYPE_CHECKING:
    from awaitguard.rules.file_check import FileCheck

SELVES: Final = frozenset({"self", "cls", "this", "klass", "mcs", "s", "me"})
# Routes by which something else may be called than what is seen.
UNSURE: Final = frozenset({"wrapped", "decorated", "getattr", "virtual", "loose"})
DECORATED: Final = frozenset({"decorated"})
ALLOWED: Final = KEEPING | {"contextlib.contextmanager", "contextlib.asynccontextmanager", ""}


class Parameters(NamedTuple):
    """What can be passed: `positional` names in order, names by keyword, names without default."""

    positional: tuple[str, ...]
    by_keyword: frozenset[str]
    required: tuple[str, ...]
    var_positional: bool
    var_keyword: bool


ANYTHING: Final = Parameters((), frozenset(), (), True, True)


def parameters_of(resolver: Resolver, target: Value) -> Parameters | None:
    """The parameters of a function or class; None if they aren't surely known."""
    unsure = UNSURE.intersection(target.via)
    if target.kind == FUNCTION and not unsure:
        key = ("parameters", target.definition, target.bound)
        return resolver.remember(key, lambda: of_function(resolver, target))
    if target.kind == FUNCTION and unsure == DECORATED:
        return resolver.remember(
            ("parameters below", target.definition, target.origin), lambda: of_wrapped(resolver, target)
        )
    if target.kind == CLASS and not (target.extra == "self" and resolver.may_be_subclass(target)):
        return resolver.remember(("parameters", target.definition), lambda: of_class(resolver, target.definition))
    return None


def is_doubted(resolver: Resolver, target: Value) -> bool:
    """Whether some object may have something else in the place of a method or class, a test's double most often."""
    summary = resolver.table.summary(target.module)
    scope = summary.scopes[target.scope] if summary is not None and target.scope >= 0 else None
    if summary is None or scope is None:
        return False
    if target.kind == CLASS:
        return places.replaces_class(resolver, target.definition) == places.PERHAPS
    owner = scope.parent
    is_method = owner >= 0 and summary.scopes[owner].kind == "class"
    return is_method and places.set_on(resolver, (target.module, owner), scope.name) == places.PERHAPS


def of_wrapped(resolver: Resolver, target: Value) -> Parameters | None:
    """The parameters of a function under a decorator whose wrapper hands on just what it is given."""
    if not isinstance(target.origin, tuple) or target.origin[0].startswith("/"):
        return None
    summary, below = resolver.table.summary(target.module), resolver.table.summary(target.origin[0])
    if summary is None or below is None or not summary.scopes[target.scope].flags & Flag.HANDS_ON:
        return None
    scope = below.scopes[target.origin[1]]
    if scope.kind != "function" or len(scope.decorators) != 1 or below.scopes[scope.parent].kind == "class":
        return None
    return from_scope(scope, 0)


def of_function(resolver: Resolver, target: Value) -> Parameters | None:
    if {"wrapped", "decorated", "getattr"} & set(target.via) or target.module.startswith("/"):
        return None
    summary = resolver.table.summary(target.module)
    if summary is None:
        return None
    scope = summary.scopes[target.scope]
    if scope.name == "__new__":
        return None
    if scope.decorators and not set(resolver.decorator_paths(target.module, scope)) <= ALLOWED:
        return None
    if "overload" in resolver.decorator_names(summary, scope):
        return None
    parent = summary.scopes[scope.parent]
    if parent.kind == "class" and places.set_on(resolver, (target.module, scope.parent), scope.name) == places.SURELY:
        return None
    if parent.kind == "class" and resolver.is_protocol((target.module, scope.parent)):
        return None  # what is called is something else, which may take more
    if parent.kind == "class" and is_interface(resolver, target, scope):
        return None
    static = "staticmethod" in resolver.decorator_names(summary, scope) or "staticmethod" in target.via
    if parent.kind == "class" and not target.bound and not static:
        if not resolver.lineage((target.module, scope.parent))[1]:
            return None  # a base that can't be read may make something else of its methods (Reflex does)
        return from_scope(scope, 0) if scope.params and scope.params[0].kind in "op" else None
    return from_scope(scope, 1 if target.bound else 0)


def is_interface(resolver: Resolver, target: Value, scope: Scope) -> bool:
    """Whether a method lacks `self` because its class, of a base that can't be read, only describes (zope.interface)."""
    names = (*resolver.decorator_paths(target.module, scope), *target.via)
    if any(name.endswith(("staticmethod", "classmethod")) for name in names):
        return False
    first = scope.params[0].name if scope.params and scope.params[0].kind in "op" else ""
    summary = resolver.table.summary(target.module)
    parent = summary.scopes[target.scope].parent if summary is not None else 0
    return first.strip("_") not in SELVES and not resolver.lineage((target.module, parent))[1]


def from_scope(scope: Scope, skipped: int) -> Parameters:
    params = scope.params
    if skipped and params and params[0].kind in "op":
        params = params[1:]
    return Parameters(
        tuple(param.name for param in params if param.kind in "op"),
        frozenset(param.name for param in params if param.kind in "pk"),
        tuple(param.name for param in params if param.kind in "opk" and not param.has_default),
        any(param.kind == "v" for param in params),
        any(param.kind == "w" for param in params),
    )


def of_class(resolver: Resolver, definition: Definition) -> Parameters | None:
    """How a class is called: its `__init__`, or the fields of a dataclass."""
    lineage, complete = resolver.lineage(definition)
    if not complete:
        return None
    for path, index in lineage:
        summary = resolver.table.summary(path)
        if summary is None or path.startswith("/"):
            return None
        scope = summary.scopes[index]
        if places.SURELY in (
            places.replaces_class(resolver, (path, index)),
            places.set_on(resolver, (path, index), ""),
        ):
            return None
        if "__new__" in scope.bindings or scope.keywords:
            return None
        if scope.decorators and not resolver.is_dataclass(path, index):
            return None
    if any(name.startswith("builtins.") and name != "builtins.object" for name in resolver.library_bases(definition)):
        return None
    if any(
        not name.startswith(("abc.", "typing.Generic", "typing.Protocol", "typing.NamedTuple", "builtins."))
        for name in resolver.library_bases(definition)
    ):
        return None
    for path, index in lineage:
        summary = resolver.table.summary(path)
        if summary is None:
            return None
        scope = summary.scopes[index]
        if "__init__" in scope.bindings:
            members, _ = resolver.class_member((path, index), "__init__")
            if members and len(members) == 1 and members[0].kind == FUNCTION:
                return of_function(resolver, members[0]._replace(bound=True))
            return None
        if resolver.is_dataclass(path, index):
            return of_dataclass(resolver, lineage)
        if "typing.NamedTuple" in resolver.bases(path, index)[2]:
            return of_dataclass(resolver, [(path, index)], is_tuple=True)
    return Parameters((), frozenset(), (), False, False)


def of_dataclass(resolver: Resolver, lineage: list[Definition], is_tuple: bool = False) -> Parameters | None:
    fields: dict[str, tuple[bool, bool]] = {}
    for path, index in reversed(lineage):
        summary = resolver.table.summary(path)
        if summary is None:
            return None
        if not is_tuple and not resolver.is_dataclass(path, index):
            continue
        options = dataclass_options(summary, summary.scopes[index])
        if options is None or "init" in options:
            return None
        keyword_only = "kw_only" in options
        for name, bindings in summary.scopes[index].bindings.items():
            if any(one.block != summary.scopes[index].body for one in bindings):
                return None  # it is there under a condition, for type checkers alone perhaps
            # The annotation counts, also where a method of the same name takes the default's place.
            values = [summary.exprs[one.value] for one in bindings if one.kind == "value"]
            expr = next((one for one in reversed(values) if one[0] == OP_ANNOTATED), None)
            if expr is None:
                continue
            annotation = type_name(summary, expr[1])
            if annotation == "KW_ONLY":
                keyword_only = True
                continue
            if annotation is None and expr[1] >= 0:
                return None
            if annotation == "ClassVar" and not is_tuple:
                continue  # a named tuple makes a field of it all the same
            kind = default_kind(summary, bindings)
            if kind is None:
                return None
            if kind == "excluded":
                fields.pop(name, None)  # a base may have it as an argument
            else:
                fields[name] = (kind == "default", keyword_only or kind == "keyword")
    positional = tuple(name for name, (_, keyword) in fields.items() if not keyword)
    required = tuple(name for name, (default, _) in fields.items() if not default)
    return Parameters(positional, frozenset(fields), required, False, False)


def parameter(file: FileCheck, target: Value, argument: int | str) -> tuple[str, Param] | None:
    """The parameter (or field of a dataclass) that an argument goes to, and the file in which it stands."""
    if target.kind == CLASS:
        members, _ = file.resolver.class_member(target.definition, "__init__")
        if not members or members[0].kind != FUNCTION:
            return field_parameter(file, target, argument)
        target = members[0]._replace(bound=True)
    if target.kind != FUNCTION or {"wrapped", "decorated"} & set(target.via):
        return None
    summary = file.resolver.table.summary(target.module)
    if summary is None:
        return None
    params = summary.scopes[target.scope].params
    if isinstance(argument, str):
        named = [param for param in params if param.name == argument and param.kind in "pk"]
        return (target.module, named[0]) if named else None
    positional = [param for param in params if param.kind in "op"][1 if target.bound else 0 :]
    return (target.module, positional[argument]) if argument < len(positional) else None


def field_parameter(file: FileCheck, target: Value, argument: int | str) -> tuple[str, Param] | None:
    """The field of a dataclass that an argument goes to, as if it were a parameter."""
    parameters = parameters_of(file.resolver, target)
    summary = file.resolver.table.summary(target.module)
    if parameters is None or summary is None or not file.resolver.is_dataclass(*target.definition):
        return None
    if isinstance(argument, int):
        if argument >= len(parameters.positional):
            return None
        argument = parameters.positional[argument]
    bindings: list[Binding] = summary.scopes[target.scope].bindings.get(argument) or []
    if len(bindings) != 1 or bindings[0].kind != "value" or summary.exprs[bindings[0].value][0] != OP_ANNOTATED:
        return None
    return target.module, Param(argument, "p", summary.exprs[bindings[0].value][1], False, 0)


def dataclass_options(summary: Summary, scope: Scope) -> set[str] | None:
    """Keywords given to @dataclass(...) that matter here."""
    options: set[str] = set()
    for decorator in scope.decorators:
        if decorator < 0:
            return None
        expr = summary.exprs[decorator]
        if expr[0] == OP_CALL:
            options.update(name or "**" for name, _ in expr[3])
    return options & {"init", "kw_only", "**"}


def type_name(summary: Summary, annotation: int) -> str | None:
    """The last part of an annotation's outermost name; an empty string for plain types without one."""
    if annotation <= NONE:
        return "" if annotation >= -1 else None
    expr = summary.exprs[annotation]
    if expr[0] == OP_SUBSCRIPTED:
        expr = summary.exprs[expr[1]]
    if expr[0] == OP_NAME:
        return str(expr[1]).rpartition(".")[2]
    return ""


def default_kind(summary: Summary, bindings: list[Binding]) -> str | None:
    """The kind of a field by what its name stands for at the end of the class, be it a property or a method."""
    value = ABSENT
    for binding in bindings:
        if binding.kind != "value":
            value = UNKNOWN
        elif summary.exprs[binding.value][0] != OP_ANNOTATED:
            value = binding.value
        elif summary.exprs[binding.value][2] != ABSENT:
            value = summary.exprs[binding.value][2]
    return field_kind(summary, value)


def field_kind(summary: Summary, value: int) -> str | None:
    """Whether a field has a default; `excluded` if it isn't an argument, `keyword` if it only is one by name."""
    if value == ABSENT:
        return "required"
    if value < 0:
        return "default"
    expr = summary.exprs[value]
    if expr[0] == OP_CALL:
        function = summary.exprs[expr[1]]
        if function[0] == OP_NAME and str(function[1]).rpartition(".")[2] == "field":
            names = {name for name, _ in expr[3]}
            if None in names:
                return None
            given = [summary.exprs[index] if index > NONE else NO_EXPR for name, index in expr[3] if name == "init"]
            if given and given[0][0] != OP_CONST:
                return None
            if given and given[0][2] is False:
                return "excluded"
            if "kw_only" in names:
                return None
            return "default" if {"default", "default_factory"} & names else "required"
    return "default"


__all__ = ["ANYTHING", "INSTANCE", "Parameters"]
