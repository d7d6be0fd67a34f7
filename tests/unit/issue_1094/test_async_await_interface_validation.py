"""Issue 1094: "stop" broke because a synchronous factory was awaited. These are the test plan's seven tests.

`test_broken_line.py` puts the broken line back into a copy of the service, and shows that tests 4 to 7 notice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

import netra_backend
from netra_backend.app.protocol.events import ThreadRenamed
from netra_backend.app.services.agent_websocket_bridge import BridgeState
from netra_backend.app.services.refusals import StopNotRecorded
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.websocket_core.canonical_imports import create_websocket_manager
from netra_backend.app.websocket_core.websocket_manager import LogNotBound, WrongUser, get_websocket_manager
from tests.fakes.model_server import FakeModelServer
from tests.harness.client import Client, check_run
from tests.harness.database import database_away
from tests.harness.factories import FACTORIES, definitions, wrong_calls
from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]
SOURCE = Path(netra_backend.__file__).parent


@pytest.fixture
def user_context() -> UserExecutionContext:
    return UserExecutionContext(user_id="user-1094", thread_id="thread-1", run_id="run-1")


class TestAsyncAwaitInterfaceValidation:
    """The two factories, by themselves."""

    async def test_create_websocket_manager_sync_interface_reproduction(
        self, user_context: UserExecutionContext
    ) -> None:
        """1. Awaiting the sync factory raises TypeError: the incident's error, reproduced."""
        with pytest.warns(DeprecationWarning, match="get_websocket_manager"):
            returned = create_websocket_manager(user_context)
        with pytest.raises(TypeError, match="await"):
            await returned  # pyright: ignore[reportGeneralTypeIssues]

    async def test_create_websocket_manager_returns_sync_context(self, user_context: UserExecutionContext) -> None:
        """2. The sync factory checks and returns the context, nothing that could be awaited."""
        assert not inspect.iscoroutinefunction(create_websocket_manager)
        with pytest.warns(DeprecationWarning, match="get_websocket_manager"):
            returned = create_websocket_manager(user_context=user_context)
        assert returned is user_context
        assert returned.user_id == "user-1094"
        assert not inspect.isawaitable(returned)
        with pytest.raises(TypeError, match="UserExecutionContext"):
            create_websocket_manager("user-1094")  # pyright: ignore[reportArgumentType]

    async def test_get_websocket_manager_async_interface_validation(self, user_context: UserExecutionContext) -> None:
        """3. The async factory gives the manager: one for a user, another for another, none that acts for both."""
        assert inspect.iscoroutinefunction(get_websocket_manager)
        manager = await get_websocket_manager(user_context=user_context)
        assert manager.user_id == "user-1094"
        assert await get_websocket_manager(UserExecutionContext(user_id="user-1094")) is manager
        other = await get_websocket_manager(UserExecutionContext(user_id="user-1095"))
        assert other is not manager
        renamed = ThreadRenamed(thread_id="t", title="x")
        with pytest.raises(WrongUser):
            await manager.send_to_user("user-1095", renamed)
        with pytest.raises(LogNotBound):
            await manager.send_to_user("user-1094", renamed)
        with pytest.raises(TypeError, match="UserExecutionContext"):
            await get_websocket_manager(None)  # pyright: ignore[reportArgumentType]


