"""Puts each mutation into a copy of the tree, runs its nearest tests, and says which were noticed.

    python -m tests.mutations.run [--jobs N] [--trust] [PATTERN ...]

The checkout is never touched. In the end the tests that noticed something are run once more without any mutation: one
that is red by itself has noticed nothing. Ends with 1 if a mutation survived that the list doesn't explain, or one that
it calls equivalent was noticed after all.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import pytest

from tests.mutations import MUTATIONS
from tests.mutations.mutation import ROOT, Mutation

LIMIT = 600.0
"""Seconds for the nearest tests of one mutation. Beyond it they hang, which counts only where the list says why."""

MEMORY = Path("/dev/shm")
"""Linux's folder in memory. The tests commit to disks all the time, and wait for them more than for anything else."""

ROOM = 2**30
"""Bytes that must be free there for each copy and the files of its tests."""

PATIENCE = 30.0
"""Seconds that a test waits here for what never comes, instead of `tests.harness.deadline.DEADLINE`: with many mutations
that is what is noticed."""

TEST_LIMIT = 120
"""Seconds after which pytest ends a single test, which is red then; by itself it would wait a quarter of an hour."""

GREEN, RED, BROKEN = (
    int(code) for code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERNAL_ERROR)
)
"""Any other code says that the tests didn't run."""

WARM = (
    *("aiohttp", "alembic", "argon2", "fastapi", "hypothesis", "msgspec", "pydantic_ai.models.openai"),
    *("pydantic_settings", "sqlalchemy", "structlog", "uvicorn", "websockets.sync.client"),
)
"""What nearly every test imports, and takes most of a short test's time. Imported once, then each trial is a fork."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it went: `noticed`, `survived`, `hung` or `broken` (the tests didn't run); and the seconds that it took, by
    the clock and of a processor."""

    mutation: Mutation
    outcome: str
    by: str
    seconds: float
    work: float

    @property
    def wanted(self) -> bool:
        if self.mutation.equivalent:
            return self.outcome == "survived"
        return self.outcome == "noticed" or (self.outcome == "hung" and bool(self.mutation.hangs))


class Copy:
    """A copy of the tree in which one mutation at a time is tried."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = root / ".files"
        self._tried = 0
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode()
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)

    def run(self, tests: Sequence[str], *options: str, limit: float | None = LIMIT) -> tuple[int | None, str, float]:
        """Run these tests. Returns pytest's exit code (None: they hung), what was written, and seconds of work."""
        written = self.root / ".written"
        self.files.mkdir()
        child = os.fork()
        if child == 0:
            code = BROKEN
            try:
                code = self._test([*options, *tests], written)
            finally:
                # Whatever happened: the child must not go on as if it were its parent.
                os._exit(code)
        ends_at = time.monotonic() + limit if limit is not None else float("inf")
        code, work = None, 0.0
        try:
            while code is None and time.monotonic() < ends_at:
                time.sleep(0.05)
                found, status, used = os.wait4(child, os.WNOHANG)
                if found:
                    code, work = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        finally:
            # Servers that a test which was cut has left are in its session.
            _kill(child)
            if code is None:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            shutil.rmtree(self.files, ignore_errors=True)
        return code, written.read_text(errors="replace"), work

    def trial(self, mutation: Mutation) -> Verdict:
        """Try one mutation, and take it back."""
        began = time.monotonic()
        path = mutation.path(self.root)
        original, times = path.read_bytes(), path.stat()
        path.write_text(mutation.mutated(self.root))
        # Bytecode is known by its source's time in seconds: each text needs a time of its own.
        self._tried += 1
        os.utime(path, (self._tried, self._tried))
        try:
            code, output, work = self.run(mutation.tests, "-x")
        finally:
            path.write_bytes(original)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        failed = _failed(output)
        if code is None:
            outcome, by = "hung", ""
        elif code == GREEN:
            outcome, by = "survived", ""
        elif failed:
            # Whatever pytest's own end met after it.
            outcome, by = "noticed", failed[0]
        else:
            outcome, by = "broken", (output.strip().splitlines() or ["?"])[-1]
        return Verdict(mutation, outcome, by, time.monotonic() - began, work)

    def _test(self, arguments: Sequence[str], written: Path) -> int:
        """In the child: pytest in the copy, as if nothing of the checkout had been imported."""
        os.setsid()
        output = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.chdir(self.root)
        os.environ["PYTHONPATH"] = str(self.root)
        os.environ["TMPDIR"] = str(self.files)
        tempfile.tempdir = None
        os.environ["TEST_DEADLINE"] = str(PATIENCE)
        sys.path[:] = [str(self.root), *(entry for entry in sys.path if Path(entry or ".").resolve() != ROOT)]
        for name in [name for name in sys.modules if name.partition(".")[0] in {"tests", "netra_backend"}]:
            del sys.modules[name]
        options = ["-q", "-n0", "-p", "no:cacheprovider", "--no-header", "--hypothesis-profile=found-is-enough"]
        options += [f"--timeout={TEST_LIMIT}"]
        # Plugins that are warm already can't have their assertions explained; nobody reads those here.
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        try:
            return int(pytest.main([*options, *arguments]))
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Try the mutations, and say which the tests notice.")
    parser.add_argument("pattern", nargs="*", help="only ids or files that begin with this text or match it")
    parser.add_argument("--jobs", type=int, default=1, help="how many to try at once, each in a copy of its own")
    parser.add_argument("--trust", action="store_true", help="don't see that the tests pass by themselves")
    given = parser.parse_args(arguments)
    chosen = [mutation for mutation in MUTATIONS if _matches(mutation, given.pattern)]
    if not chosen:
        print(f"no mutation matches {' '.join(given.pattern)}")
        return 2
    signal.signal(signal.SIGTERM, _end)
    for name in WARM:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="netra-mutations-", dir=_fast_folder(given.jobs)) as folder:
        copies = [Copy(Path(folder) / str(number)) for number in range(given.jobs)]
        verdicts = list(_tried(chosen, copies))
        if not given.trust:
            verdicts = _confirmed(verdicts, copies[0])
    wrong = [verdict for verdict in verdicts if not verdict.wanted]
    explained = sum(bool(verdict.mutation.equivalent) for verdict in verdicts if verdict.wanted)
    noticed = len(verdicts) - len(wrong) - explained
    print(f"\n{len(chosen)} mutations: {noticed} noticed, {explained} equivalent, {len(wrong)} not as they should be")
    for verdict in wrong:
        print(f"{verdict.outcome}: {verdict.mutation.id} {verdict.by}")
    return 1 if wrong or len(verdicts) < len(chosen) else 0


