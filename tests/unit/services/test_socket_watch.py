"""The look at open sockets: a wake-up that was lost shows within a second, and so do rights that were."""

from __future__ import annotations

import pytest

from netra_backend.app.event_log.log import Committed
from netra_backend.app.protocol.events import AgentStopping
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.websocket_core.websocket_manager import WebSocketManager, get_websocket_manager
from tests.harness.process import eventually
from tests.harness.server import RunningServer


async def test_a_lost_wake_up_is_caught_up_with(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[Committed] = []
    monkeypatch.setattr(WebSocketManager, "deliver", lambda manager, committed: lost.append(committed))
    alice = await server.person()
    manager = await get_websocket_manager(UserExecutionContext(user_id=alice.user_id))
    async with server.client(alice) as client:
        await client.resume()
        for number in range(2):
            told = await manager.send_to_user(alice.user_id, AgentStopping(reason=str(number), requested_by="x"))
            # Nobody told the socket; the watch looks, and reads on.
            assert (await client.event())["seq"] == told.seq
    assert len(lost) == 2


async def test_rights_that_are_uncertain_allow_a_stop_and_nothing_else(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await server.person()
    async with server.client(alice) as client:
        await client.resume()

        async def away(session_ids: object) -> None:
            raise LogUnavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(server.services.registry, "refresh", away)
            await eventually(
                lambda: server.services.watch.rights(alice.session_id) == "stop_only", "rights are uncertain"
            )
            answer = await client.ask("user_message", {"text": "x", "client_message_id": "1"})
            assert (answer["type"], answer["payload"]["code"]) == ("error", "unavailable")
            answer = await client.ask("stop_agent", {})
            assert answer["type"] == "ack"
        await eventually(lambda: server.services.watch.rights(alice.session_id) == "all", "rights are certain again")


async def test_a_defect_of_a_look_ends_no_looking(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = await server.person()
    async with server.client(alice) as client:
        await client.resume()

        async def broken(session_ids: object) -> None:
            raise RuntimeError("a defect")

        with monkeypatch.context() as patch:
            patch.setattr(server.services.registry, "refresh", broken)
            await eventually(
                lambda: server.services.watch.rights(alice.session_id) == "stop_only", "rights are uncertain"
            )
        await eventually(lambda: server.services.watch.rights(alice.session_id) == "all", "rights are certain again")
