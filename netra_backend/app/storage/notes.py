"""The notes that one user had an agent keep."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select

from netra_backend.app.storage.tables import notes

__all__ = ["Notes"]


class Notes:
    """Reaches the notes of one user and no others."""

    def __init__(self, connection: Connection, user_id: str) -> None:
        self._connection = connection
        self._user_id = user_id

    def add(self, text: str, now: int) -> int:
        """Keep a note; returns its number."""
        last = select(func.max(notes.c.number)).where(notes.c.user_id == self._user_id)
        number = (self._connection.execute(last).scalar() or 0) + 1
        self._connection.execute(insert(notes).values(user_id=self._user_id, number=number, text=text, created_at=now))
        return number

    def all(self) -> list[tuple[int, str]]:
        """The notes as (number, text), oldest first."""
        query = select(notes.c.number, notes.c.text).where(notes.c.user_id == self._user_id)
        return [(number, text) for number, text in self._connection.execute(query.order_by(notes.c.number))]

    def delete(self, number: int) -> bool:
        """Remove a note. False if there is none of this number."""
        if number.bit_length() > 63:
            return False  # more than a column can hold
        done = self._connection.execute(delete(notes).where(notes.c.user_id == self._user_id, notes.c.number == number))
        return done.rowcount == 1
