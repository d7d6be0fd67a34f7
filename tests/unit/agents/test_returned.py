"""Whatever a tool returns works as in the library alone, or fails by its tool's name; never as something else."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, field_serializer, model_serializer
from pydantic_ai import BinaryContent, RunContext, ToolReturn
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import SkipToolExecution
from pydantic_ai.messages import TextContent, ToolCallPart
from pydantic_ai.tools import ToolDefinition

from netra_backend.app.agents.runtime import AgentFailure, Json
from netra_backend.app.protocol.codec import encode_payload
from netra_backend.app.protocol.events import FailureCode, ToolCompleted, ToolExecuting
from tests.fakes.model_server import FakeModelServer, Text, ToolCall
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn


@dataclasses.dataclass
class Pair:
    left: int
    right: str = "b"


class Colour(enum.StrEnum):
    RED = "red"


class Once(BaseModel):
    """Serialises differently each time."""

    n: int = 0

    @field_serializer("n")
    def count(self, _: int) -> int:
        self.n += 1
        return self.n


class Stubborn(BaseModel):
    @model_serializer
    def refuse(self) -> dict[str, int]:
        raise RuntimeError("hunter2")


async def kept_beside() -> ToolReturn[int]:
    """The library keeps any value beside a result, for the agent's own code."""
    return ToolReturn(1, content=["said", TextContent("too", metadata=object())], metadata=object())


