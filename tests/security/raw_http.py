"""An HTTP client made of bytes, for what a well-behaved library refuses to send."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

PATIENCE = 60.0
"""Seconds after which waiting is given up. No test asserts that anything takes less."""


@dataclass(frozen=True)
class RawAnswer:
    """An answer as the server sent it. Header names are in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class RawHttp:
    """One connection, over which any bytes can be sent; `address` is where it comes from."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._port = port
        self._address = address
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._address, 0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, head: bool = False) -> RawAnswer:
        """The next answer; `head`: to a HEAD. Raises `IncompleteReadError` if the connection ends before it."""
        async with asyncio.timeout(PATIENCE):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = [line.split(":", 1) for line in lines[1:] if line]
            headers = [(name.lower(), value.strip()) for name, value in pairs]
            status = int(lines[0].split()[1])
            length = next((int(value) for name, value in headers if name == "content-length"), None)
            if head or status < 200 or status in {204, 304}:
                body = b""
            elif length is not None:
                body = await self.reader.readexactly(length)
            elif ("transfer-encoding", "chunked") in headers:
                body = await self._chunks()
            else:
                body = await self.reader.read()
            return RawAnswer(status, headers, body)

    async def rest(self) -> bytes:
        """What comes until the server closes the connection; empty also where it cuts it."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.reader.read()
        except ConnectionError:
            return b""

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size + 2)
            body = body[:-2]
        await self.reader.readexactly(2)
        return body


async def ask(port: int, request: bytes, address: str = "127.0.0.1") -> RawAnswer:
    """Send these bytes over a connection of their own. What the server answers."""
    async with RawHttp(port, address) as http:
        http.send(request)
        return await http.answer(head=request.startswith(b"HEAD "))


def get(path: str, *lines: str, version: str = "1.1") -> bytes:
    """A request for `path` with just these header lines."""
    return "\r\n".join([f"GET {path} HTTP/{version}", *lines, "", ""]).encode("latin-1")
