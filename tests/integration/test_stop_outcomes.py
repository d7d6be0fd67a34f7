"""What a stop answers, and that it is kept: `stopping` ends as `agent_stopped`, `already_finished` names the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from netra_backend.app.runs.ledger import Ending
from netra_backend.app.runs.stream import RunStream
from tests.fakes.model_server import Cut, FakeModelServer, Hang, Text, WaitFor
from tests.harness.client import TERMINAL, Client, Frame, check_run
from tests.harness.server import RunningServer

ROUNDS = 24


async def test_a_stop_of_a_queued_run_is_its_only_event(model_backed: RunningServer, model: FakeModelServer) -> None:
    model.scripts["hang"] = [[Text("begins"), Hang()]]
    alice = await model_backed.person()
    async with model_backed.client(alice) as client:
        await client.resume()
        first = await client.say("script:hang")
        await client.until_type("agent_message_delta")
        queued = await client.say("waits", thread_id=first["thread_id"], when_busy="queue")
        assert await client.stop(run_id=queued["run_id"]) == [{"run_id": queued["run_id"], "outcome": "stopping"}]
        end = await client.until_end(queued["run_id"])
        assert await client.stop(run_id=queued["run_id"]) == [
            {"run_id": queued["run_id"], "outcome": "already_finished", "seq": end["seq"]}
        ]
        await client.stop()
        await client.until_end(first["run_id"])
        # Its place in the line is gone: what comes next is taken at once.
        await client.until_end((await client.say("after it", thread_id=first["thread_id"]))["run_id"])
    [only] = client.record.of_run(queued["run_id"])
    assert only["type"] == "agent_stopped"
    assert only["payload"]["partial_response"] == ""
    assert only["payload"]["message_id"] is None
    assert [request.said for request in model.requests] == ["script:hang", "after it"]


async def test_a_stop_by_thread_stops_that_thread_and_no_other(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    model.scripts["hang"] = [[Text("begins"), Hang()]]
    alice = await model_backed.person()
    async with model_backed.client(alice) as client:
        await client.resume()
        one = await client.say("script:hang")
        waiting = await client.say("waits", thread_id=one["thread_id"], when_busy="queue")
        other = await client.say("script:hang")
        outcomes = await client.stop(thread_id=one["thread_id"], reason="enough of this")
        assert [(each["run_id"], each["outcome"]) for each in outcomes] == [
            (one["run_id"], "stopping"),
            (waiting["run_id"], "stopping"),
        ]
        end = await client.until_end(one["run_id"])
        assert end["payload"]["reason"] == "enough of this"
        assert await client.stop(thread_id=one["thread_id"]) == [], "nothing of it is open"
        assert [each["run_id"] for each in await client.stop()] == [other["run_id"]]
        await client.until_end(other["run_id"])
        assert await client.stop() == []


async def test_a_second_stop_answers_like_the_first_and_records_nothing(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    model.scripts["hang"] = [[Text("begins"), Hang()]]
    alice = await model_backed.person()
    async with model_backed.client(alice) as client, model_backed.client(alice) as other:
        await client.resume()
        run = await client.say("script:hang")
        await client.until_type("agent_message_delta")
        answers = await asyncio.gather(client.stop(reason="mine"), other.stop(run_id=run["run_id"], reason="theirs"))
        end = await client.until_end()
        for [answer] in answers:
            assert answer["outcome"] == "stopping" or answer["seq"] == end["seq"]
    events = client.record.of_run(run["run_id"])
    check_run(events)
    assert [event["type"] for event in events].count("agent_stopping") == 1
    said = next(event["payload"]["reason"] for event in events if event["type"] == "agent_stopping")
    assert end["payload"]["reason"] == said


@pytest.mark.parametrize("over", ["socket", "http"])
async def test_a_stop_that_races_the_end_has_one_outcome_and_keeps_it(
    model_backed: RunningServer, model: FakeModelServer, over: str
) -> None:
    """The model ends its answer while the stop is on its way: by a little more in each round."""
    alice = await model_backed.person()
    outcomes: list[str] = []
    async with model_backed.client(alice) as client, model_backed.client(alice) as other:
        await client.resume()
        for number in range(ROUNDS):
            gate = WaitFor(asyncio.Event())
            model.scripts[f"race-{number}"] = [[Text("some text "), gate, Text("and the end")]]
            run = await client.say(f"script:race-{number}")
            await gate.reached.wait()
            if number:
                gate.event.set()
            if number > ROUNDS // 3:
                await model.requests[-1].over.wait()
            if number == ROUNDS - 1:
                await client.until_type("agent_completed")
            for _ in range(number % (ROUNDS // 3) * 4):
                await asyncio.sleep(0)
            if over == "socket":
                [answer] = await other.stop(run_id=run["run_id"])
            else:
                async with model_backed.http(alice) as http:
                    [answer] = (await http.post(f"/api/runs/{run['run_id']}/stop")).json()["runs"]
            if not number:
                gate.event.set()
            ended = [event for event in client.record.of_run(run["run_id"]) if event["type"] in TERMINAL]
            end = ended[0] if ended else await client.until_end(run["run_id"])
            outcomes.append(check_outcome(answer, end, client))
    # The first round is stopped in mid-answer, the last one after its end.
    assert set(outcomes) == {"stopping", "already_finished"}


async def test_a_stop_of_all_that_races_the_end_of_many_keeps_every_outcome(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    alice = await model_backed.person()
    async with model_backed.client(alice) as client, model_backed.client(alice) as other:
        await client.resume()
        for number in range(8):
            gates = [WaitFor(asyncio.Event()) for _ in range(4)]
            runs: list[Frame] = []
            for index, gate in enumerate(gates):
                model.scripts[f"race-{number}-{index}"] = [[Text("some text "), gate, Text("and the end")]]
                runs.append(await client.say(f"script:race-{number}-{index}"))
                await gate.reached.wait()
            for gate in gates[: 1 + number % 4]:
                gate.event.set()
            answers = {answer["run_id"]: answer for answer in await other.stop()}
            ends = {end["run_id"]: end for end in [await client.until_end() for _ in runs]}
            for run in runs:
                # What isn't in the answer was over when the stop was recorded.
                if run["run_id"] in answers:
                    check_outcome(answers[run["run_id"]], ends[run["run_id"]], client)
                else:
                    assert ends[run["run_id"]]["type"] == "agent_completed"


@pytest.mark.parametrize("ending", ["completed", "failed"])
async def test_a_stop_that_is_on_record_before_the_end_turns_it_into_a_stop(
    model_backed: RunningServer, model: FakeModelServer, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """The narrowest race, held open: the answer is whole, its end is about to be written, and the stop comes first."""
    about_to_end, go_on = asyncio.Event(), asyncio.Event()
    kinds: list[str] = []
    finish = RunStream.finish

    async def held(stream: RunStream, how: Callable[[], Ending]) -> None:
        kinds.append(how().kind)
        about_to_end.set()
        await go_on.wait()
        await finish(stream, how)

    monkeypatch.setattr(RunStream, "finish", held)
    model.scripts["whole"] = [[Text("the whole "), Text("answer"), *([Cut()] if ending == "failed" else [])]]
    alice = await model_backed.person()
    async with model_backed.client(alice) as client:
        await client.resume()
        run = await client.say("script:whole")
        await about_to_end.wait()
        assert kinds == [ending]
        assert await client.stop(reason="just in time") == [{"run_id": run["run_id"], "outcome": "stopping"}]
        go_on.set()
        end = await client.until_end(run["run_id"])
        again = await client.stop(run_id=run["run_id"])
    assert end["type"] == "agent_stopped"
    assert end["payload"]["reason"] == "just in time"
    assert end["payload"]["partial_response"] == "the whole answer"
    assert again == [{"run_id": run["run_id"], "outcome": "already_finished", "seq": end["seq"]}]
    check_run(client.record.of_run(run["run_id"]))
    async with model_backed.http(alice) as http:
        row = (await http.get(f"/api/runs/{run['run_id']}")).json()["run"]
    assert (row["state"], row["terminal_seq"], row["error_code"]) == ("stopped", end["seq"], None)


def check_outcome(answer: Frame, end: Frame, client: Client) -> str:
    events = client.record.of_run(end["run_id"])
    check_run(events)
    if answer["outcome"] == "stopping":
        assert end["type"] == "agent_stopped", "an acknowledged stop always ends as stopped"
        assert [event["type"] for event in events].count("agent_stopping") == 1
    else:
        assert answer["outcome"] == "already_finished"
        assert answer["seq"] == end["seq"]
        assert end["type"] in TERMINAL - {"agent_stopped"}
        assert "agent_stopping" not in {event["type"] for event in events}
    return answer["outcome"]
