"""`AgentService`: start a run, stop it, say how it stands. The one way in, for sockets and HTTP alike."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from uuid_utils import uuid7

from netra_backend.app.background import Background
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.user_log import UserTransaction, UserView
from netra_backend.app.protocol.events import RunOutcome, StopUnrecorded
from netra_backend.app.protocol.frames import WhenBusy
from netra_backend.app.rate_limit import RateLimit
from netra_backend.app.runs.earlier_turns import HistoryBudget
from netra_backend.app.runs.ledger import (
    Ending,
    NewRun,
    RunLimits,
    StartedRun,
    begin_run,
    recover_run,
    stop_runs,
)
from netra_backend.app.runs.supervisor import RunSupervisor, SupervisedRun
from netra_backend.app.services.agent_websocket_bridge import AgentWebSocketBridge, BridgeState, BridgeStatus
from netra_backend.app.services.refusals import (
    InvalidText,
    NotFound,
    RateLimited,
    Refusal,
    ServiceNotReady,
    StopNotRecorded,
    TextTooLarge,
    ThreadBusy,
)
from netra_backend.app.services.user_execution_context import InvalidContext, UserExecutionContext
from netra_backend.app.settings import Settings
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.runs import Run
from netra_backend.app.websocket_core.websocket_manager import WebSocketManager, get_websocket_manager

__all__ = ["AgentService", "AgentStatus", "StopReport"]

STOP_COMMIT_TIMEOUT = 10.0
"""Seconds that the record of a stop may take before the user is told that it isn't there yet. A log that is away says
so by itself; this is for a disk that hangs, and well beyond one that is merely slow."""


@dataclass(frozen=True, slots=True)
class StopReport:
    """What a stop did: each run that it concerned, and how that stood. No open run: an empty list."""

    runs: list[RunOutcome]


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """A user's open runs, oldest first, and whether events can be carried."""

    runs: list[Run]
    bridge: BridgeStatus


