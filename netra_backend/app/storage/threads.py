"""The conversations of one user."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update
from uuid_utils import uuid7

from netra_backend.app.storage.tables import threads

__all__ = ["MAX_TITLE", "Thread", "Threads"]

MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation; times are in ms since 1970."""

    id: str
    title: str
    created_at: int
    updated_at: int


_SELECT = select(threads.c.id, threads.c.title, threads.c.created_at, threads.c.updated_at)
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
                "created_at": now,
                "updated_at": now,
            },
        )
        return thread

    def get(self, thread_id: str) -> Thread | None:
        """The thread of this id, if it is this user's."""
        row = self._connection.execute(_GET, {"of_thread": thread_id, "of_user": self._user_id}).one_or_none()
        return Thread(*row) if row is not None else None

    def newest(self, limit: int, before: tuple[int, str] | None = None) -> list[Thread]:
        """The last used threads first; `before` is the (updated_at, id) of the last one already seen."""
        query = _SELECT.where(threads.c.user_id == self._user_id)
        if before is not None:
            updated_at, thread_id = before
            query = query.where(
                or_(
                    threads.c.updated_at < updated_at,
                    and_(threads.c.updated_at == updated_at, threads.c.id < thread_id),
                )
            )
        query = query.order_by(threads.c.updated_at.desc(), threads.c.id.desc()).limit(limit)
        return [Thread(*row) for row in self._connection.execute(query)]

    def count(self) -> int:
        """How many there are."""
        return self._connection.execute(_COUNT, {"of_user": self._user_id}).scalar_one()

    def rename(self, thread_id: str, title: str) -> bool:
        """Give it another title. False if there is no such thread."""
        done = self._connection.execute(
            update(threads)
            .where(threads.c.id == thread_id, threads.c.user_id == self._user_id)
            .values(title=title[:MAX_TITLE])
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
