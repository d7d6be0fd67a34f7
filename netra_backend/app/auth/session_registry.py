"""Sessions as the running server sees them: who a token speaks for, now.

Rights are kept in memory for a second at most (contract, section 6), so that a token costs one look-up a second and
not one a request. What was read before a revocation is never kept after it: a read that a revocation overtook is
done again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from netra_backend.app.background import Background
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.settings import Settings
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.sessions import Session, Sessions, hash_secret

__all__ = ["Access", "NotAuthenticated", "RevocationListener", "SessionRegistry"]

FRESH = 1.0
"""Seconds for which a session that was read is taken as it was (contract, section 6: at least every second)."""

KEPT = 10_000
"""Sessions in memory; the least recently used one makes room."""

SEEN_EVERY = 60.0
"""Seconds between two notes that a session is in use."""

CLOSE_SECONDS = 5.0
"""Seconds for what is still to be noted when the server ends."""

RevocationListener = Callable[[set[str]], None]


class NotAuthenticated(Exception):
    """The credentials name no usable session: none came, they are unknown, or the session has ended."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a request or socket may act as. `stale`: the database is away and this is the last known state, which
    allows stop and nothing else (contract, section 6)."""

    session: Session
    stale: bool = False

    @property
    def user_id(self) -> str:
        """Whose rights these are."""
        return self.session.user_id


@dataclass(frozen=True, slots=True)
class _Known:
    session: Session
    read_at: float


class SessionRegistry:
    """The one door to sessions for everything that serves. Lives on one event loop."""

    def __init__(self, log: EventLog, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._lifetime_ms = int(settings.session_days * 86_400_000)
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._revocations = 0
        self._listeners: list[RevocationListener] = []
        self._noted: set[str] = set()
        self._noted_until = 0.0
        self._notes = Background(LogUnavailable)

    async def resolve(self, token: str) -> Access:
        """Who this token speaks for.

        Raises `NotAuthenticated`, or `LogUnavailable` if the database is away and the token was never seen here.
        """
        key = hash_secret(token)
        known = self._known.get(key)
        stale = False
        if known is None or self._clock() - known.read_at >= FRESH:
            try:
                known = await self._read(key)
            except LogUnavailable:
                known = self._known.get(key)
                if known is None:
                    raise
                stale = True
        if known is None or not known.session.usable(now_ms()):
            raise NotAuthenticated("there is no such session, or it has ended")
        if not stale:
            self._note_use([known.session])
        return Access(known.session, stale=stale)

    async def refresh(self, session_ids: Collection[str]) -> dict[str, Session]:
        """These sessions as they are now, by id; one that isn't there any more is missing. One query.

        One that has ended gives no rights from here on, whatever was read of it before. Raises `LogUnavailable`.
        """
        if not session_ids:
            return {}
        wanted = list(session_ids)
        found = await self._log.query(lambda connection: Sessions(connection).by_ids(wanted))
        now = now_ms()
        usable = {key: session for key, session in found.items() if session.usable(now)}
        if len(usable) < len(wanted):
            # Sockets are told at once; a request in the next second should hear the same.
            self._forget(set(wanted) - usable.keys())
        self._note_use(usable.values())
        return found

    async def start(self, user_id: str, label: str) -> tuple[Session, str]:
        """Start a session of this user; returns it with its token. Raises `LogUnavailable`."""
        return await self._log.write(lambda connection: self.start_in(connection, user_id, label))

    def start_in(self, connection: Connection, user_id: str, label: str) -> tuple[Session, str]:
        """`start`, as a part of the caller's transaction."""
        now = now_ms()
        return Sessions(connection).create(user_id, label, now, now + self._lifetime_ms)

    async def end(self, unit: Callable[[Connection], set[str]]) -> set[str]:
        """Carry out a unit that ends sessions and returns their ids; then every listener is told at once.

        Raises what the unit raises, or `LogUnavailable`.
        """
        ended = await self._log.write(unit)
        if ended:
            self._forget(ended)
            for listener in list(self._listeners):
                listener(ended)
        return ended

    def listen(self, listener: RevocationListener) -> Callable[[], None]:
        """Have `listener` called on the event loop with the ids of sessions that this process ended; returns what
        ends that. Sessions that another process ended show in `refresh`."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def close(self) -> None:
        """Wait for what was still to be noted. Call it before the log is closed."""
        await self._notes.settle(CLOSE_SECONDS)

    def _forget(self, session_ids: Collection[str]) -> None:
        self._revocations += 1
        for key in [key for key, known in self._known.items() if known.session.id in session_ids]:
            del self._known[key]

    async def _read(self, key: bytes) -> _Known | None:
        while True:
            revocations, read_at = self._revocations, self._clock()
            session = await self._log.query(lambda connection: Sessions(connection).by_token_hash(key))
            if revocations == self._revocations:
                break
        if session is None:
            self._known.pop(key, None)
            return None
        known = self._known[key] = _Known(session, read_at)
        self._known.move_to_end(key)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return known

    def _note_use(self, sessions: Iterable[Session]) -> None:
        """Have `last_seen_at` written, once a minute for each session, without anybody waiting for it."""
        now = self._clock()
        if now >= self._noted_until:
            self._noted.clear()
            self._noted_until = now + SEEN_EVERY
        used = {session.id for session in sessions} - self._noted
        if used:
            self._noted |= used
            self._notes.start(self._write_use(used), name="note-use")

    async def _write_use(self, session_ids: set[str]) -> None:
        now = now_ms()
        # If the log is away: it says only when a session was last used; the next minute says it again.
        await self._log.write(lambda connection: Sessions(connection).seen(session_ids, now))
