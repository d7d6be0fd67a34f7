"""Whatever is sent, each frame gets its one answer, and an answer that is an error stands for no change at all."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from netra_backend.app.protocol.document import ERROR_CODES
from netra_backend.app.protocol.frames import FRAMES, FrameError, decode_frame
from tests.harness.client import SOCKET_ONLY, Client
from tests.harness.server import Person, RunningServer

texts = st.text(st.characters(codec=None, categories=None, max_codepoint=0x1F600), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
ids = st.sampled_from(["1", "none", "x" * 128, "x" * 129, "", "\0", "ид"]) | texts
VALID: dict[str, dict[str, Any]] = {
    "authenticate": {"token": "t"},
    "resume": {"epoch": "e", "seq": 3},
    "user_message": {"text": "hello", "client_message_id": "c", "thread_id": "t", "when_busy": "queue"},
    "stop_agent": {"run_id": "r", "thread_id": "t", "reason": "enough"},
    "ping": {},
}
assert VALID.keys() == FRAMES.keys(), "say what a valid frame of this type is"


@st.composite
def frames(draw: st.DrawFn) -> str:
    """A frame that is nearly right, or not at all, as text."""
    kind = draw(st.sampled_from(sorted(FRAMES)))
    payload: Any = dict(VALID[kind])
    for name in draw(st.lists(st.sampled_from([*payload, "more"]), max_size=2, unique=True)):
        if draw(st.booleans()):
            payload[name] = draw(values | ids)
        else:
            payload.pop(name, None)
    frame: dict[str, Any] = {"type": kind, "id": draw(ids), "payload": payload}
    for name in draw(st.lists(st.sampled_from([*frame, "seq"]), max_size=1)):
        if draw(st.booleans()):
            frame[name] = draw(values)
        else:
            frame.pop(name, None)
    text = json.dumps(frame, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 4)) == 0:
        at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 3))
        text = text[:at] + draw(texts) + text[at + length :]
    # What no text frame can carry never gets this far: the socket closes with 1007 (see test_conformance).
    return text.encode("utf-8", "replace").decode()


anything = frames() | values.map(json.dumps) | texts.map(lambda text: text.encode("utf-8", "replace").decode())


def id_of(text: str) -> str | None:
    """The id by which this frame's answer must name it: where it is JSON, and has an id that is one."""
    try:
        frame = json.loads(text)
        json.dumps(frame, ensure_ascii=False).encode()
    except (ValueError, UnicodeEncodeError):
        return None
    found = frame.get("id") if isinstance(frame, dict) else None
    return found if isinstance(found, str) and 1 <= len(found) <= 128 else None


@settings(max_examples=400, deadline=None)
@given(anything)
@example('{"type":"ping","type":"resume","id":"1"}')
@example('{"id":"1","id":2,"type":"ping"}')
def test_reading_a_frame_gives_a_frame_or_a_named_error(text: str) -> None:
    try:
        read = decode_frame(text).id
    except FrameError as error:
        read = error.reply_to
        if error.code not in ERROR_CODES or not error.message:
            raise
    assert read == id_of(text)


async def test_every_frame_gets_its_one_answer_and_no_error_changes_anything(server: RunningServer) -> None:
    alice = await server.person("alice")
    loop = asyncio.get_running_loop()
    async with server.client(alice) as client:
        await client.resume()

        @settings(max_examples=120, deadline=None)
        @given(anything)
        def check(text: str) -> None:
            asyncio.run_coroutine_threadsafe(one(server, alice, client, text), loop).result()

        await asyncio.to_thread(check)


async def one(server: RunningServer, person: Person, client: Client, text: str) -> None:
    before = await everything(server, person)
    await client.socket.send(text)
    last = f"asked after it {uuid.uuid4()}"
    await client.socket.send(json.dumps({"type": "ping", "id": last}))
    answers: list[dict[str, Any]] = []
    while True:
        frame = await client.frame()
        if frame["type"] not in SOCKET_ONLY:
            client.record.take(frame)
        elif frame.get("reply_to") == last and frame["type"] == "pong":
            break
        else:
            answers.append(frame)
    [answer] = answers
    assert answer["type"] in {"ack", "error", "pong"}
    assert answer["reply_to"] == id_of(text)
    if answer["type"] == "error":
        assert answer["payload"]["code"] in ERROR_CODES
        assert await everything(server, person) == before
    await server.services.supervisor.ended(server.services.supervisor.of_user(person.user_id))


async def everything(server: RunningServer, person: Person) -> tuple[object, ...]:
    return await server.services.log.view(
        person.user_id,
        lambda view: (view.head(), view.threads.newest(1000), view.runs.newest(1000), view.runs.open()),
    )
