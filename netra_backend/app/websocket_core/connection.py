"""One socket's outgoing side: what was read from the log and what is live, joined without a seam.

The log is the truth. A connection has a cursor, and is either *replaying* (reading on from the log) or *live* (taking
events as they are committed). While it replays, live events are only noted by number: they are in the log too. It
turns live in the same step of the loop in which it has seen the last number that was noted, so neither can overtake
the other. A live connection whose queue is full, or that is offered events which don't tile with what it has, drops
the queue and replays: a slow reader costs a bounded queue and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from netra_backend.app.event_log.log import Cursor, EventLog
from netra_backend.app.protocol.codec import encode_event, encode_socket_frame
from netra_backend.app.protocol.events import Gap, ServerDraining, SocketPayload
from netra_backend.app.storage.errors import LogUnavailable

__all__ = ["Connection", "ConnectionState", "LEGAL_STEPS", "Offer", "Transport"]

PAGE = 200
"""Records read from the log at a time (`user_log.PAGE_BYTES` bounds their size)."""
MAX_REPLIES = 64
"""Socket-only frames that may wait; whoever answers frames waits beyond it, so the socket is read no further."""
RETRY = 0.25
"""Seconds between two tries to read the log while the database is away."""


class ConnectionState(StrEnum):
    """Where a connection stands."""

    AUTHENTICATED = "authenticated"
    REPLAYING = "replaying"
    LIVE = "live"
    DRAINING = "draining"
    CLOSED = "closed"


_ENDS = frozenset({ConnectionState.DRAINING, ConnectionState.CLOSED})
LEGAL_STEPS: dict[ConnectionState, frozenset[ConnectionState]] = {
    ConnectionState.AUTHENTICATED: frozenset({ConnectionState.REPLAYING}) | _ENDS,
    ConnectionState.REPLAYING: frozenset({ConnectionState.LIVE}) | _ENDS,
    ConnectionState.LIVE: frozenset({ConnectionState.REPLAYING}) | _ENDS,
    ConnectionState.DRAINING: frozenset({ConnectionState.CLOSED}),
    ConnectionState.CLOSED: frozenset(),
}
"""Every step a connection may take. Before `authenticated` there is a handshake, but no connection of a user yet."""


class IllegalConnectionStep(Exception):
    """A connection can't go from the state it is in to the one that was asked for."""


class Transport(Protocol):
    """What carries the frames: a WebSocket, seen from here."""

    async def send_text(self, data: str) -> None:
        """Hand over one text frame; waits while the peer takes nothing."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close with a code; nothing can be sent after it."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, whatever is still unsent."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A committed event, encoded once for all sockets of its user."""

    first: int
    seq: int
    text: str


