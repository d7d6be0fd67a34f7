"""What a log is: the interface that every engine keeps, and the values that pass through it.

A *unit* is a function that changes rows of one user and appends the events which that causes. It is kept whole or
not at all. A unit that may be tried again (after `LogUnavailable`) must know itself again by a key among the rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from netra_backend.app.event_log.run_appends import RunAppend
from netra_backend.app.event_log.user_log import UserTransaction, UserView
from netra_backend.app.protocol.events import Event, Gap

__all__ = ["CommitListener", "Committed", "Cursor", "EventLog", "LogState", "Page"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last number a client has taken, and the life of the log it belongs to."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Page:
    """Events after a cursor, in order and tiling. `head` is the log's last number at that moment."""

    events: Sequence[Event]
    head: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A hint that events of a user are in the log now. `events` tile among themselves, oldest first."""

    user_id: str
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class LogState:
    """Whether the last attempt to write succeeded; `reason` says why not."""

    available: bool
    reason: str | None


CommitListener = Callable[[Committed], None]


class EventLog(Protocol):
    """One append-only log per user, and the rows that change together with it."""

    @property
    def state(self) -> LogState:
        """How the last write went. It costs nothing to ask."""
        ...

    def commit(self, user_id: str, unit: Callable[[UserTransaction], T]) -> asyncio.Future[T]:
        """Submit a unit of this user; the future has its value once it is durable.

        Units of one process are kept in the order in which `commit` was called, awaited or not. If the waiting task
        is cancelled, the unit is carried out all the same. The future raises what the unit raises (nothing of it is
        kept then), or `LogUnavailable`.
        """
        ...

    def append(self, append: RunAppend) -> asyncio.Future[None]:
        """Submit what a run says: a unit like another, but many of them cost little more than one.

        Does nothing if it was kept before. The future raises `IllegalStep` or `LookupError` when the run isn't
        running any more, or `LogUnavailable`.
        """
        ...

    def write(self, unit: Callable[[Connection], T]) -> asyncio.Future[T]:
        """The same for rows that belong to no log: accounts, sessions, codes."""
        ...

    async def view(self, user_id: str, look: Callable[[UserView], T]) -> T:
        """Read rows and log of one user in one transaction: all of one moment. Raises `LogUnavailable`.

        A user who reads much waits for their own reads; others' are served in between.
        """
        ...

    async def search(self, user_id: str, look: Callable[[UserView], T]) -> T:
        """`view` for what may take long: with readers of its own, one at a time for a user, and ended after a time.

        Raises `TookTooLong`, or `LogUnavailable`.
        """
        ...

    async def query(self, look: Callable[[Connection], T]) -> T:
        """Read rows that belong to no one user, in small steps. Raises `LogUnavailable`."""
        ...

    async def read(self, user_id: str, after: Cursor, limit: int) -> Page | Gap:
        """At most `limit` records after the cursor, or the gap there is instead. Raises `LogUnavailable`."""
        ...

    def listen(self, listener: CommitListener) -> Callable[[], None]:
        """Have `listener` called on the event loop after each commit; returns what ends that."""
        ...
