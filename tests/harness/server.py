"""Netra on a real socket, in the test's own process and on its own loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from netra_backend.app.main import create_app
from netra_backend.app.routes.services import Services
from netra_backend.app.server import configure
from netra_backend.app.settings import Settings
from netra_backend.app.storage.users import Users
from tests.harness.client import Client, Record
from tests.harness.deadline import DEADLINE


@dataclass(frozen=True)
class Person:
    """An account with a session."""

    user_id: str
    session_id: str
    token: str


class RunningServer:
    """A server that runs now, and ways in."""

    def __init__(self, app: FastAPI, port: int) -> None:
        self._app = app
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def services(self) -> Services:
        return self._app.state.services

    async def person(self, name: str = "alice", role: str = "user") -> Person:
        """A new account, logged in."""
        user = await self.services.log.write(
            lambda rows: Users(rows).create(f"{name}@example.org", role, None, 1)  # pyright: ignore[reportArgumentType]
        )
        session, token = await self.services.registry.start(user.id, "test")
        return Person(user.id, session.id, token)

    def client(self, person: Person, record: Record | None = None) -> Client:
        """A socket client of this person; connect it with `async with`. A `record` goes on where it was."""
        return Client(f"ws://127.0.0.1:{self.port}/ws", person.token, record)

    def http(self, person: Person | None = None) -> httpx.AsyncClient:
        """An HTTP client, of this person if one is named."""
        headers = {"Authorization": f"Bearer {person.token}"} if person is not None else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=DEADLINE, verify=False)


@asynccontextmanager
async def running_server(data_dir: Path, **settings: object) -> AsyncIterator[RunningServer]:
    """Serve from `data_dir` until the body is done."""
    # asyncio switches Nagle's algorithm off only where the socket says that it is TCP; else each answer waits 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    given = {"data_dir": data_dir, "port": port, "drain_grace": 0, "messages_per_minute": 100_000} | settings
    settings_now = Settings(**given)
    app = create_app(settings_now)
    config = configure(app, settings_now)
    config.lifespan = "on"
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise RuntimeError("the server ended while it started")
            await asyncio.sleep(0.01)
        yield RunningServer(app, port)
    finally:
        server.should_exit = True
        await serving
        listening.close()
