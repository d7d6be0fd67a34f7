"""AG310: a method that the resolved class doesn't have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.infer import places
from awaitguard.infer.value import CLASS, INSTANCE, MODULE, UNKNOWN_KIND, Value, Values, is_unknown
from awaitguard.read.summary import OP_ATTR, OP_CALL, OP_GETATTR, OP_NAME, Use
from awaitguard.rules.confidence import (
    BY_SELF,
    COMPLETED,
    DECLARED,
    HANDED_OUT,
    OVERRIDABLE,
    PLACED,
    PROMISED,
    SEVERAL,
    assumed,
)
from awaitguard.rules.rule import ALWAYS, NEVER, Group, Rule

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.infer.resolver import Resolver
    from awaitguard.read.summary import Expr, Site
    from awaitguard.rules.file_check import FileCheck

OF_TYPES: Final = frozenset(dir(type))  # what every class has
HALVES: Final = (
    "Mixin",
    "Base",
    "Abstract",
    "Interface",
    "Protocol",
    "Template",
)  # classes that something else completes
OF_TEST_CASES: Final = frozenset({"fail", "subTest", "skipTest", "addCleanup", "id"})
STORE: Final = "class Store:\n    def load(self):\n        return 1\n\n"
MEMBER: Final = Rule("AG310", "missing-method", "a method that the class doesn't have",
    "The object is known to be of this class, and neither the class nor its bases have the method: it raises AttributeError.",
    STORE + "store = Store()\nstore.save()\n", STORE + "store = Store()\nstore.load()\n")  # fmt: skip


class Members(Group):
    """Looks at calls of attributes."""

    rules = (MEMBER,)
    uses = Use.ALL - {Use.FORGOTTEN, Use.LOCKED}

    only_calls = True

    def cares(self, resolver: Resolver, target: Value) -> int:
        return ALWAYS if target.kind == UNKNOWN_KIND else NEVER

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        expr = file.expr(site.expr)
        if expr[0] != OP_CALL or expr[1] < 0:
            return
        function = file.expr(expr[1])
        if not is_unknown(file.values(expr[1])):
            return
        found = self.owner(file, expr[1], function)
        if found is None:
            return
        owners, name = found
        if name.startswith("_") and "__" in name.strip("_"):
            return  # `_Handler__invoke`: how others call what the class calls `__invoke`
        if not owners or not all(self.lacks(file, owner, name) for owner in owners):
            return
        owner = owners[0]
        text = file.text(expr[1]).rpartition(".")[0]
        what = "module" if owner.kind == MODULE else "class"
        cause = file.cause(owner.definition) if owner.kind != MODULE else None
        holder = cause.name if cause else owner.module
        # An attribute of that name is set on some object, or another class in the place of this one.
        given = max(self.given(file.resolver, one, name) for one in owners)
        if given == places.SURELY:
            return
        mask = assumed(owners)
        mask |= SEVERAL if len(owners) > 1 else 0 if owner.origin == owner.definition else HANDED_OUT
        for one in owners:
            if one.extra in ("self", "declared"):
                if text == "self" and (name.startswith("assert") or name in OF_TEST_CASES):
                    return  # a mixin for test cases, whatever it is called
                # Of `self`, nobody in the project may make a subclass, and no name say that others should.
                mask |= BY_SELF if one.extra == "self" else DECLARED
                if one.extra == "self" and (text not in ("self", "cls") or any(word in holder for word in HALVES)):
                    mask |= COMPLETED
                if file.resolver.may_be_subclass(one):
                    mask |= OVERRIDABLE
                if file.resolver.is_protocol(one.definition):
                    mask |= PROMISED
        if given == places.PERHAPS:
            mask |= PLACED
        yield file.finding(
            MEMBER, expr[5], f"{text} is of {what} {holder}, which has nothing called `{name}`", owner.definition, mask
        )

    def owner(self, file: FileCheck, index: int, function: Expr) -> tuple[Values, str] | None:
        """What the attribute is looked up on, and its name."""
        if function[0] in (OP_ATTR, OP_GETATTR) and len(function) == 3:
            return file.values(function[1]), function[2]
        if function[0] == OP_NAME and "." in function[1]:
            base, _, name = function[1].rpartition(".")
            summary = file.summary
            values = file.resolver.dotted(file.path, summary, index, base, function[2])
            return values, name
        return None

    @staticmethod
    def given(resolver: Resolver, owner: Value, name: str) -> int:
        """Whether some code gives an object the attribute that its class or module lacks, or puts another class there."""
        if owner.kind == MODULE:
            return places.set_in_module(resolver, owner.module, name)
        return max(places.set_on(resolver, owner.definition, name), places.replaces_class(resolver, owner.definition))

    @staticmethod
    def is_factory(file: FileCheck, owner: Value) -> bool:
        """Whether a class has only static and class methods: what is declared to be of it is what it makes."""
        summary = file.resolver.table.summary(owner.module)
        if summary is None:
            return False
        methods = [
            file.resolver.decorator_names(summary, summary.scopes[binding.value])
            for bindings in summary.scopes[owner.scope].bindings.values()
            for binding in bindings
            if binding.kind == "def"
        ]
        return bool(methods) and all({"staticmethod", "classmethod"} & set(names) for names in methods)

    @staticmethod
    def has_metaclass(file: FileCheck, owner: Value) -> bool:
        """Whether a class has a metaclass, whose methods (`register` of ABCMeta) it has too."""
        for path, index in file.resolver.lineage(owner.definition)[0]:
            summary = file.resolver.table.summary(path)
            if summary is not None and any(key == "metaclass" for key, _ in summary.scopes[index].keywords):
                return True
        return False

    def lacks(self, file: FileCheck, owner: Value, name: str) -> bool:
        if owner.kind not in (INSTANCE, CLASS, MODULE) or owner.module.startswith("/"):
            return False
        if owner.kind == MODULE:
            return not owner.module.endswith("/") and file.resolver.attribute(owner, name) is None
        if owner.kind == CLASS and name in OF_TYPES:
            return False
        if owner.extra == "declared" and self.is_factory(file, owner):
            return False
        if owner.kind == CLASS and (
            self.has_metaclass(file, owner)
            or any(name.startswith("abc.") for name in file.resolver.library_bases(owner.definition))
        ):
            return False
        return file.resolver.attribute(owner, name) is None
