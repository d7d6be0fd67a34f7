"""Stops that meet something else: the next step of a tool loop, a retry, a newer message, another stop, the end."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes import tool_agent
from tests.fakes.model_server import Cut, End, Hang, Status, Text, ToolCall, WaitFor
from tests.harness.client import TERMINAL, Client, Frame, check_run
from tests.harness.deadline import DEADLINE
from tests.harness.stage import Stage, ended, shown, soon, told_by_log, told_to_model

LOOK = ToolCall("look", {"at": "left"}, "call_look")


async def stopped(client: Client, run: Frame) -> list[Frame]:
    """Stop a run that is under way; returns its events."""
    assert await client.stop(run_id=run["run_id"]) == [{"run_id": run["run_id"], "outcome": "stopping"}]
    end = await client.until_end(run["run_id"])
    assert end["type"] == "agent_stopped"
    events = client.record.of_run(run["run_id"])
    check_run(events)
    return events


async def test_between_a_tools_result_and_the_next_request(stage: Stage) -> None:
    """The loop is between two requests, so there is no connection to close: the next one must not be opened."""
    said = stage.script([Text("I look."), LOOK], [Text("GHOST")])
    gate = tool_agent.gate(f"{said} request 1")
    async with stage.client() as client:
        await client.resume()
        run = await client.say(said)
        await soon(gate.entered)
        events = await stopped(client, run)
        told = told_by_log(events)
        assert (told.text, told.tools["call_look"].status) == ("I look.", "ok")
        gate.open()
        request = await stage.next_turn(client, run["thread_id"])
    assert len(stage.asked(said)) == 1
    assert told_to_model(request.messages).tools["call_look"].result == "left is clear"


@pytest.mark.parametrize("opening", [(), (Text("It "),)], ids=["before the headers", "in text"])
async def test_in_the_continuation_after_a_tool(stage: Stage, opening: tuple[Any, ...]) -> None:
    hang = Hang()
    said = stage.script([Text("I look."), LOOK], [*opening, hang, Text("GHOST")])
    text = "I look.\n\nIt " if opening else "I look."
    async with stage.client() as client:
        await client.resume()
        run = await client.say(said)
        await soon(hang.reached)
        await shown(client, run["run_id"], lambda told: told.text == text)
        await stopped(client, run)
        await soon(stage.asked(said)[1].hung_up)
        request = await stage.next_turn(client, run["thread_id"])
    assert told_to_model(request.messages).text == text


async def test_while_a_failed_request_waits_to_be_repeated(stage: Stage) -> None:
    """The model asked to wait; nothing is open and nothing runs, and still the stop has to end the wait."""
    said = stage.script([Status(429, {"error": {"message": "slow down"}}, {"retry-after": "15"})])
    async with stage.client() as client:
        await client.resume()
        run = await client.say(said)
        request = await stage.model.request(0)
        await soon(request.over)
        await client.until_type("agent_started", run_id=run["run_id"])
        events = await stopped(client, run)
        assert [event["type"] for event in events] == ["agent_started", "agent_stopping", "agent_stopped"]
        await stage.next_turn(client, run["thread_id"])
    assert len(stage.asked(said)) == 1


async def test_a_newer_message_interrupts(stage: Stage) -> None:
    """Twice in a row: each answer ends as stopped before the next run begins, and the last one knows of them."""
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        await other.resume()
        run = await client.say(stage.script([Text("First."), Hang(), Text("GHOST")]))
        await client.until_type("agent_message_delta", run_id=run["run_id"])
        second = stage.script([Text("Second."), Hang(), Text("GHOST")])
        then = await client.say(second, thread_id=run["thread_id"], when_busy="interrupt")
        await client.until_type("agent_message_delta", run_id=then["run_id"])
        last = await client.say("last tokens=1", thread_id=run["thread_id"], when_busy="interrupt")
        await client.until_end(last["run_id"])
        await other.until_end(last["run_id"])
        await soon(stage.asked(second)[0].hung_up)
    runs = [each["run_id"] for each in (run, then, last)]
    for record in (client.record, other.record):
        ends = [event["type"] for event in record.events if event["type"] in TERMINAL]
        assert ends == ["agent_stopped", "agent_stopped", "agent_completed"]
        order = [event["run_id"] for event in record.events if event["run_id"] is not None]
        assert sorted(order, key=runs.index) == order, "a run begins after the end of the one that it interrupts"
        for run_id in runs:
            check_run(record.of_run(run_id))
    (request,) = stage.asked("last tokens=1")
    assert told_to_model(request.messages).text == "First.Second."


async def test_a_newer_message_interrupts_what_waits_too(stage: Stage) -> None:
    async with stage.client() as client:
        await client.resume()
        run = await client.say(stage.script([Text("First."), Hang()]))
        waiting = await client.say("waiting tokens=1", thread_id=run["thread_id"], when_busy="queue")
        last = await client.say("last tokens=1", thread_id=run["thread_id"], when_busy="interrupt")
        end = await client.until_end(last["run_id"])
        assert end["type"] == "agent_completed"
        assert client.record.of_run(run["run_id"])[-1]["type"] == "agent_stopped"
        assert [event["type"] for event in client.record.of_run(waiting["run_id"])] == ["agent_stopped"]
    assert not stage.asked("waiting tokens=1")


async def test_many_stops_at_once(stage: Stage) -> None:
    """From two sockets and over HTTP, by run and for everything: all are answered, and one takes place."""
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        run = await client.say(stage.script([Text("Well."), Hang()]))
        await client.until_type("agent_message_delta", run_id=run["run_id"])
        path = f"/api/runs/{run['run_id']}/stop"
        answers = await asyncio.gather(
            other.stop(), client.stop(run_id=run["run_id"]), *(stage.http.post(path) for _ in range(3))
        )
        end = await client.until_end(run["run_id"])
        await stage.next_turn(client, run["thread_id"])
    events = client.record.of_run(run["run_id"])
    check_run(events)
    assert sum(event["type"] == "agent_stopping" for event in events) == 1
    assert end["type"] == "agent_stopped"
    for answer in answers:
        outcomes = answer if isinstance(answer, list) else answer.json()["runs"]
        for outcome in outcomes:
            assert outcome["outcome"] == "stopping" or outcome["seq"] == end["seq"]
    assert answers[0] or answers[1]


class HeldWriter:
    """The log's one writer, held in the test's hand: units line up in the order in which they are submitted."""

    def __init__(self, stage: Stage) -> None:
        self._log = stage.server.services.log
        self._hold = threading.Event()
        self._submitted = 0
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def held(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HeldWriter]:
        at_it = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wait(_: object) -> None:
            loop.call_soon_threadsafe(at_it.set)
            self._hold.wait(DEADLINE)

        def counted(submit: Callable[..., asyncio.Future[Any]]) -> Callable[..., asyncio.Future[Any]]:
            def submitting(*unit: Any) -> asyncio.Future[Any]:
                self._submitted += 1
                self._changed.set()
                return submit(*unit)

            return submitting

        held = self._log.write(wait)
        await soon(at_it)
        with monkeypatch.context() as patch:
            for name in ("commit", "append"):
                patch.setattr(self._log, name, counted(getattr(self._log, name)))
            try:
                yield self
            finally:
                self._hold.set()
        await held

    async def submitted(self, number: int) -> None:
        """Wait until that many units stand in line."""
        while self._submitted < number:
            self._changed.clear()
            await soon(self._changed)
        assert self._submitted == number


async def turn_over(run: Frame) -> None:
    """Wait until the agent has ended its turn; the end of the run isn't on record with that."""
    working = [task for task in asyncio.all_tasks() if task.get_name() == f"turn-{run['run_id']}"]
    if working:
        await asyncio.wait(working)


