"""Sessions and the codes that start one. Only hashes are stored: a copy of the database logs nobody in."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from uuid_utils import uuid7

from netra_backend.app.storage.tables import one_time_codes, sessions, users

__all__ = ["OneTimeCodes", "Purpose", "Session", "Sessions", "hash_secret", "new_secret"]

Purpose = Literal["sign_in"]


def new_secret() -> str:
    """256 random bits, as text that is safe in headers, cookies and fragments."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    """How a secret is stored. SHA-256 is enough: the secret is random, there is nothing to guess."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in. `usable` is false once it is revoked or expired, or its account is disabled. Times are in ms."""

    id: str
    user_id: str
    email: str
    role: str
    label: str
    created_at: int
    expires_at: int
    last_seen_at: int
    revoked: bool
    disabled: bool

    def usable(self, now: int) -> bool:
        """Whether it gives rights at this moment."""
        return not self.revoked and not self.disabled and now < self.expires_at


_COLUMNS = (
    sessions.c.id,
    sessions.c.user_id,
    users.c.email,
    users.c.role,
    sessions.c.label,
    sessions.c.created_at,
    sessions.c.expires_at,
    sessions.c.last_seen_at,
    sessions.c.revoked_at.is_not(None).label("revoked"),
    users.c.disabled_at.is_not(None).label("disabled"),
)


_SELECT = select(*_COLUMNS).join_from(sessions, users)


class Sessions:
    """All sessions; those of one user are asked for with the user's id."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, user_id: str, label: str, now: int, expires_at: int) -> tuple[Session, str]:
        """Start a session. Returns it with its token, which is stored nowhere."""
        token = new_secret()
        session_id = str(uuid7())
        self._connection.execute(
            insert(sessions).values(
                id=session_id,
                user_id=user_id,
                token_hash=hash_secret(token),
                label=label[:200],
                created_at=now,
                expires_at=expires_at,
                last_seen_at=now,
            )
        )
        created = self._connection.execute(_SELECT.where(sessions.c.id == session_id)).mappings().one()
        return Session(**created), token

    def by_token_hash(self, token_hash: bytes) -> Session | None:
        """The session of this token, usable or not."""
        return self._one(sessions.c.token_hash == token_hash)

    def by_id(self, session_id: str) -> Session | None:
        """The session of this id, usable or not."""
        return self._one(sessions.c.id == session_id)

    def by_ids(self, session_ids: Collection[str]) -> dict[str, Session]:
        """Those of these sessions that there are, by id."""
        query = _SELECT.where(sessions.c.id.in_(session_ids))
        return {row["id"]: Session(**row) for row in self._connection.execute(query).mappings()}

    def of_user(self, user_id: str, now: int) -> list[Session]:
        """The user's usable sessions, newest first."""
        query = _SELECT.where(
            sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now
        ).order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
        return [Session(**row) for row in self._connection.execute(query).mappings()]

    def seen(self, session_ids: Collection[str], now: int) -> None:
        """Note that these sessions were used."""
        self._connection.execute(update(sessions).where(sessions.c.id.in_(session_ids)).values(last_seen_at=now))

    def revoke(self, user_id: str, session_id: str, now: int) -> bool:
        """End one session of this user. False if the user has no such session."""
        done = self._connection.execute(
            update(sessions)
            .where(sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return done.rowcount == 1

    def revoke_all(self, user_id: str, now: int, keep: str | None = None) -> set[str]:
        """End the user's sessions, but for `keep`. Returns which."""
        condition = [sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None)]
        if keep is not None:
            condition.append(sessions.c.id != keep)
        ended = update(sessions).where(*condition).values(revoked_at=now).returning(sessions.c.id)
        return set(self._connection.execute(ended).scalars())

    def forget_expired(self, before: int) -> None:
        """Remove the rows of sessions that ended before this time."""
        self._connection.execute(delete(sessions).where(sessions.c.expires_at < before))

    def _one(self, condition: ColumnElement[bool]) -> Session | None:
        query = _SELECT.where(condition)
        row = self._connection.execute(query).mappings().one_or_none()
        return Session(**row) if row is not None else None


@dataclass(frozen=True, slots=True)
class OneTimeCode:
    """What a redeemed code stood for."""

    user_id: str


class OneTimeCodes:
    """Secrets that work once and expire: sign-in links."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, purpose: Purpose, user_id: str, expires_at: int) -> str:
        """Make a code; returns it. It is stored nowhere."""
        code = new_secret()
        self._connection.execute(
            insert(one_time_codes).values(
                code_hash=hash_secret(code),
                user_id=user_id,
                purpose=purpose,
                expires_at=expires_at,
            )
        )
        return code

    def exists(self, purpose: Purpose, code: str) -> bool:
        """Whether there is a code of this purpose, expired or not. To be asked first: guessing is no work for the
        writer."""
        found = select(one_time_codes.c.purpose).where(
            one_time_codes.c.code_hash == hash_secret(code), one_time_codes.c.purpose == purpose
        )
        return self._connection.execute(found).first() is not None

    def redeem(self, purpose: Purpose, code: str, now: int) -> OneTimeCode | None:
        """Use a code up. None if there is none of this purpose, it was used, or it has expired."""
        found = self._connection.execute(
            delete(one_time_codes)
            .where(one_time_codes.c.code_hash == hash_secret(code), one_time_codes.c.purpose == purpose)
            .returning(
                one_time_codes.c.user_id,
                one_time_codes.c.expires_at,
            )
        ).one_or_none()
        if found is None or found.expires_at <= now:
            return None
        return OneTimeCode(found.user_id)

    def forget_expired(self, now: int) -> None:
        """Remove codes that can't be used any more."""
        self._connection.execute(delete(one_time_codes).where(one_time_codes.c.expires_at <= now))
