"""Places to work in: each run has one while it works, and whatever came to nothing gives its own back."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.protocol.events import ToolExecuting
from netra_backend.app.services.agent_service_core import AgentService
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.storage.errors import LogUnavailable
from tests.fakes import tool_agent
from tests.fakes.model_server import FakeModelServer, Text, ToolCall, WaitFor
from tests.harness.client import check_run
from tests.harness.deadline import DEADLINE
from tests.harness.process import eventually
from tests.harness.server import RunningServer
from tests.harness.stage import soon
from tests.integration.conftest import StageWith

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]
PLACES = 2


@pytest.fixture
async def narrow(serve: Serve, model: FakeModelServer) -> Any:
    """A server in which a user has two places."""
    async with serve(
        model="openai:fake", model_base_url=model.base_url, max_running_runs_per_user=PLACES, max_threads_per_user=4
    ) as server:
        yield server


async def test_what_starts_nothing_keeps_no_place(narrow: RunningServer) -> None:
    """A message that was sent again kept a place for ever, and so did one that was refused; with all of them gone
    the user was blocked until the next start, and every test was green."""
    alice = await narrow.person()
    counts = narrow.services.supervisor.counts
    async with narrow.client(alice) as client:
        await client.resume()
        first = {"text": "tokens=2", "client_message_id": "first"}
        run = (await client.ask("user_message", first))["payload"]
        await client.until_end(run["run_id"])
        for _ in range(PLACES + 1):
            assert (await client.ask("user_message", first))["payload"] == run
            for refused in (
                {"text": "other", "client_message_id": "first"},
                {"text": "x", "thread_id": str(uuid.uuid4()), "client_message_id": str(uuid.uuid4())},
                {"text": "", "client_message_id": str(uuid.uuid4())},
            ):
                assert (await client.ask("user_message", refused))["type"] == "error"
        await eventually(lambda: counts() == (0, 0), f"every place is free, not {counts()}")
        again = await client.say("tokens=2")
        assert (await client.until_end(again["run_id"]))["type"] == "agent_completed"


@pytest.mark.parametrize("error", [LogUnavailable("away"), RuntimeError("a defect"), asyncio.CancelledError()])
async def test_what_cannot_be_recorded_keeps_no_place(
    narrow: RunningServer, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    alice = await narrow.person()
    agents: AgentService = narrow.services.agents
    real = SqliteLog.commit

    def broken(log: SqliteLog, user_id: str, unit: Any) -> asyncio.Future[Any]:
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(error) if not isinstance(error, asyncio.CancelledError) else failed.cancel()
        return failed

    monkeypatch.setattr(SqliteLog, "commit", broken)
    for number in range(PLACES + 1):
        with pytest.raises(type(error)):
            await agents.start_agent(UserExecutionContext(user_id=alice.user_id), "hello", str(number))
    monkeypatch.setattr(SqliteLog, "commit", real)
    assert narrow.services.supervisor.counts() == (0, 0)


async def test_what_comes_to_its_place_while_it_is_recorded_waits_if_no_more_are_given(narrow: RunningServer) -> None:
    """It is on record as waiting; a server that ends begins nothing new, and the next start takes it up."""
    supervisor = narrow.services.supervisor
    refused, *others = [supervisor.reserve("alice", str(uuid.uuid4()), None) for _ in range(PLACES)]
    late = supervisor.reserve("alice", str(uuid.uuid4()), str(uuid.uuid4()))
    assert not late.placed
    supervisor.release(refused)
    assert late.placed, "the place was given on while the log had not answered yet"
    supervisor.give_no_more_places()
    supervisor.begin(late, late.thread_id or "", started=False)
    assert (late.placed, late.go.is_set()) == (False, False)
    for other in others:
        supervisor.release(other)


async def test_whoever_asked_may_go_and_it_is_carried_out(narrow: RunningServer) -> None:
    alice = await narrow.person()
    context = UserExecutionContext(user_id=alice.user_id)
    asking = asyncio.create_task(narrow.services.agents.start_agent(context, "tokens=2", "c1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    await narrow.services.agents.settle(60)
    async with narrow.client(alice) as client:
        await client.resume(from_start=True)
        assert (await client.until_end())["type"] == "agent_completed"


async def test_beyond_a_users_places_runs_are_recorded_as_waiting(
    narrow: RunningServer, model: FakeModelServer
) -> None:
    """What the row says and who works are one and the same: a run without a place isn't recorded as started."""
    go = asyncio.Event()
    model.scripts["hold"] = [[Text("a "), WaitFor(go), Text("b")]]
    alice = await narrow.person()
    async with narrow.client(alice) as client, narrow.http(alice) as http:
        await client.resume()
        runs = [await client.say("script:hold") for _ in range(PLACES + 2)]
        states = [(await http.get(f"/api/runs/{run['run_id']}")).json()["run"]["state"] for run in runs]
        assert states == ["running"] * PLACES + ["queued"] * 2
        assert narrow.services.supervisor.counts() == (PLACES, 2)
        # Of the two that wait one is stopped, and comes to its end without a place.
        assert [outcome["outcome"] for outcome in await client.stop(run_id=runs[-1]["run_id"])] == ["stopping"]
        await eventually(lambda: narrow.services.supervisor.counts() == (PLACES, 1), "the stopped one is gone")
        go.set()
        for run in runs[:-1]:
            end = [event for event in client.record.of_run(run["run_id"]) if "usage" in event["payload"]]
            if not end:
                await client.until_end(run["run_id"])
    for run in runs:
        check_run(client.record.of_run(run["run_id"]))


