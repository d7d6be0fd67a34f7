"""Whatever was done to a log, reading from any cursor gives exactly what remains after it, and ranges tile."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra_backend.app.event_log.log import Cursor, EventLog
from netra_backend.app.event_log.user_log import MERGED_CHARS, PAGE_BYTES, UserTransaction
from netra_backend.app.protocol.events import (
    AgentMessageDelta,
    AgentStopping,
    AgentThinking,
    Erased,
    Event,
    EventPayload,
    Gap,
)

Kind = Literal["text", "thinking", "other"]
TYPES: dict[Kind, str] = {"text": "agent_message_delta", "thinking": "agent_thinking", "other": "agent_stopping"}
FIELDS = {"agent_message_delta": "text", "agent_thinking": "reasoning", "agent_stopping": "reason"}


class Refused(Exception):
    """A unit says no."""


@dataclass(frozen=True)
class Append:
    events: list[tuple[Kind, int, str]]
    refused: bool = False


@dataclass(frozen=True)
class Compact:
    run: int


@dataclass(frozen=True)
class EraseThread:
    thread: int


@dataclass(frozen=True)
class Trim:
    keep: int


Op = Append | Compact | EraseThread | Trim
texts = st.text(alphabet='aé€😀"\\\n', min_size=1, max_size=4)
kinds = st.sampled_from(["text", "text", "thinking", "other"])
appended = st.lists(st.tuples(kinds, st.integers(0, 2), texts), max_size=6)
appends = st.builds(Append, appended, st.sampled_from([False, False, False, True]))
ops = st.one_of(
    appends,
    appends,
    appends,
    st.builds(Compact, st.integers(0, 2)),
    st.builds(EraseThread, st.integers(0, 1)),
    st.builds(Trim, st.integers(0, 12)),
)


@dataclass
class Remembered:
    """What one number stands for. `text` None: erased."""

    type: str
    run_id: str
    thread_id: str
    text: str | None


@dataclass
class Model:
    """The log as a list: number n is at n - 1."""

    user_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    numbers: list[Remembered] = field(default_factory=list[Remembered])
    floor: int = 0

    async def carry_out(self, log: EventLog, op: Op) -> None:
        match op:
            case Append():
                await self._append(log, op)
            case Compact(run):
                await log.commit(self.user_id, lambda tx: tx.compact_run(f"r{run}"))
            case EraseThread(thread):
                await log.commit(self.user_id, lambda tx: tx.erase_thread(f"t{thread}"))
                for each in self.numbers:
                    if each.thread_id == f"t{thread}":
                        each.text = None
            case Trim(keep):
                floor = await log.commit(self.user_id, lambda tx: tx.trim(keep, tx.now + 1))
                assert self.floor <= floor <= max(self.floor, len(self.numbers) - keep)
                self.floor = floor

    async def _append(self, log: EventLog, op: Append) -> None:
        def unit(tx: UserTransaction) -> list[int]:
            seqs = [
                tx.append(payload_of(kind, text), thread_id=f"t{run % 2}", run_id=f"r{run}")
                for kind, run, text in op.events
            ]
            if op.refused:
                raise Refused
            return seqs

        if op.refused:
            with pytest.raises(Refused):
                await log.commit(self.user_id, unit)
            return
        seqs = await log.commit(self.user_id, unit)
        start = len(self.numbers) + 1
        assert seqs == list(range(start, start + len(op.events))), "numbers have no holes"
        self.numbers += [Remembered(TYPES[kind], f"r{run}", f"t{run % 2}", text) for kind, run, text in op.events]

    async def check_from(self, log: EventLog, epoch: str, after: int, limit: int) -> None:
        """Read on from `after` to the head."""
        seq = after
        while True:
            page = await log.read(self.user_id, Cursor(epoch, seq), limit)
            assert not isinstance(page, Gap), page
            assert page.head == len(self.numbers)
            assert len(page.events) <= limit
            for event in page.events:
                assert event.first == seq + 1, "ranges tile, from the cursor on"
                assert event.epoch == epoch
                self._check(event)
                seq = event.seq
            if not page.events:
                break
        assert seq == len(self.numbers)

    def _check(self, event: Event) -> None:
        stands_for = self.numbers[event.first - 1 : event.seq]
        if event.type == "erased":
            assert all(each.text is None for each in stands_for)
            assert (event.thread_id, event.run_id, bytes(event.payload)) == (None, None, b"{}")
            return
        payload = msgspec.json.decode(event.payload)
        assert payload[FIELDS[event.type]] == "".join(each.text or "" for each in stands_for)
        for each in stands_for:
            assert each.text is not None, "what was erased is told"
            assert (each.type, each.run_id, each.thread_id) == (event.type, event.run_id, event.thread_id)
        if event.type == "agent_stopping":
            assert len(stands_for) == 1


def payload_of(kind: Kind, text: str) -> EventPayload:
    match kind:
        case "text":
            return AgentMessageDelta(text=text)
        case "thinking":
            return AgentThinking(reasoning=text)
        case "other":
            return AgentStopping(reason=text, requested_by="user")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(ops, min_size=1, max_size=14), limit=st.sampled_from([1, 2, 7, 200]))
async def test_reading_from_any_cursor_gives_exactly_what_remains(log: EventLog, history: list[Op], limit: int) -> None:
    model = Model()
    epoch = (await log.commit(model.user_id, lambda tx: tx.open_log())).epoch
    for op in history:
        await model.carry_out(log, op)
        # What was read before an operation is a cursor after it.
        await model.check_from(log, epoch, max(model.floor, len(model.numbers) - 3), limit)
    for after in range(model.floor, len(model.numbers) + 1):
        await model.check_from(log, epoch, after, limit)
    if model.floor:
        gap = await log.read(model.user_id, Cursor(epoch, model.floor - 1), limit)
        assert gap == Gap(reason="retention", from_seq=model.floor, to_seq=len(model.numbers), epoch=epoch)


async def test_a_cursor_inside_a_merged_record_gets_the_rest_of_it(log: EventLog) -> None:
    parts = ["one ", "zwei ", "trois ", "😀 "]
    for part in parts:
        await log.commit("u", lambda tx, part=part: tx.append(AgentMessageDelta(text=part), run_id="r"))
    assert await log.commit("u", lambda tx: tx.compact_run("r")) == 3
    epoch = (await log.commit("u", lambda tx: tx.open_log())).epoch
    for after in range(4):
        page = await log.read("u", Cursor(epoch, after), 10)
        assert not isinstance(page, Gap)
        (event,) = page.events
        assert (event.first, event.seq) == (after + 1, 4)
        assert msgspec.json.decode(event.payload) == {"text": "".join(parts[after:])}


async def test_a_record_that_is_merged_again_keeps_the_parts_it_had(log: EventLog) -> None:
    """Numbers 1 to 4 were merged, then 5 and 6 came: a cursor anywhere inside still gets exactly the rest."""
    parts = ["one ", "zwei ", "trois ", "😀 ", "five ", "sechs "]
    for number, part in enumerate(parts):
        await log.commit("u", lambda tx, part=part: tx.append(AgentMessageDelta(text=part), run_id="r"))
        if number in {1, 3, 5}:
            await log.commit("u", lambda tx: tx.compact_run("r"))
    epoch = (await log.commit("u", lambda tx: tx.open_log())).epoch
    for after in range(6):
        page = await log.read("u", Cursor(epoch, after), 10)
        assert not isinstance(page, Gap)
        (event,) = page.events
        assert (event.first, event.seq) == (after + 1, 6)
        assert msgspec.json.decode(event.payload) == {"text": "".join(parts[after:])}
    assert await log.commit("u", lambda tx: tx.trim(0, tx.now + 1)) == 6, "a merged record goes as a whole"
    assert await log.query(lambda rows: rows.exec_driver_sql("SELECT count(*) FROM events").scalar_one()) == 0


async def test_a_page_ends_by_size_too(log: EventLog) -> None:
    large = "x" * (PAGE_BYTES // 3)
    for _ in range(10):
        await log.commit("u", lambda tx: tx.append(AgentStopping(reason=large, requested_by="x")))
    epoch = (await log.commit("u", lambda tx: tx.open_log())).epoch
    seq, pages = 0, 0
    while True:
        page = await log.read("u", Cursor(epoch, seq), 200)
        assert not isinstance(page, Gap)
        if not page.events:
            break
        assert sum(len(bytes(event.payload)) for event in page.events) <= PAGE_BYTES + len(large) + 100
        seq, pages = page.events[-1].seq, pages + 1
    assert (seq, pages > 2) == (10, True)


async def test_the_events_of_a_thread_come_in_pages_and_once(log: EventLog) -> None:
    for number in range(6):
        await log.commit(
            "u",
            lambda tx, number=number: tx.append(
                AgentStopping(reason=str(number), requested_by="x"), thread_id=f"t{number % 2}"
            ),
        )
    seqs: list[int] = []
    after = 0
    while page := await log.view("u", lambda view, after=after: view.of_thread("t0", after, 2)):
        seqs += [record.seq for record in page]
        after = seqs[-1]
    assert seqs == [1, 3, 5]


async def test_what_is_done_to_one_log_leaves_the_others_as_they_are(log: EventLog) -> None:
    """Two logs with the same numbers, runs and threads: only the owner's are merged, erased and trimmed."""

    async def stored(user_id: str) -> list[tuple[object, ...]]:
        rows = await log.query(
            lambda rows: [
                *rows.exec_driver_sql("SELECT * FROM events WHERE user_id = ?", (user_id,)).all(),
                *rows.exec_driver_sql("SELECT * FROM heads WHERE user_id = ?", (user_id,)).all(),
            ]
        )
        return [tuple(row) for row in rows]

    for user_id in ("alice", "bob"):
        for number in range(6):
            await log.commit(
                user_id,
                lambda tx, number=number: tx.append(
                    AgentMessageDelta(text=str(number)), run_id=f"r{number // 3}", thread_id=f"t{number // 3}"
                ),
            )
    before = await stored("bob")
    for act in (
        lambda tx: tx.compact_run("r0"),
        lambda tx: tx.erase_thread("t1"),
        lambda tx: tx.trim(2, tx.now + 1),
        lambda tx: tx.trim(0, tx.now + 1),
    ):
        await log.commit("alice", act)
        assert await stored("bob") == before
    assert len(await stored("alice")) == 1


