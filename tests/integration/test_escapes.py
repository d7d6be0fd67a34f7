"""Whatever comes out of an agent's code costs its run, never the process, and nobody else's run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.model_server import FakeModelServer, Text, ToolCall
from tests.harness.client import Client, Frame, check_run
from tests.harness.process import ServerProcess, eventually, people

EVERYTHING = [
    "SystemExit",
    "KeyboardInterrupt",
    "GeneratorExit",
    "CancelledError",
    "MemoryError",
    "RecursionError",
    "StopIteration",
    "StopAsyncIteration",
    "Unheard",
    "BaseExceptionGroup",
    "ExceptionGroup",
]
EXITS = ["SystemExit", "KeyboardInterrupt", "Unheard"]

IN_A_TOOL = [
    *(("fall", "plain", what) for what in EVERYTHING),
    *(("fall_in_thread", "thread", what) for what in EVERYTHING),
    *(("stream", "stream", what) for what in EVERYTHING),
    *(("fall", where, what) for where in ("awaited", "gathered", "grouped", "closing") for what in EXITS),
]
BESIDE_A_TOOL = [
    *(
        (where, what)
        for where in ("left", "called_back", "called_later", "done_callback", "from_thread", "in_thread")
        for what in EXITS
    ),
    ("stops_the_loop", "nothing"),
]
IN_THE_AGENT = [
    (where, what)
    for where in (
        "instructions",
        "instructions in a thread",
        "history",
        "toolset",
        "hook",
        "hook after",
        "validator",
    )
    for what in [*EXITS, "CancelledError", "GeneratorExit"]
]


@pytest.fixture
async def process(tmp_path: Path, model: FakeModelServer) -> AsyncIterator[tuple[ServerProcess, Client, Client]]:
    """A server process, and two people's sockets to it."""
    async with ServerProcess(
        tmp_path / "data",
        agent="tests.fakes.escaping_agent:agent",
        model="openai:fake",
        model_base_url=model.base_url,
        model_retries=0,
        stop_grace=0.05,
    ) as server:
        alice, bob = await people(server.data_dir, "alice", "bob")
        await server.start()
        async with server.client(alice) as hers, server.client(bob) as his:
            await hers.resume()
            await his.resume()
            yield server, hers, his


async def ended(client: Client, text: str) -> tuple[Frame, list[Frame]]:
    """Say it, and give the run's end and all its events, which are as those of any run."""
    run = await client.say(text)
    end = await client.until_end(run["run_id"])
    events = client.record.of_run(run["run_id"])
    check_run(events)
    return end, events


def tool_status(events: list[Frame]) -> list[str]:
    return [event["payload"]["status"] for event in events if event["type"] == "tool_completed"]


async def test_what_a_tool_raises_costs_its_run_and_nobody_elses(
    process: tuple[ServerProcess, Client, Client], model: FakeModelServer
) -> None:
    server, hers, his = process
    pid = server.pid
    undisturbed = await his.say("tokens=100000 pace=0.005")
    for tool, where, what in IN_A_TOOL:
        model.scripts["fall"] = [[ToolCall(tool, {"where": where, "what": what})], [Text("went on")]]
        end, events = await ended(hers, "script:fall")
        assert (end["type"], end["payload"]["code"]) == ("agent_failed", "tool_failed"), (tool, where, what, end)
        assert tool_status(events) == ["error"], (tool, where, what)
    for where, what in BESIDE_A_TOOL:
        model.scripts["fall"] = [[ToolCall("fall", {"where": where, "what": what})], [Text("went on")]]
        end, events = await ended(hers, "script:fall")
        assert end["type"] == "agent_completed", (where, what, end)
        assert tool_status(events) == ["ok"], (where, what)
    model.scripts["fall"] = [[ToolCall("fall", {"where": "cancels_itself", "what": ""})], [Text("went on")]]
    end, events = await ended(hers, "script:fall")
    assert (end["payload"]["code"], tool_status(events)) == ("agent_error", ["cancelled"])
    for what in EXITS:
        model.scripts["fall"] = [[ToolCall("fall", {"where": "outlives_its_stop", "what": what})]]
        run = await hers.say("script:fall")
        await hers.until_type("tool_executing", run_id=run["run_id"])
        await hers.stop(run_id=run["run_id"])
        assert (await hers.until_end(run["run_id"]))["type"] == "agent_stopped"
    await eventually(lambda: sum("in outlives_its_stop" in line for line in server.output) >= len(EXITS), "they ended")
    assert server.running()
    assert server.pid == pid
    assert (await his.stop(run_id=undisturbed["run_id"]))[0]["outcome"] == "stopping"
    assert (await his.until_end(undisturbed["run_id"]))["type"] == "agent_stopped"
    check_run(his.record.of_run(undisturbed["run_id"]))
    assert await server.sigterm() == 0, "and it still ends as it is told"


async def test_what_another_part_of_an_agent_raises_costs_its_run(
    process: tuple[ServerProcess, Client, Client],
) -> None:
    server, hers, his = process
    undisturbed = await his.say("tokens=100000 pace=0.005")
    for where, what in IN_THE_AGENT:
        end, _ = await ended(hers, f"{where} {what}")
        assert (end["type"], end["payload"]["code"]) == ("agent_failed", "agent_error"), (where, what, end)
    end, _ = await ended(hers, "tokens=3")
    assert end["type"] == "agent_completed"
    await his.stop(run_id=undisturbed["run_id"])
    assert (await his.until_end(undisturbed["run_id"]))["type"] == "agent_stopped"
    assert await server.sigterm() == 0
