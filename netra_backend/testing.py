"""For testing an agent of one's own, offline: a turn of it as Netra would take it, with a model that plays a script.

    model = ScriptedModel([Call("remember", {"text": "milk"})], [Say("Noted.")])
    taken = await take_turn(support, "remember milk", model=model)
    assert (taken.text, taken.tools[0].result) == ("Noted.", "note 1")

The agent runs on the server's own code: its tools are reported, its output is read and its failures are named as they
would be there. There is no server, no database and no network.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

from netra_backend.app.agents.pydantic_ai import PydanticRuntime
from netra_backend.app.agents.runtime import (
    AgentFailure,
    Json,
    PastTurn,
    ThreadHit,
    ToolStatus,
    Turn,
    TurnResult,
    Usage,
    UserData,
)
from netra_backend.app.protocol.events import FinishReason
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.settings import Settings

__all__ = [
    "Call",
    "MemoryData",
    "Piece",
    "RecordingSink",
    "Say",
    "ScriptEnded",
    "ScriptedModel",
    "Taken",
    "Think",
    "ToolTold",
    "make_turn",
    "take_turn",
]


@dataclass(frozen=True, slots=True)
class Say:
    """The model says a piece of its answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Think:
    """The model shows a piece of its reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """The model calls a tool. A structured output is a call too, of `final_result` where it has no other name."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])


Piece = Say | Think | Call


class ScriptEnded(Exception):
    """The agent asked the model once more than the script has responses."""


class ScriptedModel(FunctionModel):
    """A model that gives these responses, one for each request, and keeps what it was asked.

    `requests` holds the messages of each request: the instructions are on the last of them.
    """

    def __init__(self, *responses: Sequence[Piece]) -> None:
        super().__init__(stream_function=self._respond, model_name="scripted")
        self.requests: list[list[ModelMessage]] = []
        self._responses = list(responses)

    async def _respond(
        self, messages: list[ModelMessage], _info: AgentInfo
    ) -> AsyncIterator[str | dict[int, DeltaThinkingPart] | dict[int, DeltaToolCall]]:
        number = len(self.requests)
        self.requests.append(messages)
        if number >= len(self._responses):
            raise ScriptEnded(f"the agent asked for response {number + 1} of a script of {len(self._responses)}")
        for index, piece in enumerate(self._responses[number]):
            match piece:
                case Say(text):
                    yield text
                case Think(text):
                    yield {-1: DeltaThinkingPart(content=text)}
                case Call(tool, arguments):
                    call_id = f"call-{number}-{index}"
                    yield {index: DeltaToolCall(tool, json.dumps(arguments), tool_call_id=call_id)}


class MemoryData:
    """One user's notes and threads, in memory (a `UserData`). `hits` is what a search looks through."""

    def __init__(self, *notes: str, hits: Sequence[ThreadHit] = ()) -> None:
        self.kept = dict(enumerate(notes, start=1))
        self.hits = list(hits)

    async def add_note(self, text: str) -> int:
        """See `UserData.add_note`."""
        number = max(self.kept, default=0) + 1
        self.kept[number] = text
        return number

    async def notes(self) -> Sequence[tuple[int, str]]:
        """See `UserData.notes`."""
        return sorted(self.kept.items())

    async def delete_note(self, number: int) -> bool:
        """See `UserData.delete_note`."""
        return self.kept.pop(number, None) is not None

    async def search_threads(self, query: str, limit: int = 10) -> Sequence[ThreadHit]:
        """See `UserData.search_threads`. Finds the hits whose excerpt holds the query."""
        return [hit for hit in self.hits if query.casefold() in hit.excerpt.casefold()][:limit]


@dataclass(slots=True)
class ToolTold:
    """A tool call as a user is shown it. `status` None: it hasn't ended."""

    tool_call_id: str
    name: str
    parameters: Json
    status: ToolStatus | None = None
    result: Json = None


class RecordingSink:
    """Keeps what a turn reports (a `RunSink`)."""

    def __init__(self) -> None:
        self.tools: list[ToolTold] = []
        self._text: list[str] = []
        self._thinking: list[str] = []

    @property
    def shown_text(self) -> str:
        """See `RunSink.shown_text`."""
        return "".join(self._text)

    @property
    def shown_thinking(self) -> str:
        """See `RunSink.shown_thinking`."""
        return "".join(self._thinking)

    async def text(self, delta: str) -> None:
        """See `RunSink.text`."""
        self._text.append(delta)

    async def thinking(self, delta: str) -> None:
        """See `RunSink.thinking`."""
        self._thinking.append(delta)

    async def tool_started(self, tool_call_id: str, tool_name: str, parameters: Json) -> None:
        """See `RunSink.tool_started`."""
        self.tools.append(ToolTold(tool_call_id, tool_name, parameters))

    async def tool_finished(self, tool_call_id: str, status: ToolStatus, result: Json) -> None:
        """See `RunSink.tool_finished`."""
        tool = next(tool for tool in self.tools if tool.tool_call_id == tool_call_id)
        tool.status, tool.result = status, result


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a turn, as a user is told it. `failure` None: it was completed.

    `past` is the turn for the `history` of a next one.
    """

    text: str
    thinking: str
    tools: list[ToolTold]
    output: Json
    finish_reason: FinishReason
    usage: Usage
    failure: AgentFailure | None
    past: PastTurn


def make_turn(
    text: str,
    *,
    history: Sequence[PastTurn] = (),
    data: UserData | None = None,
    user_id: str = "tester",
    metadata: dict[str, str] | None = None,
) -> Turn:
    """A turn of that user, for tools that are tested by themselves: it is their `ctx.deps`."""
    context = UserExecutionContext(user_id=user_id, thread_id="thread-1", run_id="run-1")
    return Turn(context, text, history, data or MemoryData(), metadata or {})


async def take_turn(
    agent: Agent[Any, Any],
    text: str,
    *,
    model: ScriptedModel,
    history: Sequence[PastTurn] = (),
    data: UserData | None = None,
    user_id: str = "tester",
    settings: Settings | None = None,
) -> Taken:
    """Have the agent take one turn on that model (its own isn't asked), as the server would.

    A run that fails is no error here: see `Taken.failure`. Raises `ScriptEnded` where the script was too short.
    """
    turn = make_turn(text, history=history, data=data, user_id=user_id)
    sink = RecordingSink()
    name = agent.name or "agent"
    runtime = PydanticRuntime(agent, settings or Settings(), name=name, model_name=model.model_name, model=model)
    result, failure = TurnResult(Usage(), None), None
    try:
        result = await runtime.start(turn, sink).wait()
    except AgentFailure as error:
        if isinstance(error.__cause__, ScriptEnded):
            raise error.__cause__ from None
        failure = error
    finally:
        await runtime.aclose()
    kept = result.history if failure is None else failure.history
    past = PastTurn(text, sink.shown_text, failure is not None, kept)
    return Taken(
        sink.shown_text,
        sink.shown_thinking,
        sink.tools,
        result.output,
        result.finish_reason,
        result.usage,
        failure,
        past,
    )
