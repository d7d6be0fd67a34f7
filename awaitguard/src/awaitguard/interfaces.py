"""Every definition and re-export of a name, with its colour, signature and callers."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from awaitguard.cache import Cache
from awaitguard.config import Config
from awaitguard.engine import no_progress, refresh
from awaitguard.finding import Cause
from awaitguard.infer.modules import Modules
from awaitguard.infer.resolver import Resolver
from awaitguard.infer.table import Table
from awaitguard.infer.value import CLASS, FUNCTION, Definition, Values
from awaitguard.read.discovery import discover
from awaitguard.read.summary import NONE, OP_CALL, OP_NAME, Site, Summary, Use, load, unpack_position
from awaitguard.rules.file_check import FileCheck
from awaitguard.work import Checker


class Place(NamedTuple):
    """A line of a file and what happens there."""

    path: str
    line: int
    what: str


class Interface(NamedTuple):
    """One definition; `exports` are the places that pass it on under some name, `callers` those that call it."""

    cause: Cause
    exports: list[Place]
    callers: list[Place]


class Interfaces(NamedTuple):
    """All definitions of a name, and the places whose definition can't be found."""

    name: str
    found: list[Interface]
    unresolved: list[Place]


def find_interfaces(config: Config, starts: Iterable[Path], name: str, jobs: int = 1) -> Interfaces:
    """Look a name up in a project, and show what of it is below the starting points.

    Raises:
        FileNotFoundError: a starting point isn't there.
    """
    asked = discover(config.root, starts, config.exclude)
    discovery = (
        asked.joined(discover(config.root, [config.root], config.exclude, wanted=False)) if config.whole else asked
    )
    with Cache(config.cache) as cache:
        known, words = refresh(cache, str(config.root), discovery.files, jobs, no_progress)
        contents = {path: file.content for path, file in known.items()}
        modules = Modules(str(config.root), contents, config.roots)
        checker = Checker(cache.path, contents, modules, words)
        table = checker.table
        last = name.rpartition(".")[2]
        search = Search(name, table)
        new, files = {last}, dict[str, Summary]()
        while new:
            one = new.pop()
            search.names.add(one)
            silent = cache.silent_about(one)
            for path, content in contents.items():
                data = checker.fetch(path) if content not in silent and path not in files else None
                if data is not None:
                    files[path] = load(data)
            # Other names under which modules pass it on lead to more files.
            for summary in files.values():
                new |= search.aliases(summary) - search.names
        for path, summary in sorted(files.items()):
            if summary.error is None:
                search.file(path, summary)
        checker.reader.close()
    return search.result(asked.paths())


class Search:
    """Collects the definitions and uses of a name, file by file."""

    def __init__(self, name: str, table: Table) -> None:
        self.name = name
        self.last = name.rpartition(".")[2]
        self.names: set[str] = set()
        self.table = table
        self.interfaces: dict[Definition, Interface] = {}
        self.unresolved: list[Place] = []

    def aliases(self, summary: Summary) -> set[str]:
        """The names that a module's top level gives to one of the names."""
        found: set[str] = set()
        for name, bindings in summary.scopes[0].bindings.items() if summary.error is None else ():
            for binding in bindings:
                if binding.kind == "from" and binding.name in self.names:
                    found.add(name)
                elif binding.kind == "value" and binding.value > NONE:
                    expr = summary.exprs[binding.value]
                    if expr[0] == OP_NAME and str(expr[1]).rpartition(".")[2] in self.names:
                        found.add(name)
        return found

    def file(self, path: str, summary: Summary) -> None:
        resolver = Resolver(self.table)
        check = FileCheck(path, summary, resolver)
        for index, scope in enumerate(summary.scopes):
            if scope.kind in ("function", "class") and scope.name == self.last:
                self.definition(check, (path, index))
        for key, bindings in summary.scopes[0].bindings.items():
            name = key.removeprefix("lazy ")
            for binding in bindings:
                if binding.kind == "from" and self.names & {name, binding.name}:
                    target = resolver.patiently(partial(resolver.binding, path, summary, name, binding, None))
                    what = f"imports {binding.name} as {name}" if binding.name != name else f"imports {name}"
                    self.place(check, target, Place(path, binding.line, what), export=True)
                elif binding.kind == "value" and name in self.names:
                    target = resolver.patiently(partial(resolver.binding, path, summary, name, binding, None))
                    self.place(check, target, Place(path, binding.line, f"assigns {name}"), export=True)
        for raw in summary.sites:
            site = Site(raw)
            expr = summary.exprs[site.expr]
            if expr[0] != OP_CALL or site.use in (Use.FORGOTTEN, Use.LOCKED):
                continue
            if check.text(expr[1]).rpartition(".")[2] in self.names or self.means_it(check, expr):
                line = unpack_position(expr[5])[0]
                how = (
                    "awaited"
                    if site.use == Use.AWAIT
                    else "scheduled"
                    if site.use == Use.SCHEDULED
                    else "called without await"
                )
                target = resolver.patiently(partial(resolver.infer, path, expr[1]))
                self.place(check, target, Place(path, line, how), export=False)

    def means_it(self, check: FileCheck, expr: Any) -> bool:
        """Whether a call under another name reaches a definition of this one."""
        function = check.expr(expr[1])
        if function[0] != OP_NAME:
            return False
        values = check.resolver.patiently(partial(check.values, expr[1]))
        return any(value.definition in self.interfaces for value in values if value.kind in (FUNCTION, CLASS))

    def definition(self, check: FileCheck, definition: Definition) -> Interface | None:
        if definition not in self.interfaces:
            cause = check.cause(definition)
            if cause is None:
                return None
            self.interfaces[definition] = Interface(cause, [], [])
        return self.interfaces[definition]

    def place(self, check: FileCheck, values: Values, place: Place, export: bool) -> None:
        found = [value for value in values if value.kind in (FUNCTION, CLASS) and not value.module.startswith("/")]
        for value in found:
            interface = self.definition(check, value.definition)
            if interface is not None:
                (interface.exports if export else interface.callers).append(place)
        if not found:
            self.unresolved.append(place)

    def result(self, shown: Container[str]) -> Interfaces:
        """What was found in the files that are to be shown; definitions elsewhere if these call or export them."""
        wanted = self.name if "." in self.name else ""
        found = [
            Interface(one.cause, within(one.exports, shown), within(one.callers, shown))
            for one in self.interfaces.values()
            if not wanted or one.cause.name.endswith(wanted)
        ]
        found = [one for one in found if one.cause.path in shown or one.exports or one.callers]
        found.sort(key=lambda one: (one.cause.path, one.cause.line))
        return Interfaces(self.name, found, sorted(set(within(self.unresolved, shown))))


def within(places: list[Place], shown: Container[str]) -> list[Place]:
    return [place for place in places if place.path in shown]
