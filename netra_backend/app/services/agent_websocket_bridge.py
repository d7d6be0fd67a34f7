"""The bridge between agents and the log: it opens a stream for each run, and says honestly whether it can carry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.runs.stream import RunStream, StreamLimits
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.settings import Settings
from netra_backend.app.websocket_core.websocket_manager import get_websocket_manager

__all__ = ["LEGAL_STEPS", "AgentWebSocketBridge", "BridgeState", "BridgeStatus", "IllegalBridgeStep"]


class BridgeState(StrEnum):
    """Where the bridge stands. `degraded`: the log takes nothing now; runs' events wait, and a stop still stops."""

    STARTING = "starting"
    ACTIVE = "active"
    DEGRADED = "degraded"
    CLOSED = "closed"


LEGAL_STEPS: dict[BridgeState, frozenset[BridgeState]] = {
    BridgeState.STARTING: frozenset({BridgeState.ACTIVE, BridgeState.DEGRADED, BridgeState.CLOSED}),
    BridgeState.ACTIVE: frozenset({BridgeState.DEGRADED, BridgeState.CLOSED}),
    BridgeState.DEGRADED: frozenset({BridgeState.ACTIVE, BridgeState.CLOSED}),
    BridgeState.CLOSED: frozenset(),
}
"""Every step the bridge may take."""


class IllegalBridgeStep(Exception):
    """The bridge can't go from the state it is in to the one that was asked for."""


@dataclass(frozen=True, slots=True)
class BridgeStatus:
    """Whether the bridge can carry, and what that hangs on: each dependency is `available`, or the reason why not."""

    state: BridgeState
    dependencies: dict[str, str]


class AgentWebSocketBridge:
    """Carries the events of runs into the log, one `RunStream` a run."""

    def __init__(self, log: EventLog, settings: Settings) -> None:
        self._log = log
        self._state = BridgeState.STARTING
        self._limits = StreamLimits(
            window=settings.merge_window,
            merge=settings.merge_bytes,
            buffer=settings.run_buffer_bytes,
            tool_value=settings.max_tool_value_chars,
            answer=settings.max_answer_chars,
        )

    def get_status(self) -> BridgeStatus:
        """State and dependencies, as the last write found them."""
        log = self._log.state
        if self._state in {BridgeState.ACTIVE, BridgeState.DEGRADED}:
            self._follow()
        return BridgeStatus(self._state, {"log": "available" if log.available else log.reason or "unavailable"})

    def start(self) -> None:
        """Begin to carry. Raises `IllegalBridgeStep` if it has begun, or is closed."""
        self._step(BridgeState.ACTIVE if self._log.state.available else BridgeState.DEGRADED)

    def close(self) -> None:
        """Open no more streams."""
        if self._state is not BridgeState.CLOSED:
            self._step(BridgeState.CLOSED)

    async def open_stream(self, context: UserExecutionContext) -> RunStream:
        """The stream of one run. Raises `IllegalBridgeStep` unless the bridge is active or degraded."""
        if self._state not in {BridgeState.ACTIVE, BridgeState.DEGRADED}:
            raise IllegalBridgeStep(f"the bridge is {self._state}; it opens no streams")
        return RunStream(await get_websocket_manager(context), context, self._limits)

    def _follow(self) -> None:
        wanted = BridgeState.ACTIVE if self._log.state.available else BridgeState.DEGRADED
        if wanted is not self._state:
            self._step(wanted)

    def _step(self, wanted: BridgeState) -> None:
        if wanted not in LEGAL_STEPS[self._state]:
            raise IllegalBridgeStep(f"the bridge is {self._state}; it can't become {wanted}")
        self._state = wanted
