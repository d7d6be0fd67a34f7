"""Tools: what they are given and give is masked and cut before it is logged, and a deaf one freezes nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from netra_backend.app.runs.redaction import MASK, presentable
from tests.fakes.model_server import FakeModelServer, Text, ToolCall
from tests.harness.client import check_run
from tests.harness.deadline import DEADLINE
from tests.harness.server import RunningServer
from tests.integration import agent_with_tools

SECRETS = ["hunter2", "sk-live-123", "abc.def.ghi", "tok-777"]
LIMIT = 2000


@pytest.fixture
async def server(
    serve: Callable[..., AbstractAsyncContextManager[RunningServer]], model: FakeModelServer
) -> AsyncIterator[RunningServer]:
    agent_with_tools.release.clear()
    async with serve(
        agent="tests.integration.agent_with_tools:agent",
        model="openai:fake",
        model_base_url=model.base_url,
        max_tool_value_chars=LIMIT,
        stop_grace=0.05,
        sync_tool_threads_per_user=2,
    ) as running:
        try:
            yield running
        finally:
            agent_with_tools.release.set()


async def test_secrets_and_long_values_never_reach_the_log(server: RunningServer, model: FakeModelServer) -> None:
    arguments: dict[str, Any] = {
        "headers": {"X-Api-Key": "sk-live-123", "Authorization": "Bearer abc.def.ghi", "Accept": "text/html"},
        "body": {"user": "alice", "password": "hunter2", "nested": [{"clientSecret": "hunter2"}], "max_tokens": 5},
        "url": "https://api.example/" + "x" * 50_000,
    }
    model.scripts["call"] = [[ToolCall("call_api", arguments)], [Text("done")]]
    alice = await server.person()
    async with server.client(alice) as client, server.http(alice) as http:
        await client.resume()
        run = await client.say("script:call")
        await client.until_end(run["run_id"])
        seen = json.dumps([client.record.events, (await http.get(f"/api/runs/{run['run_id']}")).json()])
        events = (await http.get(f"/api/threads/{run['thread_id']}/events")).text
    for secret in SECRETS:
        assert secret not in seen
        assert secret not in events
    told = {event["type"]: event["payload"] for event in client.record.of_run(run["run_id"])}
    shown = told["tool_executing"]["parameters"]
    assert shown["headers"] == {"X-Api-Key": MASK, "Authorization": MASK, "Accept": "text/html"}
    assert shown["body"] == {"user": "alice", "password": MASK, "nested": [{"clientSecret": MASK}], "max_tokens": 5}
    assert len(json.dumps(shown)) < LIMIT + 500
    assert len(json.dumps(told["tool_completed"]["result"])) < LIMIT + 500
    assert shown["url"].endswith("more characters]"), "what is cut says so"
    # The model, which is to work with it, was given the whole answer.
    assert "tok-777" in json.dumps(model.requests[1].body)


SECRET_KEYS = """
password old_password db_passwd passphrase pwd secret client_secret clientSecret token access_token authToken
api_key apiKey API-KEY x-api-key Authorization proxy-authorization Set-Cookie cookies credentials private_key
private-key AccessKey aws_secret_access_key bearer auth otp
"""


@pytest.mark.parametrize("key", SECRET_KEYS.split())
def test_a_key_that_looks_secret_is_masked_however_it_is_spelled(key: str) -> None:
    for value in ("hunter2", ["hunter2"], {"a": "hunter2"}, 1234):
        assert presentable({"outer": [{key: value}]}, 1000) == {"outer": [{key: MASK}]}


@pytest.mark.parametrize("key", ["max_tokens", "tokens", "author", "keyboard", "passenger", "monkey", "compass_n"])
def test_a_key_that_does_not_is_shown(key: str) -> None:
    assert presentable({key: "value"}, 1000) == {key: "value"}


async def test_a_tool_that_raises_fails_the_run_and_shows_nothing_of_the_server(
    server: RunningServer, model: FakeModelServer
) -> None:
    model.scripts["fail"] = [[ToolCall("fail", {"why": "broken"})], [Text("never mind")]]
    alice = await server.person()
    async with server.client(alice) as client:
        await client.resume()
        run = await client.say("script:fail")
        await client.until_end(run["run_id"])
    events = client.record.of_run(run["run_id"])
    check_run(events)
    told = json.dumps(events)
    assert "sk-live-999" not in told
    assert "/home/somebody" not in told


async def test_a_blocking_tool_freezes_nobody(server: RunningServer, model: FakeModelServer) -> None:
    """agentlys PR #230: five minutes of 502 for everybody, by one tool of one user."""
    model.scripts["block"] = [[Text("let me see "), ToolCall("block", {})], [Text("done")]]
    alice, bob = await server.person("alice"), await server.person("bob")
    async with server.client(alice) as client, server.client(bob) as other, server.http(bob) as http:
        await client.resume()
        await other.resume()
        # More than she has threads for: the third waits in her line and in nobody else's.
        runs = [await client.say("script:block") for _ in range(3)]
        for _ in range(2):
            assert await asyncio.to_thread(agent_with_tools.entered.acquire, timeout=DEADLINE)
        assert (await other.ask("ping"))["type"] == "pong"
        theirs = await other.say("words")
        assert (await other.until_end(theirs["run_id"]))["type"] == "agent_completed"
        assert (await http.get("/api/snapshot")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 200
        assert (await client.ask("ping"))["type"] == "pong", "nor herself"
        # His blocking tool gets a thread of his own.
        blocked = await other.say("script:block")
        assert await asyncio.to_thread(agent_with_tools.entered.acquire, timeout=DEADLINE)

        stopped = await client.stop(run_id=runs[0]["run_id"])
        assert stopped[0]["outcome"] == "stopping"
        end = await client.until_end(runs[0]["run_id"])
        assert end["type"] == "agent_stopped"
        closed = [event["payload"] for event in client.record.of_run(runs[0]["run_id"])]
        assert [each["status"] for each in closed if "status" in each] == ["unknown"], "it may still have its effect"
        assert not agent_with_tools.entered.acquire(blocking=False), "the abandoned tool keeps its place"

        agent_with_tools.release.set()
        for run in runs[1:]:
            if not any(event["type"] == "agent_completed" for event in client.record.of_run(run["run_id"])):
                await client.until_type("agent_completed", run_id=run["run_id"])
        await other.until_end(blocked["run_id"])
        for run in runs:
            check_run(client.record.of_run(run["run_id"]))
    assert agent_with_tools.entered.acquire(blocking=False), "the third had its turn"
