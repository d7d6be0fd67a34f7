"""Beyond capacity runs wait in line, visibly, instead of every stream getting later and later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx

from tests.fakes.model_server import FakeModelServer, Text, WaitFor
from tests.harness.client import Client
from tests.harness.server import RunningServer

RUNS = 5
PLACES = 2


async def counts(http: httpx.AsyncClient) -> tuple[int, int]:
    found = (await http.get("/health/ready")).json()
    return found["running"], found["waiting"]


async def test_beyond_capacity_runs_wait_in_line(
    serve: Callable[..., AbstractAsyncContextManager[RunningServer]], model: FakeModelServer
) -> None:
    gates = [asyncio.Event() for _ in range(RUNS)]
    for number, gate in enumerate(gates):
        model.scripts[f"run{number}"] = [[Text(f"{number}"), WaitFor(gate)]]
    settings = {"model": "openai:fake", "model_base_url": model.base_url, "max_running_runs": PLACES}
    async with serve(**settings) as server, server.http() as http:
        clients: list[Client] = []
        runs: list[str] = []
        for number in range(RUNS):
            client = server.client(await server.person(f"user{number}"))
            await client.__aenter__()
            clients.append(client)
            await client.resume()
            runs.append((await client.say(f"script:run{number}"))["run_id"])
        for client in clients[:PLACES]:
            await client.until_type("agent_message_delta")
        assert await counts(http) == (PLACES, RUNS - PLACES)
        assert len(model.requests) == PLACES, "a run that waits asks the model nothing"
        for number in range(RUNS):
            gates[number].set()
            ended = await clients[number].until_end(runs[number])
            assert ended["payload"]["final_response"] == f"{number}"
            if number + PLACES < RUNS:
                # Of two places that become free together, chance decides whose request arrives first.
                await clients[number + PLACES].until_type("agent_message_delta")
        asked = [request.said for request in model.requests[PLACES:]]
        assert asked == [f"script:run{number}" for number in range(PLACES, RUNS)], "in the order in which they came"
        assert await counts(http) == (0, 0)
        for client in clients:
            await client.__aexit__(None, None, None)
