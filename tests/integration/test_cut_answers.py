"""An answer that was cut or refused says so wherever it's shown: in its event, over HTTP, in an export."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.fakes.model_server import End, Raw, Step, Text
from tests.harness.stage import Stage, ended
from tests.unit.agents.wire import DONE, chunk, stream

CUT: dict[str, tuple[Sequence[Step], str, str]] = {
    "at a limit": ([Text("Half an"), End("length", done=True)], "length", "Half an"),
    "at a limit, as Gemini says it": ([Text("Half an"), End("MAX_TOKENS", done=True)], "length", "Half an"),
    "at a limit, as Mistral says it": ([Text("Half an"), End("model_length", done=True)], "length", "Half an"),
    "by a filter": ([Text("Half an"), End("content_filter", done=True)], "content_filter", "Half an"),
    "by a filter, as Gemini says it": ([Text("Half an"), End("SAFETY", done=True)], "content_filter", "Half an"),
    "by a filter, as Zhipu says it": ([Text("Half an"), End("sensitive", done=True)], "content_filter", "Half an"),
    "a refusal": (
        [Raw(stream(chunk({"refusal": "I "}), chunk({"refusal": "won't."}), chunk({}, "stop"), DONE)), End()],
        "refusal",
        "I won't.",
    ),
    "a refusal after text": (
        [Raw(stream(chunk({"content": "Well. "}), chunk({"refusal": "No."}), chunk({}, "stop"), DONE)), End()],
        "refusal",
        "Well. No.",
    ),
    "at a limit, as Responses says it": ([Text("Half an"), End("incomplete", done=True)], "length", "Half an"),
    "whole": ([Text("All of it"), End("stop", done=True)], "stop", "All of it"),
    "whole, as Anthropic says it": ([Text("All of it"), End("end_turn", done=True)], "stop", "All of it"),
}


@pytest.mark.parametrize(("steps", "reason", "text"), CUT.values(), ids=CUT)
async def test_it_says_so_wherever_it_is_shown(stage: Stage, steps: Sequence[Step], reason: str, text: str) -> None:
    async with stage.client() as client:
        await client.resume()
        run = await client.say(stage.script(steps))
        end = await ended(client, run)
        assert (end["type"], end["payload"]["finish_reason"]) == ("agent_completed", reason)
        assert end["payload"]["final_response"] == text
        answer = await stage.answer(run["thread_id"], run["run_id"])
        assert answer is not None
        assert (answer["state"], answer["finish_reason"], answer["text"]) == ("complete", reason, text)
        thread = (await stage.http.get(f"/api/threads/{run['thread_id']}")).json()
        assert thread["messages"][-1] == answer, "also after a reload"
        (exported,) = (await stage.http.get("/api/export")).json()["threads"]
        assert exported["messages"][-1]["finish_reason"] == reason


NOTHING: dict[str, tuple[Sequence[Step], str]] = {
    "at a limit": ([End("length", done=True)], "limit"),
    "at a limit, while it thought": (
        [Raw(stream(chunk({"reasoning_content": "Hm"}), chunk({}, "length"), DONE)), End()],
        "limit",
    ),
    "by a filter": ([End("content_filter", done=True)], "filter"),
}


@pytest.mark.parametrize(("steps", "says"), NOTHING.values(), ids=NOTHING)
async def test_where_no_text_came_at_all_the_run_fails(stage: Stage, steps: Sequence[Step], says: str) -> None:
    async with stage.client() as client:
        await client.resume()
        run = await client.say(stage.script(steps))
        end = await ended(client, run)
        assert (end["type"], end["payload"]["code"]) == ("agent_failed", "model_bad_response"), json.dumps(end)
        assert says in end["payload"]["message"]
        await stage.next_turn(client, run["thread_id"])


@pytest.mark.parametrize("word", ["null", "None", "in_progress", "FINISH_REASON_UNSPECIFIED", "streaming"])
async def test_a_word_for_not_yet_is_no_end(stage: Stage, word: str) -> None:
    """Some servers put one into every chunk, where others say null; an answer that's cut then doesn't look whole."""
    said = [chunk({"content": piece}, word) for piece in ("Half ", "an")]
    called = chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}]}, word)
    async with stage.client() as client:
        await client.resume()
        run = await client.say(stage.script([Raw(stream(*said, chunk({}, "stop"), DONE)), End()]))
        assert (await ended(client, run))["type"] == "agent_completed"
        for cut in (stream(*said), stream(called)):
            run = await client.say(stage.script([Raw(cut), End()]))
            end = await ended(client, run)
            assert (end["type"], end["payload"]["code"]) == ("agent_failed", "model_stream_cut"), json.dumps(end)
            assert not any(event["type"] == "tool_executing" for event in client.record.of_run(run["run_id"]))
