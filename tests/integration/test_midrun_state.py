"""Leaving and coming back in the middle of a run: by cursor, and by the state that HTTP gives with a cursor."""

from __future__ import annotations

import asyncio
import random
from copy import deepcopy
from typing import Any

import pytest

from tests.fakes import tool_agent
from tests.fakes.model_server import Hang, Pause, Text, Thinking, ToolCall, WaitFor
from tests.harness.client import TERMINAL, Frame, Record, check_run
from tests.harness.stage import Stage, Told, ToolTold, ended, soon, story, told_by_log
from tests.integration.conftest import StageWith

MOMENT = 0.002
"""Seconds that the model takes for a word, so that there is a middle to come into."""


def conversation(*middle: WaitFor) -> list[list[Any]]:
    """Thinking, text and tools, thirty words of each, one after the other; `middle` is where it may be held."""

    def paced(steps: list[Any]) -> list[Any]:
        return [each for step in steps for each in (step, Pause(MOMENT))]

    thinking = [Thinking(f"t{number} ") for number in range(30)]
    words = [Text(f"w{number} ") for number in range(30)]
    calls = [ToolCall("look", {"at": "left"}, "call_a"), ToolCall("wait_at", {"name": "open"}, "call_b")]
    return [
        paced([*thinking, *words[:15], *middle, *words[15:], *calls]),
        paced([*thinking[:5], *words, calls[0]]),
        paced(words),
    ]


async def test_away_during_the_stop(stage: Stage) -> None:
    """Cut in mid-text, back after the end: what comes by the cursor is what the other tab saw."""
    more = asyncio.Event()
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        await other.resume()
        run = await client.say(stage.script([Text("One "), WaitFor(more), Text("two "), Text("three"), Hang()]))
        await client.until_type("agent_message_delta", run_id=run["run_id"])
        client.cut()
        more.set()
        while told_by_log(other.record.of_run(run["run_id"])).text != "One two three":
            await other.event()
        await other.stop(thread_id=run["thread_id"], reason="enough")
        await ended(other, run)
        async with stage.client(client.record) as back:
            await back.resume()
            end = await ended(back, run)
            assert end["payload"]["reason"] == "enough"
            assert await back.stop(run_id=run["run_id"]) == [
                {"run_id": run["run_id"], "outcome": "already_finished", "seq": end["seq"]}
            ]
            await stage.next_turn(back, run["thread_id"])
    check_run(client.record.of_run(run["run_id"]))
    assert story(client.record.of_run(run["run_id"])) == story(other.record.of_run(run["run_id"]))


async def test_all_gone_is_no_stop(stage: Stage) -> None:
    """Every socket is cut; the run goes on to its end, and the one that comes back misses nothing."""
    more = asyncio.Event()
    async with stage.client() as client:
        await client.resume()
        said = stage.script([Text("One "), WaitFor(more), Text("two")])
        run = await client.say(said)
        await client.until_type("agent_message_delta", run_id=run["run_id"])
        client.cut()
        await client.socket.wait_closed()
    more.set()
    (request,) = stage.asked(said)
    await soon(request.over)
    assert request.finished
    async with stage.client(client.record) as back:
        await back.resume()
        end = await ended(back, run)
    assert (end["type"], end["payload"]["final_response"]) == ("agent_completed", "One two")
    check_run(client.record.of_run(run["run_id"]))


async def test_a_stop_whose_sender_is_gone_at_once(stage: Stage) -> None:
    """The frame is the socket's last word: nobody is there for its answer, and the stop takes place."""
    async with stage.client() as client, stage.client() as other:
        await other.resume()
        await client.resume()
        run = await client.say(stage.script([Text("One"), Hang()]))
        await other.until_type("agent_message_delta", run_id=run["run_id"])
        await client.send("stop_agent", {"run_id": run["run_id"]})
        await client.socket.close()
        assert (await ended(other, run))["type"] == "agent_stopped"
        check_run(other.record.of_run(run["run_id"]))


def told_so_far(state: Frame) -> Told:
    """An open run as HTTP tells it."""
    tools = {
        tool["tool_call_id"]: ToolTold(tool["tool_name"], tool["parameters"], tool["status"] or "open", tool["result"])
        for tool in state["tools"]
    }
    return Told(state["text"], state["thinking"], tools)


def going_on(told: Told, events: list[Frame]) -> Told:
    """What a reader knows who began with that state and then took these events."""
    known = deepcopy(told)
    begun = [
        {
            "type": "tool_executing",
            "payload": {"tool_call_id": key, "tool_name": tool.name, "parameters": tool.parameters},
        }
        for key, tool in told.tools.items()
        if tool.status == "open"
    ]
    rest = told_by_log(begun + events)
    known.text += rest.text
    known.thinking += rest.thinking
    assert not {key for key in rest.tools if key in known.tools and known.tools[key].status != "open"}
    known.tools |= rest.tools
    return known