async def test_the_end_is_in_line_before_the_stop(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop is asked for while nothing of the end is visible yet, but its unit comes after the end's."""
    last = asyncio.Event()
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        run = await client.say(stage.script([Text("All."), WaitFor(last)]))
        await client.until_type("agent_message_delta", run_id=run["run_id"])
        async with HeldWriter(stage).held(monkeypatch) as writer:
            last.set()
            await writer.submitted(1)
            stopping = asyncio.create_task(other.stop(run_id=run["run_id"]))
            await writer.submitted(2)
        end = await client.until_end(run["run_id"])
        assert await stopping == [{"run_id": run["run_id"], "outcome": "already_finished", "seq": end["seq"]}]
        assert end["type"] == "agent_completed"
        await stage.next_turn(client, run["thread_id"])
    events = client.record.of_run(run["run_id"])
    check_run(events)
    assert "agent_stopping" not in [event["type"] for event in events]


@pytest.mark.parametrize("way", [End("stop", done=True), Cut()], ids=["completed", "failed"])
async def test_the_stop_is_in_line_before_the_end(stage: Stage, monkeypatch: pytest.MonkeyPatch, way: Any) -> None:
    """The agent has ended its turn, well or not, but the stop is on record first: it was acknowledged, so the run
    ends as stopped."""
    more, last = asyncio.Event(), asyncio.Event()
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        run = await client.say(stage.script([Text("All "), WaitFor(more), Text("of it."), WaitFor(last), way]))
        await client.until_type("agent_message_delta", run_id=run["run_id"])
        async with HeldWriter(stage).held(monkeypatch) as writer:
            # The run's last text is in line; its end has to wait until that is written.
            more.set()
            await writer.submitted(1)
            last.set()
            await turn_over(run)
            stopping = asyncio.create_task(other.stop(run_id=run["run_id"]))
            await writer.submitted(2)
        end = await client.until_end(run["run_id"])
        assert await stopping == [{"run_id": run["run_id"], "outcome": "stopping"}]
        assert (end["type"], end["payload"]["partial_response"]) == ("agent_stopped", "All of it.")
        request = await stage.next_turn(client, run["thread_id"])
    check_run(client.record.of_run(run["run_id"]))
    assert told_to_model(request.messages).text == "All of it."


async def test_a_newer_message_is_in_line_before_the_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message that interrupts is being written while the agent ends by itself: nothing but the record knows of
    the stop, and the record decides."""
    last = asyncio.Event()
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        run = await client.say(stage.script([Text("All."), WaitFor(last)]))
        await client.until_type("agent_message_delta", run_id=run["run_id"])
        async with HeldWriter(stage).held(monkeypatch) as writer:
            saying = asyncio.create_task(other.say("newer tokens=1", thread_id=run["thread_id"], when_busy="interrupt"))
            await writer.submitted(1)
            last.set()
            await writer.submitted(2)
        end = await client.until_end(run["run_id"])
        assert (end["type"], end["payload"]["partial_response"]) == ("agent_stopped", "All.")
        newer = await saying
        assert (await ended(client, newer))["type"] == "agent_completed"
    check_run(client.record.of_run(run["run_id"]))
    assert client.record.of_run(newer["run_id"])[0]["seq"] > end["seq"]


@pytest.mark.parametrize("seed", range(3))
async def test_anywhere_around_the_end(stage: Stage, seed: int) -> None:
    """Stops that are sent after a random number of frames: what the answer says is what becomes of the run."""
    dice = random.Random(seed)
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        for _ in range(12):
            run = await client.say(stage.script([Text("One "), LOOK], [Text("two "), Text("three")]))
            for _ in range(dice.randrange(8)):
                if not client.record.of_run(run["run_id"]) or client.record.events[-1]["type"] not in TERMINAL:
                    await client.event()
            for _ in range(dice.randrange(30)):
                await asyncio.sleep(0)
            (outcome,) = await other.stop(run_id=run["run_id"])
            end = await ended(client, run)
            check_run(client.record.of_run(run["run_id"]))
            if outcome["outcome"] == "stopping":
                assert end["type"] == "agent_stopped"
            else:
                assert (end["type"], end["seq"]) == ("agent_completed", outcome["seq"])
