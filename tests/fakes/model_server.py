"""A fake OpenAI-compatible model server over real HTTP, which sees exactly when its client hangs up.

In a test, on the test's own loop:

    async with FakeModelServer() as server:
        server.scripts["greet"] = [[Text("Hel"), Text("lo")]]
        ...                                   # point a client at server.base_url and send "script:greet"
        request = server.requests[0]          # what the client sent: .body, .headers
        await request.hung_up.wait()          # the client closed its socket before the answer was whole
        request.chunks                        # how many pieces had been written by then

A *script* is a list of responses; a *response* is a list of steps. The n-th model request of one user turn (the
first, the one after a tool's result, …) gets the n-th response; beyond the last one it answers "done".

How a request finds its script: `server.queue` (a list of responses, taken one per request, whoever asks) if it holds
any; else the last user message: `script:NAME` plays `server.scripts[NAME]`; anything else streams the words
`w0 w1 w2 …`, and may say how many and how fast, as in `tokens=200 pace=0.01 thinking=5 tool=NAME args={"a":1}`
(`pace` in seconds between pieces; `tool` is called once, before the words). The steps are in
`tests.fakes.model_script`, and can be imported from here.

As a program, for tests that need the server in a process of its own:

    python -m tests.fakes.model_server --port 9000      # prints its base URL; port 0 picks one
    GET /requests                                       # what was asked so far, as JSON
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast

from tests.fakes.model_script import (
    Cut,
    End,
    Hang,
    Headers,
    Pause,
    Raw,
    Response,
    Script,
    Status,
    Step,
    Text,
    Thinking,
    Tokens,
    ToolCall,
    WaitFor,
    Wire,
    words,
)

__all__ = [
    "Cut",
    "End",
    "FakeModelServer",
    "Hang",
    "Headers",
    "Pause",
    "Raw",
    "Request",
    "Response",
    "Script",
    "Status",
    "Step",
    "Text",
    "Thinking",
    "Tokens",
    "ToolCall",
    "WaitFor",
    "Wire",
]


@dataclass
class Request:
    """One request to the fake, and what became of it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    chunks: int = 0
    """Pieces of the stream written so far."""
    finished: bool = False
    """The whole response was written."""
    hung_up_at: float | None = None
    """The loop's clock when the client hung up."""
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client closes its socket before the response was whole."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more will happen to this request."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.body.get("messages", [])

    @property
    def said(self) -> str:
        """The last user message."""
        for message in reversed(self.messages):
            if message["role"] == "user":
                return _plain(message["content"])
        return ""

    @property
    def turn(self) -> int:
        """Which request of its user turn this is, from 0."""
        count = 0
        for message in reversed(self.messages):
            if message["role"] == "user":
                break
            count += message["role"] == "assistant"
        return count


class HungUp(Exception):
    """The client closed its socket."""


class CutOff(Exception):
    """The script closed the socket."""


class FakeModelServer:
    """See the module's text. An async context manager; `base_url` is what clients are pointed at."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.scripts: dict[str, Script] = {}
        self.queue: list[Response] = []
        self.requests: list[Request] = []
        self.connections: set[_Connection] = set()
        self.arrived = asyncio.Condition()
        self.left = asyncio.Event()
        """Set while no client is connected, once there was one."""
        self._address = (host, port)
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        assert self._server is not None, "the server isn't running"
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}/v1"

    async def request(self, number: int) -> Request:
        """The request of that number (from 0), as soon as it has come in."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) > number)
        return self.requests[number]

    async def __aenter__(self) -> FakeModelServer:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), *self._address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in tuple(self.connections):
            await connection.end()
        await self._server.wait_closed()

    def response_to(self, request: Request) -> Response:
        if self.queue:
            return self.queue.pop(0)
        name = re.search(r"script:(\S+)", request.said)
        script = self.scripts[name[1]] if name else words(request.said)
        return script[request.turn] if request.turn < len(script) else [Text("done")]


