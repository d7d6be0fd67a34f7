"""How often a password may be tried: the guesser is slowed down, the account's owner is not.

Who tries is known by three things: the account that is named, the network that asks, and the mark of a device on which
the account signed in before. Account and network *together* may try so often a minute; so nobody can use up an
account's attempts for somebody who asks from elsewhere, or a network's for another account. A known device has attempts
of its own, so that its owner gets in from beside a guesser.

Many networks against one account, and one network against many accounts, are slowed down instead of refused: beyond
what people need, attempts wait in line. Whoever asks from a network that hasn't asked in the last minute waits in
another line than those that have, and is checked before them: the owner isn't one of the guesser's machines.

Whoever waits in line holds a connection, of which there are so many for strangers. So the line is bounded in all, and
where it is full, whoever asked most gives way.
"""

from __future__ import annotations

import asyncio
import time
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from netra_backend.app.client_address import network_of
from netra_backend.app.rate_limit import Pace, RateLimit
from netra_backend.app.storage.sessions import hash_secret
from netra_backend.app.storage.users import normal_email

__all__ = ["KNOWN", "Attempts", "TooManyAttempts"]

KNOWN = 0
"""The rank of whoever is known: signed in, or on a device that was before."""

_RANKED = 100
"""Attempts of a network in a minute that make a difference to its rank."""

NETWORKS = 10
"""Networks that may try one account as often as they may, before further attempts at it wait in line."""
ACCOUNT_PACE = 1.0
"""Attempts a second at one account beyond that, by networks that asked before."""
FIRST_PACE = 5.0
"""The same for networks that ask for the first time in a minute."""

ACCOUNTS = 5
"""Accounts that one network may try as often as it may, before further attempts wait: an office shares a network."""
NETWORK_PACE = 5.0
"""Attempts a second from one network beyond that: a sixth of what one core can check."""

PATIENCE = 10.0
"""Seconds that an attempt may wait in line; beyond it, it is refused."""


@dataclass(order=True, slots=True)
class _InLine:
    rank: int
    number: int
    given_way: asyncio.Event = field(compare=False, default_factory=asyncio.Event)


class TooManyAttempts(Exception):
    """Too many attempts by this network at this account, or by many at it. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__("too many attempts; wait a little")


class Attempts:
    """For one event loop. What it keeps is bounded by what gets past it in a minute; at most `in_line` wait."""

    def __init__(self, per_minute: int, in_line: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pairs = RateLimit(per_minute, clock)
        self._devices = RateLimit(per_minute, clock)
        self._sessions = RateLimit(per_minute, clock)
        self._networks = RateLimit(_RANKED, clock)
        self._at_account = Pace(NETWORKS * per_minute, ACCOUNT_PACE, PATIENCE, clock)
        self._first_at_account = Pace(NETWORKS * per_minute, FIRST_PACE, PATIENCE, clock)
        self._of_network = Pace(ACCOUNTS * per_minute, NETWORK_PACE, PATIENCE, clock)
        self._most_in_line = in_line
        self._numbers = count()
        self._line: list[_InLine] = []

    async def stranger(self, email: str, address: str) -> int:
        """Take part as somebody unknown; returns the rank, once it is this one's turn. Raises `TooManyAttempts`."""
        # The hash bounds what a key costs: an address may be as long as a body allows.
        account, network = hash_secret(normal_email(email)).hex(), network_of(address)
        pair = f"{account} {network}"
        # Noted whatever comes of it: a guesser that was refused is no newcomer.
        asked = self._networks.taken(network)
        self._networks.take(network)
        # Refused by the pair before anything else is taken: who tries one account at full speed uses up no more.
        if wait := self._pairs.wait(pair):
            raise TooManyAttempts(wait)
        waits = [
            _wait(self._of_network, f"{network} {'again' if self._pairs.taken(pair) else 'first'}"),
            _wait(self._at_account if asked else self._first_at_account, account),
        ]
        self._pairs.take(pair)
        rank = KNOWN + 1 + asked
        if any(waits):
            await self._stand_in_line(rank, max(waits))
        return rank

    def device(self, user_id: str, mark: str) -> bool:
        """Whether this known device of the account has attempts left; takes one."""
        return not self._devices.take(f"{user_id} {hash_secret(mark).hex()}")

    def signed_in(self, session_id: str) -> None:
        """Take part as a session that gives the account's password once more. Raises `TooManyAttempts`."""
        if wait := self._sessions.take(session_id):
            raise TooManyAttempts(wait)

    async def _stand_in_line(self, rank: int, seconds: float) -> None:
        mine = _InLine(rank, next(self._numbers))
        insort(self._line, mine)
        if len(self._line) > self._most_in_line:
            self._line.pop().given_way.set()
        try:
            async with asyncio.timeout(seconds):
                await mine.given_way.wait()
        except TimeoutError:
            return  # its turn
        finally:
            if not mine.given_way.is_set():
                self._line.remove(mine)
        raise TooManyAttempts(PATIENCE)


def _wait(pace: Pace, key: str) -> float:
    wait = pace.take(key)
    if wait > PATIENCE:
        raise TooManyAttempts(wait - PATIENCE)
    return wait
