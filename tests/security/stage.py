"""Two users for the tests of isolation: Alice, who owns one of everything, and Mallory, who tries her ids."""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, select
from websockets.exceptions import ConnectionClosed

from netra_backend.app.event_log.log import Cursor, Page
from netra_backend.app.services.housekeeping import Housekeeping
from netra_backend.app.storage.tables import metadata
from tests.fakes.model_server import FakeModelServer, Text, WaitFor
from tests.harness.client import Client
from tests.harness.server import Person, RunningServer

MARKER = "xylophone"
"""A word that only Alice ever said."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_NUMBER = re.compile(r'"(seq|first_seq|head|from_seq|to_seq|number|before)":\s*\d+')


@dataclass(frozen=True)
class Belongings:
    """What Alice has. Her open run waits for `gate`."""

    person: Person
    ids: dict[str, str]
    gate: asyncio.Event
    client: Client

    def spellings(self) -> dict[str, str]:
        """Each of her ids, also as it might be spelled by somebody who hopes for a careless comparison."""
        loud = {f"{name} in capitals": self.ids[name].upper() for name in ("thread", "open run", "session")}
        return self.ids | loud


async def settle_alice(server: RunningServer, model: FakeModelServer) -> Belongings:
    """Give Alice a finished run, an open one, a second session, notes to nobody else, and an open socket."""
    gate = asyncio.Event()
    waiting = WaitFor(gate)
    model.scripts["alice-open"] = [[Text(f"{MARKER} begins "), waiting, Text(f"{MARKER} ends")]]
    model.scripts["alice-done"] = [[Text(f"{MARKER} "), Text("is done")]]
    alice = await server.person("alice")
    second, _ = await server.services.registry.start(alice.user_id, "her phone")
    client = await server.client(alice).__aenter__()
    await client.resume()
    said = str(uuid.uuid4())
    done = await client.say(f"script:alice-done {MARKER}", client_message_id=said)
    await client.until_end(done["run_id"])
    still = await client.say(f"script:alice-open {MARKER}")
    await client.until_type("agent_message_delta", run_id=still["run_id"])
    await waiting.reached.wait()
    ids = {
        "user": alice.user_id,
        "session": second.id,
        "thread": done["thread_id"],
        "thread of the open run": still["thread_id"],
        "run": done["run_id"],
        "open run": still["run_id"],
        "message": done["message_id"],
        "client_message_id": said,
        "connection": client.ready["payload"]["connection_id"],
        "epoch": client.ready["payload"]["epoch"],
    }
    # So that housekeeping has nothing left to merge while the tests compare.
    await Housekeeping(server.services.log, server.services.settings).round()
    return Belongings(alice, ids, gate, client)


async def everything_of(server: RunningServer, person: Person) -> dict[str, Any]:
    """All that is stored of a person: what HTTP tells, the whole log, and every row."""
    async with server.http(person) as http:
        told: dict[str, Any] = {}
        for path in ("/api/snapshot", "/api/threads", "/api/runs", "/api/auth/me"):
            told[path] = (await http.get(path)).json()
        for thread in told["/api/threads"]["threads"]:
            told[thread["id"]] = (await http.get(f"/api/threads/{thread['id']}")).json()
    rows = await server.services.log.query(lambda connection: _rows_of(connection, person.user_id))
    cursor = told["/api/snapshot"]["cursor"]
    page = await server.services.log.read(person.user_id, Cursor(cursor["epoch"], 0), 100_000)
    assert isinstance(page, Page)
    return {"http": told, "rows": rows, "log": page.events}


def _rows_of(connection: Connection, user_id: str) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table in metadata.sorted_tables:
        owner = table.c.get("user_id", table.c.get("id") if table.name == "users" else None)
        if owner is None:
            continue
        # When a session was last seen is noted once a minute by looking, hers included.
        columns = [column for column in table.c if column.name != "last_seen_at"]
        found[table.name] = sorted(tuple(row) for row in connection.execute(select(*columns).where(owner == user_id)))
    return found


def without_chance(text: str, sent: str) -> str:
    """An answer without what differs by nature: the id that was sent, new ids, times and numbers of the log."""
    text = text.replace(sent, "<sent>")
    text = _TIME.sub("<time>", _UUID.sub("<id>", text))
    return _NUMBER.sub(r'"\1":<number>', text)


async def close_code(client: Client) -> int:
    """The code with which the server closes this socket; what it says before that is skipped."""

    async def until_closed() -> None:
        while True:
            await client.frame()

    with pytest.raises(ConnectionClosed) as closed:
        await until_closed()
    assert closed.value.rcvd is not None, "cut without a closing handshake"
    return closed.value.rcvd.code
