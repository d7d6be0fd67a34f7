"""Accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from uuid_utils import uuid7

from netra_backend.app.storage.tables import users

__all__ = ["EmailTaken", "Role", "User", "Users"]

Role = Literal["admin", "user"]


class EmailTaken(Exception):
    """Another account has this address."""


@dataclass(frozen=True, slots=True)
class User:
    """An account. `password_hash` is None until a password is set; times are in ms since 1970."""

    id: str
    email: str
    role: Role
    password_hash: str | None
    disabled_at: int | None
    created_at: int
    leaving: bool = False
    """To be removed as soon as its last run has ended."""


class Users:
    """All accounts. Only log-in and the command line come here; everything else has a scope bound to one user."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, email: str, role: Role, password_hash: str | None, now: int) -> User:
        """Make an account. Raises `EmailTaken`."""
        user = User(str(uuid7()), normal_email(email), role, password_hash, None, now)
        try:
            with self._connection.begin_nested():
                self._connection.execute(
                    insert(users).values(
                        id=user.id, email=user.email, role=role, password_hash=password_hash, created_at=now
                    )
                )
        except IntegrityError:
            raise EmailTaken(f"there is already an account for {user.email}") from None
        return user

    def by_email(self, email: str) -> User | None:
        """The account of this address, however it is capitalised."""
        return self._one(users.c.email == normal_email(email))

    def by_id(self, user_id: str) -> User | None:
        """The account of this id."""
        return self._one(users.c.id == user_id)

    def all(self) -> list[User]:
        """Every account, oldest first."""
        rows = self._connection.execute(select(users).order_by(users.c.created_at, users.c.id))
        return [User(**row) for row in rows.mappings()]

    def count(self) -> int:
        """How many accounts there are."""
        return self._connection.execute(select(func.count()).select_from(users)).scalar_one()

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace the password."""
        self._connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))

    def disable(self, user_id: str, now: int) -> None:
        """Refuse every later log-in and act of this account. What it stored stays."""
        self._connection.execute(
            update(users).where(users.c.id == user_id, users.c.disabled_at.is_(None)).values(disabled_at=now)
        )

    def enable(self, user_id: str) -> None:
        """Take the account in again."""
        self._connection.execute(update(users).where(users.c.id == user_id).values(disabled_at=None))

    def mark_leaving(self, user_id: str) -> None:
        """Have the server that holds the logs remove the account."""
        self._connection.execute(update(users).where(users.c.id == user_id).values(leaving=True))

    def leaving(self) -> list[str]:
        """The accounts that are to be removed."""
        return list(self._connection.execute(select(users.c.id).where(users.c.leaving)).scalars())

    def delete(self, user_id: str) -> None:
        """Remove the account; sessions, codes, threads, messages, runs and notes go with it."""
        self._connection.execute(delete(users).where(users.c.id == user_id))

    def _one(self, condition: ColumnElement[bool]) -> User | None:
        row = self._connection.execute(select(users).where(condition)).mappings().one_or_none()
        return User(**row) if row is not None else None


def normal_email(email: str) -> str:
    """The one spelling of an address under which its account is kept."""
    return email.strip().casefold()
