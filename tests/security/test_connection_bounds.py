"""Strangers can send what they like, as slowly as they like and on as many connections: each phase has its bound."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.http11 import Request

from netra_backend.app.doors.http import MAX_PIPELINED, SMALL_PARTS
from netra_backend.app.doors.visit import LEGAL_STEPS, Phase, Visit
from netra_backend.app.doors.websocket import BARE_FRAMES
from tests.harness.deadline import DEADLINE
from tests.harness.process import ServerProcess
from tests.harness.server import RunningServer
from tests.security.raw_http import RawHttp, ask, get
from tests.security.raw_socket import CONTINUATION, PING, PONG, TEXT, RawSocket

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]

HOST = "Host: localhost"
HANDSHAKE = (
    HOST,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)
LIVE = get("/health/live", HOST)
CHUNKED = b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"


# Sizes, for a request and for a handshake alike


@pytest.mark.parametrize("lines", [(HOST,), HANDSHAKE], ids=["http", "handshake"])
@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/" + "x" * 8000, [], 414),
        ("/ws?" + "x" * 8000, [], 414),
        ("/ws", ["X: " + "x" * 8192], 431),
        ("/ws", ["x" * 8192 + ": x"], 431),
        ("/ws", ["Cookie: " + "a=b; " * 2000], 431),
        ("/ws", [f"X{number}: x" for number in range(101)], 431),
        ("/ws", [f"X{number}: " + "x" * 4000 for number in range(9)], 431),
    ],
    ids=["path", "query", "value", "name", "cookies", "count", "sum"],
)
async def test_a_head_that_is_too_large_is_named(
    server: RunningServer, lines: tuple[str, ...], path: str, more: list[str], status: int
) -> None:
    answer = await ask(server.port, get(path, *lines, *more))
    assert (answer.status, answer.json()["code"]) == (status, "too_large")
    assert answer.header("connection") == "close"


@pytest.mark.parametrize(
    ("begin", "more", "status"),
    [
        (b"GET /", b"x", 414),
        (b"GET / HTTP/1.1\r\nA: ", b"x", 431),
        (b"GET / HTTP/1.1\r\n", b"x", 431),
        (b"GET / HTTP/1.1\r\nA: b\r\n", b"A: b\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: ", b" ", 431),
        (CHUNKED + b"\r\n1;", b"x", 413),
        (CHUNKED + b"\r\n0\r\nA: ", b"x", 413),
        (CHUNKED + b"\r\n0\r\n", b"A: b\r\n", 413),
        (CHUNKED + b"\r\n", b"1;" + b"x" * 200 + b"\r\n \r\n", 413),
    ],
    ids=["url", "value", "name", "headers", "spaces", "extension", "trailer", "trailers", "extensions"],
)
async def test_what_has_no_end_is_ended(server: RunningServer, begin: bytes, more: bytes, status: int) -> None:
    async with RawHttp(server.port) as http:
        http.send(begin)
        sending = asyncio.create_task(_flood(http, more))
        try:
            answer = await http.answer()
        finally:
            sending.cancel()
        assert answer.status == status
        assert await http.rest() == b""


async def _flood(http: RawHttp, more: bytes) -> None:
    """Send up to eight megabytes, as far as they are taken."""
    try:
        for _ in range(2000):
            http.send(more * (4096 // len(more)))
            await http.writer.drain()
    except ConnectionError:
        pass


async def test_a_head_and_a_body_within_the_limits_are_taken_however_they_are_cut(server: RunningServer) -> None:
    head = get("/health/live", HOST, *[f"X{number}: " + "x" * 300 for number in range(90)], "Cookie: " + "c" * 4000)
    small = b"".join(b"1\r\nx\r\n" for _ in range(5000)) + b"0\r\n\r\n"
    for size in (7, 1000, len(head)):
        async with RawHttp(server.port) as http:
            for start in range(0, len(head), size):
                http.send(head[start : start + size])
                await asyncio.sleep(0)
            assert (await http.answer()).status == 200
            http.send(CHUNKED + b"\r\n" + small)
            assert (await http.answer()).status == 422, "a body of one byte a chunk is odd, and a body"
            http.send(LIVE)
            assert (await http.answer()).status == 200


@pytest.mark.parametrize("path", ["/api/auth/login", "/nothing"])
async def test_a_body_in_many_small_chunks_is_ended(server: RunningServer, path: str) -> None:
    async with RawHttp(server.port) as http:
        http.send(CHUNKED.replace(b"/api/auth/login", path.encode()) + b"\r\n")
        http.send(b"1\r\nx\r\n" * (2 * SMALL_PARTS))
        assert (await http.answer()).status == 413
        assert await http.rest() == b""


async def test_trailers_add_no_headers(serve: Serve) -> None:
    """They would stand behind what a proxy wrote, and so be believed."""
    body = json.dumps({"email": "a@example.org", "password": "wrong"}).encode()
    login = (
        b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nOrigin: https://evil.example\r\n\r\n" % (len(body), body)
    )
    async with serve() as at:
        # 403 is what the header gets when it counts.
        assert (await ask(at.port, login)).status == 401


async def test_requests_in_a_queue_are_bounded_and_those_taken_are_answered(server: RunningServer) -> None:
    async with RawHttp(server.port) as http:
        http.send(LIVE * 5000)
        text = (await http.rest()).decode()
    assert 1 <= text.count("HTTP/1.1 200 OK") <= MAX_PIPELINED + 1
    assert text.count("connection: close") == 1
    assert text.rindex("connection: close") > text.rindex("HTTP/1.1")
    async with RawHttp(server.port) as http:
        http.send(LIVE * MAX_PIPELINED)
        for _ in range(MAX_PIPELINED):
            assert (await http.answer()).status == 200


# Time


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", None),
        (b"\r\n", None),
        (b"G", 408),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX", 408),
        (get("/ws", *HANDSHAKE)[:-2], 408),
        (b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", 408),
        (b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 408),
        (CHUNKED + b"\r\n5\r\nab", 408),
        (CHUNKED + b"\r\n0\r\nA: b\r\n", 408),
        (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", 200),
    ],
    ids=["silent", "lines", "byte", "head", "handshake", "body", "expect", "chunk", "trailer", "get"],
)
async def test_what_does_not_go_on_is_ended(serve: Serve, sent: bytes, status: int | None) -> None:
    # An answer that is there already has to be read before the connection is cut, also on a slow machine.
    body_timeout = 3 if status == 200 else 0.3
    async with serve(head_timeout=0.3, body_timeout=body_timeout) as at, RawHttp(at.port) as http:
        http.send(sent)
        if status is not None:
            answer = await http.answer()
            if answer.status == 100:
                answer = await http.answer()
            # On a slow machine the body's time may be over before the answer that doesn't need it.
            assert answer.status in {status, 408}
        assert await http.rest() == b""


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\n", LIVE + b"GET / HTTP/1.1\r\n", CHUNKED + b"\r\n"])
async def test_what_goes_on_too_slowly_is_ended_too(serve: Serve, begin: bytes) -> None:
    async with serve(head_timeout=0.5, body_timeout=0.5) as at, RawHttp(at.port) as http:
        http.send(begin)
        reading = asyncio.create_task(http.rest())
        piece = b"1\r\nx\r\n" if begin.startswith(b"POST") else b"A: b\r\n"
        while not reading.done():
            http.send(piece)
            await asyncio.wait({reading}, timeout=0.05)
        assert b"HTTP/1.1 408" in reading.result()


async def test_a_connection_that_is_kept_for_nothing_is_closed(serve: Serve) -> None:
    async with serve(keep_alive_timeout=0.3) as at, RawHttp(at.port) as http:
        http.send(LIVE)
        assert (await http.answer()).status == 200
        http.send(b"\r\n")  # is no request
        assert await http.rest() == b""


async def test_an_answer_that_nobody_takes_is_ended(serve: Serve) -> None:
    async with serve(answer_stall_timeout=0.3) as at:
        reader = socket.create_connection(("127.0.0.1", at.port))
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.setblocking(False)
        try:
            loop = asyncio.get_running_loop()
            asking = asyncio.create_task(_ask_for_ever(loop, reader))
            async with asyncio.timeout(DEADLINE):
                await asking
        finally:
            reader.close()


async def _ask_for_ever(loop: asyncio.AbstractEventLoop, peer: socket.socket) -> None:
    """Ask for the page and take nothing, until the server cuts the connection."""
    request = get("/static/index.html", HOST) + get("/api/openapi.json", HOST)
    try:
        while True:
            await loop.sock_sendall(peer, request)
    except ConnectionError:
        pass


# Number


async def test_somebody_new_is_served_while_one_holds_all_places(serve: Serve) -> None:
    async with serve(max_strangers_per_address=20, max_strangers=30) as at, AsyncExitStack() as stack:
        for number in range(200):
            held = await stack.enter_async_context(RawHttp(at.port))
            held.send([b"", b"GET", LIVE, CHUNKED + b"\r\n"][number % 4])
            if number % 10 == 0:
                assert (await ask(at.port, LIVE)).status == 200
                assert (await ask(at.port, LIVE, "127.0.0.2")).status == 200
        async with RawSocket(at.port, (await at.person()).token) as ours:
            for _ in range(60):
                await stack.enter_async_context(RawHttp(at.port))
            ours.send(PING, b"still there")
            while (frame := await ours.frame()).opcode != 0xA:
                pass
            assert frame.payload == b"still there", "who is known makes no room for strangers"


async def test_whoever_a_request_made_known_makes_no_room_for_strangers(serve: Serve) -> None:
    async with serve(max_strangers_per_address=2) as at, RawHttp(at.port) as known, AsyncExitStack() as stack:
        who_am_i = get("/api/auth/me", HOST, f"Authorization: Bearer {(await at.person()).token}")
        for _ in range(2):
            known.send(who_am_i)
            assert (await known.answer()).status == 200
            for _ in range(6):
                stranger = await stack.enter_async_context(RawHttp(at.port))
                stranger.send(LIVE)
                assert (await stranger.answer()).status == 200


async def test_sockets_of_nobody_make_room_for_others(serve: Serve) -> None:
    async with serve(max_strangers_per_address=5, authentication_timeout=50) as at, AsyncExitStack() as stack:
        waiting: list[RawHttp] = []
        for _ in range(12):
            each = await stack.enter_async_context(RawHttp(at.port))
            each.send(get("/ws", *HANDSHAKE))
            assert (await each.answer()).status == 101
            waiting.append(each)
        assert await waiting[0].rest() == b"", "the first of them was let go"
        assert (await ask(at.port, LIVE)).status == 200


async def test_behind_a_proxy_each_client_has_its_own_places(serve: Serve) -> None:
    def from_client(number: int) -> bytes:
        return get("/ws", *HANDSHAKE, f"X-Forwarded-For: 192.0.2.{number}")

    few = {"max_strangers_per_address": 3, "trusted_proxies": "127.0.0.1", "authentication_timeout": 50}
    async with serve(**few) as at, AsyncExitStack() as stack:
        others = [await stack.enter_async_context(RawHttp(at.port)) for _ in range(10)]
        for number, other in enumerate(others):
            other.send(from_client(number))
            assert (await other.answer()).status == 101
        greedy = [await stack.enter_async_context(RawHttp(at.port)) for _ in range(10)]
        for each in greedy:
            each.send(from_client(100))
            assert (await each.answer()).status == 101
        assert await greedy[0].rest() == b""
        for other in others:
            assert not other.reader.at_eof()


async def test_what_a_proxy_keeps_open_is_nobodys(serve: Serve) -> None:
    """Its connections wait for whoever comes next; they aren't of the one who was answered last."""
    ask_for_one = get("/health/live", HOST, "X-Forwarded-For: 192.0.2.1")
    async with serve(max_strangers_per_address=2, trusted_proxies="127.0.0.1") as at, AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(RawHttp(at.port)) for _ in range(6)]
        for _ in range(2):
            for each in kept:
                each.send(ask_for_one)
                assert (await each.answer()).status == 200


