"""A stop in each phase of a run, over the real socket: the work ends, what was shown is kept, the thread goes on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fakes import tool_agent
from tests.fakes.model_server import Hang, Headers, Request, Text, Thinking, ToolCall, WaitFor
from tests.harness.client import Client, Frame, check_run
from tests.harness.stage import Stage, Told, shown, soon, told_by_log
from tests.integration.conftest import StageWith


@dataclass(frozen=True)
class Phase:
    """Where a run is when the stop comes: what the model sends before it falls silent, and what the user has seen."""

    opening: tuple[Any, ...]
    text: str = ""
    thinking: str = ""


SILENCES = {
    "before the headers": Phase(()),
    "silent after the headers": Phase((Headers(),)),
    "in thinking": Phase((Thinking("Let me "), Thinking("think.")), thinking="Let me think."),
    "in text": Phase((Text("One, "), Text("two")), text="One, two"),
    "in text after thinking": Phase((Thinking("Hm."), Text("One")), text="One", thinking="Hm."),
}


async def stopped_once(stage: Stage, client: Client, other: Client, run: Frame) -> Frame:
    """Stop the run from `client`, and check all that holds of every stop. Returns the end."""
    run_id = run["run_id"]
    assert await client.stop(run_id=run_id) == [{"run_id": run_id, "outcome": "stopping"}]
    end = await client.until_end(run_id)
    assert end["type"] == "agent_stopped"
    again = await client.stop(run_id=run_id)
    assert again == [{"run_id": run_id, "outcome": "already_finished", "seq": end["seq"]}]

    await other.until_end(run_id)
    seen = client.record.of_run(run_id)
    check_run(seen)
    assert [event for event in seen if event["type"] == "agent_stopping"] == [
        event for event in other.record.of_run(run_id) if event["type"] == "agent_stopping"
    ]
    assert sum(event["type"] == "agent_stopping" for event in seen) == (seen[0]["type"] == "agent_started")
    assert other.record.of_run(run_id)[-1] == end

    answer = await stage.answer(run["thread_id"], run_id)
    told = told_by_log(seen).text
    assert end["payload"]["partial_response"] == told
    if told:
        assert answer is not None
        assert (answer["text"], answer["state"], answer["id"]) == (told, "stopped", end["payload"]["message_id"])
    else:
        assert answer is None
        assert end["payload"]["message_id"] is None

    await stage.next_turn(client, run["thread_id"])
    assert client.record.of_run(run_id) == seen, "nothing comes after the end"
    assert await stage.answer(run["thread_id"], run_id) == answer, "no ghost answer is saved later"
    return end


@pytest.mark.parametrize("phase", SILENCES.values(), ids=SILENCES)
async def test_while_the_model_is_waited_for(stage: Stage, phase: Phase) -> None:
    hang = Hang()
    said = stage.script([*phase.opening, hang])
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        await other.resume()
        run = await client.say(said)
        await soon(hang.reached)
        await shown(client, run["run_id"], lambda told: (told.text, told.thinking) == (phase.text, phase.thinking))
        await stopped_once(stage, client, other, run)
        await soon(stage.model.requests[0].hung_up)
        told = told_by_log(client.record.of_run(run["run_id"]))
    assert told == Told(phase.text, phase.thinking)
    assert len(stage.asked(said)) == 1


async def test_while_queued_behind_another_run(stage: Stage) -> None:
    hang = Hang()
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        await other.resume()
        first = await client.say(stage.script([Text("first"), hang]))
        queued = await client.say("never sent", thread_id=first["thread_id"], when_busy="queue")
        await soon(hang.reached)
        assert await client.stop(run_id=queued["run_id"]) == [{"run_id": queued["run_id"], "outcome": "stopping"}]
        end = await client.until_end(queued["run_id"])
        await other.until_end(queued["run_id"])
        assert [event["type"] for event in client.record.of_run(queued["run_id"])] == ["agent_stopped"]
        assert other.record.of_run(queued["run_id"]) == [end]
        again = await client.stop(run_id=queued["run_id"])
        assert again == [{"run_id": queued["run_id"], "outcome": "already_finished", "seq": end["seq"]}]
        await stopped_once(stage, client, other, first)
    assert not stage.asked("never sent"), "a queued run never starts"


async def in_tool(
    stage: Stage, client: Client, name: str, opening: tuple[Any, ...] = (Text("I'll look. "),)
) -> tuple[Frame, Request]:
    """A run that stands inside the tool `name`, at the gate "here"."""
    gate = tool_agent.gate("here")
    run = await client.say(stage.script([*opening, ToolCall(name, {"name": "here"}, "call_here")]))
    await soon(gate.entered)
    await client.until_type("tool_executing", run_id=run["run_id"])
    request = stage.model.requests[-1]
    await soon(request.over)
    assert request.finished
    return run, request


@pytest.mark.parametrize(("tool", "status"), [("wait_at", "cancelled"), ("block_at", "unknown")])
async def test_inside_a_tool(stage: Stage, tool: str, status: str) -> None:
    """An async tool is cancelled. A thread can't be: what it does is unknown, and it reports to nobody."""
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        await other.resume()
        run, _ = await in_tool(stage, client, tool)
        await stopped_once(stage, client, other, run)
        told = told_by_log(client.record.of_run(run["run_id"]))
        assert told.text == "I'll look. "
        assert [call.status for call in told.tools.values()] == [status]
        gate = tool_agent.gate("here")
        gate.open()
        if status == "unknown":
            await soon(gate.left)
            await stage.next_turn(client, run["thread_id"])
            assert told_by_log(client.record.of_run(run["run_id"])) == told
        else:
            assert not gate.left.is_set()


