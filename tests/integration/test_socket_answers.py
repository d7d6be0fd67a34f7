"""How a socket's frames are answered: a defect costs one answer, and only so many are under way at once."""

from __future__ import annotations

import asyncio

import pytest

from netra_backend.app.routes import websocket
from tests.harness.process import eventually
from tests.harness.server import RunningServer


async def test_a_defect_in_an_answer_is_told_by_a_reference_and_costs_nothing_else(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("what is inside")

    alice = await server.person()
    async with server.client(alice) as client:
        with monkeypatch.context() as patch:
            patch.setattr(server.services.threads, "open_log", broken)
            answer = await client.ask("resume")
        assert (answer["type"], answer["payload"]["code"]) == ("error", "internal")
        said = answer["payload"]["message"]
        assert "inside" not in said
        assert "Traceback" not in said
        logged = [record for record in caplog.records if "could not be answered" in record.getMessage()]
        assert len(logged) == 1
        reference = said.split("reference ")[1].rstrip(")")
        assert reference in logged[0].getMessage()
        assert logged[0].exc_info is not None
        await client.resume()


async def test_a_socket_has_so_many_answers_under_way(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that hangs holds up answers; beyond the limit the socket is read no further."""
    monkeypatch.setattr(websocket, "PATIENCE", 0.001)
    monkeypatch.setattr(websocket, "MAX_UNANSWERED", 3)
    gate, under_way, most = asyncio.Event(), 0, 0
    open_log = server.services.threads.open_log

    async def hanging(context: object) -> object:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await gate.wait()
        under_way -= 1
        return await open_log(context)  # pyright: ignore[reportArgumentType]

    alice = await server.person()
    async with server.client(alice) as client, server.client(alice) as other:
        monkeypatch.setattr(server.services.threads, "open_log", hanging)
        asked = [await client.send("resume") for _ in range(10)]
        await eventually(lambda: under_way == 3, "three answers wait")
        for _ in range(20):
            assert (await other.ask("ping"))["type"] == "pong", "another socket is served"
        gate.set()
        answers = [await client.frame() for _ in asked]
    assert sorted(answer["reply_to"] for answer in answers) == sorted(asked)
    # Events flow once, however many asked for them at the same time.
    assert sorted(answer["type"] for answer in answers) == ["ack", *["error"] * 9]
    assert {answer["payload"].get("code") for answer in answers} == {None, "invalid_frame"}
    assert most == 3
