"""Find the Python files of a tree."""

from __future__ import annotations

import fnmatch
import os
import stat
import time
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "env"})


# Of a file that was changed so lately another change may leave the times as they are: some file systems count in steps of
# two seconds.
FRESH: Final = 2_000_000_000  # ns


class SourceFile(NamedTuple):
    """A file to check: its path relative to the root with forward slashes, size in bytes, and `state_of` it."""

    path: str
    size: int
    state: str


def state_of(status: os.stat_result) -> str:
    """What is the same as long as a file's content is; empty if a change now might not show.

    The time of the last change of its entry is in it, since a file that is moved, or whose time is set, keeps the other.
    """
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < FRESH:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


class Discovery(NamedTuple):
    """What a search found; `unreadable` are directories and files with the reason they can't be read."""

    files: list[SourceFile]
    unreadable: list[tuple[str, str]]

    def joined(self, other: Discovery) -> Discovery:
        """What both found."""
        files = {file.path: file for file in (*other.files, *self.files)}
        return Discovery(sorted(files.values()), sorted({*self.unreadable, *other.unreadable}))

    def paths(self) -> frozenset[str]:
        """Everything that was found, whether or not it can be read."""
        return frozenset([file.path for file in self.files] + [path for path, _ in self.unreadable])


def discover(root: Path, starts: Iterable[Path], exclude: tuple[str, ...] = (), wanted: bool = True) -> Discovery:
    """All Python files under the starting points.

    Symbolic links to directories aren't followed, so loops can't trap the search. Hidden directories, environments
    and build output are left out.

    Raises:
        FileNotFoundError: a starting point isn't there, or is `wanted` and has no Python file below it.
    """
    search = Search(os.path.abspath(root), exclude)
    for start in starts:
        if not search.start(start) and wanted:
            raise FileNotFoundError(f"there is no Python file in {start}")
    return Discovery(sorted(search.found.values()), search.unreadable)


class Search:
    """Goes through directories, one starting point after the other."""

    def __init__(self, base: str, exclude: tuple[str, ...]) -> None:
        self.base = base
        self.exclude = exclude
        self.found: dict[str, SourceFile] = {}
        self.unreadable: list[tuple[str, str]] = []
        self.seen: int = 0  # files and directories that count, those that the configuration excludes among them

    def start(self, start: Path) -> bool:
        """Take in a file, or everything below a directory; gives whether there is any.

        Raises:
            FileNotFoundError: it isn't there.
        """
        before = self.seen
        absolute = os.path.abspath(start)
        if os.path.isdir(absolute):
            waiting = [absolute]
            while waiting:
                self.directory(waiting.pop(), waiting)
        elif os.path.exists(absolute):
            self.file(relative(absolute, self.base), os.stat(absolute))
        else:
            raise FileNotFoundError(f"{start} doesn't exist{nearest_path(start)}")
        return self.seen > before

    def file(self, path: str, status: os.stat_result) -> None:
        self.seen += 1
        if self.is_excluded(path):
            return
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
            self.unreadable.append((path, "is no regular file"))
            return
        self.found[path] = SourceFile(path, status.st_size, state_of(status))

    def directory(self, directory: str, waiting: list[str]) -> None:
        try:
            with os.scandir(directory) as entries:
                listed = list(entries)
        except OSError as error:
            self.fail(directory, error)
            return
        if any(entry.name == "pyvenv.cfg" for entry in listed):
            return
        for entry in listed:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if is_source(entry):
                        if self.is_excluded(relative(entry.path, self.base)):
                            self.seen += 1
                        else:
                            waiting.append(entry.path)
                elif entry.name.endswith(".py") and not entry.is_dir():
                    self.file(relative(entry.path, self.base), entry.stat())
            except OSError as error:
                self.fail(entry.path, error)

    def fail(self, path: str, error: OSError) -> None:
        self.seen += 1
        self.unreadable.append((relative(path, self.base), error.strerror or str(error)))

    def is_excluded(self, path: str) -> bool:
        return bool(self.exclude) and excluded(path, self.exclude)


def is_source(entry: os.DirEntry[str]) -> bool:
    """Whether a directory may hold sources: it isn't hidden, no environment and no build's output."""
    name = entry.name
    package = name in ("env", "build", "dist") and os.path.exists(os.path.join(entry.path, "__init__.py"))
    return not name.startswith(".") and (name not in SKIPPED or package)


def nearest_path(missing: Path) -> str:
    """`, did you mean tests?`: what stands beside a path that isn't there and is spelt alike; or nothing."""
    try:
        there = sorted(one.name for one in missing.parent.iterdir())
    except OSError:
        return ""
    near = get_close_matches(missing.name, there, 1)
    return f", did you mean {missing.parent / near[0]}?" if near else ""


def relative(path: str, base: str) -> str:
    """`path` as seen from `base`, with forward slashes; absolute if it lies outside."""
    shorter = (
        path[len(base) :].lstrip(os.sep)
        if path.startswith(base.rstrip(os.sep) + os.sep)
        else os.path.relpath(path, base)
    )
    return shorter.replace(os.sep, "/") if os.sep != "/" else shorter


def excluded(path: str, patterns: tuple[str, ...]) -> bool:
    return any(
        fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, pattern.rstrip("/") + "/*") for pattern in patterns
    )


def is_test(path: str) -> bool:
    """Whether a file is one of the tests, by its name or its directories."""
    *directories, name = path.lower().split("/")
    return (
        name.startswith(("test_", "conftest.")) or name.endswith("_test.py") or bool({"tests", "test"} & {*directories})
    )
