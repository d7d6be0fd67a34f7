"""The database goes away in mid-run, on a live server process: stop still stops, and the record follows.

Every write of the process fails with EFBIG (RLIMIT_FSIZE lowered from outside), and goes on failing until the limit is
lifted. Permissions would prove nothing: tests may run as root.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.chaos.witness import sent_by_model
from tests.fakes.model_server import FakeModelServer, Text, WaitFor
from tests.harness.client import check_run
from tests.harness.deadline import DEADLINE
from tests.harness.process import ServerProcess, eventually, people, story_of
from tests.harness.server import Person, RunningServer

BUFFER = 100_000
"""What a run of this server may hold while the log is away."""


@pytest.fixture
async def alice(tmp_path: Path) -> Person:
    (person,) = await people(tmp_path / "data", "alice")
    return person


@pytest.fixture
async def process(
    alice: Person, tmp_path: Path, model: FakeModelServer, model_client: str
) -> AsyncIterator[ServerProcess]:
    settings = {"model": "openai:fake", "model_base_url": model.base_url, "model_client": model_client}
    async with ServerProcess(tmp_path / "data", run_buffer_bytes=BUFFER, **settings) as server:
        await server.start()
        yield server


async def standstill(count: Callable[[], int]) -> int:
    """Wait until a number has stopped growing: a machine that is busy elsewhere lets it rest for a moment too."""
    last, looks = -1, 0
    async with asyncio.timeout(DEADLINE):
        while looks < 6:
            await asyncio.sleep(0.25)
            now = count()
            looks = looks + 1 if now == last else 0
            last = now
    return last


async def test_a_stop_while_the_database_is_away_stops_and_is_recorded_afterwards(
    alice: Person, process: ServerProcess, model: FakeModelServer
) -> None:
    async with process.client(alice) as client, process.client(alice) as other, process.http(alice) as http:
        await client.resume()
        await other.resume()
        run = await client.say("tokens=20000 pace=0.002")
        await client.until_type("agent_message_delta")
        request = await model.request(0)
        with process.database_away():
            await process.until_ready(wanted=False)
            answer = await client.ask("stop_agent", {"run_id": run["run_id"]})
            assert answer["type"] == "error"
            assert answer["payload"]["code"] == "stop_not_recorded"
            async with asyncio.timeout(DEADLINE):
                await request.hung_up.wait()
            assert (await other.heard("stop_unrecorded"))["payload"] == {"runs": [run["run_id"]]}
            refused = await http.post(f"/api/runs/{run['run_id']}/stop")
            assert (refused.status_code, refused.json()["code"]) == (503, "stop_not_recorded")
            # Nothing else is possible now, and it says so; the row still says what is on record.
            answer = await client.ask("user_message", {"text": "hello", "client_message_id": "1"})
            assert (answer["type"], answer["payload"]["code"]) == ("error", "unavailable")
        for socket in (client, other):
            end = await socket.until_end(run["run_id"])
            assert end["type"] == "agent_stopped"
            check_run(socket.record.of_run(run["run_id"]))
        await process.until_ready()
        row = (await http.get(f"/api/runs/{run['run_id']}")).json()
        messages = (await http.get(f"/api/threads/{run['thread_id']}/messages")).json()["messages"]
        # And the next message is taken as ever.
        again = await client.say("tokens=3", thread_id=run["thread_id"])
        assert (await client.until_end(again["run_id"]))["type"] == "agent_completed"
    shown = client.record.text_of(run["run_id"])
    assert row["run"]["state"] == "stopped"
    assert story_of(messages, run["run_id"], "agent") == shown
    assert sent_by_model("tokens=20000").startswith(shown)
    # Between what was told and what had been sent lies no more than one hand-over.
    assert shown.count("w") >= request.chunks - 50


async def test_a_server_killed_while_the_database_is_away_ends_the_run_as_lost(
    alice: Person, process: ServerProcess, model: FakeModelServer
) -> None:
    async with process.client(alice) as client:
        await client.resume()
        run = await client.say("tokens=20000 pace=0.002")
        await client.until_type("agent_message_delta")
        with process.database_away():
            await process.until_ready(wanted=False)
            answer = await client.ask("stop_agent", {"run_id": run["run_id"]})
            assert answer["payload"]["code"] == "stop_not_recorded"
            await process.kill9()
    await process.start()
    async with process.client(alice, client.record) as back:
        await back.resume()
        end = await back.until_end(run["run_id"])
    assert (end["type"], end["payload"]["code"]) == ("agent_failed", "worker_lost")
    check_run(back.record.of_run(run["run_id"]))


async def test_while_the_database_is_away_a_run_holds_a_bounded_buffer_and_the_model_is_not_read(
    alice: Person, process: ServerProcess, model: FakeModelServer
) -> None:
    go = asyncio.Event()
    piece, pieces = "x" * 10_000, 5_000
    model.scripts["flood"] = [[Text("first "), WaitFor(go), *[Text(piece)] * pieces]]
    async with process.client(alice) as client:
        await client.resume()
        run = await client.say("script:flood")
        await client.until_type("agent_message_delta")
        request = await model.request(0)
        with process.database_away():
            await process.until_ready(wanted=False)
            go.set()
            # The model stands still: nobody reads, and what the kernel holds for the two is some megabytes.
            assert await standstill(lambda: request.chunks) < pieces
            assert not request.finished
            await client.ask("stop_agent", {"run_id": run["run_id"]})
            async with asyncio.timeout(DEADLINE):
                await request.hung_up.wait()
        end = await client.until_end(run["run_id"])
    assert end["type"] == "agent_stopped"
    check_run(client.record.of_run(run["run_id"]))
    held = len(end["payload"]["partial_response"])
    # One read of the model's stream may come on top, which aiohttp holds below 256 KiB.
    assert held <= BUFFER + 256 * 1024, held


async def test_a_run_that_ends_while_the_database_is_away_is_completed_afterwards(
    alice: Person, process: ServerProcess, model: FakeModelServer
) -> None:
    go = asyncio.Event()
    model.scripts["end"] = [[Text("first "), WaitFor(go), Text("last")]]
    async with process.client(alice) as client:
        await client.resume()
        run = await client.say("script:end")
        await client.until_type("agent_message_delta")
        request = await model.request(0)
        with process.database_away():
            await process.until_ready(wanted=False)
            go.set()
            await eventually(lambda: request.finished, "the model's answer is whole")
            await process.until_ready(wanted=False)
        end = await client.until_end(run["run_id"])
    assert (end["type"], end["payload"]["final_response"]) == ("agent_completed", "first last")
    check_run(client.record.of_run(run["run_id"]))


async def test_a_stop_after_the_models_end_still_stops_what_is_not_on_record(
    alice: Person, process: ServerProcess, model: FakeModelServer
) -> None:
    """Raced: the model had ended, the run's end waited for the log, and a stop came. The user was told that the record
    of the stop follows; it must not be a completion that follows."""
    go = asyncio.Event()
    model.scripts["end"] = [[Text("first "), WaitFor(go), Text("last")]]
    async with process.client(alice) as client:
        await client.resume()
        run = await client.say("script:end")
        await client.until_type("agent_message_delta")
        request = await model.request(0)
        with process.database_away():
            await process.until_ready(wanted=False)
            go.set()
            await eventually(lambda: request.finished, "the model's answer is whole")
            await process.until_ready(wanted=False)
            answer = await client.ask("stop_agent", {"run_id": run["run_id"]})
            assert answer["payload"]["code"] == "stop_not_recorded"
        end = await client.until_end(run["run_id"])
    assert end["type"] == "agent_stopped"
    check_run(client.record.of_run(run["run_id"]))


async def test_a_full_disk_in_mid_run_delays_the_run_and_loses_nothing(
    model: FakeModelServer, model_backed: RunningServer
) -> None:
    go = asyncio.Event()
    pieces = [f"{number:06d}" + "x" * 994 for number in range(400)]
    model.scripts["long"] = [[Text("first "), WaitFor(go), *[Text(piece) for piece in pieces]]]
    bob = await model_backed.person("bob")
    log = model_backed.services.log
    async with model_backed.client(bob) as client:
        await client.resume()
        run = await client.say("script:long")
        await client.until_type("agent_message_delta")
        await log.write(lambda rows: rows.exec_driver_sql("PRAGMA max_page_count=1").scalar())
        go.set()
        await eventually(lambda: not log.state.available, "the disk is full")
        await log.write(lambda rows: rows.exec_driver_sql("PRAGMA max_page_count=1073741823").scalar())
        end = await client.until_end(run["run_id"])
    assert end["type"] == "agent_completed"
    assert end["payload"]["final_response"] == "first " + "".join(pieces)
    check_run(client.record.of_run(run["run_id"]))
