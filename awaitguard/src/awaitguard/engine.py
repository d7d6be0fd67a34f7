"""A whole run: find, summarise, check, collect."""

from __future__ import annotations

import marshal
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from awaitguard.cache import Cache, Known, Reader, thaw
from awaitguard.codes import UNREADABLE
from awaitguard.config import Config
from awaitguard.finding import Cause, Finding, Step
from awaitguard.ground import Ground, outer
from awaitguard.infer.modules import Modules
from awaitguard.infer.words import Words, collect_words
from awaitguard.read.discovery import SourceFile, discover
from awaitguard.read.forms import VIEWS
from awaitguard.read.summary import Ignore, definitions, load, unpack_position
from awaitguard.rules.confidence import NEWER, TEMPLATE, confidence
from awaitguard.rules.facts import ProjectFacts, PublicFunction, Renaming
from awaitguard.rules.registry import GROUPS
from awaitguard.work import Checker, batches, check_files, prove, spread, start_checker, summarise_files

BATCH = 400_000  # bytes of source in one task of summarising
# Tasks of checking: files of one package ask for the same definitions, so each process gets long stretches.
STRETCH = 4_000_000
Progress = Callable[[str, int, int], None]
Collected = tuple[list[Finding], dict[str, list[Ignore]], dict[str, int]]  # and unresolved calls, by file


class Outcome(NamedTuple):
    """What a run found, before configuration and ignores have their say."""

    findings: list[Finding]
    ignores: dict[str, list[Ignore]]
    files: int
    unparsed: int
    unresolved: int
    seconds: float
    evidence: dict[Finding, tuple[Step, ...]]


def no_progress(step: str, done: int, total: int) -> None:
    """Progress that no one watches."""


def run(config: Config, starts: Iterable[Path], jobs: int = 0, progress: Progress = no_progress) -> Outcome:
    """Read a project whole, and report what was found below the starting points.

    `jobs` is the number of processes, 0 for one per processor; `progress(step, done, total)` is called as files are done.

    Raises:
        FileNotFoundError: a starting point isn't there.
    """
    began = time.perf_counter()
    root = str(config.root)
    asked = discover(config.root, starts, config.exclude)
    discovery = (
        asked.joined(discover(config.root, [config.root], config.exclude, wanted=False)) if config.whole else asked
    )
    unreadable = [unparsed(path, 1, 0, reason) for path, reason in discovery.unreadable]
    jobs = jobs or os.cpu_count() or 1
    with Cache(config.cache) as cache:
        files, words = refresh(cache, root, discovery.files, jobs, progress)
        ground = Ground(files, words, Modules(root, files, config.roots))
        key = ground.everything(config.families)
        outcome = stored_run(cache, key, ground)
        if outcome is None:
            results = check(cache, discovery.files, ground, jobs, progress)
            outcome = collect(results, config)
            if all(result.is_kept for result in results.values()):
                asked_outside = sorted({one for result in results.values() for one in result.outer})
                cache.store_run(key, (asked_outside, ground.outer_key(asked_outside), pack(outcome)))
        findings, ignores, unresolved = outcome
        wanted = asked.paths()
        shown = sorted((one for one in (*unreadable, *findings) if one.path in wanted), key=lambda one: one.sort_key)
        reported = [one for one in shown if config.shows(one.code, one.level, one.path)]
        evidence = prove(cache.path, contents(ground), ground.modules, ground.words, reported) if reported else {}
    return Outcome(
        shown,
        {path: found for path, found in ignores.items() if path in wanted},
        len(asked.files),
        sum(one.code == UNREADABLE for one in shown),
        sum(number for path, number in unresolved.items() if path in wanted),
        time.perf_counter() - began,
        evidence,
    )


def stored_run(cache: Cache, key: bytes, ground: Ground) -> Collected | None:
    """The outcome of the last run, if all that it was worked out from is as it was."""
    stored = cache.run(key)
    if stored is None:
        return None
    asked_outside, answers, outcome = stored
    return unpack(outcome) if answers == ground.outer_key(asked_outside) else None


