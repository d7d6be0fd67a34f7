"""Follow names: scopes, bindings that reach a use, imports and re-exports."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar, cast

from awaitguard.infer.modules import STANDARD_LIBRARY, Modules
from awaitguard.infer.table import Table
from awaitguard.infer.trail import NOTHING, Names
from awaitguard.infer.value import (
    CLASS,
    CONTAINER,
    FUNCTION,
    INSTANCE,
    LIBRARY,
    MAPPING,
    MODULE,
    UNKNOWN_VALUE,
    UNKNOWN_VALUES,
    Environment,
    Value,
    Values,
    merge,
)
from awaitguard.read.summary import OP_DEFAULT, Binding, Block, Flag, Lazy, Scope, Summary

LATE: Final = 1 << 60


REMEMBERED: Final = 60_000  # results that are kept across files
NESTED: Final = 60  # questions inside questions: what lies deeper is answered by itself first
DEFERRED: Final = 2000  # questions that are put before others while one file is checked
FRAMES: Final = 5000  # calls inside calls that these take at most
Answer = TypeVar("Answer")


class TooDeepError(Exception):
    """A question lies so far below others that it has to be answered before them."""

    def __init__(self, question: Callable[[], object]) -> None:
        super().__init__("too deep")
        self.question = question


class Lookup:
    """The part of the resolver that knows about names, and how questions are asked.

    A *question* is one that can be kept: it names all that its answer hangs on but the files and words on the trail. It
    is answered as if nobody else had asked anything before: what is around it, or is known already, neither shortens nor
    lengthens the way to its answer. So findings don't depend on the order of files.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.modules: Modules = table.modules
        # What expressions and names stand for, with the files that it depends on.
        self.memo: dict[object, tuple[Values, Names]] = {}
        # The same for answers that were cut short: they hold only while the current file is checked.
        self.fleeting: dict[object, tuple[Values, Names]] = {}
        # Which module or class a name belongs to, by path, scope and name.
        self.holders: dict[tuple[str, int, str], int | None] = {}
        self.remembered: dict[object, tuple[object, Names]] = {}
        self.imported_modules: dict[tuple[str, str, int], tuple[str | None, Names]] = {}
        # The questions that are being answered, and those among them that were too deep once.
        self.active: set[object] = set()
        self.nested: int = 0
        self.deferred: set[object] = set()
        # The same of evaluations for one call's arguments; they belong to the innermost question, as do depth and steps.
        self.going_on: set[object] = set()
        self.depth: int = 0
        self.steps: int = 0
        self.thorough = False
        # How often a cycle or the depth limit cut an answer short: such answers hold only where they were asked for.
        self.cuts: int = 0

    def forget(self) -> None:
        """Begin with another file."""
        self.fleeting.clear()
        self.deferred.clear()
        if len(self.memo) > REMEMBERED:
            self.memo.clear()
            self.holders.clear()
            self.table.trail.forget()
        if len(self.remembered) > REMEMBERED:
            self.remembered.clear()

    def remember(self, key: object, work: Callable[[], Answer]) -> Answer:
        """The answer to a question about a whole file or definition, kept with all that it depends on."""
        found = self.remembered.get(key)
        trail = self.table.trail
        if found is not None:
            trail.add(found[1])
            return cast("Answer", found[0])
        if self.nested >= NESTED:
            self.defer(key, partial(self.remember, key, work))
        cuts = self.cuts
        around = self.begin()
        outer, inner = trail.begin(), NOTHING
        try:
            answer = work()
        finally:
            inner = trail.end(outer)
            self.end(around)
        if self.cuts == cuts:
            self.remembered[key] = (answer, inner)
        return answer

    # Questions in questions

    def begin(self) -> tuple[set[object], int, int, bool]:
        """Begin a question; gives what `end` wants back of the one around it."""
        around = self.going_on, self.depth, self.steps, self.thorough
        self.going_on, self.depth, self.steps, self.thorough = set(), 0, 0, False
        self.nested += 1
        return around

    def end(self, around: tuple[set[object], int, int, bool]) -> None:
        self.nested -= 1
        self.going_on, self.depth, self.steps, self.thorough = around

    def defer(self, key: object, question: Callable[[], object]) -> None:
        """Have a question that lies too deep answered before those around it. One that is no better off then goes on.

        Raises:
            TooDeepError: what `patiently` waits for.
        """
        if key not in self.deferred and len(self.deferred) < DEFERRED:
            self.deferred.add(key)
            raise TooDeepError(question)

    def patiently(self, work: Callable[[], Answer]) -> Answer:
        """Do work that asks questions. What turns out to lie too deep is answered first; then the work is done again.

        However long a chain of definitions is, the stack stays short.
        """
        waiting: list[Callable[[], object]] = []
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, FRAMES))
        try:
            while True:
                try:
                    if not waiting:
                        return work()
                    waiting[-1]()
                    waiting.pop()
                except TooDeepError as deep:
                    waiting.append(deep.question)
        finally:
            sys.setrecursionlimit(limit)

    # Names in scopes

    def name(self, path: str, summary: Summary, name: str, block: int, at: int, env: Environment | None) -> Values:
        """What a bare name means in `block`; a negative block means an annotation, which sees whole scopes."""
        late = block < 0
        if late:
            block, at = ~block, LATE
        index = summary.scope_of(block)
        own = True
        while index >= 0:
            scope = summary.scopes[index]
            if own or scope.kind != "class":
                bindings = scope.bindings.get(name)
                if bindings is not None or (scope.params and any(param.name == name for param in scope.params)):
                    if bindings is not None and not bindings:
                        return UNKNOWN_VALUES
                    return self.local(path, summary, index, name, bindings or [], block, at, own, env)
            if (own and scope.kind != "class") or own:
                own = False
            block, at = scope.block, LATE
            index = scope.parent
        starred = self.starred(path, summary, name)
        if starred is not None:
            return starred
        return (Value(LIBRARY, extra="builtins." + name),)

    def local(
        self, path: str, summary: Summary, index: int, name: str, bindings: list[Binding], block: int, at: int, own: bool,
        env: Environment | None,
    ) -> Values:  # fmt: skip
        scope = summary.scopes[index]
        use_block = block if own else scope.body
        reaching, certain = reaching_bindings(summary.blocks, bindings, use_block, at if own else LATE)
        groups = [self.binding(path, summary, name, one, env) for one in reaching]
        stands_in = reaching and all(
            one.kind == "value" and summary.exprs[one.value][0] == OP_DEFAULT for one in reaching
        )
        if not certain and not stands_in and any(param.name == name for param in scope.params):
            groups.append(self.parameter(path, summary, index, name, env))
        if not groups:
            return UNKNOWN_VALUES
        values = merge(groups)
        if len(groups) > 1 and len({one.kind for one in reaching}) >= 1 and len(values) > 1:
            values = tuple([value.reached("conditional") for value in values])
        return values

    def binding(self, path: str, summary: Summary, name: str, binding: Binding, env: Environment | None) -> Values:
        """What one binding gives its name."""
        kind = binding.kind
        if kind == "def":
            return self.function_value(path, summary, binding.value, env)
        if kind == "class":
            return (Value(CLASS, path, binding.value),)
        if kind == "value":
            values = self.infer(path, binding.value, env)
            if any(value.kind in (FUNCTION, CLASS) for value in values) and summary.exprs[binding.value][0] in "n.":
                return tuple([value.reached("alias") if value.kind in (FUNCTION, CLASS) else value for value in values])
            return values
        if kind == "narrowed":
            return self.annotated(path, binding.value, env)
        if kind == "import":
            return self.module_values(binding.value, path)
        if kind == "from":
            values = self.imported(path, binding)
            if binding.name != name:
                values = tuple([value.reached("alias") for value in values])
            return values
        return UNKNOWN_VALUES

    def parameter(self, path: str, summary: Summary, index: int, name: str, env: Environment | None) -> Values:
        """What a parameter can be: what the environment says, self, or an instance of its annotation."""
        if env is not None:
            given = env.get((path, index, name))
            if given is not None:
                return given
        scope = summary.scopes[index]
        number = next((number for number, one in enumerate(scope.params) if one.name == name), None)
        if number is None:
            return UNKNOWN_VALUES
        param = scope.params[number]
        parent = summary.scopes[scope.parent] if scope.parent >= 0 else None
        if (
            number == 0
            and param.kind in "op"
            and parent is not None
            and parent.kind == "class"
            and scope.kind == "function"
        ):
            names = self.decorator_names(summary, scope)
            if "staticmethod" not in names:
                is_class = "classmethod" in names or scope.name in ("__new__", "__init_subclass__", "__class_getitem__")
                return (Value(CLASS if is_class else INSTANCE, path, scope.parent, extra="self"),)
        if number == 0 and param.name == "self" and scope.decorators:
            return UNKNOWN_VALUES  # a function that a decorator makes a method of something else
        if param.annotation >= 0 and param.kind not in "vw":
            return self.annotated(path, param.annotation, env)
        if param.default >= 0:
            return self.by_default(path, param.default)
        return self.by_fixture(path, index, name) if scope.name.startswith("test") else UNKNOWN_VALUES

    # Modules

    def module_values(self, dotted: str, importer: str) -> Values:
        """The module of an absolute import."""
        found = self.modules.find(dotted, importer) if not importer.startswith("/") else None
        if found and found != importer and not self.is_shadowed(dotted, found, importer):
            return (Value(MODULE, found, extra=dotted),)
        root = dotted.partition(".")[0]
        directory = self.modules.directory_of(dotted) if root not in STANDARD_LIBRARY else None
        if directory is not None and not self.modules.is_hidden(root, importer):
            return (Value(MODULE, directory, extra=dotted),)
        return (Value(LIBRARY, extra=dotted),)

    def imported_module(self, path: str, module: str, level: int) -> str | None:
        """The file that `from module import ...` reads from, if it is in the project or beside an outside file."""
        key = (path, module, level)
        found = self.imported_modules.get(key)
        trail = self.table.trail
        if found is None:
            if len(self.imported_modules) > REMEMBERED:
                self.imported_modules.clear()
            outer = trail.begin()
            target = self.find_imported_module(path, module, level)
            self.imported_modules[key] = (target, trail.end(outer))
            return target
        trail.add(found[1])
        return found[0]

    def is_shadowed(self, module: str, found: str, importer: str) -> bool:
        """Whether the standard library's module of that name is meant, not a file of the project that has it too."""
        if module.partition(".")[0] not in STANDARD_LIBRARY:
            return False
        directory = posixpath.dirname(importer)
        return not (
            self.modules.is_regular(module.partition(".")[0])
            or (posixpath.dirname(found) == directory and not self.modules.is_packaged(directory))
        )

    def find_imported_module(self, path: str, module: str, level: int) -> str | None:
        if level:
            return self.modules.relative(path, level, module)
        if path.startswith("/"):
            return self.modules.find_outside(module)
        found = self.modules.find(module, path)
        if found is not None and self.is_shadowed(module, found, path):
            return None
        if found == path and module.partition(".")[0] in STANDARD_LIBRARY:
            return None
        if found is None and module.partition(".")[0] not in STANDARD_LIBRARY:
            return None if self.modules.is_hidden(module, path) else self.modules.directory_of(module)
        return found

    def imported(self, path: str, binding: Binding) -> Values:
        """What `from module import name` gives."""
        module: str = binding.value
        if not binding.level and path.startswith("/"):
            return (Value(LIBRARY, extra=f"{module}.{binding.name}"),)
        target = self.imported_module(path, module, binding.level)
        if target is None:
            return UNKNOWN_VALUES if binding.level else (Value(LIBRARY, extra=f"{module}.{binding.name}"),)
        if target == path:
            # `from . import users` in a package's own `__init__.py` brings the module; the name itself leads in a circle.
            submodule = self.modules.submodule(path, binding.name)
            if submodule:
                return (Value(MODULE, submodule),)
        found = self.member(target, binding.name)
        return UNKNOWN_VALUES if found is None else found

    def member(self, path: str, name: str) -> Values | None:
        """A name of a module as others see it; None when the module surely doesn't have it."""
        key = ("member", path, name)
        if key in self.active or (self.nested >= NESTED and key in self.deferred and key not in self.remembered):
            self.cuts += 1
            return UNKNOWN_VALUES
        self.active.add(key)
        try:
            return self.remember(key, lambda: self.find_member(path, name))
        finally:
            self.active.discard(key)

    def find_member(self, path: str, name: str) -> Values | None:
        summary = self.table.summary(path)
        if summary is not None:
            scope = summary.scopes[0]
            bindings = scope.bindings.get(name)
            if bindings:
                values = self.local(path, summary, 0, name, bindings, scope.body, LATE, own=False, env=None)
                if name + "[]" in scope.bindings:
                    # More is put into it later, which only its own module can follow.
                    values = tuple([UNKNOWN_VALUE if one.kind in (MAPPING, CONTAINER) else one for one in values])
                if any(one.kind == "from" for one in bindings):
                    values = tuple([value.reached("reexport") for value in values])
                return values
            starred = self.starred(path, summary, name)
            submodule = self.modules.submodule(path, name)
            # A module that a star brings along doesn't take the place of the package's own one of that name.
            if starred is not None and not (submodule and all(value.kind == MODULE for value in starred)):
                return tuple([value.reached("reexport") for value in starred])
            lazy: list[Binding] | None = scope.bindings.get("lazy " + name)
            if lazy:  # in a table beside the module's `__getattr__`
                return tuple([value.reached("reexport") for value in self.imported(path, lazy[0])])
        submodule = self.modules.submodule(path, name)
        if submodule:
            return (Value(MODULE, submodule),)
        if name in ("__file__", "__name__", "__doc__", "__path__", "__dict__", "__all__", "__spec__", "__loader__",
                    "__package__", "__version__", "__builtins__", "__annotations__", "__debug__"):  # fmt: skip
            return UNKNOWN_VALUES
        if summary is None:
            return None if path.endswith("/") else UNKNOWN_VALUES
        scope = summary.scopes[0]
        if "__getattr__" in scope.bindings:
            return self.lazy_member(path, summary, scope.bindings["__getattr__"][-1], name)
        return UNKNOWN_VALUES if scope.flags & Flag.OWN_NAMESPACE else None

    def lazy_member(self, path: str, summary: Summary, getter: Binding, name: str) -> Values:
        """A name that the module's `__getattr__` imports when it is asked for."""
        if getter.kind != "def":
            return UNKNOWN_VALUES
        found: list[Binding] = summary.scopes[getter.value].bindings.get(name) or []
        if len(found) != 1 or found[0].kind != "from" or found[0].name != name:
            return UNKNOWN_VALUES
        return tuple([value.reached("reexport") for value in self.imported(path, found[0])])

    def starred(self, path: str, summary: Summary, name: str) -> Values | None:
        """A name that comes by `from module import *`; unknown if it may come from a module that can't be read."""
        unsure = False
        for module, level, _block in reversed(summary.scopes[0].stars):
            target = self.imported_module(path, module, level)
            if target is None:
                target = self.modules.find_outside(module) if not level else None
                if target is None:
                    unsure = True
                    continue
            if target == path:
                continue
            exported = self.exported(target)
            if exported is not None and name not in exported:
                continue
            if exported is None and name.startswith("_"):
                unsure = True
            found = self.member(target, name)
            if found is not None:
                return found
        return UNKNOWN_VALUES if unsure else None

    def exported(self, path: str) -> tuple[str, ...] | None:
        """The names in a module's `__all__`, if it is a plain list."""
        summary = self.table.summary(path)
        bindings = summary.scopes[0].bindings.get("__all__") if summary is not None else None
        return bindings[0].value if bindings and len(bindings) == 1 and bindings[0].kind == "all" else None

    # Implemented by the other parts

    def infer(self, path: str, index: int, env: Environment | None = None) -> Values:
        raise NotImplementedError

    def function_value(self, path: str, summary: Summary, index: int, env: Environment | None) -> Values:
        raise NotImplementedError

    def annotated(self, path: str, index: int, env: Environment | None = None) -> Values:
        raise NotImplementedError

    def by_default(self, path: str, index: int) -> Values:
        raise NotImplementedError

    def by_fixture(self, path: str, index: int, name: str) -> Values:
        raise NotImplementedError

    def decorator_names(self, summary: Summary, scope: Scope) -> tuple[str, ...]:
        raise NotImplementedError


