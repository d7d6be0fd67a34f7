"""`netra login`: a session at a server, kept for `netra chat` and the others."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from urllib.parse import urlsplit

from netra_backend.app.commands.call import call
from netra_backend.app.commands.credentials import Credentials, find_url, leave
from netra_backend.app.commands.failure import Failure
from netra_backend.app.commands.terminal import Screen
from netra_backend.app.loopback import is_loopback

__all__ = ["login"]


def login(folder: Path, url: str | None, *, code: str | None, email: str | None, password_stdin: bool) -> None:
    """Sign in with a one-time code (or the link that holds it), or with e-mail address and password.

    Raises `Failure`.
    """
    screen = Screen()
    if code is not None:
        address, code = _parse_link(code)
        server = find_url(folder, url or address)
        _warn_if_readable(screen, server)
        answer = call("POST", server, "/api/auth/redeem", body={"code": code})
    else:
        server = find_url(folder, url)
        _warn_if_readable(screen, server)
        body = {"email": email or _ask("E-mail address: "), "password": _password(password_stdin)}
        answer = call("POST", server, "/api/auth/login", body=body)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        leave(folder, "login", Credentials(server, answer["token"]))
    except OSError as error:
        raise Failure(f"the session can't be kept in {folder}: {error.strerror}") from None
    screen.line(f"signed in at {server} as {answer['user']['email']} until {answer['expires_at']}")


def _parse_link(code: str) -> tuple[str | None, str]:
    """A code may come as the whole sign-in link; `-` reads it from standard input."""
    if code == "-":
        code = sys.stdin.readline().strip()
    address, marker, fragment = code.partition("/sign-in#")
    return (address, fragment) if marker else (None, code)


def _warn_if_readable(screen: Screen, server: str) -> None:
    parts = urlsplit(server)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        screen.remark(f"{server} is plain http: what you send can be read on the way")


def _ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask for the e-mail address; give it with --email")
    return input(prompt)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask for the password; give it with --password-stdin")
    return getpass.getpass("Password: ")
