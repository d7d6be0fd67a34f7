"""A run's stream on a real log: nothing is done before it is on record, nothing is lost, held or told beyond bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from netra_backend.app.agents.runtime import SinkClosed
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.run_appends import RunAppend
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.runs.ledger import Ending
from netra_backend.app.runs.stream import RunStream, StreamLimits
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.websocket_core.websocket_manager import bound_log, get_websocket_manager
from tests.contract.conftest import Place, held
from tests.contract.test_units import events_of
from tests.harness.deadline import DEADLINE

NEVER = 3600.0
"""A merge window, in seconds, that isn't over while a test lasts."""

OpenStream = Callable[..., Awaitable[RunStream]]


@pytest.fixture
async def open_stream(log: EventLog, place: Place) -> AsyncIterator[OpenStream]:
    """The stream of the place's run; `limits` as in `StreamLimits`."""
    context = UserExecutionContext(user_id=place.user_id).of_run(place.thread_id, place.run_id)

    async def start(**limits: Any) -> RunStream:
        generous = {"window": 0.0, "merge": 1_000, "buffer": 100_000, "tool_value": 10_000, "answer": 1_000_000}
        return RunStream(await get_websocket_manager(context), context, StreamLimits(**generous | limits))

    with bound_log(log):
        yield start


async def said(log: EventLog, place: Place) -> list[tuple[str, Any]]:
    """The run's events, as type and what matters of the payload."""
    told: list[tuple[str, Any]] = []
    for event in await events_of(log, place.user_id):
        payload = msgspec.json.decode(event.payload)
        told.append((event.type, payload.get("text", payload.get("tool_call_id", payload.get("reasoning")))))
    return told


async def let_run() -> None:
    """Give everything that can go on the chance to; what waits for the writer can't."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_a_tools_start_is_on_record_when_it_returns(log: EventLog, place: Place, open_stream: OpenStream) -> None:
    """A tool could start before the commit with every test green: the promise's test had a sink of its own."""
    stream = await open_stream()
    for number in range(3):
        call = f"call {number}"
        with held(log) as release:
            starting = asyncio.create_task(stream.tool_started(call, "look", {}))
            await let_run()
            assert not starting.done(), "the writer hasn't committed anything"
            release()
            await starting
        assert ("tool_executing", call) in await said(log, place)
        await stream.tool_finished(call, "ok", None)
    await stream.finish(lambda: Ending("completed"))


async def test_tools_that_start_at_once_each_wait_for_their_own_record(
    log: EventLog, place: Place, open_stream: OpenStream
) -> None:
    stream = await open_stream()
    with held(log) as release:
        first = asyncio.create_task(stream.tool_started("first", "look", {}))
        await let_run()
        # The pump carries the first; this one waits for the next unit.
        second = asyncio.create_task(stream.tool_started("second", "look", {}))
        await let_run()
        assert not first.done()
        release()
        await first
    for call, starting in (("first", first), ("second", second)):
        await starting
        assert ("tool_executing", call) in await said(log, place)
    await stream.finish(lambda: Ending("stopped"))
    closed = [told for told in await said(log, place) if told[0] == "tool_completed"]
    assert closed == [("tool_completed", "first"), ("tool_completed", "second")]


async def test_a_tools_record_does_not_wait_for_the_merge_window(
    log: EventLog, place: Place, open_stream: OpenStream
) -> None:
    stream = await open_stream(window=NEVER)
    async with asyncio.timeout(DEADLINE):
        await stream.text("a")
        await stream.tool_started("1", "look", {})
        # A unit was just written: from here on text would wait for the window.
        await stream.text("b")
        await stream.tool_started("2", "look", {})
    assert [told for told in await said(log, place) if told[0] != "tool_completed"] == [
        ("agent_message_delta", "a"),
        ("tool_executing", "1"),
        ("agent_message_delta", "b"),
        ("tool_executing", "2"),
    ]
    await stream.finish(lambda: Ending("completed"))


