"""A model server that costs little, on the load client's own loop, so that one clock sees both ends of a token.

What it answers is said in the last user message, as in `key=7 tokens=200 pace=0.02 hold=10 tool=1`: so many tokens, so
many seconds apart (0: in blocks of 20), silent for ever after `hold` of them, and before them one call of the tool
`calculate`. A token is its number and the time at which it was written: `12@5123.406131 `.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, cast

BLOCK = 20
_DIRECTIVE = re.compile(r"\b(key|tokens|pace|hold|tool)=([\w.]+)")
_HEAD = '{"id":"f","object":"chat.completion.chunk","created":1,"model":"fake","choices":[{"index":0,"delta":'
_OPENING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Answer:
    """One response: what was sent, and when the client was gone."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.sent = 0
        self.closed_at = 0.0
        self.closed = asyncio.Event()


class FastModel:
    """`base_url` is what servers are pointed at; `answers` are the latest by key."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, loop), "127.0.0.1", 0, backlog=2048)

    def close(self) -> None:
        assert self._server is not None
        self._server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, model: FastModel, loop: asyncio.AbstractEventLoop) -> None:
        self._model = model
        self._loop = loop
        self._buffer = b""
        self._answer: Answer | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None:
            self._answer.closed_at = time.monotonic()
            self._answer.closed.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if len(body) < (int(length[1]) if length else 0):
            return
        self._buffer = b""
        self._reply(json.loads(body))

    def _reply(self, request: dict[str, Any]) -> None:
        messages = request["messages"]
        last = max(number for number, message in enumerate(messages) if message["role"] == "user")
        content = messages[last]["content"]
        said = content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
        wanted = dict(_DIRECTIVE.findall(said))
        self._answer = self._model.answers[wanted.get("key", "")] = Answer(wanted.get("key", ""))
        if not request.get("stream"):
            self._whole()
            return
        self._write(_OPENING)
        if "tool" in wanted and last == len(messages) - 1:
            call = {"index": 0, "id": "call_1", "type": "function"}
            call["function"] = {"name": "calculate", "arguments": '{"expression": "17*23"}'}
            self._write(_piece({"tool_calls": [call]}) + _end("tool_calls"))
            self._answer = None
            return
        tokens, pace = int(wanted.get("tokens", 10)), float(wanted.get("pace", 0))
        if pace:
            self._paced(self._answer, tokens, pace, int(wanted.get("hold", tokens + 1)), self._loop.time())
        else:
            self._at_once(self._answer, tokens)

    def _whole(self) -> None:
        message = {"role": "assistant", "content": "a title"}
        body = json.dumps(
            {
                "id": "f",
                "object": "chat.completion",
                "created": 1,
                "model": "fake",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            }
        )
        self._write(
            f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )

    def _at_once(self, answer: Answer, tokens: int) -> None:
        while answer.sent < tokens and self._transport is not None:
            block = range(answer.sent, min(tokens, answer.sent + BLOCK))
            self._write(b"".join(map(_token, block)))
            answer.sent = block.stop
            self._loop.call_soon(self._at_once, answer, tokens)
            return
        self._finish(answer, tokens)

    def _paced(self, answer: Answer, tokens: int, pace: float, hold: int, due: float) -> None:
        if self._transport is None:
            return
        if answer.sent == tokens:
            self._finish(answer, tokens)
            return
        self._write(_token(answer.sent))
        answer.sent += 1
        if answer.sent < hold:
            self._loop.call_at(due + pace, self._paced, answer, tokens, pace, hold, due + pace)

    def _finish(self, answer: Answer, tokens: int) -> None:
        usage = f'{{"prompt_tokens":5,"completion_tokens":{tokens},"total_tokens":{tokens + 5}}}'
        tail = f'{{"id":"f","object":"chat.completion.chunk","created":1,"model":"fake","choices":[],"usage":{usage}}}'
        self._write(_end("stop", tail))
        if self._answer is answer:
            self._answer = None

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _chunked(data: str) -> bytes:
    event = f"data: {data}\n\n"
    return f"{len(event):x}\r\n{event}\r\n".encode()


def _piece(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return _chunked(f'{_HEAD}{json.dumps(delta)},"finish_reason":{json.dumps(reason)}}}]}}')


def _token(number: int) -> bytes:
    return _chunked(f'{_HEAD}{{"content":"{number}@{time.monotonic():.6f} "}},"finish_reason":null}}]}}')


def _end(reason: str, tail: str | None = None) -> bytes:
    return _piece({}, reason) + (_chunked(tail) if tail else b"") + _chunked("[DONE]") + b"0\r\n\r\n"
