"""What later turns are told of a turn: exactly what the user was shown, wherever it was stopped."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from netra_backend.app.agents.runtime import PastTurn, TurnResult
from tests.fakes.model_server import FakeModelServer, Request, Script, Step, Text, Thinking, ToolCall, WaitFor
from tests.harness.strict_chat import without_notes
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn

CONVERSATION: Script = [
    [
        Thinking("Two "),
        Thinking("things."),
        Text("I'll "),
        Text("look."),
        ToolCall("look", {"at": "left"}, "call_0"),
        ToolCall("look", {"at": "right"}, "call_1"),
    ],
    [Text("Again."), ToolCall("look", {"at": "up"}, "call_0")],
    [Thinking("So."), Text("All "), Text("is "), Text("well.")],
]
SHOWN_IDS = ["call_0", "call_1", "call_0#2"]
"""The calls as the user is shown them; the model's own ids repeat."""
BOUNDARIES = 15
"""Calls that the whole conversation makes to its sink; checked below."""


async def look(at: str) -> str:
    """Look somewhere."""
    await asyncio.sleep(0)
    return f"{at} is clear"


def step_by_step(script: Script) -> tuple[Script, Iterator[asyncio.Event]]:
    """The script, going on after each piece of text only when it's told that the piece was shown: what arrives
    together is shown together, and here each piece is to be a boundary of its own."""
    gates: list[asyncio.Event] = []
    gated: list[list[Step]] = []
    for response in script:
        steps: list[Step] = []
        for step in response:
            steps.append(step)
            if isinstance(step, Text | Thinking):
                gates.append(asyncio.Event())
                steps.append(WaitFor(gates[-1]))
        gated.append(steps)
    return gated, iter(gates)


async def played(
    server: FakeModelServer, runtime_of: RuntimeOf, stop_after: int | None
) -> tuple[Sink, TurnResult, Request]:
    """Play the conversation, stopped after that many sink calls, and then one more turn from its history."""
    script, go_on = step_by_step(CONVERSATION)
    server.scripts["talk"] = script
    runtime = runtime_of(look)
    sink = Sink()
    handle = runtime.start(a_turn("script:talk"), sink)

    def after(call: tuple[str, ...]) -> None:
        if len(sink.calls) == stop_after:
            handle.cancel()
        elif call[0] in {"text", "thinking"}:
            next(go_on).set()

    sink.after = after
    if stop_after == 0:
        handle.cancel()
    result = await handle.wait()
    stopped_with = list(sink.calls)
    past = PastTurn("script:talk", sink.shown_text, result.cancelled, result.history)
    await runtime.start(a_turn("tokens=1", past), Sink()).wait()
    assert sink.calls == stopped_with
    return sink, result, server.requests[-1]


def told(request: Request) -> tuple[str, str, dict[str, str]]:
    """The assistant's text and thinking, and the tools' results, in a request's messages."""
    assistant = [message for message in request.messages if message["role"] == "assistant"]
    text = "".join(without_notes(message.get("content") or "") for message in assistant)
    thinking = "".join(message.get("reasoning_content") or "" for message in assistant)
    asked = [call["id"] for message in assistant for call in message.get("tool_calls", ())]
    answered = [m["tool_call_id"] for m in request.messages if m["role"] == "tool"]
    assert answered == asked, "each tool call has its one answer, in order"
    results = [m["content"] for m in request.messages if m["role"] == "tool"]
    return text, thinking, dict(zip(SHOWN_IDS, results, strict=False))


def kept(result: TurnResult, kind: str) -> str:
    """All text, or all thinking, in a turn's own history."""
    messages = json.loads(result.history or b"[]")
    return "".join(part["content"] for m in messages for part in m["parts"] if part["part_kind"] == kind)


