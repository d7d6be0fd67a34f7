"""`netra threads`: the conversations, the last used first."""

from __future__ import annotations

import json
from pathlib import Path

from netra_backend.app.commands.call import call
from netra_backend.app.commands.credentials import credentials
from netra_backend.app.commands.terminal import Screen

__all__ = ["threads"]


def threads(folder: Path, url: str | None, *, limit: int, as_json: bool) -> None:
    """List them. Raises `Failure`."""
    found = credentials(folder, url)
    answer = call("GET", found.url, "/api/threads", token=found.token, limit=limit)
    screen = Screen()
    if as_json:
        for thread in answer["threads"]:
            screen.raw(json.dumps(thread))
        return
    if not answer["threads"]:
        screen.line("no conversations yet; start one with `netra chat`")
    for thread in answer["threads"]:
        used = thread["updated_at"][:16].replace("T", " ")
        screen.line((thread["id"], "cyan"), f"  {used}  ", thread["title"])
    if answer.get("next"):
        screen.remark(f"there are more; see --limit (now {limit})")
