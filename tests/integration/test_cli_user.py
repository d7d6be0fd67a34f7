"""`netra user`: accounts in the data folder, with and without a server that holds it."""

from __future__ import annotations

import re
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from netra_backend.app.storage.folder import DataFolder
from tests.harness.deadline import DEADLINE
from tests.harness.terminal import Netra, Up

PASSWORD = "correct horse"


@pytest.fixture
def netra(tmp_path: Path) -> Netra:
    return Netra(tmp_path)


@pytest.fixture
def up(netra: Netra) -> Iterator[Up]:
    with netra.up() as running:
        yield running


def user(netra: Netra, *arguments: str, said: str = "", code: int = 0) -> str:
    done = netra.run("user", *arguments, said=said)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def sign_in(url: str, email: str, password: str = PASSWORD) -> httpx.Response:
    return httpx.post(f"{url}/api/auth/login", json={"email": email, "password": password})


def test_without_a_server_folder_and_schema_are_made_and_accounts_kept(netra: Netra):
    assert "no accounts yet" in user(netra, "list")
    assert "me@example.org" in user(netra, "create", " Me@Example.org", "--admin", "--password-stdin", said=PASSWORD)
    link = re.search(r"(http://127\.0\.0\.1:8000)/sign-in#(\S+)", user(netra, "create", "you@example.org"))
    assert link
    assert stat.S_IMODE(netra.data.stat().st_mode) == 0o700

    lines = user(netra, "list").splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["me@example.org", "admin", "enabled"],
        ["you@example.org", "user", "enabled"],
    ]
    with netra.up() as up:
        assert sign_in(up.url, "me@example.org").status_code == 200
        redeemed = httpx.post(f"{up.url}/api/auth/redeem", json={"code": link[2]})
        assert redeemed.json()["user"]["email"] == "you@example.org"


def test_with_a_server_running_an_account_is_there_at_once(netra: Netra, up: Up):
    user(netra, "create", "me@example.org", "--password-stdin", said=PASSWORD + "\n")
    assert sign_in(up.url, "me@example.org").status_code == 200
    assert f"{up.url}/sign-in#" in user(netra, "create", "you@example.org")
    assert user(netra, "list").count("@") == 3


def test_disabling_ends_everything_of_the_account_and_nothing_of_others(netra: Netra, up: Up):
    for email in ("me@example.org", "you@example.org"):
        user(netra, "create", email, "--password-stdin", said=PASSWORD)
    mine, yours = [sign_in(up.url, email).json()["token"] for email in ("me@example.org", "you@example.org")]
    socket_url = up.url.replace("http", "ws") + "/ws"
    with (
        connect(socket_url, additional_headers={"Authorization": f"Bearer {mine}"}) as my_socket,
        connect(socket_url, additional_headers={"Authorization": f"Bearer {yours}"}) as your_socket,
    ):
        my_socket.recv()
        your_socket.recv()

        assert "1 session ended" in user(netra, "disable", "ME@example.org")

        with pytest.raises(ConnectionClosed) as closed:
            my_socket.recv(timeout=DEADLINE)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
        your_socket.send('{"type":"ping","id":"1","payload":{}}')
        assert '"pong"' in your_socket.recv(timeout=DEADLINE)
    assert sign_in(up.url, "me@example.org").status_code == 401
    assert httpx.get(f"{up.url}/api/auth/me", headers={"Authorization": f"Bearer {mine}"}).status_code == 401
    assert "disabled" in user(netra, "list")


def test_a_new_password_ends_sessions_and_leaves_this_machine_signed_in(netra: Netra, up: Up):
    code = up.link.partition("#")[2] if up.link else ""
    browser = httpx.post(f"{up.url}/api/auth/redeem", json={"code": code}).json()["token"]
    before = netra.token

    user(netra, "password", "admin@localhost", "--password-stdin", said=PASSWORD)

    assert netra.token != before
    assert stat.S_IMODE((netra.data / "token").stat().st_mode) == 0o600
    statuses = {}
    for name, token in (("browser", browser), ("before", before), ("now", netra.token)):
        # What another process ended is known to the server within a second; an unused token is read at once.
        answer = httpx.get(f"{up.url}/api/auth/me", headers={"Authorization": f"Bearer {token}"})
        statuses[name] = answer.status_code
    assert statuses == {"browser": 401, "before": 401, "now": 200}
    assert sign_in(up.url, "admin@localhost").status_code == 200


def test_a_disabled_account_is_taken_in_again_with_what_it_stored(netra: Netra, up: Up):
    user(netra, "create", "me@example.org", "--password-stdin", said=PASSWORD)
    first = sign_in(up.url, "me@example.org").json()
    user(netra, "disable", "me@example.org")
    assert sign_in(up.url, "me@example.org").status_code == 401
    assert "enable" in user(netra, "link", "me@example.org", code=1)

    assert "enabled me@example.org" in user(netra, "enable", "ME@example.org")

    again = sign_in(up.url, "me@example.org").json()
    assert again["user"] == first["user"]
    ended = httpx.get(f"{up.url}/api/auth/me", headers={"Authorization": f"Bearer {first['token']}"})
    assert ended.status_code == 401
    assert "already" in user(netra, "enable", "me@example.org")