class AgentService:
    """Starts and stops runs for users. Every call names the user it acts for and reaches nothing of another."""

    def __init__(
        self, log: EventLog, bridge: AgentWebSocketBridge, supervisor: RunSupervisor, settings: Settings
    ) -> None:
        self._log = log
        self._bridge = bridge
        self._supervisor = supervisor
        self._settings = settings
        self._rate = RateLimit(settings.messages_per_minute)
        self._background = Background(Refusal, LogUnavailable)
        # A list, since two requests may delete the same thread.
        self._closed_threads: list[tuple[str, str]] = []

    def ensure_service_ready(self) -> BridgeStatus:
        """The bridge's status, if runs can be taken. Raises `ServiceNotReady` while the server starts or ends."""
        status = self._bridge.get_status()
        if status.state in {BridgeState.STARTING, BridgeState.CLOSED}:
            raise ServiceNotReady("the server is starting or ending; try again in a moment", retry_after=2)
        return status

    async def start_agent(
        self,
        context: UserExecutionContext,
        text: str,
        client_message_id: str,
        *,
        thread_id: str | None = None,
        when_busy: WhenBusy = "reject",
    ) -> StartedRun:
        """Keep the user's message and start its run. Returns when both are durable.

        Repeating it with the same `client_message_id` returns what it did the first time. Raises a `Refusal`
        (`InvalidText`, `TextTooLarge`, `RateLimited`, `NotFound`, `ThreadBusy`, `QueueFull`, `TooManyThreads`,
        `IdempotencyConflict`, `ServiceNotReady`), or `LogUnavailable`.
        """
        self.ensure_service_ready()
        self._check_text(text)
        if wait := self._rate.take(context.user_id):
            raise RateLimited(
                f"more than {self._settings.messages_per_minute} messages in a minute", retry_after=round(wait, 1)
            )
        new = NewRun(
            run_id=str(uuid7()),
            message_id=str(uuid7()),
            thread_id=thread_id,
            text=text,
            client_message_id=client_message_id,
            when_busy=when_busy,
            agent=self._supervisor.runtime.name,
            model=self._supervisor.runtime.model,
        )
        return await self._background.carry_out(self._start(context, new), name="start-agent")

    async def stop_agent(
        self,
        user_id: str,
        run_id: str | None = None,
        thread_id: str | None = None,
        *,
        reason: str = "stopped by the user",
        requested_by: str = "user",
    ) -> StopReport:
        """Stop one run, those of a thread, or (neither named) all of the user's. Returns when the stop is durable.

        The work is cancelled while the record is being written. Raises `NotFound` for a run or thread that isn't the
        user's, and `StopNotRecorded` when the log is away: then the work is cancelled, the user's open sockets have
        been told, and the record follows when the log is back.
        """
        user_context = _narrowed(user_id, run_id, thread_id)

        def unit(tx: UserTransaction) -> list[RunOutcome]:
            return stop_runs(tx, _targets(tx, user_context), reason=reason, requested_by=requested_by)

        async def stop() -> StopReport:
            websocket_manager = await get_websocket_manager(user_context)
            # Submitted first: whatever the cancelled runs write comes after it in the log's order.
            record = websocket_manager.commit(unit)
            # It may outlast the patience below; then what became of it is told by the log, not by this future.
            record.add_done_callback(lambda record: record.cancelled() or record.exception())
            cancelled = self._cancel(
                user_context, Ending("stopped", stop_reason=reason, stop_requested_by=requested_by)
            )
            try:
                await asyncio.wait({record}, timeout=STOP_COMMIT_TIMEOUT)
                if record.done():
                    outcomes = record.result()
                    await self._end_orphans(websocket_manager, outcomes)
                    return StopReport(outcomes)
            except LogUnavailable:
                pass
            return await self._stop_unrecorded(user_context, cancelled)

        return await self._background.carry_out(stop(), name="stop-agent")

    async def settle(self, timeout: float) -> None:
        """Wait, at most `timeout` seconds, until what was asked for so far is carried out."""
        await self._background.settle(timeout)

    @property
    def under_way(self) -> int:
        """How many messages and stops are being carried out."""
        return len(self._background)

    async def get_agent_status(self, user_id: str) -> AgentStatus:
        """The user's open runs and the bridge's status. Raises `LogUnavailable`."""
        context = UserExecutionContext(user_id=user_id)
        runs = await self._log.view(context.user_id, lambda view: view.runs.open())
        return AgentStatus(runs, self._bridge.get_status())

    async def wait_until_ended(self, user_id: str, thread_id: str | None = None) -> None:
        """Wait until the user's runs that work here, or those of one thread, have ended, in the log too."""
        await self._supervisor.ended(self._supervisor.of_user(user_id, thread_id=thread_id))

    @contextmanager
    def taking_no_messages(self, user_id: str, thread_id: str) -> Generator[None]:
        """While this lasts, a message to the thread is refused with `ThreadBusy`."""
        self._closed_threads.append((user_id, thread_id))
        try:
            yield
        finally:
            self._closed_threads.remove((user_id, thread_id))

    async def _start(self, context: UserExecutionContext, new: NewRun) -> StartedRun:
        limits = RunLimits(
            self._settings.max_queued_runs_per_user,
            self._settings.max_threads_per_user,
            HistoryBudget(self._settings.history_turns, self._settings.history_chars),
        )
        websocket_manager = await get_websocket_manager(context)
        # No await from here to the commit: what was let in before a thread closed is in the log before its stop.
        if (context.user_id, new.thread_id) in self._closed_threads:
            raise ThreadBusy("this thread is being deleted", field="payload.thread_id")
        run = self._supervisor.reserve(context.user_id, new.run_id, new.thread_id)
        placed = run.placed
        try:
            started = await websocket_manager.commit(lambda tx: begin_run(tx, new, may_start=placed, limits=limits))
        except BaseException:
            self._supervisor.release(run)
            raise
        if started.repeated:
            self._supervisor.release(run)
            return started
        for interrupted in self._supervisor.of_user(context.user_id, thread_id=started.thread_id):
            if interrupted.run_id in started.stopped:
                interrupted.end(Ending("stopped", stop_reason="interrupted by a new message"))
        self._supervisor.begin(run, started.thread_id, started=started.state == "running")
        return started

    async def _end_orphans(self, manager: WebSocketManager, outcomes: list[RunOutcome]) -> None:
        """End what is open in the log though nothing works on it: a stop that is acknowledged must come to its end."""
        for outcome in outcomes:
            run_id = outcome.run_id
            if outcome.outcome == "stopping" and not self._supervisor.of_user(manager.user_id, run_id=run_id):
                await manager.commit(lambda tx, run_id=run_id: recover_run(tx, run_id))

    async def _stop_unrecorded(self, user_context: UserExecutionContext, cancelled: list[SupervisedRun]) -> StopReport:
        """The log is away: tell the user's sockets what was cancelled, and the caller that it isn't on record."""
        if not cancelled:
            try:
                targets = await self._log.view(user_context.user_id, lambda view: _targets(view, user_context))
            except LogUnavailable:
                targets = None
            if targets is not None and all(run.terminal_seq is not None for run in targets):
                return StopReport(
                    [RunOutcome(run_id=run.id, outcome="already_finished", seq=run.terminal_seq) for run in targets]
                )
        run_ids = [run.run_id for run in cancelled]
        websocket_manager = await get_websocket_manager(user_context)
        if run_ids:
            websocket_manager.broadcast(StopUnrecorded(runs=run_ids))
        raise StopNotRecorded(run_ids)

    def _cancel(self, user_context: UserExecutionContext, ending: Ending) -> list[SupervisedRun]:
        runs = self._supervisor.of_user(
            user_context.user_id, run_id=user_context.run_id, thread_id=user_context.thread_id
        )
        for run in runs:
            run.end(ending)
        return runs

    def _check_text(self, text: str) -> None:
        if not text.strip():
            raise InvalidText("the message is empty", field="payload.text")
        if "\0" in text:
            raise InvalidText("the message holds a NUL character", field="payload.text")
        if len(text) > self._settings.max_text_chars:
            raise TextTooLarge(
                f"the message has {len(text)} characters; at most {self._settings.max_text_chars} are taken",
                field="payload.text",
            )


def _narrowed(user_id: str, run_id: str | None, thread_id: str | None) -> UserExecutionContext:
    """A context for what a user names. A name that no context takes is one that nothing has."""
    try:
        return UserExecutionContext(user_id=user_id, thread_id=thread_id, run_id=run_id)
    except InvalidContext as error:
        if error.field not in {"run_id", "thread_id"}:
            raise
        raise NotFound(f"there is no such {error.field.removesuffix('_id')}", field=f"payload.{error.field}") from None


def _targets(view: UserView, user_context: UserExecutionContext) -> list[Run]:
    """The runs that a stop names. Raises `NotFound`, the same for another's id as for none."""
    if user_context.run_id is not None:
        run = view.runs.get(user_context.run_id)
        if run is None or user_context.thread_id not in {None, run.thread_id}:
            raise NotFound("there is no such run", field="payload.run_id")
        return [run]
    if user_context.thread_id is not None and view.threads.get(user_context.thread_id) is None:
        raise NotFound("there is no such thread", field="payload.thread_id")
    return view.runs.open(user_context.thread_id)
