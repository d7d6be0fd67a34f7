"""The seam between replay and live, on a real log; the transport is the only double."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra_backend.app.event_log.log import Cursor
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.protocol.events import Pong
from netra_backend.app.websocket_core.connection import (
    MAX_REPLIES,
    Connection,
    ConnectionState,
    IllegalConnectionStep,
)
from tests.harness.deadline import DEADLINE
from tests.unit.websocket_core.stage import Stage


async def test_events_committed_while_the_replay_reads_come_after_it_and_once(log: SqliteLog) -> None:
    async with Stage(log) as stage:
        await stage.append(5)
        stage.gated.gate.clear()
        stage.resume()
        await stage.gated.answered.wait()
        # The page is read, but not yet handed over: live events must neither overtake nor repeat it.
        await stage.append(3)
        assert stage.transport.taken == []
        stage.gated.gate.set()
        await stage.until_all_taken()
        await stage.transport.until(lambda: stage.connection.state is ConnectionState.LIVE)
        reads = stage.gated.reads
        await stage.append(2)
        await stage.until_all_taken()
        assert stage.gated.reads == reads, "live events are not read from the log"


async def test_a_wake_up_that_comes_after_the_replay_has_passed_it_brings_nothing_twice(log: SqliteLog) -> None:
    async with Stage(log) as stage:
        stage.hold()
        await stage.append(4)
        stage.resume()
        await stage.until_all_taken()
        await stage.transport.until(lambda: stage.connection.state is ConnectionState.LIVE)
        reads = stage.gated.reads
        stage.wake()
        await stage.append(1)
        await stage.until_all_taken()
        assert stage.gated.reads == reads, "what it has already sends nobody back to the log"


@pytest.mark.parametrize("lost", [1, 3])
async def test_a_lost_wake_up_delays_an_event_and_loses_none(log: SqliteLog, lost: int) -> None:
    async with Stage(log) as stage:
        stage.resume()
        await stage.append(2)
        await stage.until_all_taken()
        stage.hold()
        await stage.append(lost)
        stage.lose()
        await stage.look()
        await stage.until_all_taken()
        # The next wake-up heals it too, by itself: its range doesn't tile with what was told.
        stage.hold()
        await stage.append(2)
        stage.lose()
        await stage.append(1)
        await stage.until_all_taken()
        assert stage.transport.last == 5 + lost


async def test_a_slow_reader_drops_its_queue_and_reads_on_merged(log: SqliteLog) -> None:
    async with Stage(log, queue_bytes=8 * 1024) as stage:
        stage.resume()
        await stage.append()
        await stage.until_all_taken()
        stage.transport.allowance = 0
        most = 0
        for _ in range(300):
            await stage.append()
            most = max(most, stage.connection.queued_bytes)
        assert 0 < most <= 8 * 1024
        await stage.transport.allow(float("inf"))
        await stage.until_all_taken()
        assert len(stage.transport.events) < 60, "what it didn't take came merged"
        assert any("first_seq" in event for event in stage.transport.events)


async def test_a_reader_that_keeps_up_never_goes_back_to_the_log(log: SqliteLog) -> None:
    async with Stage(log, queue_bytes=1024) as stage:
        stage.resume()
        await stage.append()
        await stage.until_all_taken()
        await stage.transport.until(lambda: stage.connection.state is ConnectionState.LIVE)
        reads = stage.gated.reads
        for _ in range(20):
            await stage.append()
            await stage.until_all_taken()
        assert stage.gated.reads == reads, "what was sent makes room in the queue"


async def test_a_replay_of_many_pages_goes_on_to_the_head(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netra_backend.app.websocket_core.connection.PAGE", 3)
    async with Stage(log) as stage:
        # What was committed before the socket was there wakes nobody up.
        stage.hold()
        for run in range(10):
            await stage.append(run_id=str(run))
        stage.lose()
        stage.resume()
        await stage.until_all_taken()


async def test_one_unit_larger_than_the_queue_is_read_from_the_log(log: SqliteLog) -> None:
    async with Stage(log, queue_bytes=1024) as stage:
        stage.resume()
        await stage.append(100)
        await stage.until_all_taken()


async def test_a_peer_that_takes_nothing_is_closed_and_aborted(log: SqliteLog) -> None:
    async with Stage(log, stall_timeout=0.05) as stage:
        stage.transport.allowance = 0
        stage.resume()
        await stage.append()
        async with asyncio.timeout(DEADLINE):
            await stage.connection.closed.wait()
    assert stage.transport.closed is not None
    assert stage.transport.closed[0] == 4408
    assert stage.transport.aborted
    assert stage.connection.state is ConnectionState.CLOSED


@pytest.mark.parametrize("behind", [0, 7])
async def test_draining_says_the_cursor_and_then_closes_for_a_restart(log: SqliteLog, behind: int) -> None:
    async with Stage(log) as stage:
        stage.resume()
        await stage.append(2)
        await stage.until_all_taken()
        stage.transport.allowance = 0
        for _ in range(behind):
            await stage.append()
        stage.connection.drain()
        await stage.transport.allow(float("inf"))
        async with asyncio.timeout(DEADLINE):
            await stage.connection.closed.wait()
        goodbye = stage.transport.taken[-1]
        assert goodbye["type"] == "server_draining"
        assert goodbye["payload"] == {"epoch": stage.epoch, "seq": stage.transport.last}
        assert stage.transport.closed is not None
        assert stage.transport.closed[0] == 1012
        assert not stage.transport.aborted
        stage.check()


async def test_the_first_reason_to_close_is_told(log: SqliteLog) -> None:
    async with Stage(log) as stage:
        stage.connection.close(4401, "the session has ended")
        stage.connection.close(4429, "too many sockets")
        stage.connection.drain()
        async with asyncio.timeout(DEADLINE):
            await stage.connection.closed.wait()
    assert stage.transport.closed == (4401, "the session has ended")


async def test_a_second_resume_is_refused_and_changes_nothing(log: SqliteLog) -> None:
    async with Stage(log) as stage:
        stage.resume()
        with pytest.raises(IllegalConnectionStep):
            stage.resume()
        await stage.append(3)
        await stage.until_all_taken()
        await stage.transport.until(lambda: stage.connection.state is ConnectionState.LIVE)
        with pytest.raises(IllegalConnectionStep):
            stage.connection.resume(Cursor(stage.epoch, 0))
        await stage.append(1)
        await stage.until_all_taken()


async def test_a_resume_that_meets_the_end_of_the_server_leaves_the_goodbye_alone(log: SqliteLog) -> None:
    """Raced: while the head was looked up for a resume, the server began to drain. The resume raised, the socket's
    task died of it, and the goodbye was never sent."""
    async with Stage(log) as stage:
        stage.connection.drain()
        stage.resume()
        async with asyncio.timeout(DEADLINE):
            await stage.connection.closed.wait()
        stage.resume()
    assert [frame["type"] for frame in stage.transport.taken] == ["server_draining"]
    assert stage.transport.closed == (1012, "the server restarts")


@pytest.mark.parametrize(
    ("epoch", "seq", "reason"), [(None, 9, "ahead"), ("0" * 32, 1, "epoch"), (None, 0, "retention")]
)
async def test_a_gap_comes_once_and_live_goes_on_behind_it(
    log: SqliteLog, epoch: str | None, seq: int, reason: str
) -> None:
    async with Stage(log) as stage:
        await stage.append(4)
        await log.commit(stage.user_id, lambda tx: tx.trim(2, tx.now + 1))
        stage.connection.resume(Cursor(epoch or stage.epoch, seq))
        await stage.transport.until(lambda: stage.transport.taken)
        await stage.append(2)
        await stage.transport.until(lambda: stage.transport.last == 6)
    gap, *rest = stage.transport.taken
    assert (gap["type"], gap["payload"]["reason"], gap["payload"]["to_seq"]) == ("gap", reason, 4)
    assert gap["payload"]["epoch"] == stage.epoch
    assert rest[0].get("first_seq", rest[0]["seq"]) == 5
    assert "gap" not in {frame["type"] for frame in rest}


async def test_while_the_log_is_away_a_replay_waits_and_answers_still_go_out(log: SqliteLog) -> None:
    async with Stage(log) as stage:
        await stage.append(3)
        stage.gated.away = True
        stage.resume()
        await stage.connection.reply(Pong(), "1")
        await stage.transport.until(lambda: stage.transport.taken)
        assert stage.transport.events == []
        stage.gated.away = False
        await stage.until_all_taken()


async def test_an_answer_and_a_close_wait_for_no_long_replay(log: SqliteLog) -> None:
    async with Stage(log) as stage:
        for run in range(20):
            # What is of one run would come merged.
            await stage.append(run_id=str(run))
        stage.transport.allowance = 3
        stage.resume()
        await stage.transport.until(lambda: len(stage.transport.taken) == 3)
        # The fourth event is in the peer's hands already.
        await stage.connection.reply(Pong(), "1")
        await stage.transport.allow(2)
        await stage.transport.until(lambda: len(stage.transport.taken) == 5)
        assert [frame["type"] for frame in stage.transport.taken[3:]] == ["agent_message_delta", "pong"]
        stage.connection.close(4401, "the session has ended")
        await stage.transport.allow(float("inf"))
        async with asyncio.timeout(DEADLINE):
            await stage.connection.closed.wait()
        assert stage.transport.last == 5
        stage.check()


async def test_whoever_waits_to_answer_is_let_go_when_the_socket_ends(log: SqliteLog) -> None:
    async with Stage(log, stall_timeout=0.05) as stage:
        stage.transport.allowance = 0
        for _ in range(MAX_REPLIES + 1):
            stage.connection.tell(Pong())
        answering = asyncio.create_task(stage.connection.reply(Pong()))
        async with asyncio.timeout(DEADLINE):
            await stage.connection.closed.wait()
            await answering


async def test_whoever_answers_waits_when_too_many_answers_wait(log: SqliteLog) -> None:
    async def answer(connection: Connection) -> None:
        for number in range(3 * MAX_REPLIES):
            await connection.reply(Pong(), str(number))

    async with Stage(log) as stage:
        stage.transport.allowance = 0
        answering = asyncio.create_task(answer(stage.connection))
        for _ in range(5 * MAX_REPLIES):
            await asyncio.sleep(0)
        assert not answering.done()
        await stage.transport.allow(float("inf"))
        await answering
        await stage.transport.until(lambda: len(stage.transport.taken) == 3 * MAX_REPLIES)
    assert [frame["reply_to"] for frame in stage.transport.taken] == [str(n) for n in range(3 * MAX_REPLIES)]


steps = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 4)),
    st.tuples(st.just("append"), st.integers(1, 4)),
    st.tuples(st.just("allow"), st.integers(1, 6)),
    st.tuples(st.just("turns"), st.integers(1, 5)),
    st.tuples(st.sampled_from(["hold", "wake", "lose", "look", "resume", "compact", "shut", "open"]), st.just(0)),
    st.tuples(st.sampled_from(["hold", "wake", "lose", "look", "resume", "compact", "shut", "open"]), st.just(0)),
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(steps, max_size=25), queue_bytes=st.sampled_from([500, 1500, 64 * 1024]))
async def test_in_every_interleaving_each_event_comes_once_and_in_order(
    log: SqliteLog, history: list[tuple[str, int]], queue_bytes: int
) -> None:
    async with Stage(log, queue_bytes=queue_bytes) as stage:
        stage.transport.allowance = 0
        for step, count in history:
            match step:
                case "append":
                    await stage.append(count)
                case "allow":
                    await stage.transport.allow(count)
                case "turns":
                    for _ in range(count):
                        await asyncio.sleep(0)
                case "hold":
                    stage.hold()
                case "wake":
                    stage.wake()
                case "lose":
                    stage.lose()
                case "look":
                    await stage.look()
                case "compact":
                    await log.commit(stage.user_id, lambda tx: tx.compact_run("r"))
                case "shut":
                    stage.gated.gate.clear()
                case "open":
                    stage.gated.gate.set()
                case _:
                    if stage.connection.state is ConnectionState.AUTHENTICATED:
                        stage.resume()
            assert stage.connection.queued_bytes <= queue_bytes
            stage.check()
        if stage.connection.state is ConnectionState.AUTHENTICATED:
            stage.resume()
        stage.gated.gate.set()
        stage.lose()
        await stage.transport.allow(float("inf"))
        await stage.look()
        await stage.until_all_taken()
        assert "".join(event["payload"]["text"] for event in stage.transport.events) == stage.text