async def test_kinds_and_tools_keep_their_order_within_a_unit(
    log: EventLog, place: Place, open_stream: OpenStream
) -> None:
    stream = await open_stream()
    await stream.tool_started("1", "look", {})
    with held(log) as release:
        # One unit holds all of it: it gathers while the writer is busy with the one before.
        await stream.thinking("before ")
        await let_run()
        await stream.thinking("x")
        await stream.thinking("y")
        await stream.text("a")
        await stream.text("b")
        await stream.tool_finished("1", "ok", None)
        await stream.text("c")
        await stream.thinking("z")
        release()
    await stream.finish(lambda: Ending("completed"))
    assert (await said(log, place))[1:-1] == [
        ("agent_thinking", "before xy"),
        ("agent_message_delta", "ab"),
        ("tool_completed", "1"),
        ("agent_message_delta", "c"),
        ("agent_thinking", "z"),
    ]
    assert stream.shown_text == "abc"


async def test_what_waits_and_what_is_being_written_are_bounded_together(
    log: EventLog, open_stream: OpenStream
) -> None:
    stream = await open_stream(buffer=1_000, merge=1)
    taken = 0

    async def flood() -> None:
        nonlocal taken
        while True:
            await stream.text("x" * 100)
            taken += 100

    with held(log) as release:
        await stream.text("x" * 500)
        await let_run()
        # That is being written; the rest waits.
        flooding = asyncio.create_task(flood())
        await let_run()
        at_a_standstill = taken
        await let_run()
        assert taken == at_a_standstill, "nobody reads the model while the log takes nothing"
        assert 0 < 500 + taken <= 1_000
        release()
    flooding.cancel()
    await asyncio.wait({flooding})
    await stream.finish(lambda: Ending("completed"))


async def test_a_tool_that_is_not_open_cannot_end(open_stream: OpenStream) -> None:
    stream = await open_stream()
    await stream.tool_started("1", "look", {})
    await stream.tool_finished("1", "ok", None)
    for never_open in ("1", "2"):
        with pytest.raises(ValueError, match="isn't open"):
            await stream.tool_finished(never_open, "ok", None)
    await stream.finish(lambda: Ending("completed"))


async def test_nothing_is_taken_after_the_end(log: EventLog, place: Place, open_stream: OpenStream) -> None:
    stream = await open_stream()
    await stream.text("said")
    await stream.tool_started("1", "look", {})
    await stream.finish(lambda: Ending("completed"))
    before = await said(log, place)
    assert before[-1][0] == "agent_completed"
    for late in (stream.text("x"), stream.thinking("x"), stream.tool_started("2", "look", {})):
        with pytest.raises(SinkClosed):
            await late
    with pytest.raises(SinkClosed):
        await stream.tool_finished("1", "ok", None)
    assert await said(log, place) == before


async def test_whoever_waits_for_its_record_hears_of_the_end(log: EventLog, open_stream: OpenStream) -> None:
    stream = await open_stream(buffer=1_000, merge=1)
    with held(log) as release:
        waiting = [
            asyncio.create_task(stream.tool_started("1", "look", {})),
            asyncio.create_task(stream.text("x" * 2_000)),
        ]
        await let_run()
        finishing = asyncio.create_task(stream.finish(lambda: Ending("stopped")))
        await let_run()
        release()
    async with asyncio.timeout(DEADLINE):
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        await finishing
    assert [type(end) for end in ends] == [SinkClosed, SinkClosed]


