"""Numbers have no hole and no overlap, whatever moved a log: units, what runs say together, and what was lost.

Nothing here writes between what is tried and what is looked at: a helper that writes would mend what it looks for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra_backend.app.event_log.log import Cursor, EventLog
from netra_backend.app.event_log.run_appends import RunAppend
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.events import AgentMessageDelta, Event, Gap
from netra_backend.app.storage.errors import LogUnavailable
from tests.contract.conftest import Engine, Place, held, new_place

LARGE = "x" * 4_000_000


async def told(log: EventLog, user_id: str) -> list[Event]:
    """Every event there is, read without a unit."""
    head = await log.view(user_id, lambda view: view.head())
    if head is None:
        return []
    events: list[Event] = []
    while True:
        page = await log.read(user_id, Cursor(head.epoch, events[-1].seq if events else 0), 200)
        assert not isinstance(page, Gap)
        assert page.head == head.seq
        if not page.events:
            return events
        events += page.events


class Refused(Exception):
    """A unit says no."""


@dataclass
class Talker:
    """A user whose one run says things; `said` is what was kept, number by number."""

    place: Place
    said: list[str] = field(default_factory=list[str])
    unit: int = 0

    def append(self, texts: list[str]) -> RunAppend:
        """The run's next unit."""
        events = [AgentMessageDelta(text=text) for text in texts]
        return RunAppend(self.place.user_id, self.place.thread_id, self.place.run_id, self.unit + 1, events)

    def kept(self, texts: list[str]) -> None:
        self.unit += 1
        self.said += texts

    def say(self, tx: UserTransaction, texts: list[str]) -> None:
        for text in texts:
            tx.append(AgentMessageDelta(text=text), thread_id=self.place.thread_id, run_id=self.place.run_id)

    async def check(self, log: EventLog) -> None:
        seq = 0
        for event in await told(log, self.place.user_id):
            assert event.first == seq + 1, "ranges tile"
            seq = event.seq
        assert seq == len(self.said), "the head is the last number, and every number has its event"
        records = await log.view(self.place.user_id, lambda view: view.of_run(self.place.run_id))
        assert "".join(record.text for record in records) == "".join(self.said)


async def talkers(log: EventLog, count: int) -> list[Talker]:
    """Users whose logs hold one event."""
    found = [Talker(await new_place(log)) for _ in range(count)]
    for one in found:
        await log.commit(one.place.user_id, lambda tx, one=one: one.say(tx, ["0"]))
        one.said.append("0")
    return found


async def together(log: EventLog, *appends: RunAppend) -> None:
    with held(log) as release:
        futures = [log.append(append) for append in appends]
        release()
        await asyncio.gather(*futures)


async def lose(engine: Engine, log: EventLog, appends: list[RunAppend], user_id: str) -> None:
    """Have these appends in a batch that another unit's full disk takes with it."""
    with held(log) as release:
        await_all = [log.write(engine.leave_a_little_room), *(log.append(append) for append in appends)]
        lost = log.commit(user_id, lambda tx: tx.append(AgentMessageDelta(text=LARGE)))
        release()
        ends = await asyncio.gather(*await_all, lost, return_exceptions=True)
    assert [type(end) for end in ends] == [LogUnavailable] * len(ends)


async def test_what_was_lost_with_its_batch_leaves_no_hole(engine: Engine, log: EventLog) -> None:
    """The writer kept heads in memory; those of a transaction that was lost made the next numbers jump."""
    first, second = await talkers(log, 2)
    await together(log, first.append(["1"]), second.append(["1"]))
    first.kept(["1"])
    second.kept(["1"])
    await lose(engine, log, [first.append(["lost", "lost"]), second.append(["lost"])], first.place.user_id)
    await together(log, first.append(["2"]), second.append(["2"]))
    first.kept(["2"])
    second.kept(["2"])
    for one in (first, second):
        await one.check(log)


async def test_what_a_unit_added_meanwhile_is_not_written_over(log: EventLog) -> None:
    """The same memory, kept after a unit: the unit's events were merged into one record, so their numbers seemed
    free, and the run wrote them again."""
    (one,) = await talkers(log, 1)
    await together(log, one.append(["1"]))
    one.kept(["1"])

    def unit(tx: UserTransaction) -> None:
        one.say(tx, ["2", "3", "4"])

    await log.commit(one.place.user_id, unit)
    await log.commit(one.place.user_id, lambda tx: tx.compact_run(one.place.run_id))
    one.said += ["2", "3", "4"]
    await together(log, one.append(["5"]))
    one.kept(["5"])
    await one.check(log)


@dataclass(frozen=True)
class Together:
    """What runs say, in one batch: who, and how many events."""

    parts: list[tuple[int, int]]
    lost: bool = False


@dataclass(frozen=True)
class Unit:
    """A unit of one user: how many events, whether it merges, and whether it says no."""

    who: int
    events: int
    merges: bool
    refused: bool


@dataclass(frozen=True)
class Other:
    """A change of rows that belong to no log."""


who = st.integers(0, 2)
parts = st.lists(st.tuples(who, st.integers(1, 3)), min_size=1, max_size=3, unique_by=lambda part: part[0])
steps = st.one_of(
    st.builds(Together, parts),
    st.builds(Together, parts, st.just(True)),
    st.builds(Unit, who, st.integers(0, 3), st.booleans(), st.booleans()),
    st.builds(Other),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(steps, min_size=2, max_size=10))
async def test_numbers_tile_whatever_comes_after_whatever(
    engine: Engine, log: EventLog, history: list[Together | Unit | Other]
) -> None:
    everybody = await talkers(log, 3)
    for step in history:
        match step:
            case Together(parts, lost):
                said = [(everybody[who], [f"{who}"] * count) for who, count in parts]
                appends = [one.append(texts) for one, texts in said]
                if lost:
                    await lose(engine, log, appends, everybody[0].place.user_id)
                else:
                    await together(log, *appends)
                    for one, texts in said:
                        one.kept(texts)
            case Unit(who, events, merges, refused):
                one, texts = everybody[who], ["u"] * events

                def unit(
                    tx: UserTransaction,
                    one: Talker = one,
                    texts: list[str] = texts,
                    merges: bool = merges,
                    refused: bool = refused,
                ) -> None:
                    if merges:
                        tx.compact_run(one.place.run_id)
                    one.say(tx, texts)
                    if refused:
                        raise Refused

                if refused:
                    with pytest.raises(Refused):
                        await log.commit(one.place.user_id, unit)
                else:
                    await log.commit(one.place.user_id, unit)
                    one.said += texts
            case Other():
                await log.write(lambda rows: rows.exec_driver_sql("SELECT 1").scalar())
    for one in everybody:
        await one.check(log)
