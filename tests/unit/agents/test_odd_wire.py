"""What HTTP servers, and what stands before them, make of an answer on its way: over real connections, by both clients.

`test_openai_stream` is about what is said; this is about how it's carried.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Sequence

import pytest

from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.protocol.events import FailureCode
from tests.fakes.model_server import (
    Cut,
    End,
    FakeModelServer,
    Hang,
    Headers,
    Raw,
    Status,
    Step,
    Text,
    WaitFor,
    Wire,
)
from tests.harness.deadline import DEADLINE
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn
from tests.unit.agents.wire import DONE, STOP, call, chunk, stream, text

SAID = "Héllo 😀 you"
EVENTS = [chunk({"role": "assistant", "content": ""}), *(text(piece) for piece in ("Héllo", " 😀", " you")), STOP, DONE]
BODY = stream(*EVENTS, escaped=False)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = STREAM + b"transfer-encoding: chunked\r\n\r\n"
SIZED = STREAM + f"content-length: {len(BODY)}\r\n\r\n".encode()


def in_chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(f"{len(piece):x}".encode() + extension + b"\r\n" + piece + b"\r\n" for piece in pieces)


def byte_by_byte(data: bytes) -> list[Step]:
    return [Wire(data[at : at + 1]) for at in range(len(data))]


async def shown(server: FakeModelServer, runtime_of: RuntimeOf, *steps: Step) -> str:
    server.queue.append(steps)
    sink = Sink()
    async with asyncio.timeout(DEADLINE):
        await runtime_of().start(a_turn("go"), sink).wait()
    return sink.shown_text


async def failure(
    server: FakeModelServer, runtime_of: RuntimeOf, *steps: Step, sink: Sink | None = None, **settings: object
) -> AgentFailure:
    server.queue.append(steps)
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(AgentFailure) as failed:
            await runtime_of(**settings).start(a_turn("go"), sink or Sink()).wait()
    return failed.value


WHOLE: dict[str, Sequence[Step]] = {
    "in one chunk": [Wire(CHUNKED + in_chunks(BODY, 10**6) + b"0\r\n\r\n")],
    "in chunks of a byte": [Wire(CHUNKED + in_chunks(BODY, 1) + b"0\r\n\r\n")],
    "in segments of a byte": [Wire(CHUNKED), *byte_by_byte(in_chunks(BODY, 50) + b"0\r\n\r\n")],
    "chunks with extensions, and a trailer": [
        Wire(CHUNKED + in_chunks(BODY, 9, b";n=1") + b"0\r\nx-cost: 1\r\n\r\n"),
    ],
    "a length instead of chunks": [Wire(SIZED + BODY)],
    "neither: the connection's end ends it": [Wire(STREAM + b"connection: close\r\n\r\n" + BODY), Cut()],
    "headers in segments of a byte": [*byte_by_byte(CHUNKED), Wire(in_chunks(BODY, 64) + b"0\r\n\r\n")],
    "early hints first": [Wire(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + SIZED + BODY)],
    "of no type": [Wire(SIZED.replace(b"content-type: text/event-stream\r\n", b"") + BODY)],
    "of another type": [Wire(SIZED.replace(b"text/event-stream", b"text/plain; charset=latin-1") + BODY)],
    "said to be of no encoding": [Headers({"content-encoding": "identity"}), Raw(BODY), End()],
    "the length of a compressed body": [
        Wire(
            STREAM
            + f"content-encoding: gzip\r\ncontent-length: {len(gzip.compress(BODY))}\r\n\r\n".encode()
            + gzip.compress(BODY)
        )
    ],
    "deflate without its wrapper": [
        Headers({"content-encoding": "deflate"}),
        Raw((packer := zlib.compressobj(wbits=-15)).compress(BODY) + packer.flush()),
        End(),
    ],
    "compressed, in chunks of a byte": [
        Wire(STREAM + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"),
        Wire(in_chunks(gzip.compress(BODY), 1) + b"0\r\n\r\n"),
    ],
}


@pytest.mark.parametrize("steps", WHOLE.values(), ids=WHOLE)
async def test_an_answer_comes_whole(server: FakeModelServer, runtime_of: RuntimeOf, steps: Sequence[Step]) -> None:
    assert await shown(server, runtime_of, *steps) == SAID


async def test_headers_that_come_late(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    late = WaitFor(asyncio.Event())
    server.queue.append([late, Text("well")])
    sink = Sink()
    running = asyncio.create_task(runtime_of().start(a_turn("go"), sink).wait())
    async with asyncio.timeout(DEADLINE):
        await late.reached.wait()
        assert not sink.calls
        late.event.set()
        await running
    assert sink.shown_text == "well"


BROKEN: dict[str, Sequence[Step]] = {
    "within the head": [Wire(STREAM[:30]), Cut()],
    "within a chunk's size": [Wire(CHUNKED + in_chunks(BODY, 10**6)[:1]), Cut()],
    "within a chunk": [Wire(CHUNKED + in_chunks(BODY, 10**6)[:-30]), Cut()],
    "between two chunks": [Wire(CHUNKED + in_chunks(BODY[:-60], 50)), Cut()],
    "before the length is full": [Wire(SIZED + BODY[:-60]), Cut()],
    "within a character": [Wire(CHUNKED + in_chunks(BODY[: BODY.index(b"\xc3") + 1], 10**6)), Cut()],
    "in a compressed body": [
        Wire(STREAM + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"),
        Wire(in_chunks(gzip.compress(BODY)[:60], 10**6)),
        Cut(),
    ],
}


@pytest.mark.parametrize("steps", BROKEN.values(), ids=BROKEN)
async def test_a_connection_that_breaks(server: FakeModelServer, runtime_of: RuntimeOf, steps: Sequence[Step]) -> None:
    sink = Sink()
    failed = await failure(server, runtime_of, *steps, sink=sink)
    assert failed.code is FailureCode.MODEL_STREAM_CUT
    assert failed.retryable
    assert SAID.startswith(sink.shown_text)
    assert failed.history is not None


@pytest.mark.parametrize("encoding", ["br", "zstd", "nonsense"])
async def test_an_encoding_that_nobody_asked_for(server: FakeModelServer, runtime_of: RuntimeOf, encoding: str) -> None:
    sink = Sink()
    failed = await failure(
        server, runtime_of, Headers({"content-encoding": encoding}), Raw(b"\x8b\x05\x80" * 20), End(), sink=sink
    )
    assert failed.code in {
        FailureCode.MODEL_BAD_RESPONSE,
        FailureCode.MODEL_STREAM_CUT,
        FailureCode.MODEL_UNREACHABLE,
    }
    assert sink.shown_text == ""


async def test_only_what_can_be_read_is_asked_for(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    await runtime_of(model_client="lean").start(a_turn("tokens=1"), Sink()).wait()
    asked = {name.strip() for name in server.requests[0].headers["accept-encoding"].split(",")}
    assert asked == {"gzip", "deflate"}


REFUSAL = json.dumps({"error": {"message": "the engine is being mended"}}).encode()
HEAD_400 = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
ERRORS: dict[str, tuple[Sequence[Step], str]] = {
    "with a length": ([Wire(HEAD_400 + f"content-length: {len(REFUSAL)}\r\n\r\n".encode() + REFUSAL)], "mended"),
    "in chunks": (
        [Wire(HEAD_400 + b"transfer-encoding: chunked\r\n\r\n" + in_chunks(REFUSAL, 7) + b"0\r\n\r\n")],
        "mended",
    ),
    "compressed": (
        [
            Wire(
                HEAD_400
                + f"content-encoding: gzip\r\ncontent-length: {len(gzip.compress(REFUSAL))}\r\n\r\n".encode()
                + gzip.compress(REFUSAL)
            )
        ],
        "mended",
    ),
    "until the connection's end": ([Wire(HEAD_400 + b"connection: close\r\n\r\n" + REFUSAL), Cut()], "mended"),
    "without a body": ([Wire(HEAD_400 + b"content-length: 0\r\n\r\n")], "HTTP 400"),
    "in words": ([Status(400, "no such thing")], "HTTP 400"),
    "in a list": ([Status(400, '[{"error": {"message": "in a list"}}]')], "HTTP 400"),
    "in an error that is text": ([Status(400, {"error": "the engine is being mended"})], "HTTP 400"),
    "in a long page": ([Status(400, "<html>" + "x" * 10**6)], "HTTP 400"),
    "that isn't text": (
        [Wire(HEAD_400 + b"content-length: 4\r\n\r\n\xff\xfe\x00\x80")],
        "HTTP 400",
    ),
}


@pytest.mark.parametrize(("steps", "says"), ERRORS.values(), ids=ERRORS)
async def test_a_refusal(server: FakeModelServer, runtime_of: RuntimeOf, steps: Sequence[Step], says: str) -> None:
    failed = await failure(server, runtime_of, *steps)
    assert failed.code is FailureCode.MODEL_REJECTED_REQUEST
    assert says in failed.message
    assert len(failed.message) < 1000


async def test_a_refusal_that_breaks_off(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    failed = await failure(server, runtime_of, Wire(HEAD_400 + b"content-length: 100\r\n\r\n{"), Cut())
    assert failed.code is FailureCode.MODEL_STREAM_CUT


async def test_a_refusal_that_never_ends_can_be_stopped(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    hang = Hang()
    server.queue.append([Wire(HEAD_400 + b"content-length: 100\r\n\r\n{"), hang])
    handle = runtime_of().start(a_turn("go"), Sink())
    running = asyncio.create_task(handle.wait())
    async with asyncio.timeout(DEADLINE):
        await hang.reached.wait()
        handle.cancel()
        assert (await running).cancelled
        await server.requests[0].hung_up.wait()


async def test_a_refusal_leaves_the_connection_to_the_next(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.queue += [[Status(503, {"error": {"message": "busy"}})], [Text("well")]]
    sink = Sink()
    async with asyncio.timeout(DEADLINE):
        await runtime_of(model_retries=1).start(a_turn("go"), sink).wait()
    assert sink.shown_text == "well"
    assert len(server.connections) == 1


async def test_a_connection_that_the_server_closed_meanwhile(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    runtime = runtime_of()
    await runtime.start(a_turn("tokens=1"), Sink()).wait()
    (connection,) = server.connections
    await connection.end()
    async with asyncio.timeout(DEADLINE):
        await server.left.wait()
        sink = Sink()
        await runtime.start(a_turn("tokens=2"), sink).wait()
    assert sink.shown_text == "w0 w1 "


@pytest.mark.parametrize("code", [307, 308])
async def test_an_answer_that_is_elsewhere(server: FakeModelServer, runtime_of: RuntimeOf, code: int) -> None:
    server.queue += [[Status(code, "", {"location": "/elsewhere/chat/completions"})], [Text("here")]]
    sink = Sink()
    async with asyncio.timeout(DEADLINE):
        await runtime_of(model_api_key="k").start(a_turn("go"), sink).wait()
    assert sink.shown_text == "here"
    first, second = server.requests
    assert second.path == "/elsewhere/chat/completions"
    assert second.body == first.body
    assert second.headers["authorization"] == "Bearer k"


async def test_a_key_is_not_sent_to_another_server(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async with FakeModelServer() as other:
        server.queue.append([Status(307, "", {"location": f"{other.base_url}/chat/completions"})])
        other.queue.append([Text("here")])
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(AgentFailure, match="redirects to another server"):
                await runtime_of(model_api_key="k").start(a_turn("go"), Sink()).wait()
        assert other.requests == []


async def test_a_huge_chunk_on_a_real_connection(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    long = "é" * 300_000
    data = stream(text(long), call(0, "{}", "nothing"), STOP, DONE, escaped=False)
    sink = Sink()
    server.queue += [[Raw(data), End()], [Text(".")]]
    async with asyncio.timeout(DEADLINE):
        await runtime_of().start(a_turn("go"), sink).wait()
    assert sink.shown_text == long + "\n\n."
