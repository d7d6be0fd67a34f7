"""Which runs a stop concerns, by which door it comes, and how early it may come."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from tests.fakes.model_server import Hang, Text
from tests.harness.client import Client, Frame, check_run
from tests.harness.stage import Stage, ended, soon
from tests.integration.conftest import StageWith


async def working(stage: Stage, client: Client, **more: Any) -> tuple[Frame, Hang]:
    """A run whose model has said "Well, " and hangs."""
    hang = Hang()
    run = await client.say(stage.script([Text("Well, "), hang]), **more)
    await soon(hang.reached)
    await client.until_type("agent_message_delta", run_id=run["run_id"])
    return run, hang


async def over_socket(client: Client, stage: Stage, run: Frame | None, thread_id: str | None) -> list[Frame]:
    which = {"run_id": run["run_id"]} if run is not None else {}
    return await client.stop(**which, **({"thread_id": thread_id} if thread_id else {}))


async def over_http(client: Client, stage: Stage, run: Frame | None, thread_id: str | None) -> list[Frame]:
    path = f"/api/runs/{run['run_id']}/stop" if run is not None else "/api/runs/stop"
    response = await stage.http.post(path, json={"reason": "enough"})
    assert response.status_code == 200, response.text
    return [{key: value for key, value in each.items() if value is not None} for each in response.json()["runs"]]


@pytest.mark.parametrize("way", [over_socket, over_http])
async def test_one_run_by_its_id_leaves_the_others(stage: Stage, way: Any) -> None:
    """From another socket than the one that started it, which hasn't even resumed."""
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        run, _ = await working(stage, client)
        bystander, _ = await working(stage, client)
        assert await way(other, stage, run, None) == [{"run_id": run["run_id"], "outcome": "stopping"}]
        end = await client.until_end(run["run_id"])
        assert end["type"] == "agent_stopped"
        assert await way(other, stage, run, None) == [
            {"run_id": run["run_id"], "outcome": "already_finished", "seq": end["seq"]}
        ]
        assert not stage.model.requests[1].hung_up.is_set()
        status = (await stage.http.get(f"/api/runs/{bystander['run_id']}")).json()
        assert (status["run"]["state"], status["text"]) == ("running", "Well, ")
        await client.stop()
        await client.until_end(bystander["run_id"])


async def test_a_thread_with_all_that_waits_in_it(stage: Stage) -> None:
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        run, _ = await working(stage, client)
        waiting = await client.say("tokens=1", thread_id=run["thread_id"], when_busy="queue")
        bystander, _ = await working(stage, client)
        outcomes = await other.stop(thread_id=run["thread_id"], reason="enough")
        assert outcomes == [{"run_id": each["run_id"], "outcome": "stopping"} for each in (run, waiting)]
        for each in (run, waiting):
            end = await ended(client, each)
            assert (end["type"], end["payload"]["reason"]) == ("agent_stopped", "enough")
            check_run(client.record.of_run(each["run_id"]))
        assert await other.stop(thread_id=run["thread_id"]) == []
        assert [each["run_id"] for each in await other.stop()] == [bystander["run_id"]]
        await client.until_end(bystander["run_id"])


@pytest.mark.parametrize("way", [over_socket, over_http])
async def test_everything(stage: Stage, way: Any) -> None:
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        runs = [(await working(stage, client))[0] for _ in range(3)]
        runs.append(await client.say("tokens=1", thread_id=runs[0]["thread_id"], when_busy="queue"))
        outcomes = await way(other, stage, None, None)
        assert outcomes == [{"run_id": run["run_id"], "outcome": "stopping"} for run in runs]
        still = {run["run_id"] for run in runs} - {
            e["run_id"] for e in client.record.events if e["type"] == "agent_stopped"
        }
        while still:
            end = await client.until_end()
            assert end["type"] == "agent_stopped"
            still.remove(end["run_id"])
        for number, request in enumerate(stage.model.requests):
            await soon(request.hung_up)
            check_run(client.record.of_run(runs[number]["run_id"]))
        assert len(stage.model.requests) == 3
        assert await way(other, stage, None, None) == []