def _fast_folder(copies: int) -> Path | None:
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > copies * ROOM else None


def _confirmed(verdicts: Sequence[Verdict], copy: Copy) -> list[Verdict]:
    """A test that is red anyway notices nothing."""
    tests = sorted({_function(verdict.by) for verdict in verdicts if verdict.outcome == "noticed"})
    if not tests:
        return list(verdicts)
    print(f"\nthe {len(tests)} tests that noticed, without any mutation", flush=True)
    code, output, _ = copy.run(tests, limit=None)
    if code not in {GREEN, RED}:
        print(output)
    red = {_function(test) for test in _failed(output)} if code in {GREEN, RED} else set(tests)
    return [
        replace(verdict, outcome="broken", by=f"{verdict.by} is red without it")
        if verdict.outcome == "noticed" and _function(verdict.by) in red
        else verdict
        for verdict in verdicts
    ]


def _failed(output: str) -> list[str]:
    """The tests that failed, from what pytest wrote."""
    lines = [line for line in output.splitlines() if line.startswith(("FAILED tests", "ERROR tests"))]
    return [line.split(" - ")[0].split(" ", 1)[1] for line in lines]


def _function(test: str) -> str:
    """A test without its parameters, whose text may be anything."""
    return test.partition("[")[0]


def _tried(chosen: Sequence[Mutation], copies: Sequence[Copy]) -> Iterator[Verdict]:
    """The verdicts as they come, each printed."""
    wide = max(len(mutation.id) for mutation in chosen)
    context = multiprocessing.get_context("fork")
    taken = context.Value("i", 0)
    found: SimpleQueue[Verdict | None] = context.SimpleQueue()
    workers = [context.Process(target=_work, args=(copy, chosen, taken, found)) for copy in copies]
    for worker in workers:
        worker.start()
    working = len(workers)
    try:
        while working:
            verdict = found.get()
            if verdict is None:
                working -= 1
                continue
            mark = " " if verdict.wanted else "!"
            by = verdict.by or verdict.mutation.equivalent
            name = f"{verdict.mutation.id:<{wide}}"
            print(
                f"{mark} {name}  {verdict.outcome:<8}  {verdict.seconds:5.1f} s ({verdict.work:.1f})  {by}", flush=True
            )
            yield verdict
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _work(copy: Copy, chosen: Sequence[Mutation], taken: Synchronized[int], found: SimpleQueue[Verdict | None]) -> None:
    """Try what nobody has taken yet, until nothing is left."""
    try:
        while True:
            with taken.get_lock():
                number = taken.value
                taken.value += 1
            if number >= len(chosen):
                return
            found.put(copy.trial(chosen[number]))
    finally:
        found.put(None)


def _end(*_: object) -> None:
    """Whoever is told to end ends its workers, their trials and the copies too, and is told once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def _kill(session: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signal.SIGKILL)


def _matches(mutation: Mutation, patterns: Sequence[str]) -> bool:
    names = (mutation.id, mutation.file)
    return not patterns or any(
        name.startswith(text) or fnmatch.fnmatch(name, text) for name in names for text in patterns
    )


if __name__ == "__main__":
    sys.exit(main())
