"""Which server a command speaks to, and with which session: what `netra up` or `netra login` left in the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from netra_backend.app.commands.failure import Failure
from netra_backend.app.secret_file import write_secret

__all__ = [
    "Credentials",
    "credentials",
    "data_folder",
    "find_url",
    "leave",
    "leave_public_url",
    "left",
    "left_public_url",
]

Source = Literal["up", "login"]

_FILES: dict[Source, tuple[str, str]] = {"up": ("token", "url"), "login": ("login-token", "login-url")}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A server's address and a session token for it."""

    url: str
    token: str


def data_folder(given: Path | None) -> Path:
    """The data folder: as given, else NETRA_DATA_DIR, else `.netra` in the home folder.

    Not read through the settings: a bad setting of the server must not keep a client from working.
    """
    chosen = given or Path(os.environ.get("NETRA_DATA_DIR") or Path.home() / ".netra")
    return chosen.expanduser().absolute()


def leave(folder: Path, source: Source, found: Credentials) -> None:
    """Keep them for later commands, readable by the folder's owner only. Raises `OSError`."""
    token_name, url_name = _FILES[source]
    write_secret(folder / url_name, found.url + "\n")
    write_secret(folder / token_name, found.token + "\n")


def left(folder: Path, source: Source) -> Credentials | None:
    """What was kept, if anything."""
    token_name, url_name = _FILES[source]
    try:
        return Credentials((folder / url_name).read_text().strip(), (folder / token_name).read_text().strip())
    except OSError:
        return None


def leave_public_url(folder: Path, url: str | None) -> None:
    """Keep the address that people type, for links; None: the server has none. Raises `OSError`."""
    if url is None:
        (folder / "public-url").unlink(missing_ok=True)
    else:
        write_secret(folder / "public-url", url + "\n")


def left_public_url(folder: Path) -> str | None:
    """The public address of the server that was last started from this folder, if it has one."""
    try:
        return (folder / "public-url").read_text().strip()
    except OSError:
        return None


def credentials(folder: Path, url: str | None) -> Credentials:
    """Those for the server at `url` (or NETRA_URL); without one, those that were left last. Raises `Failure`."""
    wanted = _given(url)
    found = [kept for kept in _latest_first(folder) if wanted is None or kept.url == wanted]
    if found:
        return found[0]
    if wanted is not None:
        raise Failure(f"not signed in at {wanted}; run: netra login --url {wanted}")
    raise Failure(f"no server is known in {folder}; start one with `netra up`, or sign in with `netra login --url …`")


def find_url(folder: Path, url: str | None) -> str:
    """The address to speak to where no session is needed yet. Raises `Failure`."""
    wanted = _given(url)
    if wanted is not None:
        return wanted
    return credentials(folder, None).url


def _given(url: str | None) -> str | None:
    given = url or os.environ.get("NETRA_URL") or None
    if given is None:
        return None
    if not given.startswith(("http://", "https://")):
        raise Failure(f"--url must begin with http:// or https://, not {given!r}")
    return given.rstrip("/")


def _latest_first(folder: Path) -> Iterator[Credentials]:
    stamped: list[tuple[float, Credentials]] = []
    for source, (token_name, _) in _FILES.items():
        kept = left(folder, source)
        if kept is not None:
            stamped.append(((folder / token_name).stat().st_mtime, kept))
    yield from (kept for _, kept in sorted(stamped, key=lambda each: each[0], reverse=True))
