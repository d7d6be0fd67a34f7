"""Starting a session with a password or a sign-in code, and changing the password.

Unknown account, wrong password and disabled account get one answer after the same work, so that nobody learns which
addresses have accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from netra_backend.app.auth.passwords import Passwords
from netra_backend.app.auth.session_registry import Access, NotAuthenticated, SessionRegistry
from netra_backend.app.client_address import network_of
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.rate_limit import RateLimit
from netra_backend.app.settings import Settings
from netra_backend.app.storage.sessions import OneTimeCodes, Session, Sessions, hash_secret
from netra_backend.app.storage.users import User, Users, normal_email

__all__ = ["NotConfirmed", "SignIn", "SignedIn", "TooManyAttempts", "WrongPassword", "issue_sign_in_code"]

RECENT_MS = 10 * 60_000
"""How long a sign-in by a one-time link confirms what can't be undone, where there is no password."""

PER_ADDRESS = 5
"""Attempts that one address has for each that one account has: an office shares an address, nobody an account."""


class TooManyAttempts(Exception):
    """This account or address has tried too often. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__("too many attempts; wait a little")


class WrongPassword(Exception):
    """The current password, given to change it, isn't right."""


class NotConfirmed(Exception):
    """An act that can't be undone needs the password, or a sign-in by a one-time link just before it."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session and its token, which is stored nowhere else."""

    session: Session
    token: str


class SignIn:
    """What `POST /api/auth/login`, `/redeem` and `/password` do. Every method raises `LogUnavailable`."""

    def __init__(self, log: EventLog, registry: SessionRegistry, passwords: Passwords, settings: Settings) -> None:
        self._log = log
        self._registry = registry
        self._passwords = passwords
        self._per_account = RateLimit(settings.login_attempts_per_minute)
        self._per_address = RateLimit(settings.login_attempts_per_minute * PER_ADDRESS)

    async def with_password(self, email: str, password: str, *, address: str, label: str) -> SignedIn:
        """Start a session. Raises `NotAuthenticated`, `TooManyAttempts`, `TooManyChecks`."""
        self._attempt(address, email)
        user = await self._log.query(lambda connection: Users(connection).by_email(email))
        verdict = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not verdict.correct:
            raise NotAuthenticated("the e-mail address or the password is wrong")

        def start(connection: Connection) -> SignedIn | None:
            # The account may have changed while the password was checked.
            now = Users(connection).by_id(user.id)
            if now is None or now.disabled_at is not None or now.password_hash != user.password_hash:
                return None
            if verdict.replacement is not None:
                Users(connection).set_password(user.id, verdict.replacement)
            return SignedIn(*self._registry.start_in(connection, user.id, label))

        # A disabled account goes through the writer like an enabled one: refusing it is no faster.
        started = await self._log.write(start)
        if started is None:
            raise NotAuthenticated("the e-mail address or the password is wrong")
        return started

    async def with_code(self, code: str, *, address: str, label: str) -> SignedIn:
        """Start a session with a one-time sign-in code. Raises `NotAuthenticated`, `TooManyAttempts`."""
        self._attempt(address, None)

        def redeem(connection: Connection) -> SignedIn | None:
            found = OneTimeCodes(connection).redeem("sign_in", code, now_ms())
            user = Users(connection).by_id(found.user_id) if found else None
            if user is None or user.disabled_at is not None:
                return None
            return SignedIn(*self._registry.start_in(connection, user.id, label))

        started = await self._log.write(redeem)
        if started is None:
            raise NotAuthenticated("this sign-in code is unknown, used or expired")
        return started

    async def change_password(self, access: Access, current: str | None, new: str) -> None:
        """Set the password and end the account's other sessions, in one transaction. The current one is needed where
        there is one.

        Raises `WrongPassword`, `PasswordRefused`, `TooManyAttempts`, `TooManyChecks`, `NotAuthenticated`.
        """
        self._attempt(None, access.session.email)
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
            return Sessions(connection).revoke_all(user.id, now_ms(), keep=access.session.id)

        await self._registry.end(change)

    async def confirm(self, access: Access, password: str | None) -> None:
        """See that it is really the account's owner who asks, before something is done for good.

        Raises `NotConfirmed`, `TooManyAttempts`, `TooManyChecks`, `NotAuthenticated`.
        """
        self._attempt(None, access.session.email)
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

    def _attempt(self, address: str | None, email: str | None) -> None:
        wait = self._per_address.take(network_of(address)) if address is not None else 0.0
        if not wait and email is not None:
            # The hash bounds what a key costs: an address may be as long as a body allows.
            wait = self._per_account.take(hash_secret(normal_email(email)).hex())
        if wait:
            raise TooManyAttempts(wait)


def issue_sign_in_code(connection: Connection, user_id: str, settings: Settings) -> str:
    """A code that starts one session of this user, within the time that `sign_in_code_minutes` sets."""
    codes = OneTimeCodes(connection)
    codes.forget_expired(now_ms())
    return codes.create("sign_in", user_id, now_ms() + int(settings.sign_in_code_minutes * 60_000))
