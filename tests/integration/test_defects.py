"""A defect of an agent or of the server costs its run, which has its one end all the same, and nothing else."""

from __future__ import annotations

import logging

import pytest

from netra_backend.app.agents.runtime import AgentRuntime, RunSink, Turn, TurnResult, Usage
from tests.harness.client import check_run
from tests.harness.server import RunningServer

UNENCODABLE = "half a pair \ud83d"


class DefectiveRuntime:
    """A runtime that breaks its own contract, at `where`."""

    name = "defective"
    model = "none"

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


@pytest.mark.parametrize("where", ["start", "wait", "tool", "last text"])
async def test_a_defect_ends_its_run_and_nothing_else(
    server: RunningServer, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """A lost exception left the run open until the next start, and its thread busy for ever."""
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
