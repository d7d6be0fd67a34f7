"""A whole run: find, summarise, check, collect."""

from __future__ import annotations

import marshal
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from awaitguard.cache import LAYOUT, Cache, FileRow, digest
from awaitguard.codes import UNREADABLE
from awaitguard.config import Config
from awaitguard.finding import Cause, Finding
from awaitguard.infer.modules import Modules, ignored_paths
from awaitguard.infer.words import Words, collect_words, digest_text
from awaitguard.read.discovery import SourceFile, discover
from awaitguard.read.summary import Ignore
from awaitguard.rules.confidence import NEWER, TEMPLATE, confidence
from awaitguard.rules.facts import ProjectFacts, PublicFunction, Renaming
from awaitguard.rules.registry import GROUPS
from awaitguard.version import __version__
from awaitguard.work import Checker, batches, check_files, spread, start_checker, summarise_files

BATCH = 400_000  # bytes of source in one task of summarising
# Tasks of checking: files of one package ask for the same definitions, so each process gets long stretches.
STRETCH = 4_000_000
Progress = Callable[[str, int, int], None]


class Outcome(NamedTuple):
    """What a run found, before configuration and ignores have their say."""

    findings: list[Finding]
    ignores: dict[str, list[Ignore]]
    files: int
    unparsed: int
    unresolved: int
    seconds: float


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
        digests, words = refresh(cache, root, discovery.files, jobs, progress)
        paths = [file.path for file in discovery.files]
        salt = digest(
            repr(
                (
                    __version__,
                    LAYOUT,
                    own_state(),
                    config.roots,
                    os.environ.get("VIRTUAL_ENV"),
                    ignored_paths(root),
                    paths,
                )
            ).encode()
        )
        key = digest(salt + repr((config.families, sorted(words))).encode() + b"".join(digests[path] for path in paths))
        stored = cache.run(key)
        outcome = unpack(stored) if stored else None
        if outcome is None:
            outcomes = check(cache, root, config, discovery.files, digests, salt, words, jobs, progress)
            outcome = collect(outcomes, config)
            cache.store_run(key, pack(outcome))
    findings, ignores, unresolved = outcome
    wanted = asked.paths()
    shown = sorted((one for one in (*unreadable, *findings) if one.path in wanted), key=lambda one: one.sort_key)
    return Outcome(
        shown,
        {path: found for path, found in ignores.items() if path in wanted},
        len(asked.files),
        sum(one.code == UNREADABLE for one in shown),
        sum(number for path, number in unresolved.items() if path in wanted),
        time.perf_counter() - began,
    )


def own_state() -> list[int]:
    """When awaitguard's own files changed: what another version of it found isn't believed."""
    here = Path(__file__).parent
    return sorted(path.stat().st_mtime_ns for path in here.rglob("*.py"))


def refresh(
    cache: Cache, root: str, files: Sequence[SourceFile], jobs: int, progress: Progress
) -> tuple[dict[str, bytes], Words]:
    """Bring the cached summaries up to date; gives the digest of each file's summary, and the words of the project."""
    said: list[tuple[str, str]] = []
    known = cache.known()
    digests: dict[str, bytes] = {}
    changed: list[tuple[tuple[str, bytes | None], int]] = []
    by_path = {file.path: file for file in files}
    for file in files:
        old = known.get(file.path)
        if old is not None and old[0] == file.size and old[1] == file.changed and old[2]:
            digests[file.path] = old[3]
            said.append((file.path, old[4]))
        else:
            changed.append(((file.path, old[2] if old else None), file.size + 500))
    tasks = [(root, batch) for batch in batches(changed, BATCH)]
    done = 0
    for results in spread(summarise_files, tasks, jobs if len(changed) > 40 else 1):
        rows: list[FileRow] = []
        for path, content, of_summary, summary, found in results:
            file = by_path[path]
            if summary is None:
                digests[path] = known[path][3]
                said.append((path, known[path][4]))
                cache.touch_files([(file.size, file.changed, path)])
            else:
                digests[path] = of_summary
                said.append((path, found))
                rows.append((path, file.size, file.changed, content, of_summary, found, summary))
        cache.store_files(rows)
        done += len(results)
        progress("reading", done, len(changed))
    gone = [path for path in known if path not in by_path and not os.path.exists(os.path.join(root, path))]
    if gone:
        cache.drop_files(gone)
    return digests, collect_words(said)


