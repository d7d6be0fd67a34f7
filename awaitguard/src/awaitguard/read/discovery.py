"""Find the Python files of a tree."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "env"})


class SourceFile(NamedTuple):
    """A file to check: its path relative to the root with forward slashes, size in bytes, time of change in ns."""

    path: str
    size: int
    changed: int


class Discovery(NamedTuple):
    """What a search found; `unreadable` are directories and files with the reason they can't be read."""

    files: list[SourceFile]
    unreadable: list[tuple[str, str]]


def discover(root: Path, starts: Iterable[Path], exclude: tuple[str, ...] = ()) -> Discovery:
    """All Python files under the starting points.

    Symbolic links to directories aren't followed, so loops can't trap the search. Hidden directories, environments
    and build output are left out.

    Raises:
        FileNotFoundError: a starting point isn't there.
    """
    base = os.path.abspath(root)
    found: dict[str, SourceFile] = {}
    unreadable: list[tuple[str, str]] = []
    waiting: list[str] = []
    for start in starts:
        absolute = os.path.abspath(start)
        if os.path.isdir(absolute):
            waiting.append(absolute)
        elif os.path.exists(absolute):
            status = os.stat(absolute)
            path = relative(absolute, base)
            if not stat.S_ISREG(status.st_mode):
                unreadable.append((path, "is no regular file"))
                continue
            found[path] = SourceFile(path, status.st_size, status.st_mtime_ns)
        else:
            raise FileNotFoundError(f"{start} doesn't exist")
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as entries:
                listed = list(entries)
        except OSError as error:
            unreadable.append((relative(directory, base), error.strerror or str(error)))
            continue
        if any(entry.name == "pyvenv.cfg" for entry in listed):
            continue
        for entry in listed:
            name = entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    package = name in ("env", "build", "dist") and os.path.exists(
                        os.path.join(entry.path, "__init__.py")
                    )
                    if (
                        not name.startswith(".")
                        and (name not in SKIPPED or package)
                        and not excluded(relative(entry.path, base), exclude)
                    ):
                        waiting.append(entry.path)
                elif name.endswith(".py") and not entry.is_dir():
                    path = relative(entry.path, base)
                    if not exclude or not excluded(path, exclude):
                        status = entry.stat()
                        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
                            unreadable.append((path, "is no regular file"))
                            continue
                        found[path] = SourceFile(path, status.st_size, status.st_mtime_ns)
            except OSError as error:
                unreadable.append((relative(entry.path, base), error.strerror or str(error)))
    return Discovery(sorted(found.values()), unreadable)


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
