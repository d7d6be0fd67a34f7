"""A model server that sends without end, over real HTTP: what is read of it has a bound and a named failure.

What the server got rid of before its connection was closed is counted, not memory or time. Between it and the reader lie
the sockets' buffers, which hold some megabytes; a reader without a bound takes all that there is.
"""

# ruff: noqa: E501 - a table is read by its columns

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.protocol.events import FailureCode
from tests.harness.deadline import DEADLINE
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn
from tests.unit.agents.wire import call, chunk, stream, text

MIB = 1024 * 1024
BUFFERED = 16 * MIB
"""What may lie in sockets and streams between the two."""

ENDLESS = 400 * MIB
"""What the server would send to whoever takes it."""

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
BAD = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
GZIP = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n"
FILL = b"x" * 65536


class Endless:
    """Answers each request with `begin`, and then with what `more` gives, for as long as somebody takes it."""

    def __init__(self, begin: bytes, more: Callable[[int], bytes], most: int = ENDLESS) -> None:
        self._begin = begin
        self._more = more
        self._most = most
        self.sent = 0
        """Bytes, to the connection that took the most."""
        self.closed = asyncio.Event()

    async def __aenter__(self) -> Endless:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(self._begin)
            number = sent = 0
            while sent < self._most:
                piece = self._more(number)
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
                self.sent = max(self.sent, sent)
                number += 1
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()


def event(delta: object) -> bytes:
    return stream(chunk(delta))


BOMB = gzip.compress(b": " + b" " * (64 * MIB) + b"\n")
ODD = FailureCode.MODEL_BAD_RESPONSE
CUT = FailureCode.MODEL_STREAM_CUT

WITHOUT_END: dict[str, tuple[bytes, Callable[[int], bytes], set[FailureCode]]] = {
    "a line": (OK + b"data: ", lambda _: FILL, {ODD}),
    "a line that isn't data": (OK, lambda _: FILL, {ODD}),
    "an event": (OK, lambda _: b"data: " + FILL + b"\n", {ODD}),
    "comments": (OK, lambda _: b": " + b"x" * 60000 + b"\n\n", {ODD}),
    "events that say nothing": (OK, lambda _: event({}) * 400, {ODD}),
    "a JSON body": (OK + b'{"choices": "', lambda _: FILL, {ODD}),
    "space": (OK, lambda _: b" " * 65536, {ODD}),
    "thinking tags that never close": (OK, lambda _: event({"content": "<think " + "x" * 30000}), {ODD, FailureCode.USAGE_LIMIT}),
    "arguments of a call": (
        OK + stream(call(0, "", "look")), lambda _: stream(call(0, "x" * 60000)), {ODD},
    ),
    "calls": (OK, lambda number: stream(*(call(number * 50 + at, "{}", "look") for at in range(50))), {ODD}),
    "a call's name": (OK, lambda _: stream(call(0, "", "x" * 60000)), {ODD}),
    "a call's id": (OK, lambda _: stream(chunk({"tool_calls": [{"index": 0, "id": "x" * 60000, "function": {"name": "look"}}]})), {ODD}),
    "choices": (
        OK, lambda _: stream({"choices": [{"index": n, "delta": {"content": "a"}} for n in range(1000)]}), {ODD},
    ),
    "changes between text and thinking": (
        OK, lambda _: stream(*[text("a"), chunk({"reasoning_content": "b"})] * 50), {ODD},
    ),
    "changes between text and thinking in tags": (OK, lambda _: stream(text("<think>a</think>b" * 50)), {ODD}),
    "changes between parts of a content": (OK, lambda _: event({"content": [{"thinking": "a"}, "b"] * 50}), {ODD}),
    "a refusal's body": (BAD, lambda _: FILL, {FailureCode.MODEL_REJECTED_REQUEST}),
    "a redirection's body": (
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\nconnection: close\r\n\r\n",
        lambda _: FILL,
        {ODD, CUT, FailureCode.MODEL_UNREACHABLE, FailureCode.MODEL_REJECTED_REQUEST},
    ),
    "a head": (b"HTTP/1.1 200 OK\r\n", lambda number: b"x-%d: " % number + b"x" * 1000 + b"\r\n", {ODD, CUT, FailureCode.MODEL_UNREACHABLE}),
    "a header": (b"HTTP/1.1 200 OK\r\nx-long: ", lambda _: FILL, {ODD, CUT, FailureCode.MODEL_UNREACHABLE}),
    "a status line": (b"HTTP/1.1 200 ", lambda _: FILL, {ODD, CUT, FailureCode.MODEL_UNREACHABLE}),
    "a chunk's extension": (CHUNKED + b"5;", lambda _: FILL, {ODD, CUT, FailureCode.MODEL_UNREACHABLE}),
    "a trailer": (CHUNKED + b"0\r\n", lambda number: b"x-%d: " % number + b"x" * 1000 + b"\r\n", {ODD, CUT}),
}  # fmt: skip


