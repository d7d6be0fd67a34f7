"""Tickets for sockets: each opens one, from one page, within seconds. In memory, by a clock that nobody moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from netra_backend.app.storage.sessions import hash_secret, new_secret

__all__ = ["TICKET_SECONDS", "Ticket", "Tickets"]

TICKET_SECONDS = 30
"""How long a ticket can be redeemed."""

PER_USER = 100
"""Tickets of one user that may be out; the oldest makes room."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket stands for. `origin` None: it was made for a program, which sends none."""

    session_id: str
    origin: str | None
    until: float


class Tickets:
    """Those that are out, in the order in which they were made. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of_user: dict[str, dict[bytes, Ticket]] = {}
        self._owners: dict[bytes, str] = {}

    def issue(self, user_id: str, session_id: str, origin: str | None) -> str:
        """Make one; returns the secret, of which only a hash is kept."""
        now = self._clock()
        self._forget_expired(now)
        own = self._of_user.setdefault(user_id, {})
        if len(own) >= PER_USER:
            self._take(next(iter(own)))
            own = self._of_user.setdefault(user_id, {})
        secret = new_secret()
        key = hash_secret(secret)
        own[key] = Ticket(session_id, origin, now + TICKET_SECONDS)
        self._owners[key] = user_id
        return secret

    def redeem(self, secret: str) -> Ticket | None:
        """Use one up. None if there is none, it was used, or its time is over."""
        ticket = self._take(hash_secret(secret))
        return ticket if ticket is not None and self._clock() < ticket.until else None

    def _take(self, key: bytes) -> Ticket | None:
        user_id = self._owners.pop(key, None)
        if user_id is None:
            return None
        own = self._of_user[user_id]
        ticket = own.pop(key)
        if not own:
            del self._of_user[user_id]
        return ticket

    def _forget_expired(self, now: float) -> None:
        # They were made in the order in which they expire.
        for key, user_id in list(islice(self._owners.items(), 2 * PER_USER)):
            if self._of_user[user_id][key].until > now:
                return
            self._take(key)
