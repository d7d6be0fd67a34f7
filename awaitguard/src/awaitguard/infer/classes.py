"""Classes: bases, members, and what can be done with an instance."""

from __future__ import annotations

import posixpath
from typing import Final

from awaitguard.infer.lookup import LATE, Lookup
from awaitguard.infer.value import (
    ASYNC_CONTEXT,
    ASYNC_GENERATOR,
    AWAITABLE,
    CLASS,
    CONTAINER,
    CONTEXT,
    COROUTINE,
    DOUBLE_VALUE,
    FUNCTION,
    GENERATOR,
    INSTANCE,
    LIBRARY,
    MAPPING,
    METHOD,
    MODULE,
    NONE_KIND,
    OBJECT,
    PARTIAL,
    PLAIN_KIND,
    PLAIN_VALUE,
    PROPERTY,
    SUPER,
    UNKNOWN_VALUES,
    Definition,
    Environment,
    Value,
    Values,
    merge,
)
from awaitguard.infer.words import STARRED
from awaitguard.read.library import ASYNC_METHODS, FUTURE_METHODS, SYNC_METHODS
from awaitguard.read.summary import ABSENT, OP_ANNOTATED, Binding, Flag, Scope, Summary

# Bases that add nothing a rule asks about.
NEUTRAL_BASES: Final = frozenset({"builtins.object", "typing.Generic", "typing.Protocol", "abc.ABC", "typing_extensions.Protocol",
    "typing_extensions.Generic", "enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag", "enum.IntFlag",
    "typing.NamedTuple", "typing.TypedDict", "typing_extensions.TypedDict"})  # fmt: skip
# Of these, the ones that bring no attributes of their own.
SILENT_BASES: Final = frozenset({"builtins.object", "typing.Generic", "typing.Protocol", "abc.ABC", "typing_extensions.Protocol",
    "typing_extensions.Generic"})  # fmt: skip
ENUM_BASES: Final = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag", "enum.IntFlag"})
BUILTIN_EXCEPTION: Final = ("Error", "Exception", "Warning", "BaseException", "StopIteration", "KeyboardInterrupt")
BUILTIN_TYPES: Final = frozenset(
    {"int", "str", "float", "bool", "bytes", "dict", "list", "set", "tuple", "frozenset", "bytearray"}
)
# What values of these kinds answer to, beyond what their classes say.
SPECIAL: Final = {
    COROUTINE: {"__await__"},
    AWAITABLE: {"__await__"},
    GENERATOR: {"__iter__"},
    ASYNC_GENERATOR: {"__aiter__"},
    CONTEXT: {"__enter__"},
    ASYNC_CONTEXT: {"__aenter__"},
    CONTAINER: {"__iter__"},
    MAPPING: {"__iter__"},
    NONE_KIND: set[str](),
    FUNCTION: set[str](),
    PARTIAL: set[str](),
    CLASS: set[str](),
    MODULE: set[str](),
}
KNOWN_METHODS: Final = {
    kind: ASYNC_METHODS.get(kind, frozenset[str]()) | SYNC_METHODS.get(kind, frozenset[str]())
    for kind in (ASYNC_GENERATOR, PLAIN_KIND)
}
KNOWN_METHODS[AWAITABLE] = FUTURE_METHODS
KNOWN_METHODS[CONTAINER] = SYNC_METHODS[CONTAINER]
# Classes of well-known libraries, which need not be installed, whose instances can't be awaited.
NOT_AWAITABLE: Final = frozenset({"pydantic.BaseModel", "pydantic.main.BaseModel", "pydantic_settings.BaseSettings", "django.db.models.Model",
    "sqlalchemy.orm.DeclarativeBase", "marshmallow.Schema", "builtins.Exception", "builtins.dict", "builtins.list", "builtins.str"})  # fmt: skip
PLAIN_SPECIAL: Final = {"__iter__"}


