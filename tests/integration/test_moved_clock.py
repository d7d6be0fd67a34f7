"""The machine's clock is put forward and back by a day while the server works: no deadline hangs on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from pydantic_ai import _utils as library

from netra_backend.app.auth.sign_in import issue_sign_in_code
from netra_backend.app.protocol import codec
from tests.fakes.model_server import FakeModelServer, Hang, Text, ToolCall
from tests.harness.client import check_run
from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]
DAY = timedelta(days=1)


class Clock:
    """The wall clock of server and agent library; `step` is added at each look."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self.step = timedelta()

    def now(self, _zone: tzinfo | None = None) -> datetime:
        self.offset += self.step
        return datetime.now(UTC) + self.offset


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return clock.now(tz)

    monkeypatch.setattr(codec, "datetime", Moved)
    monkeypatch.setattr(library, "now_utc", clock.now)
    return clock


@pytest.mark.parametrize("step", [DAY, -DAY], ids=["forward", "back"])
async def test_a_run_goes_on_while_the_clock_jumps_at_every_look(
    serve: Serve, model: FakeModelServer, clock: Clock, step: timedelta
):
    model.scripts["tools"] = [[Text("First "), ToolCall("look", {"at": "the sea"})], [Text("then "), Text("the end.")]]
    chosen = {"agent": "tests.fakes.tool_agent:agent", "model": "openai:fake", "model_base_url": model.base_url}
    async with serve(run_timeout=60, **chosen) as server:
        alice = await server.person("alice")
        async with server.client(alice) as client:
            await client.resume()
            # A few days at most: sessions are dates that people were told.
            clock.step = step / 100
            clock.offset = step
            run = await client.say("script:tools please")
            end = await client.until_end(run["run_id"])
            clock.step = timedelta()
            assert end["type"] == "agent_completed"
            story = client.record.of_run(run["run_id"])
            check_run(story)
            (tool,) = [event for event in story if event["type"] == "tool_completed"]
            assert 0 <= tool["payload"]["duration_ms"] < 60_000


async def test_a_run_that_may_take_a_second_takes_one_whatever_the_clock_says(
    serve: Serve, model: FakeModelServer, clock: Clock
):
    model.scripts["hang"] = [[Text("I begin. "), Hang()]]
    async with serve(run_timeout=1, model="openai:fake", model_base_url=model.base_url) as server:
        alice = await server.person("alice")
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("script:hang please")
            await client.until_type("agent_message_delta", run_id=run["run_id"])
            clock.offset = -DAY
            end = await client.until_end(run["run_id"])
            assert (end["type"], end["payload"]["code"]) == ("agent_failed", "timeout_total")


@pytest.mark.parametrize("moved", [DAY, -DAY], ids=["forward", "back"])
async def test_limits_and_sessions_stay_as_they_are(serve: Serve, clock: Clock, moved: timedelta):
    async with serve(searches_per_minute=1, messages_per_minute=1) as server:
        alice = await server.person("alice")
        async with server.http(alice) as http:
            assert (await http.get("/api/search", params={"q": "x"})).status_code == 200
            clock.offset = moved
            limited = await http.get("/api/search", params={"q": "x"})
            assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
            assert 0 < limited.json()["retry_after"] <= 60
            assert (await http.get("/health/ready")).status_code == 200


async def test_a_code_is_good_until_the_date_that_was_told(serve: Serve, clock: Clock):
    async with serve(sign_in_code_minutes=60) as server:
        alice = await server.person("alice")

        async def code() -> str:
            return await server.services.log.write(
                lambda rows: issue_sign_in_code(rows, alice.user_id, server.services.settings)
            )

        early, late = await code(), await code()
        async with server.http() as http:
            clock.offset = -DAY
            assert (await http.post("/api/auth/redeem", json={"code": early})).status_code == 200
            clock.offset = DAY
            assert (await http.post("/api/auth/redeem", json={"code": late})).status_code == 401


async def test_the_end_takes_no_longer(serve: Serve, model: FakeModelServer, clock: Clock):
    model.scripts["hang"] = [[Text("I begin. "), Hang()]]
    async with serve(model="openai:fake", model_base_url=model.base_url, drain_grace=0) as server:
        alice = await server.person("alice")
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("script:hang please")
            await client.until_type("agent_message_delta", run_id=run["run_id"])
            clock.step = -DAY / 100
            await server.services.drain(0)
            clock.step = timedelta()
            end = await client.until_end(run["run_id"])
            assert (end["type"], end["payload"]["code"]) == ("agent_failed", "worker_lost")
