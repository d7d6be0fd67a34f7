"""Connections to model servers: compressed answers, reuse, and nothing that one user's request leaves for another's."""

from __future__ import annotations

import asyncio
import json
import zlib

import pytest

from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.protocol.events import FailureCode
from tests.fakes.model_server import Cut, End, FakeModelServer, Hang, Headers, Raw, Step, Text, WaitFor
from tests.harness.deadline import DEADLINE
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn


def event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]}
    return f"data: {json.dumps(head)}\n\n".encode()


WORDS = [event({"content": f"w{number} "}) for number in range(20)]
LAST = [event({}, "stop"), b"data: [DONE]\n\n"]


def compressed(encoding: str) -> list[Step]:
    """The words, each flushed by itself, as servers that compress streams do."""
    packer = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    pieces = [packer.compress(word) + packer.flush(zlib.Z_SYNC_FLUSH) for word in [*WORDS, *LAST]]
    return [Raw(piece) for piece in [*pieces, packer.flush()]]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_answer(server: FakeModelServer, runtime_of: RuntimeOf, encoding: str) -> None:
    server.queue.append([Headers({"content-encoding": encoding}), *compressed(encoding), End()])
    sink = Sink()
    await runtime_of().start(a_turn("go"), sink).wait()
    assert sink.shown_text == "".join(f"w{number} " for number in range(20))


async def test_a_compressed_answer_is_shown_as_it_comes(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    hang = Hang()
    server.queue.append([Headers({"content-encoding": "gzip"}), *compressed("gzip")[:3], hang])
    sink = Sink()
    handle = runtime_of().start(a_turn("go"), sink)
    running = asyncio.create_task(handle.wait())
    async with asyncio.timeout(DEADLINE):
        await hang.reached.wait()
        while sink.shown_text != "w0 w1 w2 ":
            async with sink.came:
                await sink.came.wait()
        handle.cancel()
        assert (await running).cancelled


async def test_an_answer_that_only_claims_to_be_compressed(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.queue.append([Headers({"content-encoding": "gzip"}), *map(Raw, [*WORDS, *LAST]), End()])
    sink = Sink()
    with pytest.raises(AgentFailure) as failed:
        await runtime_of().start(a_turn("go"), sink).wait()
    assert failed.value.code in {FailureCode.MODEL_STREAM_CUT, FailureCode.MODEL_UNREACHABLE}
    assert sink.shown_text == ""


async def test_what_came_before_a_cut_is_shown(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    """Also where the cut is noticed while the text before it is still being taken."""
    server.queue.append([*map(Raw, WORDS[:1]), WaitFor(go_on := asyncio.Event()), *map(Raw, WORDS[1:]), Cut()])
    sink = Sink(gate=asyncio.Event())
    running = asyncio.create_task(runtime_of().start(a_turn("go"), sink).wait())
    async with asyncio.timeout(DEADLINE):
        await sink.blocked.wait()
        go_on.set()
        await server.left.wait()
        sink.gate.set()  # pyright: ignore[reportOptionalMemberAccess]
        with pytest.raises(AgentFailure) as failed:
            await running
    assert failed.value.code is FailureCode.MODEL_STREAM_CUT
    assert len(sink.shown_text.split()) == 20


async def test_a_connection_is_used_again_also_after_a_late_end(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    runtime = runtime_of()
    for _ in range(3):
        server.queue.append([*map(Raw, [*WORDS, *LAST]), End()])
        await runtime.start(a_turn("go"), Sink()).wait()
    assert len(server.connections) == 1


async def test_a_server_that_goes_on_after_its_end_is_left(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.queue.append([*map(Raw, [*WORDS, *LAST]), Hang()])
    sink = Sink()
    async with asyncio.timeout(DEADLINE):
        result = await runtime_of().start(a_turn("go"), sink).wait()
        await server.requests[0].hung_up.wait()
    assert not result.cancelled
    assert len(sink.shown_text.split()) == 20


async def test_no_cookie_of_one_request_is_sent_with_the_next(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    runtime = runtime_of()
    for user in ("alice", "bob"):
        server.queue.append([Headers({"set-cookie": "who=alice; Path=/"}), Text("hi")])
        await runtime.start(a_turn("go", user=user), Sink()).wait()
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


async def test_closing_closes_what_is_open(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    runtime = runtime_of()
    await runtime.start(a_turn("tokens=1"), Sink()).wait()
    await runtime.aclose()
    async with asyncio.timeout(DEADLINE):
        await server.left.wait()


async def test_the_request_is_the_same_with_both_clients(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    """What a server is asked, and what it may look at to tell clients apart."""
    for client in ("lean", "sdk"):
        await runtime_of(model_client=client, model_api_key="k").start(a_turn("tokens=1"), Sink()).wait()
    lean, sdk = server.requests
    assert lean.body == sdk.body
    passing = {"host", "accept-encoding", "connection", "x-stainless-read-timeout", "content-length"}
    assert {k: v for k, v in lean.headers.items() if k not in passing} == {
        k: v for k, v in sdk.headers.items() if k not in passing
    }
