"""Rights are those of this moment: on every frame, on open sockets, and whoever changed them."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from netra_backend.app.auth.authenticator import OPAQUE
from netra_backend.app.auth.tickets import TICKET_SECONDS
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.services import socket_watch
from netra_backend.app.services.socket_watch import SocketWatch
from tests.fakes.model_server import FakeModelServer, Text, WaitFor
from tests.harness.client import Client, check_run
from tests.harness.deadline import DEADLINE
from tests.harness.server import Person, RunningServer
from tests.security.stage import close_code


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The period is a second; what is found doesn't depend on it."""
    monkeypatch.setattr(socket_watch, "PERIOD", 0.05)


Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]


def elsewhere(server: RunningServer, statement: str, *values: object) -> None:
    """Change the database as another process would, as `netra user disable` does."""
    with sqlite3.connect(server.services.settings.database_path, timeout=DEADLINE) as connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


REVOCATIONS = {
    "the user is disabled": ("UPDATE users SET disabled_at = 1 WHERE id = ?", "user"),
    "the session is revoked": ("UPDATE sessions SET revoked_at = 1 WHERE id = ?", "session"),
    "the session expires": ("UPDATE sessions SET expires_at = 1 WHERE id = ?", "session"),
    "the session is gone": ("DELETE FROM sessions WHERE id = ?", "session"),
    "the account is gone": ("DELETE FROM users WHERE id = ?", "user"),
}


@pytest.mark.parametrize("what", REVOCATIONS)
async def test_what_another_process_takes_away_closes_the_socket(server: RunningServer, what: str) -> None:
    statement, of = REVOCATIONS[what]
    alice, bob = await server.person("alice"), await server.person("bob")
    async with server.client(alice) as client, server.client(bob) as other:
        await client.resume()
        elsewhere(server, statement, alice.user_id if of == "user" else alice.session_id)
        assert await close_code(client) == 4401
        assert (await other.ask("ping"))["type"] == "pong"
    async with server.http(alice) as http:
        assert (await http.get("/api/auth/me")).status_code == 401
    refused = Client(f"ws://127.0.0.1:{server.port}/ws", alice.token)
    await refused.connect()
    assert await close_code(refused) == 4401


async def no_look(_watch: SocketWatch) -> None:
    """Instead of `SocketWatch._look`, which finds within a second what should have been told at once."""


async def test_ending_sessions_over_http_closes_their_sockets_and_no_others(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SocketWatch, "_look", no_look)
    alice = await server.person("alice")
    sessions = [await server.services.registry.start(alice.user_id, "tab") for _ in range(3)]
    people = [alice, *(Person(alice.user_id, session.id, token) for session, token in sessions)]
    clients = [await server.client(person).__aenter__() for person in people]
    async with server.http(alice) as http:
        assert (await http.delete(f"/api/auth/sessions/{people[1].session_id}")).status_code == 204
        assert await close_code(clients[1]) == 4401
        for client in (clients[0], clients[2], clients[3]):
            assert (await client.ask("ping"))["type"] == "pong"
        assert (
            await http.post("/api/auth/password", json={"new_password": "correct horse battery"})
        ).status_code == 204
        assert [await close_code(clients[2]), await close_code(clients[3])] == [4401, 4401]
        assert (await clients[0].ask("ping"))["type"] == "pong"
        assert (await http.post("/api/auth/logout")).status_code == 204
        assert await close_code(clients[0]) == 4401
        assert (await http.get("/api/auth/me")).status_code == 401


