"""Measures of the log and of the socket layer, which only Netra has (and, for one, bare uvicorn)."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from benchmarks.measures import Figures
from benchmarks.served import Served, free_port
from benchmarks.sessions import NetraSession
from benchmarks.targets import HERE, netra_tokens
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.events import ThreadRenamed
from netra_backend.app.settings import Settings
from netra_backend.app.storage.folder import DataFolder
from netra_backend.app.storage.users import Users

UNIT = 1000


async def resumes(core: int, missed: int) -> Figures:
    """A client that comes back: from its `resume` until it has all that it missed. Events that can't be merged."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        (token,) = await netra_tokens(data, 1)
        await _fill(data, missed)
        port = free_port()
        command = [str(Path(sys.executable).with_name("netra")), "up", "--no-open", "--port", str(port)]
        env = {"NETRA_DATA_DIR": str(data), "NETRA_LOG_LEVEL": "warning"}
        served = Served(command, env, port, core, Path(folder) / "log", Path(folder))
        async with served, aiohttp.ClientSession() as http:
            first = NetraSession(served.url, token)
            await first.open(http)
            epoch, head = first.epoch, first.seq
            await first.close()
            session = NetraSession(served.url, token)
            began = time.monotonic()
            await session.open(http, {"epoch": epoch, "seq": head - missed})
            session.seq = head - missed
            while session.seq < head:
                await session.next()
            seconds = time.monotonic() - began
            await session.close()
    return {f"resume of {missed:,} missed events, ms": seconds * 1000}


async def unicast(core: int, sockets: int = 1000) -> Figures:
    """CPU per event, to one socket after the other, `sockets` of them."""
    found: Figures = {}
    for kind in ("raw", "netra"):
        with tempfile.TemporaryDirectory() as folder:
            data, port, log = Path(folder) / "data", free_port(), Path(folder) / "log"
            tokens = await netra_tokens(data, sockets)
            env = {
                "PORT": str(port),
                "SOCKETS": str(sockets),
                "NETRA_DATA_DIR": str(data),
                "PYTHONPATH": str(HERE.parent),
            }
            command = [sys.executable, str(HERE / "unicast_app.py"), kind]
            served = Served(command, env, port, core, log, Path(folder))
            connector = aiohttp.TCPConnector(limit=0)
            async with served, aiohttp.ClientSession(connector=connector) as http:
                readers = [asyncio.create_task(_listen(http, served.url, token, kind)) for token in tokens]
                if kind == "raw":
                    await asyncio.sleep(2)
                    async with http.ws_connect(served.url.replace("http", "ws")) as socket:
                        await socket.send_str("go")
                        await _reported(log)
                else:
                    await _reported(log)
                for reader in readers:
                    reader.cancel()
                await asyncio.gather(*readers, return_exceptions=True)
            found["unicast, µs per event" if kind == "netra" else "unicast by bare uvicorn, µs per event"] = _figure(
                log
            )
    return found


async def _listen(http: aiohttp.ClientSession, url: str, token: str, kind: str) -> None:
    if kind == "netra":
        session = NetraSession(url, token)
        await session.open(http)
        while True:
            await session.next()
    async with http.ws_connect(url.replace("http", "ws"), compress=0) as socket:
        async for _ in socket:
            pass


async def _reported(log: Path) -> None:
    async with asyncio.timeout(120):
        while '"us"' not in log.read_text():
            await asyncio.sleep(0.1)


def _figure(log: Path) -> float:
    line = next(line for line in log.read_text().splitlines() if line.startswith('{"us"'))
    return float(json.loads(line)["us"])


async def _fill(data: Path, count: int) -> None:
    settings = Settings(data_dir=data)
    with DataFolder(data):
        log = SqliteLog(settings.database_path)
        try:
            user = await log.query(lambda rows: Users(rows).by_email("user0@example.org"))
            assert user is not None

            def unit(tx: UserTransaction) -> None:
                for _ in range(UNIT):
                    tx.append(ThreadRenamed(thread_id="t" * 36, title="a title of some length"))

            for _ in range(count // UNIT):
                await log.commit(user.id, unit)
        finally:
            await log.close()
