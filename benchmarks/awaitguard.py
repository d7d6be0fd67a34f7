"""Time awaitguard side by side with its peers on one tree.

    python benchmarks/awaitguard.py [TREE] [--runs N] [--peers DIRECTORY]

TREE is a directory of Python files; without it a tree of 10,000 files is generated. The peers (pyrefly, mypy, ty, ruff)
are installed from PyPI with pip into an environment of their own. Prints a Markdown table: wall seconds (median of the
runs), peak memory of the largest process in MB, and the ratio to awaitguard's cold run. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

PEERS = ("pyrefly", "mypy", "ty", "ruff")
FILES, LINES = 10_000, 420


def generate(root: Path, files: int = FILES) -> None:
    """A tree of packages that import each other, with sync and async functions and a few wrong awaits."""
    for number in range(files):
        package = root / f"package_{number % 100:02}"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        other = (number * 7 + 1) % files
        text = f"from package_{other % 100:02}.module_{other} import load_0 as other\n\n"
        block = 0
        while text.count("\n") < LINES:
            text += (
                f"class Store_{block}:\n    def __init__(self, path, size=1):\n"
                f"        self.path = path\n        self.size = size\n\n"
                f"    async def save(self, key, value):\n"
                f"        text = f'{{key}}={{value}}'\n        return text.upper()\n\n"
                f"    def name(self):\n        return str(self.path)\n\n\n"
                f"async def load_{block}(key):\n    store = Store_{block}(key)\n    found = await store.save(key, 1)\n"
                f"    if found:\n        return await other(found)\n    return [found, store.name()]\n\n\n"
            )
            block += 1
        if number % 500 == 0:
            text += "async def wrong():\n    return await Store_0('x')\n"
        (package / f"module_{number}.py").write_text(text)


def timed(command: list[str], directory: Path) -> tuple[float, float]:
    """Wall seconds and peak memory (MB, of the largest process) of a command; a finding is no failure."""
    script = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(done.returncode)"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=directory, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command[0]} could not run (exit code {done.returncode})")
    return seconds, int(done.stdout or 0) / 1024


def environment(directory: Path) -> Path:
    """An environment with the peers in it; gives its directory of programs."""
    programs = directory / ("Scripts" if os.name == "nt" else "bin")
    if not all((programs / peer).exists() for peer in PEERS):
        venv.create(directory, with_pip=True)
        subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", *PEERS], check=True)
    return programs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--files", type=int, default=FILES, help="size of the generated tree")
    parser.add_argument("--peers", type=Path, help="keep the peers' environment here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree = options.tree or Path(scratch, "tree")
        if options.tree is None:
            generate(tree, options.files)
        programs = environment(options.peers or Path(scratch, "peers"))
        cache = tree / ".awaitguard_cache"
        own = [sys.executable, "-m", "awaitguard", "check", str(tree)]
        commands = {
            "awaitguard, cold": own,
            "awaitguard, nothing changed": own,
            "awaitguard, ten files changed": own,
            "pyrefly": [str(programs / "pyrefly"), "check", "--only", "not-async,unused-coroutine", str(tree)],
            "mypy": [str(programs / "mypy"), "--no-incremental", "--ignore-missing-imports", str(tree)],
            "ty": [str(programs / "ty"), "check", str(tree)],
            "ruff": [str(programs / "ruff"), "check", "--no-cache", "--isolated", str(tree)],
        }
        changed = [path for path in sorted(tree.rglob("*.py")) if path.stat().st_size][:10]
        rows: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, command in commands.items():
                if name == "awaitguard, cold":
                    shutil.rmtree(cache, ignore_errors=True)
                originals: dict[Path, bytes] = {}
                if name.endswith("ten files changed"):
                    originals = {path: path.read_bytes() for path in changed}
                    for path, data in originals.items():
                        path.write_bytes(data + b"\nCHANGED = 1\n")
                try:
                    rows[name].append(timed(command, tree))
                finally:
                    for path, data in originals.items():
                        path.write_bytes(data)
        cold = statistics.median(seconds for seconds, _ in rows["awaitguard, cold"])
        print("| run | seconds | MB, largest process | to awaitguard cold |\n|---|---|---|---|")
        for name, found in rows.items():
            seconds = statistics.median(one for one, _ in found)
            print(f"| {name} | {seconds:.1f} | {max(memory for _, memory in found):.0f} | {seconds / cold:.2f} |")
        print(
            f"\n{os.cpu_count()} processors, {sum(1 for _ in tree.rglob('*.py'))} files, median of {options.runs} runs."
        )


if __name__ == "__main__":
    main()
