"""The units that move a run: begin, stop, end, recover. Rows and events change together, or not at all.

Each function works inside one transaction of one user. Who wins a race is decided here and nowhere else: a stop is
set only on an open run, and a run with a stop on record can only end as stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from uuid_utils import uuid7

from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.codec import decode_payload, encode_json, rfc3339
from netra_backend.app.protocol.events import (
    AgentCompleted,
    AgentFailed,
    AgentStarted,
    AgentStopped,
    AgentStopping,
    EventPayload,
    FailureCode,
    FinishReason,
    Json,
    MessageCreated,
    RunOutcome,
    ThreadCreated,
    ThreadFiled,
    TokenUsage,
    ToolCompleted,
    ToolExecuting,
)
from netra_backend.app.protocol.frames import WhenBusy
from netra_backend.app.runs.earlier_turns import HistoryBudget, earlier_turns
from netra_backend.app.services.refusals import IdempotencyConflict, NotFound, QueueFull, ThreadBusy, TooManyThreads
from netra_backend.app.storage.runs import Run, RunError
from netra_backend.app.storage.threads import Thread

__all__ = [
    "Ending",
    "NewRun",
    "OpenTool",
    "RunLimits",
    "StartedRun",
    "begin_run",
    "create_thread",
    "end_from_log",
    "end_run",
    "recover_run",
    "start_run",
    "stop_runs",
]


@dataclass(frozen=True, slots=True)
class NewRun:
    """A message that starts a run. The ids are made by the caller, so that it can prepare for the run beforehand."""

    run_id: str
    message_id: str
    thread_id: str | None
    text: str
    client_message_id: str
    when_busy: WhenBusy
    agent: str
    model: str

    @property
    def fingerprint(self) -> bytes:
        """What a repetition under the same id must have in common."""
        return hashlib.sha256(msgspec.json.encode([self.text, self.thread_id])).digest()


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How much of one user may wait."""

    queued_runs: int
    threads: int
    history: HistoryBudget
    """What of the thread the model of a run is given; not of one user, but decided where a run starts."""


