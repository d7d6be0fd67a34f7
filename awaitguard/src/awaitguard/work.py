"""The two kinds of work that processes share: summarising files, and checking them."""

from __future__ import annotations

import gc
import marshal
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context
from typing import Any, TypeVar

from awaitguard.cache import Reader, digest
from awaitguard.check import check_file
from awaitguard.finding import Finding, Step
from awaitguard.infer.modules import Modules
from awaitguard.infer.resolver import Resolver
from awaitguard.infer.table import Table
from awaitguard.infer.words import Words
from awaitguard.read.forms import same_views
from awaitguard.read.source import UnreadableSourceError, summarise, unreadable
from awaitguard.read.summary import load
from awaitguard.rules.evidence import all_evidence
from awaitguard.rules.facts import file_facts

MOST_PROVED = 1000  # findings whose evidence is worked out, in the order of files
Task = TypeVar("Task")
Result = TypeVar("Result")

# Path, digest of the source; digest of the summary, the summary and its words; which views are as before. Without summary
# the source is as before.
Summarised = tuple[str, bytes, bytes, bytes | None, str, tuple[bool, ...]]
Checked = tuple[str, tuple[str, ...] | None, bytes]  # path, what it depends on, outcome; None: it isn't to be kept


def summarise_files(task: tuple[str, str, Sequence[tuple[str, bytes | None]]]) -> list[Summarised]:
    """Summarise some files of a root; those whose source has the digest that is given for them are only confirmed."""
    root, cache, files = task
    reader = Reader(cache)
    done: list[Summarised] = []
    for path, known in files:
        try:
            with open(os.path.join(root, path), "rb") as file:
                data = file.read()
        except OSError as error:
            summary = unreadable(UnreadableSourceError(1, 0, f"can't be read: {error.strerror or error}"))
            done.append((path, digest(summary), digest(summary), summary, "", ()))
            continue
        content = digest(data)
        if content == known:
            done.append((path, content, b"", None, "", ()))
            continue
        # It may have been moved, or be as it was some time ago.
        summary, words = reader.summary(content) or summarise(data)
        before = reader.summary(known) if known else None
        done.append((path, content, digest(summary), summary, words, same_views(before[0], summary) if before else ()))
    reader.close()
    return done


class Checker:
    """Checks files of one project in this process."""

    current: Checker | None = None

    def __init__(self, cache: str, contents: dict[str, bytes], modules: Modules, words: Words) -> None:
        self.reader = Reader(cache)
        self.contents = contents
        self.root = modules.root
        self.table = Table(modules, self.fetch, words)
        self.resolver = Resolver(self.table)
        self.changed: bool = False  # a source has since the run began: from then on nothing is kept

    def fetch(self, path: str) -> bytes | None:
        """The stored summary, or a new one where the cache is damaged."""
        if os.path.isabs(path):
            return self.reader.library(path)
        content = self.contents.get(path)
        if content is None:
            return None
        stored = self.reader.summary(content)
        if stored is not None:
            return stored[0]
        try:
            with open(os.path.join(self.root, path), "rb") as file:
                data = file.read()
        except OSError:
            self.changed = True
            return None
        summary, words = summarise(data)
        if digest(data) == content:
            self.reader.heal(content, summary, words)
        else:
            self.changed = True
        return summary

    def check(self, path: str) -> Checked:
        table = self.table
        summary = table.loaded.get(path)
        if summary is None:
            data = self.fetch(path)
            if data is None:
                return path, None, marshal.dumps(([], 0, ((), ()), [], None))
            summary = load(data)
            if summary.error is None:
                table.keep(path, summary, len(data))
        ignores = [tuple(one) for one in summary.ignores]
        if summary.error is not None:
            return path, (), marshal.dumps(([], 0, ((), ()), ignores, summary.error))
        resolver = self.resolver
        resolver.forget()
        table.trail.begin()
        findings, unresolved = check_file(path, summary, resolver)
        facts = file_facts(path, summary, resolver)
        plain_facts = ([tuple(one) for one in facts.functions], [tuple(one) for one in facts.renamings])
        plain = [(*one[:-1], tuple(one.cause) if one.cause else None) for one in findings]
        touched = None if self.changed else tuple(sorted(table.trail.all()))
        outcome = marshal.dumps((plain, unresolved, plain_facts, ignores, None))
        return path, touched, outcome


def prove(
    cache: str, contents: dict[str, bytes], modules: Modules, words: Words, findings: Sequence[Finding]
) -> dict[Finding, tuple[Step, ...]]:
    """The evidence of findings that are reported; beyond `MOST_PROVED` of them nobody reads it."""
    checker = Checker(cache, contents, modules, words)
    try:
        return all_evidence(checker.resolver, findings[:MOST_PROVED])
    finally:
        checker.reader.close()


def start_checker(cache: str, contents: dict[str, bytes], modules: Modules, words: Words) -> None:
    """Prepare a process for `check_files`."""
    Checker.current = Checker(cache, contents, modules, words)


def check_files(paths: Sequence[str]) -> list[Checked]:
    """Check some files in a process that `start_checker` prepared."""
    checker = Checker.current
    if checker is None:
        raise RuntimeError("start_checker has to run first")
    return [checker.check(path) for path in paths]


def ignore_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def without_collector() -> Generator[None]:
    """What is made here lives until it is thrown away as a whole; looking for cycles in it only costs time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def start_worker(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    ignore_interrupts()
    gc.disable()  # for the reason that `without_collector` gives
    if prepare is not None:
        prepare(*arguments)


def spread(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, prepare: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[Result]:  # fmt: skip
    """Run `work` on every task, in `jobs` processes if there is enough to do; results come in any order."""
    if jobs < 2 or len(tasks) < 2:
        if prepare is not None:
            prepare(*arguments)
        with without_collector():
            yield from map(work, tasks)
        return
    context = get_context("fork" if "fork" in get_all_start_methods() else "spawn")
    with context.Pool(min(jobs, len(tasks)), start_worker, (prepare, arguments)) as pool:
        yield from pool.imap_unordered(work, tasks)


def batches(items: Sequence[tuple[Task, int]], most: int, least: int = 0, parts: int = 1) -> list[list[Task]]:
    """Split items into lists of neighbours whose weights add up to about `most`.

    Lists get shorter towards the end, down to `least`: each holds at most one of `parts` equal parts of what is left, so
    that all processes are done at about the same time.
    """
    left = sum(weight for _, weight in items)
    found: list[list[Task]] = []
    room = 0
    for item, weight in items:
        if room <= 0:
            room = min(most, max(least, left // parts))
            found.append([])
        found[-1].append(item)
        room -= weight
        left -= weight
    return found