class Classes(Lookup):
    """The part of the resolver that knows about classes."""

    def bases(self, path: str, index: int) -> tuple[list[Definition], bool, list[str]]:
        """The direct bases of a class that can be read, whether that is all of them, and the library's names."""
        key = ("bases", path, index)
        if key in self.active:
            self.cuts += 1
            return [], False, []
        self.active.add(key)
        try:
            return self.remember(key, lambda: self.find_bases(path, index))
        finally:
            self.active.discard(key)

    def find_bases(self, path: str, index: int) -> tuple[list[Definition], bool, list[str]]:
        summary = self.table.summary(path)
        if summary is None:
            return [], False, []
        scope = summary.scopes[index]
        found: list[Definition] = []
        names: list[str] = []
        complete = True
        for base in scope.bases:
            values = self.infer(path, base) if base >= 0 else UNKNOWN_VALUES
            classes = [value for value in values if value.kind == CLASS]
            library = [value for value in values if value.kind == LIBRARY]
            if len(values) == 1 and classes:
                found.append(classes[0].definition)
            elif len(values) == 1 and library:
                name: str = library[0].extra
                names.append(name)
                if name in NEUTRAL_BASES or (name.startswith("builtins.") and name.endswith(BUILTIN_EXCEPTION)):
                    continue
                expanded = self.expand(library[0]) if not name.startswith("builtins.") else ()
                classes = [value for value in expanded if value.kind == CLASS]
                if len(expanded) == 1 and classes:
                    found.append(classes[0].definition)
                else:
                    complete = False
            else:
                complete = False
        for key, value in scope.keywords:
            if key == "**":
                complete = False  # a metaclass may be among them
            elif key == "metaclass":
                metaclass = self.infer(path, value) if value >= 0 else UNKNOWN_VALUES
                neutral = {"abc.ABCMeta", "enum.EnumMeta", "enum.EnumType", "builtins.type"}
                if not all(one.kind == LIBRARY and one.extra in neutral for one in metaclass):
                    complete = False
        return found, complete, names

    def lineage(self, definition: Definition) -> tuple[list[Definition], bool]:
        """The class and all its bases in order of lookup, and whether every one of them is known."""
        return self.remember(("lineage", definition), lambda: self.find_lineage(definition))

    def find_lineage(self, definition: Definition) -> tuple[list[Definition], bool]:
        key = ("lineage", definition)
        if key in self.active:
            self.cuts += 1
            return [definition], False
        self.active.add(key)
        try:
            bases, complete, _ = self.bases(*definition)
            above = [self.lineage(base) for base in bases]
        finally:
            self.active.discard(key)
        complete = complete and all(whole for _, whole in above)
        return [definition, *linearise([order for order, _ in above] + [bases])], complete

    def library_bases(self, definition: Definition) -> set[str]:
        """Dotted names of the library's classes above a class."""
        return self.remember(("library bases", definition), lambda: self.find_library_bases(definition))

    def find_library_bases(self, definition: Definition) -> set[str]:
        found: set[str] = set()
        for one in self.lineage(definition)[0]:
            found.update(self.bases(*one)[2])
        return found

    def is_protocol(self, definition: Definition) -> bool:
        return any(name.endswith(".Protocol") for name in self.bases(*definition)[2])

    def names_above(self, definition: Definition) -> frozenset[str]:
        """The names that the bases of a class define, as far as they can be read."""
        return self.remember(("names above", definition), lambda: self.find_names_above(definition))

    def find_names_above(self, definition: Definition) -> frozenset[str]:
        found: set[str] = set()
        for path, index in self.lineage(definition)[0][1:]:
            summary = self.table.summary(path)
            if summary is not None:
                found.update(summary.scopes[index].bindings, summary.scopes[index].attributes)
        return frozenset(found)

    def class_member(
        self, definition: Definition, name: str, skip_first: bool = False
    ) -> tuple[Values | None, Definition | None]:
        """A member of a class and the class that has it.

        None as the first item means that surely no class in the lineage has it.
        """
        key = ("class member", definition, name, skip_first)
        return self.remember(key, lambda: self.find_class_member(definition, name, skip_first))

    def find_class_member(
        self, definition: Definition, name: str, skip_first: bool
    ) -> tuple[Values | None, Definition | None]:
        order, complete = self.lineage(definition)
        for current in order[1:] if skip_first else order:
            path, index = current
            summary = self.table.summary(path)
            if summary is None:
                return UNKNOWN_VALUES, None
            scope = summary.scopes[index]
            if name in scope.bindings or name in scope.attributes:
                values = self.own_member(path, summary, index, name)
                if values is not None:
                    # A subclass may well give its base something else for the parameter that this stands in for.
                    replaced = current != definition and any("default" in one.via for one in values)
                    return UNKNOWN_VALUES if replaced else values, current
            if not complete and current != definition and not self.bases(*current)[1]:
                return UNKNOWN_VALUES, None
        return (None if complete else UNKNOWN_VALUES), None

    def own_member(self, path: str, summary: Summary, index: int, name: str) -> Values | None:
        """A member that the class itself defines, in its body or by `self.name = ...`."""
        key = ("own", path, index, name)
        if key in self.active:
            self.cuts += 1
            return UNKNOWN_VALUES
        self.active.add(key)
        try:
            return self.remember(key, lambda: self.find_own_member(path, summary, index, name))
        finally:
            self.active.discard(key)

    def find_own_member(self, path: str, summary: Summary, index: int, name: str) -> Values | None:
        scope = summary.scopes[index]
        groups: list[Values] = []
        bindings = scope.bindings.get(name)
        assigned = scope.attributes.get(name) or ()
        if bindings is not None:
            values = self.local(path, summary, index, name, list(bindings), scope.body, LATE, own=True, env=None)
            # A default of None in the class body gives way to what methods assign.
            if not (assigned and all(value.kind in (NONE_KIND, PLAIN_KIND) for value in values)):
                groups.append(values)
        if scope.decorators and groups:
            # The default of a dataclass field: instances have their own.
            defaults = bindings is not None and all(
                one.kind == "value" and summary.exprs[one.value][0] == OP_ANNOTATED for one in bindings
            )
            if defaults and any(value.kind == FUNCTION for value in groups[0]):
                groups = [UNKNOWN_VALUES]
        for binding in assigned:
            groups.append(self.infer(path, binding.value) if binding.kind == "value" else UNKNOWN_VALUES)
        found = merge(groups) if groups else None
        if found == (PLAIN_VALUE,) and name + "[]" in scope.attributes:
            found = self.filled(path, summary, scope.attributes[name + "[]"])
        if found is not None and self.is_annotation_only(summary, scope, name):
            found = found or UNKNOWN_VALUES
        return found

    @staticmethod
    def is_annotation_only(summary: Summary, scope: Scope, name: str) -> bool:
        bindings: list[Binding] = scope.bindings.get(name) or []
        return all(
            one.kind == "value"
            and summary.exprs[one.value][:1] == (OP_ANNOTATED,)
            and summary.exprs[one.value][2] == ABSENT
            for one in bindings
        )

    def has_dynamic_attributes(self, definition: Definition) -> bool:
        """Whether a class can have attributes that no one sees: __getattr__, __slots__ tricks, setattr, mixins."""
        if not self.library_bases(definition) <= SILENT_BASES:
            return True
        for path, index in self.lineage(definition)[0]:
            summary = self.table.summary(path)
            if summary is None:
                return True
            scope = summary.scopes[index]
            # Decorators beside @dataclass may add methods, as @dataclass_json does.
            decorated = scope.decorators and (len(scope.decorators) > 1 or not self.is_dataclass(path, index))
            if scope.flags & Flag.OWN_NAMESPACE or decorated:
                return True
            if any(one in scope.bindings for one in ("__getattr__", "__getattribute__", "__init_subclass__")):
                return True
        return False

    def is_dataclass(self, path: str, index: int) -> bool:
        summary = self.table.summary(path)
        return summary is not None and any(
            name in ("dataclasses.dataclass", "dataclass") for name in self.decorator_paths(path, summary.scopes[index])
        )

    def attribute(self, value: Value, name: str) -> Values | None:
        """`value.name`; None when it surely isn't there."""
        kind = value.kind
        if kind == MODULE:
            return self.member(value.module, name)
        if kind in (INSTANCE, CLASS):
            return self.remember(("attribute", value, name), lambda: self.instance_attribute(value, name))
        if kind == SUPER:
            found, owner = self.class_member(value.definition, name, skip_first=True)
            if not found or (name == "__init__" and self.is_generated_before(value.definition, owner)):
                return UNKNOWN_VALUES
            # Where the class has subclasses, `super()` may be a sibling of its base.
            foreign = any(name not in NEUTRAL_BASES for name in self.bases(*value.definition)[2])
            route = "virtual" if foreign or self.may_be_subclass(value._replace(extra="self")) else "super"
            members = self.bind_members(found, Value(INSTANCE, *value.definition))
            # Like `cls(...)` in a class method that is called on a subclass: what it makes is of the caller's class.
            return tuple(
                [
                    one.reached("inherited").reached(route) if self.is_class_method(one) else one.reached(route)
                    for one in members
                ]
            )
        if kind == LIBRARY:
            return (value._replace(extra=f"{value.extra}.{name}"),)
        if kind == OBJECT:
            return (Value(METHOD, extra=name, origin=value.extra),)
        if kind in KNOWN_METHODS and name in KNOWN_METHODS[kind]:
            return (Value(METHOD, extra=name, origin=kind),)
        return (value,) if value == DOUBLE_VALUE else UNKNOWN_VALUES

    def is_generated_before(self, definition: Definition, owner: Definition | None) -> bool:
        """Whether a dataclass comes before the base that has a written `__init__`, with the one that it is given."""
        for one in self.lineage(definition)[0][1:]:
            if one == owner:
                return False
            if self.is_dataclass(*one):
                return True
        return False

    def instance_attribute(self, value: Value, name: str) -> Values | None:
        if "inherited" in value.via:
            return UNKNOWN_VALUES
        found, owner = self.class_member(value.definition, name)
        if found is None:
            if name.startswith("__") and name.endswith("__"):
                return UNKNOWN_VALUES
            return UNKNOWN_VALUES if self.has_dynamic_attributes(value.definition) else None
        members = self.bind_members(found, value)
        if "default" in value.via:
            members = tuple([one.reached("default") for one in members])
        if owner is not None and owner != value.definition:
            if self.is_twin(value.definition, owner):
                members = tuple([one.reached("twin") for one in members])
            if value.kind == CLASS:
                # `cls(...)` in an inherited class method makes an instance of this class, not of the one that it stands in.
                members = tuple(
                    [
                        one.reached("inherited") if value.extra != "self" or self.is_class_method(one) else one
                        for one in members
                    ]
                )
        return members

    def is_twin(self, definition: Definition, base: Definition) -> bool:
        """Whether names say that a class is the async (or sync) twin of its base, which shares its methods' annotations."""
        texts: list[str] = []
        for path, index in (definition, base):
            summary = self.table.summary(path)
            texts.append(f"{path}.{summary.scopes[index].name}".lower() if summary is not None else "")
        return any((word in texts[0]) != (word in texts[1]) for word in ("async", "aio"))

    def bind_members(self, found: Values, value: Value) -> Values:
        """Class members as seen through an instance or the class."""
        result: list[Values] = []
        for member in found:
            if member.kind == INSTANCE and member.extra != "self" and self.answers_to(member, "__get__") is not False:
                result.append(UNKNOWN_VALUES)
            elif (
                member.kind == PLAIN_KIND and value.kind == CLASS and self.library_bases(value.definition) & ENUM_BASES
            ):
                result.append((Value(INSTANCE, *value.definition, origin=value.definition, extra="declared"),))
            elif member.kind == PROPERTY:
                result.append(self.property_value(member) if value.kind != CLASS else UNKNOWN_VALUES)
            elif member.kind == FUNCTION and not member.bound and "attribute" not in member.via:
                summary = self.table.summary(member.module)
                names = self.decorator_names(summary, summary.scopes[member.scope]) if summary else ()
                is_method = summary is not None and summary.scopes[summary.scopes[member.scope].parent].kind == "class"
                if "staticmethod" in names or "staticmethod" in member.via:
                    result.append((member,))
                elif not is_method and "classmethod" not in member.via:
                    result.append((member.reached("loose"),))  # bound or not: it depends on where it was put
                elif (
                    value.kind == INSTANCE
                    or "classmethod" in names
                    or "classmethod" in member.via
                    or self.is_implicit(summary, member)
                ):
                    bound = member._replace(bound=True)
                    if value.extra == "declared":
                        bound = bound.reached("declared")
                    result.append((bound.reached("virtual") if self.may_be_subclass(value) else bound,))
                else:
                    result.append((member,))
            else:
                result.append((member,))
        return merge(result)

    def is_class_method(self, member: Value) -> bool:
        summary = self.table.summary(member.module) if member.kind == FUNCTION else None
        return summary is not None and "classmethod" in self.decorator_names(summary, summary.scopes[member.scope])

    @staticmethod
    def is_implicit(summary: Summary | None, member: Value) -> bool:
        """Whether a method is a class method without saying so."""
        name = summary.scopes[member.scope].name if summary is not None else ""
        return name in ("__init_subclass__", "__class_getitem__")

    def may_be_subclass(self, value: Value) -> bool:
        """Whether an object that is only declared to be of a class may be of a subclass in the project."""
        if "default" in value.via:
            return True
        if value.extra not in ("self", "declared"):
            return False
        summary = self.table.summary(value.module)
        return (
            summary is None
            or self.table.is_subclassed(summary.scopes[value.scope].name)
            or self.remember(("starred", value.definition), lambda: self.is_starred(value.definition))
        )

    def is_starred(self, definition: Definition) -> bool:
        """Whether a class may be in a list of bases somewhere: `class App(*commands)`."""
        for path, bases in self.table.places(STARRED):
            for value in self.infer(path, bases):
                if value.kind != CONTAINER:
                    # Nobody knows what is in it: most likely what stands near by.
                    if posixpath.dirname(path) == posixpath.dirname(definition[0]):
                        return True
                    continue
                for one in merge(list(value.extra)):
                    if one.kind not in (CLASS, LIBRARY) or one.definition == definition:
                        return True
        return False

    def property_value(self, member: Value) -> Values:
        values = self.result(member)
        return tuple([value._replace(origin=member.definition, via=("property",)) for value in values])

    # Protocol questions: True, False, or None when it can't be known.

    def answers_to(self, value: Value, dunder: str) -> bool | None:
        """Whether `value` has a special method such as `__await__` or `__aenter__`."""
        kind = value.kind
        if kind in SPECIAL:
            if kind == CLASS:
                return self.class_answers(value, dunder)
            if kind == AWAITABLE and dunder != "__await__":
                return None
            return dunder in SPECIAL[kind]
        if kind == PLAIN_KIND:
            return dunder in PLAIN_SPECIAL
        if kind == INSTANCE:
            found, _ = self.class_member(value.definition, dunder)
            if found is None:
                if "default" in value.via and dunder != "__get__":
                    return None  # what callers give may well have it
                names = self.library_bases(value.definition)
                return (
                    None
                    if any(name.startswith("builtins.") and name[9:] in BUILTIN_TYPES for name in names)
                    and dunder == "__iter__"
                    else False
                )
            if any(one.kind == NONE_KIND for one in found):
                return False
            if (
                dunder == "__await__"
                and all(one.kind == "unknown" for one in found)
                and self.has_plain_bases(value.definition)
            ):
                return False
            return None if any(one.kind == "unknown" for one in found) else True
        if kind == OBJECT:
            return self.object_answers(value.extra, dunder)
        return None

    def has_plain_bases(self, definition: Definition) -> bool:
        """Whether all bases that can't be read are well-known ones without `__await__`."""
        for path, index in self.lineage(definition)[0]:
            summary = self.table.summary(path)
            found, _, names = self.bases(path, index)
            if (
                summary is None
                or len(found) + len(names) != len(summary.scopes[index].bases)
                or summary.scopes[index].keywords
            ):
                return False
            if "__await__" in summary.scopes[index].bindings or not {*names} <= NEUTRAL_BASES | NOT_AWAITABLE:
                return False
        return True

    def class_answers(self, value: Value, dunder: str) -> bool | None:
        """A class object is iterable or a context manager only by its metaclass."""
        _, complete, names = self.bases(*value.definition)
        if dunder == "__iter__" and (
            set(names) & ENUM_BASES or not complete or self.library_bases(value.definition) & ENUM_BASES
        ):
            return None
        return False if self.lineage(value.definition)[1] else None

    def is_awaitable(self, value: Value) -> bool | None:
        return self.answers_to(value, "__await__")

    # Implemented by the other parts

    def filled(self, path: str, summary: Summary, items: list[Binding]) -> Values:
        raise NotImplementedError

    def object_answers(self, name: str, dunder: str) -> bool | None:
        raise NotImplementedError

    def expand(self, value: Value) -> Values:
        raise NotImplementedError

    def result(self, function: Value, env: Environment | None = None) -> Values:
        raise NotImplementedError

    def decorator_paths(self, path: str, scope: Scope) -> tuple[str, ...]:
        raise NotImplementedError


def linearise(sequences: list[list[Definition]]) -> list[Definition]:
    """Python's method resolution order of the bases' orders; what contradicts itself is put in anyhow."""
    order: list[Definition] = []
    sequences = [list(one) for one in sequences if one]
    while sequences:
        head = next(
            (one[0] for one in sequences if not any(one[0] in other[1:] for other in sequences)), sequences[0][0]
        )
        order.append(head)
        sequences = [rest for one in sequences if (rest := [each for each in one if each != head])]
    return order


__all__ = ["Classes", "PLAIN_VALUE"]
