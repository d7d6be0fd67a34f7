"""The units that begin and stop runs, on a real log: once under an id, within limits, and with every event."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.runs.earlier_turns import HistoryBudget
from netra_backend.app.runs.ledger import (
    NewRun,
    RunLimits,
    StartedRun,
    begin_run,
    create_thread,
    start_run,
    stop_runs,
)
from netra_backend.app.services.refusals import IdempotencyConflict, NotFound, QueueFull, ThreadBusy, TooManyThreads
from netra_backend.app.storage.runs import IllegalStep
from tests.contract.conftest import Place, new_place
from tests.contract.test_units import events_of

BUDGET = HistoryBudget(50, 1_000_000)
ROOMY = RunLimits(queued_runs=100, threads=100, history=BUDGET)
_numbers = itertools.count(1)


def message(thread_id: str | None, text: str = "hello", **more: Any) -> NewRun:
    """A message under an id of its own."""
    number = next(_numbers)
    plain = NewRun(
        run_id=f"run {number}",
        message_id=f"message {number}",
        thread_id=thread_id,
        text=text,
        client_message_id=f"client {number}",
        when_busy="reject",
        agent="a",
        model="m",
    )
    return replace(plain, **more)


async def begin(
    log: EventLog, user_id: str, new: NewRun, *, may_start: bool = True, limits: RunLimits = ROOMY
) -> StartedRun:
    return await log.commit(user_id, lambda tx: begin_run(tx, new, may_start=may_start, limits=limits))


async def told(log: EventLog, user_id: str, after: int = 0) -> list[tuple[str, str | None, Any]]:
    return [
        (event.type, event.run_id, msgspec.json.decode(event.payload)) for event in await events_of(log, user_id, after)
    ]


async def empty_thread(log: EventLog, place: Place, title: str = "t") -> str:
    return (await log.commit(place.user_id, lambda tx: create_thread(tx, title, 100))).id


async def test_message_run_and_events_are_one_unit(log: EventLog, place: Place) -> None:
    new = message(None, "Title line\nmore")
    started = await begin(log, place.user_id, new)
    assert (started.run_id, started.message_id, started.state, started.repeated) == (
        new.run_id,
        new.message_id,
        "running",
        False,
    )
    events = await told(log, place.user_id)
    assert [kind for kind, _, _ in events] == ["thread_created", "message_created", "agent_started"]
    created = events[1]
    assert created[1] is None
    assert (created[2]["run_id"], created[2]["run_state"], created[2]["client_message_id"]) == (
        new.run_id,
        "running",
        new.client_message_id,
    )
    assert events[2][1] == new.run_id
    run, said, thread = await log.view(
        place.user_id,
        lambda view: (
            view.runs.get(new.run_id),
            view.messages.get(new.message_id),
            view.threads.get(started.thread_id),
        ),
    )
    assert run is not None
    assert said is not None
    assert thread is not None
    assert (run.state, run.message_id, run.thread_id) == ("running", new.message_id, thread.id)
    assert (said.text, said.role, said.run_id, said.seq) == (new.text, "user", new.run_id, started.seq)
    assert started.seq == 2, "the number of its message_created"
    assert thread.title == "Title line"


async def test_the_same_message_again_does_nothing(log: EventLog, place: Place) -> None:
    new = message(None)
    first = await begin(log, place.user_id, new)
    before = await told(log, place.user_id)
    for again in (
        replace(new, run_id="other run", message_id="other message"),
        replace(new, run_id="other run", thread_id=first.thread_id),
        replace(new, run_id="other run", when_busy="queue"),
    ):
        repeated = await begin(log, place.user_id, again)
        assert repeated == replace(first, repeated=True)
    elsewhere = await empty_thread(log, place)
    for different in (
        replace(new, text="hello!"),
        replace(new, text="hello!", thread_id=first.thread_id),
        replace(new, thread_id=elsewhere),
    ):
        with pytest.raises(IdempotencyConflict):
            await begin(log, place.user_id, different)
    assert (await told(log, place.user_id))[: len(before)] == before
    assert len(await told(log, place.user_id)) == len(before) + 1, "the other thread, and nothing else"
    other = await new_place(log)
    theirs = await begin(log, other.user_id, replace(new, run_id="theirs", message_id="theirs"))
    assert not theirs.repeated, "ids are per user"


async def test_a_thread_works_on_one_run_at_a_time(log: EventLog, place: Place) -> None:
    thread_id = await empty_thread(log, place)
    first = await begin(log, place.user_id, message(thread_id))
    with pytest.raises(ThreadBusy):
        await begin(log, place.user_id, message(thread_id))
    waiting = await begin(log, place.user_id, message(thread_id, when_busy="queue"))
    assert (first.state, waiting.state) == ("running", "queued")
    last = await told(log, place.user_id, waiting.seq - 1)
    assert [(kind, payload["run_state"]) for kind, _, payload in last] == [("message_created", "queued")]
    newest = await begin(log, place.user_id, message(thread_id, when_busy="interrupt"))
    assert newest.stopped == (first.run_id, waiting.run_id)
    assert newest.state == "queued", "it starts after the end of what it stopped"
    after = await told(log, place.user_id, waiting.seq)
    assert [(kind, run_id) for kind, run_id, _ in after] == [
        ("agent_stopping", first.run_id),
        ("agent_stopped", waiting.run_id),
        ("message_created", None),
    ]


async def test_without_a_place_it_waits(log: EventLog, place: Place) -> None:
    started = await begin(log, place.user_id, message(None), may_start=False)
    assert started.state == "queued"
    await log.commit(place.user_id, lambda tx: start_run(tx, started.run_id, BUDGET))
    assert [kind for kind, _, _ in await told(log, place.user_id, started.seq)] == ["agent_started"]
    with pytest.raises(IllegalStep):
        await log.commit(place.user_id, lambda tx: start_run(tx, started.run_id, BUDGET))


async def test_so_many_wait_and_no_more(log: EventLog, place: Place) -> None:
    other = await new_place(log)
    limits = RunLimits(queued_runs=2, threads=100, history=BUDGET)
    for _ in range(2):
        await begin(log, place.user_id, message(None), may_start=False, limits=limits)
    head = len(await told(log, place.user_id))
    with pytest.raises(QueueFull):
        await begin(log, place.user_id, message(None), may_start=False, limits=limits)
    assert len(await told(log, place.user_id)) == head, "what is refused leaves nothing"
    assert (await begin(log, place.user_id, message(None), limits=limits)).state == "running"
    assert (await begin(log, other.user_id, message(None), may_start=False, limits=limits)).state == "queued"


async def test_so_many_threads_and_no_more(log: EventLog, place: Place) -> None:
    limits = RunLimits(queued_runs=100, threads=2, history=BUDGET)
    # The place has one.
    await begin(log, place.user_id, message(None), limits=limits)
    with pytest.raises(TooManyThreads):
        await begin(log, place.user_id, message(None), limits=limits)
    with pytest.raises(TooManyThreads):
        await log.commit(place.user_id, lambda tx: create_thread(tx, "t", 2))
    await log.commit(place.user_id, lambda tx: create_thread(tx, "t", 3))


async def test_what_was_said_brings_its_thread_to_the_front(log: EventLog, place: Place) -> None:
    older, newer = [await empty_thread(log, place, title) for title in ("older", "newer")]
    for age, thread_id in ((2, older), (1, newer)):
        await log.commit(place.user_id, lambda tx, age=age, thread_id=thread_id: tx.threads.touch(thread_id, 100 - age))
    await begin(log, place.user_id, message(older))
    newest = await log.view(place.user_id, lambda view: view.threads.newest(1))
    assert [thread.id for thread in newest] == [older]


async def test_a_thread_that_is_not_ones_own_is_not_there(log: EventLog, place: Place) -> None:
    mallory = await new_place(log)
    for thread_id in (place.thread_id, "no such thread"):
        with pytest.raises(NotFound):
            await begin(log, mallory.user_id, message(thread_id))


async def test_a_stop_has_one_outcome_for_each_run(log: EventLog, place: Place) -> None:
    threads = [await empty_thread(log, place) for _ in range(3)]
    working = await begin(log, place.user_id, message(threads[0]))
    waiting = await begin(log, place.user_id, message(threads[1]), may_start=False)
    over = await begin(log, place.user_id, message(threads[2]))
    await log.commit(place.user_id, lambda tx: tx.runs.finish(over.run_id, "completed", now=1, terminal_seq=over.seq))
    ids = [working.run_id, waiting.run_id, over.run_id]
    head = len(await told(log, place.user_id))

    def stop(tx: Any) -> Any:
        return stop_runs(tx, [tx.runs.get(run_id) for run_id in ids], reason="why", requested_by="user")

    first = await log.commit(place.user_id, stop)
    assert [(each.run_id, each.outcome) for each in first] == [
        (working.run_id, "stopping"),
        (waiting.run_id, "stopping"),
        (over.run_id, "already_finished"),
    ]
    assert first[2].seq == over.seq
    assert [(kind, run_id) for kind, run_id, _ in await told(log, place.user_id, head)] == [
        ("agent_stopping", working.run_id),
        ("agent_stopped", waiting.run_id),
    ]
    again = await log.commit(place.user_id, stop)
    assert [each.outcome for each in again] == ["stopping", "already_finished", "already_finished"]
    assert again[1].seq == head + 2
    assert len(await told(log, place.user_id)) == head + 2, "a second stop records nothing"
