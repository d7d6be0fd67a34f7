"""AG207, AG208, AG210: definitions that stand for each other and aren't called alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.infer.value import CLASS, COROUTINE, FUNCTION, UNKNOWN_KIND, Value, Values
from awaitguard.read.summary import BINDINGS, FALLBACK, KIND, KNOWN_ARMS, TRIED, Binding
from awaitguard.rules.confidence import MEANT
from awaitguard.rules.rule import Group, Rule
from awaitguard.rules.signatures import Parameters, parameters_of

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.rules.file_check import FileCheck

FAST: Final = "# file: shop/__init__.py\n# file: shop/fast.py\nasync def load(key):\n    return key\n# file: shop/core.py\ntry:\n    from shop.fast import load\nexcept ImportError:\n"
COLOUR: Final = Rule("AG207", "fallback-other-colour", "an ImportError fallback of another colour",
    "Whether callers have to await depends on what is installed: they are wrong on one kind of machine.",
    FAST + "    def load(key):\n        return {'key': key}\n", FAST + "    async def load(key):\n        return {'key': key}\n")  # fmt: skip
SIGNATURE: Final = Rule("AG208", "fallback-other-signature", "an ImportError fallback with other parameters",
    "A call that fits one of them fails with the other, depending on what is installed.",
    FAST + "    async def load(key, path):\n        return {'key': key}\n", FAST + "    async def load(key):\n        return {'key': key}\n")  # fmt: skip
BRANCHES: Final = Rule("AG210", "branches-of-two-colours", "one name, defined in two colours by the branches of an `if`",
    "Whether callers have to await depends on the machine or its settings: one of the branches breaks them.",
    "import sys\n\nif sys.platform == 'win32':\n    def load():\n        return 1\nelse:\n    async def load():\n        return 2\n",
    "import sys\n\nif sys.platform == 'win32':\n    async def load():\n        return 1\nelse:\n    async def load():\n        return 2\n")  # fmt: skip


class Fallbacks(Group):
    """Looks at names that a try block imports and its except ImportError defines, and at those that both branches of an `if` define."""

    rules = (COLOUR, SIGNATURE, BRANCHES)

    def file(self, file: FileCheck) -> Iterator[Finding]:
        yield from self.branches(file)
        blocks = file.summary.blocks
        if not any(raw[FALLBACK] for raw in blocks.raw):
            return
        for scope in file.summary.scopes:
            for name, bindings in scope.bindings.items():
                if len(bindings) < 2:
                    continue
                replaced = [one for one in bindings if blocks[one.block].fallback]
                for fallback in replaced:
                    statement = blocks[fallback.block].statement
                    for first in bindings:
                        same_try = blocks[first.block].statement == statement and blocks[first.block].arm == TRIED
                        if same_try and not blocks[first.block].fallback:
                            yield from self.compare(file, name, first, fallback)

    def branches(self, file: FileCheck) -> Iterator[Finding]:
        """Definitions of modules and classes in branches that exclude each other, where callers don't know which is there."""
        blocks = file.summary.blocks
        for index, raw in enumerate(file.summary.scopes.raw):
            if raw[KIND] not in ("module", "class"):
                continue
            for name in [name for name, given in raw[BINDINGS].items() if len(given) == 2]:
                bindings = file.summary.scopes[index].bindings[name]
                kinds = {one.kind for one in bindings}
                if "def" not in kinds or not kinds <= {"def", "from"}:
                    continue
                first, second = blocks[bindings[0].block], blocks[bindings[1].block]
                if not first.statement or first.statement != second.statement or first.arm == second.arm:
                    continue
                if min(first.arm, second.arm) < 0 or max(first.arm, second.arm) >= KNOWN_ARMS or second.fallback:
                    continue
                one, two = (file.resolver.binding(file.path, file.summary, name, each, None) for each in bindings)
                if len(one) != 1 or len(two) != 1 or {one[0].kind, two[0].kind} != {FUNCTION}:
                    continue
                colours = self.colour(file, one[0]), self.colour(file, two[0])
                if "" not in colours and colours[0] != colours[1]:
                    message = f"{name} is {colours[1]} here, but {colours[0]} in the other branch"
                    yield file.finding(BRANCHES, self.position(file, bindings[1], two[0]), message, one[0].definition)

    def compare(self, file: FileCheck, name: str, first: Binding, fallback: Binding) -> Iterator[Finding]:
        resolver = file.resolver
        one = resolver.binding(file.path, file.summary, name, first, None)
        two = resolver.binding(file.path, file.summary, name, fallback, None)
        if len(one) != 1 or len(two) != 1 or not {one[0].kind, two[0].kind} <= {FUNCTION, CLASS}:
            return
        colours = self.colour(file, one[0]), self.colour(file, two[0])
        position = self.position(file, fallback, two[0])
        if "" not in colours and colours[0] != colours[1]:
            message = f"the fallback {name} is {colours[1]}, but what it replaces is {colours[0]}"
            yield file.finding(COLOUR, position, message, one[0].definition)
            return
        left, right = parameters_of(resolver, one[0]), parameters_of(resolver, two[0])
        if one[0].kind == CLASS or two[0].kind == CLASS:
            if one[0].kind == two[0].kind:
                yield from self.compare_classes(file, one[0], two[0])
            return
        if left is None or right is None:
            return
        open_ended = left.var_positional or right.var_positional or left.var_keyword or right.var_keyword
        if not open_ended and (left.required, left.positional, left.by_keyword) != (
            right.required,
            right.positional,
            right.by_keyword,
        ):
            message = f"the fallback {name} takes {describe(right)}, but what it replaces takes {describe(left)}"
            # Other names of the same number of parameters only trouble callers that use them.
            same = sizes(left) == sizes(right)
            yield file.finding(SIGNATURE, position, message, one[0].definition, MEANT if same else 0)

    def compare_classes(self, file: FileCheck, one: Value, two: Value) -> Iterator[Finding]:
        """Methods of a fallback class that are called in another way than those of the class it stands for."""
        resolver = file.resolver
        summary = resolver.table.summary(two.module)
        if summary is None or two.module != file.path:
            return
        for name, bindings in summary.scopes[two.scope].bindings.items():
            theirs, _ = resolver.class_member(one.definition, name)
            mine, _ = resolver.class_member(two.definition, name)
            if not bindings or not theirs or not mine or [len(theirs), len(mine)] != [1, 1]:
                continue
            if {theirs[0].kind, mine[0].kind} != {FUNCTION}:
                continue
            colours = self.colour(file, theirs[0]), self.colour(file, mine[0])
            if "" not in colours and colours[0] != colours[1]:
                message = f"{summary.scopes[two.scope].name}.{name} of the fallback is {colours[1]}, but what it replaces is {colours[0]}"
                yield file.finding(COLOUR, summary.scopes[mine[0].scope].position, message, theirs[0].definition)

    def position(self, file: FileCheck, fallback: Binding, value: Value) -> int:
        if fallback.kind == "def" and value.module == file.path:
            return file.summary.scopes[value.scope].position
        found = [one.position for one in file.summary.imports if one.position >> 36 == fallback.line]
        return found[0] if found else fallback.line << 36 | fallback.line * 0 | (1 << 0)

    def colour(self, file: FileCheck, value: Value) -> str:
        if value.kind == CLASS:
            return "a plain function"  # called alike
        if file.resolver.never_returns(value):
            return ""
        made: Values = file.resolver.result(value)
        kinds = {one.kind for one in made}
        if kinds == {COROUTINE}:
            return "async"
        if UNKNOWN_KIND in kinds:
            summary = file.resolver.table.summary(value.module)
            return (
                "a plain function"
                if summary and not summary.scopes[value.scope].is_async and value.module == file.path
                else ""
            )
        return "a plain function" if all(file.resolver.is_awaitable(one) is False for one in made) else ""


def sizes(parameters: Parameters) -> tuple[int, int, int]:
    """How many parameters there are of each kind."""
    return len(parameters.required), len(parameters.positional), len(parameters.by_keyword)


def describe(parameters: Parameters) -> str:
    named = sorted(parameters.by_keyword - set(parameters.positional))
    return "(" + ", ".join([*parameters.positional, *(["*", *named] if named else [])]) + ")"
