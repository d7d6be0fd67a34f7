"""The one writer of a SQLite database: a thread that runs units and commits them in groups.

While one transaction is in flight the next batch gathers, so a lone unit is committed at once and a busy moment
shares one `fsync`. Nothing awaits inside a transaction, so no task that dies can leave one open.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from netra_backend.app.event_log.log import Committed, LogState
from netra_backend.app.event_log.run_appends import RunAppend, keep_all, keep_one
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.events import Event
from netra_backend.app.storage.errors import LogUnavailable

__all__ = ["SqliteWriter", "unavailable"]

BATCH = 256
"""Units in one transaction at most, so that the first of them doesn't wait for an endless batch."""

_ENVIRONMENT = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
    }
)
"""Primary result codes that speak of the world, not of our statement (sqlite.org/rescode.html)."""

_logger = logging.getLogger(__name__)


def unavailable(error: DBAPIError) -> LogUnavailable | None:
    """`error` as what it means to a caller, if it is the database's state and not a defect of the statement."""
    code: object = getattr(error.orig, "sqlite_errorcode", None)
    if isinstance(code, int) and code & 0xFF in _ENVIRONMENT:
        return LogUnavailable(f"the database can't be used now: {error.orig}")
    return None


@dataclass(slots=True)
class _Job:
    run: Callable[[Connection], tuple[Any, Committed | None]]
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None
    committed: Committed | None = field(default=None)
    append: RunAppend | None = None
    """What the unit is, if it can be kept together with others of its kind."""


class SqliteWriter:
    """Runs units in the order in which they were submitted. Made on the event loop that gets the results."""

    def __init__(self, engine: Engine, publish: Callable[[Sequence[Committed]], None]) -> None:
        self._engine = engine
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._state = LogState(available=True, reason=None)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="netra-log-writer")
        self._thread.start()

    @property
    def state(self) -> LogState:
        """How the last batch went."""
        return self._state

    def submit_unit(self, user_id: str, unit: Callable[[UserTransaction], Any]) -> asyncio.Future[Any]:
        """Queue a unit of one user."""

        return self._submit(self._of_user(user_id, unit))

    def submit_append(self, append: RunAppend) -> asyncio.Future[Any]:
        """Queue what a run says."""
        alone = self._of_user(append.user_id, lambda transaction: keep_one(transaction, append))
        return self._submit(alone, append)

    def submit(self, unit: Callable[[Connection], Any]) -> asyncio.Future[Any]:
        """Queue a change of rows that belong to no log."""

        def run(connection: Connection) -> tuple[Any, Committed | None]:
            return unit(connection), None

        return self._submit(run)

    async def close(self) -> None:
        """Carry out what was submitted, then end. Nothing may be submitted after this."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            await self._loop.run_in_executor(None, self._thread.join)

    def _of_user(
        self, user_id: str, unit: Callable[[UserTransaction], Any]
    ) -> Callable[[Connection], tuple[Any, Committed | None]]:
        def run(connection: Connection) -> tuple[Any, Committed | None]:
            transaction = UserTransaction(connection, user_id)
            value = unit(transaction)
            events = transaction.finish()
            return value, Committed(user_id, events) if events else None

        return run

    def _submit(
        self, run: Callable[[Connection], tuple[Any, Committed | None]], append: RunAppend | None = None
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._closed:
            future.set_exception(LogUnavailable("the log is closed"))
        else:
            self._jobs.put(_Job(run, future, append=append))
        return future

    def _work(self) -> None:
        more = True
        while more:
            batch, more = self._gather()
            if batch:
                self._write(batch)
                self._loop.call_soon_threadsafe(self._deliver, batch)

    def _gather(self) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH:
                return batch, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _write(self, batch: Sequence[_Job]) -> None:
        try:
            with self._engine.begin() as connection:
                for group in _groups(batch):
                    if not self._keep_together(group, connection):
                        for job in group:
                            self._run(job, connection, alone=len(batch) == 1)
        except DBAPIError as error:
            # The whole transaction is gone, whichever unit met the trouble. Each caller may come again under its key.
            away = unavailable(error)
            for job in batch:
                job.committed = None
                job.error = away or error
            self._note(LogState(available=False, reason=str(error.orig)) if away else self._state)
        except BaseException as error:  # noqa: BLE001 - a lone unit's own error; it goes to whoever awaits the unit
            for job in batch:
                job.committed = None
                job.error = error
        else:
            self._note(LogState(available=True, reason=None))

    def _keep_together(self, group: Sequence[_Job], connection: Connection) -> bool:
        appends = [job.append for job in group if job.append is not None]
        if not appends:
            return False
        connection.exec_driver_sql("SAVEPOINT appends")
        kept: list[list[Event]] | None = None
        try:
            kept = keep_all(connection, appends)
        except DBAPIError as error:
            if unavailable(error):
                raise
        except Exception:  # noqa: BLE001 - it comes again from the unit that it's about, kept by itself
            kept = None
        if kept is None:
            connection.exec_driver_sql("ROLLBACK TO appends")
        connection.exec_driver_sql("RELEASE appends")
        if kept is None:
            return False
        for job, append, events in zip(group, appends, kept, strict=True):
            job.committed = Committed(append.user_id, events)
        return True

    def _run(self, job: _Job, connection: Connection, *, alone: bool) -> None:
        if alone:
            job.value, job.committed = job.run(connection)
            return
        connection.exec_driver_sql("SAVEPOINT unit")
        try:
            job.value, job.committed = job.run(connection)
        except DBAPIError as error:
            if unavailable(error):
                raise
            self._undo(job, connection, error)
        except BaseException as error:  # noqa: BLE001 - the unit fails alone; its error goes to whoever awaits it
            self._undo(job, connection, error)
        else:
            connection.exec_driver_sql("RELEASE unit")

    def _undo(self, job: _Job, connection: Connection, error: BaseException) -> None:
        connection.exec_driver_sql("ROLLBACK TO unit")
        connection.exec_driver_sql("RELEASE unit")
        job.error = error

    def _note(self, state: LogState) -> None:
        if state.available != self._state.available:
            if state.available:
                _logger.warning("the database takes writes again")
            else:
                _logger.error("the database takes no writes: %s", state.reason)
        self._state = state

    def _deliver(self, batch: Sequence[_Job]) -> None:
        # Results first: whatever a listener does, whoever waits for a commit is told. They run after this step of
        # the loop, so by then the wake-ups are through.
        for job in batch:
            if job.future.cancelled():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.value)
        self._publish([job.committed for job in batch if job.error is None and job.committed is not None])


def _groups(batch: Sequence[_Job]) -> Iterator[list[_Job]]:
    """The batch in its order, with what different runs say in groups, and any other unit by itself."""
    group: list[_Job] = []
    runs: set[str] = set()
    for job in batch:
        if job.append is None or job.append.run_id in runs:
            if group:
                yield group
            group, runs = [], set()
        if job.append is None:
            yield [job]
        else:
            group.append(job)
            runs.add(job.append.run_id)
    if group:
        yield group
