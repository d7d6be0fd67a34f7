"""A stop in every phase of a turn: the model's response is closed, the turn ends as cancelled, nothing is left over."""

from __future__ import annotations

import asyncio
import threading

import pytest

from netra_backend.app.agents.runtime import PastTurn, TurnHandle, TurnResult
from tests.fakes.model_server import FakeModelServer, Hang, Headers, Response, Text, Thinking, ToolCall
from tests.harness.deadline import DEADLINE
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops that Netra runs on: when a cancelled read closes its socket is the loop's business."""
    return "asyncio", {"use_uvloop": request.param}


async def within(waiting, seconds: float = 5):
    async with asyncio.timeout(seconds):
        return await waiting


async def stopped_at(server: FakeModelServer, runtime, opening: Response) -> tuple[Sink, TurnResult]:
    hang = Hang()
    server.queue.append([*opening, hang])
    sink = Sink()
    handle = runtime.start(a_turn("go"), sink)
    running = asyncio.create_task(handle.wait())
    await within(hang.reached.wait())
    for step in opening:
        if isinstance(step, Text):
            await within(sink.seen("text", step.delta))
        if isinstance(step, Thinking):
            await within(sink.seen("thinking", step.delta))
    handle.cancel()
    result = await within(running)
    await within(server.requests[0].hung_up.wait())
    return sink, result


@pytest.mark.parametrize(
    ("opening", "text", "thinking"),
    [
        pytest.param([], "", "", id="before the headers"),
        pytest.param([Headers()], "", "", id="silent after the headers"),
        pytest.param([Thinking("Hm.")], "", "Hm.", id="in thinking"),
        pytest.param([Text("One "), Text("two ")], "One two ", "", id="in text"),
        pytest.param([Thinking("Hm."), Text("One")], "One", "Hm.", id="in text after thinking"),
    ],
)
async def test_the_model_sees_its_socket_close(
    server: FakeModelServer, runtime_of: RuntimeOf, opening: Response, text: str, thinking: str
) -> None:
    sink, result = await stopped_at(server, runtime_of(), opening)
    assert result.cancelled
    assert (sink.shown_text, sink.shown_thinking) == (text, thinking)
    assert len(server.requests) == 1


async def test_before_wait(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    sink = Sink()
    handle = runtime_of().start(a_turn("go"), sink)
    handle.cancel()
    handle.cancel()
    result = await within(handle.wait())
    assert result.cancelled
    assert not server.requests
    assert not sink.calls


async def test_after_the_end(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    handle = runtime_of().start(a_turn("tokens=1"), Sink())
    result = await within(handle.wait())
    handle.cancel()
    assert not result.cancelled


async def test_while_the_sink_holds_the_model_back(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.queue.append([Text("One"), Hang()])
    sink = Sink(gate=asyncio.Event())
    handle = runtime_of().start(a_turn("go"), sink)
    running = asyncio.create_task(handle.wait())
    await within(sink.blocked.wait())
    handle.cancel()
    result = await within(running)
    await within(server.requests[0].hung_up.wait())
    assert result.cancelled
    assert sink.shown_text == ""
    assert b"One" not in (result.history or b"")


async def test_inside_async_tools(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    ended: list[str] = []

    async def slow(name: str) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)
        return name

    server.queue.append([Text("So."), ToolCall("slow", {"name": "a"}, "a"), ToolCall("slow", {"name": "b"}, "b")])
    sink = Sink()
    handle = runtime_of(slow).start(a_turn("go"), sink)
    running = asyncio.create_task(handle.wait())
    await within(sink.seen("tool_started", "a"))
    await within(sink.seen("tool_started", "b"))
    handle.cancel()
    result = await within(running)
    assert result.cancelled
    assert sorted(ended) == ["a", "b"]
    assert sink.statuses == {"a": "cancelled", "b": "cancelled"}
    assert server.requests[0].finished
    assert len(server.requests) == 1


async def test_inside_a_sync_tool_which_is_abandoned(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow() -> str:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(DEADLINE)
        return "late"

    server.queue.append([ToolCall("slow", {}, "a")])
    sink = Sink()
    handle = runtime_of(slow).start(a_turn("go"), sink)
    running = asyncio.create_task(handle.wait())
    try:
        await within(begun.wait())
        handle.cancel()
        result = await within(running)
        assert result.cancelled
        assert sink.statuses == {"a": "unknown"}
    finally:
        go_on.set()
    assert sink.calls[-1] == ("tool_finished", "a", "unknown")


async def test_outer_cancel_closes_everything_before_it_leaves(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.queue.append([Text("One"), Hang()])
    sink = Sink()
    running = asyncio.create_task(runtime_of().start(a_turn("go"), sink).wait())
    await within(sink.seen("text"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(running)
    await within(server.requests[0].hung_up.wait())


async def test_outer_cancel_while_a_tool_swallows_the_stop(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    released = asyncio.Event()

    async def stubborn() -> str:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        return "at last"

    server.queue.append([ToolCall("stubborn", {}, "a")])
    sink = Sink()
    handle = runtime_of(stubborn).start(a_turn("go"), sink)
    running = asyncio.create_task(handle.wait())
    await within(sink.seen("tool_started"))
    handle.cancel()
    running.cancel()
    await asyncio.sleep(0)
    assert not running.done()
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await within(running)


async def test_two_turns_of_one_runtime_are_stopped_apart(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    runtime = runtime_of()
    server.scripts["hang"] = [[Text("One"), Hang()]]
    handles: list[TurnHandle] = []
    sinks = [Sink(), Sink()]
    running: list[asyncio.Task[TurnResult]] = []
    for sink, user in zip(sinks, ("alice", "bob"), strict=True):
        handles.append(runtime.start(a_turn("script:hang", user=user), sink))
        running.append(asyncio.create_task(handles[-1].wait()))
        await within(sink.seen("text"))
    handles[0].cancel()
    assert (await within(running[0])).cancelled
    assert not running[1].done()
    assert not server.requests[1].hung_up.is_set()
    handles[1].cancel()
    assert (await within(running[1])).cancelled


async def test_the_turn_after_a_stop_goes_on_from_what_was_shown(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    runtime = runtime_of()
    sink, result = await stopped_at(server, runtime, [Text("One "), Text("two")])
    past = PastTurn("go", sink.shown_text, interrupted=True, history=result.history)
    after = Sink()
    await within(runtime.start(a_turn("tokens=2", past), after).wait())
    assert [(m["role"], m["content"]) for m in server.requests[1].messages] == [
        ("user", "go"),
        ("assistant", "One two\n\n[The user stopped this answer here.]"),
        ("user", "tokens=2"),
    ]
    assert after.shown_text == "w0 w1 "