class Look:
    """The run's state in mid-run, over HTTP, and then what a socket tells that goes on from its cursor."""

    def __init__(self, stage: Stage, run: Frame, path: str) -> None:
        self._stage = stage
        self._run = run
        self.state = asyncio.create_task(self._look(path))
        self.whole = asyncio.create_task(self._go_on())

    async def _look(self, path: str) -> Frame:
        return (await self._stage.http.get(path)).raise_for_status().json()

    async def _go_on(self) -> tuple[Told, Record]:
        state = await self.state
        record = Record(state["cursor"]["epoch"], state["cursor"]["seq"])
        found = [each for each in state["open_runs"] if each["run"]["id"] == self._run["run_id"]]
        if not found:
            # It had ended by then, so there is nothing to come.
            return Told(), record
        async with self._stage.client(record) as reader:
            await reader.resume()
            await ended(reader, self._run)
        return told_so_far(found[0]), record


def run_over(events: list[Frame]) -> bool:
    return bool(events) and events[-1]["type"] in TERMINAL


@pytest.mark.parametrize("seed", range(3))
async def test_state_and_cursor_fit(stage_with: StageWith, seed: int) -> None:
    """Looks at random moments: the state equals the events up to its cursor, and those after it continue exactly."""
    dice = random.Random(seed)
    tool_agent.gate("open").open()
    settings: dict[str, object] = {"max_sockets_per_user": 100, "merge_window": dice.choice([0.0, 0.01, 0.04])}
    async with stage_with(**settings) as stage, stage.client() as client:
        await client.resume()
        middle = WaitFor(asyncio.Event())
        run = await client.say(stage.script(*conversation(middle)))
        noise = await client.say("tokens=200 pace=0.002")
        paths = ["/api/snapshot", f"/api/threads/{run['thread_id']}"]
        looks: list[Look] = []
        while not run_over(client.record.of_run(run["run_id"])):
            if not middle.event.is_set() and told_by_log(client.record.of_run(run["run_id"])).text:
                # One look, for certain, comes into the middle of the text.
                await soon(middle.reached)
                looks.append(Look(stage, run, paths[seed % 2]))
                await looks[-1].state
                middle.event.set()
            if len(looks) < 30:
                looks.append(Look(stage, run, dice.choice(paths)))
            for _ in range(dice.randrange(1, 5)):
                if not run_over(client.record.of_run(run["run_id"])):
                    await client.event()
        await client.stop(run_id=noise["run_id"])
        await ended(client, noise)
        events = client.record.of_run(run["run_id"])
        check_run(events)
        whole = told_by_log(events)
        middles = 0
        for look in looks:
            told, record = await look.whole
            rest = record.of_run(run["run_id"])
            if not rest:
                continue
            middles += 0 < len(told.text) < len(whole.text)
            assert going_on(told, rest) == whole
            assert rest[-1] == events[-1]
            # A merged event may stand across the cursor; what lies wholly before it must be told already.
            before = told_by_log([event for event in events if event["seq"] < rest[0].get("first_seq", rest[0]["seq"])])
            assert told.text.startswith(before.text)
            assert told.thinking.startswith(before.thinking)
            assert told.tools == before.tools
        assert middles, "no look came into the middle of the text"


async def test_a_run_that_is_stopping(stage_with: StageWith) -> None:
    """A tool holds on: the first load of a new tab shows the run as open, stopping, and its tool under way."""
    async with stage_with(stop_grace=60) as stage, stage.client() as client:
        await client.resume()
        gate = tool_agent.gate("here")
        run = await client.say(stage.script([Text("I wait."), ToolCall("hold_on_at", {"name": "here"}, "call_a")]))
        await soon(gate.entered)
        assert [each["outcome"] for each in await client.stop()] == ["stopping"]
        await soon(gate.cancelled)
        state = (await stage.http.get(f"/api/threads/{run['thread_id']}")).json()
        (open_run,) = state["open_runs"]
        assert open_run["run"]["stop_requested_at"] is not None
        assert open_run["run"]["state"] == "running"
        assert told_so_far(open_run) == Told(
            "I wait.", "", {"call_a": ToolTold("hold_on_at", {"name": "here"}, "open", None)}
        )
        assert [each["outcome"] for each in await client.stop()] == ["stopping"]
        record = Record(state["cursor"]["epoch"], state["cursor"]["seq"])
        async with stage.client(record) as late:
            await late.resume()
            gate.open()
            await ended(late, run)
        types = [event["type"] for event in record.of_run(run["run_id"])]
        assert types == ["tool_completed", "agent_stopped"]
        await ended(client, run)
        check_run(client.record.of_run(run["run_id"]))
        assert (await stage.http.get("/api/snapshot")).json()["open_runs"] == []


async def test_coming_and_going_while_it_runs(stage: Stage) -> None:
    """One reader that is cut again and again has the same story as one that stays, stop included."""
    tool_agent.gate("open").open()
    async with stage.client() as client:
        await client.resume()
        start = client.record.seq
        run = await client.say(stage.script(*conversation()[:1], [Text("Well, "), Hang()]))
        restless = Record(client.record.epoch, start)
        dice = random.Random(4)

        async def come_and_go() -> None:
            while not any(event["type"] == "agent_stopped" for event in restless.events):
                async with stage.client(restless) as visitor:
                    await visitor.resume()
                    for _ in range(dice.randrange(1, 12)):
                        await visitor.event()
                        if restless.events[-1]["type"] == "agent_stopped":
                            return
                    visitor.cut()

        visits = asyncio.create_task(come_and_go())
        while not told_by_log(client.record.of_run(run["run_id"])).text.endswith("Well, "):
            await client.event()
        await client.stop()
        await ended(client, run)
        await visits
    assert story(restless.events) == story(client.record.events)
