"""Notices that a model which began to answer has fallen silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["IdleWatch"]

ROUNDS = 20
"""Rounds of the event loop that are given after the limit. Where this process itself stood still (a busy machine, a
suspended one), the model's words have arrived meanwhile and are only waiting to be read."""


class IdleWatch:
    """Calls `expire` once, when the model has been waited for during `limit` seconds without a word.

    Only waiting for the model counts: while its words are handed on (a slow log), or a tool runs, the watch is off.
    One timer per turn, moved only when it fires, so a token costs no timer of its own.
    """

    def __init__(self, limit: float, expire: Callable[[], None]) -> None:
        self.limit = limit
        self.expired = False
        self._expire = expire
        self._since: float | None = None
        self._rounds = 0
        self._timer: asyncio.TimerHandle | None = None

    def waiting(self) -> None:
        """From now on the model is waited for."""
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        self._rounds = 0
        if self._timer is None:
            self._timer = loop.call_later(self.limit, self._look)

    def busy(self) -> None:
        """The model isn't waited for."""
        self._since = None

    def close(self) -> None:
        """The turn is over."""
        self._since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        loop = asyncio.get_running_loop()
        left = self._since + self.limit - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._look)
        elif self._rounds < ROUNDS:
            self._rounds += 1
            self._timer = loop.call_later(0, self._look)
        else:
            self.expired = True
            self._expire()