def reaching_bindings(blocks: Lazy[Block], bindings: list[Binding], block: int, at: int) -> tuple[list[Binding], bool]:
    """The bindings that may be in force at a use, and whether one of them is always in force.

    A binding that always runs before the use hides all before it. One in a branch that excludes the use's own, or in
    a branch that leaves the function, doesn't reach it. Later bindings count only inside a common loop.
    """
    if len(bindings) == 1 and (at == LATE or bindings[0].block == 0) and bindings[0].kind != "narrowed":
        return bindings, True
    above: set[int] = set()
    arms: dict[int, int] = {}
    current = block
    while current >= 0:
        above.add(current)
        current, _, statement, arm, *_ = blocks.raw[current]
        if statement:
            arms[statement] = arm
    in_loop = blocks[block].loops
    found: list[Binding] = []
    certain = False
    for binding in bindings:
        dominates = binding.block in above
        if binding.at > at:
            if (
                in_loop
                and binding.kind != "narrowed"
                and blocks[binding.block].loops
                and (dominates or not excluded(blocks, binding.block, above, arms))
            ):
                found.append(binding)
            continue
        if dominates:
            found = [binding]
            certain = True
        elif binding.kind == "narrowed":
            continue
        elif not excluded(blocks, binding.block, above, arms):
            found.append(binding)
    return found, certain


def excluded(blocks: Lazy[Block], block: int, above: set[int], arms: dict[int, int]) -> bool:
    while block >= 0 and block not in above:
        entry = blocks[block]
        if entry.leaves:
            return True
        if entry.exclusive and arms.get(entry.statement, entry.arm) != entry.arm:
            return True
        block = entry.parent
    return False


__all__ = ["LATE", "UNKNOWN_VALUE", "Lookup", "reaching_bindings"]
