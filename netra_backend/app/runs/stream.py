"""The events of one run on their way into the log: gathered, merged, kept in order, exactly once.

A run has one pump. It takes everything that waits, writes it as one unit under the run's next key, and only then
takes more; so what piles up while a commit is under way travels together, and a quiet run is written at once. While
the log is away the pump tries again, under the same key, and the buffer fills; when it is full, whoever reports here
waits, and so the model's stream is not read.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from netra_backend.app.agents.runtime import AgentFailure, Json, SinkClosed, ToolStatus
from netra_backend.app.event_log.run_appends import RunAppend, keep_one
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.codec import encode_payload
from netra_backend.app.protocol.events import (
    AgentMessageDelta,
    AgentThinking,
    EventPayload,
    FailureCode,
    ToolCompleted,
    ToolExecuting,
)
from netra_backend.app.runs.ledger import Ending, OpenTool, end_from_log, end_run
from netra_backend.app.runs.redaction import presentable
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.runs import IllegalStep
from netra_backend.app.websocket_core.websocket_manager import WebSocketManager

__all__ = ["RunStream", "StreamLimits"]

RETRY_FIRST = 0.05
RETRY_MOST = 1.0
"""Seconds between tries while the log is away; the pause doubles from the first to the most."""
OVERHEAD = 64
"""What an event weighs in the buffer besides its text, so that many tiny ones can't fill the memory either."""


