"""The five critical events on a real socket: completed and stopped runs, before and after a reconnect, many users."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.model_server import FakeModelServer
from tests.harness.client import Client, Frame, check_run
from tests.harness.server import Person, RunningServer

FIVE = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]
STOPPED = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_stopped"]


def first_of_each(events: list[Frame]) -> list[str]:
    """The types of the events in the order in which each came first, but for text and the note of a stop."""
    types = dict.fromkeys(event["type"] for event in events)
    return [kind for kind in types if kind not in {"agent_message_delta", "agent_stopping"}]


def again(server: RunningServer, person: Person, client: Client) -> Client:
    """The same reader on a new socket."""
    return Client(f"ws://127.0.0.1:{server.port}/ws", person.token, client.record)


class TestCompletedRun:
    """A run that ends by itself."""

    async def test_five_events_arrive_in_order(self, server: RunningServer) -> None:
        alice = await server.person()
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("what is 2**10?")
            end = await client.until_end(run["run_id"])
        events = client.record.of_run(run["run_id"])
        check_run(events)
        assert first_of_each(events) == FIVE
        assert "1024" in end["payload"]["final_response"]
        tool = next(event["payload"] for event in events if event["type"] == "tool_completed")
        assert tool["status"] == "ok"

    async def test_five_events_arrive_once_each_over_a_reconnect(
        self, model_backed: RunningServer, model: FakeModelServer
    ) -> None:
        alice = await model_backed.person()
        async with model_backed.client(alice) as client:
            await client.resume()
            run = await client.say("tokens=60 pace=0.01 thinking=3")
            await client.until_type("agent_message_delta")
            client.cut()
        async with again(model_backed, alice, client) as back:
            await back.resume()
            await back.until_end(run["run_id"])
        events = client.record.of_run(run["run_id"])
        check_run(events)
        assert first_of_each(events) == ["agent_started", "agent_thinking", "agent_completed"]
        assert client.record.text_of(run["run_id"]).split() == [f"w{number}" for number in range(60)]
        assert len(model.requests) == 1

    async def test_a_reader_who_comes_later_sees_the_same(self, server: RunningServer) -> None:
        alice = await server.person()
        async with server.client(alice) as client:
            await client.resume(from_start=True)
            run = await client.say("what time is it in Oslo, and what is 3+4?")
            await client.until_end(run["run_id"])
        async with server.client(alice) as later:
            await later.resume(from_start=True)
            await later.until_end(run["run_id"])
        assert later.record.text_of(run["run_id"]) == client.record.text_of(run["run_id"])
        assert first_of_each(later.record.of_run(run["run_id"])) == FIVE


class TestStoppedRun:
    """A run that is stopped."""

    async def test_events_end_with_one_agent_stopped(self, server: RunningServer) -> None:
        alice = await server.person()
        async with server.client(alice) as client, server.client(alice) as tab:
            await client.resume()
            await tab.resume()
            run = await client.say("what is 5*5, then count to 1000 slowly")
            await client.until_type("agent_message_delta")
            await client.stop(run_id=run["run_id"])
            end = await client.until_end(run["run_id"])
            assert await tab.until_end(run["run_id"]) == end
        check_run(client.record.of_run(run["run_id"]))
        assert client.record.of_run(run["run_id"]) == tab.record.of_run(run["run_id"])
        assert first_of_each(client.record.of_run(run["run_id"])) == STOPPED

    async def test_a_stop_while_the_reader_is_away_is_there_when_it_comes_back(self, server: RunningServer) -> None:
        alice = await server.person()
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("count to 1000 slowly")
            await client.until_type("agent_message_delta")
            client.cut()
        async with server.http(alice) as http:
            stopped = (await http.post(f"/api/runs/{run['run_id']}/stop")).json()
            assert stopped["runs"][0]["outcome"] == "stopping"
        async with again(server, alice, client) as back:
            await back.resume()
            end = await back.until_end(run["run_id"])
        assert end["type"] == "agent_stopped"
        check_run(client.record.of_run(run["run_id"]))


class TestManyUsers:
    """Several users at once, with nothing crossed."""

    @pytest.mark.parametrize("ending", ["completed", "stopped"])
    async def test_nothing_crosses(self, model_backed: RunningServer, model: FakeModelServer, ending: str) -> None:
        people = [await model_backed.person(f"user{number}") for number in range(5)]
        records = await asyncio.gather(*(self._talk(model_backed, person, ending) for person in people))
        for number, (client, run) in enumerate(records):
            events = client.record.of_run(run["run_id"])
            check_run(events)
            assert events[-1]["type"] == f"agent_{ending}"
            said = [event["payload"]["text"] for event in client.record.events if event["type"] == "message_created"]
            assert said == [
                f"tokens={'40' if ending == 'completed' else '100000'} pace=0.005 for {people[number].user_id}"
            ]
            assert {event["run_id"] for event in client.record.events} == {None, run["run_id"]}
        epochs = {client.record.epoch for client, _ in records}
        assert len(epochs) == len(people)

    async def _talk(self, server: RunningServer, person: Person, ending: str) -> tuple[Client, Frame]:
        tokens = "40" if ending == "completed" else "100000"
        async with server.client(person) as client:
            await client.resume()
            run = await client.say(f"tokens={tokens} pace=0.005 for {person.user_id}")
            await client.until_type("agent_message_delta")
            client.cut()
        async with again(server, person, client) as back:
            await back.resume()
            if ending == "stopped":
                await back.stop()
            await back.until_end(run["run_id"])
        return client, run
