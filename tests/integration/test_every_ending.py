"""A thread goes on after every way in which its turns can end, also two in a row: whatever the model is asked next is
in the form that the strictest chat templates take (the `model` fixture checks every request that any test makes)."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fakes.model_server import Cut, End, Hang, Raw, Status, Text, Thinking, ToolCall
from tests.harness.client import Client
from tests.harness.stage import Stage, ended
from tests.harness.strict_chat import check_request
from tests.integration.conftest import StageWith

LOOK = ToolCall("look", {"at": "left"}, "call_0")
STEPS = (Thinking("So. "), Text("I "), Text("look."), LOOK, ToolCall("look", {"at": "up"}, "call_1"))


def endings() -> list[tuple[Any, ...]]:
    """Turns, response by response. One that hangs is stopped there."""
    cut: list[list[Any]] = [
        *([*STEPS[:count], Hang()] for count in range(len(STEPS) + 1)),
        *([*STEPS[:count], Cut()] for count in (1, 2, 4)),
        [Status(500, "down")],
        [Raw(b"data: {nonsense\n\n")],
        [Thinking("Only a thought.")],
        [Text("\n ")],
        [ToolCall("fail", {"why": "it is broken"}, "call_0")],
        [Text("Cut "), End("length", done=True)],
        [Text("All is well.")],
    ]
    before = ((), ([Text("First."), LOOK],), ([LOOK, ToolCall("nobody knows it!", "[1", "call_0")],))
    return [(*opening, last) for opening in before for last in cut]


async def play(stage: Stage, client: Client, responses: tuple[Any, ...], thread_id: str | None) -> str:
    """One turn to its end; returns its thread."""
    hang = next((step for response in responses for step in response if isinstance(step, Hang)), None)
    fresh = Hang()
    played = [[fresh if step is hang else step for step in response] for response in responses]
    run = await client.say(stage.script(*played), thread_id=thread_id)
    if hang is not None:
        # It may fail before it comes there.
        while not fresh.reached.is_set() and stage.server.services.supervisor.of_user(  # noqa: ASYNC110
            stage.alice.user_id, run_id=run["run_id"]
        ):
            await asyncio.sleep(0.01)
        await client.stop(run_id=run["run_id"])
    await ended(client, run)
    return run["thread_id"]


async def test_a_thread_goes_on_after_every_two_endings(stage_with: StageWith) -> None:
    turns = endings()
    limits: dict[str, object] = {"max_sockets_per_user": 200, "max_running_runs_per_user": 200}
    async with stage_with(stop_grace=60, model_retries=0, **limits) as stage:

        async def thread(number: int) -> None:
            async with stage.client() as client:
                await client.resume()
                thread_id = await play(stage, client, turns[number], None)
                thread_id = await play(stage, client, turns[(number * 7 + 3) % len(turns)], thread_id)
                request = await stage.next_turn(client, thread_id)
                check_request(request.body)
                users = [message["content"] for message in request.messages if message["role"] == "user"]
                assert len(users) == 3, (turns[number], request.messages)
                assert users[-1] == request.said

        async with asyncio.TaskGroup() as group:
            for number in range(len(turns)):
                group.create_task(thread(number))


async def test_the_model_is_told_how_a_turn_ended(stage_with: StageWith) -> None:
    async with stage_with(model_retries=0) as stage, stage.client() as client:
        await client.resume()
        thread_id = await play(stage, client, ([Hang()],), None)
        for turn in (([Text("Half"), Cut()],), ([Status(400, "no")],), ([Text("A"), Hang()],)):
            await play(stage, client, turn, thread_id)
        request = await stage.next_turn(client, thread_id)
        said = [message["content"] for message in request.messages if message["role"] == "assistant"]
        assert said == [
            "[The user stopped this turn before an answer.]",
            "Half\n\n[An error cut this answer off here.]",
            "[An error ended this turn before an answer.]",
            "A\n\n[The user stopped this answer here.]",
        ]