class Connection:
    """One authenticated socket of one user."""

    def __init__(
        self,
        *,
        connection_id: str,
        user_id: str,
        session_id: str,
        transport: Transport,
        log: EventLog,
        queue_bytes: int,
        stall_timeout: float,
    ) -> None:
        self.id = connection_id
        self.user_id = user_id
        self.session_id = session_id
        self.state = ConnectionState.AUTHENTICATED
        self._transport = transport
        self._log = log
        self._queue_bytes = queue_bytes
        self._stall_timeout = stall_timeout
        self._cursor = Cursor("", 0)
        # The highest number known to be in the log.
        self._noted = 0
        # Lists, and an event only while somebody waits for it: a deque takes 620 bytes, and most sockets are idle.
        self._queue: list[Offer] = []
        self._queued = 0
        self._replies: list[str] = []
        self._room: asyncio.Event | None = None
        self._wake = asyncio.Event()
        self._close: tuple[int, str] | None = None
        self.closed = asyncio.Event()

    @property
    def cursor(self) -> Cursor:
        """The last number handed to the socket."""
        return self._cursor

    @property
    def tail(self) -> int:
        """The last number handed to the socket or waiting in its queue."""
        return self._queue[-1].seq if self._queue else self._cursor.seq

    @property
    def queued_bytes(self) -> int:
        """What waits in the queue; never more than the socket may hold."""
        return self._queued

    @property
    def has_room(self) -> bool:
        """Whether another socket-only frame may wait."""
        return len(self._replies) < MAX_REPLIES

    async def reply(self, payload: SocketPayload, reply_to: str | msgspec.UnsetType | None = msgspec.UNSET) -> None:
        """Queue a socket-only frame, ahead of events; waits while too many wait already."""
        while not self.has_room and self.state is not ConnectionState.CLOSED:
            self._room = self._room or asyncio.Event()
            await self._room.wait()
        self.tell(payload, reply_to)

    def tell(self, payload: SocketPayload, reply_to: str | msgspec.UnsetType | None = msgspec.UNSET) -> None:
        """Queue a socket-only frame without waiting."""
        self._replies.append(encode_socket_frame(payload, reply_to))
        self._wake.set()

    def resume(self, cursor: Cursor) -> None:
        """Let events flow from this cursor on; nothing, if the connection is ending.

        Raises `IllegalConnectionStep` when they flow already.
        """
        if self.state in _ENDS:
            return
        if self.state is not ConnectionState.AUTHENTICATED:
            raise IllegalConnectionStep("events flow on this connection already")
        self._step(ConnectionState.REPLAYING)
        self._cursor = cursor
        self._wake.set()

    def offer(self, offers: Sequence[Offer]) -> None:
        """Events of this user were committed; they tile among themselves."""
        self.note(offers[-1].seq)
        if self.state is not ConnectionState.LIVE or offers[-1].seq <= self.tail:
            return
        size = sum(len(offer.text) for offer in offers)
        if offers[0].first != self.tail + 1 or self._queued + size > self._queue_bytes:
            self._queue.clear()
            self._queued = 0
            self._step(ConnectionState.REPLAYING)
        else:
            self._queue.extend(offers)
            self._queued += size
        self._wake.set()

    def note(self, seq: int) -> None:
        """The log has grown to this number, by a commit or by looking."""
        self._noted = max(self._noted, seq)

    def catch_up(self) -> None:
        """Read on from the log if a number was noted that was never offered: a wake-up was lost."""
        if self.state is ConnectionState.LIVE and self.tail < self._noted:
            self._queue.clear()
            self._queued = 0
            self._step(ConnectionState.REPLAYING)
            self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """Have the socket closed with this code after what already waits as a socket-only frame. Idempotent."""
        if self._close is None and self.state is not ConnectionState.CLOSED:
            self._close = (code, reason)
            self._wake.set()

    def drain(self) -> None:
        """Say goodbye with the cursor, then close for a restart (1012)."""
        if self.state in _ENDS:
            return
        self._step(ConnectionState.DRAINING)
        self.tell(ServerDraining(epoch=self._cursor.epoch, seq=self._cursor.seq))
        self.close(1012, "the server restarts")

    async def pump(self) -> None:
        """Carry everything to the socket until it is closed. Run once, in a task of its own."""
        try:
            while True:
                if self._replies:
                    await self._send(self._replies.pop(0))
                    self._make_room()
                elif self._close is not None:
                    await self._finish(*self._close)
                    return
                elif self.state is ConnectionState.REPLAYING:
                    await self._read_on()
                elif self._queue:
                    offer = self._queue.pop(0)
                    self._queued -= len(offer.text)
                    # Before the await: what is offered meanwhile must tile with this event.
                    self._cursor = Cursor(self._cursor.epoch, offer.seq)
                    await self._send(offer.text)
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            await self._finish(4408, "took nothing for too long")
        finally:
            if self.state is not ConnectionState.CLOSED:
                self._step(ConnectionState.CLOSED)
            self._make_room()
            self.closed.set()

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    async def _read_on(self) -> None:
        try:
            page = await self._log.read(self.user_id, self._cursor, PAGE)
        except LogUnavailable:
            await self._pause(RETRY)
            return
        if self.state is not ConnectionState.REPLAYING:
            return
        if isinstance(page, Gap):
            # What lies behind it is read next.
            self._cursor = Cursor(page.epoch, page.to_seq)
            await self._send(encode_socket_frame(page))
            return
        self.note(page.head)
        for event in page.events:
            self._cursor = Cursor(event.epoch, event.seq)
            await self._send(encode_event(event))
            if self._replies or self._close is not None:
                # What isn't sent of this page is read again: an answer should not wait for a long replay.
                return
        if self.state is ConnectionState.REPLAYING and self._cursor.seq >= self._noted:
            self._step(ConnectionState.LIVE)

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _send(self, text: str) -> None:
        async with asyncio.timeout(self._stall_timeout):
            await self._transport.send_text(text)

    async def _finish(self, code: int, reason: str) -> None:
        try:
            # A peer that takes nothing doesn't take the close frame either.
            async with asyncio.timeout(1):
                await self._transport.close(code, reason)
        except TimeoutError:
            pass
        if code == 4408:
            self._transport.abort()

    def _step(self, wanted: ConnectionState) -> None:
        if wanted not in LEGAL_STEPS[self.state]:
            raise IllegalConnectionStep(f"the connection is {self.state}; it can't become {wanted}")
        self.state = wanted