class TestAgentServiceCoreInterfaceFix:
    """Stop, through the service: with the bridge available, and with it away."""

    async def test_agent_service_stop_operation_interface_fix(self, server: RunningServer) -> None:
        """4. `AgentService.stop_agent(user_id)` stops and says what it did, on the normal and the fallback path."""
        agents = server.services.agents
        alice = await server.person()
        context = UserExecutionContext(user_id=alice.user_id)

        run = await agents.start_agent(context, "count to 1000 slowly", "first")
        report = await agents.stop_agent(alice.user_id)
        assert [(stopped.run_id, stopped.outcome) for stopped in report.runs] == [(run.run_id, "stopping")]
        await agents.wait_until_ended(alice.user_id, run.thread_id)
        assert await _state(server, alice.user_id, run.run_id) == "stopped"
        assert (await agents.stop_agent(alice.user_id)).runs == []

        second = await agents.start_agent(context, "count to 1000 slowly", "second")
        async with database_away(server.services.settings.database_path):
            with pytest.raises(StopNotRecorded) as refused:
                await agents.stop_agent(alice.user_id)
            assert refused.value.runs == [second.run_id]
        await agents.wait_until_ended(alice.user_id, second.thread_id)
        assert await _state(server, alice.user_id, second.run_id) == "stopped"

    async def test_agent_stop_operation_production_scenario(self, serve: Serve, model: FakeModelServer) -> None:
        """5. As in production: sockets, bridge and a model over HTTP; the stop closes the model's connection."""
        async with serve(model="openai:fake", model_base_url=model.base_url) as server:
            assert server.services.agents.ensure_service_ready().state is BridgeState.ACTIVE
            alice = await server.person()
            async with server.client(alice) as client:
                await client.resume()
                await _stop_in_mid_answer(client, model)
                await _stop_with_the_log_away(server, client, model)
            status = await server.services.agents.get_agent_status(alice.user_id)
            assert status.runs == []
            assert status.bridge.dependencies == {"log": "available"}


class TestWebSocketFactorySSotCompliance:
    """One definition of each factory, used as it is; and the golden path over it."""

    def test_websocket_factory_interface_consistency(self) -> None:
        """6. Over the whole source tree: one definition of each, one colour, one parameter name, no wrong call."""
        found = {definition.name: definition for definition in definitions(SOURCE)}
        assert sorted(definition.name for definition in definitions(SOURCE)) == sorted(FACTORIES)
        assert found["get_websocket_manager"].is_async
        assert not found["create_websocket_manager"].is_async
        assert {definition.parameters for definition in found.values()} == {("user_context",)}
        assert wrong_calls(SOURCE) == []

    async def test_golden_path_websocket_events_after_interface_fix(self, serve: Serve, model: FakeModelServer) -> None:
        """7. Log in, message, five critical events, answer; then a stop on each path, and its events."""
        async with serve() as server:
            alice = await server.person()
            async with server.client(alice) as client:
                await client.resume()
                run = await client.say("what is 6*7?")
                await client.until_end(run["run_id"])
                told = [event["type"] for event in client.record.of_run(run["run_id"])]
                assert {"agent_started", "agent_thinking", "tool_executing", "tool_completed"} < set(told)
                assert told[-1] == "agent_completed"
                check_run(client.record.of_run(run["run_id"]))
        async with serve(model="openai:fake", model_base_url=model.base_url) as server:
            bob = await server.person("bob")
            async with server.client(bob) as client:
                await client.resume()
                await _stop_in_mid_answer(client, model)
                await _stop_with_the_log_away(server, client, model)


async def _state(server: RunningServer, user_id: str, run_id: str) -> str:
    run = await server.services.log.view(user_id, lambda view: view.runs.get(run_id))
    assert run is not None
    return run.state


async def _stop_in_mid_answer(client: Client, model: FakeModelServer) -> None:
    run = await client.say("tokens=100000 pace=0.01")
    await client.until_type("agent_message_delta", run_id=run["run_id"])
    request = model.requests[-1]
    assert [outcome["outcome"] for outcome in await client.stop()] == ["stopping"]
    await request.hung_up.wait()
    end = await client.until_end(run["run_id"])
    events = client.record.of_run(run["run_id"])
    assert end["type"] == "agent_stopped"
    assert "agent_stopping" in {event["type"] for event in events}
    check_run(events)


async def _stop_with_the_log_away(server: RunningServer, client: Client, model: FakeModelServer) -> None:
    """The fallback: the work is cancelled, the socket is told, the record follows when the log is back."""
    run = await client.say("tokens=100000 pace=0.01")
    await client.until_type("agent_message_delta", run_id=run["run_id"])
    request = model.requests[-1]
    async with database_away(server.services.settings.database_path):
        asked = await client.send("stop_agent")
        await request.hung_up.wait()
        told, answer = await client.others_until(asked)
        assert answer["payload"]["code"] == "stop_not_recorded", answer
        assert [frame["payload"] for frame in told if frame["type"] == "stop_unrecorded"] == [{"runs": [run["run_id"]]}]
    end = await client.until_end(run["run_id"])
    assert end["type"] == "agent_stopped"
    check_run(client.record.of_run(run["run_id"]))
