"""`netra doctor`: what is in force, what doesn't work, and what to do about it. It changes nothing."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import platform
import shutil
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import httpx
from pydantic import SecretStr

from netra_backend.app.agents.loader import ready_agent
from netra_backend.app.commands.credentials import left
from netra_backend.app.commands.failure import FAILED, Failure
from netra_backend.app.commands.terminal import Screen
from netra_backend.app.protocol.events import Json
from netra_backend.app.runs.redaction import MASK, presentable
from netra_backend.app.server import CannotListen, bind
from netra_backend.app.settings import BadSetting, Settings, load_settings
from netra_backend.app.storage.schema import SCHEMA_VERSION

__all__ = ["doctor"]

MODEL_TIMEOUT = 10.0
MOST_SHOWN = 1000
"""Characters of one setting."""

SERVER_TIMEOUT = 5.0
LOW_DISK = 200 * 1024 * 1024
"""Bytes free under which the log may soon not be written."""

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class _Finding:
    """One thing that was looked at. `advice` is there when something is to be done."""

    about: str
    state: Literal["ok", "note", "problem"]
    text: str
    advice: str | None = None


def doctor(folder: Path, *, show_all: bool) -> None:
    """Look at everything. Raises `Failure` (exit 1) if something needs doing, after saying all of it."""
    screen = Screen()
    screen.line(("Settings", "bold"))
    problems = 0
    try:
        settings = load_settings(data_dir=folder)
    except BadSetting as bad:
        _show(screen, _Finding("settings", "problem", str(bad), "mend it; the server doesn't start with it"))
        raise Failure("1 problem", FAILED) from None
    for line in _in_force(settings, show_all=show_all):
        screen.line("  ", line)
    screen.line("")
    screen.line(("Checks", "bold"))
    for finding in _findings(settings):
        _show(screen, finding)
        problems += finding.state == "problem"
    if problems:
        raise Failure(f"{problems} problem{'s' if problems > 1 else ''}", FAILED)
    screen.line("")
    screen.line("everything that was looked at works")


def _show(screen: Screen, finding: _Finding) -> None:
    mark, style = {"ok": ("ok", "green"), "note": ("--", "yellow"), "problem": ("!!", "red")}[finding.state]
    screen.line("  ", (mark, style), f"  {finding.about:<9}  {finding.text}")
    if finding.advice is not None:
        screen.line(f"                 → {finding.advice}")


def _in_force(settings: Settings, *, show_all: bool) -> Iterator[str]:
    file = settings.data_dir / "netra.toml"
    written: dict[str, object] = tomllib.loads(file.read_text()) if file.exists() else {}
    hidden = 0
    for name in type(settings).model_fields:
        value: object = getattr(settings, name)
        if os.environ.get(f"NETRA_{name.upper()}"):
            source = f"NETRA_{name.upper()}"
        elif name in written:
            source = str(file)
        elif name == "data_dir":
            source = "--data-dir, or the home folder"
        else:
            source = "default"
            if not show_all and name not in {"host", "port", "model"}:
                hidden += 1
                continue
        yield f"{name} = {_shown(value)}  [{source}]"
    if hidden:
        yield f"and {hidden} more at their defaults (--all shows them)"


def _shown(value: object) -> object:
    """A setting's value without what is secret in it."""
    match value:
        case SecretStr():
            return "(set, not shown)"
        case tuple():
            return ", ".join(str(each) for each in cast("tuple[object, ...]", value))
        case dict():
            fields = cast("dict[str, Json | SecretStr]", value)
            hidden = {name: MASK if isinstance(each, SecretStr) else each for name, each in fields.items()}
            return json.dumps(presentable(hidden, MOST_SHOWN), ensure_ascii=False)
        case _:
            return value


def _findings(settings: Settings) -> Iterator[_Finding]:
    yield _Finding(
        "program", "ok", f"Python {platform.python_version()} on {platform.system()}, schema {SCHEMA_VERSION}"
    )
    yield from _data(settings.data_dir)
    holder = _holder(settings.data_dir)
    yield from _database(settings.database_path)
    yield from _server(settings, holder)
    yield from _proxies(settings)
    yield from _agent(settings)


def _data(folder: Path) -> Iterator[_Finding]:
    if not folder.exists():
        yield _Finding("data", "note", f"{folder} doesn't exist yet", "nothing to do: `netra up` makes it")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield _Finding("data", "problem", f"{folder} can't be written", "give it to this account, or use --data-dir")
        return
    free = shutil.disk_usage(folder).free
    text = f"{folder}, {free // 1024**2} MiB free"
    if free < LOW_DISK:
        yield _Finding("data", "problem", text, "free some space: a full disk stops the log")
    elif folder.stat().st_mode & 0o077:
        yield _Finding("data", "problem", f"{text}, but others may read it", f"chmod 700 {folder}")
    else:
        yield _Finding("data", "ok", text)


