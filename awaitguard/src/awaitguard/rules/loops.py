"""AG151-AG153: a running loop is asked to run another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from awaitguard.infer.trail import CALLS
from awaitguard.infer.value import CLASS, FUNCTION, INSTANCE, LIBRARY, METHOD, PROPERTY, Definition, Value
from awaitguard.read.contracts import RUNNERS
from awaitguard.read.discovery import is_test
from awaitguard.read.library import LOOP
from awaitguard.read.summary import NONE, OP_ATTR, OP_CALL, OP_METHOD, OP_NAME, TRIED, Flag, Summary, Use, qualname
from awaitguard.rules.confidence import BARE, CONDITION, CONDITIONS, IN_TEST, assumed
from awaitguard.rules.rule import ALWAYS, NEVER, Group, Rule

if TYPE_CHECKING:
    from awaitguard.finding import Finding
    from awaitguard.infer.resolver import Resolver
    from awaitguard.read.summary import Site
    from awaitguard.rules.file_check import FileCheck

LOAD: Final = "import asyncio\n\nasync def load():\n    return 1\n\n"
RUN: Final = Rule("AG151", "asyncio-run-in-loop", "asyncio.run inside a running loop",
    "Code in an async function runs inside a loop already: asyncio.run raises RuntimeError there.",
    LOAD + "async def main():\n    return asyncio.run(load())\n", LOAD + "async def main():\n    return await load()\n")  # fmt: skip
UNTIL: Final = Rule("AG152", "run-until-complete-in-loop", "run_until_complete inside a running loop",
    "A loop that runs can't be asked to run again: it raises RuntimeError.",
    LOAD + "async def main():\n    loop = asyncio.get_event_loop()\n    return loop.run_until_complete(load())\n",
    LOAD + "async def main():\n    return await load()\n")  # fmt: skip
THROUGH: Final = Rule("AG153", "loop-run-through-call", "an async function calls a plain one that starts a loop",
    "The plain function works from sync code, and raises RuntimeError when it is called inside a running loop.",
    LOAD + "def load_now():\n    return asyncio.run(load())\n\nasync def main():\n    return load_now()\n",
    LOAD + "def load_now():\n    return asyncio.run(load())\n\nasync def main():\n    return await asyncio.to_thread(load_now)\n")  # fmt: skip
DEPTH: Final = 5
RUNNING: Final = (".run_until_complete", ".run_forever")


def nests(summary: Summary) -> bool:
    """Whether a module has loops run inside loops, as nest_asyncio allows."""
    return any(one.module.startswith("nest_asyncio") for one in summary.imports)


def doubtful(file: FileCheck, doubts: int) -> int:
    """What is assumed: each `if` on the way makes it less likely that a call gets there, in a test above all."""
    if not doubts:
        return 0
    return (CONDITION if doubts == 1 else CONDITIONS) | (IN_TEST if is_test(file.path) else 0)


class LoopProperties(Group):
    """Looks at reads of properties that may start a loop."""

    rules = (THROUGH,)
    uses = frozenset({Use.READ})
    in_coroutines = True

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        scope, expr = file.summary.scopes[site.scope], file.expr(site.expr)
        base, _, name = str(expr[1]).rpartition(".")
        if scope.flags & Flag.ASKS_LOOP:
            return
        if expr[0] == OP_ATTR:
            owners, name = file.values(expr[1]), str(expr[2])
        else:
            owners = file.resolver.dotted(file.path, file.summary, site.expr, base, expr[2]) if base else ()
        for owner in owners[:1]:
            found, _ = file.resolver.class_member(owner.definition, name) if owner.kind == INSTANCE else ((), None)
            for member in found or ():
                chain, doubts = Loops().chain(file, member, 0, set()) if member.kind == PROPERTY else ([], 0)
                if chain:
                    message = f"{file.text(site.expr)} starts an event loop ({' -> '.join(chain)}), but a loop runs here already"
                    yield file.finding(
                        THROUGH, site.position, message, member.definition, assumed([member]) | doubtful(file, doubts)
                    )


class Loops(Group):
    """Looks at calls in async functions."""

    rules = (RUN, UNTIL, THROUGH)
    uses = Use.ALL - {Use.FORGOTTEN, Use.LOCKED}

    only_calls = True
    in_coroutines = True

    def cares(self, resolver: Resolver, target: Value) -> int:
        if target.kind in (LIBRARY, METHOD):
            return ALWAYS if target.extra in RUNNERS or runs_loop(resolver, target) else NEVER
        return ALWAYS if target.kind in (FUNCTION, CLASS) else NEVER

    def site(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        for finding in self.look(file, site):
            if not nests(file.summary):
                yield finding

    def look(self, file: FileCheck, site: Site) -> Iterator[Finding]:
        scope = file.summary.scopes[site.scope]
        if not scope.flags & Flag.ASYNC or scope.flags & Flag.ASKS_LOOP:
            return
        expr = file.expr(site.expr)
        if expr[0] != OP_CALL:
            return
        function = file.expr(expr[1])
        if function[0] == OP_METHOD:
            if function[1] == "run_until_complete":
                message = f"{file.text(site.expr)} runs inside a loop that runs already"
                yield file.finding(UNTIL, site.position, message, assumed=BARE)
            return
        for target in file.values(expr[1])[:1]:
            if target.kind == LIBRARY and target.extra in RUNNERS:
                message = f"{file.text(site.expr)} is called inside an async function, where a loop runs already: await instead"
                yield file.finding(RUN, site.position, message)
            elif runs_loop(file.resolver, target):
                message = f"{file.text(site.expr)} runs inside a loop that runs already"
                yield file.finding(UNTIL, site.position, message, assumed=assumed([target]))
            elif (
                site.use != Use.AWAIT
                and target.kind in (FUNCTION, CLASS)
                and not target.module.startswith("/")
                and "wrapped" not in target.via
            ):
                chain, doubts = file.resolver.remember(
                    ("loop chain", target), partial(self.chain, file, target, 0, set())
                )
                entered = entered_by(file.resolver, site.use, target) if not chain else None
                if entered is not None:
                    chain, doubts = self.chain(file, entered, 0, set())
                if chain:
                    message = f"{file.text(site.expr)} starts an event loop ({' -> '.join(chain)}), but a loop runs here already"
                    yield file.finding(
                        THROUGH, site.position, message, target.definition, assumed([target]) | doubtful(file, doubts)
                    )

    def chain(self, file: FileCheck, target: Value, depth: int, seen: set[Definition]) -> tuple[list[str], int]:
        """The calls by which a plain function comes to start a loop, and how many conditions stand before them.

        The list is empty if it doesn't start one.
        """
        definition = target.definition
        if target.kind == CLASS:
            members, _ = file.resolver.class_member(definition, "__init__")
            if not members or len(members) != 1 or members[0].kind != FUNCTION:
                return [], 0
            definition = members[0].definition
        if depth > DEPTH or definition in seen:
            return [], 0
        seen.add(definition)
        resolver = file.resolver
        resolver.table.trail.note(definition[0] + CALLS)
        summary = resolver.table.summary(definition[0])
        if summary is None or nests(summary):
            return [], 0
        scope = summary.scopes[definition[1]]
        if scope.flags & (Flag.ASYNC | Flag.GENERATOR | Flag.ASKS_LOOP):
            return [], 0
        name = qualname(summary, definition[1])
        found: list[tuple[list[str], int]] = []
        for call in scope.calls:
            # What gives something before it gets there may have started the loop long ago.
            before = any(NONE < returned < call for returned in scope.returns)
            doubts = conditions(summary, call) or int(before)
            function = summary.exprs[summary.exprs[call][1]]
            if function[0] == OP_METHOD:
                if function[1] == "run_until_complete":
                    found.append(([name, "run_until_complete"], doubts))
                continue
            if not (scope.flags & Flag.RUNS_LOOP) and function[0] != OP_NAME:
                continue
            if function[0] == OP_NAME and function[2] >= 0 and summary.blocks[function[2]].loops:
                continue  # it may run no time at all
            for target in resolver.infer(definition[0], summary.exprs[call][1])[:1]:
                if target.kind == LIBRARY and target.extra in RUNNERS:
                    found.append(([name, str(target.extra)], doubts))
                elif runs_loop(resolver, target):
                    found.append(([name, "run_until_complete"], doubts))
                elif (
                    target.kind in (FUNCTION, CLASS)
                    and not target.module.startswith("/")
                    and "wrapped" not in target.via
                ):
                    if asks_loop(resolver, target):
                        return [], 0
                    rest, more = self.chain(file, target, depth + 1, seen)
                    if rest:
                        found.append(([name, *rest], doubts + more))
        return min(found, key=itemgetter(1)) if found else ([], 0)


def entered_by(resolver: Resolver, use: int, target: Value) -> Value | None:
    """The method that `with Class()` or `for x in Class()` calls."""
    name = "__enter__" if use == Use.WITH else "__iter__" if use == Use.ITERATE else ""
    members, _ = resolver.class_member(target.definition, name) if name and target.kind == CLASS else (None, None)
    return members[0] if members and len(members) == 1 and members[0].kind == FUNCTION else None


def asks_loop(resolver: Resolver, target: Value) -> bool:
    """Whether a function tells its caller that a loop is running (`is_inside_event_loop()`)."""
    summary = resolver.table.summary(target.module) if target.kind == FUNCTION else None
    flags = summary.scopes[target.scope].flags if summary is not None else 0
    return bool(flags & Flag.ASKS_LOOP) and not flags & Flag.RUNS_LOOP


def conditions(summary: Summary, call: int) -> int:
    """In how many arms of an `if`, `match` or `except` of its function a call stands."""
    block = block_of(summary, call, 0)
    count = 0
    while block >= 0:
        entry = summary.blocks[block]
        if entry.parent >= 0 and summary.blocks[entry.parent].scope != entry.scope:
            break
        count += entry.exclusive and entry.arm != TRIED
        block = entry.parent
    return count


def block_of(summary: Summary, index: int, depth: int) -> int:
    """The block in which an expression stands, by a name in it; -1 if there is none."""
    expr = summary.exprs[index] if index > NONE else ()
    if not expr or depth > DEPTH:
        return -1
    if expr[0] == OP_NAME:
        return max(expr[2], -1)
    parts = [expr[1], *expr[2]] if expr[0] == OP_CALL else expr[1:2]
    return max((block_of(summary, one, depth + 1) for one in parts if isinstance(one, int)), default=-1)


def runs_loop(resolver: Resolver, target: Value) -> bool:
    """Whether a call is one of a loop's (or runner's) own that run it."""
    if target.kind == LIBRARY:
        return str(target.extra).endswith(RUNNING)
    if target.kind == METHOD:
        receiver = target.via[0] if target.via else ""
        return (
            target.extra == "run_until_complete"
            or (target.extra == "run" and target.origin == "asyncio.Runner")
            or (target.extra == "run_forever" and target.origin == LOOP)
            or (target.extra == "run_forever" and receiver.rpartition(".")[2].strip("_").endswith("loop"))
        )
    if target.kind == FUNCTION and "asyncio" in target.module and target.module.startswith("/"):
        summary = resolver.table.summary(target.module)
        return summary is not None and summary.scopes[target.scope].name in ("run_until_complete", "run_forever")
    return False
