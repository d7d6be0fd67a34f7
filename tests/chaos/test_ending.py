"""SIGTERM: sockets hear where they stand, runs get their grace and end as recorded, what waits starts afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.fakes.model_server import FakeModelServer
from tests.harness.client import Client, check_run
from tests.harness.process import ServerProcess, eventually, people
from tests.harness.server import Person


@pytest.fixture
async def alice(tmp_path: Path) -> Person:
    (person,) = await people(tmp_path / "data", "alice")
    return person


def server_on(data_dir: Path, model: FakeModelServer, **settings: object) -> ServerProcess:
    return ServerProcess(data_dir, model="openai:fake", model_base_url=model.base_url, **settings)


async def until_goodbye(client: Client) -> None:
    """Take everything up to the close; it must be the one of a restart, after a word with this client's cursor."""
    goodbye = await client.heard("server_draining")
    assert goodbye["payload"] == {"epoch": client.record.epoch, "seq": client.record.seq}
    with pytest.raises(ConnectionClosed) as closed:
        await client.frame()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_within_the_grace_a_run_ends_by_itself_and_is_told_before_the_goodbye(
    alice: Person, tmp_path: Path, model: FakeModelServer
) -> None:
    async with server_on(tmp_path / "data", model, drain_grace=60) as server:
        await server.start()
        async with server.client(alice) as client, server.client(alice) as idle:
            await client.resume()
            run = await client.say("tokens=100 pace=0.005")
            await client.until_type("agent_message_delta")
            server.signal_term()
            end = await client.until_end(run["run_id"])
            assert end["type"] == "agent_completed"
            check_run(client.record.of_run(run["run_id"]))
            await until_goodbye(client)
            # One that never resumed has no cursor, and hears of the end all the same.
            await idle.heard("server_draining")
        assert await server.sigterm() == 0


async def test_after_the_grace_runs_end_as_recorded_and_queued_ones_start_after_the_restart(
    alice: Person, tmp_path: Path, model: FakeModelServer, model_client: str
) -> None:
    async with server_on(tmp_path / "data", model, model_client=model_client, drain_grace=0) as server:
        await server.start()
        async with server.client(alice) as client:
            await client.resume()
            first = await client.say("tokens=5000 pace=0.01")
            await client.until_type("agent_message_delta")
            queued = [
                await client.say(f"n{number} tokens=3", thread_id=first["thread_id"], when_busy="queue")
                for number in range(3)
            ]
            request = await model.request(0)
            server.signal_term()
            end = await client.until_end(first["run_id"])
            assert (end["type"], end["payload"]["code"]) == ("agent_failed", "worker_lost")
            await until_goodbye(client)
        assert await server.sigterm() == 0
        await eventually(request.hung_up.is_set, "the model's connection is closed")
        assert len(model.requests) == 1, "nothing that waits is started on the way out"
        await server.start()
        async with server.client(alice, client.record) as back:
            await back.resume()
            ends = [await back.until_end() for _ in queued]
    assert [end["run_id"] for end in ends] == [run["run_id"] for run in queued]
    assert {end["type"] for end in ends} == {"agent_completed"}
    for run in [first, *queued]:
        check_run(back.record.of_run(run["run_id"]))


async def test_a_message_that_comes_while_the_server_drains_waits_for_the_next_one(
    alice: Person, tmp_path: Path, model: FakeModelServer
) -> None:
    async with server_on(tmp_path / "data", model, drain_grace=60) as server:
        await server.start()
        async with server.client(alice) as client:
            await client.resume()
            first = await client.say("tokens=300 pace=0.005")
            await client.until_type("agent_message_delta")
            server.signal_term()
            second = await _say_until_queued(client)
            await client.until_end(first["run_id"])
            await until_goodbye(client)
        assert await server.sigterm() == 0
        assert not client.record.of_run(second["run_id"])
        await server.start()
        async with server.client(alice, client.record) as back:
            await back.resume()
            assert (await back.until_end(second["run_id"]))["type"] == "agent_completed"


async def _say_until_queued(client: Client) -> dict[str, str]:
    """The signal is on its way: what is said before it arrives is carried out at once."""
    while True:
        run = await client.say("tokens=1")
        said = await client.until_type("message_created")
        while said["payload"]["run_id"] != run["run_id"]:
            said = await client.until_type("message_created")
        if said["payload"]["run_state"] == "queued":
            return run
        await client.until_end(run["run_id"])


async def test_an_end_while_the_database_is_away_loses_nothing_on_record(
    alice: Person, tmp_path: Path, model: FakeModelServer
) -> None:
    async with server_on(tmp_path / "data", model, drain_grace=0) as server:
        await server.start()
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("tokens=5000 pace=0.005")
            await client.until_type("agent_message_delta")
            with server.database_away():
                await server.until_ready(wanted=False)
                await server.sigterm()
        await server.start()
        async with server.client(alice, client.record) as back:
            await back.resume()
            end = await back.until_end(run["run_id"])
    assert (end["type"], end["payload"]["code"]) == ("agent_failed", "worker_lost")
    check_run(back.record.of_run(run["run_id"]))