async def test_whoever_finds_no_room_is_told_to_come_back(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(max_strangers_per_address=1) as at, RawHttp(at.port) as held:
        held.send(LIVE)
        assert (await held.answer()).status == 200
        monkeypatch.setattr(Visit, "idle", False)  # as if it was we who owed an answer
        answer = await ask(at.port, LIVE)
        assert (answer.status, answer.json()["code"]) == (429, "rate_limited")
        assert (answer.header("retry-after"), answer.header("connection")) == ("1", "close")


async def test_after_a_rush_that_took_all_descriptors_somebody_new_is_served(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path, head_timeout=600) as process, AsyncExitStack() as stack:
        await process.start()
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (200, 200))
        # All of them wait when it looks again: it takes as many as it has descriptors before it sees one.
        os.kill(process.pid, signal.SIGSTOP)
        for _ in range(400):
            await stack.enter_async_context(RawHttp(process.port))
        os.kill(process.pid, signal.SIGCONT)
        await process.until_ready()
        for _ in range(20):
            assert (await ask(process.port, LIVE)).status == 200


# Sockets of strangers


async def test_a_stranger_has_little_room_on_a_socket(server: RunningServer) -> None:
    async with RawSocket(server.port, None) as stranger:
        stranger.send(TEXT, b"x" * 20_000)
        assert await stranger.close_code() == 1009
    async with RawSocket(server.port, (await server.person()).token) as known:
        known.send(TEXT, b"x" * 20_000)
        while (frame := await known.frame()).opcode != TEXT or b"error" not in frame.payload:
            pass


