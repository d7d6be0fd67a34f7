"""What a run said and did, part by part in its order, as the log holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from netra_backend.app.event_log.user_log import Record
from netra_backend.app.protocol.codec import decode_payload
from netra_backend.app.protocol.events import Json, ToolCompleted, ToolExecuting
from netra_backend.app.runs.redaction import presentable

__all__ = ["OUTLINE_TYPES", "Part", "RunParts", "ToolState", "outline_of", "parts_of"]

OUTLINE_TYPES = ("agent_started", "agent_message_delta", "agent_thinking", "tool_executing", "tool_completed")
"""The events that an outline is made from."""
_PARAMETERS_IN_SHORT = 300
"""Characters of a tool's parameters in an outline: what fits on one line."""


@dataclass(slots=True)
class ToolState:
    """A tool call, as far as it is known. `status` None: under way."""

    tool_call_id: str
    tool_name: str
    parameters: Json
    status: str | None = None
    result: Json = None
    duration_ms: int | None = None


@dataclass(slots=True)
class Part:
    """Text or reasoning up to whatever came next, or one tool call; times are in ms since 1970.

    `chars` counts the characters of `RunParts.text` or `RunParts.thinking` that this part stands for. What was said
    or thought began when the event before it was told: then the model was asked, or went on. `ended_at` None: a tool
    is under way; of text and reasoning, when the last of it was told.
    """

    kind: Literal["text", "thinking", "tool"]
    began_at: int
    ended_at: int | None = None
    chars: int = 0
    tool_call_id: str | None = None


@dataclass(slots=True)
class RunParts:
    """A run's parts, and what they are made of. In an outline `text` and `thinking` are empty and `tools` in short."""

    parts: list[Part] = field(default_factory=list[Part])
    text: str = ""
    thinking: str = ""
    tools: list[ToolState] = field(default_factory=list[ToolState])


def parts_of(records: Iterable[Record]) -> RunParts:
    """Everything that these events of one run tell."""
    told = RunParts()
    text: list[str] = []
    thinking: list[str] = []
    tools: dict[str, tuple[ToolState, Part]] = {}
    before = 0
    for record in records:
        if record.type in {"agent_message_delta", "agent_thinking"}:
            kind: Literal["text", "thinking"] = "text" if record.type == "agent_message_delta" else "thinking"
            piece = record.text
            (text if kind == "text" else thinking).append(piece)
            last = told.parts[-1] if told.parts else None
            if last is None or last.kind != kind:
                last = Part(kind, before or record.ts)
                told.parts.append(last)
            last.chars += len(piece)
            last.ended_at = record.ts
        else:
            payload = decode_payload(record.type, record.payload)
            if isinstance(payload, ToolExecuting):
                tool = ToolState(payload.tool_call_id, payload.tool_name, payload.parameters)
                part = Part("tool", record.ts, tool_call_id=payload.tool_call_id)
                tools[payload.tool_call_id] = tool, part
                told.parts.append(part)
            elif isinstance(payload, ToolCompleted) and payload.tool_call_id in tools:
                tool, part = tools[payload.tool_call_id]
                tool.status, tool.result, tool.duration_ms = payload.status, payload.result, payload.duration_ms
                part.ended_at = record.ts
        before = record.ts
    told.text, told.thinking = "".join(text), "".join(thinking)
    told.tools = [tool for tool, _ in tools.values()]
    return told


def outline_of(records: Sequence[Record]) -> RunParts | None:
    """The same in short: enough to draw it before anybody looks closer. None where the events aren't all there."""
    if not records or records[0].type != "agent_started":
        return None
    told = parts_of(records)
    told.text = told.thinking = ""
    for tool in told.tools:
        tool.parameters, tool.result = presentable(tool.parameters, _PARAMETERS_IN_SHORT), None
    return told
