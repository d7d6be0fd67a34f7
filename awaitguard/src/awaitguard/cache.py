"""What is kept between runs: summaries and results in one SQLite file."""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import sqlite3
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

from awaitguard.read.discovery import state_of
from awaitguard.read.source import summarise
from awaitguard.version import __version__

TABLES: Final = ("files", "summaries", "library", "results", "runs")
PUT: Final = "INSERT OR REPLACE INTO {} VALUES (?, ?)"
GET_ALL: Final = "SELECT name, data FROM {}"
GET: Final = "SELECT data FROM {} WHERE name = ?"
UNUSED: Final = 7 * 24 * 3600  # seconds after which the cache of another awaitguard or Python is thrown away
SPARE: Final = 1000  # summaries that no file has any more and that are kept besides as many as there are files


def digest(data: bytes) -> bytes:
    """What names some bytes."""
    return hashlib.blake2b(data, digest_size=16).digest()


def maker(package: Path) -> str:
    """What names the Python and the awaitguard that make a cache: neither believes what another one has made.

    Modules and data files count; what Python itself puts beside them doesn't.
    """
    files = [one for one in sorted(package.rglob("*")) if "__pycache__" not in one.parts and one.is_file()]
    parts = [(one.as_posix(), one.stat().st_size, one.stat().st_mtime_ns) for one in files]
    return digest(repr((__version__, sys.version_info[:2], parts)).encode()).hex()


class Known(NamedTuple):
    """What is known of a file: its state, the digests of its source and summary, its words.

    `views` has a name for what each of the views of `read.forms` shows: the digest of some summary that shows the same.
    """

    state: str
    content: bytes
    summary: bytes
    views: tuple[bytes, ...]
    words: str


def seal(name: str | bytes, data: bytes) -> bytes:
    """Bytes as they are stored under a name: damage shows, also that of an index that leads to another row."""
    return checksum(name, data) + data


def unseal(name: str | bytes, stored: object) -> bytes | None:
    """What was sealed under a name; None if it isn't what was stored."""
    if not isinstance(stored, bytes) or len(stored) < 4:
        return None
    return stored[4:] if checksum(name, stored[4:]) == stored[:4] else None


def checksum(name: str | bytes, data: bytes) -> bytes:
    start = zlib.crc32(name.encode() if isinstance(name, str) else name)
    return zlib.crc32(data, start).to_bytes(4, "big")


def thaw(name: str | bytes, stored: object) -> Any:
    """The values that were sealed by `freeze`; None if they aren't what was stored."""
    data = unseal(name, stored)
    return None if data is None else marshal.loads(data)  # noqa: S302 - our own cache, by its checksum


def freeze(name: str | bytes, values: Any) -> bytes:
    """Plain values as they are stored under a name."""
    return seal(name, marshal.dumps(values))


