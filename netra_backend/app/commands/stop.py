"""`netra stop`: stop one run, or all of yours."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from netra_backend.app.commands.call import call
from netra_backend.app.commands.credentials import credentials
from netra_backend.app.commands.terminal import Screen

__all__ = ["stop"]

_OUTCOMES: dict[str, str] = {"stopping": "stopping; the stop is on record", "already_finished": "had already ended"}


def stop(folder: Path, url: str | None, run_id: str | None) -> None:
    """Stop, and say what that did. Raises `Failure`."""
    found = credentials(folder, url)
    path = "/api/runs/stop" if run_id is None else f"/api/runs/{quote(run_id, safe='')}/stop"
    answer = call("POST", found.url, path, token=found.token, body={"reason": "stopped with `netra stop`"})
    screen = Screen()
    if not answer["runs"]:
        screen.line("nothing was running")
    for run in answer["runs"]:
        screen.line((run["run_id"], "cyan"), "  ", _OUTCOMES[run["outcome"]])
