"""Units: kept whole or not at all, alone inside a batch, in the order of `commit`, and once under their key."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from netra_backend.app.event_log.log import Committed, Cursor, EventLog
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.events import AgentMessageDelta, Event, Gap
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.runs import IllegalStep
from tests.contract.conftest import Engine, Place, held, new_place


class Refused(Exception):
    """A unit says no."""


async def events_of(log: EventLog, user_id: str, after: int = 0) -> list[Event]:
    """What is in the log, looked at without a unit: one that writes might mend what is looked for."""
    head = await log.view(user_id, lambda view: view.head())
    if head is None:
        return []
    page = await log.read(user_id, Cursor(head.epoch, after), 10_000)
    assert not isinstance(page, Gap)
    return list(page.events)


async def text_of(log: EventLog, user_id: str) -> str:
    return "".join(msgspec.json.decode(event.payload)["text"] for event in await events_of(log, user_id))


def say(tx: UserTransaction, text: str) -> int:
    return tx.append(AgentMessageDelta(text=text), run_id="r")


async def test_a_unit_that_raises_leaves_neither_rows_nor_events(log: EventLog, place: Place) -> None:
    def unit(tx: UserTransaction) -> None:
        tx.threads.rename(place.thread_id, "changed")
        say(tx, "lost")
        raise Refused

    with pytest.raises(Refused):
        await log.commit(place.user_id, unit)
    assert await events_of(log, place.user_id) == []
    thread = await log.view(place.user_id, lambda view: view.threads.get(place.thread_id))
    assert thread is not None
    assert thread.title == "talk"
    # The number was never given: the next event takes it.
    assert await log.commit(place.user_id, lambda tx: say(tx, "kept")) == 1


async def test_in_a_batch_a_unit_fails_alone(log: EventLog, place: Place) -> None:
    def broken(tx: UserTransaction) -> None:
        tx.threads.rename(place.thread_id, "changed")
        say(tx, "lost")
        raise Refused

    def defective(tx: UserTransaction) -> None:
        say(tx, "lost")
        # The same run again: the database refuses the statement.
        tx.runs.create(run_id=place.run_id, thread_id=place.thread_id, message_id="m", agent="a", model="m", now=1)

    heard: list[Committed] = []
    log.listen(heard.append)
    with held(log) as release:
        futures = [
            log.commit(place.user_id, {1: broken, 2: defective}.get(number % 4, lambda tx, n=number: say(tx, f"{n} ")))
            for number in range(20)
        ]
        release()
        results = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(result) for result in results[:4]] == [int, Refused, IntegrityError, int]
    assert [result for result in results if isinstance(result, int)] == list(range(1, 11))
    assert await text_of(log, place.user_id) == "".join(f"{n} " for n in range(20) if n % 4 in (0, 3))
    thread = await log.view(place.user_id, lambda view: view.threads.get(place.thread_id))
    assert thread is not None
    assert thread.title == "talk"
    told = [event.seq for committed in heard for event in committed.events]
    assert told == list(range(1, 11)), "a wake-up tells of what is kept, and of nothing else"


async def test_units_are_kept_in_the_order_of_commit_awaited_or_not(log: EventLog) -> None:
    heard: list[tuple[str, int]] = []
    log.listen(lambda committed: heard.extend((committed.user_id, event.seq) for event in committed.events))
    asked = [("alice", "bob", "carol")[number * number % 3] for number in range(600)]
    with held(log) as release:
        futures = [log.commit(user_id, lambda tx, n=n: say(tx, f"{n} ")) for n, user_id in enumerate(asked)]
        release()
        seqs = await asyncio.gather(*futures)
    assert heard == list(zip(asked, seqs, strict=True))
    for user_id in set(asked):
        expected = "".join(f"{n} " for n, of in enumerate(asked) if of == user_id)
        assert await text_of(log, user_id) == expected


async def test_a_unit_moves_no_log_but_its_own(log: EventLog) -> None:
    for user_id in ("alice", "bob", "alice", "alice"):
        await log.commit(user_id, lambda tx: say(tx, "x"))
    heads = {user_id: await log.view(user_id, lambda view: view.head()) for user_id in ("alice", "bob")}
    assert [(head.seq, head.floor) for head in heads.values() if head is not None] == [(3, 0), (1, 0)]


async def test_a_unit_whose_waiting_task_is_cancelled_is_carried_out_all_the_same(log: EventLog) -> None:
    async def wait() -> None:
        await log.commit("u", lambda tx: say(tx, "kept "))

    with held(log) as release:
        waiting = [asyncio.create_task(wait()) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        last = log.commit("u", lambda tx: say(tx, "last"))
        release()
        assert await last == 6
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(end, asyncio.CancelledError) for end in ends] == [True, False, True, False, True]
    assert await text_of(log, "u") == "kept " * 5 + "last"


async def test_a_wake_up_comes_after_the_commit(log: EventLog) -> None:
    seen: list[asyncio.Task[list[Event]]] = []

    def look(committed: Committed) -> None:
        seen.append(asyncio.create_task(events_of(log, committed.user_id, committed.events[0].seq - 1)))

    unlisten = log.listen(look)
    for number in range(5):
        await log.commit("u", lambda tx, number=number: say(tx, str(number)))
    unlisten()
    for number, task in enumerate(seen, start=1):
        assert (await task)[0].first == number, "what a wake-up tells of can be read"
    assert len(seen) == 5


async def test_a_unit_that_comes_again_under_its_key_does_nothing(log: EventLog, place: Place) -> None:
    def unit(tx: UserTransaction) -> bool:
        new = tx.runs.advance(place.run_id, 1)
        if new:
            say(tx, "once")
        return new

    with held(log) as release:
        futures = [log.commit(place.user_id, unit) for _ in range(3)]
        release()
        assert await asyncio.gather(*futures) == [True, False, False]
    assert await log.commit(place.user_id, unit) is False
    assert await text_of(log, place.user_id) == "once"
    with pytest.raises(IllegalStep):
        await log.commit(place.user_id, lambda tx: tx.runs.advance(place.run_id, 3))
    assert await log.commit(place.user_id, lambda tx: tx.runs.advance(place.run_id, 2)) is True


async def test_a_run_is_not_reached_by_another_users_unit(log: EventLog, place: Place) -> None:
    mallory = await new_place(log)
    with pytest.raises(LookupError):
        await log.commit(mallory.user_id, lambda tx: tx.runs.advance(place.run_id, 1))
    assert not await log.commit(mallory.user_id, lambda tx: tx.runs.request_stop(place.run_id, 1, "no", "user"))
    run = await log.view(place.user_id, lambda view: view.runs.get(place.run_id))
    assert run is not None
    assert (run.last_unit, run.stop_requested_at) == (0, None)


async def test_a_full_disk_is_named_keeps_nothing_and_is_forgotten_when_there_is_room(
    engine: Engine, log: EventLog, place: Place
) -> None:
    heard: list[Committed] = []
    log.listen(heard.append)
    await log.commit(place.user_id, lambda tx: say(tx, "before "))
    await engine.fill_disk(log)

    def large(tx: UserTransaction) -> None:
        tx.runs.advance(place.run_id, 1)
        tx.append(AgentMessageDelta(text="lost" * 100_000))

    with held(log) as release:
        # One batch: a transaction that fails takes the small unit with it, and both hear of it.
        futures = [log.commit(place.user_id, lambda tx: say(tx, "small")), log.commit(place.user_id, large)]
        release()
        ends = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(end) for end in ends] == [LogUnavailable, LogUnavailable]
    assert not log.state.available
    assert "full" in (log.state.reason or "")
    assert await text_of(log, place.user_id) == "before "
    assert len(heard) == 1

    await engine.free_disk(log)
    assert log.state.available
    # The same unit under the same key: it was not kept, so it is now.
    await log.commit(place.user_id, large)
    assert [event.seq for event in await events_of(log, place.user_id)] == [1, 2]
    assert len(heard) == 2


async def test_trimming_never_touches_an_open_run_nor_what_follows_its_start(log: EventLog, place: Place) -> None:
    def tell(tx: UserTransaction, run_id: str) -> None:
        tx.append(AgentMessageDelta(text="x"), run_id=run_id, thread_id=place.thread_id)

    for run_id in ("old", "old", place.run_id, "later", "later"):
        await log.commit(place.user_id, lambda tx, run_id=run_id: tell(tx, run_id))
    assert await log.commit(place.user_id, lambda tx: tx.trim(0, tx.now + 1)) == 2
    assert [event.first for event in await events_of(log, place.user_id, 2)] == [3, 4]
    await log.commit(place.user_id, lambda tx: tx.runs.finish(place.run_id, "stopped", now=1, terminal_seq=3))
    assert await log.commit(place.user_id, lambda tx: tx.trim(1, tx.now + 1)) == 4
    assert await log.commit(place.user_id, lambda tx: tx.trim(0, tx.now - 60_000)) == 4, "too young to go"


async def test_what_was_submitted_before_the_end_is_kept_and_nothing_is_taken_after_it(engine: Engine) -> None:
    log = await engine.open()
    with held(log) as release:
        futures = [log.commit("u", lambda tx: say(tx, "x")) for _ in range(300)]
        closing = asyncio.create_task(log.close())
        await asyncio.sleep(0)
        release()
        assert await asyncio.gather(*futures) == list(range(1, 301))
    await closing
    with pytest.raises(LogUnavailable):
        await log.commit("u", lambda tx: say(tx, "late"))
    again = await engine.open()
    assert len(await text_of(again, "u")) == 300
    await again.close()
