"""What the HTTP routes take and give, as OpenAPI shows it. Times are RFC 3339 in UTC."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from netra_backend.app.event_log.log import Cursor
from netra_backend.app.protocol.codec import rfc3339
from netra_backend.app.protocol.events import FinishReason, RunOutcome
from netra_backend.app.protocol.frames import NO_NUL
from netra_backend.app.runs.ledger import StartedRun
from netra_backend.app.runs.parts import Part, RunParts, ToolState
from netra_backend.app.services.thread_search import Found
from netra_backend.app.services.thread_service import OpenRunState, Snapshot, ThreadState
from netra_backend.app.storage.messages import Message, SearchHit
from netra_backend.app.storage.runs import Run
from netra_backend.app.storage.threads import MAX_TITLE, Thread

Id = Annotated[str, Field(max_length=128)]


Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE, pattern=NO_NUL)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewThread(_Body):
    """A thread to make."""

    title: Title = "New conversation"


class ThreadChange(_Body):
    """What to change of a thread. It isn't pinned and archived at once: the one ends the other."""

    title: Title | None = None
    pinned: bool | None = None
    archived: bool | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.title is None and self.pinned is None and self.archived is None:
            raise ValueError("name what to change: title, pinned or archived")
        if self.pinned and self.archived:
            raise ValueError("a thread is pinned or archived, not both")
        return self


class NewMessage(_Body):
    """A message that starts a run: the fields of the `user_message` frame."""

    text: Annotated[str, Field(min_length=1)]
    client_message_id: Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)]
    when_busy: Literal["reject", "queue", "interrupt"] = "reject"


class StopReason(_Body):
    """Why runs are stopped; every tab shows it."""

    reason: Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None = None


class CursorInfo(BaseModel):
    """The last number of the log at the moment of the answer; `resume` from it."""

    epoch: str
    seq: int

    @classmethod
    def of(cls, cursor: Cursor) -> Self:
        return cls(epoch=cursor.epoch, seq=cursor.seq)


class ThreadInfo(BaseModel):
    """A thread."""

    id: str
    title: str
    created_at: str
    updated_at: str
    pinned: bool
    archived: bool

    @classmethod
    def of(cls, thread: Thread) -> Self:
        return cls(
            id=thread.id,
            title=thread.title,
            created_at=rfc3339(thread.created_at),
            updated_at=rfc3339(thread.updated_at),
            pinned=thread.pinned,
            archived=thread.archived,
        )


class ThreadList(BaseModel):
    """The last used threads first. `next` goes on from here; null at the end."""

    threads: list[ThreadInfo]
    next: str | None


class MessageInfo(BaseModel):
    """A message. `state` says whether an answer is complete or was `stopped` or `failed`; `finish_reason`, whether a
    complete one is whole (`stop`), was cut at a limit or by a filter (`length`, `content_filter`), or is a refusal.
    `output` is the agent's structured output, if it had one."""

    id: str
    number: int
    thread_id: str
    run_id: str
    role: Literal["user", "agent"]
    text: str
    state: Literal["complete", "stopped", "failed"]
    client_message_id: str | None
    created_at: str
    seq: int
    finish_reason: FinishReason | None
    output: Any

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(
            id=message.id,
            number=message.number,
            thread_id=message.thread_id,
            run_id=message.run_id,
            role=message.role,
            text=message.text,
            state=message.state,
            client_message_id=message.client_message_id,
            created_at=rfc3339(message.created_at),
            seq=message.seq,
            finish_reason=message.finish_reason if message.role == "agent" and message.state == "complete" else None,
            output=json.loads(message.output) if message.output is not None else None,
        )


class MessageList(BaseModel):
    """Messages in the order they were said. `before` pages further back; null at the beginning."""

    messages: list[MessageInfo]
    before: int | None


class RunInfo(BaseModel):
    """A run. `stop_requested_at`: a stop is on record. `error_retryable`, of a failed one: the same message may
    succeed a moment later (null where that isn't known)."""

    id: str
    thread_id: str
    message_id: str
    state: Literal["queued", "running", "completed", "failed", "stopped"]
    agent: str
    model: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    stop_requested_at: str | None
    stop_reason: str | None
    error_code: str | None
    error_message: str | None
    error_retryable: bool | None
    terminal_seq: int | None

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(
            id=run.id,
            thread_id=run.thread_id,
            message_id=run.message_id,
            state=run.state,
            agent=run.agent,
            model=run.model,
            created_at=rfc3339(run.created_at),
            started_at=_time(run.started_at),
            finished_at=_time(run.finished_at),
            stop_requested_at=_time(run.stop_requested_at),
            stop_reason=run.stop_reason,
            error_code=run.error_code,
            error_message=run.error_message,
            error_retryable=run.error_retryable,
            terminal_seq=run.terminal_seq,
        )


class RunList(BaseModel):
    """The last runs first."""

    runs: list[RunInfo]


class ToolInfo(BaseModel):
    """A tool call. `status` null: under way."""

    tool_call_id: str
    tool_name: str
    parameters: Any
    status: str | None
    result: Any
    duration_ms: int | None

    @classmethod
    def of(cls, tool: ToolState) -> Self:
        return cls(
            tool_call_id=tool.tool_call_id,
            tool_name=tool.tool_name,
            parameters=tool.parameters,
            status=tool.status,
            result=tool.result,
            duration_ms=tool.duration_ms,
        )


