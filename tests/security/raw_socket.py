"""A WebSocket client made of bytes, for what a well-behaved library refuses to send."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.harness.deadline import DEADLINE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


@dataclass(frozen=True)
class RawFrame:
    """A frame as the server sent it."""

    opcode: int
    payload: bytes
    final: bool
    masked: bool

    @property
    def code(self) -> int:
        """The code of a close frame; 1005 where it has none (RFC 6455, 7.1.5)."""
        assert self.opcode == CLOSE
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else 1005


class RawSocket:
    """One connection. Every part of a frame's head can be chosen."""

    def __init__(self, port: int, token: str | None) -> None:
        self._port = port
        self._token = token

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /ws HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        if self._token is not None:
            lines.append(f"Authorization: Bearer {self._token}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head.splitlines()[0], head
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.transport.abort()
        await asyncio.sleep(0)

    def send(
        self,
        opcode: int,
        payload: bytes = b"",
        *,
        final: bool = True,
        masked: bool = True,
        reserved: int = 0,
        claimed: int | None = None,
    ) -> None:
        """Send a frame. `claimed`: the length its head says, where that isn't the payload's."""
        length = len(payload) if claimed is None else claimed
        head = bytes([final << 7 | reserved << 4 | opcode])
        bit = masked << 7
        if length < 126:
            head += bytes([bit | length])
        elif length < 1 << 16:
            head += bytes([bit | 126]) + struct.pack("!H", length)
        else:
            head += bytes([bit | 127]) + struct.pack("!Q", length)
        if masked:
            mask = os.urandom(4)
            head += mask
            payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._writer.write(head + payload)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    async def frame(self) -> RawFrame:
        """The next frame."""
        async with asyncio.timeout(DEADLINE):
            first, second = await self._reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                [length] = struct.unpack("!H", await self._reader.readexactly(2))
            elif length == 127:
                [length] = struct.unpack("!Q", await self._reader.readexactly(8))
            return RawFrame(
                first & 0x0F, await self._reader.readexactly(length), bool(first & 0x80), bool(second & 0x80)
            )

    async def close_code(self) -> int:
        """The code with which the server closes; and that it closes the connection after it."""
        while (frame := await self.frame()).opcode != CLOSE:
            pass
        self.send(CLOSE, frame.payload)
        async with asyncio.timeout(DEADLINE):
            assert await self._reader.read() == b"", "something came after the close frame"
        return frame.code
