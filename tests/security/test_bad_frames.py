"""Frames that are wrong: each gets a clear error that names the field, changes nothing, and leaves the socket open."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from netra_backend.app.event_log.log import Cursor
from netra_backend.app.protocol.frames import SHOWN
from tests.harness.client import Client, Frame
from tests.harness.server import Person, RunningServer
from tests.security.stage import close_code

SAY: Frame = {"text": "hello", "client_message_id": "c1"}


def frame(kind: str, payload: object, **more: object) -> str:
    return json.dumps({"type": kind, "id": "f1", "payload": payload} | more)


BAD: dict[str, tuple[str, str, str | None, str | None]] = {
    # what is wrong: (the frame, the error's code, the field, reply_to)
    "no JSON": ("hello", "invalid_frame", None, None),
    "nothing": ("", "invalid_frame", None, None),
    "half": ('{"type":"ping","id":"f1"', "invalid_frame", None, None),
    "two in one": ('{"type":"ping","id":"f1"}{"type":"ping","id":"f2"}', "invalid_frame", None, None),
    "NUL": ("\0", "invalid_frame", None, None),
    "a list": ("[]", "invalid_frame", None, None),
    "null": ("null", "invalid_frame", None, None),
    "a number": ("1e999", "invalid_frame", None, None),
    "NaN": ('{"type":"ping","id":"f1","payload":NaN}', "invalid_frame", None, None),
    "deep": ("[" * 100_000, "invalid_frame", None, None),
    "deep inside": (f'{{"type":"ping","id":"f1","payload":{"[" * 50_000}{"]" * 50_000}}}', "invalid_frame", None, None),
    "deep objects": ('{"a":' * 50_000 + "1" + "}" * 50_000, "invalid_frame", None, None),
    "no type": ('{"id":"f1","payload":{}}', "invalid_frame", "type", "f1"),
    "type null": ('{"type":null,"id":"f1"}', "invalid_frame", "type", "f1"),
    "type a number": ('{"type":5,"id":"f1"}', "invalid_frame", "type", "f1"),
    "unknown type": (frame("start_agent", {}), "unknown_type", "type", "f1"),
    "an event's type": (frame("agent_completed", {}), "unknown_type", "type", "f1"),
    "type in capitals": (frame("PING", {}), "unknown_type", "type", "f1"),
    "unknown type, no id": ('{"type":"nonsense"}', "unknown_type", "type", None),
    "no id": ('{"type":"ping"}', "invalid_frame", "id", None),
    "id a number": ('{"type":"ping","id":1}', "invalid_frame", "id", None),
    "id empty": ('{"type":"ping","id":""}', "invalid_frame", "id", None),
    "id too long": (frame("ping", {}, id="x" * 129), "invalid_frame", "id", None),
    "a field too many": (frame("ping", {}, seq=1), "invalid_frame", "seq", "f1"),
    "no payload": ('{"type":"stop_agent","id":"f1"}', "invalid_frame", "payload", "f1"),
    "payload null": (frame("ping", None), "invalid_frame", "payload", "f1"),
    "payload a list": (frame("user_message", []), "invalid_frame", "payload", "f1"),
    "payload field too many": (frame("user_message", SAY | {"user_id": "x"}), "invalid_frame", "payload.user_id", "f1"),
    "a ping with something in it": (frame("ping", {"x": 1}), "invalid_frame", "payload.x", "f1"),
    "no text": (frame("user_message", {"client_message_id": "c1"}), "invalid_frame", "payload.text", "f1"),
    "no message id": (frame("user_message", {"text": "x"}), "invalid_frame", "payload.client_message_id", "f1"),
    "text a number": (frame("user_message", SAY | {"text": 1}), "invalid_frame", "payload.text", "f1"),
    "text null": (frame("user_message", SAY | {"text": None}), "invalid_frame", "payload.text", "f1"),
    "text empty": (frame("user_message", SAY | {"text": ""}), "invalid_frame", "payload.text", "f1"),
    "text blank": (frame("user_message", SAY | {"text": " \n\t\u3000"}), "invalid_frame", "payload.text", "f1"),
    "text with NUL": (frame("user_message", SAY | {"text": "a\0b"}), "invalid_frame", "payload.text", "f1"),
    "text over the limit": (frame("user_message", SAY | {"text": "x" * 1001}), "too_large", "payload.text", "f1"),
    "lone high surrogate": (frame("user_message", SAY | {"text": "a\ud83d"}), "invalid_frame", None, None),
    "lone low surrogate": (frame("user_message", SAY | {"text": "\udc00 b"}), "invalid_frame", None, None),
    "surrogates the wrong way": (frame("user_message", SAY | {"text": "\udc00\ud83d"}), "invalid_frame", None, None),
    "message id with NUL": (
        frame("user_message", SAY | {"client_message_id": "a\0"}),
        "invalid_frame",
        "payload.client_message_id",
        "f1",
    ),
    "message id too long": (
        frame("user_message", SAY | {"client_message_id": "x" * 129}),
        "invalid_frame",
        "payload.client_message_id",
        "f1",
    ),
    "when_busy unknown": (
        frame("user_message", SAY | {"when_busy": "replace"}),
        "invalid_frame",
        "payload.when_busy",
        "f1",
    ),
    "unknown thread": (frame("user_message", SAY | {"thread_id": "x"}), "not_found", "payload.thread_id", "f1"),
    "thread none": (frame("user_message", SAY | {"thread_id": "none"}), "not_found", "payload.thread_id", "f1"),
    "thread a number": (frame("user_message", SAY | {"thread_id": 7}), "invalid_frame", "payload.thread_id", "f1"),
    "thread with NUL": (frame("user_message", SAY | {"thread_id": "\0"}), "invalid_frame", "payload.thread_id", "f1"),
    "stop unknown": (frame("stop_agent", {"run_id": str(uuid.uuid4())}), "not_found", "payload.run_id", "f1"),
    "stop no id": (frame("stop_agent", {"run_id": "'; DROP TABLE runs"}), "not_found", "payload.run_id", "f1"),
    "stop none": (frame("stop_agent", {"run_id": "none"}), "not_found", "payload.run_id", "f1"),
    "stop NULL": (frame("stop_agent", {"run_id": " NULL "}), "not_found", "payload.run_id", "f1"),
    "stop thread default": (frame("stop_agent", {"thread_id": "default"}), "not_found", "payload.thread_id", "f1"),
    "stop empty": (frame("stop_agent", {"run_id": ""}), "invalid_frame", "payload.run_id", "f1"),
    "stop long": (frame("stop_agent", {"run_id": "x" * 129}), "invalid_frame", "payload.run_id", "f1"),
    "stop list": (frame("stop_agent", {"run_id": ["a"]}), "invalid_frame", "payload.run_id", "f1"),
    "reason too long": (frame("stop_agent", {"reason": "x" * 201}), "invalid_frame", "payload.reason", "f1"),
    "reason with NUL": (frame("stop_agent", {"reason": "\0"}), "invalid_frame", "payload.reason", "f1"),
    "cursor negative": (frame("resume", {"epoch": "e", "seq": -1}), "invalid_frame", "payload.seq", "f1"),
    "cursor a string": (frame("resume", {"epoch": "e", "seq": "1"}), "invalid_frame", "payload.seq", "f1"),
    "cursor a fraction": (frame("resume", {"epoch": "e", "seq": 1.5}), "invalid_frame", "payload.seq", "f1"),
    "cursor a boolean": (frame("resume", {"epoch": "e", "seq": True}), "invalid_frame", "payload.seq", "f1"),
    "cursor endless": (frame("resume", {"epoch": "e", "seq": 10**40}), "invalid_frame", "payload.seq", "f1"),
    "cursor without seq": (frame("resume", {"epoch": "e"}), "invalid_frame", "payload", "f1"),
    "cursor without epoch": (frame("resume", {"seq": 1}), "invalid_frame", "payload", "f1"),
    "epoch empty": (frame("resume", {"epoch": "", "seq": 1}), "invalid_frame", "payload.epoch", "f1"),
}


async def head(server: RunningServer, person: Person) -> Cursor:
    found = await server.services.log.view(person.user_id, lambda view: view.head())
    assert found is not None
    return Cursor(found.epoch, found.seq)


@pytest.fixture
async def narrow(serve: Any) -> Any:
    async with serve(max_text_chars=1000) as server:
        yield server


async def test_every_wrong_frame_is_explained_and_leaves_no_trace(narrow: RunningServer) -> None:
    alice = await narrow.person("alice")
    async with narrow.client(alice) as client:
        before = await head(narrow, alice)
        for what, (text, code, field, reply_to) in BAD.items():
            await client.socket.send(text)
            answer = await client.frame()
            payload = answer["payload"]
            got = (answer["type"], payload["code"], payload.get("field"), answer["reply_to"])
            assert got == ("error", code, field, reply_to), (what, answer)
            assert payload["message"], what
            assert set(answer) == {"type", "ts", "reply_to", "payload"}
            assert await head(narrow, alice) == before, what
        # The same socket does what it is there for, and none of the refused ids was used up.
        await client.resume()
        run = await client.say("hello", client_message_id="c1")
        await client.until_end(run["run_id"])
    async with narrow.http(alice) as http:
        assert len((await http.get("/api/threads")).json()["threads"]) == 1


async def test_an_error_repeats_little_of_what_it_was_sent(narrow: RunningServer) -> None:
    alice = await narrow.person("alice")
    async with narrow.client(alice) as client:
        for text in (frame("ping", {"x" * 100_000: 1}), frame("y" * 100_000, {}), frame("ping", {}, **{"z" * 9999: 1})):
            await client.socket.send(text)
            answer = await client.frame()
            assert answer["type"] == "error"
            assert len(json.dumps(answer)) < 5 * SHOWN


async def test_a_text_is_as_long_as_it_may_be_in_characters_not_bytes(narrow: RunningServer) -> None:
    alice = await narrow.person("alice")
    async with narrow.client(alice) as client:
        await client.resume()
        run = await client.say("\U0001f600" * 1000)
        await client.until_end(run["run_id"])
        said = next(event for event in client.record.events if event["type"] == "message_created")
        assert said["payload"]["text"] == "\U0001f600" * 1000


async def test_a_frame_over_the_limit_closes_with_1009(serve: Any) -> None:
    async with serve(max_frame_bytes=2000) as server:
        alice = await server.person("alice")
        async with server.client(alice) as other:
            client = await server.client(alice).__aenter__()
            before = await head(server, alice)
            await client.socket.send(frame("ping", {}).ljust(2000))
            assert (await client.frame())["type"] == "pong", "just at the limit"
            await client.socket.send(frame("ping", {}).ljust(2001))
            assert await close_code(client) == 1009
            assert await head(server, alice) == before
            assert (await other.ask("ping"))["type"] == "pong"


async def test_a_binary_frame_closes_with_1003(server: RunningServer) -> None:
    alice = await server.person("alice")
    for token in (alice.token, None):
        client = Client(f"ws://127.0.0.1:{server.port}/ws", token)
        await client.connect()
        await client.socket.send(frame("ping", {}).encode())
        assert await close_code(client) == 1003


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        ({"epoch": "another life of the log"}, "epoch"),
        ({"epoch": "another life of the log", "seq": 0}, "epoch"),
        ({"seq": 10_000}, "ahead"),
        ({"seq": 2**53}, "ahead"),
    ],
)
async def test_a_cursor_that_fits_no_log_gets_one_gap(server: RunningServer, cursor: Frame, reason: str) -> None:
    alice = await server.person("alice")
    async with server.client(alice) as first:
        await first.resume()
        run = await first.say("hello")
        await first.until_end(run["run_id"])
        end = first.record
    async with server.client(alice) as client:
        answer = await client.ask("resume", {"epoch": end.epoch, "seq": end.seq} | cursor)
        assert answer["payload"] == {"epoch": end.epoch, "head": end.seq}
        gap = await client.frame()
        assert gap["type"] == "gap"
        assert set(gap) == {"type", "ts", "payload"}
        assert (gap["payload"]["reason"], gap["payload"]["to_seq"]) == (reason, end.seq)
        assert gap["payload"]["epoch"] == end.epoch
        # Live events go on right after it.
        client.record.epoch, client.record.seq = end.epoch, gap["payload"]["to_seq"]
        run = await client.say("and again", thread_id=run["thread_id"])
        await client.until_end(run["run_id"])


async def test_a_resume_without_a_cursor_tells_what_comes_from_now_on(server: RunningServer) -> None:
    alice = await server.person("alice")
    async with server.client(alice) as first:
        await first.resume()
        run = await first.say("hello")
        await first.until_end(run["run_id"])
    async with server.client(alice) as client:
        assert (await client.resume())["head"] == first.record.seq
        await client.say("and again", thread_id=run["thread_id"])
        told = await client.event()
        assert told.get("first_seq", told["seq"]) == first.record.seq + 1


async def test_events_flow_only_after_resume_and_resume_works_once(server: RunningServer) -> None:
    alice = await server.person("alice")
    async with server.client(alice) as client:
        run = await client.ask("user_message", SAY)
        await server.services.supervisor.ended(server.services.supervisor.of_user(alice.user_id))
        assert (await client.ask("ping"))["type"] == "pong"
        assert client._backlog == [], "events before resume"
        assert run["type"] == "ack"
        await client.resume(from_start=True)
        answer = await client.ask("resume", {})
        assert (answer["payload"]["code"], answer["payload"]["field"]) == ("invalid_frame", "type")
        await client.until_end(run["payload"]["run_id"])
        assert [event["type"] for event in client.record.events][:2] == ["thread_created", "message_created"]