async def test_inside_a_tool_that_swallows_its_cancellation(stage_with: StageWith) -> None:
    """The run ends for the user after the grace; the tool's later return brings nothing, and asks no model again."""
    async with stage_with(stop_grace=0.05) as stage, stage.client() as client, stage.client() as other:
        await client.resume()
        await other.resume()
        run, request = await in_tool(stage, client, "hold_on_at")
        await stopped_once(stage, client, other, run)
        gate = tool_agent.gate("here")
        assert gate.cancelled.is_set()
        told = told_by_log(client.record.of_run(run["run_id"]))
        assert [call.status for call in told.tools.values()] == ["unknown"]
        gate.open()
        await soon(gate.left)
        await stage.next_turn(client, run["thread_id"])
        assert told_by_log(client.record.of_run(run["run_id"])) == told
        assert len(stage.asked(request.said)) == 1


async def test_inside_two_tools_of_which_one_has_ended(stage: Stage) -> None:
    """Each tool call has its own end: what was done stays done, and what was cut says so."""
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        await other.resume()
        looked = ToolCall("look", {"at": "left"}, "call_look")
        run, _ = await in_tool(stage, client, "wait_at", (looked,))
        await shown(client, run["run_id"], lambda told: told.tools["call_look"].status == "ok")
        await stopped_once(stage, client, other, run)
        told = told_by_log(client.record.of_run(run["run_id"]))
    assert {key: call.status for key, call in told.tools.items()} == {"call_look": "ok", "call_here": "cancelled"}


async def test_text_thinking_and_tools_stream_through(stage: Stage) -> None:
    """Each piece is shown as it comes: the model waits until the user has seen the one before."""
    hangs = [asyncio.Event() for _ in range(3)]
    said = stage.script(
        [Thinking("So."), WaitFor(hangs[0]), Text("One "), WaitFor(hangs[1]), ToolCall("look", {"at": "left"}, "c")],
        [WaitFor(hangs[2]), Text("two.")],
    )
    async with stage.client() as client:
        await client.resume()
        run = await client.say(said)
        await shown(client, run["run_id"], lambda told: told.thinking == "So.")
        hangs[0].set()
        await shown(client, run["run_id"], lambda told: told.text == "One ")
        hangs[1].set()
        told = await shown(client, run["run_id"], lambda told: "c" in told.tools and told.tools["c"].status == "ok")
        assert told.tools["c"].parameters == {"at": "left"}
        assert told.tools["c"].result == "left is clear"
        hangs[2].set()
        end = await client.until_end(run["run_id"])
    check_run(client.record.of_run(run["run_id"]))
    assert end["payload"]["final_response"] == "One two."
