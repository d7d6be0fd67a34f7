"""The conversations of one user."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, insert, or_, select, update
from uuid_utils import uuid7

from netra_backend.app.storage.search_terms import folded_title, title_patterns
from netra_backend.app.storage.tables import threads

__all__ = ["MAX_TITLE", "Thread", "Threads"]

MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation; times are in ms since 1970. It is not pinned and archived at once."""

    id: str
    title: str
    created_at: int
    updated_at: int
    pinned: bool = False
    archived: bool = False


_SELECT = select(
    threads.c.id,
    threads.c.title,
    threads.c.created_at,
    threads.c.updated_at,
    threads.c.pinned_at.is_not(None).label("pinned"),
    threads.c.archived_at.is_not(None).label("archived"),
)
_OF_USER = threads.c.user_id == bindparam("of_user")
_ONE = (threads.c.id == bindparam("of_thread")) & _OF_USER
_INSERT = insert(threads)
_GET = _SELECT.where(_ONE)
_COUNT = select(func.count()).select_from(threads).where(_OF_USER)
_TOUCH = update(threads).where(_ONE)


class Threads:
    """Reaches the threads of one user and no others."""

    def __init__(self, connection: Connection, user_id: str) -> None:
        self._connection = connection
        self._user_id = user_id

    def create(self, title: str, now: int) -> Thread:
        """Start a conversation."""
        thread = Thread(str(uuid7()), title[:MAX_TITLE], now, now)
        self._connection.execute(
            _INSERT,
            {
                "id": thread.id,
                "user_id": self._user_id,
                "title": thread.title,
                "folded_title": folded_title(thread.title),
                "created_at": now,
                "updated_at": now,
            },
        )
        return thread

    def get(self, thread_id: str) -> Thread | None:
        """The thread of this id, if it is this user's."""
        row = self._connection.execute(_GET, {"of_thread": thread_id, "of_user": self._user_id}).one_or_none()
        return Thread(*row) if row is not None else None

    def newest(
        self, limit: int, before: tuple[int, str] | None = None, *, archived: bool | None = None
    ) -> list[Thread]:
        """The last used threads first; `before` is the (updated_at, id) of the last one already seen. `archived`: only
        those that are, or aren't."""
        wanted: list[ColumnElement[bool]] = []
        if archived is not None:
            wanted.append(threads.c.archived_at.is_not(None) if archived else threads.c.archived_at.is_(None))
        if before is not None:
            updated_at, thread_id = before
            wanted.append(
                or_(
                    threads.c.updated_at < updated_at,
                    and_(threads.c.updated_at == updated_at, threads.c.id < thread_id),
                )
            )
        return self._newest_where(wanted, limit)

    def pinned(self, limit: int) -> list[Thread]:
        """The pinned threads, the last used first."""
        return self._newest_where([threads.c.pinned_at.is_not(None)], limit)

    def search(self, query: str, limit: int) -> list[Thread]:
        """The threads whose titles hold every word of the query, the last used first. No words, no threads.

        Of a long query only the beginning counts (`MAX_QUERY_CHARS`).
        """
        patterns = title_patterns(query)
        return self._newest_where(
            [threads.c.folded_title.like(pattern, escape="\\") for pattern in patterns], limit if patterns else 0
        )

    def _newest_where(self, wanted: list[ColumnElement[bool]], limit: int) -> list[Thread]:
        query = _SELECT.where(threads.c.user_id == self._user_id, *wanted)
        ordered = query.order_by(threads.c.updated_at.desc(), threads.c.id.desc()).limit(limit)
        return [Thread(*row) for row in self._connection.execute(ordered)]

    def count(self) -> int:
        """How many there are."""
        return self._connection.execute(_COUNT, {"of_user": self._user_id}).scalar_one()

    def rename(self, thread_id: str, title: str) -> bool:
        """Give it another title. False if there is no such thread."""
        done = self._connection.execute(
            update(threads)
            .where(threads.c.id == thread_id, threads.c.user_id == self._user_id)
            .values(title=title[:MAX_TITLE], folded_title=folded_title(title[:MAX_TITLE]))
        )
        return done.rowcount == 1

    def file(self, thread_id: str, now: int, *, pinned: bool, archived: bool) -> bool:
        """Put it among the pinned ones, the archived ones, or the others. False if there is no such thread."""
        done = self._connection.execute(
            update(threads)
            .where(threads.c.id == thread_id, threads.c.user_id == self._user_id)
            .values(pinned_at=now if pinned else None, archived_at=now if archived else None)
        )
        return done.rowcount == 1

    def touch(self, thread_id: str, now: int) -> None:
        """Note that something was said in it."""
        parameters = {"of_thread": thread_id, "of_user": self._user_id, "updated_at": now}
        self._connection.execute(_TOUCH, parameters)

    def delete(self, thread_id: str) -> bool:
        """Remove it with its messages and runs. False if there is no such thread."""
        done = self._connection.execute(
            delete(threads).where(threads.c.id == thread_id, threads.c.user_id == self._user_id)
        )
        return done.rowcount == 1
