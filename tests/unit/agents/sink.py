"""An in-memory `RunSink`, and turns to run with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from netra_backend.app.agents.runtime import Json, PastTurn, ToolStatus, Turn
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.testing import MemoryData


@dataclass
class Sink:
    """Records every call in order. `after` sees each call once it's taken, and may stop the turn."""

    calls: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    results: dict[str, Json] = field(default_factory=dict[str, Json])
    parameters: dict[str, Json] = field(default_factory=dict[str, Json])
    after: Callable[[tuple[str, ...]], None] | None = None
    gate: asyncio.Event | None = None
    """While it's there and not set, every call waits before it's taken."""
    blocked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a call waits at the gate."""
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    shown_text: str = ""
    shown_thinking: str = ""

    async def text(self, delta: str) -> None:
        await self._pass()
        self.shown_text += delta
        await self._took("text", delta)

    async def thinking(self, delta: str) -> None:
        await self._pass()
        self.shown_thinking += delta
        await self._took("thinking", delta)

    async def tool_started(self, tool_call_id: str, tool_name: str, parameters: Json) -> None:
        await self._pass()
        self.parameters[tool_call_id] = parameters
        await self._took("tool_started", tool_call_id, tool_name)

    async def tool_finished(self, tool_call_id: str, status: ToolStatus, result: Json) -> None:
        await self._pass()
        self.results[tool_call_id] = result
        await self._took("tool_finished", tool_call_id, status)

    async def seen(self, *call: str) -> None:
        """Wait until a call that begins like this has been taken."""
        async with self.came:
            await self.came.wait_for(lambda: any(taken[: len(call)] == call for taken in self.calls))

    @property
    def kinds(self) -> list[str]:
        """The kinds of calls in order, neighbours of one kind counted once."""
        kinds = [call[0] for call in self.calls]
        return [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind]

    @property
    def statuses(self) -> dict[str, str]:
        return {call[1]: call[2] for call in self.calls if call[0] == "tool_finished"}

    async def _pass(self) -> None:
        if self.gate is not None and not self.gate.is_set():
            self.blocked.set()
            await self.gate.wait()

    async def _took(self, *call: str) -> None:
        self.calls.append(call)
        if self.after is not None:
            self.after(call)
        async with self.came:
            self.came.notify_all()


def a_turn(text: str, *history: PastTurn, data: MemoryData | None = None, user: str = "alice") -> Turn:
    context = UserExecutionContext(user_id=user, thread_id="thread-1", run_id="run-1")
    return Turn(context, text, history, data or MemoryData())
