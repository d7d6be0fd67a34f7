"""What is kept between runs: summaries and results in one SQLite file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import sys
import tempfile
import zlib
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from awaitguard.read.source import summarise
from awaitguard.read.summary import FORMAT

LAYOUT = f"{FORMAT}-{sys.version_info[0]}.{sys.version_info[1]}"
SCHEMA = """
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, hash BLOB, digest BLOB, names TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS summaries (path TEXT PRIMARY KEY, checksum INTEGER, summary BLOB);
CREATE TABLE IF NOT EXISTS library (path TEXT PRIMARY KEY, state TEXT, checksum INTEGER, summary BLOB);
CREATE TABLE IF NOT EXISTS results (path TEXT PRIMARY KEY, key BLOB, outcome BLOB);
CREATE TABLE IF NOT EXISTS runs (key BLOB PRIMARY KEY, outcome BLOB);
"""
FileRow = tuple[str, int, int, bytes, bytes, str, bytes]


def digest(data: bytes) -> bytes:
    """What names some bytes."""
    return hashlib.blake2b(data, digest_size=16).digest()


class Cache:
    """A cache file, or a temporary one that is gone after the run.

    A damaged file is replaced by an empty one; one that can't be written is replaced by a temporary one. Two runs can
    use one file at the same time: each writes whole rows, and rows are only believed when their keys fit.
    """

    def __init__(self, directory: Path | None) -> None:
        self.temporary: tempfile.TemporaryDirectory[str] | None = None
        self.path = ""
        self.connection: sqlite3.Connection
        if directory is not None:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                ignore = directory / ".gitignore"
                if not ignore.exists():
                    ignore.write_text("*\n", encoding="utf-8")
                self.open(str(directory / f"cache-{LAYOUT}.sqlite"))
                return
            except sqlite3.DatabaseError:
                if self.replace(directory):
                    return
            except OSError:
                pass
        self.temporary = tempfile.TemporaryDirectory(prefix="awaitguard-")
        self.open(os.path.join(self.temporary.name, "cache.sqlite"))

    def open(self, path: str) -> None:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL" if self.temporary is None else "PRAGMA journal_mode=OFF")
            connection.execute("PRAGMA synchronous=OFF")
            connection.executescript(SCHEMA)
            connection.execute("SELECT count(*), max(length(outcome)) FROM runs").fetchone()
        except sqlite3.DatabaseError:
            connection.close()
            raise
        self.path, self.connection = path, connection

    def replace(self, directory: Path) -> bool:
        """Put an empty cache in place of a damaged one."""
        try:
            for left in directory.glob(f"cache-{LAYOUT}.sqlite*"):
                left.unlink()
            self.open(str(directory / f"cache-{LAYOUT}.sqlite"))
        except (OSError, sqlite3.DatabaseError):
            return False
        return True

    def known(self) -> dict[str, tuple[int, int, bytes, bytes, str]]:
        """Size, time of change, hash of the source, digest of the summary and names of every cached file, by path."""
        rows = self.connection.execute("SELECT path, size, changed, hash, digest, names FROM files")
        return {path: tuple(rest) for path, *rest in rows}

    def store_files(self, rows: Sequence[FileRow]) -> None:
        with self.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", [row[:6] for row in rows])
            summaries = [(path, zlib.crc32(summary), summary) for path, *_, summary in rows]
            connection.executemany("INSERT OR REPLACE INTO summaries VALUES (?, ?, ?)", summaries)

    def touch_files(self, rows: Iterable[tuple[int, int, str]]) -> None:
        """Note new times of files whose content is as before."""
        self.write("UPDATE files SET size = ?, changed = ? WHERE path = ?", rows)

    def drop_files(self, paths: Iterable[str]) -> None:
        gone = [(path,) for path in paths]
        with self.writing() as connection:
            connection.executemany("DELETE FROM files WHERE path = ?", gone)
            connection.executemany("DELETE FROM summaries WHERE path = ?", gone)
            connection.executemany("DELETE FROM results WHERE path = ?", gone)

    def results(self) -> dict[str, tuple[bytes, bytes]]:
        """Key and outcome of every cached result, by path."""
        return {
            path: (key, outcome)
            for path, key, outcome in self.connection.execute("SELECT path, key, outcome FROM results")
        }

    def store_results(self, rows: Iterable[tuple[str, bytes, bytes]]) -> None:
        self.write("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", rows)

    def run(self, key: bytes) -> bytes | None:
        """The outcome of a whole run with this key."""
        row = self.connection.execute("SELECT outcome FROM runs WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def store_run(self, key: bytes, outcome: bytes) -> None:
        self.write("DELETE FROM runs", [()])
        self.write("INSERT OR REPLACE INTO runs VALUES (?, ?)", [(key, outcome)])

    def write(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self.writing() as connection:
            connection.executemany(statement, rows)

    @contextlib.contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A transaction."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self.connection.close()
        if self.temporary is not None:
            self.temporary.cleanup()

    def __enter__(self) -> Cache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Reader:
    """The summaries of a cache, one reader per process; it writes only what it had to summarise of the library."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, timeout=30)
        self.connection.execute("PRAGMA synchronous=OFF")

    def summary(self, path: str) -> bytes | None:
        """The summary of a file; None if it isn't there or isn't what was stored."""
        row = self.connection.execute("SELECT checksum, summary FROM summaries WHERE path = ?", (path,)).fetchone()
        return row[1] if row and zlib.crc32(row[1]) == row[0] else None

    def library(self, path: str) -> bytes | None:
        """The summary of a source of the library: kept while the file's size and time of change are the same."""
        try:
            status = os.stat(path)
            state = f"{status.st_size}:{status.st_mtime_ns}"
            row = self.connection.execute(
                "SELECT state, checksum, summary FROM library WHERE path = ?", (path,)
            ).fetchone()
            if row and row[0] == state and zlib.crc32(row[2]) == row[1]:
                return row[2]
            with open(path, "rb") as file:
                data, _ = summarise(file.read())
        except OSError:
            return None
        with contextlib.suppress(sqlite3.OperationalError), self.connection:
            self.connection.execute(
                "INSERT OR REPLACE INTO library VALUES (?, ?, ?, ?)", (path, state, zlib.crc32(data), data)
            )
        return data

    def close(self) -> None:
        self.connection.close()