async def test_the_whole_conversation(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    sink, result, following = await played(server, runtime_of, None)
    assert not result.cancelled
    assert len(sink.calls) == BOUNDARIES
    assert sink.shown_text == "I'll look.\n\nAgain.\n\nAll is well."
    text, thinking, tools = told(following)
    assert (text, thinking) == (sink.shown_text, sink.shown_thinking)
    assert tools == {"call_0": "left is clear", "call_1": "right is clear", "call_0#2": "up is clear"}
    assert sink.statuses == {"call_0": "ok", "call_1": "ok", "call_0#2": "ok"}


@pytest.mark.parametrize("boundary", range(BOUNDARIES + 1))
async def test_stopped_at_each_boundary(server: FakeModelServer, runtime_of: RuntimeOf, boundary: int) -> None:
    sink, result, following = await played(server, runtime_of, boundary)
    assert result.cancelled
    assert len(sink.calls) - boundary <= 3, "nothing but the ends of running tools comes after the stop"
    text, _, tools = told(following)
    assert text == sink.shown_text
    assert kept(result, "text") == sink.shown_text
    assert kept(result, "thinking") == sink.shown_thinking
    assert [m["content"] for m in following.messages if m["role"] == "user"] == ["script:talk", "tokens=1"]
    shown_results = {key: sink.results[key] for key, status in sink.statuses.items() if status == "ok"}
    assert shown_results.items() <= tools.items(), "a result that the user saw is never taken back"
    for key, content in tools.items():
        if key not in shown_results:
            assert "interrupted" in content or "is clear" in content


async def test_a_tool_that_ended_before_the_stop_is_told_as_ended(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    """The stop comes while the tool's result is on its way to the log, before the library has taken it."""
    sink = Sink(gate=asyncio.Event())
    sink.gate.set()  # pyright: ignore[reportOptionalMemberAccess]

    async def look() -> str:
        sink.gate.clear()  # pyright: ignore[reportOptionalMemberAccess]
        return "all clear"

    server.queue.append([ToolCall("look", {}, "a")])
    runtime = runtime_of(look)
    handle = runtime.start(a_turn("go"), sink)
    running = asyncio.create_task(handle.wait())
    await sink.blocked.wait()
    handle.cancel()
    result = await running
    assert result.cancelled
    assert sink.statuses == {}, "the server closes what wasn't closed"
    past = PastTurn("go", "", interrupted=True, history=result.history)
    await runtime.start(a_turn("tokens=1", past), Sink()).wait()
    assert list(told(server.requests[-1])[2].values()) == ["all clear"]


async def test_a_turn_without_a_history_is_told_by_its_text(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    past = [
        PastTurn("hello", "hi", interrupted=False, history=None),
        PastTurn("are you there?", "", interrupted=True, history=None),
    ]
    await runtime_of().start(a_turn("tokens=1", *past), Sink()).wait()
    assert said(server.requests[0]) == [
        ("user", "hello"),
        ("assistant", "hi"),
        ("user", "are you there?"),
        ("assistant", "[The user stopped this turn before an answer.]"),
        ("user", "tokens=1"),
    ]


@pytest.mark.parametrize("broken", [b"", b"{", b"[]{}", b'[{"kind":"unheard of"}]', b"\xff\xfe"])
async def test_an_unreadable_history_is_said_so_in_the_log_and_told_by_its_text(
    server: FakeModelServer, runtime_of: RuntimeOf, caplog: pytest.LogCaptureFixture, broken: bytes
) -> None:
    past = PastTurn("hello", "hi", interrupted=False, history=broken)
    with caplog.at_level(logging.WARNING):
        await runtime_of().start(a_turn("tokens=1", past), Sink()).wait()
    assert said(server.requests[0]) == [("user", "hello"), ("assistant", "hi"), ("user", "tokens=1")]
    assert "can't be read" in caplog.text


async def test_a_system_prompt_survives_a_first_turn_that_crashed(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    runtime = runtime_of(agent={"system_prompt": "Be kind."})
    past = PastTurn("hello", "", interrupted=True, history=None)
    await runtime.start(a_turn("tokens=1", past), Sink()).wait()
    assert said(server.requests[0])[0] == ("system", "Be kind.")


async def test_history_holds_no_credentials(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    result = await runtime_of(model_api_key="sk-secret").start(a_turn("tokens=1"), Sink()).wait()
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret"
    assert b"sk-secret" not in (result.history or b"")


async def test_what_json_cannot_carry_is_replaced(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async def dirty() -> dict[str, Any]:
        return {"nul": "a\x00b", "lone": "\ud83d"}

    server.queue += [
        [Thinking("t\x00"), Text("x\x00y"), Text("\ud83d"), Text("\ude00"), ToolCall("dirty", {}, "a")],
        [Text("end")],
    ]
    sink = Sink()
    runtime = runtime_of(dirty)
    result = await runtime.start(a_turn("go"), sink).wait()
    assert sink.shown_thinking == "t\ufffd"
    assert sink.shown_text == "x\ufffdy\ufffd\ufffd\n\nend"
    assert sink.results == {"a": {"nul": "a\ufffdb", "lone": "\ufffd"}}
    assert json.loads(result.history or b"")
    past = PastTurn("go", sink.shown_text, interrupted=False, history=result.history)
    await runtime.start(a_turn("tokens=1", past), Sink()).wait()
    assert told(server.requests[-1])[0] == sink.shown_text


def said(request: Request) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.messages]