@dataclass(frozen=True, slots=True)
class StartedRun:
    """What came of a message. `repeated`: it had been sent before, nothing was done. `stopped`: runs it interrupted."""

    thread_id: str
    run_id: str
    message_id: str
    seq: int
    state: str
    repeated: bool = False
    stopped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenTool:
    """A tool call without its end, and how long it has run, in ms."""

    tool_call_id: str
    tool_name: str
    ran_ms: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run should end. What is on record decides: with a stop there, it ends as stopped whatever this says."""

    kind: Literal["completed", "failed", "stopped"]
    usage: TokenUsage = field(default_factory=TokenUsage)
    history: bytes | None = None
    code: str = ""
    message: str = ""
    retryable: bool = False
    stop_reason: str = "stopped"
    stop_requested_by: str = "user"
    finish_reason: FinishReason = "stop"
    output: Json = None
    # What is told of tools that are still open: `unknown` where one may go on.
    open_tools: Literal["cancelled", "unknown"] = "cancelled"


def create_thread(tx: UserTransaction, title: str, most: int) -> Thread:
    """Start a conversation. Raises `TooManyThreads`."""
    if tx.threads.count() >= most:
        raise TooManyThreads(f"you have {most} conversations, which is the most; delete one first")
    thread = tx.threads.create(title, tx.now)
    created = ThreadCreated(thread_id=thread.id, title=thread.title, created_at=rfc3339(tx.now))
    tx.append(created, thread_id=thread.id)
    return thread


def file_thread(tx: UserTransaction, thread_id: str, *, pinned: bool, archived: bool) -> None:
    """Put a thread among the pinned, the archived or the other ones."""
    tx.threads.file(thread_id, tx.now, pinned=pinned, archived=archived)
    tx.append(ThreadFiled(thread_id=thread_id, pinned=pinned, archived=archived), thread_id=thread_id)


def begin_run(tx: UserTransaction, new: NewRun, *, may_start: bool, limits: RunLimits) -> StartedRun:
    """Keep the message with its run. `may_start`: a place is free, so the run starts unless its thread is busy.

    Raises `IdempotencyConflict`, `NotFound`, `ThreadBusy`, `QueueFull` or `TooManyThreads`.
    """
    repeated = _repeated(tx, new)
    if repeated is not None:
        return repeated
    if new.thread_id is None:
        thread = create_thread(tx, _title(new.text), limits.threads)
    else:
        found = tx.threads.get(new.thread_id)
        if found is None:
            raise NotFound("there is no such thread", field="payload.thread_id")
        thread = found
        tx.threads.touch(thread.id, tx.now)
        if thread.archived:
            file_thread(tx, thread.id, pinned=False, archived=False)
    busy = tx.runs.open(thread.id)
    stopped: tuple[str, ...] = ()
    if busy and new.when_busy == "reject":
        raise ThreadBusy("a run of this thread is open; stop it, or send with when_busy 'queue' or 'interrupt'")
    if busy and new.when_busy == "interrupt":
        stopped = tuple(run.id for run in busy)
        stop_runs(tx, busy, reason="interrupted by a new message", requested_by="user")
    starts = may_start and not busy
    if not starts and tx.runs.count_queued() >= limits.queued_runs:
        raise QueueFull(f"{limits.queued_runs} messages wait already, which is the most", retry_after=5)
    tx.runs.create(
        run_id=new.run_id,
        thread_id=thread.id,
        message_id=new.message_id,
        agent=new.agent,
        model=new.model,
        now=tx.now,
    )
    seq = tx.append(
        MessageCreated(
            message_id=new.message_id,
            role="user",
            text=new.text,
            client_message_id=new.client_message_id,
            run_id=new.run_id,
            run_state="running" if starts else "queued",
        ),
        thread_id=thread.id,
    )
    tx.messages.add(
        message_id=new.message_id,
        thread_id=thread.id,
        run_id=new.run_id,
        role="user",
        text=new.text,
        state="complete",
        client_message_id=new.client_message_id,
        fingerprint=new.fingerprint,
        now=tx.now,
        seq=seq,
    )
    if starts:
        start_run(tx, new.run_id, limits.history)
    return StartedRun(thread.id, new.run_id, new.message_id, seq, "running" if starts else "queued", stopped=stopped)


def start_run(tx: UserTransaction, run_id: str, history: HistoryBudget) -> None:
    """queued → running, and `agent_started`. Raises `IllegalStep` when it isn't queued any more."""
    tx.runs.start(run_id, tx.now)
    run = tx.runs.get(run_id)
    if run is not None:
        earlier = earlier_turns(tx, run, history)
        started = AgentStarted(
            agent=run.agent,
            model=run.model,
            message_id=run.message_id,
            earlier_turns_left_out=earlier.left_out,
            earlier_turns_in_short=earlier.in_short,
        )
        tx.append(started, thread_id=run.thread_id, run_id=run_id)


def stop_runs(tx: UserTransaction, runs: Sequence[Run], *, reason: str, requested_by: str) -> list[RunOutcome]:
    """Record a stop of these runs. Queued ones end with it; ended ones are left, and say where they ended."""
    outcomes: list[RunOutcome] = []
    for run in runs:
        if run.terminal_seq is not None:
            outcomes.append(RunOutcome(run_id=run.id, outcome="already_finished", seq=run.terminal_seq))
            continue
        if tx.runs.request_stop(run.id, tx.now, reason, requested_by):
            if run.state == "queued":
                _end_queued(tx, run, reason)
            else:
                stopping = AgentStopping(reason=reason, requested_by=requested_by)
                tx.append(stopping, thread_id=run.thread_id, run_id=run.id)
        outcomes.append(RunOutcome(run_id=run.id, outcome="stopping"))
    return outcomes