def check(
    cache: Cache, root: str, config: Config, files: Sequence[SourceFile], digests: dict[str, bytes], salt: bytes,
    words: Words, jobs: int, progress: Progress,
) -> dict[str, bytes]:  # fmt: skip
    """Check the files whose results don't stand any more; gives the outcome of every file."""
    outcomes: dict[str, bytes] = {}
    stored = cache.results()
    stale: list[tuple[str, int]] = []
    for file in files:
        row = stored.get(file.path)
        outcome = fitting(row, file.path, digests, salt, words) if row else None
        if outcome is None:
            stale.append((file.path, file.size + 500))
        else:
            outcomes[file.path] = outcome
    if not stale:
        return outcomes
    modules = Modules(root, (file.path for file in files), config.roots)
    done = 0
    jobs = jobs if len(stale) > 40 else 1
    tasks = batches(stale, STRETCH, BATCH, 4 * jobs)
    for results in spread(check_files, tasks, jobs, start_checker, (cache.path, modules, words)):
        rows: list[tuple[str, bytes, bytes]] = []
        for path, touched, outcome in results:
            rows.append((path, depends(path, touched, digests, salt, words), marshal.dumps((touched, outcome))))
            outcomes[path] = outcome
        cache.store_results(rows)
        done += len(results)
        progress("checking", done, len(stale))
    if Checker.current is not None:
        Checker.current.reader.close()
        Checker.current = None
    return outcomes


def depends(
    path: str, touched: Iterable[str], digests: dict[str, bytes], salt: bytes, words: Words
) -> bytes:  # fmt: skip
    """The key of a result: everything that it was worked out from, be it files or words of the project."""
    parts = [salt, digests.get(path, b"")]
    parts += [digests.get(one) or digest_text(words, one) or outside(one) for one in touched]
    return digest(b"".join(parts))


STATUS: dict[str, bytes] = {}


def outside(path: str) -> bytes:
    """A stand-in for the digest of a file of the library: its size and time of change."""
    if not path.startswith("/"):
        return b"-"
    if path not in STATUS:
        try:
            status = os.stat(path)
            STATUS[path] = f"{status.st_size}:{status.st_mtime_ns}".encode()
        except OSError:
            STATUS[path] = b"-"
    return STATUS[path]


def fitting(row: tuple[bytes, bytes], path: str, digests: dict[str, bytes], salt: bytes, words: Words) -> bytes | None:
    """A stored outcome, if what it was worked out from is as it was."""
    key, data = row
    try:
        touched, outcome = cast("tuple[tuple[str, ...], bytes]", marshal.loads(data))  # noqa: S302 - our own cache
    except (ValueError, EOFError, TypeError):
        return None
    return outcome if key == depends(path, touched, digests, salt, words) else None


Collected = tuple[list[Finding], dict[str, list[Ignore]], dict[str, int]]  # and unresolved calls, by file


def collect(outcomes: dict[str, bytes], config: Config) -> Collected:
    """Put the files' outcomes together and run the rules about the whole project."""
    findings: list[Finding] = []
    ignores: dict[str, list[Ignore]] = {}
    unresolved: dict[str, int] = {}
    facts = ProjectFacts({}, [], config.families)
    for path in sorted(outcomes):
        plain, missed, (functions, renamings), comments, error = marshal.loads(outcomes[path])  # noqa: S302 - our own
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


def unpack(data: bytes) -> Collected | None:
    try:
        plain, ignores, unresolved = marshal.loads(data)  # noqa: S302 - our own cache
        findings = [revive(one) for one in plain]
        return findings, {path: [Ignore(*one) for one in found] for path, found in ignores.items()}, unresolved
    except (ValueError, EOFError, TypeError):
        return None