def refresh(
    cache: Cache, root: str, files: Sequence[SourceFile], jobs: int, progress: Progress
) -> tuple[dict[str, Known], Words]:
    """Bring the cached summaries up to date; gives what is known of each file, and the words of the project."""
    known = cache.files()
    now: dict[str, Known] = {}
    changed: list[tuple[tuple[str, bytes | None], int]] = []
    states = {file.path: file.state for file in files}
    for file in files:
        old = known.get(file.path)
        if old is not None and file.state and old.state == file.state:
            now[file.path] = old
        else:
            changed.append(((file.path, old.content if old else None), file.size + 500))
    tasks = [(root, cache.path, batch) for batch in batches(changed, BATCH)]
    done = 0
    for results in spread(summarise_files, tasks, jobs if len(changed) > 40 else 1):
        fresh: list[tuple[str, Known]] = []
        summaries: list[tuple[bytes, bytes, str]] = []
        for path, content, of_summary, summary, said, same in results:
            if summary is None:
                entry = known[path]._replace(state=states[path])
            else:
                # A file that couldn't be read is tried again, whatever its state.
                state = states[path] if content != of_summary else ""
                views = [known[path].views[view] if same and same[view] else of_summary for view in VIEWS]
                entry = Known(state, content, of_summary, tuple(views), said)
                summaries.append((content, summary, said))
            now[path] = entry
            fresh.append((path, entry))
        cache.store_files(fresh, summaries)
        done += len(results)
        progress("reading", done, len(changed))
    gone = [path for path in known if path not in now and not os.path.exists(os.path.join(root, path))]
    if gone:
        cache.drop_files(gone)
    if changed:
        cache.drop_summaries({**known, **now})
    return now, collect_words((path, file.words) for path, file in now.items())


def contents(ground: Ground) -> dict[str, bytes]:
    """The digest of each file's source, by which its summary is found."""
    return {path: known.content for path, known in ground.files.items()}


class Result(NamedTuple):
    """What the check of one file gave, and what it asked about that isn't in the files of the project.

    A result that isn't kept holds for this run only.
    """

    outcome: bytes
    outer: tuple[str, ...]
    is_kept: bool = True


def check(
    cache: Cache, files: Sequence[SourceFile], ground: Ground, jobs: int, progress: Progress
) -> dict[str, Result]:
    """Check the files whose results don't stand any more; gives the results of all."""
    found: dict[str, Result] = {}
    stored = cache.results()
    stale: list[tuple[str, int]] = []
    moved: list[tuple[str, Any]] = []
    for file in files:
        row = thaw(file.path, stored.get(file.path))
        if row is not None and row[0] == ground.key(file.path, row[1]):
            key, touched, outcome, causes = row
            if any(ground.files[path].summary != summary for path, summary in causes):
                outcome = relocated(outcome, cache, ground)
                if outcome is not None:
                    moved.append((file.path, (key, touched, outcome, cause_files(outcome, ground))))
            if outcome is not None:
                found[file.path] = Result(outcome, outer(touched))
                continue
        stale.append((file.path, file.size + 500))
    if moved:
        cache.store_results(moved)
    del stored
    if not stale:
        return found
    done = 0
    jobs = jobs if len(stale) > 40 else 1
    tasks = batches(stale, STRETCH, BATCH, 4 * jobs)
    for results in spread(
        check_files, tasks, jobs, start_checker, (cache.path, contents(ground), ground.modules, ground.words)
    ):
        rows: list[tuple[str, Any]] = []
        for path, touched, outcome in results:
            found[path] = Result(outcome, outer(touched or ()), touched is not None)
            if touched is not None:
                rows.append((path, (ground.key(path, touched), touched, outcome, cause_files(outcome, ground))))
        cache.store_results(rows)
        done += len(results)
        progress("checking", done, len(stale))
    if Checker.current is not None:
        Checker.current.reader.close()
        Checker.current = None
    return found


# Causes in other files: a result stands while those look the same to it, but their lines may move.


def cause_files(outcome: bytes, ground: Ground) -> tuple[tuple[str, bytes], ...]:
    """The files in which the causes of a result stand, with the summaries by which their lines are right."""
    plain = marshal.loads(outcome)[0]  # noqa: S302 - our own cache
    paths = {one[-1][1] for one in plain if one[-1] is not None}
    return tuple([(path, ground.files[path].summary) for path in sorted(paths) if path in ground.files])


