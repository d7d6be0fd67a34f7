"""A model server that answers ordinary text at once, and to `attack:KIND` sends what no server should send.

It never sends more than `MOST` bytes of anything: enough to see whether the reader keeps it, too little to harm the
machine that it runs on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

__all__ = ["KINDS", "HostileModel"]

MOST = 400_000_000
BLOCK = b"x" * 65_536
KINDS = (
    "line",
    "header",
    "headers",
    "error_body",
    "chunk_extension",
    "data",
    "tool_name",
    "tool_calls",
    "arguments",
    "thinking",
    "empty_lines",
    "comments",
    "whole_json",
    "deep_json",
    "silence",
    "drip",
)
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class HostileModel:
    """Serves on a free port of 127.0.0.1 while it is open. `largest` is the largest request it was sent, in bytes."""

    def __init__(self) -> None:
        self.largest = 0
        self.taken: dict[str, int] = {}
        """By kind of attack: the most bytes of it that were taken off our hands."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            self.largest = max(self.largest, length)
            asked = json.loads(await reader.readexactly(length))
            said, fresh = _last_user(asked.get("messages", []))
            words = said.split()
            if fresh and words and words[0].startswith("attack:"):
                kind = words[0].removeprefix("attack:")
                sent = 0
                async for piece in _attack(kind):
                    writer.write(piece)
                    await asyncio.wait_for(writer.drain(), 60)
                    sent += len(piece)
                    self.taken[kind] = max(self.taken.get(kind, 0), sent)
                    if sent > MOST:
                        break
            elif fresh and words and words[0].startswith("tool:"):
                arguments = words[1] if len(words) > 1 else "{}"
                writer.write(_STREAM + _call(words[0].removeprefix("tool:"), arguments) + _end("tool_calls"))
            else:
                writer.write(_STREAM + _event({"content": "you said something"}) + _end("stop"))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError, IndexError):
            pass
        finally:
            writer.close()


def _last_user(messages: list[dict[str, Any]]) -> tuple[str, bool]:
    """What the user said last, and whether nothing came after it."""
    for message in reversed(messages):
        if message["role"] == "user":
            content = message["content"]
            said = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            return said.rpartition("\n")[2] if "attack:" in said or "tool:" in said else said, message is messages[-1]
    return "", False


def _event(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return (
        b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    )


def _end(reason: str) -> bytes:
    return _event({}, reason) + b"data: [DONE]\n\n"


def _call(name: str, arguments: str, index: int = 0) -> bytes:
    function = {"name": name, "arguments": arguments}
    return _event({"tool_calls": [{"index": index, "id": f"c{index}", "type": "function", "function": function}]})


async def _endless(block: bytes) -> AsyncIterator[bytes]:
    while True:
        yield block


async def _attack(kind: str) -> AsyncIterator[bytes]:
    match kind:
        case "line" | "data":
            yield _STREAM + (b"" if kind == "line" else b'data: {"choices": [{"delta": {"content": "')
            async for block in _endless(BLOCK):
                yield block
        case "header":
            yield b"HTTP/1.1 200 OK\r\nX-Long: "
            async for block in _endless(BLOCK):
                yield block
        case "headers":
            yield b"HTTP/1.1 200 OK\r\n"
            async for block in _endless(b"X-Many: many\r\n" * 4_000):
                yield block
        case "error_body":
            yield b"HTTP/1.1 500 Oh\r\nContent-Type: application/json\r\n\r\n"
            async for block in _endless(BLOCK):
                yield block
        case "chunk_extension":
            yield _STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked") + b"1;x="
            async for block in _endless(BLOCK):
                yield block
        case "tool_name":
            yield _STREAM
            async for block in _endless(_call("n" * 60_000, "")):
                yield block
        case "tool_calls":
            yield _STREAM
            for index in range(100_000):
                yield _call("much", '{"characters": 1}', index)
            yield _end("tool_calls")
        case "arguments":
            yield _STREAM + _call("much", '{"characters": ')
            more = {"tool_calls": [{"index": 0, "function": {"arguments": "1" * 60_000}}]}
            async for block in _endless(_event(more)):
                yield block
        case "thinking":
            yield _STREAM
            async for block in _endless(_event({"reasoning_content": "hm " * 20_000})):
                yield block
        case "empty_lines":
            yield _STREAM
            async for block in _endless(b"\n" * 65_536):
                yield block
        case "comments":
            yield _STREAM
            async for block in _endless(b": waiting\n\n" * 6_000):
                yield block
        case "whole_json":
            yield _STREAM.replace(b"text/event-stream", b"application/json") + b'{"choices": [{"message": {"content": "'
            async for block in _endless(BLOCK):
                yield block
        case "deep_json":
            yield _STREAM + b"data: " + b"[" * 500_000 + b"\n\n" + _end("stop")
        case "drip":
            yield _STREAM
            for _ in range(100):
                yield b"data"
                await asyncio.sleep(0.05)
        case _:
            yield _STREAM
            await asyncio.sleep(20)