class PartInfo(BaseModel):
    """A part of a run, in its order: text or reasoning up to whatever came next, or a tool call (`tool_call_id`).

    `chars`: how many characters (Unicode code points) of the run's whole text or reasoning this part is. `ended_at` is
    null while a tool is under way.
    """

    kind: Literal["text", "thinking", "tool"]
    began_at: str
    ended_at: str | None
    chars: int
    tool_call_id: str | None

    @classmethod
    def of(cls, part: Part) -> Self:
        return cls(
            kind=part.kind,
            began_at=rfc3339(part.began_at),
            ended_at=_time(part.ended_at),
            chars=part.chars,
            tool_call_id=part.tool_call_id,
        )


class RunOutline(BaseModel):
    """What a run said and did, part by part, in short: tools with the beginning of their parameters and without their
    results. Its text is that of its answer; `GET /api/runs/{id}` tells the rest."""

    parts: list[PartInfo]
    tools: list[ToolInfo]

    @classmethod
    def of(cls, told: RunParts) -> Self:
        return cls(parts=[PartInfo.of(part) for part in told.parts], tools=[ToolInfo.of(tool) for tool in told.tools])


class RunSoFar(BaseModel):
    """A run with everything that was told of it so far. `parts` say in which order."""

    run: RunInfo
    text: str
    thinking: str
    tools: list[ToolInfo]
    parts: list[PartInfo]

    @classmethod
    def of(cls, state: OpenRunState) -> Self:
        told = state.told
        return cls(
            run=RunInfo.of(state.run),
            text=told.text,
            thinking=told.thinking,
            tools=[ToolInfo.of(tool) for tool in told.tools],
            parts=[PartInfo.of(part) for part in told.parts],
        )


class ThreadDetail(BaseModel):
    """A thread at one moment; events after `cursor` go on from exactly there.

    `runs` are those of the messages. `outlines` tell what ended ones did, by the run's id; where one is missing, ask
    for the run."""

    thread: ThreadInfo
    messages: list[MessageInfo]
    runs: list[RunInfo]
    outlines: dict[str, RunOutline]
    open_runs: list[RunSoFar]
    cursor: CursorInfo

    @classmethod
    def of(cls, state: ThreadState) -> Self:
        return cls(
            thread=ThreadInfo.of(state.thread),
            messages=[MessageInfo.of(message) for message in state.messages],
            runs=[RunInfo.of(run) for run in state.runs],
            outlines={run_id: RunOutline.of(told) for run_id, told in state.outlines.items()},
            open_runs=[RunSoFar.of(run) for run in state.open_runs],
            cursor=CursorInfo.of(state.cursor),
        )


class SnapshotInfo(BaseModel):
    """The pinned threads, the last used others, and all open runs at one moment; events after `cursor` go on from
    exactly there. `next` goes on in the list of threads; null at its end."""

    threads: list[ThreadInfo]
    next: str | None
    open_runs: list[RunSoFar]
    cursor: CursorInfo

    @classmethod
    def of(cls, snapshot: Snapshot, more: str | None) -> Self:
        rest = [thread for thread in snapshot.threads if not thread.pinned]
        return cls(
            threads=[ThreadInfo.of(thread) for thread in (*snapshot.pinned, *rest)],
            next=more,
            open_runs=[RunSoFar.of(run) for run in snapshot.open_runs],
            cursor=CursorInfo.of(snapshot.cursor),
        )


class Started(BaseModel):
    """The run that a message started, or had started when it was sent before (`repeated`)."""

    thread_id: str
    run_id: str
    message_id: str
    seq: int
    run_state: str
    repeated: bool

    @classmethod
    def of(cls, started: StartedRun) -> Self:
        return cls(
            thread_id=started.thread_id,
            run_id=started.run_id,
            message_id=started.message_id,
            seq=started.seq,
            run_state=started.state,
            repeated=started.repeated,
        )


class OutcomeInfo(BaseModel):
    """What a stop did to one run; `seq` is that of its terminal event where it had already ended."""

    run_id: str
    outcome: Literal["stopping", "already_finished"]
    seq: int | None


class StopOutcomes(BaseModel):
    """Every run that a stop concerned."""

    runs: list[OutcomeInfo]

    @classmethod
    def of(cls, runs: list[RunOutcome]) -> Self:
        return cls(runs=[OutcomeInfo(run_id=run.run_id, outcome=run.outcome, seq=run.seq) for run in runs])


class HitInfo(BaseModel):
    """A message that was found: where it is, who said it, and an excerpt around what matches. `number` is the
    message's: the page of its thread `before` the next number ends with it."""

    message_id: str
    number: int
    run_id: str
    thread_id: str
    title: str
    role: Literal["user", "agent"]
    excerpt: str
    created_at: str

    @classmethod
    def of(cls, hit: SearchHit) -> Self:
        return cls(
            message_id=hit.message_id,
            number=hit.number,
            run_id=hit.run_id,
            thread_id=hit.thread_id,
            title=hit.title,
            role=hit.role,
            excerpt=hit.excerpt,
            created_at=rfc3339(hit.created_at),
        )


class HitList(BaseModel):
    """Messages, the newest first, and threads by their titles, the last used first."""

    hits: list[HitInfo]
    threads: list[ThreadInfo]

    @classmethod
    def of(cls, found: Found) -> Self:
        return cls(
            hits=[HitInfo.of(hit) for hit in found.hits],
            threads=[ThreadInfo.of(thread) for thread in found.threads],
        )


class EventList(BaseModel):
    """Events of one thread, as the socket tells them. They don't tile: other threads' events lie between."""

    events: list[dict[str, Any]]
    cursor: CursorInfo


def _time(ms: int | None) -> str | None:
    return rfc3339(ms) if ms is not None else None
