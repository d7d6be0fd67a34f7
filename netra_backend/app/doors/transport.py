"""A transport that ends when it is closed, whether its peer reads or not."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from netra_backend.app.doors.visit import Visit

__all__ = ["CLOSE_GRACE", "MIN_RATE", "BoundedTransport"]

CLOSE_GRACE = 5.0
"""Seconds that the peer of a socket has to take what is still unsent once its connection is closed."""

MIN_RATE = 240
"""Bytes a second that a peer must take of an answer, over `answer_stall_timeout`; Kestrel's number."""

_RESET = struct.pack("ii", 1, 0)
"""`struct linger`: on close drop what is unsent and reset the connection (socket(7))."""


class BoundedTransport(asyncio.Transport):
    """What uvicorn's protocols get instead of the real one.

    `close` first asks `before_close`, which returns True where it closes later by itself.
    """

    def __init__(self, real: asyncio.Transport, loop: asyncio.AbstractEventLoop, stall_timeout: float) -> None:
        super().__init__()
        self._real = real
        self._loop = loop
        self._stall_timeout = stall_timeout
        self._deadline: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._closing = False
        self._lost = False
        self.visit: Visit
        """The connection's, for the protocol that takes it over."""
        self.before_close: Callable[[], bool] = lambda: False
        self.close_grace: float | None = None
        """Seconds until a close is cut; None: as long as the peer takes what is unsent."""

    def close(self) -> None:
        if self._closing or self._lost:
            return
        self._closing = True
        if not self.before_close():
            self.close_now()

    def close_now(self) -> None:
        """Close once what is unsent is taken; cut where that takes too long."""
        if self._lost:
            return
        self._closing = True
        if self.close_grace is None:
            self.watch_writing()
        elif self._deadline is None:
            self._deadline = self._loop.call_later(self.close_grace, self.abort)
        self._real.close()

    def abort(self) -> None:
        if not self._lost:
            self._closing = True
            # Without this the system goes on offering what is unsent, for minutes, from memory of its own.
            self._real.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._real.abort()

    def watch_writing(self) -> None:
        """Cut the connection when its peer takes less than `MIN_RATE` of what is unsent."""
        if self._watch is None and not self._lost:
            unsent = self._real.get_write_buffer_size()
            if unsent:
                self._watch = self._loop.call_later(self._stall_timeout, self._look, unsent)

    def writing_goes_on(self) -> None:
        """The peer has taken nearly all."""
        if self._watch is not None and not self._closing:
            self._watch.cancel()
            self._watch = None

    def lost(self) -> None:
        self._lost = self._closing = True
        for timer in (self._deadline, self._watch):
            if timer is not None:
                timer.cancel()

    def is_lost(self) -> bool:
        return self._lost

    def is_closing(self) -> bool:
        return self._closing or self._real.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._real.write(data)

    def write_eof(self) -> None:
        self._real.write_eof()

    def pause_reading(self) -> None:
        self._real.pause_reading()

    def resume_reading(self) -> None:
        if not self._lost and not self._real.is_closing():
            self._real.resume_reading()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._real.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._real.get_write_buffer_size()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._real.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._real.get_protocol()

    def _look(self, before: int) -> None:
        self._watch = None
        if self._lost:
            return
        unsent = self._real.get_write_buffer_size()
        if not unsent:
            return
        if before - unsent < MIN_RATE * self._stall_timeout:
            self.abort()
        else:
            self._watch = self._loop.call_later(self._stall_timeout, self._look, unsent)
