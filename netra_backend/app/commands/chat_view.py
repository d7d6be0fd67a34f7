"""One run, as it is shown on a terminal: each event by name, text as it is written."""

from __future__ import annotations

import json

from netra_backend.app.commands.terminal import Screen
from netra_backend.app.protocol.codec import decode_payload, output_beside
from netra_backend.app.protocol.events import (
    EVENT_PAYLOADS,
    AgentCompleted,
    AgentFailed,
    AgentMessageDelta,
    AgentStarted,
    AgentStopped,
    AgentStopping,
    AgentThinking,
    Event,
    Json,
    MessageCreated,
    TokenUsage,
    ToolCompleted,
    ToolExecuting,
)

__all__ = ["RunView"]

MAX_VALUE = 300
"""Characters of a tool's parameters or result on one line."""

NAME_WIDTH = 15
MOST_COUNTED = 1000
"""Earlier turns are counted up to here."""

_CUT = {
    "length": "the answer was cut: it reached the model's limit",
    "content_filter": "the answer was cut by the filter of the model's provider",
    "refusal": "the model refused to answer",
}
"""What is said of an answer that isn't whole."""


class RunView:
    """Writes the events of one run."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._flow: str | None = None

    def show(self, event: Event) -> None:
        """Write one event. One of a type that this program doesn't know is named."""
        if event.type not in EVENT_PAYLOADS:
            self._line(event.type, "")
            return
        match decode_payload(event.type, bytes(event.payload)):
            case MessageCreated(run_state="queued"):
                self._line("message_created", "queued behind another run")
            case AgentStarted() as started:
                self._line("agent_started", f"{started.agent} ({started.model})")
                self._forgotten(started)
            case AgentThinking() as thinking:
                self._stream("agent_thinking", thinking.reasoning, "dim")
            case AgentMessageDelta() as delta:
                self._stream("", delta.text, "")
            case ToolExecuting() as tool:
                self._line("tool_executing", f"{tool.tool_name} {_value(tool.parameters)}", "cyan")
            case ToolCompleted() as tool:
                style = "green" if tool.status == "ok" else "yellow"
                result = "" if tool.result is None else f" → {_value(tool.result)}"
                self._line("tool_completed", f"{tool.tool_name} {tool.status}{result} ({tool.duration_ms} ms)", style)
            case AgentCompleted() as done:
                self._line("agent_completed", _usage(done.usage), "green")
                if (output := output_beside(done.final_response, done.output)) is not None:
                    self._line("output", json.dumps(output, ensure_ascii=False, indent=2), "")
                if (cut := _CUT.get(done.finish_reason)) is not None:
                    self._line(done.finish_reason, cut, "yellow")
            case AgentStopping() as stopping:
                self._line("agent_stopping", stopping.reason, "yellow")
            case AgentStopped() as stopped:
                self._line("agent_stopped", stopped.reason, "yellow")
            case AgentFailed() as failed:
                again = "; it may work if you try again" if failed.retryable else ""
                self._line("agent_failed", f"{failed.code}: {failed.message}{again}", "red")
            case _:
                pass

    def _forgotten(self, started: AgentStarted) -> None:
        if started.earlier_turns_left_out:
            self._line("", f"the thread is long: the model isn't given {_turns(started.earlier_turns_left_out)}")
        if started.earlier_turns_in_short:
            self._line(
                "", f"the thread is long: of {_turns(started.earlier_turns_in_short)} it's given the texts alone"
            )

    def _line(self, name: str, text: str, style: str = "dim") -> None:
        self._flow = None
        self._screen.line((f"{name:<{NAME_WIDTH}}", style), " ", text)

    def _stream(self, name: str, text: str, style: str) -> None:
        """Text in pieces; the first piece of a flow begins a line, with the event's name if it has one."""
        if self._flow != name:
            self._flow = name
            self._screen.fresh()
            self._screen.write(f"{name:<{NAME_WIDTH}} " if name else "", style)
        self._screen.write(text, style)


def _turns(count: int) -> str:
    if count >= MOST_COUNTED:
        return f"{count:,} or more earlier turns"
    return "one earlier turn" if count == 1 else f"{count} earlier turns"


def _value(value: Json) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = " ".join(shown.split())
    return shown if len(shown) <= MAX_VALUE else shown[:MAX_VALUE] + "…"


def _usage(usage: TokenUsage) -> str:
    tokens = usage.input_tokens + usage.output_tokens
    parts = [f"{usage.tool_calls} tool call{'' if usage.tool_calls == 1 else 's'}" if usage.tool_calls else ""]
    parts.append(f"{tokens} tokens" if tokens else "")
    return ", ".join(part for part in parts if part)
