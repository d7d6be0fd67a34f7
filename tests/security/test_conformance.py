"""RFC 6455 at the level of bytes: what arrives in pieces is put together, what breaks the rules is closed by code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.harness.server import Person, RunningServer
from tests.security.raw_socket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawFrame, RawSocket

LIMIT = 4096
ASKED = json.dumps({"type": "ping", "id": "żółć"}, ensure_ascii=False).encode()


@pytest.fixture
async def small(serve: Callable[..., AbstractAsyncContextManager[RunningServer]]) -> AsyncIterator[RunningServer]:
    async with serve(max_frame_bytes=LIMIT) as server:
        yield server


@pytest.fixture
async def alice(small: RunningServer) -> Person:
    return await small.person("alice")


@pytest.fixture
async def raw(small: RunningServer, alice: Person) -> AsyncIterator[RawSocket]:
    async with RawSocket(small.port, alice.token) as socket:
        ready = await socket.frame()
        assert json.loads(ready.payload)["type"] == "connection_ready"
        assert not ready.masked
        yield socket


def is_answer(frame: RawFrame) -> bool:
    assert frame.opcode == TEXT, frame
    answer = json.loads(frame.payload)
    return answer["type"] == "pong" and answer["reply_to"] == "żółć"


async def test_a_text_in_pieces_of_one_byte_is_one_frame(raw: RawSocket) -> None:
    # The cuts fall inside characters too.
    raw.send(TEXT, ASKED[:1], final=False)
    for index in range(1, len(ASKED)):
        raw.send(CONTINUATION, ASKED[index : index + 1], final=False)
    raw.send(CONTINUATION, b"")
    assert is_answer(await raw.frame())


async def test_a_frame_in_packets_of_one_byte_is_one_frame(raw: RawSocket) -> None:
    head = bytes([0x81, 0x80 | len(ASKED), 0, 0, 0, 0])
    for byte in head + ASKED:
        raw.send_bytes(bytes([byte]))
        await asyncio.sleep(0)
    assert is_answer(await raw.frame())


async def test_control_frames_between_the_pieces_are_answered_at_once(raw: RawSocket) -> None:
    raw.send(TEXT, ASKED[:5], final=False)
    raw.send(PING, b"are you there?")
    assert await raw.frame() == RawFrame(PONG, b"are you there?", final=True, masked=False)
    raw.send(CONTINUATION, ASKED[5:9], final=False)
    raw.send(PONG, b"nobody asked")
    raw.send(PING, b"x" * 125)
    assert (await raw.frame()).payload == b"x" * 125
    raw.send(CONTINUATION, ASKED[9:])
    assert is_answer(await raw.frame())


async def test_many_frames_in_one_packet_are_answered_in_order(raw: RawSocket) -> None:
    for number in range(50):
        raw.send(TEXT, json.dumps({"type": "ping", "id": str(number)}).encode())
    answers = [json.loads((await raw.frame()).payload)["reply_to"] for _ in range(50)]
    assert answers == [str(number) for number in range(50)]


BROKEN: dict[str, tuple[Callable[[RawSocket], None], int]] = {
    "first reserved bit": (lambda raw: raw.send(TEXT, ASKED, reserved=4), 1002),
    "second reserved bit": (lambda raw: raw.send(TEXT, ASKED, reserved=2), 1002),
    "third reserved bit": (lambda raw: raw.send(TEXT, ASKED, reserved=1), 1002),
    "not masked": (lambda raw: raw.send(TEXT, ASKED, masked=False), 1002),
    "reserved opcode": (lambda raw: raw.send(0x3, ASKED), 1002),
    "reserved control opcode": (lambda raw: raw.send(0xB, b""), 1002),
    "control frame in pieces": (lambda raw: raw.send(PING, b"", final=False), 1002),
    "control frame too long": (lambda raw: raw.send(PING, b"x" * 126), 1002),
    "continuation of nothing": (lambda raw: raw.send(CONTINUATION, ASKED), 1002),
    "close with half a code": (lambda raw: raw.send(CLOSE, b"\x03"), 1002),
    "close with a reserved code": (lambda raw: raw.send(CLOSE, b"\x03\xed"), 1002),
    "binary": (lambda raw: raw.send(BINARY, ASKED), 1003),
    "empty binary": (lambda raw: raw.send(BINARY, b""), 1003),
    "invalid UTF-8": (lambda raw: raw.send(TEXT, b'{"type":"ping","id":"\xff"}'), 1007),
    "a surrogate in UTF-8": (lambda raw: raw.send(TEXT, b'{"type":"ping","id":"\xed\xa0\x80"}'), 1007),
    "overlong UTF-8": (lambda raw: raw.send(TEXT, b'{"type":"ping","id":"\xc0\xaf"}'), 1007),
    "half a character": (lambda raw: raw.send(TEXT, b'{"type":"ping","id":"\xe2\x82'), 1007),
    "too large": (lambda raw: raw.send(TEXT, b" " * (LIMIT + 1)), 1009),
    "said to be too large": (lambda raw: raw.send(TEXT, b"", claimed=1 << 62), 1009),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_breaks_the_rules_is_closed_with_its_code(
    small: RunningServer, alice: Person, raw: RawSocket, what: str
) -> None:
    send, code = BROKEN[what]
    before = await small.services.log.view(alice.user_id, lambda view: view.head())
    async with small.client(alice) as other:
        send(raw)
        assert await raw.close_code() == code
        assert (await other.ask("ping"))["type"] == "pong", "another socket of the same user is not concerned"
    assert await small.services.log.view(alice.user_id, lambda view: view.head()) == before


async def test_pieces_count_together_against_the_limit(raw: RawSocket) -> None:
    raw.send(TEXT, b" " * (LIMIT // 2), final=False)
    raw.send(CONTINUATION, b" " * (LIMIT // 2), final=False)
    raw.send(CONTINUATION, b" ", final=False)
    assert await raw.close_code() == 1009


async def test_a_new_message_inside_another_is_refused(raw: RawSocket) -> None:
    raw.send(TEXT, ASKED[:5], final=False)
    raw.send(TEXT, ASKED)
    assert await raw.close_code() == 1002


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8good night", b"\x0f\xa0"])
async def test_a_close_is_answered_with_a_close(raw: RawSocket, payload: bytes) -> None:
    raw.send(CLOSE, payload)
    assert await raw.close_code() in {1000, 1005, 4000}
