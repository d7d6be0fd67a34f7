"""What the log told, what is stored as the answer, and what the model is told in the next turn: three times the same.

Ghosts (text that the model wrote and nobody was shown) never appear in any of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import tool_agent
from tests.fakes.model_server import Cut, FakeModelServer, Hang, Raw, Request, Status, Text, Thinking, ToolCall
from tests.harness.client import Client, Frame, check_run
from tests.harness.process import ServerProcess, people
from tests.harness.stage import Stage, Told, ended, shown, soon, told_by_log, told_to_model
from tests.integration.conftest import StageWith

CONVERSATION: tuple[tuple[Any, ...], ...] = (
    (
        Thinking("Two "),
        Thinking("things."),
        Text("I'll "),
        Text("look."),
        ToolCall("look", {"at": "left"}, "call_a"),
        ToolCall("wait_at", {"name": "b"}, "call_b"),
    ),
    (Text("And "), Text("again."), ToolCall("wait_at", {"name": "c"}, "call_c")),
    (Thinking("So."), Text("All "), Text("is "), Text("well.")),
)
GHOST = Text("GHOST")


@dataclass(frozen=True)
class Boundary:
    """Where the stop comes: at the gate of a tool, or before a request, or where the model falls silent."""

    name: str
    responses: Sequence[Sequence[Any]]
    told: Told
    gate: str = ""
    hang: Hang | None = None


def boundaries() -> list[Boundary]:
    """Every place between two steps of the conversation, with what the user has been shown there."""
    found: list[Boundary] = []
    told = Told()
    for number, response in enumerate(CONVERSATION):
        before = list(CONVERSATION[:number])
        found.append(Boundary(f"before request {number}", CONVERSATION, _copy(told), gate=f"request {number}"))
        fresh = bool(told.text)
        for count in range(len(response) + 1):
            if count:
                match response[count - 1]:
                    case Thinking(delta):
                        told.thinking += delta
                    case Text(delta):
                        told.text += ("\n\n" if fresh else "") + delta
                        fresh = False
                    case _:
                        pass
            hang = Hang()
            cut = [*response[:count], hang, GHOST]
            found.append(Boundary(f"response {number} after step {count}", [*before, cut], _copy(told), hang=hang))
        for call in (step for step in response if isinstance(step, ToolCall)):
            if call.name == "wait_at":
                gate = call.arguments["name"]  # type: ignore[index]
                found.append(Boundary(f"inside {call.id}", CONVERSATION, _copy(told), gate=gate))
    return found


def _copy(told: Told) -> Told:
    return Told(told.text, told.thinking)


class Player:
    """Plays the conversation up to a boundary and stops there. Each boundary has a thread and gates of its own."""

    def __init__(self, stage: Stage, client: Client, prefix: str) -> None:
        self.stage = stage
        self.client = client
        self.prefix = prefix

    def of_mine(self, step: Any) -> Any:
        """The step, its tools at this player's own gates."""
        if isinstance(step, ToolCall) and step.name == "wait_at":
            arguments: Any = step.arguments
            return ToolCall(step.name, {"name": self.prefix + arguments["name"]}, step.id)
        return step

    async def stop_at(self, boundary: Boundary, *, seen: bool) -> Frame:
        """Stop there: once the user has `seen` all that was told until then, or as soon as the agent is there."""
        said = self.stage.script(*([self.of_mine(step) for step in response] for response in boundary.responses))
        for name in {"b", "c"} - {boundary.gate}:
            tool_agent.gate(self.prefix + name).open()
        reached = boundary.hang.reached if boundary.hang is not None else asyncio.Event()
        if boundary.gate:
            own = f"{said} {boundary.gate}" if boundary.gate.startswith("request") else self.prefix + boundary.gate
            reached = tool_agent.gate(own).entered
        run = await self.client.say(said)
        await soon(reached)
        if seen:
            wanted = boundary.told
            told = await shown(
                self.client,
                run["run_id"],
                lambda told: len(told.text) >= len(wanted.text) and len(told.thinking) >= len(wanted.thinking),
            )
            assert (told.text, told.thinking) == (wanted.text, wanted.thinking), boundary.name
        await self.client.stop(run_id=run["run_id"])
        end = await ended(self.client, run)
        assert end["type"] == "agent_stopped", boundary.name
        return run


def first_turn(request: Request) -> list[Frame]:
    """What a later request says of the thread's first turn."""
    users = [number for number, message in enumerate(request.messages) if message["role"] == "user"]
    return request.messages[: users[1]]


async def check_one_truth(stage: Stage, client: Client, run: Frame, *, state: str) -> tuple[Told, Told]:
    """Compare the log, the stored answer, and what the model is told in the next turn and in the one after.

    The run is the thread's first. Returns what the user was shown and what the model is told.
    """
    events = client.record.of_run(run["run_id"])
    check_run(events)
    told = told_by_log(events)
    answer = await stage.answer(run["thread_id"], run["run_id"])
    assert (answer["text"] if answer is not None else "") == told.text
    assert answer is None or answer["state"] == state

    following = await stage.next_turn(client, run["thread_id"])
    remembered = told_to_model(first_turn(following))
    assert remembered.text == told.text, "the model is told what the user was shown, no more and no less"
    later = await stage.next_turn(client, run["thread_id"])
    assert first_turn(later) == first_turn(following)
    told_to_model(later.messages)
    assert "GHOST" not in str(later.body) + str(events) + str(await stage.messages(run["thread_id"]))
    return told, remembered


