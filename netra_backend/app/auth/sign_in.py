"""Starting a session with a password or a sign-in code, and changing the password.

Unknown account, wrong password and disabled account get one answer after the same work, so that nobody learns which
addresses have accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from netra_backend.app.auth.attempts import KNOWN, Attempts
from netra_backend.app.auth.passwords import Passwords
from netra_backend.app.auth.session_registry import Access, NotAuthenticated, SessionRegistry
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.settings import Settings
from netra_backend.app.storage.known_devices import KnownDevices
from netra_backend.app.storage.sessions import OneTimeCodes, Session, Sessions
from netra_backend.app.storage.users import User, Users

__all__ = ["NotConfirmed", "SignIn", "SignedIn", "WrongPassword", "issue_sign_in_code"]

RECENT_MS = 10 * 60_000
"""How long a sign-in by a one-time link confirms what can't be undone, where there is no password."""


class WrongPassword(Exception):
    """The current password, given to change it, isn't right."""


class NotConfirmed(Exception):
    """An act that can't be undone needs the password, or a sign-in by a one-time link just before it."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session and its token, and the mark by which this device is known; both are stored nowhere else."""

    session: Session
    token: str
    device: str


class SignIn:
    """What `POST /api/auth/login`, `/redeem` and `/password` do. Every method raises `LogUnavailable`."""

    def __init__(self, log: EventLog, registry: SessionRegistry, passwords: Passwords, settings: Settings) -> None:
        self._log = log
        self._registry = registry
        self._passwords = passwords
        self._attempts = Attempts(settings.login_attempts_per_minute, in_line=max(1, settings.max_strangers // 2))

    async def with_password(
        self, email: str, password: str, *, address: str, label: str, device: str | None = None
    ) -> SignedIn:
        """Start a session. `device` is the mark of an earlier sign-in on this device, if it shows one.

        Raises `NotAuthenticated`, `TooManyAttempts`, `TooManyChecks`.
        """
        rank = KNOWN
        if device is None or not await self._is_known(email, device):
            rank = await self._attempts.stranger(email, address)
        user = await self._log.query(lambda connection: Users(connection).by_email(email))
        verdict = await self._passwords.verify(user.password_hash if user else None, password, rank=rank)
        if user is None or not verdict.correct:
            raise NotAuthenticated("the e-mail address or the password is wrong")

        def start(connection: Connection) -> SignedIn | None:
            # The account may have changed while the password was checked.
            now = Users(connection).by_id(user.id)
            if now is None or now.disabled_at is not None or now.password_hash != user.password_hash:
                return None
            if verdict.replacement is not None:
                Users(connection).set_password(user.id, verdict.replacement)
            return self._start_in(connection, user.id, label, device)

        # A disabled account goes through the writer like an enabled one: refusing it is no faster.
        started = await self._log.write(start)
        if started is None:
            raise NotAuthenticated("the e-mail address or the password is wrong")
        return started

    async def with_code(self, code: str, *, label: str, device: str | None = None) -> SignedIn:
        """Start a session with a one-time sign-in code. Raises `NotAuthenticated`.

        There is no limit: 256 random bits can't be guessed, and what can't be one costs a look-up, like any token.
        """
        if not await self._log.query(lambda connection: OneTimeCodes(connection).exists("sign_in", code)):
            raise NotAuthenticated("this sign-in code is unknown, used or expired")

        def redeem(connection: Connection) -> SignedIn | None:
            found = OneTimeCodes(connection).redeem("sign_in", code, now_ms())
            user = Users(connection).by_id(found.user_id) if found else None
            if user is None or user.disabled_at is not None:
                return None
            return self._start_in(connection, user.id, label, device)

        started = await self._log.write(redeem)
        if started is None:
            raise NotAuthenticated("this sign-in code is unknown, used or expired")
        return started

    async def change_password(
        self, access: Access, current: str | None, new: str, *, device: str | None = None
    ) -> None:
        """Set the password, end the account's other sessions and forget its other devices, in one transaction. The
        current one is needed where there is one.

        Raises `WrongPassword`, `PasswordRefused`, `TooManyAttempts`, `TooManyChecks`, `NotAuthenticated`.
        """
        self._attempts.signed_in(access.session.id)
        user = await self._user(access)
        if user.password_hash is not None:
            verdict = await self._passwords.verify(user.password_hash, current or "")
            if not verdict.correct:
                raise WrongPassword("the current password isn't right")
        replacement = await self._passwords.hash(new)

        def change(connection: Connection) -> set[str]:
            now = Users(connection).by_id(user.id)
            if now is None or now.password_hash != user.password_hash:
                raise WrongPassword("the password was changed meanwhile")
            Users(connection).set_password(user.id, replacement)
            KnownDevices(connection).forget(user.id, keep=device)
            return Sessions(connection).revoke_all(user.id, now_ms(), keep=access.session.id)

        await self._registry.end(change)

    async def confirm(self, access: Access, password: str | None) -> None:
        """See that it is really the account's owner who asks, before something is done for good.

        Raises `NotConfirmed`, `TooManyAttempts`, `TooManyChecks`, `NotAuthenticated`.
        """
        self._attempts.signed_in(access.session.id)
        user = await self._user(access)
        if user.password_hash is None:
            if now_ms() - access.session.created_at > RECENT_MS:
                raise NotConfirmed("sign in again by a one-time link, and do this within ten minutes")
        elif not (await self._passwords.verify(user.password_hash, password or "")).correct:
            raise NotConfirmed("the password isn't right")

    async def has_password(self, access: Access) -> bool:
        """Whether the account has a password, so that changing it needs the current one."""
        return (await self._user(access)).password_hash is not None

    async def _user(self, access: Access) -> User:
        user = await self._log.query(lambda connection: Users(connection).by_id(access.user_id))
        if user is None:
            raise NotAuthenticated("the account is gone")
        return user

    async def _is_known(self, email: str, device: str) -> bool:
        """Whether the account of this address has signed in on this device, which has attempts left."""

        def look(connection: Connection) -> str | None:
            user = Users(connection).by_email(email)
            # Looked for where there is no account, too: so that it takes as long.
            known = KnownDevices(connection).knows(user.id if user else "", device)
            return user.id if user is not None and known else None

        user_id = await self._log.query(look)
        return user_id is not None and self._attempts.device(user_id, device)

    def _start_in(self, connection: Connection, user_id: str, label: str, device: str | None) -> SignedIn:
        mark = KnownDevices(connection).remember(user_id, device, now_ms())
        return SignedIn(*self._registry.start_in(connection, user_id, label), mark)


def issue_sign_in_code(connection: Connection, user_id: str, settings: Settings) -> str:
    """A code that starts one session of this user, within the time that `sign_in_code_minutes` sets."""
    codes = OneTimeCodes(connection)
    codes.forget_expired(now_ms())
    return codes.create("sign_in", user_id, now_ms() + int(settings.sign_in_code_minutes * 60_000))
