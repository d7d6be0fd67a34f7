"""The log on SQLite: the embedded default, for one process on a local disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from netra_backend.app.event_log.log import CommitListener, Cursor, LogState, Page
from netra_backend.app.event_log.run_appends import RunAppend
from netra_backend.app.event_log.user_log import UserTransaction, UserView
from netra_backend.app.event_log.wakeups import Wakeups
from netra_backend.app.event_log.writer import SqliteWriter, unavailable
from netra_backend.app.protocol.events import Gap

__all__ = ["SqliteLog", "sqlite_engine"]

T = TypeVar("T")

READERS = 4
BUSY_MS = 2000
"""How long a transaction waits for another process's lock. Only account commands take it, for a moment; a stop must
not wait longer to hear that the log is away."""


def sqlite_engine(path: Path, *, begin: str, read_only: bool = False) -> Engine:
    """An engine whose transactions start with `begin`.

    `BEGIN IMMEDIATE` for writers: a deferred transaction that reads first can't wait for the lock when it comes to
    write (SQLITE_BUSY at once). `synchronous=FULL`: a commit survives the loss of power.
    """
    if not read_only:
        # Made here, not by SQLite: what people say is for the owner's eyes, also where the folder is open to others.
        path.touch(mode=0o600, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", pool_size=READERS, max_overflow=0)

    def connected(raw: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        raw.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={BUSY_MS}",
            "foreign_keys=ON",
            *(("query_only=ON",) if read_only else ()),
        ):
            raw.execute(f"PRAGMA {pragma}")

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


class SqliteLog:
    """`EventLog` on one SQLite file. `open` it on the event loop, `close` it there."""

    def __init__(self, path: Path) -> None:
        self._wakeups = Wakeups()
        self._writing = sqlite_engine(path, begin="BEGIN IMMEDIATE")
        self._reading = sqlite_engine(path, begin="BEGIN", read_only=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="netra-log-reader")
        self._writer = SqliteWriter(self._writing, self._wakeups.publish)

    @property
    def state(self) -> LogState:
        """How the last write went."""
        return self._writer.state

    def commit(self, user_id: str, unit: Callable[[UserTransaction], T]) -> asyncio.Future[T]:
        """See `EventLog.commit`."""
        return self._writer.submit_unit(user_id, unit)

    def append(self, append: RunAppend) -> asyncio.Future[None]:
        """See `EventLog.append`."""
        return self._writer.submit_append(append)

    def write(self, unit: Callable[[Connection], T]) -> asyncio.Future[T]:
        """See `EventLog.write`."""
        return self._writer.submit(unit)

    async def view(self, user_id: str, look: Callable[[UserView], T]) -> T:
        """See `EventLog.view`."""
        return await self.query(lambda connection: look(UserView(connection, user_id)))

    async def query(self, look: Callable[[Connection], T]) -> T:
        """See `EventLog.query`."""
        # A task that dies here leaves the thread to finish and hand its connection back by itself.
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._look, look)

    async def read(self, user_id: str, after: Cursor, limit: int) -> Page | Gap:
        """See `EventLog.read`."""

        def look(view: UserView) -> Page | Gap:
            found = view.read(after.epoch, after.seq, limit)
            if isinstance(found, Gap):
                return found
            records, head = found
            return Page([record.event(head.epoch) for record in records], head.seq)

        return await self.view(user_id, look)

    def listen(self, listener: CommitListener) -> Callable[[], None]:
        """See `EventLog.listen`."""
        return self._wakeups.listen(listener)

    async def close(self) -> None:
        """Carry out what was submitted, then close the file."""
        await self._writer.close()
        await asyncio.get_running_loop().run_in_executor(None, self._readers.shutdown)
        self._reading.dispose()
        self._writing.dispose()

    def _look(self, look: Callable[[Connection], T]) -> T:
        try:
            with self._reading.begin() as connection:
                return look(connection)
        except DBAPIError as error:
            away = unavailable(error)
            if away is None:
                raise
            raise away from error
