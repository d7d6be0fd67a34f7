"""The runs of this process: who waits, who works, and how each comes to its end.

A run has a place to work in when its thread has no other at work, and neither its user nor the server has too many.
Places are given in the order in which runs were asked for. Everything here is decided between two awaits on the event
loop, so there are no locks; what must outlive the process is decided in the log (`run_ledger`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from structlog.contextvars import bound_contextvars

from netra_backend.app.agents.containment import contained
from netra_backend.app.agents.runtime import (
    AgentFailure,
    AgentRuntime,
    PastTurn,
    SinkClosed,
    Turn,
    TurnHandle,
    TurnResult,
)
from netra_backend.app.background import Background
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.user_log import UserTransaction, UserView
from netra_backend.app.protocol.events import FailureCode, TokenUsage
from netra_backend.app.runs.earlier_turns import HistoryBudget, earlier_turns
from netra_backend.app.runs.ledger import Ending, end_run, recover_run, start_run
from netra_backend.app.runs.stream import RunStream
from netra_backend.app.runs.user_data import StoredUserData
from netra_backend.app.services.agent_websocket_bridge import AgentWebSocketBridge
from netra_backend.app.services.thread_search import ThreadSearch
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.settings import Settings
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.runs import IllegalStep, RunRef, open_runs

__all__ = ["RunSupervisor", "SupervisedRun"]

T = TypeVar("T")
RETRY = 0.25
"""Seconds between tries while the log is away."""

_logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class SupervisedRun:
    """A run of this process. `placed`: it may work. `started`: the log says so too."""

    user_id: str
    run_id: str
    thread_id: str | None
    placed: bool = False
    started: bool = False
    ending_for: Ending | None = None
    handle: TurnHandle | None = None
    go: asyncio.Event = field(default_factory=asyncio.Event)
    end_now: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def end(self, ending: Ending) -> None:
        """Cancel its work now, for this reason; the first reason holds."""
        if self.ending_for is None:
            self.ending_for = ending
        self.end_now.set()
        self.go.set()
        if self.handle is not None:
            self.handle.cancel()

    def stopped_over(self, ending: Ending) -> Ending:
        """`ending`, unless a stop came after it and before it was on record."""
        why = self.ending_for
        if why is None or why.kind != "stopped" or ending.kind == "stopped":
            return ending
        return replace(why, usage=ending.usage, history=ending.history)


class RunSupervisor:
    """Gives places, drives turns, cancels them, and brings every run to its one end."""

    def __init__(
        self,
        log: EventLog,
        bridge: AgentWebSocketBridge,
        runtime: AgentRuntime,
        search: ThreadSearch,
        settings: Settings,
    ) -> None:
        self.runtime = runtime
        self._log = log
        self._search = search
        self._bridge = bridge
        self._settings = settings
        self._history = HistoryBudget(settings.history_turns, settings.history_chars)
        # In the order in which they were asked for.
        self._runs: dict[str, SupervisedRun] = {}
        self._draining = False
        self._drained = False
        self._tasks = Background()
        self._abandoned: set[asyncio.Task[TurnResult]] = set()

    def reserve(self, user_id: str, run_id: str, thread_id: str | None) -> SupervisedRun:
        """Note a run that is about to be recorded, and give it a place if there is one. `thread_id` None: a new one.

        Follow it with `begin`, or with `release` if it wasn't recorded.
        """
        run = SupervisedRun(user_id, run_id, thread_id)
        self._runs[run_id] = run
        self._give_places()
        return run

    def begin(self, run: SupervisedRun, thread_id: str, *, started: bool) -> None:
        """The run is on record, as started or as queued: bring it to its end, in a task of its own."""
        run.thread_id = thread_id
        run.started = started
        if run.placed and not started:
            # Its thread was busy after all: it waits in line like the others.
            run.placed = False
            if run.ending_for is None:
                run.go.clear()
        run.task = self._spawn(run)
        self._give_places()

    def release(self, run: SupervisedRun) -> None:
        """Forget a run, and give its place to the next."""
        if self._runs.pop(run.run_id, None) is not None:
            self._give_places()

    def of_user(self, user_id: str, *, run_id: str | None = None, thread_id: str | None = None) -> list[SupervisedRun]:
        """The user's runs here; one, or those of a thread, if named."""
        return [
            run
            for run in self._runs.values()
            if run.user_id == user_id
            and (run_id is None or run.run_id == run_id)
            and (thread_id is None or run.thread_id == thread_id)
        ]

    async def ended(self, runs: Iterable[SupervisedRun]) -> None:
        """Wait until these runs have ended, in the log too."""
        tasks = [run.task for run in runs if run.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    def counts(self) -> tuple[int, int]:
        """How many runs work, and how many wait."""
        placed = sum(run.placed for run in self._runs.values())
        return placed, len(self._runs) - placed

    async def recover(self) -> None:
        """End what a crash cut, and take up what waited, in its order. Called once, before anything is served."""
        left = await self._log.query(open_runs)
        for ref in left:
            if ref.state == "running":
                await self._log.commit(ref.user_id, lambda tx, ref=ref: recover_run(tx, ref.id))
        for ref in left:
            if ref.state == "queued":
                self._take_up(ref)

    def give_no_more_places(self) -> None:
        """What is asked for from now on waits, for the next start."""
        self._draining = True

    async def drain(self, grace: float) -> None:
        """Give no more places, let running runs end by themselves for `grace` seconds, then end the others.

        What didn't end then is not waited for again.
        """
        self.give_no_more_places()
        if self._drained:
            return
        waiting = [run for run in self._runs.values() if not run.placed]
        working = [run for run in self._runs.values() if run.placed and run.task is not None]
        for run in waiting:
            # They stay queued in the log, and start after the restart.
            if run.task is not None:
                run.task.cancel()
        tasks = [run.task for run in working if run.task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace)
        for run in working:
            run.end(
                Ending(
                    kind="failed",
                    code=FailureCode.WORKER_LOST,
                    message="the server was stopped while this run was under way; what it had written is kept",
                    retryable=True,
                )
            )
        if late:
            # If the log is away now, the next start recovers them.
            _, stuck = await asyncio.wait(late, timeout=self._settings.stop_grace + 2)
            for task in stuck:
                task.cancel()
        self._drained = True

    def at_work(self) -> list[str]:
        """The runs that work now."""
        return [run.run_id for run in self._runs.values() if run.placed]

    def _take_up(self, ref: RunRef) -> None:
        run = self.reserve(ref.user_id, ref.id, ref.thread_id)
        run.task = self._spawn(run)

    def _give_places(self) -> None:
        if self._draining:
            return
        placed = [run for run in self._runs.values() if run.placed]
        free = self._settings.max_running_runs - len(placed)
        of_user = Counter(run.user_id for run in placed)
        busy = {run.thread_id for run in placed}
        for run in self._runs.values():
            if free <= 0:
                return
            if run.placed or of_user[run.user_id] >= self._settings.max_running_runs_per_user:
                continue
            if run.thread_id is not None and run.thread_id in busy:
                continue
            run.placed = True
            run.go.set()
            free -= 1
            of_user[run.user_id] += 1
            busy.add(run.thread_id)

    def _spawn(self, run: SupervisedRun) -> asyncio.Task[None]:
        # The task takes over these names, so that every line it logs says whose run it is.
        with bound_contextvars(user_id=run.user_id, thread_id=run.thread_id, run_id=run.run_id):
            return self._tasks.start(self._live(run), name=f"run-{run.run_id}")

    async def _live(self, run: SupervisedRun) -> None:
        try:
            await run.go.wait()
            if run.started or await self._start(run):
                await self._work(run)
        finally:
            self.release(run)

    async def _start(self, run: SupervisedRun) -> bool:
        """Have the log say that the run works. False if it won't: it was stopped, or is left for the next start."""

        def unit(tx: UserTransaction) -> bool:
            why = run.ending_for
            if why is None:
                start_run(tx, run.run_id, self._history)
            elif why.kind == "stopped":
                end_run(tx, run.run_id, why, text="", open_tools={})
            return why is None

        try:
            return await self._insist(lambda: self._log.commit(run.user_id, unit))
        except (IllegalStep, LookupError):
            # It was stopped while it waited, and that is on record; or its thread is gone.
            return False

    async def _work(self, run: SupervisedRun) -> None:
        context = UserExecutionContext(user_id=run.user_id).of_run(run.thread_id or "", run.run_id)
        stream = await self._bridge.open_stream(context)
        try:
            ending = await self._turn(run, context, stream)
        except Exception:
            # A defect of ours or of the agent's: the run has its one end all the same.
            _logger.exception("a turn could not be driven to its end")
            message = "the server failed on this run; its log says why"
            ending = run.ending_for or Ending(kind="failed", code=FailureCode.AGENT_ERROR, message=message)
        await stream.finish(lambda: run.stopped_over(ending))

    async def _turn(self, run: SupervisedRun, context: UserExecutionContext, stream: RunStream) -> Ending:
        past = await self._insist(lambda: self._log.view(run.user_id, lambda view: self._past(view, run)))
        if run.ending_for is not None or past is None:
            return run.ending_for or Ending(kind="stopped", stop_reason="the thread is gone")
        text, history = past
        turn = Turn(context, text, history, StoredUserData(self._log, self._search, context))
        with contained():
            run.handle = self.runtime.start(turn, stream)
        worker = asyncio.create_task(_worked(run.handle), name=f"turn-{run.run_id}")
        ending_now = asyncio.create_task(run.end_now.wait())
        most = self._settings.run_timeout + self._settings.stop_grace
        try:
            done, _ = await asyncio.wait({worker, ending_now}, timeout=most, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                # The turn should have ended itself at its timeout; a tool that swallows its cancellation holds it up.
                message = "The run took longer than it may (NETRA_RUN_TIMEOUT)."
                run.end(Ending(kind="failed", code=FailureCode.TIMEOUT_TOTAL, message=message, retryable=True))
            if not worker.done():
                await asyncio.wait({worker}, timeout=self._settings.stop_grace)
        except asyncio.CancelledError:
            self._abandon(worker)
            raise
        finally:
            ending_now.cancel()
        if worker.done():
            return self._ending(run, worker)
        # A tool swallows its cancellation. The run ends for the user; the task ends when it can.
        self._abandon(worker)
        return replace(run.ending_for or Ending(kind="stopped"), open_tools="unknown")

    def _ending(self, run: SupervisedRun, worker: asyncio.Task[TurnResult]) -> Ending:
        if worker.cancelled():
            # Not by us: the agent's code cancelled the task it worked in.
            message = "the agent cancelled its own task though nobody stopped the run"
            return run.ending_for or Ending(kind="failed", code=FailureCode.AGENT_ERROR, message=message)
        try:
            result = worker.result()
        except AgentFailure as failure:
            why = run.ending_for or Ending(
                kind="failed", code=failure.code, message=failure.message, retryable=failure.retryable
            )
            return replace(why, history=failure.history)
        except SinkClosed:
            return run.ending_for or Ending(kind="stopped", stop_reason="the run was ended elsewhere")
        except Exception:
            # Every run has one end, also when the agent has a defect. The trace is for the log, not for the user.
            _logger.exception("the agent raised something else than AgentFailure")
            return run.ending_for or Ending(
                kind="failed", code=FailureCode.AGENT_ERROR, message="the agent failed; its log says why"
            )
        usage = TokenUsage(
            input_tokens=result.usage.input_tokens,
            output_tokens=result.usage.output_tokens,
            requests=result.usage.requests,
            tool_calls=result.usage.tool_calls,
        )
        if not result.cancelled:
            return Ending(
                kind="completed",
                usage=usage,
                history=result.history,
                finish_reason=result.finish_reason,
                output=result.output,
            )
        why = run.ending_for or Ending(
            kind="failed", code=FailureCode.AGENT_ERROR, message="the agent cancelled its own run"
        )
        return replace(why, usage=usage, history=result.history)

    def _past(self, view: UserView, run: SupervisedRun) -> tuple[str, Sequence[PastTurn]] | None:
        """What was said now, and the earlier turns of the thread that did start; None if the thread is gone."""
        row = view.runs.get(run.run_id)
        said = view.messages.get(row.message_id) if row is not None else None
        if row is None or said is None:
            return None
        past: list[PastTurn] = []
        # Chosen anew as it was where the run started: what has ended stays as it is.
        for earlier in earlier_turns(view, row, self._history).told:
            question, *answers = view.messages.of_run(earlier.run.id)
            past.append(
                PastTurn(
                    question.text,
                    answers[0].text if answers else "",
                    earlier.run.state != "completed",
                    view.runs.history(earlier.run.id) if earlier.whole else None,
                    failed=earlier.run.state == "failed",
                )
            )
        return said.text, past

    async def _insist(self, act: Callable[[], Awaitable[T]]) -> T:
        """Try until the log is back."""
        while True:
            try:
                return await act()
            except LogUnavailable:
                await asyncio.sleep(RETRY)

    def _abandon(self, worker: asyncio.Task[TurnResult]) -> None:
        worker.cancel()
        self._abandoned.add(worker)
        worker.add_done_callback(self._forget_abandoned)

    def _forget_abandoned(self, task: asyncio.Task[TurnResult]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _logger.info("an abandoned turn ended with %r", task.exception())


async def _worked(handle: TurnHandle) -> TurnResult:
    """The turn, whichever runtime takes it: what is no error of a turn doesn't get out of it either."""
    with contained():
        return await handle.wait()
