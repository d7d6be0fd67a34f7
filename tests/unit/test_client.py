"""The socket client against a server that cuts, skips, refuses and goes away."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from netra_backend.app import client as module
from netra_backend.app.client import Client, DoesNotTile, FrameRefused, NotSignedIn, Place, Received, Unreachable
from netra_backend.app.protocol.events import Gap
from tests.harness.proxy import CuttingProxy
from tests.harness.server import RunningServer


def event(seq: int, first: int | None = None, epoch: str = "e") -> str:
    told: dict[str, Any] = {"type": "agent_thinking", "seq": seq, "epoch": epoch, "thread_id": "t", "run_id": "r"}
    told |= {"ts": "2026-01-01T00:00:00.000Z", "payload": {"reasoning": str(seq)}}
    return json.dumps(told | ({} if first is None else {"first_seq": first}))


def told(kind: str, payload: dict[str, Any], reply_to: str | None = None) -> str:
    return json.dumps({"type": kind, "ts": "2026-01-01T00:00:00.000Z", "reply_to": reply_to, "payload": payload})


class Script:
    """A server whose every connection is played by the next function in line (the last one again and again)."""

    def __init__(self, *parts: Callable[[ServerConnection, dict[str, Any]], Any]) -> None:
        self._parts = list(parts)
        self.cursors: list[dict[str, Any]] = []

    async def __call__(self, socket: ServerConnection) -> None:
        await socket.send(told("connection_ready", {}))
        frame = json.loads(await socket.recv())
        assert frame["type"] == "resume"
        self.cursors.append(frame["payload"])
        part = self._parts.pop(0) if len(self._parts) > 1 else self._parts[0]
        await part(socket, frame)


async def resumed(socket: ServerConnection, frame: dict[str, Any], head: int = 10) -> None:
    await socket.send(told("ack", {"epoch": "e", "head": head}, frame["id"]))


@asynccontextmanager
async def playing(script: Any) -> AsyncIterator[str]:
    async with serve(script, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)


async def take(client: Client, count: int) -> list[Any]:
    items = []
    async for item in client:
        items.append(item)
        if len(items) == count:
            break
    return items


def seqs(items: list[Any]) -> list[int]:
    return [item.event.seq for item in items if isinstance(item, Received)]


async def test_it_goes_on_where_it_was_cut():
    async def first(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        await socket.send(event(11))
        await socket.send(event(14, first=12))
        socket.transport.abort()

    async def second(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        await socket.send(event(15))
        await socket.wait_closed()

    script = Script(first, second)
    states: list[str] = []
    async with playing(script) as url, Client(url, "t", on_state=states.append) as client:
        assert seqs(await take(client, 3)) == [11, 14, 15]
        assert client.place == Place("e", 15)
    assert script.cursors == [{}, {"epoch": "e", "seq": 14}]
    assert states == ["connection lost; reconnecting", "connected again"]


@pytest.mark.parametrize("wrong", [event(12), event(10), event(11, epoch="other"), event(12, first=10)])
async def test_what_does_not_tile_is_read_again_and_then_refused(wrong: str):
    async def skips(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        await socket.send(wrong)
        await socket.wait_closed()

    async def mended(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        await socket.send(event(11))
        await socket.wait_closed()

    async with playing(Script(skips, mended)) as url, Client(url, "t") as client:
        assert seqs(await take(client, 1)) == [11]
    async with playing(Script(skips)) as url, Client(url, "t") as client:
        with pytest.raises(DoesNotTile):
            await take(client, 1)


async def test_a_gap_moves_the_place():
    async def gap(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        await socket.send(told("gap", {"reason": "epoch", "from_seq": 1, "to_seq": 40, "epoch": "f"}))
        await socket.send(event(41, epoch="f"))
        await socket.wait_closed()

    async with playing(Script(gap)) as url, Client(url, "t", place=Place("e", 10)) as client:
        items = await take(client, 2)
    assert isinstance(items[0], Gap)
    assert seqs(items) == [41]


async def test_a_frame_without_an_answer_is_sent_again_and_answered_once():
    frames: list[dict[str, Any]] = []

    async def hears(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        frames.append(json.loads(await socket.recv()))
        socket.transport.abort()

    async def answers(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        frames.append(json.loads(await socket.recv()))
        await socket.send(told("ack", {"run_id": "r"}, frames[-1]["id"]))
        await socket.send(told("ack", {"run_id": "again"}, frames[-1]["id"]))
        await socket.wait_closed()

    async with playing(Script(hears, answers)) as url, Client(url, "t") as client:
        ack = await client.send("user_message", {"text": "hi", "client_message_id": "m"})
    assert ack.run_id == "r"
    assert frames[0] == frames[1]


async def test_a_refusal_goes_to_whoever_sent_the_frame():
    async def refuses(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        asked = json.loads(await socket.recv())
        await socket.send(
            told("error", {"code": "rate_limited", "message": "slow down", "retry_after": 3}, asked["id"])
        )
        await socket.wait_closed()

    async with playing(Script(refuses)) as url, Client(url, "t") as client:
        with pytest.raises(FrameRefused, match="slow down") as refusal:
            await client.send("user_message", {})
    assert (refusal.value.code, refusal.value.retry_after) == ("rate_limited", 3)


async def test_a_session_that_ends_is_not_tried_again():
    async def ends(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        await socket.recv()
        await socket.close(4401, "the session has ended")

    async with playing(Script(ends)) as url, Client(url, "t") as client:
        with pytest.raises(NotSignedIn):
            await client.send("ping", {})
        with pytest.raises(NotSignedIn):
            await take(client, 1)
        with pytest.raises(NotSignedIn):
            await client.send("ping", {})


async def test_a_first_connection_that_is_refused_says_why():
    async def closes(socket: ServerConnection) -> None:
        await socket.close(4401)

    async with playing(closes) as url:
        with pytest.raises(NotSignedIn):
            async with Client(url, "t"):
                pass
    with pytest.raises(Unreachable, match=r"Connect call failed|refused"):
        async with Client(url, "t"):
            pass
    async with serve(
        closes, "127.0.0.1", 0, process_request=lambda connection, _: connection.respond(404, "")
    ) as server:
        with pytest.raises(Unreachable, match="not like a Netra server"):
            async with Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "t"):
                pass


async def test_a_server_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "GIVE_UP", 0.05)

    async def stays(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        await socket.wait_closed()

    async with serve(Script(stays), "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(url, "t") as client:
            server.close()
            with pytest.raises(Unreachable):
                await take(client, 1)


async def test_a_server_that_lets_nobody_stay_is_given_up_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "GIVE_UP", 0.05)

    async def closes(socket: ServerConnection) -> None:
        await socket.close(1013)

    async with playing(closes) as url:
        with pytest.raises(Unreachable):
            async with Client(url, "t"):
                pass


async def test_what_is_no_frame_at_all_fails_whoever_waits():
    async def garbage(socket: ServerConnection, frame: dict[str, Any]) -> None:
        await resumed(socket, frame)
        await socket.send("<html>")
        await socket.wait_closed()

    async with playing(Script(garbage)) as url, Client(url, "t") as client:
        with pytest.raises(Exception, match="JSON is malformed"):
            await take(client, 1)


async def test_leaving_says_nothing_of_a_lost_connection(server: RunningServer):
    states: list[str] = []
    async with Client(server.url, (await server.person()).token, on_state=states.append):
        pass
    assert states == []


async def test_cut_again_and_again_nothing_is_lost_and_nothing_comes_twice(server: RunningServer):
    """A real server behind a proxy that cuts: what the client has equals the log, event for event."""
    alice = await server.person()
    rng = random.Random(7)
    async with CuttingProxy(server.port) as proxy, Client(proxy.url, alice.token) as client:
        taken: list[Received] = []

        async def talk() -> str:
            for number in range(6):
                await client.send(
                    "user_message", {"text": f"what is {number}*{number}", "client_message_id": f"m{number}"}
                )
                await asyncio.sleep(0)
            ack = await client.send("user_message", {"text": "what is 2+2", "client_message_id": "last"})
            return str(ack.run_id)

        last = ""
        talking = asyncio.create_task(talk())
        async for item in client:
            assert isinstance(item, Received)
            taken.append(item)
            if rng.random() < 0.4:
                proxy.cut()
            # Not by the ack, which may come after the run's end: a cut makes the client ask for it again.
            if b'"client_message_id":"last"' in bytes(item.event.payload):
                last = json.loads(bytes(item.event.payload))["run_id"]
            if item.event.run_id == last and item.event.type == "agent_completed":
                break
        assert await talking == last
        assert proxy.connections > 5

    numbers = [number for item in taken for number in range(item.event.first, item.event.seq + 1)]
    assert numbers == list(range(1, len(numbers) + 1))
    messages = [item for item in taken if item.event.type == "message_created"]
    assert len(messages) == 7