class Away:
    """The log's `append` and `commit`, which fail as often as they are told to; then the real ones."""

    def __init__(self, log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self.after_all = False
        """The unit is kept, and only the news of it lost: an outcome that nobody knows."""
        self.numbers: list[int] = []
        real_append, real_commit = log.append, log.commit

        async def append(append: RunAppend) -> None:
            self.numbers.append(append.number)
            if self.times and not self.after_all:
                self._fail()
            await real_append(append)
            if self.times:
                self._fail()

        async def commit(user_id: str, unit: Callable[[UserTransaction], Any]) -> Any:
            if self.times and not self.after_all:
                self._fail()
            done = await real_commit(user_id, unit)
            if self.times:
                self._fail()
            return done

        monkeypatch.setattr(log, "append", append)
        monkeypatch.setattr(log, "commit", commit)
        monkeypatch.setattr("netra_backend.app.runs.stream.RETRY_FIRST", 0.001)

    def _fail(self) -> None:
        self.times -= 1
        raise LogUnavailable("away")


@pytest.mark.parametrize("after_all", [False, True])
async def test_a_unit_comes_again_until_it_is_kept_and_is_kept_once(
    log: EventLog, place: Place, open_stream: OpenStream, monkeypatch: pytest.MonkeyPatch, after_all: bool
) -> None:
    away = Away(log, monkeypatch)
    stream = await open_stream()
    away.after_all = after_all
    for number in range(3):
        away.times = number
        await stream.text(f"{number}")
        await stream.tool_started(str(number), "look", {})
        await stream.tool_finished(str(number), "ok", None)
    away.times = 2
    await stream.finish(lambda: Ending("completed"))
    assert away.times == 0
    told = await said(log, place)
    assert [kind for kind, _ in told] == [*["agent_message_delta", "tool_executing", "tool_completed"] * 3, told[-1][0]]
    assert told[-1][0] == "agent_completed"
    assert sorted(set(away.numbers)) == list(range(1, max(away.numbers) + 1)), "keys count what was kept"


async def test_a_stop_that_comes_while_the_log_is_away_decides_the_end(
    log: EventLog, place: Place, open_stream: OpenStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Away(log, monkeypatch)
    stream = await open_stream()
    endings = [Ending("completed"), Ending("stopped", stop_reason="by hand")]
    away.times = 1
    await stream.finish(lambda: endings.pop(0))
    assert (await said(log, place))[-1][0] == "agent_stopped"
    run = await log.view(place.user_id, lambda view: view.runs.get(place.run_id))
    assert run is not None
    assert (run.state, run.stop_reason) == ("stopped", "by hand")
    assert run.stop_requested_at is not None


async def test_a_stream_that_breaks_tells_whoever_waits_and_ends_its_run(
    log: EventLog,
    place: Place,
    open_stream: OpenStream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = await open_stream()
    await stream.text("kept ")
    await stream.tool_started("1", "look", {})

    def broken(append: RunAppend) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(log, "append", broken)
    with caplog.at_level(logging.CRITICAL), pytest.raises(SinkClosed):
        async with asyncio.timeout(DEADLINE):
            await stream.tool_started("2", "look", {})
    await stream.finish(lambda: Ending("completed"))
    told = await said(log, place)
    assert [kind for kind, _ in told] == ["agent_message_delta", "tool_executing", "tool_completed", "agent_failed"]
    run = await log.view(place.user_id, lambda view: view.runs.get(place.run_id))
    assert run is not None
    assert run.state == "failed"


async def test_a_run_that_is_gone_ends_quietly(log: EventLog, place: Place, open_stream: OpenStream) -> None:
    stream = await open_stream()
    await stream.text("x")
    await log.commit(place.user_id, lambda tx: tx.threads.delete(place.thread_id))
    await stream.text("y")
    await stream.finish(lambda: Ending("completed"))
    assert await log.view(place.user_id, lambda view: view.runs.get(place.run_id)) is None


async def test_what_was_shown_is_joined_once_however_often_it_is_asked_for(open_stream: OpenStream) -> None:
    """A turn looks at it wherever text follows thinking; joining all of it each time would be quadratic work."""
    stream = await open_stream()
    for number in range(3):
        await stream.text(f"a{number} ")
        await stream.thinking(f"b{number} ")
        assert stream.shown_text is stream.shown_text
        assert stream.shown_thinking is stream.shown_thinking
    assert (stream.shown_text, stream.shown_thinking) == ("a0 a1 a2 ", "b0 b1 b2 ")
    await stream.finish(lambda: Ending(kind="completed"))
