"""The examples of the documentation are run as their readers would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "no:cacheprovider"]
EXAMPLES = ROOT / "docs" / "examples"


def test_the_examples_pass(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NETRA_", "OPENAI_"))}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-c",
            "/dev/null",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            EXAMPLES,
            EXAMPLES,
        ],
        cwd=tmp_path,
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (ROOT / "docs" / "agents.md").read_text()
    assert (EXAMPLES / "test_support.py").read_text().partition("\n\n\n")[2] in page
