"""What a thread's past may cost its next turn: bounded in all, shortened where it's long, and the user is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update

from netra_backend.app.storage.tables import runs
from tests.fakes.model_server import Text, Thinking, ToolCall
from tests.harness.client import Client, Frame
from tests.harness.stage import Stage, ended
from tests.integration.conftest import StageWith


async def turn(stage: Stage, client: Client, thread_id: str | None, *responses: Any, said: str = "") -> Frame:
    """One turn to its end; returns its `agent_started`."""
    run = await client.say(f"{said} {stage.script(*responses)}", thread_id=thread_id)
    await ended(client, run)
    return client.record.of_run(run["run_id"])[0]


def left_out(started: Frame) -> tuple[int, int]:
    payload = started["payload"]
    return payload["earlier_turns_left_out"], payload["earlier_turns_in_short"]


def size(messages: list[Frame]) -> int:
    return len(json.dumps(messages, ensure_ascii=False))


@pytest.mark.parametrize("letter", ["w", "ü", "語", '"'], ids=["ascii", "latin", "cjk", "escaped"])
async def test_the_newest_turns_that_fit_are_given_and_the_user_is_told(stage_with: StageWith, letter: str) -> None:
    async with stage_with(history_chars=30_000) as stage, stage.client() as client:
        await client.resume()
        started = await turn(stage, client, None, [Text(letter * 1_000)], said="0" * 1_000)
        thread_id = started["thread_id"]
        counts = [left_out(started)]
        for number in range(1, 24):
            answer = [Thinking(letter * 500), Text(letter * 1_000)]
            counts.append(left_out(await turn(stage, client, thread_id, answer, said=str(number % 10) * 1_000)))
            request = stage.model.requests[-1]
            assert size(request.messages[:-1]) < 30_000
            told = [m["content"] for m in request.messages if m["role"] == "user"]
            assert len(told) == number + 1 - counts[-1][0]
            assert [each[0] for each in told] == [str(n % 10) for n in range(number + 1 - len(told), number + 1)]
            assert told[-1].startswith(str(number % 10) * 1_000), "the newest message goes whole"
        assert counts[0] == (0, 0)
        assert counts[-1][0] > 10
        assert counts == sorted(counts), "what was left out once stays out"


async def test_what_tools_said_is_bounded_in_the_turn_and_shorter_in_later_ones(stage_with: StageWith) -> None:
    limits = {"tool_result_chars": 20_000, "request_results_chars": 50_000, "history_tool_chars": 300}
    async with stage_with(**limits) as stage, stage.client() as client:
        await client.resume()
        calls = [[ToolCall("talk", {"chars": 3_000_000}, f"call_{n}")] for n in range(5)]
        long_words = ToolCall("look", {"at": "far " * 100_000}, "call_look")
        started = await turn(stage, client, None, *calls, [long_words], [Text("Done.")])
        requests = stage.model.requests
        assert len(requests) == 7
        for request in requests:
            results = [m["content"] for m in request.messages if m["role"] == "tool"]
            assert all("are left out here" in result for result in results if result.startswith("talk"))
            assert sum(map(len, results)) < 60_000
        again = [m["content"] for m in requests[3].messages if m["role"] == "tool"]
        assert again[:2] == [m["content"] for m in requests[2].messages if m["role"] == "tool"][:2]
        stage.model.requests.clear()
        following = await stage.next_turn(client, started["thread_id"])
        assert size(following.messages) < 12_000
        assert sum(bool(m.get("tool_calls")) for m in following.messages) == 6
        stored = await stage.history(started["run_id"])
        assert size(stored or []) < 12_000, "what is stored is as short"


async def test_a_turn_that_is_too_long_with_its_tools_is_told_in_short(stage_with: StageWith) -> None:
    """A history from before there were bounds, or one of a thousand calls; it isn't even read."""
    async with stage_with(history_chars=20_000) as stage, stage.client() as client:
        await client.resume()
        look = ToolCall("look", {"at": "left"}, "call_look")
        first = await turn(stage, client, None, [Text("A."), look], [Text("B.")], said="hello")
        thread_id = first["thread_id"]
        huge = json.dumps([{"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "x" * 5_000_000}]}])
        run_id = first["run_id"]
        change = update(runs).where(runs.c.id == run_id).values(history=huge.encode())
        await stage.server.services.log.write(lambda rows: rows.execute(change))  # type: ignore[union-attr]
        started = await turn(stage, client, thread_id, [Text("C.")])
        assert left_out(started) == (0, 1)
        said = [m["content"] for m in stage.model.requests[-1].messages]
        assert said[1] == "A.\n\nB."
        assert len(said) == 3


@pytest.mark.parametrize("limits", [{"history_turns": 0}, {"history_chars": 0}], ids=["no turns", "no characters"])
async def test_without_any_history_the_user_is_told_so(stage_with: StageWith, limits: dict[str, int]) -> None:
    async with stage_with(**limits) as stage, stage.client() as client:
        await client.resume()
        started = await turn(stage, client, None, [Text("A.")])
        assert left_out(started) == (0, 0)
        for number in (1, 2):
            assert left_out(await turn(stage, client, started["thread_id"], [Text("A.")])) == (number, 0)
            assert len(stage.model.requests[-1].messages) == 1
