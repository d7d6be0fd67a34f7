"""The bridge's states: each step that is legal, each that isn't, and what it says of the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from netra_backend.app.event_log.log import LogState
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.services.agent_websocket_bridge import AgentWebSocketBridge, BridgeState, IllegalBridgeStep
from netra_backend.app.services.refusals import ServiceNotReady
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.settings import Settings
from netra_backend.app.storage.schema import migrate
from netra_backend.app.websocket_core.websocket_manager import bound_log
from tests.harness.server import RunningServer


class Log(SqliteLog):
    """The real log, whose state a test can set."""

    said: LogState | None = None

    @property
    def state(self) -> LogState:
        return self.said or super().state


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    opened = Log(tmp_path / "netra.db")
    await opened.write(migrate)
    yield opened
    await opened.close()


async def test_it_says_what_it_can_and_opens_streams_only_then(log: Log, tmp_path: Path) -> None:
    bridge = AgentWebSocketBridge(log, Settings(data_dir=tmp_path))
    context = UserExecutionContext(user_id="u").of_run("t", "r")
    assert bridge.get_status().state is BridgeState.STARTING
    with bound_log(log):
        with pytest.raises(IllegalBridgeStep):
            await bridge.open_stream(context)
        bridge.start()
        assert (bridge.get_status().state, bridge.get_status().dependencies) == (
            BridgeState.ACTIVE,
            {"log": "available"},
        )
        with pytest.raises(IllegalBridgeStep):
            bridge.start()
        log.said = LogState(available=False, reason="the disk is full")
        assert (bridge.get_status().state, bridge.get_status().dependencies) == (
            BridgeState.DEGRADED,
            {"log": "the disk is full"},
        )
        log.said = None
        assert bridge.get_status().state is BridgeState.ACTIVE
        bridge.close()
        bridge.close()
        assert bridge.get_status().state is BridgeState.CLOSED
        with pytest.raises(IllegalBridgeStep):
            bridge.start()
        with pytest.raises(IllegalBridgeStep):
            await bridge.open_stream(context)


async def test_it_can_start_while_the_log_is_away(log: Log, tmp_path: Path) -> None:
    bridge = AgentWebSocketBridge(log, Settings(data_dir=tmp_path))
    log.said = LogState(available=False, reason=None)
    bridge.start()
    assert bridge.get_status().dependencies == {"log": "unavailable"}
    assert bridge.get_status().state is BridgeState.DEGRADED


async def test_a_server_that_ends_takes_no_runs(server: RunningServer) -> None:
    agents = server.services.agents
    alice = await server.person()
    assert agents.ensure_service_ready().state is BridgeState.ACTIVE
    server.services.bridge.close()
    for _ in range(2):
        with pytest.raises(ServiceNotReady):
            agents.ensure_service_ready()
    with pytest.raises(ServiceNotReady):
        await agents.start_agent(UserExecutionContext(user_id=alice.user_id), "hello", "c1")