async def test_rights_are_checked_on_the_frame_itself(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks of the watch: the frame that comes first after the end of a session is not carried out."""
    alice = await server.person("alice")
    async with server.client(alice) as client:
        await client.resume()
        monkeypatch.setattr(SocketWatch, "_look", no_look)
        known = server.services.watch._sessions
        known[alice.session_id] = dataclasses.replace(known[alice.session_id], expires_at=now_ms())
        await client.send("user_message", {"text": "too late", "client_message_id": "c1"})
        assert await close_code(client) == 4401
    assert (await server.services.agents.get_agent_status(alice.user_id)).runs == []


async def test_a_socket_that_opens_during_a_look_keeps_its_rights(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch replaces what it knows by what it found; a socket that came while it asked wasn't asked for."""
    alice, bob = await server.person("alice"), await server.person("bob")
    registry = server.services.registry
    asking, answer, looked = asyncio.Event(), asyncio.Event(), asyncio.Event()
    refresh, look = registry.refresh, SocketWatch._look

    async def noted(watch: SocketWatch) -> None:
        await look(watch)
        if answer.is_set():
            looked.set()

    async def slow(session_ids: set[str]) -> object:
        found = await refresh(session_ids)
        asking.set()
        await answer.wait()
        return found

    async with server.client(alice):
        monkeypatch.setattr(SocketWatch, "_look", noted)
        monkeypatch.setattr(registry, "refresh", slow)
        await asking.wait()
        async with server.client(bob) as client:
            monkeypatch.setattr(registry, "refresh", refresh)
            answer.set()
            await looked.wait()
            assert (await client.ask("ping"))["type"] == "pong"


async def test_a_run_goes_on_when_its_session_ends_and_all_of_it_is_there_after_the_next_log_in(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    gate = asyncio.Event()
    model.scripts["long"] = [[Text("before "), WaitFor(gate), Text("and after")]]
    alice = await model_backed.person("alice")
    async with model_backed.client(alice) as client:
        await client.resume()
        run = await client.say("script:long")
        await client.until_type("agent_message_delta")
        elsewhere(model_backed, "UPDATE sessions SET expires_at = 1 WHERE id = ?", alice.session_id)
        assert await close_code(client) == 4401
        record = client.record
    assert not (await model.request(0)).hung_up.is_set(), "nobody stopped the run"
    gate.set()
    _, token = await model_backed.services.registry.start(alice.user_id, "logged in again")
    async with Client(f"ws://127.0.0.1:{model_backed.port}/ws", token, record) as back:
        await back.resume()
        end = await back.until_end(run["run_id"])
    assert end["payload"]["final_response"] == "before and after"
    check_run(record.of_run(run["run_id"]))


async def test_only_our_own_page_may_open_a_socket_with_the_cookie(server: RunningServer) -> None:
    alice = await server.person("alice")
    url = f"ws://127.0.0.1:{server.port}/ws"
    cookie = {"Cookie": f"netra={alice.token}"}
    foreign = ["https://evil.example", "null", f"http://127.0.0.1:{server.port}.evil.example", f"{server.url}1"]
    foreign += [f"https://127.0.0.1:{server.port}", f"http://localhost:{server.port}"]
    for origin in foreign:
        with pytest.raises(InvalidStatus) as refused:
            await websockets.connect(url, additional_headers=cookie | {"Origin": origin})
        assert refused.value.response.status_code == 403, origin
    with pytest.raises(InvalidStatus) as refused:
        await websockets.connect(url, additional_headers=cookie)
    assert refused.value.response.status_code == 403, "a cookie without an Origin is no browser's page of ours"

    async with websockets.connect(url, additional_headers=cookie | {"Origin": server.url}) as socket:
        assert b"connection_ready" in await socket.recv(decode=False)
    # A program has no Origin, and one that has both is still told by its token.
    for headers in ({}, {"Origin": "https://evil.example"}):
        bearer = headers | {"Authorization": f"Bearer {alice.token}"}
        async with websockets.connect(url, additional_headers=bearer) as socket:
            assert b"connection_ready" in await socket.recv(decode=False)


async def first_frame(server: RunningServer, payload: dict[str, str], origin: str | None = None) -> str:
    """What a socket without credentials hears when it sends this as `authenticate`: `ack`, or the error's code."""
    client = Client(f"ws://127.0.0.1:{server.port}/ws", None)
    client._headers = {"Origin": origin} if origin else {}
    await client.connect()
    answer = await client.ask("authenticate", payload)
    if answer["type"] == "ack":
        assert (await client.frame())["type"] == "connection_ready"
        assert (await client.ask("ping"))["type"] == "pong"
    await client.socket.close()
    return answer["type"] if answer["type"] == "ack" else answer["payload"]["code"]


async def test_a_ticket_opens_one_socket_of_the_page_it_was_made_for(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await server.person("alice")

    async def ticket(origin: str | None = None) -> dict[str, str]:
        async with server.http(alice) as http:
            answer = await http.post("/api/ws-ticket", json={"origin": origin})
        assert answer.status_code == 200
        return {"ticket": answer.json()["ticket"]}

    page = "https://app.example"
    used = await ticket()
    assert await first_frame(server, used) == "ack"
    assert await first_frame(server, used) == "not_authenticated", "it works once"
    for_page = await ticket(page)
    assert await first_frame(server, for_page, "https://evil.example") == "not_authenticated"
    assert await first_frame(server, for_page, page) == "not_authenticated", "a wrong try uses it up"
    assert await first_frame(server, await ticket(page)) == "not_authenticated", "a program isn't that page"
    assert await first_frame(server, await ticket(), page) == "not_authenticated", "a page isn't a program"
    assert await first_frame(server, await ticket(page), page) == "ack"
    late = await ticket()
    expired = time.monotonic() + TICKET_SECONDS
    with monkeypatch.context() as moved:
        moved.setattr(server.services.authenticator._tickets, "_clock", lambda: expired)
        assert await first_frame(server, late) == "not_authenticated", "it expires"
    async with server.http(alice) as http:
        answer = await http.post("/api/ws-ticket", json={"origin": OPAQUE})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_ticket_dies_with_its_session_and_is_no_sign_in_code(server: RunningServer) -> None:
    alice = await server.person("alice")
    async with server.http(alice) as http:
        made = [(await http.post("/api/ws-ticket")).json()["ticket"] for _ in range(2)]
        answer = await http.post("/api/auth/redeem", json={"code": made[0]})
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        await http.post("/api/auth/logout")
    assert await first_frame(server, {"ticket": made[1]}) == "not_authenticated"
    assert await first_frame(server, {"token": alice.token}) == "not_authenticated"


async def test_before_log_in_a_socket_can_do_nothing_but_log_in(server: RunningServer) -> None:
    alice = await server.person("alice")
    client = Client(f"ws://127.0.0.1:{server.port}/ws", None)
    await client.connect()
    for kind in ("ping", "resume", "stop_agent"):
        answer = await client.ask(kind)
        assert (answer["type"], answer["payload"]["code"]) == ("error", "not_authenticated"), kind
    for payload, code in (
        ({}, "invalid_frame"),
        ({"token": alice.token, "ticket": "x"}, "invalid_frame"),
        ({"token": "wrong"}, "not_authenticated"),
        ({"ticket": alice.token}, "not_authenticated"),
    ):
        answer = await client.ask("authenticate", payload)
        assert (answer["type"], answer["payload"]["code"]) == ("error", code)
    assert (await client.ask("authenticate", {"token": alice.token}))["type"] == "ack"
    assert (await client.frame())["type"] == "connection_ready"
    answer = await client.ask("authenticate", {"token": alice.token})
    assert (answer["payload"]["code"], answer["payload"]["field"]) == ("invalid_frame", "type")
    assert (await client.ask("ping"))["type"] == "pong"
    await client.socket.close()


async def test_who_does_not_log_in_in_time_is_closed(serve: Serve) -> None:
    async with serve(authentication_timeout=0.05) as server:
        client = Client(f"ws://127.0.0.1:{server.port}/ws", None)
        await client.connect()
        assert await close_code(client) == 4401
        # Talking doesn't buy time.
        talking = Client(f"ws://127.0.0.1:{server.port}/ws", None)
        await talking.connect()

        async def talk() -> None:
            while True:
                await talking.ask("ping")

        with pytest.raises(ConnectionClosed):
            await talk()
        assert talking.socket.close_code == 4401


async def test_one_socket_too_many_is_closed_and_the_others_are_not(serve: Serve) -> None:
    async with serve(max_sockets_per_user=2) as server:
        alice, bob = await server.person("alice"), await server.person("bob")
        async with server.client(alice) as first:
            async with server.client(alice) as second:
                third = server.client(alice)
                await third.connect()
                assert await close_code(third) == 4429
                async with server.client(bob) as other:
                    assert (await other.ask("ping"))["type"] == "pong"
                assert (await second.ask("ping"))["type"] == "pong"
            async with server.client(alice) as again:
                assert (await again.ask("ping"))["type"] == "pong"
            assert (await first.ask("ping"))["type"] == "pong"
