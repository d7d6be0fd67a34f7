"""`netra up` as a process: the first start, later starts, what keeps it from starting, and its end."""

from __future__ import annotations

import signal
import socket
import sqlite3
import stat
from pathlib import Path

import httpx
import pytest

from tests.harness.terminal import Netra


@pytest.fixture
def netra(tmp_path: Path) -> Netra:
    return Netra(tmp_path)


def test_the_first_start_makes_an_admin_and_says_how_to_go_on(netra: Netra):
    with netra.up() as up:
        lines = up.greeting.splitlines()
        assert lines[0] == f"Netra serves at {up.url} (Ctrl-C ends it)"
        assert f'netra chat --data-dir {netra.data} "' in up.greeting
        assert "NETRA_MODEL=openai:NAME" in up.greeting
        assert lines[-1] == f"  Data     {netra.data}"

        assert up.link is not None
        assert up.link.startswith(f"{up.url}/sign-in#")
        code = up.link.partition("#")[2]
        redeemed = httpx.post(f"{up.url}/api/auth/redeem", json={"code": code})
        assert redeemed.json()["user"]["email"] == "admin@localhost"
        assert redeemed.json()["user"]["role"] == "admin"
        assert httpx.post(f"{up.url}/api/auth/redeem", json={"code": code}).status_code == 401

        me = httpx.get(f"{up.url}/api/auth/me", headers={"Authorization": f"Bearer {netra.token}"})
        assert me.json()["user"]["email"] == "admin@localhost"
        assert me.json()["has_password"] is False
        assert (netra.data / "url").read_text().strip() == up.url
        for name in ("token", "url"):
            assert stat.S_IMODE((netra.data / name).stat().st_mode) == 0o600
        assert stat.S_IMODE(netra.data.stat().st_mode) == 0o700

        assert up.end() == 0
    assert code not in up.log
    assert netra.token not in up.log
    assert "Traceback" not in up.log


def test_a_later_start_goes_on_with_what_is_there(netra: Netra):
    with netra.up() as up:
        first = netra.token
        up.end()
    with netra.up() as up:
        # Not on a terminal: the greeting of a service ends in its log, where a way in doesn't belong.
        assert up.link is None
        assert netra.token == first
        assert (netra.data / "url").read_text().strip() == up.url
        me = httpx.get(f"{up.url}/api/auth/me", headers={"Authorization": f"Bearer {first}"})
        assert me.status_code == 200
        up.end()
    assert netra.run("user", "list").stdout.count("@") == 1


def test_a_token_that_no_longer_works_is_replaced_at_the_next_start(netra: Netra):
    with netra.up() as up:
        httpx.post(f"{up.url}/api/auth/logout", headers={"Authorization": f"Bearer {netra.token}"})
        ended = netra.token
        up.end()
    with netra.up() as up:
        assert netra.token != ended
        me = httpx.get(f"{up.url}/api/auth/me", headers={"Authorization": f"Bearer {netra.token}"})
        assert me.status_code == 200


def test_a_folder_with_accounts_gets_no_other_admin(netra: Netra):
    netra.run("user", "create", "me@example.org", "--admin", "--password-stdin", said="correct horse\n")
    with netra.up() as up:
        assert up.link is None
        me = httpx.get(f"{up.url}/api/auth/me", headers={"Authorization": f"Bearer {netra.token}"})
        assert me.json()["user"]["email"] == "me@example.org"
    assert "admin@localhost" not in netra.run("user", "list").stdout


def test_on_a_terminal_a_link_is_shown_until_there_is_a_password(netra: Netra):
    for _ in range(2):
        with netra.on_terminal("up", "--port", "0") as terminal:
            assert "/sign-in#" in terminal.until("  Data")
            terminal.ctrl_c()
            assert terminal.end() == 0
    netra.run("user", "password", "admin@localhost", "--password-stdin", said="correct horse\n")
    with netra.on_terminal("up", "--port", "0") as terminal:
        assert "/sign-in#" not in terminal.until("  Data")
        terminal.ctrl_c()
        assert terminal.end() == 0


def test_the_link_leads_to_the_public_address_and_the_token_to_this_machine(netra: Netra):
    with netra.up(NETRA_PUBLIC_URL="https://netra.example/") as up:
        assert up.link is not None
        assert up.link.startswith("https://netra.example/sign-in#")
        assert (netra.data / "url").read_text().startswith("http://127.0.0.1:")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_on_a_signal(netra: Netra, number: signal.Signals):
    with netra.up() as up:
        assert up.end(number) == 0
    assert not (netra.data / "netra.db-wal").exists()


def test_output_that_nobody_takes_is_no_reason_not_to_serve(netra: Netra):
    # Nothing is asked of the model: the agent only has to have one.
    model = {"NETRA_MODEL": "openai:fake", "NETRA_MODEL_BASE_URL": "http://127.0.0.1:9/v1"}
    with (
        open("/dev/full", "w") as full,
        netra.up("--agent", "tests.fakes.tool_agent:agent", stderr=full, **model) as up,
    ):
        assert up.process.stdout is not None
        up.process.stdout.close()
        assert httpx.get(f"{up.url}/health/live").status_code == 200
        assert httpx.get(f"{up.url}/nowhere").status_code == 404
        up.process.stdout = open("/dev/null")  # noqa: SIM115 - closed by `up`
        assert up.end() == 0


def refused(netra: Netra, *arguments: str, **environment: str) -> str:
    done = netra.run("up", "--port", "0", *arguments, **environment)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("netra: ")
    return lines[0]


def test_a_busy_port_is_named(netra: Netra):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(netra, "--port", str(port))
    assert f"port {port} on 127.0.0.1 is in use" in said
    assert "--port" in said


@pytest.mark.parametrize("inside", ["/dev/null/folder", "/proc/netra"])
def test_an_unwritable_folder_is_named(netra: Netra, inside: str):
    assert f"the data folder {inside} can't be written" in refused(netra, "--data-dir", inside)


def test_a_folder_that_another_process_holds_names_its_pid(netra: Netra):
    with netra.up() as up:
        said = refused(netra)
        assert f"pid {up.process.pid}" in said
        assert str(netra.data) in said
        assert httpx.get(f"{up.url}/health/live").status_code == 200


def test_a_newer_schema_is_left_alone(netra: Netra):
    with netra.up() as up:
        up.end()
    with sqlite3.connect(netra.data / "netra.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert "schema 9999" in refused(netra)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"NETRA_DRAIN_GRACE": "long"}, "NETRA_DRAIN_GRACE"),
        ({"NETRA_MODEL": "openai:gpt"}, "NETRA_MODEL_API_KEY"),
        ({"NETRA_AGENT": "no.such.module:agent"}, "NETRA_AGENT"),
        ({"NETRA_HOST": "0.0.0.0"}, "NETRA_ALLOW_INSECURE_HTTP"),
        ({"NETRA_HOST": "no.such.host.invalid", "NETRA_ALLOW_INSECURE_HTTP": "true"}, "NETRA_HOST"),
    ],
)
def test_a_bad_setting_is_named(netra: Netra, environment: dict[str, str], named: str):
    assert named in refused(netra, **environment)


def test_a_bad_file_of_settings_is_named(netra: Netra):
    netra.data.mkdir()
    (netra.data / "netra.toml").write_text("model = ")
    assert "netra.toml" in refused(netra)
    (netra.data / "netra.toml").write_text('modle = "offline"')
    assert "modle (netra.toml): there is no such setting; did you mean model?" in refused(netra)