class Cache:
    """A cache file, or a temporary one that is gone after the run.

    Nothing in it is needed and nothing is believed that doesn't fit: rows have checksums, results name all that they were
    worked out from, and summaries the source that they were made of. So a cache that is damaged, cut off, locked, full or
    written by several runs at once costs time and nothing else.
    """

    def __init__(self, directory: Path | None) -> None:
        self.temporary: tempfile.TemporaryDirectory[str] | None = None
        self.path = ""
        self.connection: sqlite3.Connection
        if directory is not None:
            path = directory / f"cache-{maker(Path(__file__).parent)}.sqlite"
            with contextlib.suppress(OSError):
                directory.mkdir(parents=True, exist_ok=True)
                ignore = directory / ".gitignore"
                if not ignore.exists():
                    ignore.write_text("*\n", encoding="utf-8")
                if not path.exists():
                    drop_unused(directory)
            if self.open(str(path)) or (remove(path) and self.open(str(path))):
                return
        self.temporary = tempfile.TemporaryDirectory(prefix="awaitguard-")
        if not self.open(os.path.join(self.temporary.name, "cache.sqlite")):
            raise OSError(f"no cache can be made in {self.temporary.name}")

    def open(self, path: str) -> bool:
        """Whether there is a cache now that can be read and written."""
        try:
            connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        except sqlite3.Error:
            return False
        try:
            connection.execute("PRAGMA journal_mode=WAL" if self.temporary is None else "PRAGMA journal_mode=OFF")
            connection.execute("PRAGMA synchronous=OFF")
            for table in TABLES:
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (name BLOB PRIMARY KEY, data BLOB)")
            connection.execute("SELECT count(*), max(length(data)) FROM runs").fetchone()
        except sqlite3.Error:
            connection.close()
            return False
        self.path, self.connection = path, connection
        return True

    # Files and summaries

    def files(self) -> dict[str, Known]:
        """What is known of every file, by path."""
        return {path: Known(*found) for path, found in self.rows("files")}

    def store_files(
        self, files: Iterable[tuple[str, Known]], summaries: Iterable[tuple[bytes, bytes, str]] = ()
    ) -> None:
        """Keep files, and summaries with their words by the digest of their source."""
        self.write(
            (
                PUT.format("summaries"),
                [(content, with_words(content, data, words)) for content, data, words in summaries],
            ),
            (PUT.format("files"), [(path, freeze(path, tuple(known))) for path, known in files]),
        )

    def drop_files(self, paths: Iterable[str]) -> None:
        """Forget files that are gone. Their summaries stay a while: they may come back, by another name perhaps."""
        gone = [(path,) for path in paths]
        self.write(("DELETE FROM files WHERE name = ?", gone), ("DELETE FROM results WHERE name = ?", gone))

    def drop_summaries(self, files: dict[str, Known]) -> None:
        """Forget summaries that no file has any more, once they are many."""
        wanted = {known.content for known in files.values()}
        kept = {name for (name,) in self.select("SELECT name FROM summaries")}
        if len(kept) > 2 * len(wanted) + SPARE:
            self.write(("DELETE FROM summaries WHERE name = ?", [(name,) for name in kept - wanted]))

    def silent_about(self, text: str) -> set[bytes]:
        """The digests of the sources whose summaries don't hold a text."""
        found = [(name, unseal(name, data)) for name, data in self.named("summaries")]
        return {name for name, data in found if data is not None and text.encode() not in data}

    # Results

    def results(self) -> dict[str, object]:
        """What was stored of every file's check, by path and still to be thawed: it is much."""
        return dict(self.named("results"))

    def store_results(self, results: Iterable[tuple[str, Any]]) -> None:
        self.write((PUT.format("results"), [(path, freeze(path, values)) for path, values in results]))

    def run(self, key: bytes) -> Any:
        """What was stored of a whole run; None if it isn't there."""
        return dict(self.rows("runs")).get(key)

    def store_run(self, key: bytes, values: Any) -> None:
        """Keep a whole run, in the place of the one before."""
        self.write(("DELETE FROM runs", [()]), (PUT.format("runs"), [(key, freeze(key, values))]))

    # Rows

    def rows(self, table: str) -> list[tuple[Any, Any]]:
        """Names and values of a table, without what is damaged."""
        thawed = [(name, thaw(name, data)) for name, data in self.named(table)]
        return [(name, values) for name, values in thawed if values is not None]

    def named(self, table: str) -> list[tuple[Any, object]]:
        """Names and stored bytes of a table."""
        return [(name, data) for name, data in self.select(GET_ALL.format(table)) if isinstance(name, str | bytes)]

    def select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self.connection.execute(query, values).fetchall()
        except sqlite3.Error:
            return []

    def write(self, *statements: tuple[str, list[tuple[Any, ...]]]) -> None:
        """One transaction; one that can't be written is done without."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            for statement, rows in statements:
                self.connection.executemany(statement, rows)
            self.connection.execute("COMMIT")
        except sqlite3.Error:
            pass
        finally:
            if self.connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")

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


def remove(path: Path) -> bool:
    """Take a damaged cache away."""
    try:
        for left in path.parent.glob(path.name + "*"):
            left.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def drop_unused(directory: Path) -> None:
    """Take away what other versions left here and nobody has used for long."""
    for path in directory.glob("cache-*.sqlite"):
        if path.stat().st_mtime < time.time() - UNUSED:
            remove(path)


def with_words(content: bytes, summary: bytes, words: str) -> bytes:
    """A summary and its words as they are stored by the digest of their source."""
    return seal(content, words.encode() + b"\0" + summary)


class Reader:
    """The summaries of a cache, one reader per process; it writes only what it had to summarise by itself."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, timeout=30)
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("PRAGMA synchronous=OFF")

    def summary(self, content: bytes) -> tuple[bytes, str] | None:
        """Summary and words by the digest of the source; None if they aren't there or aren't what was stored."""
        data = self.row("summaries", content)
        if data is None:
            return None
        words, _, summary = data.partition(b"\0")
        return summary, words.decode()

    def library(self, path: str) -> bytes | None:
        """The summary of a source of the library: kept while the file is in the same state."""
        try:
            state = state_of(os.stat(path)).encode()
            kept = (self.row("library", path) or b"").partition(b"\0") if state else (b"", b"", b"")
            if kept[0] == state and kept[2]:
                return kept[2]
            with open(path, "rb") as file:
                data, _ = summarise(file.read())
        except OSError:
            return None
        self.put("library", path, seal(path, state + b"\0" + data))
        return data

    def heal(self, content: bytes, summary: bytes, words: str) -> None:
        """Keep a summary in the place of one that is damaged."""
        self.put("summaries", content, with_words(content, summary, words))

    def put(self, table: str, name: str | bytes, data: bytes) -> None:
        with contextlib.suppress(sqlite3.Error), self.connection:
            self.connection.execute(PUT.format(table), (name, data))

    def row(self, table: str, name: str | bytes) -> bytes | None:
        try:
            found = self.connection.execute(GET.format(table), (name,)).fetchone()
        except sqlite3.Error:
            return None
        return unseal(name, found[0]) if found else None

    def close(self) -> None:
        self.connection.close()
