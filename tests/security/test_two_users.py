"""Two users at once, each on several sockets, with runs, stops and reconnects: nothing crosses."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.fakes.model_server import FakeModelServer, Hang, Text, Thinking, ToolCall
from tests.harness.client import Client, Frame, Record, check_run
from tests.harness.server import Person, RunningServer

ROUNDS = 8
COMMON = "harvest"
"""A word that both users say, so that a search for it could find either's."""


class OneUsersClient(Client):
    """A socket that fails the test when anything on it bears a mark of somebody else."""

    foreign: frozenset[str] = frozenset()

    async def frame(self) -> Frame:
        frame = await super().frame()
        text = json.dumps(frame, ensure_ascii=False)
        for mark in self.foreign:
            assert mark not in text, f"{mark!r} in {text}"
        return frame


class Tenant:
    """One of the users: a word of their own in everything they say, write down, look for and are answered."""

    def __init__(self, server: RunningServer, model: FakeModelServer, person: Person, word: str, foreign: str) -> None:
        self._server = server
        self.person = person
        self.word = word
        self._foreign = frozenset({foreign})
        self.record = Record()
        self._dice = random.Random(word)
        self._words = [Text(f"{word}{number} ") for number in range(12)]
        model.scripts[f"{word}-talk"] = [[Thinking(f"{word} thinks. "), *self._words]]
        model.scripts[f"{word}-endless"] = [[*self._words, Hang()]]
        model.scripts[f"{word}-tools"] = [
            [ToolCall("add_note", {"text": f"{word} and the {COMMON}"})],
            [ToolCall("list_notes", {}), ToolCall("search_threads", {"query": COMMON})],
            [ToolCall("delete_note", {"number": 1}), ToolCall("search_threads", {"query": word})],
            self._words,
        ]

    @asynccontextmanager
    async def socket(self, record: Record | None = None) -> AsyncIterator[OneUsersClient]:
        client = OneUsersClient(f"ws://127.0.0.1:{self._server.port}/ws", self.person.token, record)
        client.foreign = self._foreign
        async with client:
            yield client

    async def live(self) -> None:
        """Talk, use tools, stop, lose the connection, come back; a second socket hears all of it."""
        async with self.socket() as other_tab:
            await other_tab.resume(from_start=True)
            for number in range(ROUNDS):
                async with self.socket(self.record) as client:
                    await client.resume(from_start=not self.record.epoch)
                    await self._round(client, number)
            supervisor = self._server.services.supervisor
            await supervisor.ended(supervisor.of_user(self.person.user_id))
            async with self.socket(self.record) as client:
                head = (await client.resume())["head"]
                for reader in (client, other_tab):
                    while reader.record.seq < head:
                        await reader.event()

    async def _round(self, client: OneUsersClient, number: int) -> None:
        what = self._dice.randrange(4)
        kind = "endless" if what == 1 else "tools" if number % 2 else "talk"
        run = await client.say(f"script:{self.word}-{kind} {self.word} brings in the {COMMON}")
        match what:
            case 0:
                await client.until_end(run["run_id"])
            case 1:
                await client.stop()
                await client.until_end(run["run_id"])
            case 2:
                client.cut()
            case _:
                await client.until_type("agent_started", run_id=run["run_id"])
                client.cut()


async def test_nothing_crosses_between_two_users_at_work(model_backed: RunningServer, model: FakeModelServer) -> None:
    names = {"apple": "walnut", "walnut": "apple"}
    tenants = [
        Tenant(model_backed, model, await model_backed.person(word), word, foreign) for word, foreign in names.items()
    ]
    await asyncio.gather(*(tenant.live() for tenant in tenants))

    for tenant in tenants:
        runs = {event["run_id"] for event in tenant.record.events if event["run_id"]}
        assert len(runs) == ROUNDS
        for run_id in runs:
            check_run(tenant.record.of_run(run_id))
        found = [event["payload"] for event in tenant.record.events if event["type"] == "tool_completed"]
        assert {each["tool_name"] for each in found} >= {"add_note", "list_notes", "search_threads"}
        assert any(COMMON in str(each["result"]) for each in found if each["tool_name"] == "search_threads")
        assert any(event["type"] == "agent_stopped" for event in tenant.record.events)
    # The model was never given one's words, notes or findings together with the other's.
    for request in model.requests:
        body = json.dumps(request.body)
        assert ("apple" in body) != ("walnut" in body)
    assert len({_user_of(request.body, names) for request in model.requests}) == 2


async def test_neither_search_nor_snapshot_nor_history_shows_the_other(
    model_backed: RunningServer, model: FakeModelServer
) -> None:
    first, second = await model_backed.person("alice"), await model_backed.person("mallory")
    model.scripts["tell"] = [[ToolCall("search_threads", {"query": "recipe"})], [Text("told")]]
    async with model_backed.client(first) as client:
        await client.resume()
        run = await client.say("the secret recipe is saffron")
        await client.until_end(run["run_id"])
    async with model_backed.client(second) as client:
        await client.resume()
        run = await client.say("script:tell what is the recipe?")
        await client.until_end(run["run_id"])
        results = [event["payload"]["result"] for event in client.record.events if event["type"] == "tool_completed"]
    assert len(results) == 1
    assert "saffron" not in json.dumps(results)
    async with model_backed.http(second) as http:
        for path in ("/api/snapshot", "/api/threads", "/api/runs"):
            assert "saffron" not in (await http.get(path)).text
    assert all("saffron" not in json.dumps(request.body) for request in model.requests[1:])


def _user_of(body: dict[str, Any], names: dict[str, str]) -> str:
    return next(word for word in names if word in json.dumps(body))
