"""Every frame a client may send, tried with every id of somebody else in every place that holds an id."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from netra_backend.app.protocol.frames import FRAMES
from tests.harness.client import Client, Frame
from tests.harness.server import Person, RunningServer
from tests.security.stage import MARKER, Belongings, everything_of, without_chance

PAYLOADS: dict[str, Frame] = {
    "authenticate": {},
    "resume": {"epoch": "none of mine", "seq": 0},
    "user_message": {"text": "hello", "client_message_id": "made anew", "when_busy": "queue"},
    "stop_agent": {},
    "ping": {},
}
"""A payload for each frame, to put an id into."""

PLAIN = {"text", "reason", "when_busy", "seq"}
"""Fields that name nothing."""

SAY_HOW = "say how to test this frame"


@dataclass(frozen=True)
class Slot:
    """A field of a frame that holds an id or a secret."""

    frame: str
    name: str


def slots_of(frames: dict[str, type[msgspec.Struct]]) -> Iterator[Slot]:
    for kind, frame in frames.items():
        assert kind in PAYLOADS, f"{SAY_HOW}: {kind} (put a payload for it into PAYLOADS)"
        payload: Any = next(each.type for each in msgspec.structs.fields(frame) if each.name == "payload")
        for each in msgspec.structs.fields(payload):
            if each.name.endswith("_id") or each.name in {"epoch", "ticket", "token"}:
                yield Slot(kind, each.name)
            else:
                assert each.name in PLAIN, f"{SAY_HOW}: {kind} (is {each.name!r} the name of something?)"


async def answers(server: RunningServer, person: Person | None, kind: str, payload: Frame) -> list[Frame]:
    """What a new socket gets to hear for one frame, up to the answer of a ping after it."""
    client = Client(f"ws://127.0.0.1:{server.port}/ws", person.token if person else None)
    await client.connect()
    try:
        if person is not None:
            assert (await client.frame())["type"] == "connection_ready"
        await client.send(kind, payload)
        last = await client.send("ping")
        heard: list[Frame] = []
        while True:
            frame = await client.frame()
            if frame.get("reply_to") == last:
                return heard
            heard.append(frame)
    finally:
        await client.socket.close()


async def seen(server: RunningServer, person: Person | None, slot: Slot, sent: str) -> str:
    payload = PAYLOADS[slot.frame] | {slot.name: sent}
    if payload.get("client_message_id") == "made anew":
        payload["client_message_id"] = str(uuid.uuid4())
    heard = await answers(server, person, slot.frame, payload)
    if person is not None:
        await server.services.supervisor.ended(server.services.supervisor.of_user(person.user_id))
    assert heard, slot
    return without_chance(msgspec.json.encode(heard).decode(), sent)


async def test_a_foreign_id_answers_as_an_unknown_one_in_every_frame(crowded: RunningServer, alice: Belongings) -> None:
    mallory = await crowded.person("mallory")
    # Her log begins with her first socket; every later one finds the same.
    await answers(crowded, mallory, "ping", {})
    before = await everything_of(crowded, alice.person)
    slots = list(slots_of(FRAMES))
    assert len(slots) >= 7

    for slot, (kind, foreign) in itertools.product(slots, alice.spellings().items()):
        # `authenticate` is for sockets without credentials: nobody's ids are a ticket or a token.
        who = None if slot.frame == "authenticate" else mallory
        unknown = str(uuid.uuid4()) if "-" in foreign else uuid.uuid4().hex
        told = await seen(crowded, who, slot, foreign)
        assert told == await seen(crowded, who, slot, unknown), f"{slot} tells of Alice's {kind}"
        assert MARKER not in told

    assert await everything_of(crowded, alice.person) == before
    alice.gate.set()
    assert (await alice.client.until_end(alice.ids["open run"]))["type"] == "agent_completed"


async def test_stopping_all_stops_nobody_elses_run(crowded: RunningServer, alice: Belongings) -> None:
    mallory = await crowded.person("mallory")
    before = await everything_of(crowded, alice.person)
    [answer] = await answers(crowded, mallory, "stop_agent", {})
    assert answer["payload"] == {"runs": []}
    assert await everything_of(crowded, alice.person) == before


@pytest.mark.parametrize("which", ["run_id", "thread_id"])
async def test_a_foreign_id_next_to_ones_own_stops_nothing(
    crowded: RunningServer, alice: Belongings, which: str
) -> None:
    """Naming a run and a thread that don't belong together is naming nothing, whoever owns either."""
    mallory = await crowded.person("mallory")
    async with crowded.client(mallory) as client:
        await client.resume()
        own = await client.say("script:alice-open")
        hers = {"run_id": alice.ids["open run"], "thread_id": alice.ids["thread of the open run"]}
        mixed = {"run_id": own["run_id"], "thread_id": own["thread_id"]} | {which: hers[which]}
        answer = await client.ask("stop_agent", mixed)
        assert answer["payload"] | {"field": None} == {
            "code": "not_found",
            "message": "there is no such run",
            "field": None,
        }
        async with crowded.http(mallory) as http:
            run = (await http.get(f"/api/runs/{own['run_id']}")).json()["run"]
        assert (run["state"], run["stop_requested_at"]) == ("running", None)
        alice.gate.set()
        assert (await client.until_end(own["run_id"]))["type"] == "agent_completed"


async def test_the_owner_has_to_spell_ids_exactly_too(crowded: RunningServer, alice: Belongings) -> None:
    """One id, one spelling: else the owner's check and the look-up may disagree (CVE-2026-54022)."""
    thread, run = alice.ids["thread of the open run"], alice.ids["open run"]
    spellings = [str.upper, lambda value: f"{{{value}}}", lambda value: value.replace("-", ""), lambda v: f" {v}"]
    for spell in spellings:
        for name, value in (("run_id", run), ("thread_id", thread)):
            answer = await alice.client.ask("stop_agent", {name: spell(value)})
            assert (answer["type"], answer["payload"]["code"]) == ("error", "not_found")
        async with crowded.http(alice.person) as http:
            assert (await http.get(f"/api/threads/{spell(thread)}")).status_code == 404
            assert (await http.get(f"/api/runs/{spell(run)}")).status_code == 404


def test_a_frame_that_this_file_does_not_know_fails_by_name() -> None:
    body = msgspec.defstruct("Body", [("whose", str)])
    new = msgspec.defstruct("New", [("payload", body)])
    for frames in ({"brand_new": new}, {"ping": new}):
        with pytest.raises(AssertionError, match=SAY_HOW):
            list(slots_of(frames))