def end_run(
    tx: UserTransaction,
    run_id: str,
    ending: Ending,
    *,
    text: str,
    open_tools: Mapping[str, OpenTool],
) -> bool:
    """End a run: close its open tools, keep the answer as a message, append the terminal event.

    `text` is the whole answer as it was shown. Returns False if the run had ended or is gone (this unit was kept
    before, or the thread was deleted).
    """
    run = tx.runs.get(run_id)
    if run is None or run.terminal_seq is not None:
        return False
    if ending.kind == "stopped" and run.stop_requested_at is None:
        # The log was away when the stop came: it is recorded together with its outcome.
        tx.runs.request_stop(run_id, tx.now, ending.stop_reason, ending.stop_requested_by)
        run = tx.runs.get(run_id) or run
    kind = "stopped" if run.stop_requested_at is not None else ending.kind
    if run.state == "queued" and kind == "stopped":
        _end_queued(tx, run, run.stop_reason or ending.stop_reason)
        return True

    for tool in open_tools.values():
        closed = ToolCompleted(
            tool_call_id=tool.tool_call_id,
            tool_name=tool.tool_name,
            status=ending.open_tools,
            result=None,
            duration_ms=tool.ran_ms,
        )
        tx.append(closed, thread_id=run.thread_id, run_id=run_id)
    message_id = str(uuid7()) if text or kind == "completed" else None
    terminal: EventPayload
    error: RunError | None = None
    match kind:
        case "completed":
            terminal = AgentCompleted(
                final_response=text,
                message_id=message_id or "",
                usage=ending.usage,
                finish_reason=ending.finish_reason,
                output=ending.output,
            )
        case "stopped":
            reason = run.stop_reason or ending.stop_reason
            terminal = AgentStopped(reason=reason, partial_response=text, message_id=message_id, usage=ending.usage)
        case "failed":
            error = RunError(ending.code, ending.message, ending.retryable)
            terminal = AgentFailed(
                code=ending.code,
                message=ending.message,
                retryable=ending.retryable,
                partial_response=text,
                message_id=message_id,
                usage=ending.usage,
            )
    seq = tx.append(terminal, thread_id=run.thread_id, run_id=run_id)
    if message_id is not None:
        tx.messages.add(
            message_id=message_id,
            thread_id=run.thread_id,
            run_id=run_id,
            role="agent",
            text=text,
            state="complete" if kind == "completed" else kind,
            now=tx.now,
            seq=seq,
            finish_reason=ending.finish_reason if kind == "completed" else "stop",
            output=_json(ending.output) if kind == "completed" else None,
        )
    tx.runs.finish(
        run_id,
        kind,
        now=tx.now,
        terminal_seq=seq,
        usage=msgspec.json.encode(ending.usage).decode(),
        error=error,
        history=ending.history,
    )
    tx.threads.touch(run.thread_id, tx.now)
    return True


def end_from_log(tx: UserTransaction, run_id: str, ending: Ending) -> None:
    """End a run of which nothing is known but what the log holds: after a crash, or a defect of the server."""
    text: list[str] = []
    open_tools: dict[str, OpenTool] = {}
    for record in tx.of_run(run_id):
        if record.type == "agent_message_delta":
            text.append(record.text)
            continue
        payload = decode_payload(record.type, record.payload)
        if isinstance(payload, ToolExecuting):
            open_tools[payload.tool_call_id] = OpenTool(
                payload.tool_call_id, payload.tool_name, max(0, tx.now - record.ts)
            )
        elif isinstance(payload, ToolCompleted):
            open_tools.pop(payload.tool_call_id, None)
    end_run(tx, run_id, ending, text="".join(text), open_tools=open_tools)


def recover_run(tx: UserTransaction, run_id: str) -> None:
    """End a run that a crash cut: as stopped if that is on record, else as failed with `worker_lost`.

    A tool call that was under way may have had its effect; it is shown as `unknown` and not run again.
    """
    lost = Ending(
        kind="failed",
        code=FailureCode.WORKER_LOST,
        message="the server ended while this run was under way; what it had written is kept",
        retryable=True,
        open_tools="unknown",
    )
    end_from_log(tx, run_id, lost)


def _json(output: Json) -> str | None:
    return encode_json(output).decode() if output is not None else None


def _end_queued(tx: UserTransaction, run: Run, reason: str) -> None:
    stopped = AgentStopped(reason=reason, partial_response="", message_id=None, usage=TokenUsage())
    seq = tx.append(stopped, thread_id=run.thread_id, run_id=run.id)
    tx.runs.finish(run.id, "stopped", now=tx.now, terminal_seq=seq)


def _repeated(tx: UserTransaction, new: NewRun) -> StartedRun | None:
    message = tx.messages.by_client_id(new.client_message_id)
    if message is None:
        return None
    run = tx.runs.get(message.run_id)
    same_text = message.text == new.text
    # The first sending may have named no thread; a repetition may name the one that came of it.
    same_thread = message.fingerprint == new.fingerprint or new.thread_id == message.thread_id
    if run is None or not same_text or not same_thread:
        raise IdempotencyConflict(
            "this client_message_id was used for another message", field="payload.client_message_id"
        )
    return StartedRun(message.thread_id, run.id, message.id, message.seq, run.state, repeated=True)


def _title(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "New conversation")
    return first if len(first) <= 60 else first[:59].rstrip() + "…"
