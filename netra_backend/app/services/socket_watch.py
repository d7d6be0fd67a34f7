"""What keeps open sockets honest: once a second, whether their sessions still give rights and their logs have grown.

Revocations in this process close sockets at once; those made elsewhere, and wake-ups that were lost, show here.
"""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum

from netra_backend.app.auth.session_registry import Access, SessionRegistry
from netra_backend.app.event_log.canary import Canary
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.user_log import heads_of
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.sessions import Session
from netra_backend.app.websocket_core.websocket_manager import open_connections

__all__ = ["Rights", "SocketWatch"]

PERIOD = 1.0
"""Seconds between two looks (contract, section 6: at least every second)."""
STUCK = 15.0
"""Seconds after which a look that neither succeeded nor failed means that the database is away."""


_logger = logging.getLogger(__name__)


class Rights(StrEnum):
    """What a socket may do now. `stop_only`: the database is away, and its last known state allows that much."""

    ALL = "all"
    STOP_ONLY = "stop_only"
    NONE = "none"


class SocketWatch:
    """The look at all sockets, and what it found."""

    def __init__(self, registry: SessionRegistry, log: EventLog, canary: Canary) -> None:
        self._registry = registry
        self._log = log
        self._canary = canary
        self._sessions: dict[str, Session] = {}
        self._looked = asyncio.get_running_loop().time()
        self._away = False

    def admit(self, access: Access) -> None:
        """Note the session of a socket that has just been authenticated."""
        self._sessions[access.session.id] = access.session

    def rights(self, session_id: str) -> Rights:
        """What a socket of this session may do at this moment."""
        session = self._sessions.get(session_id)
        if session is None or not session.usable(now_ms()):
            return Rights.NONE
        if self._away or asyncio.get_running_loop().time() - self._looked > STUCK:
            return Rights.STOP_ONLY
        return Rights.ALL

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        unlisten = self._registry.listen(self._close_sockets_of)
        try:
            while True:
                await asyncio.sleep(PERIOD)
                try:
                    await self._look()
                except LogUnavailable:
                    self._away = True
                except Exception:
                    # The next look must come whatever this one met; until one succeeds, only stopping is certain.
                    _logger.exception("a look at the sockets failed")
                    self._away = True
        finally:
            unlisten()

    async def _look(self) -> None:
        began = asyncio.get_running_loop().time()
        # A socket that opens while this looks was just authenticated; it is looked at next time.
        connections = open_connections()
        if connections:
            session_ids = {connection.session_id for connection in connections}
            user_ids = {connection.user_id for connection in connections}
            found = await self._registry.refresh(session_ids)
            heads = await self._log.query(lambda rows: heads_of(rows, user_ids))
            self._judge(session_ids, found)
            for connection in connections:
                if connection.session_id not in self._sessions:
                    connection.close(4401, "the session has ended")
                if (head := heads.get(connection.user_id)) is not None:
                    connection.note(head.seq)
                    connection.catch_up()
        self._looked = began
        self._away = False
        if not self._log.state.available:
            # Somebody has to try whether the log is back; it may be that nobody else writes.
            await self._canary.trouble()

    def _judge(self, asked: set[str], found: dict[str, Session]) -> None:
        """Keep what was found usable of the sessions asked about, and forget those that no socket has any more."""
        in_use = {connection.session_id for connection in open_connections()}
        now = now_ms()
        self._sessions |= found
        for session_id in list(self._sessions):
            ended = session_id in asked and (session_id not in found or not found[session_id].usable(now))
            if ended or session_id not in in_use:
                del self._sessions[session_id]

    def _close_sockets_of(self, session_ids: set[str]) -> None:
        for session_id in session_ids:
            self._sessions.pop(session_id, None)
        for connection in open_connections():
            if connection.session_id in session_ids:
                connection.close(4401, "the session has ended")
