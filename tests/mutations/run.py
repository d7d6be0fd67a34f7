"""Puts each mutation into a copy of the tree, runs its nearest tests, and says which were noticed.

    python -m tests.mutations.run [--jobs N] [--trust] [PATTERN ...]

The checkout is never touched. It first sees that the nearest tests pass without any mutation. Ends with 1 if a
mutation survived that the list doesn't explain, or one that it calls equivalent was noticed after all.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutations import MUTATIONS
from tests.mutations.mutation import ROOT, Mutation

LIMIT = 600.0
"""Seconds for the nearest tests of one mutation. Beyond it they hang, which counts only where the list says why."""

RED, GREEN = 1, 0
"""pytest's exit codes for failed tests and for none; any other says that the tests didn't run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it went: `noticed`, `survived`, `hung` or `broken` (the tests didn't run)."""

    mutation: Mutation
    outcome: str
    by: str
    seconds: float

    @property
    def wanted(self) -> bool:
        if self.mutation.equivalent:
            return self.outcome == "survived"
        return self.outcome == "noticed" or (self.outcome == "hung" and bool(self.mutation.hangs))


class Copy:
    """A copy of the tree in which one mutation at a time is tried."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tried = 0
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)

    def run(self, tests: Sequence[str], *, limit: float | None = LIMIT) -> tuple[int | None, str]:
        """Run these tests to the first failure. Returns pytest's exit code (None: it hung) and what it wrote."""
        options = ["-q", "-x", "-n0", "-p", "no:cacheprovider", "--no-header", "--hypothesis-profile=found-is-enough"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        # The copy comes before what is installed.
        environment = os.environ | {"PYTHONPATH": str(self.root)}
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return None, self._kill(process)
        except BaseException:
            self._kill(process)
            raise
        return process.returncode, output

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
            code, output = self.run(mutation.tests)
        finally:
            path.write_bytes(original)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if code is None:
            outcome, by = "hung", ""
        elif code == RED:
            outcome, by = "noticed", failed[0].split(" - ")[0].split(" ", 1)[1] if failed else "?"
        elif code == GREEN:
            outcome, by = "survived", ""
        else:
            outcome, by = "broken", (output.strip().splitlines() or ["?"])[-1]
        return Verdict(mutation, outcome, by, time.monotonic() - began)

    def _kill(self, process: subprocess.Popen[str]) -> str:
        # Its servers are in its session too.
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return output


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Try the mutations, and say which the tests notice.")
    parser.add_argument("pattern", nargs="*", help="only ids that hold this text or match this pattern")
    parser.add_argument("--jobs", type=int, default=1, help="how many to try at once, each in a copy of its own")
    parser.add_argument("--trust", action="store_true", help="don't see first that the tests pass by themselves")
    given = parser.parse_args(arguments)
    chosen = [mutation for mutation in MUTATIONS if _matches(mutation, given.pattern)]
    if not chosen:
        print(f"no mutation matches {' '.join(given.pattern)}")
        return 2
    with tempfile.TemporaryDirectory(prefix="netra-mutations-") as folder:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(given.jobs):
            root = Path(folder) / str(number)
            root.mkdir()
            copies.put(Copy(root))
        if not given.trust and not _pass_by_themselves(chosen, copies):
            return 2
        verdicts = _try_all(chosen, copies, given.jobs)
    wrong = [verdict for verdict in verdicts if not verdict.wanted]
    explained = sum(bool(verdict.mutation.equivalent) for verdict in verdicts)
    print(f"\n{len(verdicts)} mutations: {len(verdicts) - len(wrong) - explained} noticed, {explained} equivalent")
    for verdict in wrong:
        print(f"not as it should be: {verdict.mutation.id} {verdict.outcome} {verdict.by}")
    return 1 if wrong else 0


def _pass_by_themselves(chosen: Sequence[Mutation], copies: SimpleQueue[Copy]) -> bool:
    """A test that is red anyway notices nothing."""
    copy = copies.get()
    code, output = copy.run(sorted({test for mutation in chosen for test in mutation.tests}), limit=None)
    copies.put(copy)
    if code != GREEN:
        print(output)
        print("the nearest tests fail without any mutation; nothing can be said about the mutations")
    return code == GREEN


def _try_all(chosen: Sequence[Mutation], copies: SimpleQueue[Copy], jobs: int) -> list[Verdict]:
    printing = threading.Lock()
    wide = max(len(mutation.id) for mutation in chosen)

    def one(mutation: Mutation) -> Verdict:
        copy = copies.get()
        try:
            verdict = copy.trial(mutation)
        finally:
            copies.put(copy)
        with printing:
            mark = " " if verdict.wanted else "!"
            by = verdict.by or mutation.equivalent
            print(f"{mark} {mutation.id:<{wide}}  {verdict.outcome:<8}  {verdict.seconds:5.1f} s  {by}", flush=True)
        return verdict

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, chosen))


def _matches(mutation: Mutation, patterns: Sequence[str]) -> bool:
    return not patterns or any(text in mutation.id or fnmatch.fnmatch(mutation.id, text) for text in patterns)


if __name__ == "__main__":
    sys.exit(main())
