"""`netra up`: serve from a data folder."""

from __future__ import annotations

import asyncio
import shlex
import sys
import webbrowser
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy import Connection

from netra_backend.app.auth.session_registry import SessionRegistry
from netra_backend.app.auth.sign_in import issue_sign_in_code
from netra_backend.app.commands.credentials import Credentials, leave, leave_public_url, left
from netra_backend.app.commands.failure import Failure
from netra_backend.app.logs import configure_logs
from netra_backend.app.main import create_app
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.routes.dependencies import AuthServices
from netra_backend.app.server import CannotListen, bind, run
from netra_backend.app.settings import BadSetting, Settings, load_settings
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.folder import DataFolder, FolderHeld, FolderUnusable
from netra_backend.app.storage.schema import NewerSchema
from netra_backend.app.storage.sessions import Sessions, hash_secret
from netra_backend.app.storage.users import User, Users

__all__ = ["ADMIN", "up"]

ADMIN = "admin@localhost"
"""The account that the first start makes. It has no password: the first way in is a one-time link."""

LABEL = "netra on this machine"


@dataclass(frozen=True, slots=True)
class _Welcome:
    """What the start found or made: a session for this machine, and a sign-in code where one is wanted."""

    token: str | None
    code: str | None


def up(*, open_browser: bool, **flags: object) -> None:
    """Serve until a signal ends it. Raises `Failure`."""
    try:
        settings = load_settings(**flags)
        configure_logs(settings.log_level)
        app = create_app(settings)

        async def ready(url: str) -> None:
            await _welcome(app, settings, url, open_browser=open_browser)

        with DataFolder(settings.data_dir):
            # Before the port: a second server on this folder is told of the folder, not to take another port.
            pass
        with bind(settings.host, settings.port) as bound:
            run(app, settings, bound, ready)
    except (BadSetting, CannotListen, FolderHeld, FolderUnusable, NewerSchema) as error:
        raise Failure(str(error)) from None
    except LogUnavailable as error:
        raise Failure(f"{error}; see `netra doctor`") from None


async def _welcome(app: FastAPI, settings: Settings, url: str, *, open_browser: bool) -> None:
    services: AuthServices = app.state.services
    kept = left(settings.data_dir, "up")
    watched = sys.stdout.isatty()
    welcome = await services.log.write(
        lambda connection: _prepare(connection, services.registry, settings, kept.token if kept else None, watched)
    )
    try:
        leave_public_url(settings.data_dir, settings.public_url)
        if welcome.token is not None:
            leave(settings.data_dir, "up", Credentials(url, welcome.token))
    except OSError as error:
        raise Failure(f"the data folder {settings.data_dir} can't be written: {error.strerror}") from None
    shown = settings.public_url or url
    link = f"{shown}/sign-in#{welcome.code}" if welcome.code is not None else None
    _say(_greeting(settings, app.state.services.supervisor.runtime.model, shown, link))
    if open_browser:
        await asyncio.to_thread(webbrowser.open, link or shown)


def _prepare(
    connection: Connection, registry: SessionRegistry, settings: Settings, kept: str | None, watched: bool
) -> _Welcome:
    users = Users(connection)
    everybody = users.all()
    first = not everybody
    if first:
        everybody = [users.create(ADMIN, "admin", None, now_ms())]
    owner = next((user for user in everybody if user.role == "admin" and user.disabled_at is None), None)
    if owner is None:
        return _Welcome(token=None, code=None)
    token = kept if kept is not None and _is_good(connection, owner, kept) else None
    if token is None:
        _, token = registry.start_in(connection, owner.id, LABEL)
    # Without a password a link is the only way in for a browser; in a log of a service it would be a secret, though.
    wanted = first or (watched and owner.password_hash is None)
    return _Welcome(token, issue_sign_in_code(connection, owner.id, settings) if wanted else None)


def _is_good(connection: Connection, owner: User, token: str) -> bool:
    """Whether the session that is left is the owner's, and has half its life before it."""
    session = Sessions(connection).by_token_hash(hash_secret(token))
    if session is None or session.user_id != owner.id:
        return False
    return session.usable(now_ms() + (session.expires_at - session.created_at) // 2)


def _greeting(settings: Settings, agents_model: str, url: str, link: str | None) -> str:
    folder = settings.data_dir
    elsewhere = "" if folder == Path.home() / ".netra" else f" --data-dir {shlex.quote(str(folder))}"
    if settings.agent is not None:
        model = f"{agents_model}, with the agent {settings.agent}"
    elif settings.model == "offline":
        model = "offline, not a language model. Set one: NETRA_MODEL=openai:NAME NETRA_MODEL_API_KEY=… netra up"
    else:
        model = f"{settings.model}. Set another: NETRA_MODEL=openai:NAME"
    lines = [f"Netra serves at {url} (Ctrl-C ends it)", ""]
    if link is not None:
        lines += [f"  Sign in  {link}", f"           works once, within {settings.sign_in_code_minutes:g} minutes", ""]
    lines += [
        f'  Chat     netra chat{elsewhere} "what is 17*23, and what time is it in Tokyo?"',
        f"  Model    {model}",
        f"  Data     {folder}",
    ]
    return "\n".join(lines)


def _say(text: str) -> None:
    # Whoever started the server may have stopped reading; that is no reason not to serve.
    with suppress(OSError):
        print(text + "\n", flush=True)