async def test_what_is_kept_beside_a_result_costs_nothing(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.queue += [[ToolCall("kept_beside", {})], [Text("done")]]
    sink = Sink()
    result = await runtime_of(kept_beside).start(a_turn("go"), sink).wait()
    assert (sink.shown_text, set(sink.statuses.values())) == ("done", {"ok"})
    assert b"said" not in (result.history or b"")
    assert "metadata" not in (result.history or b"").decode()


async def test_what_cant_be_said_to_a_model_fails_by_name(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async def speak() -> ToolReturn[int]:
        said: Any = [object()]
        return ToolReturn(1, content=said)

    server.queue += [[ToolCall("speak", {})], [Text("done")]]
    with pytest.raises(AgentFailure) as failed:
        await runtime_of(speak).start(a_turn("go"), Sink()).wait()
    assert failed.value.code is FailureCode.TOOL_FAILED
    assert "object" in failed.value.message


@pytest.mark.parametrize("said", ["x" * 300_000, ["x" * 300_000, TextContent("y" * 300_000)]], ids=["text", "pieces"])
async def test_what_a_tool_says_besides_is_bounded_as_its_result_is(
    server: FakeModelServer, runtime_of: RuntimeOf, said: Any
) -> None:
    async def speak() -> ToolReturn[str]:
        return ToolReturn("ok", content=said)

    server.queue += [*([ToolCall("speak", {}, f"call_{n}")] for n in range(8)), [Text("done")]]
    limits = {"tool_result_chars": 20_000, "request_results_chars": 50_000}
    await runtime_of(speak, **limits).start(a_turn("go"), Sink()).wait()
    sizes = [len(json.dumps(request.body)) for request in server.requests]
    assert sizes[1] > 20_000
    assert max(sizes) < 80_000
    assert "are left out here" in json.dumps(server.requests[-1].body)


class Leaving(BaseModel):
    @model_serializer
    def leave(self) -> dict[str, int]:
        raise SystemExit(3)


class Array:
    """Like numpy's: it compares item by item, and has no truth."""

    def __eq__(self, other: object) -> Any:
        return Array()

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __bool__(self) -> bool:
        raise ValueError("the truth of an array is ambiguous")


class LikeNumpy(BaseModel, arbitrary_types_allowed=True):
    values: Array = Array()

    @field_serializer("values")
    def listed(self, _: Array) -> list[int]:
        return [1, 2]


def _numbers() -> Iterator[int]:
    yield 1
    yield 2


def _nested(depth: int) -> Json:
    value: Json = 0
    for _ in range(depth):
        value = [value]
    return value


def _circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


WORKS: dict[str, tuple[Callable[[], Any], Json]] = {
    "numbers as keys": (lambda: {2024: 5, 1.5: 6, True: 7, None: 8}, {"2024": 5, "1.5": 6, "true": 7, "None": 8}),
    "tuples as keys": (lambda: {(1, 2): 3}, {"1,2": 3}),
    "tuple": (lambda: (1, "a"), [1, "a"]),
    "set": (lambda: {1}, [1]),
    "dataclass": (lambda: Pair(1), {"left": 1, "right": "b"}),
    "dataclasses within": (lambda: {"pairs": [Pair(1)]}, {"pairs": [{"left": 1, "right": "b"}]}),
    "bytes": (lambda: b"\xff\x00", "_wA="),
    "moment": (lambda: datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
    "decimal": (lambda: Decimal("1.10"), "1.10"),
    "uuid": (lambda: UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "path": (lambda: Path("/a"), "/a"),
    "enum": (lambda: Colour.RED, "red"),
    "nan": (lambda: {"x": float("nan"), "y": [float("inf")]}, {"x": None, "y": [None]}),
    "nan alone": (lambda: float("nan"), None),
    "big": (lambda: {"n": 2**70}, {"n": str(2**70)}),
    "big alone": (lambda: 2**70, str(2**70)),
    "surrogates": (lambda: {"\ud83d": ["\ud83d", "\0"]}, {"\ufffd": ["\ufffd", "\ufffd"]}),
    "surrogates in a dataclass": (lambda: Pair(1, "\ud83d"), {"left": 1, "right": "\ufffd"}),
    "generator": (_numbers, [1, 2]),
    "generator within": (lambda: {"numbers": _numbers()}, {"numbers": [1, 2]}),
    "another each time": (Once, {"n": 1}),
    "like numpy's": (LikeNumpy, {"values": [1, 2]}),
    "complex": (lambda: complex(1, 2), "1+2j"),
    "range": (lambda: list(range(3)), [0, 1, 2]),
    "a long list": (lambda: list(range(5000)), list(range(5000))),
    "nested": (lambda: _nested(50), _nested(50)),
    "wrapped": (lambda: ToolReturn({1: Pair(1)}, content=["\ud83d"]), {"1": {"left": 1, "right": "b"}}),
    "file": (
        lambda: BinaryContent(b"abc", media_type="image/png"),
        {"kind": "binary", "media_type": "image/png", "bytes": 3},
    ),
}
FAILS: dict[str, Callable[[], Any]] = {
    "object": object,
    "exception": lambda: ValueError("hunter2"),
    "class": lambda: Pair,
    "function": lambda: _numbers,
    "object within": lambda: {"a": [object()]},
    "circle": _circle,
    "too deep": lambda: _nested(2000),
    "serialiser that raises": Stubborn,
    "serialiser that leaves": Leaving,
    "too big a number": lambda: 10**5000,
    "too long": lambda: "x" * 200_000,
    "too long within": lambda: {"a": ["x" * 200_000]},
    "array": Array,
    "async generator": lambda: (each async for each in _never()),  # pyright: ignore[reportUnknownVariableType]
    "wrapped twice": lambda: [ToolReturn("a")],
}


async def _never() -> Any:
    yield 1


def encodable(sink: Sink) -> None:
    """What the log would make of it: a sink in memory takes anything."""
    for result in sink.results.values():
        encode_payload(ToolCompleted(tool_call_id="x", tool_name="x", status="ok", result=result, duration_ms=0))
    for parameters in sink.parameters.values():
        encode_payload(ToolExecuting(tool_call_id="x", tool_name="x", parameters=parameters))


@pytest.mark.parametrize("what", WORKS)
async def test_a_value_that_has_a_form_as_json_works(server: FakeModelServer, runtime_of: RuntimeOf, what: str) -> None:
    make, shown = WORKS[what]

    async def give() -> Any:
        return make()

    server.queue += [[ToolCall("give", {}, "x")], [ToolCall("give", {}, "y")], [Text("ok")]]
    sink = Sink()
    result = await runtime_of(give, max_result_chars=100_000).start(a_turn("go"), sink).wait()
    assert (sink.statuses, sink.results) == ({"x": "ok", "y": "ok"}, {"x": shown, "y": shown})
    encodable(sink)
    assert json.loads(result.history or b"")
    if what != "file":
        # The model is told the same each time it is asked, and what the user is shown.
        first, second = (request.messages[2]["content"] for request in server.requests[1:])
        assert first == second
        # Nothing at all is told in words: an empty message is refused by some servers.
        told = None if first == "[No result.]" else first if isinstance(shown, str) else json.loads(first)
        assert told == shown or (told is None and not shown)


@pytest.mark.parametrize("what", FAILS)
async def test_a_value_that_has_none_fails_as_its_tools(
    server: FakeModelServer, runtime_of: RuntimeOf, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def give() -> Any:
        return FAILS[what]()

    server.queue += [[ToolCall("give", {}, "x")], [Text("ok")]]
    sink = Sink()
    with pytest.raises(AgentFailure) as caught:
        await runtime_of(give, max_result_chars=100_000).start(a_turn("go"), sink).wait()
    assert caught.value.code is FailureCode.TOOL_FAILED
    assert "give" in caught.value.message
    assert sink.statuses == {"x": "error"}
    assert "hunter2" not in f"{caught.value} {sink.results}"
    assert caught.value.history, "later turns know of its effect"


async def test_a_value_whose_own_code_takes_long_holds_up_nobody(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow() -> Iterator[int]:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30)
        yield 1

    async def give() -> Any:
        return slow()

    server.queue += [[ToolCall("give", {}, "x")], [Text("ok")]]
    sink = Sink()
    running = asyncio.create_task(runtime_of(give).start(a_turn("go"), sink).wait())
    await begun.wait()  # and so the loop is free
    go_on.set()
    await running
    assert sink.results == {"x": [1]}


async def test_a_tool_that_had_ended_is_not_shown_as_cancelled(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    """Stopped while what it returned is read, it had its effect all the same."""
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow() -> Iterator[int]:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30)
        yield 1

    async def give() -> Any:
        return slow()

    server.queue += [[ToolCall("give", {}, "x")], [Text("ok")]]
    sink = Sink()
    handle = runtime_of(give).start(a_turn("go"), sink)
    running = asyncio.create_task(handle.wait())
    await begun.wait()
    handle.cancel()
    assert (await running).cancelled
    go_on.set()
    assert sink.statuses == {"x": "ok"}


async def test_what_a_model_asks_with_can_be_logged_whatever_it_is(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    async def take(what: Any) -> str:
        return "taken"

    asked = ['{"what": 1e999}', '{"what": 123456789012345678901234567890}', '{"what": {"\\u0000": "\\ud83d"}}']
    server.queue += [[ToolCall("take", raw, str(n)) for n, raw in enumerate(asked)], [Text("ok")]]
    sink = Sink()
    await runtime_of(take).start(a_turn("go"), sink).wait()
    assert set(sink.statuses.values()) <= {"ok", "error"}
    assert len(sink.statuses) == len(asked)
    encodable(sink)


async def test_a_hook_may_answer_for_a_tool(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    class Answering(AbstractCapability[Any]):
        async def before_tool_execute(
            self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: dict[str, Any]
        ) -> dict[str, Any]:
            raise SkipToolExecution({2024: "from the hook"})

    async def give() -> str:
        raise AssertionError("not asked")

    server.queue += [[ToolCall("give", {}, "x")], [Text("ok")]]
    sink = Sink()
    await runtime_of(give, agent={"capabilities": [Answering()]}).start(a_turn("go"), sink).wait()
    assert (sink.statuses, sink.results) == ({"x": "ok"}, {"x": {"2024": "from the hook"}})


async def test_an_agents_own_hooks_see_what_its_tools_returned(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    seen: list[object] = []

    class Looking(AbstractCapability[Any]):
        async def wrap_tool_execute(self, ctx: Any, *, handler: Any, args: Any, **_: Any) -> Any:
            seen.append(await handler(args))
            return seen[-1]

    async def give() -> Pair:
        return Pair(1)

    server.queue += [[ToolCall("give", {}, "x")], [Text("ok")]]
    await runtime_of(give, agent={"capabilities": [Looking()]}).start(a_turn("go"), Sink()).wait()
    assert seen == [Pair(1)]
