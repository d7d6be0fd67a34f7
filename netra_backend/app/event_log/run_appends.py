"""What running runs say, kept for many of them at once.

A unit of this kind is nearly all that is ever written, and all of them do the same three things: move the run to its
next key, move its user's head, insert its events. So a batch does each of the three in one statement, whatever its
size. If any unit of the batch has lost its run meanwhile, nothing of it is kept this way, and each goes by itself.

Where a log stands is known by moving it: the database adds to the head and says where it came to. Nothing here
remembers a head, so none can be remembered that a lost transaction took back or another unit has moved on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from netra_backend.app.event_log.user_log import Record, UserTransaction
from netra_backend.app.protocol.codec import encode_payload, now_ms, type_of
from netra_backend.app.protocol.events import Event, EventPayload

__all__ = ["RunAppend", "keep_all", "keep_one"]


@dataclass(frozen=True, slots=True)
class RunAppend:
    """Events of a running run, to be kept once, under the run's next key (`number` counts its units from 1)."""

    user_id: str
    thread_id: str
    run_id: str
    number: int
    events: Sequence[EventPayload]


def keep_one(tx: UserTransaction, append: RunAppend) -> None:
    """Keep one unit by itself; nothing if it was kept before. Raises `IllegalStep` or `LookupError`."""
    if tx.runs.advance(append.run_id, append.number):
        for payload in append.events:
            tx.append(payload, thread_id=append.thread_id, run_id=append.run_id)


def keep_all(connection: Connection, appends: Sequence[RunAppend]) -> list[list[Event]] | None:
    """Keep units of different runs together; returns the events of each.

    None if one of them can't be kept: its run isn't where it should be, or there is no log yet. Then some may have
    been moved already, and the caller goes back to before.
    """
    moves = [value for append in appends for value in (append.run_id, append.user_id, append.number)]
    if connection.exec_driver_sql(_moved_runs(len(appends)), tuple(moves)).rowcount != len(appends):
        return None
    grown: Counter[str] = Counter()
    for append in appends:
        grown[append.user_id] += len(append.events)
    growth = tuple(value for user_and_count in grown.items() for value in user_and_count)
    heads = connection.exec_driver_sql(_moved_heads(len(grown)), growth).all()
    if len(heads) != len(grown):
        return None
    epochs = {user_id: epoch for user_id, epoch, _ in heads}
    ends = {user_id: head - grown[user_id] for user_id, _, head in heads}
    now = now_ms()
    rows: list[object] = []
    kept: list[list[Event]] = []
    for append in appends:
        events: list[Event] = []
        for seq, payload in enumerate(append.events, ends[append.user_id] + 1):
            kind, encoded = type_of(payload), encode_payload(payload)
            rows += (append.user_id, seq, seq, kind, append.thread_id, append.run_id, now, encoded)
            record = Record(seq, seq, kind, append.thread_id, append.run_id, now, encoded)
            events.append(record.event(epochs[append.user_id]))
        ends[append.user_id] += len(events)
        kept.append(events)
    connection.exec_driver_sql(_inserted(len(rows) // 8), tuple(rows))
    return kept


def _values(columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return ", ".join([row] * rows)


def _moved_runs(count: int) -> str:
    # It must begin with UPDATE: else the driver doesn't count the rows.
    return (
        f"UPDATE runs SET last_unit = wanted.column3 FROM (VALUES {_values(3, count)}) AS wanted"  # noqa: S608
        " WHERE runs.id = wanted.column1 AND runs.user_id = wanted.column2"
        " AND runs.last_unit = wanted.column3 - 1 AND runs.state = 'running'"
    )


def _inserted(count: int) -> str:
    columns = "user_id, seq, first_seq, type, thread_id, run_id, ts, payload"
    return f"INSERT INTO events ({columns}) VALUES {_values(8, count)}"  # noqa: S608


def _moved_heads(count: int) -> str:
    return (
        f"UPDATE heads SET head = head + grown.column2 FROM (VALUES {_values(2, count)}) AS grown"  # noqa: S608
        " WHERE heads.user_id = grown.column1 RETURNING user_id, epoch, head"
    )
