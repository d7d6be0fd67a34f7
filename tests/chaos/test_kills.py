"""`kill -9` at any point loses no acknowledged message, no committed event and no stop (contract, section 7)."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.chaos.witness import GONE, Witness
from tests.fakes.model_server import FakeModelServer
from tests.harness.client import check_run
from tests.harness.process import ServerProcess, people
from tests.harness.server import Person

LONG = [pytest.mark.long, pytest.mark.timeout(900)]
AGENT = "tests.harness.slow_agent:agent"


def server_on(data_dir: Path, model: FakeModelServer, **settings: object) -> ServerProcess:
    return ServerProcess(data_dir, model="openai:fake", model_base_url=model.base_url, agent=AGENT, **settings)


@pytest.mark.parametrize(
    "kills",
    [pytest.param(5, id="short"), pytest.param(50, id="long", marks=LONG)],
)
async def test_a_server_killed_at_random_points_keeps_what_it_acknowledged(
    kills: int, tmp_path: Path, model: FakeModelServer, model_client: str
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    witnesses = [Witness(person, rng) for person in await people(tmp_path / "data", "alice", "bob")]
    async with server_on(tmp_path / "data", model, model_client=model_client) as server:
        for _ in range(kills):
            await _live_and_die(server, witnesses, rng)
        await server.start()
        for witness in witnesses:
            async with server.client(witness.person, witness.record) as client:
                await witness.come_back(client)
                await witness.repeat(client, most=len(witness.asked))
                head = client.ready["payload"]["head"]
                while witness.record.seq < head or witness.open_runs() or not _all_told(witness):
                    await client.event()
            async with server.http(witness.person) as http:
                assert (await http.get("/api/snapshot")).json()["open_runs"] == []
                await witness.check(http, model)


def _all_told(witness: Witness) -> bool:
    acks = [asked.ack for asked in witness.asked.values()]
    return all(ack is not None and ack["seq"] <= witness.record.seq for ack in acks)


async def _live_and_die(server: ServerProcess, witnesses: list[Witness], rng: random.Random) -> None:
    server.spawn()
    if rng.random() < 0.25:
        # While it starts: recovery itself is cut.
        await asyncio.sleep(rng.uniform(0.2, 0.7))
        await server.kill9()
        return
    await server.until_ready()
    lives = [asyncio.create_task(_live(server, witness)) for witness in witnesses]
    # Not to wait for anything: this is the random point.
    await asyncio.sleep(rng.uniform(0.05, 1.2))
    await server.kill9()
    await asyncio.gather(*lives)


async def _live(server: ServerProcess, witness: Witness) -> None:
    try:
        async with server.client(witness.person, witness.record) as client:
            await witness.come_back(client)
            await witness.repeat(client)
            await witness.say(client)
            while True:
                await witness.act(client)
    except GONE:
        return


@pytest.fixture
async def alice(tmp_path: Path) -> Person:
    (person,) = await people(tmp_path / "data", "alice")
    return person


async def test_a_tool_call_cut_by_a_crash_is_unknown_and_not_run_again(
    alice: Person, tmp_path: Path, model: FakeModelServer, model_client: str
) -> None:
    async with server_on(tmp_path / "data", model, model_client=model_client) as server:
        await server.start()
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say('cut tokens=3 tool=linger args={"seconds": 3600}')
            await client.until_type("tool_executing")
        await server.kill9()
        await server.start()
        async with server.client(alice, client.record) as back:
            await back.resume()
            end = await back.until_end(run["run_id"])
    events = back.record.of_run(run["run_id"])
    check_run(events)
    assert (end["type"], end["payload"]["code"]) == ("agent_failed", "worker_lost")
    assert [event["payload"]["status"] for event in events if event["type"] == "tool_completed"] == ["unknown"]
    assert len(model.requests) == 1


async def test_an_acknowledged_stop_survives_a_crash_right_after_it(
    alice: Person, tmp_path: Path, model: FakeModelServer, model_client: str
) -> None:
    async with server_on(tmp_path / "data", model, model_client=model_client, stop_grace=30) as server:
        await server.start()
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("tokens=5000 pace=0.002")
            await client.until_type("agent_message_delta")
            outcome = await client.stop(run_id=run["run_id"])
            await server.kill9()
        assert [each["outcome"] for each in outcome] == ["stopping"]
        await server.start()
        async with server.client(alice, client.record) as back:
            await back.resume()
            end = await back.until_end(run["run_id"])
    check_run(back.record.of_run(run["run_id"]))
    assert end["type"] == "agent_stopped"


async def test_queued_runs_survive_a_crash_and_start_in_order(
    alice: Person, tmp_path: Path, model: FakeModelServer, model_client: str
) -> None:
    async with server_on(tmp_path / "data", model, model_client=model_client) as server:
        await server.start()
        async with server.client(alice) as client:
            await client.resume()
            first = await client.say("tokens=5000 pace=0.01")
            await client.until_type("agent_started")
            queued = [
                await client.say(f"n{number} tokens=3", thread_id=first["thread_id"], when_busy="queue")
                for number in range(3)
            ]
            await server.kill9()
        await server.start()
        async with server.client(alice, client.record) as back:
            await back.resume()
            ends = [await back.until_end() for _ in range(4)]
    assert [end["run_id"] for end in ends] == [run["run_id"] for run in [first, *queued]]
    assert [end["type"] for end in ends] == ["agent_failed"] + ["agent_completed"] * 3
    for run in queued:
        check_run(back.record.of_run(run["run_id"]))
