"""`netra doctor`: what it finds, what it says to do, and that it changes nothing."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from netra_backend.app.storage.schema import SCHEMA_VERSION
from tests.harness.terminal import Netra

KEY = "sk-very-secret"


class Models(BaseHTTPRequestHandler):
    """`GET /v1/models`, for those who have the key; other paths answer as servers do that don't have the list."""

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            self._answer(404, {})
        elif self.headers["Authorization"] != f"Bearer {KEY}":
            self._answer(401, {"error": {"message": f"bad key {self.headers['Authorization']}"}})
        else:
            self._answer(200, {"data": [{"id": "small"}, {"id": "large"}]})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def models() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Models) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def netra(tmp_path: Path) -> Netra:
    return Netra(tmp_path)


def doctor(netra: Netra, *arguments: str, code: int = 0, **environment: str) -> str:
    done = netra.run("doctor", *arguments, **environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


def test_before_the_first_start_there_is_nothing_to_mend_and_nothing_is_made(netra: Netra):
    said = doctor(netra, NETRA_PORT=free_port())
    assert "doesn't exist yet" in said
    assert "offline: rules and real tools, not a language model" in said
    assert "everything that was looked at works" in said
    assert not netra.data.exists()


def test_a_running_server_is_found_with_its_pid(netra: Netra):
    with netra.up() as up:
        said = doctor(netra)
        assert f"pid {up.process.pid} serves at {up.url}, ready" in said
        assert f"1 account, schema {SCHEMA_VERSION}" in said
        before = (netra.data / "lock").read_text()
        assert before.strip() == str(up.process.pid)
    said = doctor(netra, NETRA_PORT=free_port())
    assert "none runs from this folder" in said


def test_settings_say_where_they_come_from_and_secrets_are_not_shown(netra: Netra, models: str):
    netra.data.mkdir(mode=0o700)
    (netra.data / "netra.toml").write_text(f'model_base_url = "{models}/v1"\nmodel = "openai:none"\n')
    environment = {"NETRA_MODEL": "openai:small", "NETRA_MODEL_API_KEY": KEY, "NETRA_PORT": free_port()}

    said = doctor(netra, **environment)

    assert "model = openai:small  [NETRA_MODEL]" in said
    assert f"model_base_url = {models}/v1  [{netra.data}/netra.toml]" in said
    assert "model_api_key = (set, not shown)  [NETRA_MODEL_API_KEY]" in said
    assert KEY not in said
    assert f"{models}/v1 has small" in said
    assert "drain_grace" not in said
    assert "drain_grace = 10" in doctor(netra, "--all", **environment)


def test_https_without_a_named_proxy_is_noted(netra: Netra):
    https = {"NETRA_PUBLIC_URL": "https://netra.example", "NETRA_PORT": free_port()}
    assert "name its address in NETRA_TRUSTED_PROXIES" in doctor(netra, **https)
    assert "NETRA_TRUSTED_PROXIES" not in doctor(netra, **https, NETRA_TRUSTED_PROXIES="127.0.0.1").split("Checks")[1]


def test_the_models_settings_are_shown_without_what_is_secret(netra: Netra, models: str):
    said = doctor(
        netra,
        NETRA_MODEL="openai:small",
        NETRA_MODEL_BASE_URL=f"{models}/v1",
        NETRA_MODEL_API_KEY=KEY,
        NETRA_MODEL_EXTRA_HEADERS='{"X-Org": "org-of-ours"}',
        NETRA_MODEL_EXTRA_BODY='{"top_k": 5, "provider": {"api_key": "hush"}}',
        NETRA_MODEL_TEMPERATURE="0.2",
        NETRA_MODEL_STREAMING="false",
        NETRA_PORT=free_port(),
    )
    assert 'model_extra_headers = {"X-Org": "[masked]"}  [NETRA_MODEL_EXTRA_HEADERS]' in said
    assert '"top_k": 5' in said
    assert "model_temperature = 0.2" in said
    assert "model_streaming = False" in said
    assert "org-of-ours" not in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("environment", "found", "advice"),
    [
        ({"NETRA_MODEL_API_KEY": "wrong-key"}, "refuses the key (HTTP 401)", "NETRA_MODEL_API_KEY"),
        ({"NETRA_MODEL_API_KEY": KEY, "NETRA_MODEL": "openai:huge"}, "doesn't list huge", "large, small"),
        ({"NETRA_MODEL_BASE_URL": "http://127.0.0.1:9/v1"}, "doesn't answer", "NETRA_MODEL_BASE_URL"),
    ],
)
def test_a_model_that_does_not_work_says_why(
    netra: Netra, models: str, environment: dict[str, str], found: str, advice: str
):
    given = {"NETRA_MODEL": "openai:small", "NETRA_MODEL_BASE_URL": f"{models}/v1", "NETRA_PORT": free_port()}
    said = doctor(netra, code=1, **(given | environment))
    assert found in said
    assert advice in said
    assert "1 problem" in said
    assert "wrong-key" not in said


def test_a_model_server_without_a_list_is_no_problem(netra: Netra, models: str):
    said = doctor(netra, NETRA_MODEL="openai:small", NETRA_MODEL_BASE_URL=f"{models}/other", NETRA_PORT=free_port())
    assert "doesn't list its models (HTTP 404)" in said


def test_a_bad_setting_is_named(netra: Netra):
    assert "NETRA_DRAIN_GRACE" in doctor(netra, code=1, NETRA_DRAIN_GRACE="long")
    assert "NETRA_AGENT" in doctor(netra, code=1, NETRA_AGENT="no.such:agent", NETRA_PORT=free_port())


def test_what_is_wrong_with_folder_port_and_database_is_named(netra: Netra):
    with netra.up() as up:
        up.end()
    port = free_port()
    with sqlite3.connect(netra.data / "netra.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    netra.data.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = doctor(netra, code=1, NETRA_PORT=str(taken.getsockname()[1]))
    assert "is in use" in said
    assert "chmod 700" in said
    assert "newer Netra" in said
    assert "3 problems" in said

    (netra.data / "netra.db").write_bytes(os.urandom(10_000))
    assert "can't be read" in doctor(netra, code=1, NETRA_PORT=port)
