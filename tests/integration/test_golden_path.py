"""Log in, talk to an agent, watch it work, stop it, come back."""

from __future__ import annotations

from tests.harness.client import Client, check_run
from tests.harness.server import RunningServer

CRITICAL = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]


async def test_a_message_brings_the_five_critical_events_and_the_answer(server: RunningServer) -> None:
    alice = await server.person()
    async with server.client(alice) as client:
        await client.resume()
        run = await client.say("what is 17*23, and what time is it in Tokyo?")
        end = await client.until_end(run["run_id"])
    events = client.record.of_run(run["run_id"])
    check_run(events)
    assert {event["type"] for event in events} >= set(CRITICAL)
    assert "391" in end["payload"]["final_response"]
    assert "Tokyo" in end["payload"]["final_response"]


async def test_a_stop_ends_the_run_and_keeps_the_partial_answer(server: RunningServer) -> None:
    alice = await server.person()
    async with server.client(alice) as client:
        await client.resume()
        run = await client.say("count to 500 slowly")
        await client.until_type("agent_message_delta")
        assert await client.stop() == [{"run_id": run["run_id"], "outcome": "stopping"}]
        end = await client.until_end(run["run_id"])
        again = await client.stop(run_id=run["run_id"])
    assert end["type"] == "agent_stopped"
    assert again == [{"run_id": run["run_id"], "outcome": "already_finished", "seq": end["seq"]}]
    check_run(client.record.of_run(run["run_id"]))
    async with server.http(alice) as http:
        messages = (await http.get(f"/api/threads/{run['thread_id']}/messages")).json()["messages"]
    assert [(message["role"], message["state"]) for message in messages] == [("user", "complete"), ("agent", "stopped")]
    assert messages[1]["text"] == end["payload"]["partial_response"] != ""


async def test_coming_back_by_cursor_brings_everything_once(server: RunningServer) -> None:
    alice = await server.person()
    async with server.client(alice) as client:
        await client.resume()
        run = await client.say("count to 8")
        await client.until_type("agent_message_delta")
        client.cut()
        record = client.record
    async with Client(f"ws://127.0.0.1:{server.port}/ws", alice.token, record) as back:
        await back.resume()
        await back.until_end(run["run_id"])
    check_run(record.of_run(run["run_id"]))