def test_an_account_that_there_is_gets_another_link(netra: Netra, up: Up):
    user(netra, "create", "me@example.org")
    codes = [user(netra, "link", "me@example.org").partition("/sign-in#")[2].strip() for _ in range(2)]
    for code in codes:
        redeemed = httpx.post(f"{up.url}/api/auth/redeem", json={"code": code})
        assert redeemed.json()["user"]["email"] == "me@example.org"


def test_links_name_the_public_address_of_the_server_that_runs(netra: Netra):
    public = {"NETRA_PUBLIC_URL": "http://localhost:8123"}
    with netra.up(**public):
        for command in ("create", "link"):
            assert "http://localhost:8123/sign-in#" in user(netra, command, "me@example.org")
    with netra.up() as up:
        assert f"{up.url}/sign-in#" in user(netra, "link", "me@example.org")


@pytest.mark.parametrize("served", [True, False], ids=["through the server", "without one"])
def test_deleting_an_account_leaves_nothing_of_it(netra: Netra, served: bool):
    for email in ("me@example.org", "you@example.org"):
        user(netra, "create", email, "--password-stdin", said=PASSWORD)
    with netra.up() as up:
        mine = sign_in(up.url, "me@example.org").json()
        sign_in(up.url, "you@example.org")
        headers = {"Authorization": f"Bearer {mine['token']}"}
        body = {"text": "work for 500 steps, slowly: zanzibar", "client_message_id": "1"}
        thread = httpx.post(f"{up.url}/api/threads", headers=headers, json={"title": "zanzibar"}).json()
        started = httpx.post(f"{up.url}/api/threads/{thread['id']}/messages", headers=headers, json=body)
        assert started.status_code == 202
        if served:
            assert "--yes" in user(netra, "delete", "me@example.org", code=2)
            assert "deleted me@example.org" in user(netra, "delete", "me@example.org", "--yes")
            assert httpx.get(f"{up.url}/api/auth/me", headers=headers).status_code == 401
        up.end()
    if not served:
        assert "deleted me@example.org" in user(netra, "delete", "me@example.org", "--yes")
    assert "me@example.org" not in user(netra, "list")
    with sqlite3.connect(netra.data / "netra.db") as database:
        for table in ("threads", "messages", "runs", "events", "heads", "sessions", "known_devices", "notes"):
            found = database.execute(f"SELECT count(*) FROM {table} WHERE user_id = ?", (mine["user"]["id"],))
            assert (table, *found.fetchone()) == (table, 0)
        assert database.execute("SELECT count(*) FROM users WHERE email = 'you@example.org'").fetchone() == (1,)
    database.close()


def test_deleting_asks_for_the_address_on_a_terminal(netra: Netra):
    user(netra, "create", "me@example.org")
    for typed, code in (("you@example.org", 2), ("Me@example.org", 0)):
        with netra.on_terminal("user", "delete", "me@example.org") as terminal:
            terminal.until("to go on:")
            terminal.type(typed + "\n")
            assert terminal.end() == code
    assert "no accounts yet" in user(netra, "list")


def test_the_only_admin_stays(netra: Netra):
    user(netra, "create", "boss@example.org", "--admin")
    assert "only admin" in user(netra, "delete", "boss@example.org", "--yes", code=2)


def test_disabling_and_its_revocations_are_one_transaction(netra: Netra):
    user(netra, "create", "me@example.org", "--password-stdin", said=PASSWORD)
    with netra.up() as up:
        sign_in(up.url, "me@example.org")
        up.end()
    database = sqlite3.connect(netra.data / "netra.db")
    database.execute(
        "CREATE TRIGGER broken BEFORE UPDATE OF revoked_at ON sessions BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )
    database.commit()

    done = netra.run("user", "disable", "me@example.org")

    assert done.returncode != 0
    assert database.execute("SELECT disabled_at FROM users WHERE email = 'me@example.org'").fetchone() == (None,)
    database.close()


def test_what_cannot_be_done_is_said(netra: Netra):
    user(netra, "create", "me@example.org", "--password-stdin", said=PASSWORD)
    assert "already an account" in user(netra, "create", "ME@example.org", code=1)
    assert "no account" in user(netra, "disable", "you@example.org", code=1)
    assert "no account" in user(netra, "password", "you@example.org", "--password-stdin", said=PASSWORD, code=1)
    assert "at least 10" in user(netra, "password", "me@example.org", "--password-stdin", said="short", code=2)
    assert "--password-stdin" in user(netra, "password", "me@example.org", code=2)
    assert "no e-mail address" in user(netra, "create", "me", code=2)
    user(netra, "create", "boss@example.org", "--admin", "--password-stdin", said=PASSWORD)
    assert "only admin" in user(netra, "disable", "boss@example.org", code=2)


def test_a_held_folder_with_another_schema_is_left_alone(netra: Netra):
    with DataFolder(netra.data):  # a server that has just begun to start
        assert "starting" in user(netra, "list", code=2)


def test_a_password_is_asked_for_twice_on_a_terminal_and_never_shown(netra: Netra):
    user(netra, "create", "me@example.org")
    for again, code in (("another horse", 2), (PASSWORD, 0)):
        with netra.on_terminal("user", "password", "me@example.org") as terminal:
            terminal.until("New password:")
            terminal.type(PASSWORD + "\n")
            terminal.until("Again:")
            terminal.type(again + "\n")
            assert terminal.end() == code
            assert PASSWORD not in terminal.shown
    with netra.up() as up:
        assert sign_in(up.url, "me@example.org").status_code == 200