async def test_who_said_who_it_is_has_all_the_room(server: RunningServer) -> None:
    token = (await server.person()).token
    async with RawSocket(server.port, None) as peer:
        frame = {"type": "authenticate", "id": "1", "payload": {"token": token}}
        peer.send(TEXT, json.dumps(frame).encode())
        assert b'"ack"' in (await peer.frame()).payload
        peer.send(TEXT, b"x" * 20_000)
        while b'"error"' not in (await peer.frame()).payload:
            pass


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("bare", [(PING, True), (PONG, True), (CONTINUATION, False)], ids=["ping", "pong", "part"])
async def test_frames_that_are_no_messages_are_bounded(server: RunningServer, bare: tuple[int, bool], known: bool):
    opcode, final = bare
    async with RawSocket(server.port, (await server.person()).token if known else None) as peer:
        peer.send(TEXT, b"{", final=False)
        for _ in range(BARE_FRAMES // 2):
            peer.send(opcode, b"", final=final)
        peer.send(CONTINUATION, b"}")
        while b"invalid_frame" not in (await peer.frame()).payload:
            pass
        # A part belongs to a message that has begun.
        peer.send(TEXT, b"{", final=False)
        for _ in range(20 * BARE_FRAMES):
            peer.send(opcode, b"", final=final)
        # Where it is closed with frames unread, the system may say so first.
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            assert await peer.close_code() == 1008


# Bytes that are no request


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,  # a TLS ClientHello
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0\0\0",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\nHost: localhost\n\n",
        b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http:///x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        get("/ws", *HANDSHAKE, "Content-Length: 3") + b"abc",
        get("/ws", *HANDSHAKE, "Content-Length: 3"),
        get("/ws", *HANDSHAKE, "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        get("/ws", *HANDSHAKE, "Content-Length: 0").replace(b"GET", b"POST").replace(b": 0", b": 1") + b"x",
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_closed(server: RunningServer, sent: bytes) -> None:
    async with RawHttp(server.port) as http:
        http.send(sent)
        answer = await http.answer()
        assert (answer.status, answer.json()["code"]) == (400, "invalid_request")
        assert await http.rest() == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        (b"GET / HTTP/0.9\r\n\r\n", 505),
        (b"TRACE / HTTP/1.1\r\nHost: localhost\r\nCookie: netra=secret\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"OPTIONS /api/about HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n", 405),
        (b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /static/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /static/%2e%2e/%2e%2e/settings.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /t/%ff%zz%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET http://localhost/health/live HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
        (b"GET http://user@localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (get("http://evil.example/ws", *HANDSHAKE), 421),
        (get("http://localhost/ws", *HANDSHAKE), 101),
        (get("/health/live", HOST, "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AA"), 200),
        (get("/ws", *HANDSHAKE[:-1]), 400),
        (get("/ws", *HANDSHAKE, "Content-Length: 0"), 101),
        (get("/api/about", HOST, "Cookie: " + "netra=; " * 900), 401),
    ],
)
async def test_odd_requests_have_their_answer(server: RunningServer, sent: bytes, status: int) -> None:
    answer = await ask(server.port, sent)
    assert answer.status == status
    assert not [name for name, _ in answer.headers if name.startswith("access-control") or name == "set-cookie"]
    assert b"secret" not in answer.body


async def test_an_upgrade_behind_a_request_is_not_mixed_up_with_its_answer(server: RunningServer) -> None:
    async with RawHttp(server.port) as http:
        http.send(get("/health/ready", HOST) + get("/ws", *HANDSHAKE))
        first = await http.answer()
        assert (first.status, first.header("connection")) == (200, "close")
        assert await http.rest() == b""


async def test_a_handshake_that_cannot_be_read_holds_no_connection(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that websockets doesn't like: it answers nothing then."""

    def refuse(_read_line: object) -> None:
        raise ValueError("something about it")

    monkeypatch.setattr(Request, "parse", refuse)
    async with RawHttp(server.port) as http:
        http.send(get("/ws", *HANDSHAKE))
        assert await http.rest() == b""


async def test_strangers_write_nothing_into_the_log(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    assert (await ask(server.port, get("/ws", *HANDSHAKE).replace(b"localhost", b"evil.example"))).status == 421
    assert (await ask(server.port, get("/ws", *HANDSHAKE, "Cookie: netra=x", "Origin: http://evil"))).status == 403
    assert (await ask(server.port, get("/other", *HANDSHAKE))).status == 403
    assert (await ask(server.port, get("/health/live", HOST, "Upgrade: x", "Connection: Upgrade"))).status == 200
    assert (await ask(server.port, b"nonsense\r\n\r\n")).status == 400
    async with RawSocket(server.port, None) as peer:
        peer.send(TEXT, b"\xff")
        assert await peer.close_code() == 1007
    assert [record.getMessage() for record in caplog.records] == []


BREAKS = {
    "utf-8": {"opcode": TEXT, "payload": b"\xff"},
    "too large": {"opcode": TEXT, "payload": b"x" * 600_000},
    "a reserved bit": {"opcode": TEXT, "payload": b"{}", "reserved": 1},
    "unmasked": {"opcode": TEXT, "payload": b"{}", "masked": False},
    "a part of nothing": {"opcode": CONTINUATION, "payload": b"{}"},
    "binary": {"opcode": 0x2, "payload": b"x"},
}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("breaks", BREAKS.values(), ids=BREAKS)
async def test_what_breaks_the_protocol_while_answers_are_under_way_writes_nothing_into_the_log(
    server: RunningServer, caplog: pytest.LogCaptureFixture, breaks: dict[str, Any], known: bool
) -> None:
    caplog.set_level("WARNING")
    alice = await server.person()
    token = alice.token
    for answers in (0, 1, 5, 40):
        async with RawSocket(server.port, token if known else None) as peer:
            for number in range(answers):
                peer.send(TEXT, json.dumps({"type": "ping", "id": str(number), "payload": {}}).encode())
            peer.send(**breaks)
            # Where it is closed with something unread, the system may say so first.
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while (await peer.frame()).opcode != 0x8:
                    pass
    async with server.http(alice) as http:
        assert (await http.get("/api/about")).status_code == 200
    assert [record.getMessage() for record in caplog.records] == []


# The table


def test_every_phase_has_its_steps_and_the_last_has_none() -> None:
    assert set(LEGAL_STEPS) == set(Phase)
    assert LEGAL_STEPS[Phase.GONE] == frozenset()
    assert all(Phase.GONE in steps for phase, steps in LEGAL_STEPS.items() if phase is not Phase.GONE)


def test_the_limits_are_documented() -> None:
    from pathlib import Path

    from netra_backend.app.settings import Settings

    page = (Path(__file__).parents[2] / "docs" / "operators.md").read_text()
    named = set(re.findall(r"NETRA_([A-Z_]+)", page))
    for name in (
        "max_head_bytes",
        "max_url_bytes",
        "max_header_bytes",
        "max_headers",
        "head_timeout",
        "body_timeout",
        "keep_alive_timeout",
        "answer_stall_timeout",
        "max_strangers",
        "max_strangers_per_address",
        "trusted_proxies",
        "proxy_header",
        "allowed_hosts",
        "public_url",
        "allow_insecure_http",
    ):
        assert name in Settings.model_fields
        assert name.upper() in named, name
