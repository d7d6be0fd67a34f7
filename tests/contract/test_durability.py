"""What a commit costs is what makes it last: every connection that the engine hands out waits for the disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.sqlite import OWN_READERS, SEARCHERS, USER_READERS, SqliteLog, sqlite_engine
from netra_backend.app.event_log.user_log import UserTransaction, UserView
from netra_backend.app.event_log.writer import unavailable
from netra_backend.app.protocol.events import Erased
from netra_backend.app.storage.errors import LogUnavailable
from tests.contract.conftest import Engine
from tests.harness.deadline import DEADLINE

# How SQLite itself is set; another engine has settings of its own.

FULL = 2
"""https://www.sqlite.org/pragma.html#pragma_synchronous"""


def settings_of(rows: Connection) -> dict[str, object]:
    names = ("synchronous", "journal_mode", "foreign_keys", "fullfsync", "query_only", "busy_timeout")
    return {name: rows.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names}


async def test_every_connection_waits_for_the_disk(log: EventLog) -> None:
    """`synchronous=OFF` could be put into the code with every test green."""
    of_writer = await log.write(settings_of)
    together = threading.Barrier(OWN_READERS + USER_READERS + SEARCHERS, timeout=DEADLINE)

    def look(rows: Connection) -> dict[str, object]:
        # Each on a connection of its own: none is handed back before all are here.
        together.wait()
        return settings_of(rows)

    def of_view(view: UserView) -> dict[str, object]:
        return look(view._connection)

    of_readers = await asyncio.gather(
        *(log.query(look) for _ in range(OWN_READERS)),
        *(log.view(f"reader {number}", of_view) for number in range(USER_READERS)),
        *(log.search(f"searcher {number}", of_view) for number in range(SEARCHERS)),
    )
    for found in (of_writer, *of_readers):
        assert (found["synchronous"], found["journal_mode"], found["foreign_keys"]) == (FULL, "wal", 1)
        assert found["busy_timeout"], "another process's moment with the lock is waited for"
    assert not of_writer["query_only"]
    assert all(found["query_only"] for found in of_readers)


async def test_a_reader_cannot_write(log: EventLog) -> None:
    with pytest.raises(LogUnavailable, match="readonly"):
        await log.query(lambda rows: rows.exec_driver_sql("DELETE FROM events"))


async def test_a_look_is_of_one_moment(log: EventLog) -> None:
    """A reader that isn't in a transaction would see the head of one moment and the events of another."""
    await log.commit("u", lambda tx: tx.append(Erased()))
    begun, written = threading.Event(), threading.Event()

    def look(rows: Connection) -> tuple[object, object]:
        before = rows.exec_driver_sql("SELECT count(*) FROM events").scalar_one()
        begun.set()
        assert written.wait(DEADLINE)
        return before, rows.exec_driver_sql("SELECT count(*) FROM events").scalar_one()

    looking = asyncio.create_task(log.query(look))
    await asyncio.to_thread(begun.wait, DEADLINE)
    await log.commit("u", lambda tx: tx.append(Erased()))
    written.set()
    before, after = await looking
    assert before == after


async def test_nobody_writes_between_what_a_unit_reads_and_what_it_writes(engine: Engine, log: EventLog) -> None:
    """A deferred transaction that has read can't wait any more when somebody else has written meanwhile."""
    await log.commit("u", lambda tx: tx.append(Erased()))

    def unit(tx: UserTransaction) -> int:
        assert tx.head() is not None
        other = sqlite3.connect(engine.path, isolation_level=None, timeout=0)
        try:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        finally:
            other.close()
        return tx.append(Erased())

    assert await log.commit("u", unit) == 2


async def test_a_unit_waits_for_another_processs_moment(engine: Engine, log: EventLog) -> None:
    other = sqlite3.connect(engine.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    unit = log.commit("u", lambda tx: tx.append(Erased()))
    other.execute("INSERT INTO instance VALUES ('other', 'process')")
    other.execute("COMMIT")
    other.close()
    assert await unit == 1


@pytest.mark.parametrize(
    ("code", "away"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True),
        (sqlite3.SQLITE_READONLY_DBMOVED, True),
        (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, False),
        (sqlite3.SQLITE_ERROR, False),
    ],
)
def test_what_speaks_of_the_world_is_told_from_a_defect(code: int, away: bool) -> None:
    """By the primary code, which the extended ones hold in their low byte (sqlite.org/rescode.html)."""
    error = sqlite3.OperationalError("it says")
    error.sqlite_errorcode = code
    found = unavailable(OperationalError("statement", {}, error))
    assert (found is not None) == away


async def test_a_database_that_cannot_be_read_is_unavailable(engine: Engine) -> None:
    log = await engine.open()
    await log.commit("u", lambda tx: tx.append(Erased()))
    await log.close()
    engine.path.write_bytes(b"this is no database, and long enough to be read as one " * 100)
    for name in ("-wal", "-shm"):
        engine.path.with_name(engine.path.name + name).unlink(missing_ok=True)
    broken = SqliteLog(engine.path)
    with pytest.raises(LogUnavailable):
        await broken.query(lambda rows: rows.exec_driver_sql("SELECT * FROM events").all())
    await broken.close()


def test_what_people_say_is_for_the_owners_eyes(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        sqlite_engine(tmp_path / "netra.db", begin="BEGIN IMMEDIATE").dispose()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "netra.db").stat().st_mode) == 0o600
