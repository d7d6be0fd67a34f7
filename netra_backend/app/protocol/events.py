"""What the server tells: the events of a user's log, and the frames that exist only on a socket.

Source of every name and field: the contract, section 3. The JSON Schema and `docs/protocol.md` are made from here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import msgspec

__all__ = [
    "Ack",
    "AgentCompleted",
    "AgentFailed",
    "AgentMessageDelta",
    "AgentStarted",
    "AgentStopped",
    "AgentStopping",
    "AgentThinking",
    "ConnectionReady",
    "Delta",
    "Erased",
    "ErrorInfo",
    "Event",
    "EventPayload",
    "EVENT_PAYLOADS",
    "FailureCode",
    "FinishReason",
    "Gap",
    "Json",
    "Limits",
    "MessageCreated",
    "PROTOCOL_VERSION",
    "Pong",
    "RunOutcome",
    "SOCKET_PAYLOADS",
    "ServerDraining",
    "SocketFrame",
    "StopUnrecorded",
    "TERMINAL_TYPES",
    "ThreadCreated",
    "ThreadDeleted",
    "ThreadFiled",
    "ThreadRenamed",
    "ToolCompleted",
    "ToolExecuting",
    "TokenUsage",
]

PROTOCOL_VERSION = 1
"""Told in `connection_ready`. A client that knows another major number should say so and stop."""

if TYPE_CHECKING:
    Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
else:
    Json = Any  # msgspec has no recursive aliases; its Any is exactly a JSON value here


class EventPayload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The `payload` of an event in the log."""


class MessageCreated(EventPayload, frozen=True, kw_only=True, gc=False):
    """Somebody said something in a thread; every tab of the user sees it."""

    message_id: str
    role: Literal["user"]
    text: str
    client_message_id: str | None
    run_id: str
    run_state: Literal["queued", "running"]


class AgentStarted(EventPayload, frozen=True, kw_only=True, gc=False):
    """The first event of a run that began to work.

    `earlier_turns_left_out` says how many earlier turns of the thread its model isn't given, as they are too many or
    too long for its history (counted up to 1,000); `earlier_turns_in_short`, of how many it's told the texts alone,
    without reasoning, tool calls and results.
    """

    agent: str
    model: str
    message_id: str
    earlier_turns_left_out: int = 0
    earlier_turns_in_short: int = 0


class AgentThinking(EventPayload, frozen=True, kw_only=True, gc=False):
    """A piece of the model's reasoning. Neighbours of one run are merged on replay."""

    reasoning: str


class AgentMessageDelta(EventPayload, frozen=True, kw_only=True, gc=False):
    """A piece of the answer as it is written. Neighbours of one run are merged on replay."""

    text: str


class ToolExecuting(EventPayload, frozen=True, kw_only=True, gc=False):
    """A tool is about to start; committed before it does."""

    tool_call_id: str
    tool_name: str
    parameters: Json


class ToolCompleted(EventPayload, frozen=True, kw_only=True, gc=False):
    """The one end of a tool call. `unknown`: cut or abandoned, it may have had its effect."""

    tool_call_id: str
    tool_name: str
    status: Literal["ok", "error", "cancelled", "unknown"]
    result: Json
    duration_ms: int


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a run consumed; zero where the model doesn't say."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    tool_calls: int = 0


FinishReason = Literal["stop", "length", "content_filter", "refusal"]
"""Why an answer ended: it was whole (`stop`), or it was cut at a limit, held back by a filter, or refused."""


class AgentCompleted(EventPayload, frozen=True, kw_only=True, gc=False):
    """The run's last event: the whole answer, or with a `finish_reason` other than `stop` what came before it was cut.

    `output` is the structured output, where the agent's output isn't text. Either may be missing in an old log.
    """

    final_response: str
    message_id: str
    usage: TokenUsage
    finish_reason: FinishReason = "stop"
    output: Json = None


class AgentStopping(EventPayload, frozen=True, kw_only=True, gc=False):
    """A stop is on record; the run's last event will be `agent_stopped`."""

    reason: str
    requested_by: str


class AgentStopped(EventPayload, frozen=True, kw_only=True, gc=False):
    """The run's last event: stopped, with the answer as far as it was shown. No text, no message: `message_id` null."""

    reason: str
    partial_response: str
    message_id: str | None
    usage: TokenUsage


class FailureCode(StrEnum):
    """Why a run failed: the `code` of `agent_failed`. Each is a documented name."""

    MODEL_UNREACHABLE = "model_unreachable"
    MODEL_REFUSED_KEY = "model_refused_key"
    MODEL_RATE_LIMITED = "model_rate_limited"
    MODEL_REJECTED_REQUEST = "model_rejected_request"
    MODEL_SERVER_ERROR = "model_server_error"
    MODEL_BAD_RESPONSE = "model_bad_response"
    MODEL_STREAM_CUT = "model_stream_cut"
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_FIRST_TOKEN = "timeout_first_token"
    TIMEOUT_IDLE = "timeout_idle"
    TIMEOUT_TOTAL = "timeout_total"
    USAGE_LIMIT = "usage_limit"
    TOOL_FAILED = "tool_failed"
    AGENT_ERROR = "agent_error"
    WORKER_LOST = "worker_lost"