def _database(path: Path) -> Iterator[_Finding]:
    if not path.exists():
        yield _Finding("database", "note", "there is none yet", "nothing to do: `netra up` makes it")
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            (health,) = database.execute("PRAGMA quick_check(1)").fetchone()
            found = database.execute("SELECT version_num FROM alembic_version").fetchone()
            (accounts,) = database.execute("SELECT count(*) FROM users").fetchone()
    except sqlite3.Error as error:
        yield _Finding("database", "problem", f"{path} can't be read: {error}", "restore a backup of the data folder")
        return
    version = found[0] if found else "none"
    text = f"{path.stat().st_size // 1024} KiB, {accounts} account{'' if accounts == 1 else 's'}, schema {version}"
    if health != "ok":
        yield _Finding("database", "problem", f"{text}; damaged: {health}", "restore a backup of the data folder")
    elif version > SCHEMA_VERSION:
        yield _Finding("database", "problem", text, f"made by a newer Netra; this one knows {SCHEMA_VERSION}")
    else:
        yield _Finding("database", "ok", text)


def _holder(folder: Path) -> str | None:
    """The pid of the server that holds the folder; None if nobody does."""
    try:
        lock = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(lock)
    return None


def _server(settings: Settings, holder: str | None) -> Iterator[_Finding]:
    if holder is None:
        try:
            bind(settings.host, settings.port).close()
        except CannotListen as error:
            yield _Finding("server", "problem", f"none runs from this folder; {error}")
        else:
            yield _Finding("server", "note", "none runs from this folder", "`netra up` starts one")
        return
    kept = left(settings.data_dir, "up")
    url = kept.url if kept is not None else f"http://{settings.host}:{settings.port}"
    try:
        answer = httpx.get(f"{url}/health/ready", timeout=SERVER_TIMEOUT, trust_env=False)
        state = answer.json()["status"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        text = f"pid {holder} holds the folder, but {url} doesn't answer ({type(error).__name__})"
        yield _Finding("server", "problem", text, "look at its log, or end that process")
        return
    text = f"pid {holder} serves at {url}, {state}"
    if answer.status_code == 200:
        yield _Finding("server", "ok", text)
    else:
        reason = answer.json().get("reason") or "the log doesn't take or give events now"
        yield _Finding("server", "problem", f"{text}: {reason}", "look at its log; is the disk full?")


def _proxies(settings: Settings) -> Iterator[_Finding]:
    if settings.public_url is not None and settings.public_url.startswith("https:") and not settings.trusted_proxies:
        yield _Finding(
            "proxy",
            "note",
            f"{settings.public_url} means that something in front speaks https, but no proxy is named: everybody behind"
            " it counts as one address, and shares its limits on sign-ins and connections",
            "name its address in NETRA_TRUSTED_PROXIES",
        )


def _agent(settings: Settings) -> Iterator[_Finding]:
    try:
        model = asyncio.run(_loaded(settings))
    except BadSetting as bad:
        yield _Finding("agent", "problem", str(bad))
        return
    if settings.agent is not None:
        yield _Finding("agent", "ok", f"{settings.agent} is there, with the model {model}")
        if model != settings.model.removeprefix("openai:").strip():
            # It has one of its own, which nobody is asked about here.
            return
    if settings.model == "offline":
        advice = None if settings.agent else "for a language model set NETRA_MODEL=openai:NAME and NETRA_MODEL_API_KEY"
        yield _Finding("model", "ok", "offline: rules and real tools, not a language model", advice)
    else:
        yield from _model(settings, settings.model.removeprefix("openai:").strip())


async def _loaded(settings: Settings) -> str:
    """Load the agent as `netra up` does, and give its model's name."""
    runtime = await ready_agent(settings)
    try:
        return runtime.model
    finally:
        await runtime.aclose()


def _model(settings: Settings, name: str) -> Iterator[_Finding]:
    base = settings.model_base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    key = settings.model_api_key.get_secret_value() if settings.model_api_key else os.environ.get("OPENAI_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    headers |= {name: value.get_secret_value() for name, value in settings.model_extra_headers.items()}
    try:
        answer = httpx.get(f"{base}/models", headers=headers, timeout=MODEL_TIMEOUT)
    except httpx.HTTPError as error:
        text = f"{base} doesn't answer: {error or type(error).__name__}"
        yield _Finding("model", "problem", text, "is the address right (NETRA_MODEL_BASE_URL), and the network there?")
        return
    if answer.status_code in {401, 403}:
        text = f"{base} refuses the key (HTTP {answer.status_code})"
        yield _Finding("model", "problem", text, "set NETRA_MODEL_API_KEY")
        return
    offered = _offered(answer) if answer.is_success else None
    if offered is None:
        text = f"{base} answers, but doesn't list its models (HTTP {answer.status_code})"
        yield _Finding("model", "note", text, f"try it: netra chat hello (model {name})")
    elif name in offered:
        yield _Finding("model", "ok", f"{base} has {name}")
    else:
        few = ", ".join(sorted(offered)[:5]) or "none"
        yield _Finding("model", "problem", f"{base} doesn't list {name}", f"set NETRA_MODEL; there are: {few} …")


def _offered(answer: httpx.Response) -> set[str] | None:
    """The names in a list of models as OpenAI's API gives it; None if it isn't one."""
    try:
        return {str(model["id"]) for model in answer.json()["data"]}
    except (ValueError, KeyError, TypeError):
        return None
