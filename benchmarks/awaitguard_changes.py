"""Time what a change costs with a warm cache, this checkout's awaitguard beside that of another commit.

    python -m benchmarks.awaitguard_changes --before v1.2          # the installed tree
    python -m benchmarks.awaitguard_changes SOME/TREE --runs 5 --before HEAD~10

Both wheels are built and installed as users get them, and run in turn on copies of one tree: cold, with nothing
changed, and after each of a row of changes. Prints Markdown: median wall and processor seconds of both, and their
ratios. Processor seconds say something on a machine that isn't idle, too.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from benchmarks.awaitguard import PROJECT, children_seconds, collect

FUNCTION = re.compile(r"^(?:async )?def \w+\((?:[^()\n]+)\):\n", re.MULTILINE)
Change = Callable[[Path, Path], None]


def body(_tree: Path, target: Path) -> None:
    """A statement more in a function."""
    edit(target, lambda head: head + "    str(repr)\n")


def signature(_tree: Path, target: Path) -> None:
    """A parameter more of the same function."""
    edit(target, lambda head: head.replace("):\n", ", another_one=None):\n"))


def edit(target: Path, change: Callable[[str], str]) -> None:
    text = target.read_text("utf-8")
    found = FUNCTION.search(text)
    if found is None:
        raise SystemExit(f"{target} has no function on a line of its own")
    target.write_text(text[: found.start()] + change(found[0]) + text[found.end() :], encoding="utf-8")


def added(tree: Path, _target: Path) -> None:
    """A file that nobody asked for."""
    (tree / "added_by_the_benchmark.py").write_text("def added():\n    return 1\n")


def ten(tree: Path, _target: Path) -> None:
    """Ten files with a name more each."""
    files = [path for path in sorted(tree.rglob("*.py")) if path.stat().st_size]
    step = max(1, len(files) // 10)
    for path in files[step // 2 :: step][:10]:
        path.write_bytes(path.read_bytes() + b"\nCHANGED = 1\n")


CHANGES: dict[str, Change] = {
    "cold": lambda _tree, _target: None,
    "nothing changed": lambda _tree, _target: None,
    "one body changed": body,
    "one signature changed": signature,
    "one file added": added,
    "ten files changed": ten,
}


def install(source: Path, directory: Path) -> Path:
    """An environment with the wheel of some sources; gives its program."""
    venv.create(directory, with_pip=True)
    pip = [directory / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, source], check=True)
    return directory / "bin/awaitguard"


def sources_of(commit: str, directory: Path) -> Path:
    """awaitguard as it was at a commit."""
    archive = directory / "sources.tar"
    subprocess.run(["git", "archive", "-o", archive, commit, "awaitguard"], cwd=PROJECT.parent, check=True)
    with tarfile.open(archive) as opened:
        opened.extractall(directory, filter="data")
    return directory / "awaitguard"


def measure(program: Path, origin: Path, tree: Path, target: str) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds of one run after each change, one change after the other."""
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(origin, tree)
    (tree / "pyproject.toml").touch()  # the root of the tree
    time.sleep(2.5)  # so that no file counts as changed just now
    found: dict[str, tuple[float, float]] = {}
    for name, change in CHANGES.items():
        change(tree, tree / target)
        began, used = time.perf_counter(), children_seconds()
        done = subprocess.run([program, "check", "."], cwd=tree, stdout=subprocess.DEVNULL, check=False)
        found[name] = time.perf_counter() - began, children_seconds() - used
        if done.returncode not in (0, 1):
            raise SystemExit(f"{program} ended with {done.returncode}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tree", nargs="?", type=Path, help="a directory; without one, the environment's own sources")
    parser.add_argument("--before", default="HEAD", help="the commit to compare with")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--file", default="library/asyncio/tasks.py", help="whose function is changed")
    parser.add_argument("--programs", nargs=2, type=Path, help="two installed programs, instead of building wheels")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-awaitguard-") as scratch:
        place = Path(scratch)
        origin = options.tree.resolve() if options.tree else place / "origin"
        if not options.tree:
            collect(origin)
        programs = options.programs or (
            install(sources_of(options.before, place), place / "before"),
            install(PROJECT, place / "after"),
        )
        taken: list[list[dict[str, tuple[float, float]]]] = [[], []]
        loads = [os.getloadavg()[0]]
        for number in range(options.runs):
            for which, program in enumerate(programs):
                print(f"run {number + 1} of {options.runs}: {'before' if not which else 'after'}", file=sys.stderr)
                taken[which].append(measure(program.absolute(), origin, place / "tree", options.file))
                loads.append(os.getloadavg()[0])
    print(f"{options.runs} runs in turn; load {', '.join(f'{load:.1f}' for load in loads)}.\n")
    print("| run | before, s | after, s | after / before | before, processor s | after | after / before |")
    print("|---|---|---|---|---|---|---|")
    for name in CHANGES:
        cells: list[str] = []
        for kind in (0, 1):
            before, after = (statistics.median(run[name][kind] for run in runs) for runs in taken)
            cells += [f"{before:.2f}", f"{after:.2f}", f"{after / before:.2f}"]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