class AgentFailed(EventPayload, frozen=True, kw_only=True, gc=False):
    """The run's last event: it could not go on. `message` is safe to show. No text, no message: `message_id` null."""

    code: str
    message: str
    retryable: bool
    partial_response: str
    message_id: str | None = None
    usage: TokenUsage = TokenUsage()


class ThreadCreated(EventPayload, frozen=True, kw_only=True, gc=False):
    """A new conversation."""

    thread_id: str
    title: str
    created_at: str


class ThreadRenamed(EventPayload, frozen=True, kw_only=True, gc=False):
    """A conversation has another title."""

    thread_id: str
    title: str


class ThreadFiled(EventPayload, frozen=True, kw_only=True, gc=False):
    """A conversation is pinned, or archived, or (neither) among the others again. One that is archived comes back when
    something is said in it."""

    thread_id: str
    pinned: bool
    archived: bool


class ThreadDeleted(EventPayload, frozen=True, kw_only=True, gc=False):
    """A conversation is gone; its events are `erased`."""

    thread_id: str


class Erased(EventPayload, frozen=True, kw_only=True, gc=False):
    """Stands where deleted events were, so that ranges still tile."""


EVENT_PAYLOADS: dict[str, type[EventPayload]] = {
    "message_created": MessageCreated,
    "agent_started": AgentStarted,
    "agent_thinking": AgentThinking,
    "tool_executing": ToolExecuting,
    "tool_completed": ToolCompleted,
    "agent_completed": AgentCompleted,
    "agent_message_delta": AgentMessageDelta,
    "agent_stopping": AgentStopping,
    "agent_stopped": AgentStopped,
    "agent_failed": AgentFailed,
    "thread_created": ThreadCreated,
    "thread_renamed": ThreadRenamed,
    "thread_filed": ThreadFiled,
    "thread_deleted": ThreadDeleted,
    "erased": Erased,
}
TYPE_OF_PAYLOAD: dict[type[EventPayload], str] = {payload: name for name, payload in EVENT_PAYLOADS.items()}

Delta = AgentThinking | AgentMessageDelta
"""The payloads that are merged with their neighbours."""

DELTA_FIELDS = {"agent_thinking": "reasoning", "agent_message_delta": "text"}
"""Which field of a delta holds its text."""

TERMINAL_TYPES = frozenset({"agent_completed", "agent_stopped", "agent_failed"})


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=False):
    """The envelope of an event in the log, as it travels.

    `seq` numbers the user's log from 1 without holes; `first_seq` is there when the event stands for several numbers.
    `ts` is RFC 3339 in UTC.
    """

    type: str
    seq: int
    first_seq: int | msgspec.UnsetType = msgspec.UNSET
    epoch: str
    thread_id: str | None
    run_id: str | None
    ts: str
    payload: msgspec.Raw

    @property
    def first(self) -> int:
        """The first number this event stands for."""
        return self.seq if self.first_seq is msgspec.UNSET else self.first_seq


class Limits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What this server accepts. Sizes in bytes or characters, as named; times in seconds."""

    max_frame_bytes: int
    max_text_chars: int
    messages_per_minute: int
    max_sockets_per_user: int
    max_running_runs_per_user: int
    max_queued_runs_per_user: int


class ConnectionReady(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The socket is authenticated. `head` is the last number of the log: a `resume` without cursor starts there."""

    connection_id: str
    user_id: str
    epoch: str
    head: int
    protocol_version: int
    limits: Limits


class RunOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a stop did to one run. `seq` is that of the terminal event, where the run had already ended."""

    run_id: str
    outcome: Literal["stopping", "already_finished"]
    seq: int | None = None


class Ack(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a frame did, after it was committed. Which fields are there depends on the frame that it answers."""

    thread_id: str | None = None
    run_id: str | None = None
    message_id: str | None = None
    seq: int | None = None
    epoch: str | None = None
    head: int | None = None
    runs: list[RunOutcome] | None = None


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A refusal. `code` is for programs, `message` for a person; `retry_after` is in seconds."""

    code: str
    message: str
    field: str | None = None
    retry_after: float | None = None


class Gap(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Numbers `from_seq` to `to_seq` can't be told; live events go on at `to_seq` + 1. Refresh over HTTP."""

    reason: Literal["retention", "epoch", "ahead"]
    from_seq: int
    to_seq: int
    epoch: str


class Pong(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to `ping`."""


class StopUnrecorded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The log is away: these runs were cancelled, and their `agent_stopped` follows when it is back."""

    runs: list[str]


class ServerDraining(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The server is about to close this socket (1012). Come back with this cursor."""

    epoch: str
    seq: int


SocketPayload = ConnectionReady | Ack | ErrorInfo | Gap | Pong | StopUnrecorded | ServerDraining

SOCKET_PAYLOADS: dict[str, type[msgspec.Struct]] = {
    "connection_ready": ConnectionReady,
    "ack": Ack,
    "error": ErrorInfo,
    "gap": Gap,
    "pong": Pong,
    "stop_unrecorded": StopUnrecorded,
    "server_draining": ServerDraining,
}


class SocketFrame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A frame that exists only on a socket; it has no `seq`. `reply_to` is there in `ack`, `error` and `pong`."""

    type: str
    ts: str
    reply_to: str | msgspec.UnsetType | None = msgspec.UNSET
    payload: SocketPayload
