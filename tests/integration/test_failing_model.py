"""A model that answers wrongly, partly or not at all, seen from a user's socket: a named failure, and life goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from netra_backend.app.agents.runtime import FailureCode
from tests.fakes.model_server import (
    Cut,
    End,
    FakeModelServer,
    Hang,
    Headers,
    Raw,
    Response,
    Status,
    Text,
    Thinking,
    ToolCall,
)
from tests.harness.client import check_run
from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]
SECRET = "sk-do-not-show-me-123456"
RETRIES = 1

FAILURES: dict[str, tuple[Response, str, bool, int, str]] = {
    # what the model does: (its answer, code, retryable, how often it is asked, what was told before)
    "401": ([Status(401, {"error": {"message": f"bad key {SECRET}"}})], "model_refused_key", False, 1, ""),
    "403": ([Status(403, "<html>no</html>")], "model_refused_key", False, 1, ""),
    "404": ([Status(404, "")], "model_rejected_request", False, 1, ""),
    "400": ([Status(400, {"error": {"message": "no such parameter"}})], "model_rejected_request", False, 1, ""),
    "429": ([Status(429, "", {"retry-after": "0"})], "model_rate_limited", True, 1 + RETRIES, ""),
    "500": ([Status(500, "<html>oops</html>")], "model_server_error", True, 1 + RETRIES, ""),
    "503": ([Status(503, "")], "model_server_error", True, 1 + RETRIES, ""),
    "nothing at all": ([Cut()], "model_unreachable|model_stream_cut", True, 1 + RETRIES, ""),
    "headers, then nothing": ([Headers(), Cut()], "model_stream_cut", True, 0, ""),
    "half a stream": ([Text("half "), Text("an ans"), Cut()], "model_stream_cut", True, 1, "half an ans"),
    "no end": ([Text("half "), End()], "model_stream_cut", True, 1, "half "),
    "cut while it thinks": ([Thinking("hm"), Cut()], "model_stream_cut", True, 1, ""),
    "no JSON": ([Text("so "), Raw(b"data: {not json\n\n")], "model_bad_response", False, 1, "so "),
    "a web page": ([Status(200, "<html>Welcome</html>")], "model_bad_response|model_stream_cut", False, 0, ""),
    "an error in the stream": (
        [Text("so "), Raw(b'data: {"error": {"message": "overloaded"}}\n\n')],
        "model_server_error",
        True,
        1,
        "so ",
    ),
    "silence before the first word": ([Hang()], "timeout_first_token", True, 1, ""),
    "silence in the middle": ([Text("so "), Hang()], "timeout_idle", True, 1, "so "),
    "tools for ever": ([ToolCall("list_notes", {})], "usage_limit", False, 3, ""),
}


@pytest.mark.parametrize("what", FAILURES)
async def test_a_failure_of_the_model_is_told_by_name(serve: Serve, model: FakeModelServer, what: str) -> None:
    answer, codes, retryable, asked, told = FAILURES[what]
    model.scripts["fail"] = [answer] * 10
    settings = {
        "model": "openai:fake",
        "model_base_url": model.base_url,
        "model_api_key": SECRET,
        "model_retries": RETRIES,
        "run_request_limit": 3,
    }
    # Only where silence is what is tried: a limit that others could run into would make them depend on the machine.
    settings |= {"model_first_token_timeout": 0.2} if what.startswith("silence before") else {}
    settings |= {"model_idle_timeout": 0.2} if what.startswith("silence in") else {}
    async with serve(**settings) as server:
        alice, bob = await server.person("alice"), await server.person("bob")
        async with server.client(alice) as client, server.client(bob) as other:
            await client.resume()
            run = await client.say("script:fail")
            end = await client.until_end(run["run_id"])
            failed = end["payload"]
            assert end["type"] == "agent_failed"
            assert failed["code"] in codes.split("|"), failed
            assert failed["code"] in set(FailureCode)
            assert failed["partial_response"] == told
            if asked:
                assert failed["retryable"] is retryable, failed
                assert len(model.requests) == asked, "repeated only before its first token, and as often as set"
            check_run(client.record.of_run(run["run_id"]))
            for record in client.record.events:
                assert SECRET not in json.dumps(record)
            # The thread goes on, knows what was said, and nobody else heard of it.
            again = await client.say("never mind", thread_id=run["thread_id"])
            assert (await client.until_end(again["run_id"]))["type"] == "agent_completed"
            assert other.ready["payload"]["head"] == 0
            assert (await other.ask("ping"))["type"] == "pong"
        async with server.http(alice) as http:
            row = (await http.get(f"/api/runs/{run['run_id']}")).json()["run"]
            messages = (await http.get(f"/api/threads/{run['thread_id']}/messages")).json()["messages"]
        assert (row["state"], row["error_code"]) == ("failed", failed["code"])
        assert row["terminal_seq"] == end["seq"]
        kept = [message["text"] for message in messages if message["state"] == "failed"]
        assert kept == ([told] if told else [])


async def test_a_model_that_is_not_there_is_told_by_name(serve: Serve, model: FakeModelServer) -> None:
    async with serve(model="openai:fake", model_base_url="http://127.0.0.1:9/v1", model_retries=1) as server:
        alice = await server.person()
        async with server.client(alice) as client:
            await client.resume()
            end = await client.until_end((await client.say("hello"))["run_id"])
    assert end["payload"]["code"] == "model_unreachable"
    assert end["payload"]["retryable"]
    assert model.requests == []


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
