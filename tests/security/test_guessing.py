"""Guessing passwords at full speed slows down the guesser, and nobody else: over HTTP, from many addresses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import httpx
import pytest

from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.storage.users import Users
from tests.harness.deadline import DEADLINE
from tests.harness.process import eventually
from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]
PASSWORD = "correct horse"


@pytest.fixture
async def server(serve: Serve) -> AsyncIterator[RunningServer]:
    async with serve() as server:
        hashed = await server.services.passwords.hash(PASSWORD)
        for name in ("owner", "colleague"):
            await server.services.log.write(
                lambda rows, name=name: Users(rows).create(f"{name}@example.org", "user", hashed, now_ms())
            )
        yield server


def client_at(server: RunningServer, address: str) -> httpx.AsyncClient:
    """A client whose requests come from this address of the loopback network."""
    return httpx.AsyncClient(
        base_url=server.url, transport=httpx.AsyncHTTPTransport(local_address=address), timeout=DEADLINE
    )


async def sign_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> int:
    body = {"email": f"{name}@example.org", "password": password}
    return (await client.post("/api/auth/login", json=body)).status_code


@asynccontextmanager
async def guessing(server: RunningServer, addresses: list[str], name: str) -> AsyncIterator[Counter[int]]:
    """While the body runs, each address tries without a pause. Gives what they are answered."""
    answers: Counter[int] = Counter()

    async def guess(client: httpx.AsyncClient, number: int) -> None:
        while True:
            answers[await sign_in(client, name.format(number), "wrong horse")] += 1

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_at(server, address)) for address in addresses]
        tasks = [asyncio.create_task(guess(client, number)) for number, client in enumerate(clients)]
        try:
            await eventually(lambda: sum(answers.values()) > 5 * len(tasks), "the guessers are at work")
            yield answers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


@pytest.mark.parametrize("addresses", [["127.0.1.1"] * 8, [f"127.0.1.{number}" for number in range(1, 16)]])
async def test_the_owner_elsewhere_signs_in_while_one_or_many_guess(server: RunningServer, addresses: list[str]):
    async with guessing(server, addresses, "owner") as answers, client_at(server, "127.0.2.1") as owner:
        assert await sign_in(owner, "owner") == 200
        # Whoever shares the guesser's address has another account, and isn't hindered either.
        async with client_at(server, addresses[0]) as colleague:
            assert await sign_in(colleague, "colleague") == 200
    assert set(answers) <= {401, 429}
    assert answers[401] <= 10 * len(set(addresses)), "each address has its attempts, and no more"


async def test_a_known_device_signs_in_from_the_guessers_own_address(server: RunningServer):
    async with client_at(server, "127.0.1.1") as owner:
        assert await sign_in(owner, "owner") == 200
        await owner.post("/api/auth/logout", headers={"Origin": server.url})
        assert [cookie.name for cookie in owner.cookies.jar] == ["netra-device"]
        async with guessing(server, ["127.0.1.1"] * 8, "owner"), client_at(server, "127.0.1.1") as unknown:
            assert await sign_in(unknown, "owner") == 429
            assert await sign_in(owner, "owner") == 200


async def test_who_tries_many_accounts_locks_nobody_out_of_the_address(server: RunningServer):
    async with client_at(server, "127.0.1.1") as client:
        for number in range(60):
            assert await sign_in(client, f"nobody-{number}", "wrong horse") == 401
        assert await sign_in(client, "colleague") == 200


async def test_those_who_wait_for_their_attempt_take_up_no_more_than_half_of_the_strangers_places(serve: Serve):
    async with serve(max_strangers=40, login_attempts_per_minute=1) as at, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_at(at, f"127.0.1.{number}")) for number in (1, 2)]
        flood = [
            asyncio.create_task(sign_in(client, f"nobody-{number}", "wrong horse"))
            for client in clients
            for number in range(45)
        ]
        await eventually(lambda: sum(task.done() for task in flood) > 10, "the attempts are taken or refused")
        async with client_at(at, "127.0.2.1") as somebody:
            for _ in range(10):
                assert (await somebody.get("/health/live", headers={"Connection": "close"})).status_code == 200
        for task in flood:
            task.cancel()
        await asyncio.wait(flood)
