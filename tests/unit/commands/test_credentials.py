import os
import stat
from pathlib import Path

import pytest

from netra_backend.app.commands.credentials import Credentials, credentials, data_folder, find_url, leave, left
from netra_backend.app.commands.failure import Failure

HERE = Credentials("http://127.0.0.1:8000", "mine")
THERE = Credentials("https://netra.example", "theirs")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETRA_URL", raising=False)
    monkeypatch.delenv("NETRA_DATA_DIR", raising=False)


def older(folder: Path, name: str) -> None:
    os.utime(folder / name, (1, 1))


def test_what_was_left_last_is_taken(tmp_path: Path):
    leave(tmp_path, "up", HERE)
    assert credentials(tmp_path, None) == HERE
    leave(tmp_path, "login", THERE)
    older(tmp_path, "token")
    assert credentials(tmp_path, None) == THERE
    older(tmp_path, "login-token")
    leave(tmp_path, "up", HERE)
    assert credentials(tmp_path, None) == HERE
    assert left(tmp_path, "login") == THERE


def test_an_address_decides_and_a_token_is_never_sent_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    leave(tmp_path, "login", THERE)
    leave(tmp_path, "up", HERE)
    older(tmp_path, "login-token")
    assert credentials(tmp_path, "https://netra.example/") == THERE
    monkeypatch.setenv("NETRA_URL", THERE.url)
    assert credentials(tmp_path, None) == THERE
    assert credentials(tmp_path, HERE.url) == HERE
    with pytest.raises(Failure, match="netra login --url https://other\\.example"):
        credentials(tmp_path, "https://other.example")


def test_nothing_known_says_what_to_do(tmp_path: Path):
    with pytest.raises(Failure, match="netra up"):
        credentials(tmp_path, None)
    with pytest.raises(Failure, match="netra up"):
        find_url(tmp_path, None)
    assert find_url(tmp_path, "https://netra.example") == "https://netra.example"
    for wrong in ("netra.example", "ftp://netra.example"):
        with pytest.raises(Failure, match="--url must begin"):
            find_url(tmp_path, wrong)


def test_files_are_for_their_owner_only_whatever_the_umask(tmp_path: Path):
    before = os.umask(0)
    try:
        leave(tmp_path, "login", THERE)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert {path.name for path in tmp_path.iterdir()} == {"login-token", "login-url"}


def test_the_folder_is_as_given_then_of_the_environment_then_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder(None) == tmp_path / ".netra"
    monkeypatch.setenv("NETRA_DATA_DIR", "~/elsewhere")
    assert data_folder(None) == tmp_path / "elsewhere"
    assert data_folder(Path("/given")) == Path("/given")
