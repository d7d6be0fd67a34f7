"""Sending: once however often it is sent, in order, within limits; and what a busy thread does with it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.fakes.model_server import FakeModelServer, Text, WaitFor
from tests.harness.client import TERMINAL, Client, Frame, check_run
from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]


def gate(model: FakeModelServer, name: str) -> asyncio.Event:
    """A script that says something, then waits for the event that this returns."""
    event = asyncio.Event()
    model.scripts[name] = [[Text(f"{name} begins "), WaitFor(event), Text("and ends")]]
    return event


async def refused(client: Client, **payload: object) -> Frame:
    """What the error of this message says."""
    answer = await client.ask("user_message", {"text": "more", "client_message_id": str(uuid.uuid4())} | payload)
    assert answer["type"] == "error", answer
    return answer["payload"]


async def test_a_message_that_is_sent_again_is_the_same_message(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    alice = await model_backed.person()
    said = {"text": "hello", "client_message_id": "c1"}
    async with model_backed.client(alice) as client, model_backed.client(alice) as other:
        await client.resume()
        # At the same moment, on one socket, on another, and over HTTP once there is a thread.
        answers = await asyncio.gather(client.ask("user_message", said), other.ask("user_message", said))
        first = answers[0]["payload"]
        assert all(answer["payload"] == first for answer in answers)
        assert (await other.ask("user_message", said))["payload"] == first
        await client.until_end(first["run_id"])
        assert (await client.ask("user_message", said))["payload"] == first, "also after its end"
        named = said | {"thread_id": first["thread_id"]}
        assert (await client.ask("user_message", named))["payload"] == first, "also naming the thread it made"
        assert (await client.ask("user_message", said | {"when_busy": "queue"}))["payload"] == first
        client.cut()
    async with model_backed.client(alice) as back, model_backed.http(alice) as http:
        assert (await back.ask("user_message", said))["payload"] == first, "also after a reconnect"
        body = {"text": "hello", "client_message_id": "c1"}
        started = (await http.post(f"/api/threads/{first['thread_id']}/messages", json=body)).json()
        assert {name: started[name] for name in first} == first
        assert started["repeated"]
        assert len((await http.get("/api/runs")).json()["runs"]) == 1
    assert len(model.requests) == 1


async def test_a_message_that_is_sent_again_after_a_restart_is_the_same_message(
    serve: Serve, model: FakeModelServer
) -> None:
    said = {"text": "hello", "client_message_id": "c1"}
    settings = {"model": "openai:fake", "model_base_url": model.base_url}
    async with serve(**settings) as server:
        alice = await server.person()
        async with server.client(alice) as client:
            first = await client.ask("user_message", said)
    async with serve(**settings) as server, server.client(alice) as client:
        assert (await client.ask("user_message", said))["payload"] == first["payload"]
        async with server.http(alice) as http:
            assert len((await http.get("/api/runs")).json()["runs"]) == 1


async def test_an_id_that_was_used_for_something_else_is_a_conflict(model_backed: RunningServer) -> None:
    alice, bob = await model_backed.person("alice"), await model_backed.person("bob")
    async with model_backed.client(alice) as client, model_backed.http(alice) as http:
        await client.resume()
        first = await client.say("hello", client_message_id="c1")
        await client.until_end(first["run_id"])
        other_thread = (await http.post("/api/threads")).json()["id"]
        head = (await http.get("/api/snapshot")).json()["cursor"]
        for different in ({"text": "hello!"}, {"text": "hello", "thread_id": other_thread}):
            error = await refused(client, client_message_id="c1", **different)
            assert (error["code"], error["field"]) == ("idempotency_conflict", "payload.client_message_id")
        answer = await http.post(
            f"/api/threads/{other_thread}/messages", json={"text": "hello", "client_message_id": "c1"}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
        assert answer.json()["field"] == "client_message_id"
        assert (await http.get("/api/snapshot")).json()["cursor"] == head
    async with model_backed.client(bob) as client:
        assert (await client.say("another's", client_message_id="c1"))["run_id"] != first["run_id"], "ids are per user"


async def test_a_refused_message_uses_up_no_id(model_backed: RunningServer, model: FakeModelServer) -> None:
    go = gate(model, "first")
    alice = await model_backed.person()
    async with model_backed.client(alice) as client:
        await client.resume()
        first = await client.say("script:first")
        await client.until_type("agent_message_delta")
        error = await refused(client, thread_id=first["thread_id"], client_message_id="c2")
        assert error["code"] == "thread_busy"
        go.set()
        await client.until_end(first["run_id"])
        second = await client.say("something else entirely", thread_id=first["thread_id"], client_message_id="c2")
        await client.until_end(second["run_id"])


async def test_a_busy_thread_rejects_unless_told_otherwise(model_backed: RunningServer, model: FakeModelServer) -> None:
    go = gate(model, "first")
    alice = await model_backed.person()
    async with model_backed.client(alice) as client, model_backed.http(alice) as http:
        await client.resume()
        first = await client.say("script:first")
        await client.until_type("agent_message_delta")
        seq = client.record.seq
        for payload in ({}, {"when_busy": "reject"}):
            assert (await refused(client, thread_id=first["thread_id"], **payload))["code"] == "thread_busy"
        answer = await http.post(
            f"/api/threads/{first['thread_id']}/messages", json={"text": "x", "client_message_id": "c3"}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "thread_busy")
        elsewhere = await client.say("another thread is free")
        await client.until_end(elsewhere["run_id"])
        assert client.record.events[seq]["type"] == "thread_created", "the refused ones left nothing in the log"
        go.set()
        assert (await client.until_end(first["run_id"]))["type"] == "agent_completed"


async def test_queued_runs_start_one_after_the_other_in_their_order(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    go = gate(model, "first")
    alice = await model_backed.person()
    async with model_backed.client(alice) as client:
        await client.resume()
        first = await client.say("script:first")
        queued = [
            await client.say(f"number {number}", thread_id=first["thread_id"], when_busy="queue") for number in range(4)
        ]
        go.set()
        await client.until_end(queued[-1]["run_id"])
    order = [first["run_id"], *(run["run_id"] for run in queued)]
    told = [
        (event["run_id"], event["type"])
        for event in client.record.events
        if event["type"] in TERMINAL | {"agent_started"}
    ]
    assert told == [(run, kind) for run in order for kind in ("agent_started", "agent_completed")]
    created = [event["payload"] for event in client.record.events if event["type"] == "message_created"]
    assert [each["run_state"] for each in created] == ["running", *["queued"] * 4]
    # Each turn was given those before it.
    assert [request.said for request in model.requests] == ["script:first", *(f"number {n}" for n in range(4))]
    assert [sum(m["role"] == "user" for m in request.messages) for request in model.requests] == [1, 2, 3, 4, 5]


async def test_an_interrupting_message_starts_after_the_end_of_what_it_stopped(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    gate(model, "first")
    alice = await model_backed.person()
    async with model_backed.client(alice) as client:
        await client.resume()
        first = await client.say("script:first")
        waiting = await client.say("never begins", thread_id=first["thread_id"], when_busy="queue")
        await client.until_type("agent_message_delta", run_id=first["run_id"])
        now = await client.say("now this", thread_id=first["thread_id"], when_busy="interrupt")
        await client.until_end(now["run_id"])
    await (await model.request(0)).hung_up.wait()
    runs = {name: client.record.of_run(run["run_id"]) for name, run in [("a", first), ("b", waiting), ("c", now)]}
    for events in runs.values():
        check_run(events)
    assert [event["type"] for event in runs["b"]] == ["agent_stopped"]
    assert runs["a"][-1]["type"] == "agent_stopped"
    assert runs["a"][-1]["payload"]["partial_response"] == "first begins "
    assert runs["c"][-1]["type"] == "agent_completed"
    assert runs["a"][-1]["seq"] < runs["c"][0]["seq"]
    # The stop, the new message and the end of what waited are one unit: neighbours in the log.
    created = next(e for e in client.record.events if e["payload"].get("run_id") == now["run_id"])
    stopping = next(e for e in runs["a"] if e["type"] == "agent_stopping")
    assert [stopping["seq"], runs["b"][0]["seq"], created["seq"]] == list(range(stopping["seq"], stopping["seq"] + 3))


async def test_a_full_queue_says_so_and_takes_nothing(serve: Serve, model: FakeModelServer) -> None:
    go = gate(model, "first")
    async with serve(model="openai:fake", model_base_url=model.base_url, max_queued_runs_per_user=2) as server:
        alice, bob = await server.person("alice"), await server.person("bob")
        async with server.client(alice) as client, server.client(bob) as other:
            await client.resume()
            first = await client.say("script:first")
            queue = {"thread_id": first["thread_id"], "when_busy": "queue"}
            runs = [await client.say("waits", **queue) for _ in range(2)]
            await client.until_type("agent_message_delta", run_id=first["run_id"])
            error = await refused(client, **queue)
            assert error["code"] == "queue_full"
            assert error["retry_after"] > 0
            await other.resume()
            theirs = await other.say("somebody else's queue is empty")
            await other.until_end(theirs["run_id"])
            assert await client.stop(run_id=runs[0]["run_id"]) == [{"run_id": runs[0]["run_id"], "outcome": "stopping"}]
            runs.append(await client.say("there is room again", **queue))
            go.set()
            await client.until_end(runs[-1]["run_id"])
            assert len(client.record.of_run(runs[0]["run_id"])) == 1


async def test_runs_beyond_a_users_places_wait_and_others_do_not(serve: Serve, model: FakeModelServer) -> None:
    go = gate(model, "held")
    async with serve(model="openai:fake", model_base_url=model.base_url, max_running_runs_per_user=2) as server:
        alice, bob = await server.person("alice"), await server.person("bob")
        async with server.client(alice) as client, server.client(bob) as other:
            await client.resume()
            runs = [await client.say("script:held") for _ in range(4)]
            await other.resume()
            theirs = await other.say("free")
            await other.until_end(theirs["run_id"])
            assert len(model.requests) <= 3
            go.set()
            ends = {(await client.until_end())["run_id"] for _ in runs}
            assert ends == {run["run_id"] for run in runs}
        started = [event["run_id"] for event in client.record.events if event["type"] == "agent_started"]
        assert started == [run["run_id"] for run in runs]


async def test_too_many_messages_in_a_minute_are_refused_with_the_time_to_wait(serve: Serve) -> None:
    async with serve(messages_per_minute=3) as server:
        alice, bob = await server.person("alice"), await server.person("bob")
        async with server.client(alice) as client, server.client(bob) as other, server.http(alice) as http:
            await client.resume()
            for _ in range(3):
                await client.until_end((await client.say("hello"))["run_id"])
            head = (await http.get("/api/snapshot")).json()["cursor"]
            error = await refused(client)
            assert error["code"] == "rate_limited"
            assert 0 < error["retry_after"] <= 60
            thread = (await http.get("/api/threads")).json()["threads"][0]["id"]
            answer = await http.post(f"/api/threads/{thread}/messages", json={"text": "x", "client_message_id": "y"})
            assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
            assert int(answer.headers["retry-after"]) >= 1
            assert (await http.get("/api/snapshot")).json()["cursor"] == head
            assert (await client.ask("ping"))["type"] == "pong"
            assert await client.stop() == []
            assert (await other.say("not my limit"))["run_id"]


@pytest.mark.parametrize("thread_id", ["none", "x", str(uuid.UUID(int=0))])
async def test_a_thread_that_is_not_there_takes_no_message(server: RunningServer, thread_id: str) -> None:
    alice = await server.person()
    async with server.client(alice) as client:
        error = await refused(client, thread_id=thread_id)
        assert (error["code"], error["field"]) == ("not_found", "payload.thread_id")
