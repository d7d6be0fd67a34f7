"""The engines on which the log's contract is checked. Every test here runs on each of them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.storage.schema import migrate
from netra_backend.app.storage.users import Users
from tests.harness.deadline import DEADLINE

__all__ = ["Engine", "SqliteEngine"]


class SqliteEngine:
    """How tests reach what the log's interface doesn't offer, on SQLite."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "netra.db"

    async def open(self) -> SqliteLog:
        log = SqliteLog(self.path)
        await log.write(migrate)
        return log

    async def fill_disk(self, log: EventLog) -> None:
        """The database can grow no further: SQLITE_FULL."""
        await log.write(lambda rows: rows.exec_driver_sql("PRAGMA max_page_count=1").scalar())

    def leave_a_little_room(self, rows: Connection) -> None:
        """As part of a batch: what is small still fits, what is large is SQLITE_FULL."""
        pages = rows.exec_driver_sql("PRAGMA page_count").scalar_one()
        rows.exec_driver_sql(f"PRAGMA max_page_count={pages + 400}")

    async def free_disk(self, log: EventLog) -> None:
        await log.write(lambda rows: rows.exec_driver_sql("PRAGMA max_page_count=1073741823").scalar())


Engine = SqliteEngine
ENGINES = {SqliteEngine.name: SqliteEngine}


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """One engine after the other."""
    return ENGINES[request.param](tmp_path)


@pytest.fixture
async def log(engine: Engine) -> AsyncIterator[EventLog]:
    opened = await engine.open()
    yield opened
    await opened.close()


@dataclass(frozen=True)
class Place:
    """A user with a thread and a run that works."""

    user_id: str
    thread_id: str
    run_id: str


@pytest.fixture
async def place(log: EventLog) -> Place:
    return await new_place(log)


async def new_place(log: EventLog) -> Place:
    run_id = str(uuid.uuid4())

    def account(rows: Connection) -> str:
        return Users(rows).create(f"{run_id}@example.org", "user", None, 1).id

    def begin(tx: UserTransaction) -> str:
        thread = tx.threads.create("talk", tx.now)
        tx.runs.create(run_id=run_id, thread_id=thread.id, message_id="m", agent="a", model="m", now=tx.now)
        tx.runs.start(run_id, tx.now)
        return thread.id

    user_id = await log.write(account)
    return Place(user_id, await log.commit(user_id, begin), run_id)


@contextmanager
def held(log: EventLog) -> Generator[Callable[[], None]]:
    """Keep the log's writer busy, so that what is submitted in the body makes one batch. Gives the release.

    By a unit of somebody else's that does nothing: what it did would be part of what is tried.
    """
    go = threading.Event()
    busy = log.commit("nobody", lambda tx: go.wait(DEADLINE))
    try:
        yield go.set
    finally:
        go.set()
        busy.add_done_callback(lambda future: future.cancelled() or future.exception())
