"""Netra in a process of its own, which can be killed, told to end, and have its disk taken away."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from netra_backend.app.auth.session_registry import SessionRegistry
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.settings import Settings
from netra_backend.app.storage.folder import DataFolder
from netra_backend.app.storage.schema import migrate
from netra_backend.app.storage.users import Users
from tests.harness.client import Client, Record
from tests.harness.deadline import DEADLINE
from tests.harness.server import Person

ROOT = Path(__file__).parents[2]


async def eventually(seen: Callable[[], object], what: str) -> None:
    """Poll until it is so."""
    try:
        async with asyncio.timeout(DEADLINE):
            while True:
                if seen():
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never happened: {what}") from None


async def people(data_dir: Path, *names: str) -> list[Person]:
    """Accounts, logged in, in a folder that no server holds now. Makes folder and schema if there are none."""
    settings = Settings(data_dir=data_dir)
    found: list[Person] = []
    with DataFolder(data_dir):
        log = SqliteLog(settings.database_path)
        registry = SessionRegistry(log, settings)
        try:
            await log.write(migrate)
            for name in names:
                user = await log.write(
                    lambda rows, name=name: Users(rows).create(f"{name}@example.org", "user", None, 1)
                )
                session, token = await registry.start(user.id, "test")
                found.append(Person(user.id, session.id, token))
        finally:
            await registry.close()
            await log.close()
    return found


class ServerProcess:
    """One server process after the other on the same data folder and port. An async context manager that leaves none.

    What it wrote is in `output`; a test that fails shows it.
    """

    def __init__(self, data_dir: Path, **settings: object) -> None:
        self.data_dir = data_dir
        self._reserved = _Port()
        self.port = self._reserved.number
        given: dict[str, object] = {"data_dir": data_dir, "port": self.port, "messages_per_minute": 100_000, **settings}
        self._environment = {f"NETRA_{name.upper()}": str(value) for name, value in given.items()}
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.output: deque[str] = deque(maxlen=400)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"
        return self._process.pid

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill9()
        self._reserved.release()
        if error is not None:
            error.add_note("the server wrote:\n" + "".join(self.output))

    def spawn(self) -> None:
        """Start it, without waiting until it serves."""
        assert self._process is None, "it runs already"
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("netra"), "up", "--no-open"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("NETRA_")}
            | self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # Somebody has to read, or the server stands still once the pipe is full.
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.spawn()
        await self.until_ready()

    async def until_ready(self, *, wanted: bool = True) -> None:
        """Wait until its readiness says so (or says no)."""
        async with self.http() as http, asyncio.timeout(DEADLINE):
            while True:
                if await self.ready(http) == wanted:
                    return
                assert self._process is not None
                assert self._process.poll() is None, f"it ended with {self._process.returncode}"
                await asyncio.sleep(0.02)

    async def ready(self, http: httpx.AsyncClient) -> bool:
        """What its readiness says now."""
        try:
            return (await http.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def kill9(self) -> None:
        """`kill -9`. Nothing if it has ended."""
        await self._end(signal.SIGKILL)

    async def sigterm(self) -> int:
        """Tell it to end, and wait until it has. Returns its exit code."""
        return await self._end(signal.SIGTERM)

    def signal_term(self) -> None:
        """Tell it to end, without waiting."""
        os.kill(self.pid, signal.SIGTERM)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @contextmanager
    def database_away(self) -> Generator[None]:
        """Every write to a file fails with EFBIG, as it would with ENOSPC on a full disk; reading goes on."""
        _, most = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0, most))
        try:
            yield
        finally:
            if self.running():
                resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (most, most))

    def client(self, person: Person, record: Record | None = None) -> Client:
        return Client(f"ws://127.0.0.1:{self.port}/ws", person.token, record)

    def http(self, person: Person | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {person.token}"} if person is not None else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=DEADLINE)

    async def _end(self, how: signal.Signals) -> int:
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return 0
        if process.poll() is None:
            process.send_signal(how)
        try:
            code = await asyncio.to_thread(process.wait, DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
            raise AssertionError(f"it did not end on {how.name}") from None
        await asyncio.to_thread(reader.join)
        self._process = self._reader = None
        return code

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.output.append(line)


class _Port:
    """A port that nobody has, and that no other test takes while this is held, also while nothing listens on it.

    A server that was killed comes back to its port. So it is outside the range from which the kernel gives them, and
    a lock on a file, which every test process knows, says that it is taken.
    """

    def __init__(self) -> None:
        for number in random.sample(range(20_000, 32_000), 12_000):
            held = os.open(Path(tempfile.gettempdir()) / f"netra-test-port-{number}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
            except OSError:
                os.close(held)
                continue
            self.number = number
            self._held = held
            return
        raise AssertionError("every port is taken")

    def release(self) -> None:
        os.close(self._held)


def story_of(messages: list[dict[str, Any]], run_id: str, role: str) -> str | None:
    """The text of that run's message of this role, as HTTP tells it."""
    return next((each["text"] for each in messages if each["run_id"] == run_id and each["role"] == role), None)
