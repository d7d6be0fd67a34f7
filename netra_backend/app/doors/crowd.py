"""All connections of the process, and who makes room when there are too many."""

from __future__ import annotations

import resource
from collections.abc import Iterable

from netra_backend.app.doors.visit import Phase, Visit
from netra_backend.app.settings import Settings

__all__ = ["RESERVE", "Crowd", "NoRoom", "raise_descriptor_limit"]

RESERVE = 256
"""Descriptors kept for files, the database and models; a quarter of them all where there are few."""

MOST_DESCRIPTORS = 65_536
"""As many are asked of the system; more would serve nobody, and some systems count them one by one at each fork."""


class NoRoom(Exception):
    """Another connection can't be served. `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Crowd:
    """Those who have said who they are, and the strangers. For one event loop.

    A stranger that comes when there are too many (of its address, or in all) is let in, and the one that has kept us
    waiting longest goes, of the address that has most: so somebody new is served while an attacker holds all places.
    Where nobody waits the newcomer is turned away.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_strangers
        self._most_per_address = settings.max_strangers_per_address
        # In the order in which they came into their phases.
        self._strangers: dict[Visit, None] = {}
        self._of_network: dict[str, dict[Visit, None]] = {}
        self._known: dict[Visit, None] = {}
        # Those whose descriptors are in use: also the ones that were told to go.
        self._open: set[Visit] = set()
        self._other_descriptors = 0

    def counts(self) -> tuple[int, int]:
        """How many strangers there are, and how many who are known."""
        return len(self._strangers), len(self._known)

    def enter(self, visit: Visit, descriptor: int) -> None:
        """Count a new connection. Raises `NoRoom`."""
        if not self._open:
            # The system gives the lowest that is free (open(2)): the ones below it are somebody else's.
            self._other_descriptors = descriptor
        self._open.add(visit)
        if self._few_are_left(descriptor) and not (self._close_a_stranger() or self._cut_first(self._known)):
            raise NoRoom(503, "too many connections are open")
        if len(self._strangers) >= self._most and not self._close_a_stranger():
            raise NoRoom(503, "too many connections are open")
        self._room_in(visit.network)
        self._add(visit)

    def speak_for(self, visit: Visit, network: str | None) -> None:
        """A proxy asks for somebody, or (None) no longer. Raises `NoRoom`."""
        if visit.network == network or visit.admitted:
            return
        self._room_in(network)
        self._take_out(visit)
        visit.network = network
        self._add(visit)

    def moved(self, visit: Visit) -> None:
        """It is in another phase, or known now."""
        if visit in self._strangers or visit in self._known:
            self._take_out(visit)
            self._add(visit)

    def leave(self, visit: Visit) -> None:
        """It is gone. Nothing if it wasn't counted."""
        self._open.discard(visit)
        self._take_out(visit)

    def _take_out(self, visit: Visit) -> None:
        self._known.pop(visit, None)
        self._strangers.pop(visit, None)
        if visit.network is not None and (of_network := self._of_network.get(visit.network)) is not None:
            of_network.pop(visit, None)
            if not of_network:
                del self._of_network[visit.network]

    def _add(self, visit: Visit) -> None:
        if visit.admitted:
            self._known[visit] = None
            return
        self._strangers[visit] = None
        if visit.network is not None:
            self._of_network.setdefault(visit.network, {})[visit] = None

    def _room_in(self, network: str | None) -> None:
        if network is None:
            return
        present = self._of_network.get(network, {})
        if len(present) >= self._most_per_address and not self._cut_first(present):
            raise NoRoom(429, "too many connections from your address are open")

    def _few_are_left(self, descriptor: int) -> bool:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return False
        # A high number says it of whatever is open; but once old connections have gone, new ones have low numbers.
        return max(descriptor, self._other_descriptors + len(self._open)) >= soft - min(RESERVE, soft // 4)

    def _close_a_stranger(self) -> bool:
        if self._of_network and self._cut_first(max(self._of_network.values(), key=len)):
            return True
        return self._cut_first(self._strangers)

    def _cut_first(self, visits: Iterable[Visit]) -> bool:
        """Close the first that keeps us waiting."""
        for visit in visits:
            if visit.idle and visit.phase is not Phase.GONE:
                # Its end comes with the next turn of the loop; of many who come in this one, each cuts another.
                self._take_out(visit)
                visit.cut()
                return True
        return False


def raise_descriptor_limit() -> None:
    """Let this process have as many descriptors as the system permits, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
