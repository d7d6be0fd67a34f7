"""A socket client for tests. It checks the one line that checks delivery: ranges tile."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.harness.deadline import DEADLINE

Frame = dict[str, Any]
TERMINAL = {"agent_completed", "agent_stopped", "agent_failed"}
SOCKET_ONLY = {"connection_ready", "ack", "error", "gap", "pong", "stop_unrecorded", "server_draining"}


@dataclass
class Record:
    """What one reader of a log has taken, over all its connections."""

    epoch: str = ""
    seq: int = 0
    events: list[Frame] = field(default_factory=list)

    def take(self, event: Frame) -> None:
        """Take an event; fails the test if it doesn't tile with the last one."""
        first = event.get("first_seq", event["seq"])
        assert first == self.seq + 1, f"expected {self.seq + 1}, got {first}..{event['seq']} ({event['type']})"
        assert event["seq"] >= first
        self.seq = event["seq"]
        self.epoch = event["epoch"]
        self.events.append(event)

    def of_run(self, run_id: str) -> list[Frame]:
        return [event for event in self.events if event["run_id"] == run_id]

    def text_of(self, run_id: str) -> str:
        return "".join(
            event["payload"]["text"] for event in self.of_run(run_id) if event["type"] == "agent_message_delta"
        )


class Client:
    """One socket. `record` survives reconnects: hand it to the next client."""

    def __init__(self, url: str, token: str | None, record: Record | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._ids = itertools.count(1)
        self._socket: ClientConnection | None = None
        self._backlog: list[Frame] = []
        self.record = record or Record()
        self.ready: Frame = {}
        self.others: list[Frame] = []

    async def __aenter__(self) -> Self:
        await self.connect()
        self.ready = await self.frame()
        assert self.ready["type"] == "connection_ready", self.ready
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is None:
            return
        closing = asyncio.create_task(self._socket.close())
        # The library stops reading while 16 frames wait; the closing handshake would wait behind them.
        with suppress(ConnectionClosed):
            while True:
                await self._socket.recv()
        await closing

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None
        return self._socket

    async def connect(self) -> None:
        self._socket = await websockets.connect(
            self._url,
            additional_headers=self._headers,
            max_size=None,
            ping_interval=None,
            compression=None,
            open_timeout=DEADLINE,
            close_timeout=DEADLINE,
        )

    def cut(self) -> None:
        """Cut the TCP connection, without a closing handshake."""
        self.socket.transport.abort()

    async def frame(self) -> Frame:
        """The next frame, whatever it is."""
        async with asyncio.timeout(DEADLINE):
            return json.loads(await self.socket.recv())

    async def send(self, kind: str, payload: Frame | None = None) -> str:
        """Send a frame; returns its id."""
        frame_id = str(next(self._ids))
        await self.socket.send(json.dumps({"type": kind, "id": frame_id, "payload": payload or {}}))
        return frame_id

    async def ask(self, kind: str, payload: Frame | None = None) -> Frame:
        """Send a frame and wait for its answer; events on the way are kept for `event`."""
        frame_id = await self.send(kind, payload)
        while True:
            frame = await self.frame()
            if frame.get("reply_to") == frame_id:
                return frame
            self._backlog.append(frame)

    async def others_until(self, frame_id: str) -> tuple[list[Frame], Frame]:
        """The socket-only frames up to the answer to a frame, and that answer; events are kept for `event`."""
        told: list[Frame] = []
        while True:
            frame = await self.frame()
            if frame.get("reply_to") == frame_id:
                return told, frame
            if frame["type"] in SOCKET_ONLY:
                told.append(frame)
            else:
                self._backlog.append(frame)

    async def resume(self, *, from_start: bool = False) -> Frame:
        """Resume by the record's cursor; a fresh record from the head, or from the log's start if asked."""
        if from_start:
            self.record.epoch = self.ready["payload"]["epoch"]
        cursor = {"epoch": self.record.epoch, "seq": self.record.seq} if self.record.epoch else {}
        answer = await self.ask("resume", cursor)
        assert answer["type"] == "ack", answer
        if not cursor:
            self.record.epoch, self.record.seq = answer["payload"]["epoch"], answer["payload"]["head"]
        return answer["payload"]

    async def say(self, text: str, **more: Any) -> Frame:
        """Send a message; returns the ack's payload."""
        answer = await self.ask("user_message", {"text": text, "client_message_id": str(uuid.uuid4())} | more)
        assert answer["type"] == "ack", answer
        return answer["payload"]

    async def stop(self, **which: Any) -> list[Frame]:
        """Stop; returns the outcomes."""
        answer = await self.ask("stop_agent", which)
        assert answer["type"] == "ack", answer
        return answer["payload"]["runs"]

    async def event(self) -> Frame:
        """The next event of the log, taken into the record; socket-only frames go to `others`."""
        while True:
            frame = await self._take()
            if frame["type"] not in SOCKET_ONLY:
                return frame

    async def heard(self, kind: str) -> Frame:
        """The first socket-only frame of this type; events on the way are taken into the record."""
        while True:
            for frame in self.others:
                if frame["type"] == kind:
                    return frame
            await self._take()

    async def _take(self) -> Frame:
        frame = self._backlog.pop(0) if self._backlog else await self.frame()
        if frame["type"] in SOCKET_ONLY:
            self.others.append(frame)
        else:
            self.record.take(frame)
        return frame

    async def until(self, done: Callable[[Frame], bool]) -> Frame:
        """Take events until one is wanted."""
        while True:
            event = await self.event()
            if done(event):
                return event

    async def until_type(self, *types: str, run_id: str | None = None) -> Frame:
        return await self.until(lambda event: event["type"] in types and (run_id is None or event["run_id"] == run_id))

    async def until_end(self, run_id: str | None = None) -> Frame:
        """Take events up to the terminal one of a run."""
        return await self.until_type(*TERMINAL, run_id=run_id)


def check_run(events: list[Frame]) -> None:
    """The rules that hold for every run, in every interleaving (contract, section 3)."""
    types = [event["type"] for event in events]
    assert types, "a run has events"
    assert types[-1] in TERMINAL, types
    assert sum(kind in TERMINAL for kind in types) == 1, types
    if types == ["agent_stopped"]:
        return
    assert types[0] == "agent_started", types
    assert types.count("agent_started") == 1, types
    open_tools: set[str] = set()
    seen: set[str] = set()
    for event in events:
        payload = event["payload"]
        if event["type"] == "tool_executing":
            assert payload["tool_call_id"] not in seen, "one tool_executing per call"
            seen.add(payload["tool_call_id"])
            open_tools.add(payload["tool_call_id"])
        elif event["type"] == "tool_completed":
            open_tools.remove(payload["tool_call_id"])
    assert not open_tools, f"open at the end: {open_tools}"
    told = "".join(event["payload"]["text"] for event in events if event["type"] == "agent_message_delta")
    last = events[-1]["payload"]
    assert told == last.get("final_response", last.get("partial_response"))
