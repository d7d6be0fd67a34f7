"""Time awaitguard side by side with its peers.

    make bench-awaitguard                      # both trees, all tools
    python -m benchmarks.awaitguard --help     # one tree, other trees, more runs

Trees: `installed` is a copy of the running Python's standard library and site-packages, `generated` has 10,000 files
and 4 million lines; any directory can be given instead. The peers (pyrefly, mypy, ty, ruff) are installed from PyPI
into an environment of their own, with a wheel of awaitguard built from this checkout. All tools run in turn, as often
as asked; what takes longer than a minute runs once, and what takes longer than the limit is stopped and shown as
`> limit`. Prints Markdown: median wall seconds, their ratio to awaitguard's cold run, processor seconds, and peak
memory. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import ast
import gc
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from awaitguard.cache import Cache
from awaitguard.engine import check, no_progress, refresh
from awaitguard.ground import Ground
from awaitguard.infer.modules import Modules
from awaitguard.read.discovery import discover
from awaitguard.read.walker import Walker

PROJECT = Path(__file__).parents[1] / "awaitguard"
PEERS = ("pyrefly", "mypy", "ty", "ruff")
FILES, LINES = 10_000, 420
SLOW = 60.0  # seconds: what takes longer runs only once
WATCH = 0.1  # seconds between two looks at the memory


@dataclass
class Tool:
    """A command to time, and what its runs took."""

    name: str
    command: list[str]
    fresh: bool = False  # without a cache
    edited: bool = False  # with ten files changed
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    trouble: str = ""

    def run(self, tree: Path, limit: float) -> None:
        """One run; findings are no failure."""
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            began, used = time.perf_counter(), children_seconds()
            process = psutil.Popen(self.command, cwd=tree, stdout=subprocess.DEVNULL, stderr=errors)
            peak = 0.0
            while True:
                try:
                    code = process.wait(WATCH)
                    break
                except psutil.TimeoutExpired:
                    peak = max(peak, memory_of(process))
                if time.perf_counter() - began > limit:
                    stop(process)
                    self.trouble = f"> {limit:.0f}"
                    return
            taken = time.perf_counter() - began
            if code not in (0, 1):
                errors.seek(0)
                self.trouble = f"exit code {code}: {(errors.read().strip().splitlines() or [''])[0][:80]}"
                return
        self.seconds.append(taken)
        self.processor.append(children_seconds() - used)
        self.memory.append(peak)

    def row(self, cold: float) -> str:
        if not self.seconds:
            return f"| {self.name} | {self.trouble or 'not run'} | | | | |"
        median = statistics.median(self.seconds)
        figures = f"{median:.1f} | {median / cold:.2f}" if cold else f"{median:.1f} |"
        runs = len(self.seconds)
        return (
            f"| {self.name} | {figures} | {statistics.median(self.processor):.1f} | {max(self.memory):,.0f} | {runs} |"
        )


def children_seconds() -> float:
    """Processor time of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def memory_of(process: psutil.Process) -> float:
    """MB that a process and all below it hold; memory that several share counts once, where the system tells."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            info = one.memory_full_info() if sys.platform == "linux" else one.memory_info()
            total += getattr(info, "pss", info.rss)
        except psutil.Error:
            continue
    return total / 1e6


def stop(process: psutil.Process) -> None:
    """End a process and all below it."""
    for one in (*process.children(recursive=True), process):
        try:
            one.kill()
        except psutil.Error:
            continue
    process.wait()


# Trees


def generate(root: Path, files: int) -> None:
    """A tree of packages that import each other, with sync and async functions and a few wrong awaits."""
    blocks: list[str] = []
    while "".join(blocks).count("\n") < LINES:
        block = len(blocks)
        blocks.append(
            f"class Store_{block}:\n    def __init__(self, path, size=1):\n"
            f"        self.path = path\n        self.size = size\n\n"
            f"    async def save(self, key, value):\n"
            f"        text = f'{{key}}={{value}}'\n        return text.upper()\n\n"
            f"    def name(self):\n        return str(self.path)\n\n\n"
            f"async def load_{block}(key):\n    store = Store_{block}(key)\n    found = await store.save(key, 1)\n"
            f"    if found:\n        return await other(found)\n    return [found, store.name()]\n\n\n"
        )
    body = "".join(blocks)
    for number in range(files):
        package = root / f"package_{number % 100:02}"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        other = (number * 7 + 1) % files
        text = f"from package_{other % 100:02}.module_{other} import load_0 as other\n\n{body}"
        if number % 500 == 0:
            text += "async def wrong():\n    return await Store_0('x')\n"
        (package / f"module_{number}.py").write_text(text)


def collect(root: Path) -> None:
    """A copy of the standard library and of the packages of this environment."""
    paths = sysconfig.get_paths()
    for name, source in (("library", paths["stdlib"]), ("packages", paths["purelib"])):
        for path in Path(source).rglob("*.py"):
            relative = path.relative_to(source)
            if name == "packages" or "site-packages" not in relative.parts:
                (root / name / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, root / name / relative)


@contextmanager
def edited(files: list[Path]) -> Iterator[None]:
    """Ten files with one more line each, for a while."""
    originals = {path: path.read_bytes() for path in files}
    for path, data in originals.items():
        path.write_bytes(data + b"\nCHANGED = 1\n")
    try:
        yield
    finally:
        for path, data in originals.items():
            path.write_bytes(data)


# Tools


def environment(directory: Path) -> Path:
    """An environment with the peers and awaitguard's wheel in it, as users get it; gives its directory of programs."""
    programs = directory / ("Scripts" if os.name == "nt" else "bin")
    install = [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not all((programs / peer).exists() for peer in (*PEERS, "awaitguard")):
        venv.create(directory, with_pip=True)
        subprocess.run([*install, *PEERS, "psutil", PROJECT], check=True)
    else:
        subprocess.run([*install, "--no-deps", "--force-reinstall", PROJECT], check=True)
    return programs


def tools_for(tree: Path, programs: Path) -> list[Tool]:
    own = [str(programs / "awaitguard"), "check", str(tree)]
    source = [sys.executable, "-m", "awaitguard", "check", str(tree)]
    only = ["--preset", "default", "--only", "not-async,unused-coroutine"]
    return [
        Tool("awaitguard, cold", own, fresh=True),
        Tool("awaitguard, nothing changed", own),
        Tool("awaitguard, ten files changed", own, edited=True),
        Tool("awaitguard in a checkout, cold", source, fresh=True),
        Tool("pyrefly", [str(programs / "pyrefly"), "check", *only, str(tree)]),
        Tool("ruff", [str(programs / "ruff"), "check", "--no-cache", "--isolated", str(tree)]),
        Tool("ty", [str(programs / "ty"), "check", str(tree)]),
        Tool("mypy", [str(programs / "mypy"), "--no-incremental", "--ignore-missing-imports", str(tree)]),
    ]


def measure(name: str, tree: Path, programs: Path, runs: int, limit: float, only: set[str]) -> None:
    """Run every tool on a tree in turn and print the table."""
    (tree / "pyproject.toml").touch()  # the root of the tree, for every tool
    files = [path for path in sorted(tree.rglob("*.py")) if path.stat().st_size]
    lines = sum(path.read_bytes().count(b"\n") for path in files)
    tools = [one for one in tools_for(tree, programs) if not only or one.name.replace(",", " ").split()[0] in only]
    for number in range(runs):
        for tool in tools:
            if tool.trouble or (number and max(tool.seconds, default=0.0) > SLOW and "awaitguard" not in tool.name):
                continue
            if tool.fresh:
                shutil.rmtree(tree / ".awaitguard_cache", ignore_errors=True)
            print(f"{name}: {tool.name}, run {number + 1} of {runs}", file=sys.stderr)
            step = max(1, len(files) // 10)
            with edited(files[step // 2 :: step][:10] if tool.edited else []):
                tool.run(tree, limit)
    cold = statistics.median(tools[0].seconds) if tools[0].fresh and tools[0].seconds else 0.0
    print(f"\n### {name}: {len(files):,} files, {lines:,} lines\n")
    print("| run | seconds | to awaitguard cold | processor seconds | MB | runs |\n|---|---|---|---|---|---|")
    for tool in tools:
        print(tool.row(cold))


def stages(name: str, tree: Path) -> None:
    """Print what the steps of a cold run take in one process, beside `ast.parse` alone."""
    files = discover(tree, [tree]).files
    texts = [text for file in files if (text := readable(tree / file.path))]
    gc.disable()  # as in the processes of a run
    parsing = walking = 0.0
    for text in texts[::5]:
        began = time.process_time()
        parsed = ast.parse(text)
        between = time.process_time()
        Walker().walk(parsed, [])
        parsing, walking = parsing + between - began, walking + time.process_time() - between
    started = time.process_time()
    with Cache(None) as cache:
        known, words = refresh(cache, str(tree), files, 1, no_progress)
        summarised = time.process_time()
        check(cache, files, Ground(known, words, Modules(str(tree), known)), 1, no_progress)
        checked = time.process_time()
    share = sum(map(len, texts[::5])) / sum(map(len, texts))
    unit = parsing / share
    print(f"\n### {name}: {len(files):,} files, one process, {unit:.1f} s for ast.parse alone (= 1)\n")
    print("| step | of ast.parse |\n|---|---|")
    print(f"| the walk alone | {walking / parsing:.2f} |")
    print(f"| reading, parsing, walking and storing | {(summarised - started) / unit:.2f} |")
    print(f"| resolving names and the rules | {(checked - summarised) / unit:.2f} |")


def readable(path: Path) -> str:
    """The text of a file that can be parsed, else nothing."""
    try:
        text = path.read_text("utf-8")
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    return text


def describe(programs: Path) -> None:
    """The machine and the versions."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        named = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(": ")[2] if named else model
    memory = psutil.virtual_memory().total / 1e9
    print(f"\n{model}, {os.cpu_count()} processors, {memory:.0f} GB; load at the end {os.getloadavg()[0]:.1f}.")
    print(f"{platform.system()}, Python {platform.python_version()};", end=" ")
    versions = [
        subprocess.run([programs / peer, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        for peer in ("awaitguard", *PEERS)
    ]
    print(", ".join(versions) + ".")
    print(
        "MB: the most that a tool's processes held together, shared pages counted once, looked at ten times a second."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("trees", nargs="*", default=["installed", "generated"], metavar="TREE")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run may take")
    parser.add_argument("--files", type=int, default=FILES, help="size of the generated tree")
    parser.add_argument("--peers", type=Path, help="keep the peers' environment here")
    parser.add_argument("--only", default="", help="tools, with commas: awaitguard,pyrefly,ruff,ty,mypy")
    parser.add_argument("--stages", action="store_true", help="what the steps of a cold run take, instead of the peers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-awaitguard-") as scratch:
        programs = Path() if options.stages else environment((options.peers or Path(scratch, "peers")).absolute())
        for name in options.trees:
            tree = Path(scratch, name) if name in ("installed", "generated") else Path(name).resolve()
            if name == "installed":
                collect(tree)
            elif name == "generated":
                generate(tree, options.files)
            if options.stages:
                stages(name, tree)
                continue
            only = {one for one in options.only.split(",") if one}
            measure(name, tree, programs, options.runs, options.limit, only)
        if not options.stages:
            describe(programs)


if __name__ == "__main__":
    main()
