"""What a model or tool says and no log can keep is made sayable on the way in."""

from __future__ import annotations

import json

from tests.fakes.model_server import FakeModelServer, Raw, Text, Thinking, ToolCall
from tests.harness.client import check_run
from tests.harness.server import RunningServer


async def test_what_a_model_must_not_say_is_made_sayable(model_backed: RunningServer, model: FakeModelServer) -> None:
    """NUL and lone surrogates become U+FFFD in text, thinking and tool calls, on every engine."""
    bad = '{"choices": [{"index": 0, "delta": {"content": "a\\u0000b\\ud83d c"}, "finish_reason": null}]}'
    head = '{"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "fake", '
    model.scripts["bad"] = [
        [Thinking("t\0t"), ToolCall("add_note", {"text": "n\0n"})],
        [Raw(f"data: {head}{bad[1:]}\n\n".encode()), Text(" ok")],
    ]
    alice = await model_backed.person()
    async with model_backed.client(alice) as client:
        await client.resume()
        run = await client.say("script:bad")
        end = await client.until_end(run["run_id"])
    check_run(client.record.of_run(run["run_id"]))
    assert end["type"] == "agent_completed", end
    assert end["payload"]["final_response"] == "a\ufffdb\ufffd c ok"
    told = json.dumps(client.record.events)
    assert "\\u0000" not in told
    assert "\\ud83d" not in told
    assert "n\ufffdn" in json.dumps(client.record.events, ensure_ascii=False)
