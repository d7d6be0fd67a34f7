"""How often something may be done, per key and in memory: refused beyond a limit, or made to wait in line."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

__all__ = ["Pace", "RateLimit"]

WINDOW = 60.0
"""Seconds that a limit speaks of."""

SWEEP = 1024
"""Keys that may gather before idle ones are looked for."""

_NONE: deque[float] = deque(maxlen=0)
_ROUNDING = 1e-6
"""Seconds that sums of floats may be off."""


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
        if wait := self.wait(key):
            return wait
        taken.append(now)
        return 0.0

    def wait(self, key: str) -> float:
        """The seconds until it may be done again; 0: now."""
        now = self._clock()
        taken = self._current(key, now)
        return taken[0] + WINDOW - now if len(taken) >= self._limit else 0.0

    def taken(self, key: str) -> int:
        """How often it was done in the last 60 seconds; counted up to the limit."""
        return len(self._current(key, self._clock()))

    def _current(self, key: str, now: float) -> deque[float]:
        taken = self._taken.get(key, _NONE)
        while taken and taken[0] <= now - WINDOW:
            taken.popleft()
        return taken

    def _forget_idle(self, now: float) -> None:
        # The bar doubles with what is really in use, so that sweeping costs a constant share of the hits.
        if len(self._taken) < self._sweep_at:
            return
        self._taken = {key: taken for key, taken in self._taken.items() if taken and taken[-1] > now - WINDOW}
        self._sweep_at = max(SWEEP, 2 * len(self._taken))


class Pace:
    """`burst` times at once, then `per_second`; what comes faster waits in line, at most `patience` seconds.

    The generic cell rate algorithm (ITU-T I.371, annex A.1): one number a key. For one event loop.
    """

    def __init__(
        self, burst: int, per_second: float, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._step = 1 / per_second
        self._slack = (burst - 1) * self._step + _ROUNDING
        self._patience = patience
        self._clock = clock
        # When the line of a key would be empty again, at the slow pace.
        self._due: dict[str, float] = {}
        self._sweep_at = SWEEP

    def take(self, key: str) -> float:
        """Do it once, after the seconds that are returned. If they are more than `patience`, nothing is taken."""
        now = self._clock()
        due = max(self._due.get(key, now), now)
        wait = max(0.0, due - self._slack - now)
        if wait <= self._patience:
            self._forget_idle(now)
            self._due[key] = due + self._step
        return wait

    def _forget_idle(self, now: float) -> None:
        if len(self._due) < self._sweep_at:
            return
        self._due = {key: due for key, due in self._due.items() if due > now}
        self._sweep_at = max(SWEEP, 2 * len(self._due))
