"""A turn against a model server over real HTTP: what reaches the sink, and in which order."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import ModelRetry, RunContext, ToolFailed, ToolReturn

from netra_backend.app.agents.runtime import AgentFailure, Turn, Usage
from netra_backend.app.agents.tools import calculate
from netra_backend.app.protocol.events import FailureCode
from tests.fakes.model_server import End, FakeModelServer, Text, Thinking, Tokens, ToolCall
from tests.harness.deadline import DEADLINE
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn


async def test_text_thinking_and_tools_reach_the_sink_in_order(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.scripts["sum"] = [
        [
            Thinking("I'll "),
            Thinking("add."),
            Text("Let me "),
            Text("see."),
            ToolCall("calculate", {"expression": "1+1"}),
        ],
        [Text("It "), Text("is 2."), Tokens(7, 3)],
    ]
    runtime = runtime_of(calculate)
    sink = Sink()
    result = await runtime.start(a_turn("script:sum"), sink).wait()

    assert sink.kinds == ["thinking", "text", "tool_started", "tool_finished", "text"]
    assert sink.shown_thinking == "I'll add."
    assert sink.shown_text == "Let me see.\n\nIt is 2."
    assert list(sink.parameters.values()) == [{"expression": "1+1"}]
    assert list(sink.results.values()) == ["1+1 = 2"]
    assert result.usage == Usage(input_tokens=7, output_tokens=3, requests=2, tool_calls=1)
    assert not result.cancelled
    assert [message["role"] for message in server.requests[1].messages] == ["user", "assistant", "tool"]


async def test_a_tool_does_not_start_before_its_start_is_on_record(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    ran: list[str] = []

    async def look(at: str) -> str:
        ran.append(at)
        return at

    server.queue += [[ToolCall("look", {"at": "a"}, "a"), ToolCall("look", {"at": "b"}, "b")], [Text("ok")]]
    sink = Sink(gate=asyncio.Event())
    running = asyncio.create_task(runtime_of(look).start(a_turn("go"), sink).wait())
    await sink.blocked.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    early = list(ran)
    sink.gate.set()  # pyright: ignore[reportOptionalMemberAccess]
    await running
    assert (early, sorted(ran)) == ([], ["a", "b"])


async def test_tools_of_one_response_run_side_by_side(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    both = asyncio.Barrier(2)

    async def meet(name: str) -> str:
        async with asyncio.timeout(DEADLINE):
            await both.wait()
        return name

    server.queue += [[ToolCall("meet", {"name": "a"}, "a"), ToolCall("meet", {"name": "b"}, "b")], [Text("ok")]]
    sink = Sink()
    await runtime_of(meet).start(a_turn("go"), sink).wait()
    assert sink.results == {"a": "a", "b": "b"}


async def test_ids_that_a_server_uses_twice_are_told_apart(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async def look() -> str:
        return "seen"

    server.queue += [[ToolCall("look", {}, "call_0")], [ToolCall("look", {}, "call_0")], [Text("ok")]]
    sink = Sink()
    await runtime_of(look).start(a_turn("go"), sink).wait()
    assert list(sink.statuses) == ["call_0", "call_0#2"]


async def test_ids_and_names_from_a_model_are_kept_within_bounds(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    server.queue += [[ToolCall("n\x00" * 1000, {}, "i\x00" * 1000)], [Text("ok")]]
    sink = Sink()
    await runtime_of().start(a_turn("go"), sink).wait()
    assert sink.calls[0] == ("tool_started", "i\ufffd" * 50, "n\ufffd" * 100)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (ToolCall("nothing_like_it", {"a": 1}, "x"), "nothing_like_it"),
        (ToolCall("look", {"at": [1]}, "x"), "valid string"),
        (ToolCall("look", "{not json", "x"), ""),
        (ToolCall("look", {"at": "retry"}, "x"), "not there"),
        (ToolCall("look", {"at": "fail"}, "x"), "gone"),
    ],
)
async def test_calls_that_go_wrong_are_shown_and_the_model_may_go_on(
    server: FakeModelServer, runtime_of: RuntimeOf, call: ToolCall, why: str
) -> None:
    async def look(at: str) -> str:
        if at == "retry":
            raise ModelRetry("not there")
        raise ToolFailed("gone")

    server.queue += [[call], [Text("ok")]]
    sink = Sink()
    await runtime_of(look).start(a_turn("go"), sink).wait()
    assert sink.statuses == {"x": "error"}
    assert sink.calls[0] == ("tool_started", "x", call.name)
    assert why in str(sink.results["x"])
    assert sink.shown_text == "ok"


async def test_a_tool_that_raises_fails_the_turn_and_tells_the_log_why(
    server: FakeModelServer, runtime_of: RuntimeOf, caplog: pytest.LogCaptureFixture
) -> None:
    async def look() -> str:
        raise RuntimeError("password is hunter2")

    server.queue.append([ToolCall("look", {}, "x")])
    sink = Sink()
    with pytest.raises(AgentFailure) as caught:
        await runtime_of(look).start(a_turn("go"), sink).wait()
    assert caught.value.code is FailureCode.TOOL_FAILED
    assert sink.statuses == {"x": "error"}
    assert "hunter2" not in f"{caught.value} {sink.results}"
    assert "hunter2" in caplog.text


async def test_a_tool_that_keeps_asking_for_a_retry_fails_the_turn(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    async def look() -> str:
        raise ModelRetry("again")

    server.queue += [[ToolCall("look", {}, f"x{i}")] for i in range(5)]
    with pytest.raises(AgentFailure) as caught:
        await runtime_of(look).start(a_turn("go"), sink := Sink()).wait()
    assert caught.value.code is FailureCode.TOOL_FAILED
    assert set(sink.statuses.values()) == {"error"}


async def test_an_output_that_is_not_text_is_shown_as_json(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    class City(BaseModel):
        name: str

    server.queue += [[ToolCall("final_result", {"name": "Oslo"}, "x")]]
    sink = Sink()
    await runtime_of(agent={"output_type": City}).start(a_turn("go"), sink).wait()
    assert json.loads(sink.shown_text) == {"name": "Oslo"}
    assert sink.kinds == ["text"]


async def test_a_structured_output_may_be_corrected_while_nothing_was_shown(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    class City(BaseModel):
        name: str

    server.queue += [
        [ToolCall("final_result", {"nom": "Oslo"}, "x")],
        [ToolCall("final_result", {"name": "Oslo"}, "y")],
    ]
    sink = Sink()
    await runtime_of(agent={"output_type": City}).start(a_turn("go"), sink).wait()
    assert json.loads(sink.shown_text) == {"name": "Oslo"}
    server.queue += [[Text("See:"), ToolCall("final_result", {"nom": "Oslo"}, "x")], [Text("never asked for")]]
    with pytest.raises(AgentFailure):
        await runtime_of(agent={"output_type": City}).start(a_turn("go"), sink := Sink()).wait()
    assert sink.shown_text == "See:"


async def test_what_tools_return_is_shown_as_json(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    class Point(BaseModel):
        x: float

    returns: dict[str, Any] = {
        "none": None,
        "list": [1, "two", None],
        "model": Point(x=1.5),
        "date": date(2026, 1, 2),
        "nan": {"x": float("nan")},
        "wrapped": ToolReturn("for the model", metadata={"not": "shown"}),
    }

    async def give(what: str) -> Any:
        return returns[what]

    server.queue += [[ToolCall("give", {"what": what}, what) for what in returns], [Text("ok")]]
    sink = Sink()
    result = await runtime_of(give).start(a_turn("go"), sink).wait()
    assert sink.results == {
        "none": None,
        "list": [1, "two", None],
        "model": {"x": 1.5},
        "date": "2026-01-02",
        "nan": {"x": None},
        "wrapped": "for the model",
    }
    assert json.loads(result.history or b"")


async def test_the_tool_is_given_the_turn(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async def whose(ctx: RunContext[Turn]) -> str:
        return ctx.deps.context.user_id

    server.queue += [[ToolCall("whose", {}, "x")], [Text("ok")]]
    sink = Sink()
    await runtime_of(whose).start(a_turn("go", user="carol"), sink).wait()
    assert sink.results == {"x": "carol"}


async def test_the_sink_holds_the_model_back(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    sink = Sink(gate=asyncio.Event())
    running = asyncio.create_task(runtime_of().start(a_turn("tokens=50"), sink).wait())
    await sink.blocked.wait()
    assert not sink.calls
    assert not running.done()
    sink.gate.set()  # pyright: ignore[reportOptionalMemberAccess]
    await running
    assert sink.shown_text.split() == [f"w{i}" for i in range(50)]


async def test_many_users_at_once_with_nothing_crossed(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async def whose(ctx: RunContext[Turn]) -> str:
        return ctx.deps.context.user_id

    runtime = runtime_of(whose)
    sinks = {f"user-{i}": Sink() for i in range(20)}
    async with asyncio.TaskGroup() as group:
        for number, (user, sink) in enumerate(sinks.items()):
            turn = a_turn(f"tool=whose tokens={number + 1}", user=user)
            group.create_task(runtime.start(turn, sink).wait())
    for number, (user, sink) in enumerate(sinks.items()):
        assert list(sink.results.values()) == [user]
        assert len(sink.shown_text.split()) == number + 1


@pytest.mark.parametrize(
    ("said", "thinking", "text"),
    [
        ("I think.</think>It is so.", "I think.", "It is so."),
        ("<think>I think.</think>It is so.", "I think.", "It is so."),
        # No tag came at all: it wasn't thinking, and the answer isn't empty.
        ("It is so.", "It is so.", "It is so."),
    ],
    ids=["closed", "opened once more", "never closed"],
)
async def test_a_model_whose_template_opens_its_thinking(
    server: FakeModelServer, runtime_of: RuntimeOf, said: str, thinking: str, text: str
) -> None:
    server.queue.append([Text(said), End("stop", done=True)])
    await runtime_of(model_opens_thinking=True).start(a_turn("go"), sink := Sink()).wait()
    assert (sink.shown_thinking.replace("<think>", ""), sink.shown_text) == (thinking, text)
