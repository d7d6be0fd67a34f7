"""The servers that are compared, and how each is started as its quick start says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measures import SessionOf
from benchmarks.peer_sessions import AgnoSession, AgUiSession, ChainlitSession
from benchmarks.sessions import NaiveSession, NetraSession, Session
from netra_backend.app.auth.session_registry import SessionRegistry
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.settings import Settings
from netra_backend.app.storage.folder import DataFolder
from netra_backend.app.storage.schema import migrate
from netra_backend.app.storage.users import Users

HERE = Path(__file__).parent
USERS = 1100


@dataclass
class Prepared:
    """A command with its environment, and how its users connect. `PORT` and `MODEL_URL` are added to `env`."""

    command: list[str]
    env: dict[str, str]
    session_of: SessionOf


Prepare = Callable[[Path, str, Path], Awaitable[Prepared]]
"""(an empty folder, the model's URL, the target's programs) → how to start it"""


@dataclass
class Target:
    """A server to measure. `packages` go into an environment of its own; none: that of Netra itself."""

    name: str
    prepare: Prepare
    packages: list[str] = field(default_factory=list[str])
    shown: list[str] = field(default_factory=list[str])
    paced: tuple[int, ...] = (20, 100)
    """Numbers of streams whose latency is looked at."""
    stops: int = 10
    sockets: bool = True
    """A user's connection stays open between runs."""
    has_log: bool = False
    """What was missed can be had again."""


def environment(target: Target, folder: Path) -> Path:
    """The folder of programs of the target's environment; made once."""
    if not target.packages:
        return Path(sys.executable).parent
    place = folder / target.name
    programs = place / "bin"
    made = place / ".made"
    if not made.exists() or made.read_text() != " ".join(target.packages):
        print(f"installing {target.name} into {place} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *target.packages], check=True)
        made.write_text(" ".join(target.packages))
    return programs


def versions(programs: Path, packages: list[str]) -> dict[str, str]:
    """What is installed there."""
    code = "import sys; from importlib.metadata import version; print(*(version(n) for n in sys.argv[1:]))"
    found = subprocess.run(
        [str(programs / "python"), "-c", code, *packages], check=True, capture_output=True, text=True
    )
    return dict(zip(packages, found.stdout.split(), strict=True))


async def netra_tokens(data_dir: Path, count: int) -> list[str]:
    """Accounts with a session each, in a folder that no server holds yet."""
    settings = Settings(data_dir=data_dir)
    with DataFolder(data_dir):
        log = SqliteLog(settings.database_path)
        registry = SessionRegistry(log, settings)
        try:
            await log.write(migrate)

            def make(rows: object) -> list[str]:
                tokens: list[str] = []
                for number in range(count):
                    user = Users(rows).create(f"user{number}@example.org", "user", None, 1)  # type: ignore[arg-type]
                    tokens.append(registry.start_in(rows, user.id, "bench")[1])  # type: ignore[arg-type]
                return tokens

            return await log.write(make)
        finally:
            await registry.close()
            await log.close()


def _netra(client: str) -> Prepare:
    async def prepare(folder: Path, model_url: str, programs: Path) -> Prepared:
        tokens = await netra_tokens(folder / "data", USERS)
        env = {
            "NETRA_DATA_DIR": str(folder / "data"),
            "NETRA_MODEL": "openai:fake",
            "NETRA_MODEL_BASE_URL": model_url,
            "NETRA_MODEL_CLIENT": client,
            "NETRA_MAX_RUNNING_RUNS": "1000",
            "NETRA_MESSAGES_PER_MINUTE": "1000000",
            "NETRA_LOG_LEVEL": "warning",
        }
        command = [str(programs / "netra"), "up", "--no-open", "--port", "{port}"]
        return Prepared(command, env, lambda url, number: NetraSession(url, tokens[number]))

    return prepare


def _app(name: str, session: Callable[[str], Session]) -> Prepare:
    async def prepare(folder: Path, model_url: str, programs: Path) -> Prepared:
        env = {"MODEL_URL": model_url, "OPENAI_API_KEY": "none", "DATA": str(folder)}
        return Prepared(
            [str(programs / "python"), str(HERE / f"{name}.py")],
            env,
            lambda url, number: session(url),
        )

    return prepare


def _chainlit() -> Prepare:
    async def prepare(folder: Path, model_url: str, programs: Path) -> Prepared:
        command = [str(programs / "chainlit"), "run", str(HERE / "chainlit_app.py"), "--headless", "--port", "{port}"]
        env = {"MODEL_URL": model_url, "OPENAI_API_KEY": "none"}
        return Prepared(command, env, lambda url, number: ChainlitSession(url))

    return prepare


TARGETS = [
    Target(
        "naive",
        _app("naive_app", NaiveSession),
        shown=["fastapi", "uvicorn", "openai"],
        paced=(20, 100, 200),
        stops=30,
    ),
    Target(
        "netra",
        _netra("lean"),
        shown=["aiohttp", "msgspec"],
        paced=(20, 100, 200, 400),
        stops=30,
        has_log=True,
    ),
    Target("netra-sdk", _netra("sdk"), shown=["pydantic-ai-slim", "openai"], stops=30),
    Target("chainlit", _chainlit(), ["chainlit", "openai"], ["chainlit"]),
    Target(
        "agno",
        _app("agno_app", AgnoSession),
        ["agno", "openai", "fastapi[standard]", "sqlalchemy[asyncio]"],
        ["agno"],
        sockets=False,
    ),
    Target(
        "ag-ui",
        _app("agui_app", AgUiSession),
        ["pydantic-ai-slim[ag-ui,openai]", "fastapi", "uvicorn[standard]"],
        ["ag-ui-protocol"],
        sockets=False,
    ),
]
