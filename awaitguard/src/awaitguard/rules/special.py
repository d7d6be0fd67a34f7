"""AG211: special methods that Python itself calls, in a colour that it doesn't expect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.infer import callers, places
from awaitguard.infer.value import FUNCTION, Definition, Value
from awaitguard.read.discovery import is_test
from awaitguard.read.summary import KIND, Flag
from awaitguard.rules.confidence import AWAITED, AWAITED_BY_NAME, IN_TEST
from awaitguard.rules.rule import Group, Rule

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.infer.resolver import Resolver
    from awaitguard.rules.file_check import FileCheck

SPECIAL: Final = Rule("AG211", "special-method-other-colour", "a special method of a colour that Python doesn't expect",
    "Python calls these methods itself: `__init__` and `__len__` without await, `__aenter__` and `__anext__` with it. In the other "
    "colour the coroutine is dropped, or TypeError is raised.",
    "class Box:\n    async def __len__(self):\n        return 1\n",
    "class Box:\n    def __len__(self):\n        return 1\n")  # fmt: skip
# What Python uses at once. Others, such as `__call__` and `__getitem__`, may give a coroutine to those who wrote the call.
AT_ONCE: Final = frozenset({"__init__", "__post_init__", "__del__", "__len__", "__bool__", "__str__", "__repr__", "__bytes__", "__format__",
    "__hash__", "__contains__", "__int__", "__float__", "__index__", "__enter__", "__exit__", "__iter__", "__next__",
    "__reversed__", "__setattr__", "__delattr__", "__setitem__", "__delitem__", "__set_name__", "__init_subclass__", "__await__",
    "__aiter__", "__fspath__", "__sizeof__", "__dir__"})  # fmt: skip
BY_AWAIT: Final = frozenset({"__aenter__", "__aexit__", "__anext__"})


class Special(Group):
    """Looks at the special methods of classes."""

    rules = (SPECIAL,)

    def file(self, file: FileCheck) -> Iterator[Finding]:
        for index, raw in enumerate(file.summary.scopes.raw):
            name: str = raw[1]
            if raw[KIND] != "function" or not (name in AT_ONCE or name in BY_AWAIT):
                continue
            scope = file.summary.scopes[index]
            if scope.decorators or file.summary.scopes[scope.parent].kind != "class":
                continue
            owner = file.summary.scopes[scope.parent].name
            # Someone awaits it in the open, and may never have Python call it.
            awaited = callers.awaited(file.resolver, (file.path, scope.parent), name)
            seen = AWAITED if awaited == places.SURELY else AWAITED_BY_NAME if awaited else 0
            if name in AT_ONCE and scope.is_async and not (name == "__aiter__" and scope.is_generator):
                if name == "__init__" and not is_made_plainly(file.resolver, (file.path, scope.parent)):
                    continue
                message = f"{owner}.{name} is async, but Python uses what it gives without await"
                yield file.finding(SPECIAL, scope.position, message, (file.path, index), seen)
            elif name in BY_AWAIT and not scope.is_async and not scope.flags & Flag.STUB:
                made = file.resolver.result(Value(FUNCTION, file.path, index, bound=True))
                if made and all(file.resolver.is_awaitable(one) is False for one in made):
                    message = f"{owner}.{name} is a plain function, but Python awaits what it gives"
                    # Tests have such classes to see the error.
                    mask = IN_TEST if is_test(file.path) else 0
                    yield file.finding(SPECIAL, scope.position, message, (file.path, index), mask)


def is_made_plainly(resolver: Resolver, definition: Definition) -> bool:
    """Whether `Class()` surely calls `__init__` as Python does: a decorator, metaclass or `__new__` may await it."""
    lineage, complete = resolver.lineage(definition)
    for path, index in lineage:
        summary = resolver.table.summary(path)
        scope = summary.scopes[index] if summary is not None else None
        if scope is None or scope.decorators or scope.keywords or "__new__" in scope.bindings:
            return False
    return complete
