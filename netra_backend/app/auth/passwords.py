"""Passwords: argon2id, hashed and checked in a thread, a few at once.

The profile is the OWASP minimum (OWASP Password Storage Cheat Sheet, "Argon2id": 19 MiB, 2 iterations,
1 lane): about 30 ms a check, which a small machine can bear, where argon2-cffi's default takes 64 MiB.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from netra_backend.app.auth.turns import NoTurn, Turns

__all__ = ["MAX_LENGTH", "MIN_LENGTH", "PasswordRefused", "Passwords", "TooManyChecks", "Verdict"]

T = TypeVar("T")
Values = TypeVarTuple("Values")

MIN_LENGTH = 10
MAX_LENGTH = 1000
"""Characters. The upper bound keeps a request from buying more hashing than a check is meant to cost."""

AT_ONCE = max(1, min(2, (os.cpu_count() or 1) - 1))
"""Threads that hash at a time. On a small machine a core is left: hashing for strangers must not slow down what people
do here."""
MAX_WAITING = 64
"""Checks that may wait for one of the threads; at 30 ms each the last of them waits a second or two."""

MEMORY_KIB = 19 * 1024
ITERATIONS = 2
LANES = 1


class PasswordRefused(ValueError):
    """A new password that is too short or too long. The message is for the person who chose it."""


class TooManyChecks(Exception):
    """So many passwords are being checked that this one would wait too long."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. `replacement` is the hash to store instead, where the stored one has an older profile."""

    correct: bool
    replacement: str | None = None


class Passwords:
    """Hashes and checks passwords without holding up the event loop."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=ITERATIONS, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._limiter = CapacityLimiter(AT_ONCE)
        self._turns = Turns(AT_ONCE, MAX_WAITING)
        # Checked when there is no account or no password, so that the answer takes as long as for a wrong one.
        self._dummy = self._hasher.hash("no account has this password")

    async def hash(self, password: str) -> str:
        """The hash to store for a new password. Raises `PasswordRefused`, `TooManyChecks`."""
        check_length(password)
        return await self._in_thread(0, self._hash, password)

    def hash_now(self, password: str) -> str:
        """`hash` for a program without an event loop. Raises `PasswordRefused`."""
        check_length(password)
        return self._hash(password)

    async def verify(self, stored: str | None, password: str, *, rank: int = 0) -> Verdict:
        """Whether `password` is the one that `stored` was made from; None (no account, no password) never matches,
        and takes as long. The lowest `rank` is checked first. Raises `TooManyChecks`."""
        return await self._in_thread(rank, self._verify, stored, password[: MAX_LENGTH + 1])

    async def _in_thread(self, rank: int, work: Callable[[*Values], T], *values: *Values) -> T:
        try:
            async with self._turns.turn(rank):
                return await to_thread.run_sync(work, *values, limiter=self._limiter)
        except NoTurn:
            raise TooManyChecks("too many people are signing in at this moment; try again") from None

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password.encode("utf-8", "surrogatepass"))

    def _verify(self, stored: str | None, password: str) -> Verdict:
        secret = password.encode("utf-8", "surrogatepass")
        try:
            self._hasher.verify(stored or self._dummy, secret)
        except VerifyMismatchError:
            return Verdict(correct=False)
        if stored is None:
            return Verdict(correct=False)
        if self._hasher.check_needs_rehash(stored):
            return Verdict(correct=True, replacement=self._hasher.hash(secret))
        return Verdict(correct=True)


def check_length(password: str) -> None:
    """Raises `PasswordRefused` for a new password that is too short or too long."""
    if len(password) < MIN_LENGTH:
        raise PasswordRefused(f"a password needs at least {MIN_LENGTH} characters")
    if len(password) > MAX_LENGTH:
        raise PasswordRefused(f"a password may have at most {MAX_LENGTH} characters")
