"""One person who asks for everything at once waits, and then is refused; others and their own stop are not held up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx

from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]

PACE = 2
PATHS = ("/api/snapshot", "/api/threads", "/api/runs", "/api/auth/me", "/api/auth/sessions", "/api/export")


async def test_what_one_person_asks_at_once_is_bounded(serve: Serve):
    problems: list[dict[str, object]] = []
    others_are_done = asyncio.Event()

    async def ask_on(http: httpx.AsyncClient, path: str, may_go_on: Callable[[], bool]) -> None:
        while may_go_on():
            answer = await http.get(path)
            assert answer.status_code in {200, 429}
            if answer.status_code == 429:
                problems.append(answer.json())

    async with serve(requests_per_second=PACE) as server:
        alice, bob = await server.person("alice"), await server.person("bob")
        async with server.http(alice) as http, server.http(bob) as others:
            once = iter(range(5 * len(PATHS)))
            await asyncio.gather(*(ask_on(http, path, lambda: next(once, None) is not None) for path in PATHS * 5))
            assert {problem["code"] for problem in problems} == {"rate_limited"}
            assert all(problem["retry_after"] for problem in problems)
            flood = [ask_on(http, path, lambda: not others_are_done.is_set()) for path in PATHS * 5]
            flooding = asyncio.gather(*flood)
            for _ in range(3 * PACE):
                assert (await others.get("/api/snapshot")).status_code == 200
            assert (await http.post("/api/runs/stop")).status_code == 200
            others_are_done.set()
            await flooding


async def test_who_asks_one_thing_after_another_is_slowed_down_and_never_refused(serve: Serve):
    async with serve(requests_per_second=20) as server:
        alice = await server.person("alice")
        async with server.http(alice) as http:
            for _ in range(50):
                assert (await http.get("/api/auth/me")).status_code == 200


async def test_stops_are_bounded_too(serve: Serve):
    async with serve(requests_per_second=PACE) as server:
        alice = await server.person("alice")
        async with server.http(alice) as http:
            stops = await asyncio.gather(*(http.post("/api/runs/stop") for _ in range(60)))
            assert {stop.status_code for stop in stops} == {200, 429}
            assert (await http.get("/api/snapshot")).status_code == 200