async def test_interleaved_runs_are_not_merged_across_each_other(log: EventLog) -> None:
    for number in range(6):
        await log.commit(
            "u", lambda tx, number=number: tx.append(AgentMessageDelta(text=str(number)), run_id=f"r{number % 2}")
        )
    await log.commit("u", lambda tx: (tx.compact_run("r0"), tx.compact_run("r1")))
    epoch = (await log.commit("u", lambda tx: tx.open_log())).epoch
    page = await log.read("u", Cursor(epoch, 0), 10)
    assert not isinstance(page, Gap)
    assert [(event.first, event.seq, event.run_id) for event in page.events] == [
        (number, number, f"r{(number - 1) % 2}") for number in range(1, 7)
    ]


async def test_a_merged_event_stays_small(log: EventLog) -> None:
    piece = "x" * 9_000
    for _ in range(12):
        await log.commit("u", lambda tx: tx.append(AgentMessageDelta(text=piece), run_id="r"))
    epoch = (await log.commit("u", lambda tx: tx.open_log())).epoch
    for compacted in (False, True):
        if compacted:
            await log.commit("u", lambda tx: tx.compact_run("r"))
        page = await log.read("u", Cursor(epoch, 0), 100)
        assert not isinstance(page, Gap)
        assert 1 < len(page.events) < 12
        assert all(len(bytes(event.payload)) <= MERGED_CHARS for event in page.events)


