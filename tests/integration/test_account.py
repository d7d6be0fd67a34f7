"""What belongs to an account as a whole: search over it, taking it along, removing it."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import select

from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.storage import tables
from netra_backend.app.storage.users import Users
from tests.harness.deadline import DEADLINE
from tests.harness.server import Person, RunningServer


async def converse(server: RunningServer, person: Person, text: str) -> dict[str, Any]:
    """Say it to the offline agent, and see the answer's end."""
    async with server.client(person) as client:
        await client.resume()
        run = await client.say(text)
        await client.until_end(run["run_id"])
        return run


async def test_search_finds_ones_own_messages_only(server: RunningServer):
    alice, bob = await server.person("alice"), await server.person("bob")
    run = await converse(server, alice, "note: water the marzipan tree")
    await converse(server, bob, "note: eat the marzipan")

    async with server.http(alice) as http:
        hits = (await http.get("/api/search", params={"q": "marzipan tree"})).raise_for_status().json()["hits"]
        assert {hit["thread_id"] for hit in hits} == {run["thread_id"]}
        assert "user" in {hit["role"] for hit in hits}
        assert all("marzipan" in hit["excerpt"] for hit in hits)
        assert (await http.get("/api/search", params={"q": "eat"})).json() == {"hits": [], "threads": []}
        assert (await http.get("/api/search", params={"q": '"*'})).json() == {"hits": [], "threads": []}
        assert (await http.get("/api/search", params={"q": ""})).status_code == 422
    async with server.http() as nobody:
        assert (await nobody.get("/api/search", params={"q": "marzipan"})).status_code == 401


async def test_an_export_holds_everything_of_one_user(server: RunningServer):
    alice, bob = await server.person("alice"), await server.person("bob")
    first = await converse(server, alice, "what is 6*7?")
    second = await converse(server, alice, "note: buy 'milk' & \"honey\"")
    await converse(server, bob, "note: bob's secret")

    async with server.http(alice) as http:
        answer = (await http.get("/api/export", params={"format": "json"})).raise_for_status()
        assert answer.headers["content-disposition"] == 'attachment; filename="netra-export.json"'
        exported = answer.json()
        assert {thread["id"] for thread in exported["threads"]} == {first["thread_id"], second["thread_id"]}
        for thread in exported["threads"]:
            stored = (await http.get(f"/api/threads/{thread['id']}/messages")).json()["messages"]
            assert [(m["role"], m["text"], m["state"]) for m in thread["messages"]] == [
                (m["role"], m["text"], m["state"]) for m in stored
            ]
        assert [note["text"] for note in exported["notes"]] == ["buy 'milk' & \"honey\""]

        markdown = (await http.get("/api/export", params={"format": "markdown"})).raise_for_status()
        assert markdown.headers["content-type"].startswith("text/markdown")
        assert "what is 6*7?" in markdown.text
        assert "42" in markdown.text
        assert "secret" not in answer.text + markdown.text
        assert (await http.get("/api/export", params={"format": "pdf"})).status_code == 422


async def rows_of(server: RunningServer, user_id: str) -> dict[str, int]:
    """How many rows each table has of a user."""

    def count(connection: Any) -> dict[str, int]:
        found: dict[str, int] = {}
        for table in tables.metadata.sorted_tables:
            column = table.c.id if table is tables.users else table.c.get("user_id")
            if column is not None:
                found[table.name] = len(connection.execute(select(table).where(column == user_id)).all())
        return found

    return await server.services.log.query(count)


async def test_a_deleted_account_leaves_nothing_and_ends_its_work(server: RunningServer):
    alice, bob = await server.person("alice"), await server.person("bob")
    await converse(server, alice, "note: remember the zanzibar leopard")
    kept = await converse(server, bob, "note: zanzibar for bob")
    before = await rows_of(server, bob.user_id)

    async with server.client(alice) as client, server.http(alice) as http:
        await client.resume()
        run = await client.say("count to 500 slowly")
        await client.until_type("agent_message_delta", run_id=run["run_id"])
        rows = await rows_of(server, alice.user_id)
        assert min(rows[name] for name in ("events", "heads", "messages", "notes", "runs", "sessions", "threads")) > 0

        assert (await http.request("DELETE", "/api/account")).status_code == 204

        async with asyncio.timeout(DEADLINE):
            await client.socket.wait_closed()
        assert client.socket.close_code == 4401
        assert (await http.get("/api/auth/me")).status_code == 401

    assert set((await rows_of(server, alice.user_id)).values()) == {0}
    assert server.services.supervisor.counts() == (0, 0)
    assert await rows_of(server, bob.user_id) == before
    async with server.http(bob) as http:
        hits = (await http.get("/api/search", params={"q": "zanzibar"})).json()["hits"]
        assert {hit["thread_id"] for hit in hits} == {kept["thread_id"]}


async def test_deletion_needs_the_password_where_there_is_one(server: RunningServer):
    alice = await server.person("alice")
    async with server.http(alice) as http:
        answer = await http.post("/api/auth/password", json={"new_password": "correct horse battery"})
        assert answer.status_code == 204
        for body in ({}, {"password": "wrong horse battery"}):
            refused = await http.request("DELETE", "/api/account", json=body)
            assert (refused.status_code, refused.json()["field"]) == (403, "password")
        assert (await http.get("/api/auth/me")).status_code == 200
        done = await http.request("DELETE", "/api/account", json={"password": "correct horse battery"})
        assert done.status_code == 204


async def test_without_a_password_the_sign_in_must_be_recent(server: RunningServer):
    alice = await server.person("alice")
    old = now_ms() - 11 * 60_000
    await server.services.log.write(
        lambda rows: rows.execute(
            tables.sessions.update().where(tables.sessions.c.id == alice.session_id).values(created_at=old)
        )
    )
    async with server.http(alice) as http:
        refused = await http.request("DELETE", "/api/account")
        assert refused.status_code == 403
        assert "one-time link" in refused.json()["detail"]
    assert await server.services.log.query(lambda rows: Users(rows).by_id(alice.user_id)) is not None


async def test_the_page_learns_what_answers(server: RunningServer):
    alice = await server.person("alice")
    async with server.http(alice) as http:
        about = (await http.get("/api/about")).raise_for_status().json()
    assert (about["agent"], about["model"], about["offline"]) == ("offline", "offline", True)
    assert len(about["examples"]) == 3
