"""A client that is cut again and again and resumes by its cursor has every event once and in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.exceptions import ConnectionClosed

from tests.chaos.witness import sent_by_model
from tests.fakes.model_server import FakeModelServer
from tests.harness.client import Client, Record, check_run
from tests.harness.process import story_of
from tests.harness.server import Person, RunningServer

LONG = [pytest.mark.long, pytest.mark.timeout(3600)]
KINDS = {"agent_completed", "agent_stopped", "tool_completed"}
"""What must be among the events that are cut, or the test would say little."""


@asynccontextmanager
async def at_work(server: RunningServer, alice: Person, rng: random.Random) -> AsyncIterator[dict[str, str]]:
    """Have runs start one after the other, several at a time, on a socket of their own. Gives text by run id."""
    said: dict[str, str] = {}

    async def talk(name: int) -> None:
        async with server.client(alice) as client:
            await client.resume()
            number = 0
            while True:
                # Every second run goes on until it is stopped, however long that takes.
                stops = number % 2 == 1
                tokens = 50_000 if stops else rng.randrange(100, 400)
                text = f"n{name}.{number} tokens={tokens} pace=0.001 thinking=3"
                if number % 3 == 0:
                    text += ' tool=calculate args={"expression": "17*23"}'
                run = await client.say(text)
                said[run["run_id"]] = text
                if stops:
                    await client.until_type("agent_message_delta", run_id=run["run_id"])
                    await client.stop(run_id=run["run_id"])
                await client.until_end(run["run_id"])
                number += 1

    talks = [asyncio.create_task(talk(name)) for name in range(2)]
    try:
        yield said
    finally:
        for task in talks:
            task.cancel()
        ends = await asyncio.gather(*talks, return_exceptions=True)
    for end in ends:
        assert isinstance(end, asyncio.CancelledError), end


async def take_until_cut(client: Client, rng: random.Random) -> None:
    """Take a few events, then cut: at a frame's boundary, or with frames half way."""
    for _ in range(rng.randrange(1, 12)):
        await client.event()
    if rng.random() < 0.5:
        await client.send("ping")
    client.cut()
    with contextlib.suppress(ConnectionClosed):
        # What had arrived before the cut may be taken or not: the cursor says which.
        while rng.random() < 0.9:
            await client.event()


@pytest.mark.parametrize(
    "cuts",
    [pytest.param(30, id="short"), pytest.param(200, id="long", marks=LONG)],
)
async def test_a_client_cut_at_random_points_has_every_event_once(
    cuts: int, model: FakeModelServer, model_backed: RunningServer
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    alice = await model_backed.person()
    record = Record()

    def client() -> Client:
        return Client(f"ws://127.0.0.1:{model_backed.port}/ws", alice.token, record)

    async with at_work(model_backed, alice, rng) as said:
        cut = 0
        # At least so often, and until every kind of end has come: how much happens between two cuts is the machine's.
        while cut < cuts or not {event["type"] for event in record.events} >= KINDS:
            async with client() as cutting:
                await cutting.resume(from_start=cut == 0)
                await take_until_cut(cutting, rng)
            cut += 1
        started = dict(said)
    async with client() as last:
        await last.resume()
        while not started.keys() <= {event["run_id"] for event in record.events if "usage" in event["payload"]}:
            await last.event()
        assert not last.others
    assert record.events[0]["seq"] == 1 or record.events[0]["first_seq"] == 1
    for run_id, text in started.items():
        check_run(record.of_run(run_id))
        shown, sent = record.text_of(run_id), sent_by_model(text)
        end = record.of_run(run_id)[-1]
        assert end["type"] in {"agent_completed", "agent_stopped"}
        assert shown == sent if end["type"] == "agent_completed" else sent.startswith(shown)
        async with model_backed.http(alice) as http:
            answer = await http.get(f"/api/threads/{end['thread_id']}/messages")
        assert (story_of(answer.json()["messages"], run_id, "agent") or "") == shown
    whole = [request for request in model.requests if request.finished]
    assert whole, "the model's own record has finished answers too"
