"""The runs of one user: their state machine and the one function that moves it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, func, insert, select, update

from netra_backend.app.storage.tables import runs

__all__ = [
    "IllegalStep",
    "LEGAL_STEPS",
    "OPEN_STATES",
    "RunError",
    "RunRef",
    "Run",
    "RunState",
    "Runs",
    "PastRun",
    "open_runs",
    "uncompacted_runs",
]

RunState = Literal["queued", "running", "completed", "failed", "stopped"]

LEGAL_STEPS: dict[RunState, frozenset[RunState]] = {
    "queued": frozenset({"running", "stopped", "failed"}),
    "running": frozenset({"completed", "failed", "stopped"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "stopped": frozenset(),
}
"""Every step a run may take. `stop_requested_at` is a mark on an open run, not a state."""

OPEN_STATES: frozenset[RunState] = frozenset(state for state, steps in LEGAL_STEPS.items() if steps)


class IllegalStep(Exception):
    """A run can't go from the state it is in to the one that was asked for."""

    def __init__(self, run_id: str, present: RunState, wanted: RunState, reason: str = "") -> None:
        self.present: RunState = present
        self.wanted: RunState = wanted
        super().__init__(f"run {run_id} is {present}{reason}; it can't become {wanted}")


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of an agent; times are in ms since 1970. `last_unit` is the key of its last unit of events."""

    number: int
    id: str
    user_id: str
    thread_id: str
    message_id: str
    state: RunState
    agent: str
    model: str
    created_at: int
    started_at: int | None
    finished_at: int | None
    stop_requested_at: int | None
    stop_reason: str | None
    stop_requested_by: str | None
    error_code: str | None
    error_message: str | None
    error_retryable: bool | None
    usage: str | None
    last_unit: int
    terminal_seq: int | None


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed. `retryable`: the same message may succeed a moment later."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class RunRef:
    """A run of any user, as start-up and housekeeping find it."""

    id: str
    user_id: str
    thread_id: str
    state: RunState


_ADVANCE = (
    update(runs)
    .where(
        runs.c.id == bindparam("b_id"),
        runs.c.user_id == bindparam("b_user_id"),
        runs.c.last_unit == bindparam("b_before"),
        runs.c.state == "running",
    )
    .values(last_unit=bindparam("b_unit"))
)
_SELECT = select(*(column for column in runs.c if column.name not in {"history", "compacted_at"}))
_OF_USER = runs.c.user_id == bindparam("of_user")
_ONE = (runs.c.id == bindparam("of_run")) & _OF_USER
# What every run needs is built once: building a statement costs more than running it.
_INSERT = insert(runs)
_GET = _SELECT.where(_ONE)
_OPEN = _SELECT.where(_OF_USER, runs.c.state.in_(OPEN_STATES)).order_by(runs.c.number)
_OPEN_OF_THREAD = _OPEN.where(runs.c.thread_id == bindparam("of_thread"))
_COUNT_QUEUED = select(func.count()).select_from(runs).where(_OF_USER, runs.c.state == "queued")
_ENDED_BEFORE = (
    _OF_USER
    & (runs.c.thread_id == bindparam("of_thread"))
    & (runs.c.number < bindparam("before"))
    & runs.c.state.not_in(OPEN_STATES)
    & runs.c.started_at.is_not(None)
)
_PAST = (
    # The size of a blob is known without reading it.
    select(runs.c.id, runs.c.state, func.length(runs.c.history))
    .where(_ENDED_BEFORE)
    .order_by(runs.c.number.desc())
    .limit(bindparam("most"))
)
_MOST_COUNTED = 1000
_COUNT_PAST = select(func.count()).select_from(select(runs.c.id).where(_ENDED_BEFORE).limit(_MOST_COUNTED).subquery())
_HISTORY = select(runs.c.history).where(_ONE)
_STEPS = {
    wanted: update(runs).where(
        _ONE, runs.c.state.in_([state for state, steps in LEGAL_STEPS.items() if wanted in steps])
    )
    for wanted in LEGAL_STEPS
}
"""The compare-and-set of each step; what else it sets is given with it."""
_UNLESS_STOPPED = {wanted: step.where(runs.c.stop_requested_at.is_(None)) for wanted, step in _STEPS.items()}


def open_runs(connection: Connection) -> list[RunRef]:
    """The open runs of all users, in the order they were asked for. For recovery only."""
    query = select(runs.c.id, runs.c.user_id, runs.c.thread_id, runs.c.state).where(runs.c.state.in_(OPEN_STATES))
    return [RunRef(*row) for row in connection.execute(query.order_by(runs.c.number))]


def uncompacted_runs(connection: Connection, limit: int) -> list[RunRef]:
    """Ended runs of all users whose deltas are not merged yet, oldest first. For housekeeping only."""
    query = select(runs.c.id, runs.c.user_id, runs.c.thread_id, runs.c.state).where(
        runs.c.finished_at.is_not(None), runs.c.compacted_at.is_(None)
    )
    return [RunRef(*row) for row in connection.execute(query.order_by(runs.c.number).limit(limit))]


@dataclass(frozen=True, slots=True)
class PastRun:
    """An ended run, for those that come after it. `history_size` is in bytes; None: it left no history."""

    id: str
    state: RunState
    history_size: int | None


class Runs:
    """Reaches the runs of one user and no others."""

    def __init__(self, connection: Connection, user_id: str) -> None:
        self._connection = connection
        self._user_id = user_id

    def create(self, *, run_id: str, thread_id: str, message_id: str, agent: str, model: str, now: int) -> None:
        """Add a queued run."""
        self._connection.execute(
            _INSERT,
            {
                "id": run_id,
                "user_id": self._user_id,
                "thread_id": thread_id,
                "message_id": message_id,
                "state": "queued",
                "agent": agent[:200],
                "model": model[:200],
                "created_at": now,
                "last_unit": 0,
            },
        )

    def get(self, run_id: str) -> Run | None:
        """The run of this id, if it is this user's."""
        row = self._connection.execute(_GET, {"of_run": run_id, "of_user": self._user_id}).one_or_none()
        return Run(*row) if row is not None else None

    def open(self, thread_id: str | None = None) -> list[Run]:
        """The open runs, oldest first; those of one thread if it is named."""
        if thread_id is None:
            rows = self._connection.execute(_OPEN, {"of_user": self._user_id})
        else:
            rows = self._connection.execute(_OPEN_OF_THREAD, {"of_user": self._user_id, "of_thread": thread_id})
        return [Run(*row) for row in rows]

    def count_queued(self) -> int:
        """How many wait."""
        return self._connection.execute(_COUNT_QUEUED, {"of_user": self._user_id}).scalar_one()

    def newest(self, limit: int, thread_id: str | None = None, state: RunState | None = None) -> list[Run]:
        """The last runs first."""
        query = _SELECT.where(runs.c.user_id == self._user_id)
        if thread_id is not None:
            query = query.where(runs.c.thread_id == thread_id)
        if state is not None:
            query = query.where(runs.c.state == state)
        return [Run(*row) for row in self._connection.execute(query.order_by(runs.c.number.desc()).limit(limit))]

    def those(self, run_ids: Collection[str]) -> list[Run]:
        """The runs of these ids that are this user's, the last first."""
        query = _SELECT.where(runs.c.user_id == self._user_id, runs.c.id.in_(run_ids))
        return [Run(*row) for row in self._connection.execute(query.order_by(runs.c.number.desc()))]

    def past(self, thread_id: str, before: int, limit: int) -> list[PastRun]:
        """The ended runs of a thread before the run of this number that had begun to work, newest first."""
        given = {"of_user": self._user_id, "of_thread": thread_id, "before": before, "most": limit}
        return [PastRun(*row) for row in self._connection.execute(_PAST, given)]

    def count_past(self, thread_id: str, before: int) -> int:
        """How many of them there are; counted up to 1,000."""
        given = {"of_user": self._user_id, "of_thread": thread_id, "before": before}
        return self._connection.execute(_COUNT_PAST, given).scalar_one()

    def history(self, run_id: str) -> bytes | None:
        """What the run left for later turns."""
        given = {"of_run": run_id, "of_user": self._user_id}
        return self._connection.execute(_HISTORY, given).scalar_one_or_none()

    def mark_compacted(self, run_id: str, now: int) -> None:
        """Note that the deltas of an ended run are merged in the log."""
        self._connection.execute(
            update(runs).where(runs.c.id == run_id, runs.c.user_id == self._user_id).values(compacted_at=now)
        )

    def start(self, run_id: str, now: int) -> None:
        """queued → running. Raises `IllegalStep`, also when a stop is on record."""
        self._step(run_id, "running", {"started_at": now}, unless_stop_requested=True)

    def request_stop(self, run_id: str, now: int, reason: str, requested_by: str) -> bool:
        """Mark an open run. False if it is marked already or not open."""
        done = self._connection.execute(
            update(runs)
            .where(
                runs.c.id == run_id,
                runs.c.user_id == self._user_id,
                runs.c.state.in_(OPEN_STATES),
                runs.c.stop_requested_at.is_(None),
            )
            .values(stop_requested_at=now, stop_reason=reason[:200], stop_requested_by=requested_by)
        )
        return done.rowcount == 1

    def advance(self, run_id: str, unit: int) -> bool:
        """Note that this unit of the run's events is being kept. False if it was kept before.

        Raises `IllegalStep` when the run isn't running, or a unit before this one is missing.
        """
        done = self._connection.execute(
            _ADVANCE, {"b_id": run_id, "b_user_id": self._user_id, "b_before": unit - 1, "b_unit": unit}
        )
        if done.rowcount == 1:
            return True
        run = self._must_get(run_id)
        if run.last_unit >= unit:
            return False
        raise IllegalStep(run_id, run.state, run.state, f" at unit {run.last_unit}, not ready for unit {unit}")

    def finish(
        self,
        run_id: str,
        state: Literal["completed", "failed", "stopped"],
        *,
        now: int,
        terminal_seq: int,
        usage: str | None = None,
        error: RunError | None = None,
        history: bytes | None = None,
    ) -> None:
        """End a run.

        Raises `IllegalStep` when it has ended, or when it would complete or fail while a stop is on record.
        """
        values: dict[str, object] = {
            "finished_at": now,
            "terminal_seq": terminal_seq,
            "usage": usage,
            "error_code": error.code if error is not None else None,
            "error_message": error.message if error is not None else None,
            "error_retryable": error.retryable if error is not None else None,
            "history": history,
        }
        self._step(run_id, state, values, unless_stop_requested=state != "stopped")

    def _step(self, run_id: str, wanted: RunState, values: dict[str, object], *, unless_stop_requested: bool) -> None:
        statement = _UNLESS_STOPPED[wanted] if unless_stop_requested else _STEPS[wanted]
        parameters = {"of_run": run_id, "of_user": self._user_id, "state": wanted, **values}
        if self._connection.execute(statement, parameters).rowcount == 1:
            return
        run = self._must_get(run_id)
        reason = " with a stop on record" if run.stop_requested_at is not None else ""
        raise IllegalStep(run_id, run.state, wanted, reason)

    def _must_get(self, run_id: str) -> Run:
        run = self.get(run_id)
        if run is None:
            raise LookupError(f"run {run_id} is gone")
        return run
