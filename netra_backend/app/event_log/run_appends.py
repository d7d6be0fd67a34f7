"""What running runs say, kept for many of them at once.

A unit of this kind is nearly all that is ever written, and all of them do the same three things: move the run to its
next key, insert its events, move its user's head. So a batch does each of the three in one statement, whatever its
size. If any unit of the batch has lost its run meanwhile, nothing of it is kept this way, and each goes by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from netra_backend.app.event_log.user_log import Head, Record, UserTransaction, heads_of
from netra_backend.app.protocol.codec import encode_payload, now_ms, type_of
from netra_backend.app.protocol.events import Event, EventPayload

__all__ = ["KnownHeads", "RunAppend", "keep_all", "keep_one"]

MOST_HEADS = 10_000


@dataclass(frozen=True, slots=True)
class RunAppend:
    """Events of a running run, to be kept once, under the run's next key (`number` counts its units from 1)."""

    user_id: str
    thread_id: str
    run_id: str
    number: int
    events: Sequence[EventPayload]


class KnownHeads:
    """Where logs stand, as far as the one writer knows it from what it wrote. Whoever else writes has it forgotten."""

    def __init__(self) -> None:
        self._heads: dict[str, Head] = {}

    def of(self, connection: Connection, user_ids: Sequence[str]) -> dict[str, Head]:
        """The heads of these users' logs, those that have begun."""
        unknown = {user_id for user_id in user_ids if user_id not in self._heads}
        if unknown:
            if len(self._heads) > MOST_HEADS:
                self._heads.clear()
                unknown = set(user_ids)
            self._heads |= heads_of(connection, unknown)
        return {user_id: self._heads[user_id] for user_id in user_ids if user_id in self._heads}

    def moved(self, heads: dict[str, Head]) -> None:
        """These logs stand there now."""
        self._heads |= heads

    def forget(self, user_id: str | None = None) -> None:
        """This user's log, or every log, may stand elsewhere now."""
        if user_id is None:
            self._heads.clear()
        else:
            self._heads.pop(user_id, None)


def keep_one(tx: UserTransaction, append: RunAppend) -> None:
    """Keep one unit by itself; nothing if it was kept before. Raises `IllegalStep` or `LookupError`."""
    if tx.runs.advance(append.run_id, append.number):
        for payload in append.events:
            tx.append(payload, thread_id=append.thread_id, run_id=append.run_id)


def keep_all(connection: Connection, appends: Sequence[RunAppend], known: KnownHeads) -> list[list[Event]] | None:
    """Keep units of different runs together; returns the events of each.

    None if one of them can't be kept: its run isn't where it should be, or there is no log yet. Then some may have
    been moved already, and the caller goes back to before.
    """
    heads = known.of(connection, [append.user_id for append in appends])
    if any(append.user_id not in heads for append in appends):
        return None
    now = now_ms()
    rows: list[object] = []
    kept: list[list[Event]] = []
    for append in appends:
        head = heads[append.user_id]
        events: list[Event] = []
        for seq, payload in enumerate(append.events, head.seq + 1):
            kind, encoded = type_of(payload), encode_payload(payload)
            rows += (append.user_id, seq, seq, kind, append.thread_id, append.run_id, now, encoded)
            events.append(Record(seq, seq, kind, append.thread_id, append.run_id, now, encoded).event(head.epoch))
        heads[append.user_id] = Head(head.epoch, head.seq + len(events), head.floor)
        kept.append(events)
    moves = [value for append in appends for value in (append.run_id, append.user_id, append.number)]
    if connection.exec_driver_sql(_moved_runs(len(appends)), tuple(moves)).rowcount != len(appends):
        return None
    connection.exec_driver_sql(_inserted(len(rows) // 8), tuple(rows))
    ends = [value for user_id, head in heads.items() for value in (user_id, head.seq)]
    connection.exec_driver_sql(_moved_heads(len(heads)), tuple(ends))
    known.moved(heads)
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
        f"UPDATE heads SET head = wanted.column2 FROM (VALUES {_values(2, count)}) AS wanted"  # noqa: S608
        " WHERE heads.user_id = wanted.column1"
    )
