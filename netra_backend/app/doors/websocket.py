"""uvicorn's WebSocket protocol on a bounded transport, with less room for those who haven't said who they are."""

from __future__ import annotations

from asyncio.transports import BaseTransport
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from netra_backend.app.doors import transport as bounds
from netra_backend.app.doors.transport import BoundedTransport
from netra_backend.app.doors.visit import CONNECTION, Phase

__all__ = ["ABORT", "STRANGERS_FRAME", "BoundedWebSocket"]

ABORT = "netra.abort"
"""The name in the `extensions` of a socket's ASGI scope under which `{"abort": callable}` drops the connection at
once, whatever is still unsent."""

STRANGERS_FRAME = 16 * 1024
"""Bytes that a message may have before its sender is known: room for `authenticate`, and for what is sent right
behind it."""

PART = 4096
"""Bytes that are parsed at a time: what ends a connection ends it before the rest is looked at."""

BARE_FRAMES = 1000
"""Pings, pongs and parts of messages that may come at once; a message of half a megabyte in parts of a KB has 512."""
BARE_FRAMES_A_SECOND = 100
"""As many more each second. They cost a frame's work for as little as six bytes, and no limit on messages counts them:
one stranger's pings at full speed left no time for anybody else."""


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Takes a connection over from `BoundedHttp`, with its visit."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.bounded = cast("BoundedTransport", transport)
        self.visit = self.bounded.visit
        self.bounded.before_close = lambda: False
        self.bounded.close_grace = bounds.CLOSE_GRACE
        self._full_size = self.conn.max_message_size
        self._bare_left = float(BARE_FRAMES)
        self._counted_at = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self.bounded.lost()
        if self.visit.phase is not Phase.GONE:
            self.visit.step(Phase.GONE)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), PART):
            super().data_received(data[start : start + PART])
            if self.bounded.is_closing():
                return
        if not self.handshake_initiated:
            # The head came whole. What websockets can't read of it is never answered, and nothing waits for more.
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:  # else it was refused, and there is no scope
            scope = cast("dict[str, Any]", self.scope)
            scope["extensions"][ABORT] = {"abort": self.transport.abort}
            scope["extensions"][CONNECTION] = {"admit": self.visit.admit}

    def handle_ping(self) -> None:
        if not self._bears_another():
            return
        if self.writable.is_set():
            super().handle_ping()
        else:
            # A peer that doesn't read gets no pongs: they would be kept for it without end.
            self.conn.data_to_send()

    def handle_pong(self, event: Frame) -> None:
        if self._bears_another():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        if not event.fin and not self._bears_another():
            return
        # The size of a message counts bytes; of frames without any there may come as many as one likes.
        if event.data or event.fin:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                # uvicorn closes as well, but writes a traceback into the log each time: anybody could fill it.
                self.frames = []
                self.conn.fail(1007, "a text frame holds UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def send(self, message: ASGISendEvent) -> None:
        if self.close_sent and self.initial_response is None and self.handshake_complete:
            # It was closed beneath the application, for a frame that breaks the protocol: to that the peer has gone.
            # uvicorn would call it a defect of ours, with a traceback in the log each time.
            if message["type"] == "websocket.close":
                return
            raise ClientDisconnected
        greets = message["type"] == "websocket.accept" and self.visit.phase is Phase.ANSWERING
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # It was answered, by a refusal; uvicorn would call that a defect of ours, in a line of the log each time.
            self.handshake_complete = True
        if not greets or self.visit.phase is not Phase.ANSWERING:
            return
        if self.visit.admitted:
            self.visit.step(Phase.SOCKET)
        else:
            self.conn.max_message_size = STRANGERS_FRAME
            self.visit.on_admitted = self._admitted
            self.visit.step(Phase.GREETING)

    def _admitted(self) -> None:
        self.conn.max_message_size = self._full_size
        self.visit.step(Phase.SOCKET)

    def _bears_another(self) -> bool:
        """Count a frame that is no message, and close the connection if there are too many."""
        if self.bounded.is_closing():
            return False
        now = self.loop.time()
        self._bare_left = min(BARE_FRAMES, self._bare_left + (now - self._counted_at) * BARE_FRAMES_A_SECOND) - 1
        self._counted_at = now
        if self._bare_left < 0:
            self.conn.fail(1008, "too many frames that are no messages")
            self.handle_parser_exception()
        return self._bare_left >= 0
