"""Every operation of the OpenAPI document, tried with every id of somebody else.

What is tried is made from the document. A route that this file can't make requests for fails the test by name.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.harness.server import Person, RunningServer
from tests.security.stage import MARKER, Belongings, everything_of, without_chance

BODIES: dict[str, dict[str, Any] | None] = {
    "POST /api/auth/login": {"email": "mallory@example.org", "password": "not the password"},
    "POST /api/auth/redeem": {"code": "no such code"},
    "POST /api/auth/logout": None,
    "POST /api/auth/password": {"new_password": "correct horse battery"},
    "POST /api/auth/sessions/revoke-all": None,
    "POST /api/ws-ticket": {},
    "DELETE /api/account": {"password": "not the password"},
    "POST /api/threads": {},
    "PATCH /api/threads/{thread_id}": {"title": "mine now"},
    "POST /api/threads/{thread_id}/messages": {"text": "hello", "client_message_id": "made anew", "when_busy": "queue"},
    "POST /api/runs/stop": {},
    "POST /api/runs/{run_id}/stop": {},
}
"""A body that the operation takes, for each that takes one. None: it has none."""

QUERIES = {"GET /api/search": {"q": "hello"}}
"""What an operation has to be asked with besides."""

PLAIN = {"email", "password", "code", "new_password", "current_password", "origin", "title", "text", "when_busy"}
PLAIN |= {"reason", "cursor", "limit", "before", "after", "q", "format", "pinned", "archived"}
"""Fields and parameters that name nothing."""

SAY_HOW = "say how to test this route"


@dataclass(frozen=True)
class Slot:
    """A place in a request where an id goes."""

    method: str
    path: str
    name: str
    where: str
    """`path`, `query` or `body`."""

    @property
    def operation(self) -> str:
        return f"{self.method} {self.path}"


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def slots_of(document: dict[str, Any]) -> list[Slot]:
    found: list[Slot] = []
    for method, path, operation in operations(document):
        name = f"{method} {path}"
        names = [(each["name"], each["in"]) for each in operation.get("parameters", [])]
        if method not in {"GET", "DELETE"} or "requestBody" in operation:
            assert name in BODIES, f"{SAY_HOW}: {name} (put a body for it into BODIES)"
            names += [(field, "body") for field in body_fields(document, operation)]
        for field, where in names:
            if field.endswith("_id"):
                found.append(Slot(method, path, field, where))
            else:
                assert field in PLAIN, f"{SAY_HOW}: {name} (is {field!r} the name of something? else add it to PLAIN)"
    return found


def body_fields(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    if "requestBody" not in operation:
        return []
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    for option in schema.get("anyOf", [schema]):
        if "$ref" in option:
            return list(document["components"]["schemas"][option["$ref"].rpartition("/")[2]]["properties"])
    raise AssertionError(f"{SAY_HOW}: its body has no named schema")


class Trier:
    """Sends requests as Mallory."""

    def __init__(self, server: RunningServer, http: httpx.AsyncClient, mallory: Person, own_thread: str) -> None:
        self._server = server
        self._http = http
        self._mallory = mallory
        self._own_thread = own_thread

    async def send(self, slot: Slot, sent: str) -> httpx.Response:
        """The operation with this id in this place."""
        body = self._body(slot.operation)
        query = dict(QUERIES.get(slot.operation, {}))
        if slot.where == "query":
            query[slot.name] = sent
        elif slot.where == "body":
            assert body is not None
            body[slot.name] = sent
        path = slot.path.replace(f"{{{slot.name}}}", sent) if slot.where == "path" else slot.path
        answer = await self._http.request(slot.method, self._own(path), params=query, json=body)
        # The next request finds the thread as this one did.
        await self._server.services.agents.wait_until_ended(self._mallory.user_id, self._own_thread)
        return answer

    async def send_plain(self, method: str, path: str) -> httpx.Response:
        """The operation with nothing foreign in it, in a session of its own, since some end the session."""
        _, token = await self._server.services.registry.start(self._mallory.user_id, "mallory")
        headers = {"Authorization": f"Bearer {token}"}
        return await self._http.request(method, self._own(path), headers=headers, json=self._body(f"{method} {path}"))

    def _body(self, operation: str) -> dict[str, Any] | None:
        body = BODIES.get(operation)
        if body is not None and "client_message_id" in body:
            return body | {"client_message_id": str(uuid.uuid4())}
        return dict(body) if body is not None else None

    def _own(self, path: str) -> str:
        path = path.replace("{thread_id}", self._own_thread)
        return path.replace("{run_id}", str(uuid.uuid4())).replace("{session_id}", str(uuid.uuid4()))


def seen(answer: httpx.Response, sent: str) -> tuple[int, str, list[tuple[str, str]]]:
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in {"date", "etag"})
    return answer.status_code, without_chance(answer.text, sent), headers


@asynccontextmanager
async def mallory_tries(server: RunningServer) -> AsyncIterator[tuple[Trier, dict[str, Any]]]:
    mallory = await server.person("mallory")
    async with server.http(mallory) as http:
        document = (await http.get("/api/openapi.json")).json()
        own_thread = (await http.post("/api/threads")).json()["id"]
        yield Trier(server, http, mallory, own_thread), document


async def test_a_foreign_id_answers_as_an_unknown_one_everywhere(crowded: RunningServer, alice: Belongings) -> None:
    before = await everything_of(crowded, alice.person)
    async with mallory_tries(crowded) as (trier, document):
        slots = slots_of(document)
        assert len(slots) >= 10
        for slot, (kind, foreign) in itertools.product(slots, alice.spellings().items()):
            # An unknown id of the same shape, so that even the lengths can be compared.
            unknown = str(uuid.uuid4()) if "-" in foreign else uuid.uuid4().hex
            told = seen(await trier.send(slot, foreign), foreign)
            expected = seen(await trier.send(slot, unknown), unknown)
            assert told == expected, f"{slot.operation} tells of Alice's {kind} in {slot.where}.{slot.name}"
            assert told[0] == (202 if slot.name == "client_message_id" else 404), (slot, kind, told)

    assert await everything_of(crowded, alice.person) == before
    alice.gate.set()
    assert (await alice.client.until_end(alice.ids["open run"]))["type"] == "agent_completed"


async def test_no_operation_shows_or_changes_anything_of_another(crowded: RunningServer, alice: Belongings) -> None:
    before = await everything_of(crowded, alice.person)
    hers = [MARKER, "alice@", *alice.ids.values()]
    async with mallory_tries(crowded) as (trier, document):
        for method, path, _ in operations(document):
            answer = await trier.send_plain(method, path)
            assert answer.status_code < 500, (method, path, answer.text)
            for word in hers:
                assert word not in answer.text, f"{method} {path} tells {word}"

    assert await everything_of(crowded, alice.person) == before


async def test_nobody_gets_anything_without_a_session(crowded: RunningServer, alice: Belongings) -> None:
    async with crowded.http() as http:
        document = (await http.get("/api/openapi.json")).json()
        for method, path, _ in operations(document):
            for name, value in (("thread_id", "thread"), ("run_id", "run"), ("session_id", "session")):
                path = path.replace(f"{{{name}}}", alice.ids[value])
            answer = await http.request(method, path, json=BODIES.get(f"{method} {path}"))
            if path.startswith("/health") or path in {"/api/auth/login", "/api/auth/redeem"}:
                assert MARKER not in answer.text
            else:
                assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated"), (method, path)


def test_a_route_that_this_file_does_not_know_fails_by_name() -> None:
    new = {"paths": {"/api/things/{thing}": {"get": {"parameters": [{"name": "thing", "in": "path"}]}}}}
    posted = {"paths": {"/api/things": {"post": {}}}}
    for document in (new, posted):
        with pytest.raises(AssertionError, match=f"{SAY_HOW}: .* /api/things"):
            slots_of(document)