async def test_threads_have_a_most(narrow: RunningServer) -> None:
    alice, bob = await narrow.person(), await narrow.person("bob")
    async with narrow.client(alice) as client, narrow.http(alice) as http, narrow.http(bob) as of_bob:
        await client.resume()
        for _ in range(4):
            assert (await http.post("/api/threads")).status_code == 201
        assert (await http.post("/api/threads")).json()["code"] == "queue_full"
        answer = await client.ask("user_message", {"text": "x", "client_message_id": "c1"})
        assert (answer["type"], answer["payload"]["code"]) == ("error", "queue_full")
        assert (await of_bob.post("/api/threads")).status_code == 201


@pytest.mark.usefixtures("gates")
async def test_a_tool_does_not_start_before_its_start_is_on_record(
    stage_with: StageWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: a real server, model wire, agent, stream and database; only the writer is held up."""
    asked = asyncio.Event()
    real = SqliteLog.append

    def append(log: SqliteLog, append: Any) -> Any:
        if any(isinstance(event, ToolExecuting) for event in append.events):
            asked.set()
        return real(log, append)

    monkeypatch.setattr(SqliteLog, "append", append)
    async with stage_with() as stage, stage.client() as client:
        await client.resume()
        go, held = asyncio.Event(), threading.Event()
        gate = tool_agent.gate("a")
        said = stage.script([Text("let me "), WaitFor(go), ToolCall("wait_at", {"name": "a"}, "x")], [Text("done")])
        run = await client.say(said)
        await client.until_type("agent_message_delta")
        holding = stage.server.services.log.write(lambda _: held.wait(DEADLINE))
        try:
            go.set()
            await soon(asked)
            for _ in range(500):
                await asyncio.sleep(0)
            assert not gate.entered.is_set(), "the tool has started, and its start is on no record"
        finally:
            held.set()
        await holding
        await soon(gate.entered)
        stored = await stage.server.services.log.query(
            lambda rows: rows.exec_driver_sql("SELECT count(*) FROM events WHERE type = 'tool_executing'").scalar_one()
        )
        assert stored == 1
        gate.open()
        assert (await client.until_end(run["run_id"]))["type"] == "agent_completed"


async def test_the_model_is_told_so_many_turns_and_no_more(serve: Serve, model: FakeModelServer) -> None:
    async with serve(model="openai:fake", model_base_url=model.base_url, history_turns=2) as server:
        alice = await server.person()
        async with server.client(alice) as client:
            await client.resume()
            thread: dict[str, str] = {}
            for number in range(5):
                run = await client.say(f"turn {number} tokens=1", **thread)
                thread = {"thread_id": run["thread_id"]}
                await client.until_end(run["run_id"])
    told = [message["content"] for message in model.requests[-1].messages if message["role"] == "user"]
    assert [str(text).split(" tokens")[0] for text in told] == ["turn 2", "turn 3", "turn 4"]
