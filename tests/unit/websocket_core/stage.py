"""A connection on a real log; what carries the frames is the only double."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from netra_backend.app.event_log.log import Committed, Cursor, EventLog, Page
from netra_backend.app.protocol.codec import encode_event
from netra_backend.app.protocol.events import AgentMessageDelta, Gap
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.websocket_core.connection import Connection, Offer
from tests.harness.deadline import DEADLINE

__all__ = ["FakeTransport", "Stage"]


@dataclass
class FakeTransport:
    """A peer that takes as many frames as it is allowed to."""

    taken: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    closed: tuple[int, str] | None = None
    aborted: bool = False
    allowance: float = float("inf")
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def send_text(self, data: str) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self.allowance > 0)
            self.allowance -= 1
            self.taken.append(json.loads(data))
            self._moved.notify_all()

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def abort(self) -> None:
        self.aborted = True

    async def allow(self, frames: float) -> None:
        async with self._moved:
            self.allowance += frames
            self._moved.notify_all()

    async def until(self, seen: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE), self._moved:
            await self._moved.wait_for(seen)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [frame for frame in self.taken if "seq" in frame]

    @property
    def last(self) -> int:
        return self.events[-1]["seq"] if self.events else 0


class GatedLog:
    """The real log, whose answers to `read` are held back while the gate is shut, or fail while it is away."""

    def __init__(self, real: EventLog) -> None:
        self._real = real
        self.gate = asyncio.Event()
        self.gate.set()
        self.answered = asyncio.Event()
        self.away = False
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def read(self, user_id: str, after: Cursor, limit: int) -> Page | Gap:
        self.reads += 1
        if self.away:
            raise LogUnavailable("away")
        page = await self._real.read(user_id, after, limit)
        self.answered.set()
        await self.gate.wait()
        return page


class Stage:
    """One user's log with one connection to it, and what lies between a commit and its wake-up."""

    def __init__(self, log: EventLog, *, queue_bytes: int = 64 * 1024, stall_timeout: float = DEADLINE) -> None:
        self.gated = GatedLog(log)
        self.log = log
        self.user_id = str(uuid.uuid4())
        self.transport = FakeTransport()
        self.held: list[Committed] | None = None
        self.text = ""
        self.epoch = ""
        self.connection = Connection(
            connection_id="c",
            user_id=self.user_id,
            session_id="s",
            transport=self.transport,
            log=self.gated,  # pyright: ignore[reportArgumentType]
            queue_bytes=queue_bytes,
            stall_timeout=stall_timeout,
        )
        self._unlisten = log.listen(self._heard)
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Stage:
        self.epoch = (await self.log.commit(self.user_id, lambda tx: tx.open_log())).epoch
        self._pump = asyncio.create_task(self.connection.pump())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._unlisten()
        assert self._pump is not None
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)

    async def append(self, count: int = 1, run_id: str = "r") -> None:
        """One unit of events. `text` is what a reader of all of them has."""
        start = len(self.text) // 8 + 1
        texts = [f"{number:07d} " for number in range(start, start + count)]
        self.text += "".join(texts)
        await self.log.commit(
            self.user_id, lambda tx: [tx.append(AgentMessageDelta(text=text), run_id=run_id) for text in texts]
        )

    def resume(self, seq: int = 0) -> None:
        self.connection.resume(Cursor(self.epoch, seq))

    async def head(self) -> int:
        return (await self.log.commit(self.user_id, lambda tx: tx.open_log())).seq

    async def until_all_taken(self) -> None:
        head = await self.head()
        await self.transport.until(lambda: self.transport.last >= head)
        self.check()

    def check(self) -> None:
        """Every event once and in order: ranges tile, and the text is that which was written."""
        seq = 0
        for event in self.transport.events:
            assert event.get("first_seq", event["seq"]) == seq + 1, (seq, event)
            seq = event["seq"]
        assert self.text.startswith("".join(event["payload"]["text"] for event in self.transport.events))

    def hold(self) -> None:
        """Keep wake-ups back from now on."""
        self.held = self.held or []

    def wake(self) -> None:
        """Deliver the wake-ups that were kept back."""
        held, self.held = self.held or [], None
        for committed in held:
            self._heard(committed)

    def lose(self) -> None:
        """Lose the wake-ups that were kept back."""
        self.held = None

    async def look(self) -> None:
        """What `SocketWatch` does once a second."""
        self.connection.note(await self.head())
        self.connection.catch_up()

    def _heard(self, committed: Committed) -> None:
        if committed.user_id != self.user_id:
            return
        if self.held is not None:
            self.held.append(committed)
            return
        self.connection.offer([Offer(event.first, event.seq, encode_event(event)) for event in committed.events])
