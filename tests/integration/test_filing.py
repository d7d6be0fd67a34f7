"""Pinned and archived conversations, and finding them: in the API, in the log, over a restart of the page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from netra_backend.app.storage.search_terms import folded_title, query_terms, title_patterns
from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]


async def make(http: httpx.AsyncClient, *titles: str) -> list[str]:
    return [
        (await http.post("/api/threads", json={"title": title})).raise_for_status().json()["id"] for title in titles
    ]


async def change(http: httpx.AsyncClient, thread: str, **changes: object) -> dict[str, Any]:
    return (await http.patch(f"/api/threads/{thread}", json=changes)).raise_for_status().json()


async def listed(http: httpx.AsyncClient, **params: Any) -> list[str]:
    found = (await http.get("/api/threads", params=params)).raise_for_status().json()["threads"]
    return sorted(thread["title"] for thread in found)


async def test_what_is_pinned_is_told_at_once_and_what_is_archived_has_a_list_of_its_own(server: RunningServer):
    alice = await server.person()
    async with server.http(alice) as http, server.client(alice) as client:
        await client.resume()
        old, _, away = await make(http, "old", "kept", "away")
        assert (await change(http, old, pinned=True))["pinned"]
        assert (await change(http, away, archived=True))["archived"]
        for thread, pinned, archived in ((old, True, False), (away, False, True)):
            event = await client.until(
                lambda told, thread=thread: (
                    told["payload"].get("thread_id") == thread and told["type"] == "thread_filed"
                )
            )
            assert event["payload"] == {"thread_id": thread, "pinned": pinned, "archived": archived}
        assert await listed(http) == ["kept", "old"]
        assert await listed(http, archived=True) == ["away"]
        told = (await http.get("/api/snapshot", params={"limit": 1})).json()
        # The pinned one though it is older than the page.
        assert {thread["title"] for thread in told["threads"]} == {"old", "kept"}
        more = (await http.get("/api/threads", params={"limit": 1, "cursor": told["next"]})).json()
        assert [thread["title"] for thread in more["threads"]] == ["old"]
        assert (await http.get("/api/snapshot")).json()["next"] is None
        # The one ends the other.
        assert (await change(http, away, pinned=True)).items() >= {"pinned": True, "archived": False}.items()
        assert (await change(http, old, archived=True)).items() >= {"pinned": False, "archived": True}.items()
        assert (await change(http, old, title="renamed", archived=False))["title"] == "renamed"
        assert await listed(http, archived=True) == []
        exported = (await http.get("/api/export", params={"format": "json"})).json()
        assert len(exported["threads"]) == 3


async def test_what_changes_nothing_is_not_told(server: RunningServer):
    alice = await server.person()
    async with server.http(alice) as http:
        (thread,) = await make(http, "one")
        for _ in range(2):
            await change(http, thread, pinned=True)
        events = (await http.get(f"/api/threads/{thread}/events")).json()["events"]
        assert [event["type"] for event in events].count("thread_filed") == 1


async def test_saying_something_in_an_archived_conversation_brings_it_back(server: RunningServer):
    alice = await server.person()
    async with server.http(alice) as http:
        (thread,) = await make(http, "away")
        await change(http, thread, archived=True)
        said = {"text": "hello again", "client_message_id": "1"}
        (await http.post(f"/api/threads/{thread}/messages", json=said)).raise_for_status()
        assert await listed(http) == ["away"]
        events = (await http.get(f"/api/threads/{thread}/events")).json()["events"]
        filed = [event["payload"] for event in events if event["type"] == "thread_filed"]
        assert filed[-1] == {"thread_id": thread, "pinned": False, "archived": False}


async def test_pins_are_bounded_and_each_users_own(serve: Serve):
    async with serve(max_pinned_threads_per_user=2) as server:
        alice, bob = await server.person("alice"), await server.person("bob")
        async with server.http(alice) as http, server.http(bob) as others:
            threads = await make(http, "a", "b", "c")
            for thread in threads[:2]:
                await change(http, thread, pinned=True)
            refused = await http.patch(f"/api/threads/{threads[2]}", json={"pinned": True, "title": "not this either"})
            assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
            assert await listed(http) == ["a", "b", "c"]
            (his,) = await make(others, "his")
            await change(others, his, pinned=True)
            for body in ({"pinned": True}, {"archived": True}):
                foreign = await others.patch(f"/api/threads/{threads[2]}", json=body)
                missing = await others.patch("/api/threads/nothing", json=body)
                assert (foreign.status_code, foreign.json()["detail"]) == (404, missing.json()["detail"])
            await change(http, threads[0], pinned=False)
            await change(http, threads[2], pinned=True)


@pytest.mark.parametrize("body", [{}, {"pinned": True, "archived": True}, {"pinned": None}, {"pinned": "yes"}])
async def test_a_change_names_what_it_changes(server: RunningServer, body: dict[str, Any]):
    alice = await server.person()
    async with server.http(alice) as http:
        (thread,) = await make(http, "one")
        assert (await http.patch(f"/api/threads/{thread}", json=body)).status_code == 422


async def test_titles_are_found_on_the_server_all_of_them(server: RunningServer):
    alice, bob = await server.person("alice"), await server.person("bob")

    async with server.http(alice) as http, server.http(bob) as others:
        await server.services.log.commit(
            alice.user_id, lambda tx: [tx.threads.create(f"Numéro {number}", tx.now) for number in range(300)]
        )
        (away,) = await make(http, "100%_sure \\ Straße")
        await make(others, "Numéro of his")
        await change(http, away, archived=True)

        async def titles(query: str) -> list[str]:
            found = (await http.get("/api/search", params={"q": query, "limit": 100})).raise_for_status().json()
            return [thread["title"] for thread in found["threads"]]

        assert await titles("numero 7 29") == ["Numéro 297"]
        assert len(await titles("UMÉR")) == 100
        for held in ("100%_", "%_sure", "strasse", "\\", "100"):
            assert "100%_sure \\ Straße" in await titles(held)
        assert await titles("1%0") == []
        assert await titles("_____") == []
        # A title is found as it is called now.
        await change(http, away, title="Ünderground")
        assert await titles("underground") == ["Ünderground"]
        assert await titles("strasse") == []


async def test_a_hit_says_where_it_is_and_one_thread_can_be_searched_alone(server: RunningServer):
    alice, bob = await server.person("alice"), await server.person("bob")
    async with server.http(alice) as http, server.http(bob) as others:
        first, second = await make(http, "first", "second")
        for thread in (first, second):
            said = {"text": f"note: marzipan in {thread}", "client_message_id": thread}
            (await http.post(f"/api/threads/{thread}/messages", json=said)).raise_for_status()
        found = (await http.get("/api/search", params={"q": "marzi", "thread_id": first})).json()
        assert {hit["thread_id"] for hit in found["hits"]} == {first}
        assert found["threads"] == []
        hit = found["hits"][-1]
        messages = (await http.get(f"/api/threads/{first}/messages", params={"before": hit["number"] + 1})).json()
        last = messages["messages"][-1]
        assert (last["id"], last["run_id"], last["number"]) == (hit["message_id"], hit["run_id"], hit["number"])
        # Whole words but for the last one.
        for query, hits in (
            ("marzi", True),
            ("note marzi", True),
            ("arzipan", False),
            ("marzi note", False),
            ("marzi ", False),
        ):
            found = (await http.get("/api/search", params={"q": query})).json()["hits"]
            assert bool(found) == hits, query
        foreign = await others.get("/api/search", params={"q": "marzi", "thread_id": first})
        missing = await others.get("/api/search", params={"q": "marzi", "thread_id": "nothing"})
        assert (foreign.status_code, foreign.json()["detail"]) == (404, missing.json()["detail"])


def test_what_is_begun_reaches_only_words_of_the_same_user():
    alices, bobs = query_terms("alice", "mar", unfinished=True), query_terms("bob", "mar", unfinished=True)
    assert alices is not None
    assert bobs is not None
    assert alices.endswith('mar"*')
    assert len(alices) == len('"12345678mar"*'), "the mark comes first, so that what begins so is one user's"
    assert alices != bobs


def test_titles_fold_as_messages_do():
    assert folded_title("ÉCOLE Straße") == "ecole strasse"
    assert title_patterns("50% a_b \\ 50%") == ["%50\\%%", "%a\\_b%", "%\\\\%"]