_BROKEN = Ending(
    kind="failed",
    code=FailureCode.AGENT_ERROR,
    message="the server failed on this run; its log says why. What was written is kept",
    open_tools="unknown",
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How a run's events are gathered. `window` in seconds, sizes in characters."""

    window: float
    merge: int
    buffer: int
    tool_value: int
    answer: int


@dataclass(slots=True)
class _Growing:
    """A delta that isn't in the log yet; it grows until it is taken."""

    kind: type[AgentMessageDelta] | type[AgentThinking]
    parts: list[str]

    def event(self) -> EventPayload:
        joined = "".join(self.parts)
        return AgentMessageDelta(text=joined) if self.kind is AgentMessageDelta else AgentThinking(reasoning=joined)


_Waiting = EventPayload | _Growing


class RunStream:
    """A `RunSink` that ends in the log. Made for one run; `finish` is its last call."""

    def __init__(self, manager: WebSocketManager, context: UserExecutionContext, limits: StreamLimits) -> None:
        if context.thread_id is None or context.run_id is None:
            raise ValueError("a run's stream needs a context that names the thread and the run")
        self._manager = manager
        self._thread_id = context.thread_id
        self._run_id = context.run_id
        self._limits = limits
        self._waiting: deque[_Waiting] = deque()
        # What waits and what is being written, as they count against the buffer.
        self._waiting_size = 0
        self._flying_size = 0
        self._added = 0
        self._kept = 0
        self._unit = 0
        self._urgent = False
        self._last_flush = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._go = asyncio.Event()
        self._progress = asyncio.Event()
        self._closed = False
        self._broken = False
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._shown_chars = 0
        # Name and start of each open tool, by the loop's clock: it must not jump.
        self._tools: dict[str, tuple[str, float]] = {}
        self._pump = asyncio.create_task(self._carry(), name=f"run-stream-{self._run_id}")

    @property
    def shown_text(self) -> str:
        """The whole answer taken so far."""
        return _joined(self._text)

    @property
    def shown_thinking(self) -> str:
        """The whole reasoning taken so far."""
        return _joined(self._thinking)

    async def text(self, delta: str) -> None:
        """See `RunSink.text`."""
        await self._delta(AgentMessageDelta, self._text, delta)

    async def thinking(self, delta: str) -> None:
        """See `RunSink.thinking`."""
        await self._delta(AgentThinking, self._thinking, delta)

    async def tool_started(self, tool_call_id: str, tool_name: str, parameters: Json) -> None:
        """See `RunSink.tool_started`. Returns when the event is committed."""
        self._check()
        shown = presentable(parameters, self._limits.tool_value)
        self._add(ToolExecuting(tool_call_id=tool_call_id, tool_name=tool_name, parameters=shown))
        self._tools[tool_call_id] = tool_name, asyncio.get_running_loop().time()
        await self._until_kept(self._added)

    async def tool_finished(self, tool_call_id: str, status: ToolStatus, result: Json) -> None:
        """See `RunSink.tool_finished`."""
        self._check()
        tool = self._tools.pop(tool_call_id, None)
        if tool is None:
            raise ValueError(f"tool call {tool_call_id} isn't open")
        name, began = tool
        self._add(
            ToolCompleted(
                tool_call_id=tool_call_id,
                tool_name=name,
                status=status,
                result=presentable(result, self._limits.tool_value),
                duration_ms=_ms_since(began),
            )
        )
        await self._room()

    async def finish(self, ending: Callable[[], Ending]) -> None:
        """Take nothing more, and end the run in the log together with what still waits. Waits while the log is away.

        `ending` is asked anew before each try: a stop that comes while the log is away still decides how the run ends.
        Whoever still reports here afterwards gets `SinkClosed`.
        """
        self._closed = True
        self._go.set()
        self._progress.set()
        await self._pump
        if self._timer is not None:
            self._timer.cancel()
        batch = self._take()
        text = self.shown_text
        tools = {key: OpenTool(key, name, _ms_since(began)) for key, (name, began) in self._tools.items()}
        append = self._append_of(batch, self._unit + 1)

        def end(tx: UserTransaction, now: Ending) -> None:
            run = tx.runs.get(self._run_id)
            if run is None or run.terminal_seq is not None:
                return
            if run.state == "running":
                keep_one(tx, append)
            end_run(tx, self._run_id, now, text=text, open_tools=tools)

        def next_try() -> Awaitable[None]:
            now = ending()
            return self._manager.commit(lambda tx: end(tx, now))

        try:
            if not self._broken:
                await self._commit(next_try)
                return
        except Exception:
            _logger.exception("the end of a run could not be written as it was")
        # None may stay open, whatever the defect: it ends with what the log has of it.
        await self._commit(lambda: self._manager.commit(lambda tx: end_from_log(tx, self._run_id, _BROKEN)))

    async def _delta(self, kind: type[AgentMessageDelta] | type[AgentThinking], shown: list[str], delta: str) -> None:
        self._check()
        if not delta:
            return
        self._shown_chars += len(delta)
        if self._shown_chars > self._limits.answer:
            # The whole answer travels in one event at the end, which every reader has to be able to take.
            message = f"the answer is longer than {self._limits.answer} characters (NETRA_MAX_ANSWER_CHARS)"
            raise AgentFailure(FailureCode.USAGE_LIMIT, message)
        shown.append(delta)
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, _Growing) and last.kind is kind:
            last.parts.append(delta)
            self._waiting_size += len(delta)
        else:
            self._put(_Growing(kind, [delta]), len(delta))
        self._kick()
        await self._room()

    def _add(self, payload: EventPayload) -> None:
        """Queue a critical event: it is written at once, with all that waits before it."""
        self._put(payload, len(encode_payload(payload)))
        self._urgent = True
        self._kick()

    def _put(self, waiting: _Waiting, size: int) -> None:
        self._waiting.append(waiting)
        self._waiting_size += OVERHEAD + size
        self._added += 1

    def _kick(self) -> None:
        """Have the pump go now, or when the merge window is over."""
        if self._go.is_set():
            return
        loop = asyncio.get_running_loop()
        due = self._last_flush + self._limits.window
        if self._urgent or self._waiting_size >= self._limits.merge or loop.time() >= due:
            self._go.set()
        elif self._timer is None:
            self._timer = loop.call_at(due, self._window_over)

    def _window_over(self) -> None:
        self._timer = None
        self._go.set()

    async def _carry(self) -> None:
        try:
            await self._carry_until_closed()
        except Exception:
            # Whoever reports here must hear of it, not wait for a pump that is gone.
            _logger.exception("the events of a run could not be written")
            self._broken = self._closed = True
            self._progress.set()

    async def _carry_until_closed(self) -> None:
        while not self._closed:
            self._go.clear()
            if self._waiting:
                self._kick()
            await self._go.wait()
            if self._closed:
                return
            batch = self._take()
            if not batch:
                continue
            unit = self._unit + 1
            append = self._append_of(batch, unit)
            await self._commit(lambda append=append: self._manager.append(append))
            self._unit = unit
            self._kept += len(batch)
            self._flying_size = 0
            self._last_flush = asyncio.get_running_loop().time()
            self._progress.set()

    def _take(self) -> list[_Waiting]:
        batch = list(self._waiting)
        self._waiting.clear()
        self._flying_size, self._waiting_size = self._waiting_size, 0
        self._urgent = False
        return batch

    def _append_of(self, batch: list[_Waiting], unit: int) -> RunAppend:
        # A unit whose outcome was unknown comes again under its key, and is known by it.
        events = [waiting.event() if isinstance(waiting, _Growing) else waiting for waiting in batch]
        return RunAppend(self._manager.user_id, self._thread_id, self._run_id, unit, events)

    async def _commit(self, next_try: Callable[[], Awaitable[None]]) -> None:
        pause = RETRY_FIRST
        while True:
            try:
                await next_try()
            except LogUnavailable:
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MOST)
            except (IllegalStep, LookupError):
                # The run was ended or removed under our feet: nobody waits for these events any more.
                self._closed = True
                return
            else:
                return

    def _check(self) -> None:
        if self._closed:
            raise SinkClosed(f"run {self._run_id} is over")

    async def _room(self) -> None:
        while self._waiting_size + self._flying_size > self._limits.buffer and not self._closed:
            await self._wait_for_progress()
        self._check()

    async def _until_kept(self, position: int) -> None:
        while self._kept < position and not self._closed:
            await self._wait_for_progress()
        self._check()

    async def _wait_for_progress(self) -> None:
        self._progress.clear()
        await self._progress.wait()


def _joined(pieces: list[str]) -> str:
    """All of them, which are one piece from now on: who asks often mustn't join all of them every time."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


def _ms_since(began: float) -> int:
    return round((asyncio.get_running_loop().time() - began) * 1000)