def check_tools(told: Told, remembered: Told) -> None:
    """Each call that the user was shown is remembered with its result; no other is, unless as interrupted."""
    for key, call in told.tools.items():
        known = remembered.tools[key]
        assert (known.name, known.parameters) == (call.name, call.parameters)
        if call.status == "ok":
            assert known.result == call.result
        else:
            assert "interrupted" in known.result
    for key in remembered.tools.keys() - told.tools.keys():
        assert "interrupted" in remembered.tools[key].result


@pytest.mark.parametrize("seen", [True, False], ids=["seen by the user", "as soon as the model is there"])
async def test_a_stop_at_every_token_and_tool_boundary(stage_with: StageWith, seen: bool) -> None:
    """All boundaries at once, each in a thread of its own; `seen`: with text that is on the screen, and with text
    that is anywhere between the model and the screen."""
    places = boundaries()
    limits: dict[str, object] = {"max_sockets_per_user": 100, "max_running_runs_per_user": 100}
    async with stage_with(stop_grace=60, **limits) as stage:

        async def play(number: int, boundary: Boundary) -> None:
            async with stage.client() as client:
                await client.resume()
                run = await Player(stage, client, f"p{number}-").stop_at(boundary, seen=seen)
                told, remembered = await check_one_truth(stage, client, run, state="stopped")
                if seen:
                    assert (told.text, told.thinking) == (boundary.told.text, boundary.told.thinking), boundary.name
                check_tools(told, remembered)
                history = await stage.history(run["run_id"])
                assert history is not None
                assert history[-1]["state"] == "interrupted", (boundary.name, history)

        async with asyncio.TaskGroup() as group:
            for number, boundary in enumerate(places):
                group.create_task(play(number, boundary), name=boundary.name)
    assert len(places) == 21


@pytest.mark.parametrize("end", [Cut(), Status(500), Raw(b"data: {nonsense\n\n")], ids=["cut", "500", "garbage"])
async def test_a_failed_turn(stage_with: StageWith, end: Any) -> None:
    """It failed after a tool had done its work: the model must know of that, or it does it again."""
    look = ToolCall("look", {"at": "left"}, "call_a")
    opening = [] if isinstance(end, Status) else [Thinking("So."), Text("All "), Text("is ")]
    async with stage_with(stop_grace=60, model_retries=0) as stage, stage.client() as client:
        await client.resume()
        run = await client.say(stage.script([Text("I look."), look], [*opening, end, GHOST]))
        assert (await ended(client, run))["type"] == "agent_failed"
        told, remembered = await check_one_truth(stage, client, run, state="failed")
        assert told.text == ("I look.\n\nAll is " if opening else "I look.")
        check_tools(told, remembered)


async def test_a_turn_whose_tool_was_abandoned(stage_with: StageWith) -> None:
    """The tool swallows its cancellation, so its turn is still going on when the next one begins."""
    async with stage_with(stop_grace=0.05) as stage, stage.client() as client:
        await client.resume()
        calls = [ToolCall("look", {"at": "left"}, "call_a")], [ToolCall("hold_on_at", {"name": "here"}, "call_b")]
        run = await client.say(stage.script([Text("One."), *calls[0]], [Text("Two."), *calls[1]], [GHOST]))
        await soon(tool_agent.gate("here").entered)
        await client.stop()
        await ended(client, run)
        told, _ = await check_one_truth(stage, client, run, state="stopped")
        assert {key: call.status for key, call in told.tools.items()} == {"call_a": "ok", "call_b": "unknown"}


async def test_a_turn_that_a_crash_cut(model: FakeModelServer, model_client: dict[str, object], tmp_path: Path) -> None:
    """After `kill -9` the next server ends the run as `worker_lost`, and goes on from what the user was shown."""
    (alice,) = await people(tmp_path / "data", "alice")
    settings = {"model": "openai:fake", "model_base_url": model.base_url, **model_client}
    async with ServerProcess(tmp_path / "data", **settings) as process:
        stage = Stage(process, model, alice, process.http(alice))
        await process.start()
        hang = Hang()
        async with stage.client() as client:
            await client.resume()
            sums = ToolCall("calculate", {"expression": "17*23"}, "call_a")
            run = await client.say(stage.script([Text("I look."), sums], [Thinking("So."), Text("It is"), hang, GHOST]))
            await shown(client, run["run_id"], lambda told: told.text == "I look.\n\nIt is")
            await process.kill9()
        await soon(model.requests[1].hung_up)
        await process.start()
        async with stage.client(client.record) as back:
            await back.resume()
            end = await ended(back, run)
            assert (end["type"], end["payload"]["code"]) == ("agent_failed", "worker_lost")
            await check_one_truth(stage, back, run, state="failed")
        await stage.http.aclose()
