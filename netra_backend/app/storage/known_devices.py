"""Devices on which an account has signed in before. A mark gives no right to anything: whoever shows one has attempts
of their own at the account's password. Only hashes are stored."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from netra_backend.app.storage.sessions import hash_secret, new_secret
from netra_backend.app.storage.tables import known_devices

__all__ = ["KEPT_DAYS", "MOST_DEVICES", "KnownDevices"]

MOST_DEVICES = 20
"""Of one account; the one that was used longest ago makes room."""

KEPT_DAYS = 400
"""Days after its last use for which a device is known: browsers keep no cookie longer (RFC 6265bis, 5.5)."""


class KnownDevices:
    """Those of all accounts; each is asked for with the account's id."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def knows(self, user_id: str, mark: str) -> bool:
        """Whether the account has signed in with this mark before."""
        query = select(known_devices.c.used_at).where(*_of(user_id, mark))
        return self._connection.execute(query).first() is not None

    def remember(self, user_id: str, mark: str | None, now: int) -> str:
        """Note a sign-in; returns the mark from now on: the one that was shown if it is known, else a new one."""
        if mark is not None:
            used = update(known_devices).where(*_of(user_id, mark)).values(used_at=now)
            if self._connection.execute(used).rowcount:
                return mark
        # Never one that came from outside: whoever plants a mark in another's browser would be known by it, too.
        mark = new_secret()
        row = {"user_id": user_id, "mark_hash": hash_secret(mark), "used_at": now}
        self._connection.execute(insert(known_devices).values(row))
        latest = (
            select(known_devices.c.mark_hash)
            .where(known_devices.c.user_id == user_id)
            .order_by(known_devices.c.used_at.desc(), known_devices.c.mark_hash)
            .limit(MOST_DEVICES)
        )
        self._connection.execute(
            delete(known_devices).where(
                known_devices.c.user_id == user_id, known_devices.c.mark_hash.not_in(latest.scalar_subquery())
            )
        )
        return mark

    def forget(self, user_id: str, *, keep: str | None = None) -> None:
        """Forget the account's devices, but for the one that shows the mark `keep`."""
        condition = [known_devices.c.user_id == user_id]
        if keep is not None:
            condition.append(known_devices.c.mark_hash != hash_secret(keep))
        self._connection.execute(delete(known_devices).where(*condition))

    def forget_unused(self, before: int) -> None:
        """Forget devices that were last used before this time."""
        self._connection.execute(delete(known_devices).where(known_devices.c.used_at < before))


def _of(user_id: str, mark: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (known_devices.c.user_id == user_id, known_devices.c.mark_hash == hash_secret(mark))
