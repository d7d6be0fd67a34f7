"""`netra user`: accounts, straight in the data folder, whether a server runs from it or not.

Account rows only, in short transactions of their own; the logs belong to the server.
"""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Collection, Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from netra_backend.app.auth.passwords import PasswordRefused, Passwords
from netra_backend.app.auth.sign_in import issue_sign_in_code
from netra_backend.app.commands.credentials import Credentials, leave, left
from netra_backend.app.commands.failure import FAILED, Failure
from netra_backend.app.commands.terminal import Screen
from netra_backend.app.event_log.sqlite import sqlite_engine
from netra_backend.app.event_log.writer import unavailable
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.settings import BadSetting, Settings, load_settings
from netra_backend.app.storage.folder import DataFolder, FolderHeld, FolderUnusable
from netra_backend.app.storage.known_devices import KnownDevices
from netra_backend.app.storage.schema import SCHEMA_VERSION, NewerSchema, migrate, schema_version
from netra_backend.app.storage.sessions import Sessions, hash_secret
from netra_backend.app.storage.users import EmailTaken, User, Users

__all__ = ["create", "disable", "list_users", "set_password"]

MAX_EMAIL = 320
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")


def create(folder: Path, email: str, *, admin: bool, password_stdin: bool) -> None:
    """Make an account; without a password it gets a one-time sign-in link. Raises `Failure`."""
    if not _EMAIL.fullmatch(email.strip()) or len(email) > MAX_EMAIL:
        raise Failure(f"{email!r} is no e-mail address")
    hashed = _hash(_from_stdin()) if password_stdin else None
    settings = _settings(folder)
    with _accounts(folder) as connection:
        try:
            user = Users(connection).create(email, "admin" if admin else "user", hashed, now_ms())
        except EmailTaken as taken:
            raise Failure(str(taken), FAILED) from None
        code = issue_sign_in_code(connection, user.id, settings) if hashed is None else None
    screen = Screen()
    screen.line(f"made the {'admin ' if admin else ''}account {user.email}")
    if code is not None:
        screen.line(f"sign-in link (works once, within {settings.sign_in_code_minutes:g} minutes):")
        screen.line(f"  {_address(folder, settings)}/sign-in#{code}")


def list_users(folder: Path) -> None:
    """Show every account. Raises `Failure`."""
    with _accounts(folder) as connection:
        everybody = Users(connection).all()
    screen = Screen()
    if not everybody:
        screen.line("no accounts yet; `netra up` makes the first one")
    width = max((len(user.email) for user in everybody), default=0)
    for user in everybody:
        made = datetime.fromtimestamp(user.created_at / 1000, UTC).date().isoformat()
        state = "disabled" if user.disabled_at is not None else "enabled"
        way = "password" if user.password_hash is not None else "no password"
        screen.line(f"{user.email:<{width}}  {user.role:<5}  {state:<8}  {way:<11}  since {made}  {user.id}")


def disable(folder: Path, email: str) -> None:
    """Refuse the account from now on and end its sessions. Raises `Failure`."""
    with _accounts(folder) as connection:
        user = _known(connection, email)
        now = now_ms()
        admins = [each for each in Users(connection).all() if each.role == "admin" and each.disabled_at is None]
        if admins == [user]:
            raise Failure(f"{user.email} is the only admin; make another first: netra user create --admin E-MAIL")
        Users(connection).disable(user.id, now)
        ended = Sessions(connection).revoke_all(user.id, now)
    Screen().line(f"disabled {user.email}; {_sessions(ended)} ended, what it stored stays")


def set_password(folder: Path, email: str, *, password_stdin: bool) -> None:
    """Set an account's password and end its sessions. Raises `Failure`."""
    password = _from_stdin() if password_stdin else _from_terminal()
    hashed = _hash(password)
    mine = left(folder, "up")
    with _accounts(folder) as connection:
        user = _known(connection, email)
        now = now_ms()
        session = Sessions(connection).by_token_hash(hash_secret(mine.token)) if mine is not None else None
        Users(connection).set_password(user.id, hashed)
        KnownDevices(connection).forget(user.id)
        ended = Sessions(connection).revoke_all(user.id, now)
        renewed = None
        if session is not None and session.id in ended:
            # Whoever may write this folder may sign in anyway; so that `netra chat` goes on working here.
            _, renewed = Sessions(connection).create(user.id, session.label, now, session.expires_at)
    if mine is not None and renewed is not None:
        leave(folder, "up", Credentials(mine.url, renewed))
    Screen().line(f"set the password of {user.email}; {_sessions(ended)} ended")


def _sessions(ended: Collection[str]) -> str:
    return "1 session" if len(ended) == 1 else f"{len(ended)} sessions"


@contextmanager
def _accounts(path: Path) -> Generator[Connection]:
    """One transaction on the folder's database, which is made if it is missing and no server holds the folder."""
    folder = DataFolder(path)
    with ExitStack() as stack:
        try:
            held = False
            try:
                stack.enter_context(folder)
            except FolderHeld:
                held = True
            engine = sqlite_engine(path / "netra.db", begin="BEGIN IMMEDIATE")
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.begin())
            if not held:
                migrate(connection)
            elif schema_version(connection) != SCHEMA_VERSION:
                raise Failure("the server that holds this folder is starting, or is another version; try again")
            yield connection
        except (FolderUnusable, NewerSchema) as error:
            raise Failure(str(error)) from None
        except DBAPIError as error:
            away = unavailable(error)
            if away is None:
                raise
            raise Failure(f"{away}; see `netra doctor`") from None


def _known(connection: Connection, email: str) -> User:
    user = Users(connection).by_email(email)
    if user is None:
        raise Failure(f"there is no account {email}; see `netra user list`", FAILED)
    return user


def _hash(password: str) -> str:
    try:
        return Passwords().hash_now(password)
    except PasswordRefused as refused:
        raise Failure(str(refused)) from None


def _from_stdin() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _from_terminal() -> str:
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask for the password; give it with --password-stdin")
    password = getpass.getpass("New password: ")
    if getpass.getpass("Again: ") != password:
        raise Failure("the two don't match")
    return password


def _settings(folder: Path) -> Settings:
    try:
        return load_settings(data_dir=folder)
    except BadSetting as bad:
        raise Failure(str(bad)) from None


def _address(folder: Path, settings: Settings) -> str:
    kept = left(folder, "up")
    return settings.public_url or (kept.url if kept else f"http://{settings.host}:{settings.port}")
