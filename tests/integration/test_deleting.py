"""Deleting a thread erases it: rows, events, search. Numbers stay, so that ranges still tile."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from netra_backend.app.agents.runtime import SinkClosed
from netra_backend.app.services.housekeeping import Housekeeping
from tests.fakes.model_server import FakeModelServer, Hang, Text, Thinking, ToolCall
from tests.harness.client import Client, Frame, Record
from tests.harness.deadline import DEADLINE
from tests.harness.server import Person, RunningServer

SECRET = "zanzibar"
"""A word that stands in every part of the thread that is deleted."""


def stored(path: Path, word: str) -> dict[str, int]:
    """In which tables the word stands, search index included: every value of every row, and every indexed term."""
    found: dict[str, int] = {}
    with sqlite3.connect(path, timeout=DEADLINE) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, messages_fts, row)")
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in [*(name for name in names if not name.startswith("messages_fts")), "terms"]:
            for row in connection.execute(f"SELECT * FROM {name}"):
                values = [value if isinstance(value, bytes) else str(value).encode() for value in row]
                if any(word.encode() in value for value in values):
                    found[name] = found.get(name, 0) + 1
    connection.close()
    return found


async def fill(client: Client, model: FakeModelServer) -> Frame:
    """A thread with a run that thought, used tools and answered, one that was stopped, and one that failed."""
    model.scripts["full"] = [
        [Thinking(f"{SECRET} thought"), Text(f"{SECRET} "), ToolCall("search_threads", {"query": SECRET})],
        [Text("and "), Text(f"{SECRET} answer")],
    ]
    model.scripts["hang"] = [[Text(f"{SECRET} partial"), Hang()]]
    first = await client.say(f"script:full tell me of {SECRET}")
    await client.until_end(first["run_id"])
    second = await client.say(f"script:hang {SECRET}", thread_id=first["thread_id"])
    await client.until_type("agent_message_delta", run_id=second["run_id"])
    await client.stop(reason=f"enough {SECRET}")
    await client.until_end(second["run_id"])
    return first


async def replay(server: RunningServer, person: Person) -> Record:
    """The user's whole log as a new reader gets it."""
    async with server.client(person) as client:
        head = (await client.resume(from_start=True))["head"]
        while client.record.seq < head:
            await client.event()
        return client.record


