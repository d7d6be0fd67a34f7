"""What somebody who hasn't said who they are is told, and how much of theirs is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from netra_backend.app.routes import body_limit
from netra_backend.app.routes.body_limit import STRANGERS_BODY, BodyLimit
from netra_backend.app.routes.websocket import FIRST_FRAMES
from tests.harness.server import RunningServer
from tests.security.raw_http import RawHttp, ask, get
from tests.security.raw_socket import CLOSE, TEXT, RawSocket

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]

LIVE = get("/health/live", "Host: localhost")

OPEN = {("/api/auth/login", "post"), ("/api/auth/redeem", "post"), ("/health/live", "get"), ("/health/ready", "get")}
"""What needs no session."""


async def test_a_program_with_a_cookie_jar_is_told_to_send_the_token(server: RunningServer) -> None:
    cookies = {"netra": (await server.person()).token}
    async with httpx.AsyncClient(base_url=server.url, cookies=cookies) as program:
        assert (await program.get("/api/threads")).status_code == 200
        refused = await program.post("/api/threads", json={"title": "mine"})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "Authorization: Bearer" in refused.json()["detail"]
        elsewhere = await program.post("/api/threads", json={}, headers={"Origin": "https://evil.example"})
        assert "Bearer" not in elsewhere.json()["detail"], "a page can't use that advice"


async def test_so_is_one_that_opens_a_socket(server: RunningServer) -> None:
    lines = [
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Cookie: netra={(await server.person()).token}",
    ]
    refused = await ask(server.port, get("/ws", *lines))
    assert (refused.status, refused.json()["code"]) == (403, "forbidden")
    assert "Authorization: Bearer" in refused.json()["detail"]


async def test_the_description_of_the_api_names_how_to_say_who_one_is(serve: Serve) -> None:
    for public, cookie in ((None, "netra"), ("https://localhost", "__Host-netra")):
        async with serve(public_url=public) as at, at.http() as http:
            api = (await http.get("/api/openapi.json")).json()
        schemes = api["components"]["securitySchemes"]
        assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
        assert (schemes["cookie"]["in"], schemes["cookie"]["name"]) == ("cookie", cookie)
        for path, operations in api["paths"].items():
            for method, operation in operations.items():
                needed = [] if (path, method) in OPEN else [{"bearer": []}, {"cookie": []}]
                assert operation.get("security", []) == needed, (path, method)


@pytest.mark.parametrize("credentials", [{}, {"Authorization": "Bearer nonsense"}, {"Cookie": "netra=nonsense"}])
@pytest.mark.parametrize("path", ["/api/threads/x/messages", "/api/auth/login", "/api/auth/redeem"])
async def test_little_is_read_of_a_body_of_nobody_known(
    server: RunningServer, path: str, credentials: dict[str, str]
) -> None:
    """The rest isn't sent at all: the answer comes without it."""
    start = b'{"text": "' + b"x" * STRANGERS_BODY
    lines = ["Host: localhost", "Content-Type: application/json", "Content-Length: 400000"]
    lines += [f"{name}: {value}" for name, value in credentials.items()]
    answer = await ask(server.port, get(path, *lines).replace(b"GET", b"POST") + start)
    assert answer.status in {401, 403}
    assert answer.header("connection") == "close"


async def test_who_is_known_may_send_all_of_it(server: RunningServer) -> None:
    alice = await server.person()
    async with server.http(alice) as http:
        thread = (await http.post("/api/threads", json={})).json()["id"]
        said = {"text": "x" * 90_000, "client_message_id": "c"}
        assert (await http.post(f"/api/threads/{thread}/messages", json=said)).status_code in {200, 201, 202}


async def test_a_long_body_of_somebody_known_makes_no_room_for_strangers(serve: Serve) -> None:
    async with serve(max_strangers_per_address=5) as at, AsyncExitStack() as stack:
        body = json.dumps({"title": "x" * 60_000}).encode()
        ours = await stack.enter_async_context(RawHttp(at.port))
        token = (await at.person()).token
        lines = ["Host: localhost", f"Authorization: Bearer {token}", "Content-Type: application/json"]
        ours.send(get("/api/threads", *lines, f"Content-Length: {len(body)}").replace(b"GET", b"POST"))
        ours.send(body[:50_000])
        for _ in range(20):
            assert (await ask(at.port, LIVE)).status == 200  # meanwhile it is seen who sends so much
        for _ in range(20):
            stranger = await stack.enter_async_context(RawHttp(at.port))
            stranger.send(LIVE)
            assert (await stranger.answer()).status == 200
        ours.send(body[50_000:])
        assert (await ours.answer()).status == 422, "it was read to its end, and found to be too long a title"


async def test_a_socket_has_a_few_frames_to_say_whose_it_is(server: RunningServer) -> None:
    async with RawSocket(server.port, None) as peer:
        for number in range(FIRST_FRAMES):
            guess = {"type": "authenticate", "id": str(number), "payload": {"token": "guess"}}
            peer.send(TEXT, json.dumps(guess).encode())
            assert b"not_authenticated" in (await peer.frame()).payload
        closed = await peer.frame()
        assert (closed.opcode, closed.code) == (CLOSE, 4401)


async def test_large_bodies_of_one_user_are_worked_on_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        order.append(scope["user"])
        await go.wait()

    async def whose(scope: Scope) -> str:
        return scope["user"]

    async def send(_message: Message) -> None:
        raise AssertionError("nothing is answered here")

    def request(user: str, size: int) -> asyncio.Task[None]:
        parts = [{"type": "http.request", "body": b"x" * size, "more_body": more} for more in (True, False)]

        async def receive() -> Message:
            return parts.pop(0)

        return asyncio.create_task(limit({"type": "http", "headers": [], "user": user}, receive, send))

    async def settle() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    monkeypatch.setattr(body_limit, "_see_who_asks", whose)
    limit = BodyLimit(app, 100 * STRANGERS_BODY)
    tasks = [request(user, STRANGERS_BODY) for user in ("alice", "alice", "alice", "bob")]
    await settle()
    assert order == ["alice", "bob"]
    tasks.append(request("alice", 10))
    await settle()
    assert order == ["alice", "bob", "alice"], "small ones don't wait"
    tasks[1].cancel()
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(order) == ["alice"] * 3 + ["bob"]
