"""What many runs say at once is kept as if each had been a unit of its own."""

from __future__ import annotations

import asyncio

import pytest

from netra_backend.app.event_log.log import Committed, EventLog
from netra_backend.app.event_log.run_appends import RunAppend
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.events import AgentMessageDelta
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.runs import IllegalStep
from tests.contract.conftest import Engine, Place, held, new_place
from tests.contract.test_units import events_of, say, text_of


def said(place: Place, number: int, *texts: str) -> RunAppend:
    events = [AgentMessageDelta(text=text) for text in texts]
    return RunAppend(place.user_id, place.thread_id, place.run_id, number, events)


async def begun(log: EventLog, count: int) -> list[Place]:
    """Places whose logs hold one event already."""
    places = [await new_place(log) for _ in range(count)]
    for place in places:
        await log.commit(place.user_id, lambda tx: say(tx, "0"))
    return places


async def second_run(log: EventLog, place: Place) -> Place:
    """Another run of the same user that works."""
    run_id = f"second of {place.run_id}"

    def begin(tx: UserTransaction) -> None:
        tx.runs.create(run_id=run_id, thread_id=place.thread_id, message_id="m", agent="a", model="m", now=tx.now)
        tx.runs.start(run_id, tx.now)

    await log.commit(place.user_id, begin)
    return Place(place.user_id, place.thread_id, run_id)


async def together(log: EventLog, *appends: RunAppend) -> list[object]:
    """Keep them in one batch."""
    with held(log) as release:
        futures = [log.append(append) for append in appends]
        release()
        return list(await asyncio.gather(*futures, return_exceptions=True))


async def test_each_user_gets_what_its_own_run_said(log: EventLog) -> None:
    places = await begun(log, 20)
    told: list[Committed] = []
    unlisten = log.listen(told.append)
    for number in (1, 2, 3):
        assert await together(log, *(said(p, number, f"{number}a", f"{number}b") for p in places)) == [None] * 20
    unlisten()
    for place in places:
        assert await text_of(log, place.user_id) == "01a1b2a2b3a3b"
        mine = [event for batch in told if batch.user_id == place.user_id for event in batch.events]
        assert [event.seq for event in mine] == [2, 3, 4, 5, 6, 7]
        assert {(event.run_id, event.thread_id) for event in mine} == {(place.run_id, place.thread_id)}


async def test_they_are_kept_together(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_itself(tx: UserTransaction, append: RunAppend) -> None:
        raise AssertionError("a unit was kept by itself")

    monkeypatch.setattr("netra_backend.app.event_log.writer.keep_one", by_itself)
    places = await begun(log, 5)
    assert await together(log, *(said(place, 1, "a") for place in places)) == [None] * 5
    await log.append(said(places[0], 2, "b"))
    assert await text_of(log, places[0].user_id) == "0ab"
    # Also where two runs of one user are among them.
    second = await second_run(log, places[0])
    assert (
        await together(log, said(places[0], 3, "c", "d"), said(places[1], 2, "b"), said(second, 1, "x", "y"))
        == [None] * 3
    )
    events = await events_of(log, places[0].user_id, 3)
    assert [(event.first, event.seq, event.run_id) for event in events] == [
        (4, 5, places[0].run_id),
        (6, 7, second.run_id),
    ]


async def test_one_that_lost_its_run_fails_alone(log: EventLog) -> None:
    first, lost, last = await begun(log, 3)
    await log.commit(lost.user_id, lambda tx: tx.runs.finish(lost.run_id, "failed", now=1, terminal_seq=1))
    kept, refused, other = await together(log, said(first, 1, "a"), said(lost, 1, "b"), said(last, 1, "c"))
    assert (kept, other) == (None, None)
    assert isinstance(refused, IllegalStep)
    assert [await text_of(log, place.user_id) for place in (first, lost, last)] == ["0a", "0", "0c"]


async def test_what_cannot_be_written_fails_alone(log: EventLog) -> None:
    first, broken, last = await begun(log, 3)
    results = await together(log, said(first, 1, "a"), said(broken, 1, "\ud83d"), said(last, 1, "c"))
    assert isinstance(results[1], UnicodeEncodeError)
    assert [await text_of(log, place.user_id) for place in (first, broken, last)] == ["0a", "0", "0c"]
    await log.append(said(broken, 1, "b"))
    assert await text_of(log, broken.user_id) == "0b"


async def test_once_under_its_key(log: EventLog) -> None:
    place, other = await begun(log, 2)
    append = said(place, 1, "once")
    assert await together(log, append, said(other, 1, "x"), append, append) == [None] * 4
    await log.append(append)
    assert await text_of(log, place.user_id) == "0once"
    with pytest.raises(IllegalStep):
        await log.append(said(place, 3, "too early"))
    await log.append(said(place, 2, "!"))
    assert await text_of(log, place.user_id) == "0once!"


async def test_not_of_another_users_run(log: EventLog) -> None:
    place, mallory = await begun(log, 2)
    foreign = RunAppend(mallory.user_id, place.thread_id, place.run_id, 1, [AgentMessageDelta(text="mine")])
    results = await together(log, foreign, said(place, 1, "a"))
    assert isinstance(results[0], LookupError)
    assert await text_of(log, mallory.user_id) == "0"
    assert await text_of(log, place.user_id) == "0a"


async def test_in_a_log_that_has_not_begun(log: EventLog) -> None:
    place = await new_place(log)
    await log.append(said(place, 1, "a"))
    assert [event.seq for event in await events_of(log, place.user_id)] == [1]


async def test_among_other_units_in_their_order(log: EventLog) -> None:
    place, other = await begun(log, 2)

    def refused(tx: UserTransaction) -> None:
        say(tx, "lost")
        raise ValueError

    with held(log) as release:
        units = [
            log.append(said(place, 1, "1")),
            log.append(said(other, 1, "x")),
            log.commit(place.user_id, lambda tx: say(tx, "2")),
            log.append(said(place, 2, "3")),
            log.commit(place.user_id, refused),
            log.append(said(place, 3, "4")),
            log.append(said(place, 4, "5")),
        ]
        release()
        await asyncio.gather(*units, return_exceptions=True)
    assert await text_of(log, place.user_id) == "012345"
    assert [event.seq for event in await events_of(log, place.user_id, 3)][-1] == 6
    assert await text_of(log, other.user_id) == "0x"


async def test_a_batch_that_was_lost_leaves_no_hole(engine: Engine, log: EventLog) -> None:
    place, other = await begun(log, 2)
    await together(log, said(place, 1, "a"), said(other, 1, "a"))
    await engine.fill_disk(log)
    big = "x" * 100_000
    results = await together(log, said(place, 2, big), said(other, 2, big))
    assert all(isinstance(result, LogUnavailable) for result in results)
    await engine.free_disk(log)
    await together(log, said(place, 2, "b"), said(other, 2, "b"))
    for one in (place, other):
        assert await text_of(log, one.user_id) == "0ab"
        assert (await events_of(log, one.user_id, 2))[0].seq == 3
