"""What every command does before anything else: its version, and variables that nothing reads."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from netra_backend.app.main import VERSION
from tests.harness.terminal import Netra


@pytest.fixture
def netra(tmp_path: Path) -> Netra:
    return Netra(tmp_path)


def test_the_version_is_the_packages(netra: Netra):
    done = netra.run("--version")
    assert (done.returncode, done.stdout) == (0, f"netra {version('netra-backend')}\n")
    assert version("netra-backend") == VERSION


@pytest.mark.parametrize("command", [["up"], ["threads"], ["user", "list"], ["doctor"], ["chat", "hello"]])
def test_a_misspelt_variable_is_an_error_of_every_command(netra: Netra, command: list[str]):
    done = netra.run(*command, NETRA_MODLE="openai:x")
    assert done.returncode != 0
    assert "NETRA_MODLE: there is no such setting; did you mean NETRA_MODEL?" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
