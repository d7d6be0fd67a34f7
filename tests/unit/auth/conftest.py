"""A real database and a small app of log-in alone; the database can be sent away and the clock moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from netra_backend.app.auth.authenticator import Authenticator
from netra_backend.app.auth.passwords import Passwords
from netra_backend.app.auth.session_registry import SessionRegistry
from netra_backend.app.auth.sign_in import SignIn
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.rate_limit import Pace
from netra_backend.app.routes import auth
from netra_backend.app.routes.body_limit import BodyLimit
from netra_backend.app.routes.pages import install_pages
from netra_backend.app.routes.problems import install_problem_handlers
from netra_backend.app.routes.security_headers import SecurityHeaders
from netra_backend.app.settings import Settings
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.schema import migrate
from netra_backend.app.storage.users import User, Users


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    return Passwords()


class LeavingLog:
    """The real log, which can be away; counts the reads that reach it, and can hold one of them back."""

    def __init__(self, real: SqliteLog) -> None:
        self.real = real
        self.away = False
        self.reads = 0
        self.after_read: Callable[[], Any] | None = None

    async def query(self, look: Callable[[Any], Any]) -> Any:
        if self.away:
            raise LogUnavailable("away")
        self.reads += 1
        found = await self.real.query(look)
        if self.after_read is not None:
            interrupt, self.after_read = self.after_read, None
            await interrupt()
        return found

    async def write(self, unit: Callable[[Any], Any]) -> Any:
        if self.away:
            raise LogUnavailable("away")
        return await self.real.write(unit)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """Everything log-in consists of."""

    settings: Settings
    log: Any
    clock: Clock
    registry: SessionRegistry
    authenticator: Authenticator
    passwords: Passwords
    sign_in: SignIn
    requests: Pace
    users: dict[str, User] = field(default_factory=dict)

    async def add_user(self, email: str, password: str | None = None) -> User:
        hashed = await self.passwords.hash(password) if password else None
        user = await self.log.write(lambda connection: Users(connection).create(email, "user", hashed, now_ms()))
        self.users[email] = user
        return user

    async def token(self, user: User, label: str = "test") -> str:
        _, token = await self.registry.start(user.id, label)
        return token


@pytest.fixture
async def make_house(tmp_path: Path, passwords: Passwords) -> AsyncIterator[Callable[..., Any]]:
    opened: list[House] = []

    async def make(**settings: Any) -> House:
        chosen = Settings(data_dir=tmp_path, **settings)
        real = SqliteLog(chosen.database_path)
        await real.write(migrate)
        log: Any = LeavingLog(real)
        clock = Clock()
        registry = SessionRegistry(log, chosen, clock=clock)
        house = House(
            settings=chosen,
            log=log,
            clock=clock,
            registry=registry,
            authenticator=Authenticator(registry, log, chosen),
            passwords=passwords,
            sign_in=SignIn(log, registry, passwords, chosen),
            requests=Pace(1000, 1000, 1),
        )
        opened.append(house)
        return house

    yield make
    for house in opened:
        await house.registry.close()
        await house.log.real.close()


@pytest.fixture
async def house(make_house: Callable[..., Any]) -> House:
    return await make_house()


def app_of(house: House) -> FastAPI:
    app = FastAPI()
    app.state.services = house
    app.include_router(auth.router)
    install_pages(app)
    install_problem_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=10_000)
    app.add_middleware(SecurityHeaders)
    return app


@pytest.fixture
def make_app() -> Callable[[House], FastAPI]:
    return app_of


@pytest.fixture
async def make_client() -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    opened: list[httpx.AsyncClient] = []

    def make(house: House, base_url: str = "http://127.0.0.1:8000", **extra: Any) -> httpx.AsyncClient:
        app = extra.pop("app", None) or app_of(house)
        transport = httpx.ASGITransport(app, client=(extra.pop("address", "127.0.0.1"), 5000))
        client = httpx.AsyncClient(transport=transport, base_url=base_url, **extra)
        opened.append(client)
        return client

    yield make
    for client in opened:
        await client.aclose()


@pytest.fixture
def client(house: House, make_client: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    return make_client(house)
