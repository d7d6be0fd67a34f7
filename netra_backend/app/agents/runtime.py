"""The small interface between the server and whatever runs a turn.

A *turn* is one execution of an agent for one user message. The server owns the run: its row, its events, its stop.
A runtime owns the model and the tools. It reports through a `RunSink` as it goes, and it can be cancelled at any
moment. Nothing of a runtime's library leaks through here, so the core never imports one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from netra_backend.app.protocol.events import FailureCode, FinishReason, Json
from netra_backend.app.services.user_execution_context import UserExecutionContext

__all__ = [
    "AgentFailure",
    "AgentRuntime",
    "Json",
    "PastTurn",
    "RunSink",
    "SinkClosed",
    "ThreadHit",
    "ToolStatus",
    "Turn",
    "TurnHandle",
    "TurnResult",
    "Usage",
    "UserData",
]

ToolStatus = Literal["ok", "error", "cancelled", "unknown"]


class AgentFailure(Exception):
    """A turn that can't go on. `message` is safe to show to the user: no key, no stack trace, nobody else's data.

    `history` is what later turns should know of it (see `TurnResult.history`): its tools may have had their effects.
    """

    def __init__(self, code: FailureCode, message: str, *, retryable: bool = False) -> None:
        self.code = code
        self.message = message
        self.retryable = retryable
        self.history: bytes | None = None
        super().__init__(f"{code}: {message}")


class SinkClosed(Exception):
    """The run is over for the user; whatever still reports to its sink was abandoned and should end."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a turn consumed, in tokens and calls; zero where the model doesn't say."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    tool_calls: int = 0


@dataclass(frozen=True, slots=True)
class PastTurn:
    """An earlier turn of the thread, as the model should remember it.

    `history` is what the runtime returned for it (`TurnResult.history`), or None where the turn ended without one
    (it was cut by a crash): then `user_text` and `answer` are all that is known. `interrupted` is true when the
    answer isn't whole because the turn was stopped, failed or was cut; `failed`, when it wasn't the user who ended it.
    """

    user_text: str
    answer: str
    interrupted: bool
    history: bytes | None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ThreadHit:
    """One message of the user's own threads that matches a search."""

    thread_id: str
    title: str
    role: str
    excerpt: str
    created_at: str


class UserData(Protocol):
    """What tools may reach of one user's data. It is bound to that user; no call names a user."""

    async def add_note(self, text: str) -> int:
        """Keep a note; returns its number, counted from 1 per user."""
        ...

    async def notes(self) -> Sequence[tuple[int, str]]:
        """The user's notes as (number, text), oldest first."""
        ...

    async def delete_note(self, number: int) -> bool:
        """Remove a note; False if there is none of that number."""
        ...

    async def search_threads(self, query: str, limit: int = 10) -> Sequence[ThreadHit]:
        """Full-text search over the user's own messages, the newest first, at most 100.

        Raises a `Refusal`: `RateLimited` when the user searches too often, `SearchTooLong`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything a runtime needs for one turn."""

    context: UserExecutionContext
    text: str
    history: Sequence[PastTurn]
    data: UserData
    metadata: dict[str, str] = field(default_factory=dict[str, str])


class RunSink(Protocol):
    """Where a running turn reports, in order. All calls may wait: that is how a slow log holds back the model.

    Every call raises `SinkClosed` once the run is over for the user.
    """

    async def text(self, delta: str) -> None:
        """A piece of the answer, to be shown at once."""
        ...

    async def thinking(self, delta: str) -> None:
        """A piece of the model's reasoning."""
        ...

    async def tool_started(self, tool_call_id: str, tool_name: str, parameters: Json) -> None:
        """A tool is about to run. Returns only when that is on record, so the tool must not start before it."""
        ...

    async def tool_finished(self, tool_call_id: str, status: ToolStatus, result: Json) -> None:
        """The tool of that id has ended (`ok`, `error`), was cancelled (`cancelled`), or was abandoned while it
        may still be running (`unknown`). Once per `tool_started`; the server closes those that are missing."""
        ...

    @property
    def shown_text(self) -> str:
        """The whole answer text taken so far, exactly as the user is shown it."""
        ...

    @property
    def shown_thinking(self) -> str:
        """The whole reasoning taken so far."""
        ...


@dataclass(frozen=True, slots=True)
class TurnResult:
    """How a turn ended, if it didn't fail.

    `cancelled` is true when the turn ended because `TurnHandle.cancel` was called. `history` is the runtime's own
    encoding of the turn for later turns (see `PastTurn`); for a cancelled turn it holds what the user was shown,
    no more. `finish_reason` says whether the model ended its last answer by itself; `output` is the turn's structured
    output, where it isn't text.
    """

    usage: Usage
    history: bytes | None
    cancelled: bool = False
    finish_reason: FinishReason = "stop"
    output: Json = None


class TurnHandle(Protocol):
    """One turn under way."""

    async def wait(self) -> TurnResult:
        """Run the turn to its end, in the caller's task. Called once.

        Raises `AgentFailure` when the turn can't go on. After `cancel` it returns a result with `cancelled` set,
        as soon as the model's connection is closed and the async tools have ended. If the caller's own task is
        cancelled, everything of the turn is closed before `CancelledError` leaves.
        """
        ...

    def cancel(self) -> None:
        """End the turn now: close the model's response, cancel async tools, abandon sync ones. May be called
        before `wait`, more than once, and after the end."""
        ...


class AgentRuntime(Protocol):
    """An agent that can take turns for many users at once; it keeps no state of any of them."""

    @property
    def name(self) -> str:
        """The agent's name, as in `agent_started.agent`."""
        ...

    @property
    def model(self) -> str:
        """The model's name, as in `agent_started.model`."""
        ...

    @property
    def suggestions(self) -> Sequence[str]:
        """Messages that show what this agent is good for; a page offers them where nothing was said yet."""
        ...

    def start(self, turn: Turn, sink: RunSink) -> TurnHandle:
        """Prepare a turn. Nothing is sent to the model before `TurnHandle.wait`."""
        ...

    async def aclose(self) -> None:
        """Close connections that outlive turns. Called once, when the server ends."""
        ...
