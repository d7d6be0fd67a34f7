"""SIGTERM ends the process whatever hangs, within the grace and a bound, and loses nothing that was acknowledged."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from netra_backend.app.server import LAST
from tests.fakes.model_server import FakeModelServer, Hang, Text, ToolCall
from tests.harness.client import Client, Frame, check_run
from tests.harness.process import DEADLINE, ServerProcess, eventually, people
from tests.harness.server import Person

GRACE = 1


@pytest.fixture
async def alice(tmp_path: Path) -> Person:
    (person,) = await people(tmp_path / "data", "alice")
    return person


@pytest.fixture
async def server(alice: Person, tmp_path: Path, model: FakeModelServer) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(
        tmp_path / "data",
        agent="tests.fakes.hanging_agent:agent",
        model="openai:fake",
        model_base_url=model.base_url,
        drain_grace=GRACE,
    ) as server:
        yield server


async def in_tool(client: Client, model: FakeModelServer, tool: str) -> Frame:
    model.scripts["hang"] = [[Text("I begin. "), ToolCall(tool, {})]]
    run = await client.say("script:hang please")
    await client.until_type("tool_executing", run_id=run["run_id"])
    return run


async def ends(server: ServerProcess) -> str:
    """Tell it to end, and wait until it has; returns what it wrote. That it ends at all within the deadline is what is
    promised: the grace, and a bound of the server's own, which lies well below."""
    assert GRACE + LAST < DEADLINE
    await server.sigterm()
    return "".join(server.output)


async def ended_well(server: ServerProcess, alice: Person, client: Client, run: Frame, how: str) -> None:
    """What was acknowledged is there after a restart, and the run has its one end."""
    await server.start()
    async with server.client(alice, client.record) as back:
        await back.resume()
        if not any(
            event["type"].startswith("agent_") and event["type"] == how for event in client.record.of_run(run["run_id"])
        ):
            end = await back.until_end(run["run_id"])
            assert (end["type"], end["payload"]["code"]) == (how, "worker_lost")
    check_run(client.record.of_run(run["run_id"]))


@pytest.mark.parametrize("tool", ["hold_on", "block", "block_a_worker"])
async def test_with_a_tool_that_never_ends(server: ServerProcess, alice: Person, model: FakeModelServer, tool: str):
    await server.start()
    async with server.client(alice) as client:
        await client.resume()
        run = await in_tool(client, model, tool)
        server.signal_term()
        end = await client.until_end(run["run_id"])
        assert (end["type"], end["payload"]["code"]) == ("agent_failed", "worker_lost")
        await client.heard("server_draining")
    said = await ends(server)
    assert f"waiting for runs to end: {run['run_id']}" in said
    await ended_well(server, alice, client, run, "agent_failed")


async def test_with_an_event_loop_that_does_not_come_round(
    server: ServerProcess, alice: Person, model: FakeModelServer
):
    await server.start()
    async with server.client(alice) as client:
        await client.resume()
        run = await in_tool(client, model, "block_the_loop")
        said = await ends(server)
        assert "leaving while waiting for the event loop" in said
        await ended_well(server, alice, client, run, "agent_failed")


async def test_with_a_model_that_never_answers_and_clients_that_do_not_read(
    server: ServerProcess, alice: Person, model: FakeModelServer
):
    await server.start()
    model.scripts["silent"] = [[Hang()]]
    async with server.client(alice) as client:
        await client.resume()
        run = await client.say("script:silent please")
        await client.until_type("agent_started", run_id=run["run_id"])
        async with AsyncExitStack() as stack:
            for _ in range(3):
                peer = socket.create_connection(("127.0.0.1", server.port))
                stack.callback(peer.close)
                peer.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n")
            server.signal_term()
            end = await client.until_end(run["run_id"])
            assert (end["type"], end["payload"]["code"]) == ("agent_failed", "worker_lost")
            await ends(server)
    await ended_well(server, alice, client, run, "agent_failed")


async def test_while_another_process_holds_the_database(server: ServerProcess, alice: Person, model: FakeModelServer):
    await server.start()
    model.scripts["silent"] = [[Text("I begin. "), Hang()]]
    other = sqlite3.connect(server.data_dir / "netra.db", isolation_level=None, timeout=30)
    try:
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("script:silent please")
            await client.until_type("agent_message_delta", run_id=run["run_id"])
            other.execute("BEGIN IMMEDIATE")
            said = await ends(server)
            assert "still waiting for" in said
    finally:
        other.close()
    await ended_well(server, alice, client, run, "agent_failed")


async def test_while_an_agent_is_being_imported(server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begun = tmp_path / "begun"
    monkeypatch.setitem(os.environ, "HANGING_AGENT_IMPORT", str(begun))
    server.spawn()
    # Nothing is asked of it meanwhile: its port may be open already, and the answer would come after the import.
    await eventually(begun.exists, "the agent is being imported")
    await ends(server)