async def test_ids_that_name_nothing(stage: Stage) -> None:
    async with stage.client() as client:
        await client.resume()
        run, _ = await working(stage, client)
        bystander, _ = await working(stage, client)
        for which in (
            {"run_id": str(uuid.uuid4())},
            {"thread_id": str(uuid.uuid4())},
            {"run_id": run["run_id"], "thread_id": bystander["thread_id"]},
            {"run_id": "none"},
        ):
            answer = await client.ask("stop_agent", which)
            assert (answer["type"], answer["payload"]["code"]) == ("error", "not_found"), which
        runs = (await stage.http.get("/api/runs")).json()["runs"]
        assert {each["state"] for each in runs} == {"running"}, "a stop that names nothing changes nothing"
        assert not any(request.hung_up.is_set() for request in stage.model.requests)
        await client.stop()
        await client.until_end(run["run_id"])


@pytest.mark.parametrize("which", ["run", "thread", "all"])
async def test_right_after_the_acknowledgement(stage: Stage, which: str) -> None:
    """The first moment: the run is on record, its task may not have taken a step. Ten times, each is stopped."""
    async with stage.client() as client:
        await client.resume()
        for _ in range(10):
            run = await client.say(stage.script([Hang()]))
            wanted = {"run": {"run_id": run["run_id"]}, "thread": {"thread_id": run["thread_id"]}, "all": {}}[which]
            assert await client.stop(**wanted) == [{"run_id": run["run_id"], "outcome": "stopping"}]
            assert (await client.until_end(run["run_id"]))["type"] == "agent_stopped"
            check_run(client.record.of_run(run["run_id"]))
        await stage.next_turn(client, run["thread_id"])


async def test_pipelined_behind_the_message(stage: Stage) -> None:
    """Both frames are written before either is answered; the stop concerns the run that the message starts."""
    async with stage.client() as client:
        await client.resume()
        for _ in range(10):
            said = {"text": stage.script([Hang()]), "client_message_id": str(uuid.uuid4())}
            first = json.dumps({"type": "user_message", "id": "message", "payload": said})
            second = json.dumps({"type": "stop_agent", "id": "stop", "payload": {}})
            await asyncio.gather(client.socket.send(first), client.socket.send(second))
            answers: dict[str, Frame] = {}
            while len(answers) < 2:
                frame = await client.frame()
                if "reply_to" in frame:
                    answers[frame["reply_to"]] = frame["payload"]
                else:
                    client.record.take(frame)
            run_id = answers["message"]["run_id"]
            assert answers["stop"]["runs"] == [{"run_id": run_id, "outcome": "stopping"}]
            assert (await ended(client, answers["message"]))["type"] == "agent_stopped"
            check_run(client.record.of_run(run_id))


async def test_from_another_socket_while_the_message_is_on_its_way(stage: Stage) -> None:
    """Message and stop race on two sockets: a stop that names the run in its answer stops it; otherwise it runs on."""
    outcomes: set[bool] = set()
    async with stage.client() as client, stage.client() as other:
        await client.resume()
        for _ in range(20):
            said = client.say(stage.script([Text("Well."), Hang()]))
            run, stopped = await asyncio.gather(said, other.stop())
            outcomes.add(bool(stopped))
            if stopped:
                assert stopped == [{"run_id": run["run_id"], "outcome": "stopping"}]
            else:
                await client.until_type("agent_message_delta", run_id=run["run_id"])
                assert [each["run_id"] for each in await other.stop()] == [run["run_id"]]
            assert (await client.until_end(run["run_id"]))["type"] == "agent_stopped"
            check_run(client.record.of_run(run["run_id"]))


async def test_while_all_places_are_taken(stage_with: StageWith) -> None:
    """A run that waits for a place is stopped where it waits, and doesn't start when the place comes free."""
    async with stage_with(max_running_runs_per_user=1) as stage, stage.client() as client:
        await client.resume()
        run, _ = await working(stage, client)
        waiting = await client.say("tokens=1")
        assert await client.stop(run_id=waiting["run_id"]) == [{"run_id": waiting["run_id"], "outcome": "stopping"}]
        await client.until_end(waiting["run_id"])
        assert [event["type"] for event in client.record.of_run(waiting["run_id"])] == ["agent_stopped"]
        await client.stop()
        await client.until_end(run["run_id"])
        await stage.next_turn(client, waiting["thread_id"])
        assert len(stage.model.requests) == 2