async def test_erased_events_hold_nothing_of_their_thread(log: EventLog) -> None:
    for run in ("r1", "r2"):
        await log.commit(
            "u", lambda tx, run=run: tx.append(AgentMessageDelta(text=f"secret {run}"), thread_id="t", run_id=run)
        )
    await log.commit("u", lambda tx: tx.append(AgentMessageDelta(text="kept"), thread_id="other", run_id="r3"))
    await log.commit("u", lambda tx: tx.append(AgentStopping(reason="secret", requested_by="x"), thread_id="t"))
    await log.commit("u", lambda tx: tx.erase_thread("t"))
    epoch = (await log.commit("u", lambda tx: tx.open_log())).epoch
    page = await log.read("u", Cursor(epoch, 0), 10)
    assert not isinstance(page, Gap)
    assert [(event.type, event.first, event.seq) for event in page.events] == [
        ("erased", 1, 2),
        ("agent_message_delta", 3, 3),
        ("erased", 4, 4),
    ]
    stored = await log.query(lambda rows: rows.exec_driver_sql("SELECT * FROM events").all())
    assert not [row for row in stored if "secret" in str(tuple(row)) or "'t'" in str(tuple(row))]


async def test_gaps_say_why_and_reading_goes_on_behind_them(log: EventLog) -> None:
    for _ in range(5):
        await log.commit("u", lambda tx: tx.append(Erased()))
    epoch = (await log.commit("u", lambda tx: tx.open_log())).epoch
    await log.commit("u", lambda tx: tx.trim(2, tx.now + 1))
    expected = {
        ("0" * 32, 3): Gap(reason="epoch", from_seq=1, to_seq=5, epoch=epoch),
        (epoch, 9): Gap(reason="ahead", from_seq=6, to_seq=5, epoch=epoch),
        (epoch, 1): Gap(reason="retention", from_seq=2, to_seq=5, epoch=epoch),
    }
    for (of_epoch, seq), gap in expected.items():
        assert await log.read("u", Cursor(of_epoch, seq), 10) == gap
    await log.commit("u", lambda tx: tx.append(Erased()))
    page = await log.read("u", Cursor(epoch, 5), 10)
    assert not isinstance(page, Gap)
    assert [(event.first, event.seq) for event in page.events] == [(6, 6)]
    # The floor itself is a cursor of somebody who has everything before it.
    at_floor = await log.read("u", Cursor(epoch, 3), 10)
    assert not isinstance(at_floor, Gap)
    assert [event.seq for event in at_floor.events] == [4, 5, 6]


async def test_a_user_without_events_has_an_empty_log(log: EventLog) -> None:
    page = await log.read("nobody", Cursor("", 0), 10)
    assert not isinstance(page, Gap)
    assert (list(page.events), page.head) == ([], 0)