@pytest.mark.parametrize(("begin", "more", "codes"), WITHOUT_END.values(), ids=WITHOUT_END)
async def test_what_has_no_end_is_read_to_a_bound(
    runtime_of: RuntimeOf, begin: bytes, more: Callable[[int], bytes], codes: set[FailureCode]
) -> None:
    async with Endless(begin, more) as endless:
        runtime = runtime_of(
            model_base_url=endless.base_url, model_max_response_bytes=8 * MIB, model_first_token_timeout=20
        )
        sink = Sink()
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(AgentFailure) as failed:
                await runtime.start(a_turn("go"), sink).wait()
            await endless.closed.wait()
    assert failed.value.code in codes, failed.value
    assert endless.sent < 8 * MIB + BUFFERED
    assert len(failed.value.message) < 1000


HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 500
AROUND = {"hints": (b"", HINTS), "extensions of small chunks": (CHUNKED, (b"1;" + b"x" * 4000 + b"\r\n\n\r\n") * 10)}


@pytest.mark.parametrize(("begin", "more"), AROUND.values(), ids=AROUND)
async def test_more_around_an_answer_than_in_it(runtime_of: RuntimeOf, begin: bytes, more: bytes) -> None:
    async with Endless(begin, lambda _: more) as endless:
        runtime = runtime_of(model_base_url=endless.base_url, model_client="lean")
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(AgentFailure) as failed:
                await runtime.start(a_turn("go"), Sink()).wait()
            await endless.closed.wait()
    assert failed.value.code in {ODD, CUT, FailureCode.MODEL_UNREACHABLE}
    assert endless.sent < 8 * MIB + BUFFERED


async def test_hints_without_end(runtime_of: RuntimeOf) -> None:
    """They are never kept; for the OpenAI client, how long they may go on is a matter of time."""
    hints = HINTS
    async with Endless(b"", lambda _: hints, most=4096 * MIB) as endless:
        runtime = runtime_of(model_base_url=endless.base_url, model_first_token_timeout=0.5)
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(AgentFailure) as failed:
                await runtime.start(a_turn("go"), Sink()).wait()
            await endless.closed.wait()
    assert failed.value.code in {FailureCode.TIMEOUT_FIRST_TOKEN, CUT, ODD, FailureCode.MODEL_UNREACHABLE}


@pytest.mark.parametrize("head", [GZIP, GZIP.replace(b"200 OK", b"400 Bad Request")])
async def test_a_compression_bomb(runtime_of: RuntimeOf, head: bytes) -> None:
    """64 MiB for each 64 KiB that come."""
    async with Endless(head, lambda _: BOMB, most=20 * len(BOMB)) as endless:
        runtime = runtime_of(model_base_url=endless.base_url, model_max_response_bytes=4 * MIB)
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(AgentFailure) as failed:
                await runtime.start(a_turn("go"), Sink()).wait()
    assert failed.value.code in {ODD, CUT, FailureCode.MODEL_REJECTED_REQUEST}, failed.value


@pytest.mark.parametrize(
    "delta",
    [
        {"content": ["a"] * 20_000},
        {"content": [{"thinking": ["a"] * 20_000}]},
        {"reasoning_details": [{"text": "a"}] * 20_000},
    ],
    ids=["content", "thinking", "reasoning"],
)
async def test_parts_of_one_chunk(runtime_of: RuntimeOf, delta: dict[str, Any]) -> None:
    body = OK + stream(chunk(delta), text("well"), chunk({}, "stop"), "[DONE]")
    async with Endless(body, lambda _: b"", most=0) as endless:
        with pytest.raises(AgentFailure) as failed:
            await runtime_of(model_base_url=endless.base_url).start(a_turn("go"), Sink()).wait()
    assert failed.value.code is ODD
    assert "parts" in failed.value.message


NUMBERS = [
    {"prompt_tokens": 10**30, "completion_tokens": -5, "total_tokens": "many"},
    {"prompt_tokens": 1.5, "completion_tokens": True, "total_tokens": None},
    {"prompt_tokens": None, "completion_tokens": {"a": 1}, "prompt_tokens_details": [1]},
    {f"count_{number}": number for number in range(5000)},
    "none",
    [],
]


@pytest.mark.parametrize("usage", NUMBERS)
async def test_counts_of_tokens_that_are_none(runtime_of: RuntimeOf, usage: object) -> None:
    last = chunk({}, "stop", usage=usage, created=1e300, id="i" * 5000, model="m" * 5000, service_tier=5)
    body = OK + stream(text("well"), last, "[DONE]")
    async with Endless(body, lambda _: b"", most=0) as endless:
        sink = Sink()
        result = await runtime_of(model_base_url=endless.base_url).start(a_turn("go"), sink).wait()
    assert sink.shown_text == "well"
    assert 0 <= result.usage.input_tokens < 10**13
    assert len(result.history or b"") < 5000
    json.loads(result.history or b"")


@pytest.mark.parametrize(
    "data", ["[" * 100_000, '{"a":' * 100_000, '{"choices": [' + "9" * 10_000 + "]}", "null", '"x"']
)
async def test_json_that_is_hard_to_read(runtime_of: RuntimeOf, data: str) -> None:
    body = OK + stream(text("wel"), data, text("l"), chunk({}, "stop"), "[DONE]")
    async with Endless(body, lambda _: b"", most=0) as endless:
        sink = Sink()
        running = runtime_of(model_base_url=endless.base_url).start(a_turn("go"), sink).wait()
        if data == "null":
            await running
            assert sink.shown_text == "well"
            return
        with pytest.raises(AgentFailure) as failed:
            await running
    assert failed.value.code is ODD
    assert sink.shown_text == "wel"
