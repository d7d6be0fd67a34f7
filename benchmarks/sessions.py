"""A user's connection to each server: say something, see the tokens, stop."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import msgspec

_TOKEN = re.compile(r"(\d+)@([\d.]+) ")


@dataclass
class Run:
    """What came of one message. `delays`: when a token came, and how long after the model's write, in seconds."""

    tokens: int = 0
    in_order: bool = True
    delays: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    ended: str = ""
    ended_at: float = 0.0

    def take(self, text: str) -> None:
        now = time.monotonic()
        for number, written in _TOKEN.findall(text):
            self.in_order &= int(number) == self.tokens
            self.tokens += 1
            self.delays.append((now, now - float(written)))

    def end(self, how: str) -> None:
        self.ended, self.ended_at = how, time.monotonic()


class Session(Protocol):
    """One user's connection."""

    run: Run

    async def open(self, http: aiohttp.ClientSession) -> None: ...

    async def say(self, text: str) -> Run:
        """Send it and read to the end of the run; what came so far is in `run`."""
        ...

    async def stop(self) -> None: ...

    async def close(self) -> None: ...


class NaiveSession:
    """See `naive_app.py`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.run = Run()

    async def open(self, http: aiohttp.ClientSession) -> None:
        self._socket = await http.ws_connect(self._url.replace("http", "ws") + "/ws", compress=0, heartbeat=None)

    async def say(self, text: str) -> Run:
        run = self.run = Run()
        await self._socket.send_str(msgspec.json.encode({"type": "message", "text": text}).decode())
        while not run.ended:
            frame = msgspec.json.decode(await self._socket.receive_str())
            if frame["type"] == "token":
                run.take(frame["text"])
            elif frame["type"] != "tool":
                run.end(frame["type"])
        return run

    async def stop(self) -> None:
        await self._socket.send_str('{"type":"stop"}')

    async def close(self) -> None:
        await self._socket.close()


class _Event(msgspec.Struct):
    type: str
    payload: msgspec.Raw
    seq: int = 0
    first_seq: int | None = None


class _Delta(msgspec.Struct):
    text: str


_event = msgspec.json.Decoder(_Event)
_delta = msgspec.json.Decoder(_Delta)


class NetraSession:
    """Netra's socket; it checks that the ranges of the log tile."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self.run = Run()
        self.seq = 0
        self.epoch = ""

    async def open(self, http: aiohttp.ClientSession, resume: dict[str, Any] | None = None) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        url = self._url.replace("http", "ws") + "/ws"
        self._socket = await http.ws_connect(url, compress=0, heartbeat=None, headers=headers, max_msg_size=0)
        ready = msgspec.json.decode(await self._socket.receive_str())["payload"]
        self.seq, self.epoch = ready["head"], ready["epoch"]
        await self.send("resume", resume or {})
        await self._socket.receive_str()

    async def send(self, kind: str, payload: dict[str, Any]) -> None:
        frame = {"type": kind, "id": "f", "payload": payload}
        await self._socket.send_str(msgspec.json.encode(frame).decode())

    async def next(self) -> _Event:
        """The next frame; events of the log are checked."""
        event = _event.decode(await self._socket.receive_str())
        if event.seq:
            assert (event.first_seq or event.seq) == self.seq + 1, "the ranges of the log don't tile"
            self.seq = event.seq
        return event

    async def say(self, text: str) -> Run:
        run = self.run = Run()
        await self.send("user_message", {"text": text, "client_message_id": str(uuid.uuid4())})
        while not run.ended:
            event = await self.next()
            match event.type:
                case "agent_message_delta":
                    run.take(_delta.decode(event.payload).text)
                case "agent_completed" | "agent_stopped":
                    run.end(event.type)
                case "agent_failed" | "error":
                    raise RuntimeError(bytes(event.payload).decode())
                case _:
                    pass
        return run

    async def stop(self) -> None:
        await self.send("stop_agent", {})

    async def close(self) -> None:
        await self._socket.close()
