"""`netra user`: accounts, straight in the data folder, whether a server runs from it or not.

Account rows only, in short transactions of their own; the logs belong to the server.
"""

from __future__ import annotations

import getpass
import re
import sys
import time
from collections.abc import Collection, Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from netra_backend.app.auth.passwords import PasswordRefused, Passwords
from netra_backend.app.auth.sign_in import issue_sign_in_code
from netra_backend.app.commands.credentials import Credentials, leave, left, left_public_url
from netra_backend.app.commands.failure import FAILED, Failure
from netra_backend.app.commands.terminal import Screen
from netra_backend.app.event_log.sqlite import sqlite_engine
from netra_backend.app.event_log.writer import unavailable
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.services.account_service import remove_account
from netra_backend.app.settings import BadSetting, Settings, load_settings
from netra_backend.app.storage.folder import DataFolder, FolderHeld, FolderUnusable
from netra_backend.app.storage.known_devices import KnownDevices
from netra_backend.app.storage.schema import SCHEMA_VERSION, NewerSchema, migrate, schema_version
from netra_backend.app.storage.sessions import Sessions, hash_secret
from netra_backend.app.storage.users import EmailTaken, User, Users, normal_email

__all__ = ["create", "delete", "disable", "enable", "link", "list_users", "set_password"]

DELETE_SECONDS = 30.0
"""How long `delete` waits for the server to remove the account."""

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
        _show_link(screen, folder, settings, code)


def link(folder: Path, email: str) -> None:
    """Show a one-time sign-in link for an account that there is. Raises `Failure`."""
    settings = _settings(folder)
    with _accounts(folder) as connection:
        user = _known(connection, email)
        if user.disabled_at is not None:
            raise Failure(f"{user.email} is disabled; first: netra user enable {user.email}", FAILED)
        code = issue_sign_in_code(connection, user.id, settings)
    _show_link(Screen(), folder, settings, code)


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
        state = "leaving" if user.leaving else "disabled" if user.disabled_at is not None else "enabled"
        way = "password" if user.password_hash is not None else "no password"
        screen.line(f"{user.email:<{width}}  {user.role:<5}  {state:<8}  {way:<11}  since {made}  {user.id}")


def disable(folder: Path, email: str) -> None:
    """Refuse the account from now on and end its sessions. Raises `Failure`."""
    with _accounts(folder) as connection:
        user = _known(connection, email)
        now = now_ms()
        _see_that_an_admin_stays(connection, user)
        Users(connection).disable(user.id, now)
        ended = Sessions(connection).revoke_all(user.id, now)
    Screen().line(f"disabled {user.email}; {_sessions(ended)} ended, what it stored stays")


def enable(folder: Path, email: str) -> None:
    """Take a disabled account in again, with all it stored. Raises `Failure`."""
    with _accounts(folder) as connection:
        user = _known(connection, email)
        if user.leaving:
            raise Failure(f"{user.email} is being deleted", FAILED)
        Users(connection).enable(user.id)
    screen = Screen()
    if user.disabled_at is None:
        screen.line(f"{user.email} was enabled already")
    else:
        screen.line(f"enabled {user.email}; its sessions have ended, so it signs in again")


def delete(folder: Path, email: str, *, sure: bool) -> None:
    """Remove an account with all that was stored for it, through the server if one holds the folder.

    Raises `Failure`.
    """
    with _accounts(folder) as connection:
        user = _known(connection, email)
        _see_that_an_admin_stays(connection, user)
    if not sure:
        _ask_whether_sure(user)
    with _accounts(folder) as connection:
        user = _known(connection, email)
        now = now_ms()
        # From here on it can start nothing, so its last run ends at some time.
        Users(connection).disable(user.id, now)
        Sessions(connection).revoke_all(user.id, now)
        Users(connection).mark_leaving(user.id)
    screen = Screen()
    deadline = time.monotonic() + DELETE_SECONDS
    while not _is_gone(folder, user.id):
        if time.monotonic() > deadline:
            screen.line(f"{user.email} is disabled; the server removes it as soon as its runs have ended")
            return
        time.sleep(0.2)
    screen.line(f"deleted {user.email} and everything that was stored for it")


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
    with _held_accounts(path) as (connection, _):
        yield connection


@contextmanager
def _held_accounts(path: Path) -> Generator[tuple[Connection, bool]]:
    """`_accounts`, and whether a server holds the folder."""
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
            yield connection, held
        except (FolderUnusable, NewerSchema) as error:
            raise Failure(str(error)) from None
        except DBAPIError as error:
            away = unavailable(error)
            if away is None:
                raise
            raise Failure(f"{away}; see `netra doctor`") from None


def _is_gone(folder: Path, user_id: str) -> bool:
    """Whether the account is removed. Where no server holds the folder, there is nobody else to do it."""
    with _held_accounts(folder) as (connection, held):
        if not held:
            remove_account(connection, user_id, unserved=True)
        return Users(connection).by_id(user_id) is None


def _see_that_an_admin_stays(connection: Connection, user: User) -> None:
    admins = [each for each in Users(connection).all() if each.role == "admin" and each.disabled_at is None]
    if [each.id for each in admins] == [user.id]:
        raise Failure(f"{user.email} is the only admin; make another first: netra user create --admin E-MAIL")


def _ask_whether_sure(user: User) -> None:
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask whether you are sure; say so with --yes")
    typed = input(f"This removes {user.email} with all threads, messages and notes. Type the address to go on: ")
    if normal_email(typed) != user.email:
        raise Failure("that is another address; nothing was done")


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


def _show_link(screen: Screen, folder: Path, settings: Settings, code: str) -> None:
    screen.line(f"sign-in link (works once, within {settings.sign_in_code_minutes:g} minutes):")
    screen.line(f"  {_address(folder, settings)}/sign-in#{code}")


def _address(folder: Path, settings: Settings) -> str:
    """What people type: as the server of this folder was told, which may run with other variables than this command."""
    kept = left(folder, "up")
    return (
        left_public_url(folder)
        or settings.public_url
        or (kept.url if kept else f"http://{settings.host}:{settings.port}")
    )