def relocated(outcome: bytes, cache: Cache, ground: Ground) -> bytes | None:
    """A result with the lines on which its causes stand now; None if the cache is damaged."""
    plain, *rest = marshal.loads(outcome)  # noqa: S302 - our own cache
    reader = Reader(cache.path)
    placed: list[tuple[Any, ...]] = []
    try:
        for one in plain:
            cause = Cause(*one[-1]) if one[-1] else None
            if cause is not None and cause.line and cause.path in ground.files:
                stored = reader.summary(ground.files[cause.path].content)
                if stored is None:
                    return None
                summary = load(stored[0])
                place = definitions(summary, cause.name)[cause.number]
                cause = cause._replace(line=unpack_position(summary.scopes[place].position)[0])
            placed.append((*one[:-1], tuple(cause) if cause else None))
    finally:
        reader.close()
    return marshal.dumps((placed, *rest))


def collect(results: dict[str, Result], config: Config) -> Collected:
    """Put the files' outcomes together and run the rules about the whole project."""
    findings: list[Finding] = []
    ignores: dict[str, list[Ignore]] = {}
    unresolved: dict[str, int] = {}
    facts = ProjectFacts({}, [], config.families)
    for path in sorted(results):
        plain, missed, (functions, renamings), comments, error = marshal.loads(results[path].outcome)  # noqa: S302 - our own
        findings.extend(revive(one) for one in plain)
        if missed:
            unresolved[path] = missed
        if comments:
            ignores[path] = [Ignore(*one) for one in comments]
        if error is not None:
            findings.append(unparsed(path, *error))
        for function in functions:
            facts.functions.setdefault(function[0], []).append(PublicFunction(*function))
        facts.renamings.extend(Renaming(*one) for one in renamings)
    for group in GROUPS:
        findings.extend(group.project(facts))
    return in_characters(findings, config.root), ignores, unresolved


def in_characters(findings: list[Finding], root: Path) -> list[Finding]:
    """The findings with columns in characters: the parser counts UTF-8 bytes."""
    lines: dict[str, list[bytes]] = {}
    placed: list[Finding] = []
    for one in findings:
        if one.path not in lines:
            try:
                lines[one.path] = (root / one.path).read_bytes().splitlines()
            except OSError:
                lines[one.path] = []
        text = lines[one.path]
        placed.append(
            one._replace(
                column=characters(text, one.line, one.column), end_column=characters(text, one.end_line, one.end_column)
            )
        )
    return placed


def characters(lines: list[bytes], line: int, column: int) -> int:
    if not 0 < line <= len(lines) or lines[line - 1].isascii():
        return column
    return len(lines[line - 1][: column - 1].decode("utf-8", "replace")) + 1


def is_template(path: str) -> bool:
    """Whether a path says that Python will be made of a file, which is no Python yet."""
    return any("{{" in part or "template" in part.lower() or "cookiecutter" in part for part in path.split("/")[:-1])


def unparsed(path: str, line: int, column: int, reason: str, is_newer: bool = False) -> Finding:
    line = max(line, 1)
    assumed = (TEMPLATE if is_template(path) else 0) | (NEWER if is_newer else 0)
    return Finding(
        UNREADABLE,
        "unreadable-file",
        confidence(UNREADABLE, assumed),
        path,
        line,
        max(column, 0) + 1,
        line,
        max(column, 0) + 1,
        f"not checked: {reason}",
        assumed,
    )


def revive(plain: tuple[Any, ...]) -> Finding:
    """A finding from its stored form."""
    return Finding._make((*plain[:-1], Cause(*plain[-1]) if plain[-1] else None))


def pack(outcome: Collected) -> bytes:
    findings, ignores, unresolved = outcome
    plain = [(*one[:-1], tuple(one.cause) if one.cause else None) for one in findings]
    return marshal.dumps((plain, {path: [tuple(one) for one in found] for path, found in ignores.items()}, unresolved))


def unpack(data: bytes) -> Collected:
    plain, ignores, unresolved = marshal.loads(data)  # noqa: S302 - our own cache
    findings = [revive(one) for one in plain]
    return findings, {path: [Ignore(*one) for one in found] for path, found in ignores.items()}, unresolved
