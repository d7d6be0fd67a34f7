"""AG204-AG206: methods that override or implement another colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.infer import callers, places
from awaitguard.infer.value import Definition
from awaitguard.read.discovery import is_test
from awaitguard.read.summary import BASES, KIND, NONE, OP_NAME, OP_SCOPE, Flag, qualname
from awaitguard.rules.confidence import ASKED, DOUBLES, HOOK, MAY_BE_ASKED, SEEN_BY_NAME, STRANGERS, TWIN, UNSEEN
from awaitguard.rules.forms import AWAITED, FORMS, differ
from awaitguard.rules.protocols import PROTOCOL
from awaitguard.rules.rule import Group, Rule

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.rules.file_check import FileCheck

BASE: Final = "class Store:\n    async def load(self):\n        return 1\n\n"
OVERRIDE: Final = Rule("AG204", "override-other-colour", "an override of another colour",
    "Code that has the base class in mind awaits (or doesn't await) the method, and gets the other kind with this class.",
    BASE + "class Disk(Store):\n    def load(self):\n        return 2\n",
    BASE + "class Disk(Store):\n    async def load(self):\n        return 2\n")  # fmt: skip
ABSTRACT_BASE: Final = "from abc import ABC, abstractmethod\n\nclass Store(ABC):\n    @abstractmethod\n    async def load(self):\n        ...\n\n"
ABSTRACT: Final = Rule("AG205", "abstract-other-colour", "an abstract method implemented in another colour",
    "The abstract class promises that the method is (or isn't) awaited; this implementation breaks the promise.",
    ABSTRACT_BASE + "class Disk(Store):\n    def load(self):\n        return 2\n",
    ABSTRACT_BASE + "class Disk(Store):\n    async def load(self):\n        return 2\n")  # fmt: skip
# Methods that frameworks find by name and call in whatever colour they have.
HOOKS: Final = ("on_", "action_")
# Handlers of requests, which web frameworks call so too.
VERBS: Final = frozenset({"get", "post", "put", "delete", "patch", "head", "options", "prepare"})
# Words in a class's path or name that say that it is the twin of another colour.
TWINS: Final = ("async", "sync", "aio", "asgi", "wsgi", "blocking", "trio")


class Overrides(Group):
    """Looks at classes with bases."""

    rules = (OVERRIDE, ABSTRACT)

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

    def method(self, file: FileCheck, index: int, name: str) -> Iterator[Finding]:
        definition = (file.path, index)
        if self.is_alike(file, definition, name):
            return
        own = file.resolver.own_member(file.path, file.summary, index, name)
        base, owner = file.resolver.class_member(definition, name, skip_first=True)
        if not own or not base or owner is None or len(own) != 1 or len(base) != 1:
            return
        verdict = differ(file, own[0], base[0])
        if not verdict:
            return
        mine, other, mask = verdict
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
        asked = places.asks_colour(file.resolver, definition, name)
        seen = self.seen(file, definition, name, FORMS[mine], FORMS[other])
        # An abstract async method says itself how it is called, and some code does so without asking.
        promised = rule is ABSTRACT and FORMS[other] == AWAITED and seen
        if asked:
            mask |= ASKED if asked == places.SURELY and not promised else MAY_BE_ASKED
        if seen != places.SURELY:
            mask |= SEEN_BY_NAME if seen else UNSEEN
        holder = file.cause(owner)
        handles = name in VERBS and not file.resolver.lineage(definition)[1]
        if handles or name.lstrip("_").startswith(HOOKS):
            mask |= HOOK
        if self.is_twin(file, index, owner):
            mask |= TWIN
        if is_test(file.path) and is_test(owner[0]):
            mask |= DOUBLES  # which their test knows
        message = f"{file.summary.scopes[index].name}.{name} is {mine}, but {holder.name if holder else 'its base'}.{name} is {other}"
        yield file.finding(rule, position, message, base[0].definition, mask)

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
                    verdict = differ(file, mine[0], theirs[0])
                    holders = file.cause(owner), file.cause(other)
                    if mine[0].module == first[0] and summary.scopes[mine[0].scope].flags & Flag.STUB:
                        continue  # the mixin only says what it needs
                    if verdict and holders[0] and holders[1] and not name.lstrip("_").startswith(HOOKS):
                        message = (
                            f"{scope.name}.{name} is {holders[0].name}'s, {verdict[0]}, "
                            f"and takes the place of {holders[1].name}'s, {verdict[1]}"
                        )
                        mask = verdict[2] | STRANGERS
                        yield file.finding(OVERRIDE, scope.position, message, theirs[0].definition, mask)

    @staticmethod
    def seen(file: FileCheck, definition: Definition, name: str, mine: str, other: str) -> int:
        """Whether some code calls the method of this class, or of one above or below it, as the base wants it.

        Without such a caller the other colour hurts nobody that is seen: it may be called through something that asks.
        """
        awaited = callers.awaited(file.resolver, definition, name)
        if other == AWAITED:
            return awaited
        if mine != AWAITED:
            return places.SURELY
        plainly = callers.called_plainly(file.resolver, definition, name)
        # Where the same objects are awaited too, either colour is known.
        return plainly if not awaited or plainly > awaited else places.NONE

    def is_twin(self, file: FileCheck, index: int, base: Definition) -> bool:
        """Whether class or path say that this class is the other colour's twin of its base on purpose."""
        summary = file.resolver.table.summary(base[0])
        other = f"{base[0]}.{qualname(summary, base[1])}".lower() if summary else ""
        own = f"{file.path}.{qualname(file.summary, index)}".lower()
        words = any((word in own) != (word in other) for word in TWINS)
        # `SyncStore` and `AsyncStore` both have the word "sync" in them.
        return words or ("sync" in own.replace("async", "")) != ("sync" in other.replace("async", ""))
