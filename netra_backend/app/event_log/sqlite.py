"""The log on SQLite: the embedded default, for one process on a local disk."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from netra_backend.app.event_log.log import CommitListener, Cursor, LogState, Page
from netra_backend.app.event_log.readers import FairReaders
from netra_backend.app.event_log.run_appends import RunAppend
from netra_backend.app.event_log.user_log import UserTransaction, UserView
from netra_backend.app.event_log.wakeups import Wakeups
from netra_backend.app.event_log.writer import SqliteWriter, unavailable
from netra_backend.app.protocol.events import Gap
from netra_backend.app.storage.errors import LogUnavailable, TookTooLong

__all__ = ["SqliteLog", "sqlite_engine"]

T = TypeVar("T")

OWN_READERS = 2
"""Threads for what the server itself reads, in small steps: sessions, and the pages that sockets are sent."""
USER_READERS = 4
PER_USER = 2
"""Threads for what is read in a user's name, and how many of them one user may have at a time."""
SEARCHERS = 2
SEARCH_SECONDS = 2.0
"""A search that takes longer is ended. One user has one at a time."""
STEPS = 1000
"""Steps of SQLite's machine between two looks at the clock: some 50 µs."""
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
    engine = create_engine(f"sqlite:///{path}", pool_size=OWN_READERS + USER_READERS + SEARCHERS, max_overflow=0)

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
        self._own_readers = ThreadPoolExecutor(OWN_READERS, thread_name_prefix="netra-log-reader")
        self._user_readers = FairReaders(USER_READERS, PER_USER, "netra-user-reader")
        self._searchers = FairReaders(SEARCHERS, 1, "netra-searcher")
        self._closing = False
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
        return await self._user_readers.look(user_id, lambda: self._look(_of_user(user_id, look)))

    async def search(self, user_id: str, look: Callable[[UserView], T]) -> T:
        """See `EventLog.search`."""
        return await self._searchers.look(user_id, lambda: self._look(_of_user(user_id, look), SEARCH_SECONDS))

    async def query(self, look: Callable[[Connection], T]) -> T:
        """See `EventLog.query`."""
        # A task that dies here leaves the thread to finish and hand its connection back by itself.
        return await asyncio.get_running_loop().run_in_executor(self._own_readers, self._look, look)

    async def read(self, user_id: str, after: Cursor, limit: int) -> Page | Gap:
        """See `EventLog.read`."""

        def look(view: UserView) -> Page | Gap:
            found = view.read(after.epoch, after.seq, limit)
            if isinstance(found, Gap):
                return found
            records, head = found
            return Page([record.event(head.epoch) for record in records], head.seq)

        return await self.query(_of_user(user_id, look))

    def listen(self, listener: CommitListener) -> Callable[[], None]:
        """See `EventLog.listen`."""
        return self._wakeups.listen(listener)

    async def close(self) -> None:
        """Carry out what was submitted, end what is being read, then close the file."""
        await self._writer.close()
        self._closing = True
        for readers in (self._own_readers, self._user_readers, self._searchers):
            await asyncio.get_running_loop().run_in_executor(None, readers.shutdown)
        self._reading.dispose()
        self._writing.dispose()

    def _look(self, look: Callable[[Connection], T], seconds: float = math.inf) -> T:
        deadline = time.monotonic() + seconds
        try:
            with self._reading.begin() as connection:
                raw = cast("sqlite3.Connection", connection.connection.driver_connection)
                raw.set_progress_handler(lambda: self._closing or time.monotonic() > deadline, STEPS)
                return look(connection)
        except DBAPIError as error:
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                if self._closing:
                    raise LogUnavailable("the log is closed") from None
                raise TookTooLong(f"it took longer than {seconds:g} seconds") from None
            away = unavailable(error)
            if away is None:
                raise
            raise away from error


def _of_user(user_id: str, look: Callable[[UserView], T]) -> Callable[[Connection], T]:
    return lambda connection: look(UserView(connection, user_id))