async def test_nothing_of_a_deleted_thread_is_left(model_backed: RunningServer, model: FakeModelServer) -> None:
    alice = await model_backed.person()
    path = model_backed.services.settings.database_path
    async with model_backed.client(alice) as client, model_backed.http(alice) as http:
        await client.resume()
        kept = await client.say("keep this one")
        await client.until_end(kept["run_id"])
        gone = await fill(client, model)
        await http.patch(f"/api/threads/{gone['thread_id']}", json={"title": f"all about {SECRET}"})
        later = await client.say("and this", thread_id=kept["thread_id"])
        await client.until_end(later["run_id"])
        await Housekeeping(model_backed.services.log, model_backed.services.settings).round()
        assert {"events", "messages", "threads", "runs", "terms"} <= set(stored(path, SECRET))

        answer = await http.delete(f"/api/threads/{gone['thread_id']}")
        assert answer.status_code == 204
        told = await client.until_type("thread_deleted")
        assert told["payload"] == {"thread_id": gone["thread_id"]}
        assert (told["thread_id"], told["run_id"]) == (None, None)

        assert stored(path, SECRET) == {}
        assert set(stored(path, gone["thread_id"])) == {"events"}, "only `thread_deleted` names it"
        assert stored(path, gone["run_id"]) == {}
        for answer in (
            await http.get(f"/api/threads/{gone['thread_id']}"),
            await http.get(f"/api/threads/{gone['thread_id']}/messages"),
            await http.get(f"/api/threads/{gone['thread_id']}/events"),
            await http.get(f"/api/runs/{gone['run_id']}"),
            await http.delete(f"/api/threads/{gone['thread_id']}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        error = await client.ask(
            "user_message", {"text": "x", "client_message_id": "x", "thread_id": gone["thread_id"]}
        )
        assert error["payload"]["code"] == "not_found"
        error = await client.ask("stop_agent", {"run_id": gone["run_id"]})
        assert error["payload"]["code"] == "not_found"

    record = await replay(model_backed, alice)
    kinds = [event["type"] for event in record.events]
    assert kinds.count("erased") == 1, "neighbours became one"
    erased = record.events[kinds.index("erased")]
    assert erased["payload"] == {}
    assert (erased["thread_id"], erased["run_id"]) == (None, None)
    assert erased["first_seq"] < erased["seq"]
    assert kinds[-1] == "thread_deleted"
    assert "agent_completed" in kinds[kinds.index("erased") :], "what came after it is still there"


async def test_a_cursor_inside_what_was_erased_goes_on_from_there(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    alice = await model_backed.person()
    async with model_backed.client(alice) as client, model_backed.http(alice) as http:
        await client.resume()
        await fill(client, model)
        seen = client.record
        middle = seen.seq // 2
        await http.delete(f"/api/threads/{seen.events[0]['thread_id']}")
        await client.until_type("thread_deleted")
    late = Record(seen.epoch, middle)
    async with Client(f"ws://127.0.0.1:{model_backed.port}/ws", alice.token, late) as client:
        await client.resume()
        event = await client.event()
        assert (event["type"], event.get("first_seq", event["seq"])) == ("erased", middle + 1)
        await client.until_type("thread_deleted")


async def test_two_deleted_neighbours_are_one_and_two_apart_are_two(model_backed: RunningServer) -> None:
    alice = await model_backed.person()
    async with model_backed.client(alice) as client, model_backed.http(alice) as http:
        await client.resume()
        runs = [await client.say(f"number {number}") for number in range(1)]
        for number in range(1, 4):
            await client.until_end(runs[-1]["run_id"])
            runs.append(await client.say(f"number {number}"))
        await client.until_end(runs[-1]["run_id"])
        for index, expected in ((0, 1), (2, 2), (1, 1)):
            await http.delete(f"/api/threads/{runs[index]['thread_id']}")
            await client.until_type("thread_deleted")
            record = await replay(model_backed, alice)
            assert [event["type"] for event in record.events].count("erased") == expected


async def test_deleting_stops_what_runs_there_first(model_backed: RunningServer, model: FakeModelServer) -> None:
    model.scripts["hang"] = [[Text("begins"), Hang()]]
    alice = await model_backed.person()
    async with model_backed.client(alice) as client, model_backed.http(alice) as http:
        await client.resume()
        open_run = await client.say("script:hang")
        queued = await client.say("waits", thread_id=open_run["thread_id"], when_busy="queue")
        await client.until_type("agent_message_delta")
        other = await client.say("script:hang")
        assert (await http.delete(f"/api/threads/{open_run['thread_id']}")).status_code == 204
        await (await model.request(0)).hung_up.wait()
        await client.until_type("thread_deleted")
        runs = (await http.get("/api/runs")).json()["runs"]
        assert [(run["id"], run["state"]) for run in runs] == [(other["run_id"], "running")]
        # A live reader saw both end before the thread went, or finds them erased; nothing stays open.
        kinds = [event["type"] for event in client.record.events if event["run_id"] == queued["run_id"]]
        assert kinds in ([], ["agent_stopped"])
        await client.stop()
        await client.until_end(other["run_id"])


async def test_messages_to_a_thread_that_is_being_deleted_go_with_it_or_are_refused(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    """Either order is fine; what isn't: a run without a thread, an answer that never comes, a 500."""
    model.scripts["hang"] = [[Text("begins"), Hang()]]
    alice = await model_backed.person()
    async with model_backed.client(alice) as client, model_backed.http(alice) as http, model_backed.http(alice) as more:
        await client.resume()
        for number in range(4):
            run = await client.say("script:hang")
            path = f"/api/threads/{run['thread_id']}"

            async def keep_sending(number: int = number, path: str = path) -> list[int]:
                codes: list[int] = []
                for again in range(200):
                    said = {"text": "script:hang", "client_message_id": f"{number}-{again}", "when_busy": "interrupt"}
                    codes.append((await more.post(f"{path}/messages", json=said)).status_code)
                    if codes[-1] == 404:
                        break
                return codes

            sending = asyncio.create_task(keep_sending())
            deleted = await http.delete(path)
            assert deleted.status_code == 204, deleted.text
            codes = await sending
            assert set(codes) <= {202, 409, 404}, codes
            assert codes[-1] == 404
            await client.until(lambda event: event["type"] == "thread_deleted")
        assert (await http.get("/api/runs")).json()["runs"] == []
        assert (await http.get("/api/threads")).json()["threads"] == []


async def test_a_thread_that_two_delete_takes_nothing_until_both_are_done(server: RunningServer) -> None:
    agents = server.services.agents
    alice = await server.person()
    async with server.client(alice) as client:
        await client.resume()
        run = await client.say("hello")
        await client.until_end(run["run_id"])
        message = {"text": "x", "client_message_id": "x", "thread_id": run["thread_id"]}
        with agents.taking_no_messages(alice.user_id, run["thread_id"]):
            with agents.taking_no_messages(alice.user_id, run["thread_id"]):
                pass
            refused = await client.ask("user_message", message)
            assert (refused["type"], refused["payload"].get("code")) == ("error", "thread_busy")
        assert (await client.ask("user_message", message))["type"] == "ack"


async def test_a_stream_into_a_deleted_thread_ends(model_backed: RunningServer, model: FakeModelServer) -> None:
    """What an abandoned tool still reports after the end finds the run closed, and writes nothing."""
    alice = await model_backed.person()
    async with model_backed.client(alice) as client, model_backed.http(alice) as http:
        await client.resume()
        model.scripts["hang"] = [[Text("begins"), Hang()]]
        run = await client.say("script:hang")
        await client.until_type("agent_message_delta")
        [supervised] = model_backed.services.supervisor.of_user(alice.user_id)
        assert supervised.handle is not None
        sink = supervised.handle._sink
        await http.delete(f"/api/threads/{run['thread_id']}")
        with pytest.raises(SinkClosed):
            await sink.text("late words")
        head = (await http.get("/api/snapshot")).json()["cursor"]["seq"]
        end = await client.until_type("thread_deleted")
        assert end["seq"] == head
