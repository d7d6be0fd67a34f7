"""One connection, as a state machine with a deadline: every phase is bounded here, whatever is sent in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from netra_backend.app.settings import Settings

if TYPE_CHECKING:
    from netra_backend.app.doors.crowd import Crowd

__all__ = ["CONNECTION", "LEGAL_STEPS", "IllegalPhaseStep", "Phase", "Visit", "admit"]

CONNECTION = "netra.connection"
"""The name in the `extensions` of a scope under which stands `{"admit": callable}`, see `admit`."""

CLOSING_TIME = 20.0
"""Seconds beyond `authentication_timeout` in which a socket that nobody authenticated has closed: its closing
handshake and what is unsent have their own, shorter limits."""

LINGER = 2.0
"""Seconds in which what a refused peer still sends is read and thrown away: closing at once would reset the
connection, and take the answer with it (RFC 9112, 9.6)."""


class Phase(Enum):
    """What is waited for on a connection."""

    SILENT = auto()
    """Nothing has come yet."""
    HEAD = auto()
    BODY = auto()
    ANSWERING = auto()
    """The request is here whole, or the handshake is: it is our turn."""
    KEPT = auto()
    """Answered; the next request may come."""
    GREETING = auto()
    """A socket whose peer hasn't said who it is."""
    SOCKET = auto()
    LEAVING = auto()
    """Refused; the peer may take the answer."""
    GONE = auto()


LEGAL_STEPS: dict[Phase, frozenset[Phase]] = {
    Phase.SILENT: frozenset({Phase.HEAD, Phase.LEAVING, Phase.GONE}),
    Phase.HEAD: frozenset({Phase.BODY, Phase.ANSWERING, Phase.LEAVING, Phase.GONE}),
    Phase.BODY: frozenset({Phase.ANSWERING, Phase.KEPT, Phase.LEAVING, Phase.GONE}),
    # A further head may come before the answer (pipelining).
    Phase.ANSWERING: frozenset({Phase.KEPT, Phase.HEAD, Phase.GREETING, Phase.SOCKET, Phase.LEAVING, Phase.GONE}),
    Phase.KEPT: frozenset({Phase.HEAD, Phase.LEAVING, Phase.GONE}),
    Phase.GREETING: frozenset({Phase.SOCKET, Phase.LEAVING, Phase.GONE}),
    Phase.SOCKET: frozenset({Phase.LEAVING, Phase.GONE}),
    Phase.LEAVING: frozenset({Phase.GONE}),
    Phase.GONE: frozenset(),
}

IDLE = frozenset({Phase.SILENT, Phase.HEAD, Phase.BODY, Phase.KEPT, Phase.GREETING, Phase.LEAVING})
"""The phases in which the peer is waited for: such a connection can be closed for somebody else's sake."""


class IllegalPhaseStep(Exception):
    """A step that the table doesn't have; names both phases."""

    def __init__(self, old: Phase, new: Phase) -> None:
        super().__init__(f"a connection can't go from {old.name} to {new.name}")


class Visit:
    """A connection's phase and deadline, and whether its peer is known.

    `expire` is called when a deadline has passed, `cut` when the connection is closed for others' sake.
    """

    def __init__(
        self,
        crowd: Crowd,
        settings: Settings,
        network: str | None,
        *,
        expire: Callable[[], None],
        cut: Callable[[], None],
    ) -> None:
        self.phase = Phase.SILENT
        self.network = network
        """What counts as its address; None for a proxy that asks for nobody now."""
        self.admitted = False
        self.taking_nothing = False
        """Whether the peer leaves unread what it was sent."""
        self.cut = cut
        self.on_admitted: Callable[[], None] = lambda: None
        self._crowd = crowd
        self._expire = expire
        self._loop = asyncio.get_running_loop()
        self._limits: dict[Phase, float] = {
            Phase.SILENT: settings.head_timeout,
            Phase.HEAD: settings.head_timeout,
            Phase.BODY: settings.body_timeout,
            Phase.KEPT: settings.keep_alive_timeout,
            Phase.GREETING: settings.authentication_timeout + CLOSING_TIME,
            Phase.LEAVING: LINGER,
        }
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = 0.0
        self._arm()

    @property
    def idle(self) -> bool:
        """Whether the peer is waited for, not we."""
        return self.phase in IDLE or (self.taking_nothing and self.phase is not Phase.SOCKET)

    def step(self, phase: Phase) -> None:
        """Go on to another phase, with its own deadline. Raises `IllegalPhaseStep`."""
        if phase not in LEGAL_STEPS[self.phase]:
            raise IllegalPhaseStep(self.phase, phase)
        self.phase = phase
        if phase is Phase.GONE:
            self._crowd.leave(self)
        else:
            self._crowd.moved(self)
        self._arm()

    def wait_anew(self) -> None:
        """Give the phase its whole time again: it was we who didn't read."""
        self._arm()

    def admit(self) -> None:
        """The peer has said who it is. From now on its user's limits bound it."""
        if self.admitted or self.phase in {Phase.LEAVING, Phase.GONE}:
            return
        self.admitted = True
        self._crowd.moved(self)
        self.on_admitted()

    def forget(self) -> None:
        """The next request may be somebody else's: a proxy sends those of many over one connection."""
        if self.admitted:
            self.admitted = False
            self._crowd.moved(self)

    def _arm(self) -> None:
        limit = self._limits.get(self.phase)
        now = self._loop.time()
        self._deadline = None if limit is None else now + limit
        if self._deadline is None:
            if self.phase is Phase.GONE and self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None or self._fires_at > self._deadline:
            self._set_timer(self._deadline)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires_at = when
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        # One timer for all phases of a connection: most of them end long before their time.
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._set_timer(self._deadline)
        else:
            self._expire()


def admit(scope: Mapping[str, Any]) -> None:
    """Tell the connection of this request or handshake that its peer is known. Nothing under another server."""
    offered: dict[str, dict[str, Callable[[], None]]] = scope.get("extensions") or {}
    if CONNECTION in offered:
        offered[CONNECTION]["admit"]()