class _Connection(asyncio.Protocol):
    """One client connection: keep-alive, one request after the other."""

    def __init__(self, server: FakeModelServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._received = asyncio.Event()
        self._closed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, as uvloop's transports aren't subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)
        self._server.left.clear()
        self._task = self._loop.create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._received.set()

    def eof_received(self) -> bool:
        self._close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._close()
        self._server.connections.discard(self)
        if not self._server.connections:
            self._server.left.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _close(self) -> None:
        self._closed.set()
        self._received.set()
        self._writable.set()

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._transport is not None:
            self._transport.abort()

    async def _serve(self) -> None:
        try:
            while True:
                await self._answer(*await self._read())
        except (HungUp, CutOff):
            pass
        finally:
            if self._transport is not None:
                self._transport.close()

    async def _read(self) -> tuple[str, str, dict[str, str], bytes]:
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        self._buffer[:] = rest
        while len(self._buffer) < length:
            await self._more()
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return method, path, headers, body

    async def _more(self) -> None:
        self._received.clear()
        if self._closed.is_set():
            raise HungUp
        await self._received.wait()

    async def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        if method == "GET":
            await self.whole(200, self._report(path), {})
            return
        request = Request(path, headers, json.loads(body) if body else {})
        async with self._server.arrived:
            self._server.requests.append(request)
            self._server.arrived.notify_all()
        try:
            await _Reply(self, request).play(self._server.response_to(request))
            request.finished = True
        except HungUp:
            request.hung_up_at = self._loop.time()
            request.hung_up.set()
            raise
        finally:
            request.over.set()

    def _report(self, path: str) -> str:
        if path.endswith("/models"):
            return json.dumps({"object": "list", "data": [{"id": "fake", "object": "model"}]})
        return json.dumps(
            [
                {"body": r.body, "chunks": r.chunks, "finished": r.finished, "hung_up": r.hung_up.is_set()}
                for r in self._server.requests
            ]
        )

    async def whole(self, code: int, body: str | dict[str, Any], extra: dict[str, str]) -> None:
        kind = "application/json"
        if isinstance(body, dict):
            body = json.dumps(body)
        elif body.lstrip().startswith("<"):
            kind = "text/html"
        data = body.encode()
        lines = {"content-type": kind, "content-length": str(len(data)), **extra}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.write(f"HTTP/1.1 {code} Fake\r\n{head}\r\n".encode() + data)

    async def write(self, data: bytes) -> None:
        """Write and wait until the socket takes more. Raises `HungUp`."""
        if self._closed.is_set() or self._transport is None:
            raise HungUp
        self._transport.write(data)
        await self._writable.wait()
        # One turn of the loop, so that a client's close is seen before the next piece and not after it.
        await asyncio.sleep(0)
        if self._closed.is_set():
            raise HungUp

    def cut(self) -> None:
        """Close in mid-stream. Raises `CutOff`."""
        assert self._transport is not None
        self._transport.close()
        raise CutOff

    async def unless_hung_up(self, waiting: Coroutine[Any, Any, object]) -> None:
        """Wait, but no longer than the client is there. Raises `HungUp`."""
        task = self._loop.create_task(waiting)
        closed = self._loop.create_task(self._closed.wait())
        try:
            await asyncio.wait({task, closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            closed.cancel()
        if self._closed.is_set():
            raise HungUp


class _Reply:
    """One response on its way: turns steps into the pieces of a chat completion stream."""

    def __init__(self, connection: _Connection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._begun = False
        self._bare = False
        self._calls = 0
        self._usage: Tokens | None = None

    async def play(self, steps: Response) -> None:
        for step in steps:
            match step:
                case Text(delta):
                    await self._delta({"content": delta})
                case Thinking(delta):
                    await self._delta({"reasoning_content": delta})
                case ToolCall():
                    await self._call(step)
                case Pause(seconds):
                    await self._connection.unless_hung_up(asyncio.sleep(seconds))
                case WaitFor(event, reached):
                    reached.set()
                    await self._connection.unless_hung_up(event.wait())
                case Hang(reached):
                    reached.set()
                    await self._connection.unless_hung_up(asyncio.Event().wait())
                case Headers(more):
                    await self._begin(more)
                case Status(code, body, headers):
                    await self._connection.whole(code, body, headers)
                    return
                case Raw(data):
                    await self._piece(data)
                case Wire(data):
                    self._bare = True
                    await self._connection.write(data)
                case Tokens():
                    self._usage = step
                case Cut():
                    self._connection.cut()
                case End(finish_reason, done):
                    await self._finish(finish_reason, done=done)
                    return
        if not self._bare:
            await self._finish("tool_calls" if self._calls else "stop", done=True)

    async def _call(self, call: ToolCall) -> None:
        arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        index = self._calls
        self._calls += 1
        identity = call.id or f"call_{len(self._request.messages)}_{index}"
        opening = {"index": index, "id": identity, "type": "function", "function": {"name": call.name, "arguments": ""}}
        await self._delta({"tool_calls": [opening]})
        half = len(arguments) // 2
        for part in (arguments[:half], arguments[half:]):
            await self._delta({"tool_calls": [{"index": index, "function": {"arguments": part}}]})

    async def _finish(self, reason: str | None, *, done: bool) -> None:
        if reason is not None:
            await self._delta({}, reason)
        if self._usage is not None:
            figures = {
                "prompt_tokens": self._usage.prompt,
                "completion_tokens": self._usage.completion,
                "total_tokens": self._usage.prompt + self._usage.completion,
            }
            await self._event({"choices": [], "usage": figures})
        if done:
            await self._piece(b"data: [DONE]\n\n")
        await self._begin()
        await self._connection.write(b"0\r\n\r\n")

    async def _delta(self, delta: dict[str, Any], reason: str | None = None) -> None:
        await self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    async def _event(self, event: dict[str, Any]) -> None:
        head = {"id": "fake", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
        await self._piece(f"data: {json.dumps(head | event)}\n\n".encode())

    async def _piece(self, data: bytes) -> None:
        await self._begin()
        await self._connection.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self._request.chunks += 1

    async def _begin(self, more: dict[str, str] | None = None) -> None:
        if not self._begun:
            self._begun = True
            headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked"} | (more or {})
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            await self._connection.write(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode())


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or [])


async def _main(port: int) -> None:
    async with FakeModelServer(port=port) as server:
        print(server.base_url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args().port))
    sys.exit(0)
