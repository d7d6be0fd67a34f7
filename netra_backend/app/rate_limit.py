"""How often something may be done: a sliding window per key, in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

__all__ = ["RateLimit"]

WINDOW = 60.0
"""Seconds that a limit speaks of."""

SWEEP = 1024
"""Keys that may gather before idle ones are looked for."""


class RateLimit:
    """At most `per_minute` times per key in any 60 seconds. For one event loop.

    Our own, not a library's: those at hand start a task or a thread per hit, and read the wall clock, which a test
    can't move and an operator can.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = per_minute
        self._clock = clock
        self._taken: dict[str, deque[float]] = {}
        self._sweep_at = SWEEP

    def take(self, key: str) -> float:
        """Do it once. Returns 0, or (and nothing is taken) the seconds until it may be done again."""
        now = self._clock()
        taken = self._taken.get(key)
        if taken is None:
            self._forget_idle(now)
            taken = self._taken[key] = deque()
        while taken and taken[0] <= now - WINDOW:
            taken.popleft()
        if len(taken) >= self._limit:
            return taken[0] + WINDOW - now
        taken.append(now)
        return 0.0

    def _forget_idle(self, now: float) -> None:
        # The bar doubles with what is really in use, so that sweeping costs a constant share of the hits.
        if len(self._taken) < self._sweep_at:
            return
        self._taken = {key: taken for key, taken in self._taken.items() if taken and taken[-1] > now - WINDOW}
        self._sweep_at = max(SWEEP, 2 * len(self._taken))
