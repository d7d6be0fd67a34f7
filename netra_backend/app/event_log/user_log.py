"""The events of one user inside one transaction: numbering, reading, merging, erasing, trimming.

Ranges tile: the next record's `first_seq` is the last record's `seq` + 1. Every function here keeps that true, and a
record's `first_seq` always comes from what is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from uuid_utils import uuid7

from netra_backend.app.protocol.codec import delta_payload, encode_payload, now_ms, rfc3339, type_of
from netra_backend.app.protocol.events import DELTA_FIELDS, Erased, Event, EventPayload, Gap
from netra_backend.app.storage.tables import events, heads
from netra_backend.app.storage.user_scope import UserScope

__all__ = ["Head", "Record", "UserTransaction", "UserView", "heads_of", "merge", "users_to_trim"]

MERGED_CHARS = 32_768
"""A merged delta grows no longer than this, so that one event stays well below the size of a frame."""

PAGE_BYTES = 256 * 1024
"""A page ends with the record that exceeds this, so that a socket that reads on holds little."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a user's log stands. Numbers up to and including `floor` are no longer kept."""

    epoch: str
    seq: int
    floor: int


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the log. `parts` are the lengths, in characters, of the deltas that it stands for (None: just one)."""

    first_seq: int
    seq: int
    type: str
    thread_id: str | None
    run_id: str | None
    ts: int
    payload: bytes
    parts: tuple[int, ...] | None = None

    @property
    def text(self) -> str:
        """The text of a delta."""
        found: dict[str, str] = msgspec.json.decode(self.payload, type=dict[str, str])
        return found[DELTA_FIELDS[self.type]]

    def after(self, seq: int) -> Record:
        """What of this record comes after `seq`, where that lies inside it."""
        if seq < self.first_seq:
            return self
        if self.parts is None:
            return Record(seq + 1, self.seq, self.type, self.thread_id, self.run_id, self.ts, self.payload)
        taken = seq - self.first_seq + 1
        rest = self.text[sum(self.parts[:taken]) :]
        return Record(
            seq + 1,
            self.seq,
            self.type,
            self.thread_id,
            self.run_id,
            self.ts,
            delta_payload(self.type, rest),
            self.parts[taken:],
        )

    def event(self, epoch: str) -> Event:
        """This record as it travels."""
        return Event(
            type=self.type,
            seq=self.seq,
            first_seq=self.first_seq if self.first_seq != self.seq else msgspec.UNSET,
            epoch=epoch,
            thread_id=self.thread_id,
            run_id=self.run_id,
            ts=rfc3339(self.ts),
            payload=msgspec.Raw(self.payload),
        )


def merge(records: Iterable[Record]) -> list[Record]:
    """Join neighbouring deltas: same run, same type, ranges that tile. Other records pass through."""
    merged: list[Record] = []
    group: list[Record] = []
    chars = 0
    for record in records:
        size = len(record.payload)
        fits = (
            group
            and record.type == group[-1].type
            and record.run_id == group[-1].run_id
            and record.first_seq == group[-1].seq + 1
            and chars + size <= MERGED_CHARS
        )
        if fits:
            group.append(record)
            chars += size
            continue
        merged.extend(_joined(group))
        group, chars = [], 0
        if record.type in DELTA_FIELDS:
            group, chars = [record], size
        else:
            merged.append(record)
    merged.extend(_joined(group))
    return merged


def _joined(group: Sequence[Record]) -> Sequence[Record]:
    if len(group) < 2:
        return group
    first, last = group[0], group[-1]
    texts = [record.text for record in group]
    parts: list[int] = []
    for record, text in zip(group, texts, strict=True):
        parts.extend(record.parts if record.parts is not None else (len(text),))
    return [
        Record(
            first.first_seq,
            last.seq,
            last.type,
            last.thread_id,
            last.run_id,
            last.ts,
            delta_payload(last.type, "".join(texts)),
            tuple(parts),
        )
    ]


_COLUMNS = (
    events.c.first_seq,
    events.c.seq,
    events.c.type,
    events.c.thread_id,
    events.c.run_id,
    events.c.ts,
    events.c.payload,
    events.c.parts,
)
_HEAD = select(heads.c.epoch, heads.c.head, heads.c.floor).where(heads.c.user_id == bindparam("of_user"))
_MOVE_HEAD = update(heads).where(heads.c.user_id == bindparam("of_user")).values(head=bindparam("to"))
_AFTER = (
    select(*_COLUMNS)
    .where(events.c.user_id == bindparam("of_user"), events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
    .limit(bindparam("most"))
)
_INSERT = insert(events)


def _record(row: Row[Any, Any, Any, Any, Any, Any, Any, Any]) -> Record:
    first_seq, seq, kind, thread_id, run_id, ts, payload, parts = row
    lengths = tuple(msgspec.json.decode(parts, type=list[int])) if parts is not None else None
    return Record(first_seq, seq, kind, thread_id, run_id, ts, payload, lengths)


def heads_of(connection: Connection, user_ids: Collection[str]) -> dict[str, Head]:
    """Where the logs of these users stand, by user id. For what concerns all sockets of a process."""
    query = select(heads.c.user_id, heads.c.epoch, heads.c.head, heads.c.floor).where(heads.c.user_id.in_(user_ids))
    return {row[0]: Head(row[1], row[2], row[3]) for row in connection.execute(query)}


def users_to_trim(connection: Connection, keep: int) -> list[str]:
    """The users whose logs hold more than `keep` numbers. For housekeeping only."""
    query = select(heads.c.user_id).where(heads.c.head - heads.c.floor > keep)
    return list(connection.execute(query).scalars())


def remove_log(connection: Connection, user_id: str) -> None:
    """Remove the log of a user whose account goes."""
    connection.execute(delete(events).where(events.c.user_id == user_id))
    connection.execute(delete(heads).where(heads.c.user_id == user_id))


class UserView(UserScope):
    """Rows and log of one user at one moment."""

    def __init__(self, connection: Connection, user_id: str) -> None:
        super().__init__(connection, user_id)
        self._connection = connection

    def head(self) -> Head | None:
        """Where the log stands; None before its first event."""
        row = self._connection.execute(_HEAD, {"of_user": self.user_id}).one_or_none()
        return Head(row[0], row[1], row[2]) if row is not None else None

    def read(self, epoch: str, after: int, limit: int) -> tuple[list[Record], Head] | Gap:
        """At most `limit` records after a number, deltas merged, or the gap there is instead."""
        head = self.head() or Head(epoch, 0, 0)
        if epoch != head.epoch:
            return Gap(reason="epoch", from_seq=1, to_seq=head.seq, epoch=head.epoch)
        if after > head.seq:
            return Gap(reason="ahead", from_seq=head.seq + 1, to_seq=head.seq, epoch=head.epoch)
        if after < head.floor:
            return Gap(reason="retention", from_seq=after + 1, to_seq=head.seq, epoch=head.epoch)
        records: list[Record] = []
        size = 0
        for row in self._connection.execute(_AFTER, {"of_user": self.user_id, "after": after, "most": limit}):
            record = _record(row)
            records.append(record)
            size += len(record.payload)
            if size > PAGE_BYTES:
                break
        if records:
            records[0] = records[0].after(after)
        return merge(records), head

    def of_run(self, run_id: str) -> list[Record]:
        """Every event of a run, in order, deltas merged."""
        query = select(*_COLUMNS).where(events.c.user_id == self.user_id, events.c.run_id == run_id)
        return merge(_record(row) for row in self._connection.execute(query.order_by(events.c.seq)))

    def of_runs(self, run_ids: Collection[str], types: Collection[str], most_bytes: int) -> dict[str, list[Record]]:
        """The events of these types of several runs, by run, in order, deltas merged.

        The newest events count first: where they hold more than `most_bytes`, what is older is missing.
        """
        query = (
            select(*_COLUMNS)
            .where(events.c.user_id == self.user_id, events.c.run_id.in_(run_ids), events.c.type.in_(types))
            .order_by(events.c.seq.desc())
        )
        found: dict[str, list[Record]] = {}
        size = 0
        for row in self._connection.execute(query):
            record = _record(row)
            size += len(record.payload)
            if size > most_bytes:
                break
            found.setdefault(str(record.run_id), []).append(record)
        return {run_id: merge(reversed(records)) for run_id, records in found.items()}

    def of_thread(self, thread_id: str, after: int, limit: int) -> list[Record]:
        """At most `limit` events of a thread after a number. They don't tile: others' lie between."""
        query = (
            select(*_COLUMNS)
            .where(events.c.user_id == self.user_id, events.c.thread_id == thread_id, events.c.seq > after)
            .order_by(events.c.seq)
            .limit(limit)
        )
        records = [_record(row) for row in self._connection.execute(query)]
        if records:
            records[0] = records[0].after(after)
        return merge(records)


class UserTransaction(UserView):
    """A unit under way: what `UserView` reads, and what may be changed. Its events are numbered at once and stored
    when the unit is through."""

    def __init__(self, connection: Connection, user_id: str) -> None:
        super().__init__(connection, user_id)
        self.now = now_ms()
        self._head: Head | None = None
        self._next = 0
        self._appended: list[Record] = []

    def open_log(self) -> Head:
        """Where the log stands; begins it if there is none."""
        if self._head is None:
            head = self.head()
            if head is None:
                head = Head(uuid7().hex, 0, 0)
                self._connection.execute(insert(heads).values(user_id=self.user_id, epoch=head.epoch, head=0, floor=0))
            self._head = head
            self._next = head.seq + 1
        return self._head

    def append(self, payload: EventPayload, *, thread_id: str | None = None, run_id: str | None = None) -> int:
        """Add an event; returns its number."""
        self.open_log()
        seq = self._next
        self._next += 1
        self._appended.append(Record(seq, seq, type_of(payload), thread_id, run_id, self.now, encode_payload(payload)))
        return seq

    def finish(self) -> list[Event]:
        """Store what was appended. The writer calls it after the unit; returns the events for the wake-up."""
        if not self._appended:
            return []
        head = self.open_log()
        self._connection.execute(
            _INSERT,
            [
                {
                    "user_id": self.user_id,
                    "seq": record.seq,
                    "first_seq": record.first_seq,
                    "type": record.type,
                    "thread_id": record.thread_id,
                    "run_id": record.run_id,
                    "ts": record.ts,
                    "payload": record.payload,
                    "parts": None,
                }
                for record in self._appended
            ],
        )
        self._connection.execute(_MOVE_HEAD, {"of_user": self.user_id, "to": self._next - 1})
        return [record.event(head.epoch) for record in self._appended]

    def compact_run(self, run_id: str) -> int:
        """Merge the neighbouring deltas of an ended run in place. Returns how many records it saved."""
        query = select(*_COLUMNS).where(
            events.c.user_id == self.user_id, events.c.run_id == run_id, events.c.type.in_(DELTA_FIELDS)
        )
        stored = [_record(row) for row in self._connection.execute(query.order_by(events.c.seq))]
        untouched = {id(record) for record in stored}
        merged = merge(stored)
        for record in merged:
            if id(record) not in untouched:
                self._replace(record)
        return len(stored) - len(merged)

    def erase_thread(self, thread_id: str) -> None:
        """Blank the thread's events in place: neighbours become one `erased` record, so that ranges still tile."""
        query = select(*_COLUMNS).where(
            events.c.user_id == self.user_id,
            (events.c.thread_id == thread_id) | (events.c.type == "erased"),
        )
        group: list[Record] = []
        for row in self._connection.execute(query.order_by(events.c.seq)).all():
            record = _record(row)
            if group and record.first_seq != group[-1].seq + 1:
                self._blank(group)
                group = []
            group.append(record)
        self._blank(group)

    def trim(self, keep: int, older_than: int) -> int:
        """Let go of events that are older than a time (ms) and beyond the last `keep` numbers.

        Never of a run that is open, nor of anything after the start of one. Returns the new floor.
        """
        head = self.open_log()
        bound = head.seq - keep
        open_ids = [run.id for run in self.runs.open()]
        if open_ids:
            first_open = self._connection.execute(
                select(func.min(events.c.first_seq)).where(
                    events.c.user_id == self.user_id, events.c.run_id.in_(open_ids)
                )
            ).scalar()
            if first_open is not None:
                bound = min(bound, first_open - 1)
        floor = self._connection.execute(
            select(func.max(events.c.seq)).where(
                events.c.user_id == self.user_id, events.c.seq <= bound, events.c.ts < older_than
            )
        ).scalar()
        if floor is None or floor <= head.floor:
            return head.floor
        self._connection.execute(delete(events).where(events.c.user_id == self.user_id, events.c.seq <= floor))
        self._connection.execute(update(heads).where(heads.c.user_id == self.user_id).values(floor=floor))
        return floor

    def _blank(self, group: Sequence[Record]) -> None:
        if not group or (len(group) == 1 and group[0].type == "erased"):
            return
        blank = encode_payload(Erased())
        self._replace(Record(group[0].first_seq, group[-1].seq, "erased", None, None, group[-1].ts, blank))

    def _replace(self, record: Record) -> None:
        """Put one record where the records of its range are."""
        self._connection.execute(
            delete(events).where(
                events.c.user_id == self.user_id,
                events.c.seq >= record.first_seq,
                events.c.seq < record.seq,
            )
        )
        self._connection.execute(
            update(events)
            .where(events.c.user_id == self.user_id, events.c.seq == record.seq)
            .values(
                first_seq=record.first_seq,
                type=record.type,
                thread_id=record.thread_id,
                run_id=record.run_id,
                payload=record.payload,
                parts=msgspec.json.encode(record.parts).decode() if record.parts is not None else None,
            )
        )
