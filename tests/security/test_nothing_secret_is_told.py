"""Tokens, tickets, cookies, codes, passwords and the model's key: in no log at any level, no URL, and no answer."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
import structlog

from netra_backend.app.auth.sign_in import issue_sign_in_code
from netra_backend.app.logs import CHATTY, configure_logs
from netra_backend.app.storage.users import Users
from tests.fakes.model_server import FakeModelServer, Status, Text
from tests.harness.client import Client
from tests.harness.server import RunningServer
from tests.security.stage import close_code

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]
MODEL_KEY = "sk-the-models-key-123456"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged from `debug` on, as the server writes it."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    out = io.StringIO()
    configure_logs("debug", out)
    yield out
    root.handlers[:] = before
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)
    structlog.reset_defaults()


async def test_a_whole_session_leaves_no_secret_anywhere(
    serve: Serve, model: FakeModelServer, lines: io.StringIO
) -> None:
    model.scripts["refuse"] = [[Status(401, {"error": {"message": f"incorrect key {MODEL_KEY}"}})]]
    model.scripts["fine"] = [[Text("done")]]
    secrets: dict[str, str] = {"the model's key": MODEL_KEY, "the password": PASSWORD}
    told: list[str] = []
    async with serve(model="openai:fake", model_base_url=model.base_url, model_api_key=MODEL_KEY) as server:
        alice = await server.person("alice")
        secrets["a bearer token"] = alice.token
        page = {"Origin": server.url}
        async with server.http() as http:

            async def post(path: str, body: dict[str, object], **headers: str) -> dict[str, object]:
                answer = await http.post(path, json=body, headers=headers)
                told.append(f"{answer.request.url}")
                return {"status": answer.status_code, **(answer.json() if answer.content else {})}

            bearer = f"Bearer {alice.token}"
            await post("/api/auth/password", {"new_password": PASSWORD}, Authorization=bearer)
            wrong = PASSWORD + "!"
            secrets["a wrong password"] = wrong
            await post("/api/auth/login", {"email": "alice@example.org", "password": wrong})
            await post("/api/auth/login", {"email": "alice@example.org", "password": PASSWORD, "x": 1})
            signed_in = await post("/api/auth/login", {"email": "alice@example.org", "password": PASSWORD}, **page)
            secrets["the token of a log-in"] = cookie = str(signed_in["token"])
            code = await server.services.log.write(
                lambda rows: issue_sign_in_code(rows, alice.user_id, server.services.settings)
            )
            secrets["a sign-in code"] = code
            redeemed = await post("/api/auth/redeem", {"code": code}, **page)
            secrets["the token of a code"] = str(redeemed["token"])
            again = await post("/api/auth/redeem", {"code": code})
            assert again["status"] == 401
            ticket = str((await post("/api/ws-ticket", {}, Authorization=bearer))["ticket"])
            secrets["a ticket"] = ticket
            http.cookies.clear()
            # Where somebody puts them by mistake, they do nothing and are kept no better.
            for path in (f"/api/snapshot?token={alice.token}", f"/api/threads/{alice.token}"):
                answer = await http.get(path)
                assert answer.status_code == 401
                assert alice.token not in answer.text

        await talk(server, Client(f"ws://127.0.0.1:{server.port}/ws", alice.token), told)
        by_cookie = Client(f"ws://127.0.0.1:{server.port}/ws", None)
        by_cookie._headers = page | {"Cookie": f"netra={cookie}"}
        await talk(server, by_cookie, told)
        by_ticket = Client(f"ws://127.0.0.1:{server.port}/ws?ticket={ticket}", None)
        await by_ticket.connect()
        for wrong_frame in ({"token": alice.token, "ticket": ticket}, {"ticket": alice.token}, {"token": [ticket]}):
            answer = await by_ticket.ask("authenticate", wrong_frame)
            assert answer["type"] == "error"
            told.append(json.dumps(answer))
        assert (await by_ticket.ask("authenticate", {"ticket": ticket}))["type"] == "ack"
        await by_ticket.socket.close()
        await server.services.log.write(lambda rows: Users(rows).disable(alice.user_id, 1))
        refused = Client(f"ws://127.0.0.1:{server.port}/ws", cookie)
        await refused.connect()
        assert await close_code(refused) == 4401
        data = server.services.settings.data_dir

    logged = lines.getvalue()
    assert logged, "something was logged"
    for what, secret in secrets.items():
        assert secret not in logged, f"{what} is in the log"
        assert not any(secret in text for text in told), f"{what} was told, or stood in a URL"
        # Nor in the database: only hashes, and the model's key not even so.
        for path in data.glob("netra.db*"):
            assert secret.encode() not in path.read_bytes(), f"{what} is in {path.name}"


async def talk(server: RunningServer, client: Client, told: list[str]) -> None:
    async with client:
        await client.resume()
        for script in ("fine", "refuse"):
            run = await client.say(f"script:{script}")
            end = await client.until_end(run["run_id"])
            told.append(json.dumps(end))
        told.append(json.dumps([client.ready, client.record.events]))


async def test_no_route_takes_a_secret_in_its_address(server: RunningServer) -> None:
    document = server._app.openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = {each["name"] for each in operation.get("parameters", [])}
            assert not names & {"token", "ticket", "code", "password", "key", "access_token"}, f"{method} {path}"
