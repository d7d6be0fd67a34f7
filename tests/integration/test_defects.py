"""A defect of an agent or of the server costs its run, which has its one end all the same, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from netra_backend.app.agents.runtime import AgentRuntime, RunSink, Turn, TurnResult, Usage
from tests.fakes.model_server import FakeModelServer
from tests.harness.client import check_run
from tests.harness.deadline import DEADLINE
from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]
UNENCODABLE = "half a pair \ud83d"


class DefectiveRuntime:
    """A runtime that breaks its own contract, at `where`."""

    name = "defective"
    model = "none"
    suggestions = ()

    def __init__(self, where: str) -> None:
        self.where = where

    def start(self, turn: Turn, sink: RunSink) -> DefectiveTurn:
        if self.where == "start":
            raise RuntimeError("a defect")
        return DefectiveTurn(self.where, turn, sink)

    async def aclose(self) -> None:
        pass


class DefectiveTurn:
    def __init__(self, where: str, turn: Turn, sink: RunSink) -> None:
        self._where = where
        self._sink = sink
        self._text = turn.text

    async def wait(self) -> TurnResult:
        await self._sink.text("so far so good")
        if self._where == "cancelled":
            raise asyncio.CancelledError
        if self._where == "exit":
            sys.exit(3)
        if self._where == "wait":
            raise RuntimeError("a defect")
        if self._where == "tool":
            await self._sink.tool_started("1", "look", {"at": UNENCODABLE})
        if self._where == "last text":
            await self._sink.tool_started("1", "look", {"at": "left"})
            await self._sink.tool_finished("1", "ok", "nothing")
            await self._sink.text(UNENCODABLE)
        return TurnResult(Usage(), None)

    def cancel(self) -> None:
        pass


@pytest.mark.parametrize("where", ["start", "wait", "cancelled", "exit", "tool", "last text"])
async def test_a_defect_ends_its_run_and_nothing_else(
    server: RunningServer, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """A lost exception left the run open until the next start, and its thread busy for ever. `cancelled`: a tool let
    out the CancelledError of a task of its own, though nobody stopped the run. `exit`: nor may it end the process."""
    defective: AgentRuntime = DefectiveRuntime(where)
    sound, server.services.supervisor.runtime = server.services.supervisor.runtime, defective
    alice = await server.person()
    async with server.client(alice) as client:
        await client.resume()
        with caplog.at_level(logging.ERROR):
            run = await client.say("hello")
            end = await client.until_end(run["run_id"])
        assert (end["type"], end["payload"]["code"]) == ("agent_failed", "agent_error")
        assert "defect" not in end["payload"]["message"]
        check_run(client.record.of_run(run["run_id"]))
        assert caplog.records
        server.services.supervisor.runtime = sound
        again = await client.say("what is 6*7?", thread_id=run["thread_id"])
        assert (await client.until_end(again["run_id"]))["type"] == "agent_completed"


async def test_a_stop_ends_what_nothing_works_on(server: RunningServer) -> None:
    """An acknowledged stop of a run that was lost by the process never came to its end."""
    alice = await server.person()
    async with server.client(alice) as client:
        await client.resume()
        run = await client.say("count to 1000 slowly")
        await client.until_type("agent_message_delta")
        (lost,) = server.services.supervisor.of_user(alice.user_id)
        assert lost.task is not None
        lost.task.cancel()
        await asyncio.wait({lost.task})
        assert [outcome["outcome"] for outcome in await client.stop()] == ["stopping"]
        end = await client.until_end(run["run_id"])
    assert end["type"] == "agent_stopped"


async def test_an_answer_without_end_is_ended(serve: Serve, model: FakeModelServer) -> None:
    """The whole answer travels in one event; unbounded, no reader could take it."""
    async with serve(model="openai:fake", model_base_url=model.base_url, max_answer_chars=1000) as server:
        alice = await server.person()
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("tokens=100000")
            end = await client.until_end(run["run_id"])
    assert (end["type"], end["payload"]["code"]) == ("agent_failed", "usage_limit")
    assert len(end["payload"]["partial_response"]) <= 1000
    check_run(client.record.of_run(run["run_id"]))


async def test_a_stop_does_not_wait_behind_a_message_that_a_hanging_disk_holds_up(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    alice = await model_backed.person()
    held = threading.Event()
    async with model_backed.client(alice) as client:
        await client.resume()
        run = await client.say("tokens=100000 pace=0.01")
        await client.until_type("agent_message_delta")
        hanging = model_backed.services.log.write(lambda _: held.wait(DEADLINE))
        await client.send("user_message", {"text": "hello", "client_message_id": "behind"})
        await client.send("stop_agent")
        # The disk hangs until the model has seen its client go.
        await model.requests[0].hung_up.wait()
        held.set()
        await hanging
        assert (await client.until_end(run["run_id"]))["type"] == "agent_stopped"
