"""A client of the socket that survives cuts: every event once and in order, every frame answered once.

It keeps a cursor, reconnects with growing, jittered pauses and resumes; it checks the one line that checks delivery
(the next event begins where the last one ended). A frame that wasn't answered before a cut is sent again, which is
harmless: a message carries its own id, and stopping twice is stopping.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from netra_backend.app.loopback import is_loopback
from netra_backend.app.protocol.events import Ack, ErrorInfo, Event, Gap, ServerDraining, StopUnrecorded

__all__ = ["Client", "DoesNotTile", "FrameRefused", "NotSignedIn", "Place", "Received", "Unreachable"]

OPEN_TIMEOUT = 10.0
"""Seconds for a handshake, and for the server's first word after it."""
CLOSE_TIMEOUT = 2.0
"""Seconds for the peer to answer our goodbye."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds between two tries to reconnect; the pause doubles from the first to the longest."""
GIVE_UP = 60.0
"""Seconds without a connection after which nobody is kept waiting."""
MAX_FRAME = 16 * 1024 * 1024
"""Bytes. Replay merges text, so events may be larger than anything the client may send."""

Told = TypeVar("Told", bound=msgspec.Struct)
State = Callable[[str], None]


class Unreachable(Exception):
    """There is no server at this address, or not any more; the message says what was tried."""


class NotSignedIn(Exception):
    """The server doesn't know this session, or it has ended."""


class DoesNotTile(Exception):
    """The server skipped or repeated numbers at the same place on two connections: it isn't keeping the protocol."""


class FrameRefused(Exception):
    """The server answered a frame with an error. `code` is for programs, the message for a person."""

    def __init__(self, error: ErrorInfo) -> None:
        self.code = error.code
        self.retry_after = error.retry_after
        super().__init__(error.message)


@dataclass(frozen=True, slots=True)
class Place:
    """The last number that was taken, and the life of the log it belongs to."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Received:
    """An event, and the text of the frame that carried it."""

    event: Event
    text: str


class _Head(msgspec.Struct):
    type: str
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    reply_to: str | None = None


_heads = msgspec.json.Decoder(_Head)
_events = msgspec.json.Decoder(Event)
_SOCKET_ONLY = frozenset({"connection_ready", "ack", "error", "gap", "pong", "stop_unrecorded", "server_draining"})
_FATAL_CLOSES = {4429: "the account has too many connections open"}
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
"""What a proxy says while the server behind it restarts."""


class Client:
    """One user's view of their log. Use it as an async context manager; entering connects and resumes.

    `token` is a session token; `place` the cursor to resume from (None: from the head). `on_state` is told, in words
    for a person, when the connection is lost and when it is back.
    """

    def __init__(self, url: str, token: str, *, place: Place | None = None, on_state: State | None = None) -> None:
        parts = urlsplit(url)
        self._url = url
        self._socket_url = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{parts.path.rstrip('/')}/ws"
        # A proxy can't reach what only this machine can.
        self._proxy: Literal[True] | None = None if is_loopback(parts.hostname or "") else True
        self._token = token
        self._on_state: State = on_state or _nobody
        self._received: asyncio.Queue[Received | Gap | StopUnrecorded | Exception] = asyncio.Queue()
        self._pending: dict[str, tuple[str, asyncio.Future[Ack]]] = {}
        self._socket: ClientConnection | None = None
        self._live = asyncio.Event()
        self._failure: Exception | None = None
        self._lost_at: float | None = None
        self._pause = FIRST_PAUSE
        self._untiled_at: Place | None = None
        self.place = place

    async def __aenter__(self) -> Self:
        socket = await self._open()
        self._task = asyncio.get_running_loop().create_task(self._run(socket))
        live = asyncio.get_running_loop().create_task(self._live.wait())
        await asyncio.wait({self._task, live}, return_when=asyncio.FIRST_COMPLETED)
        live.cancel()
        if self._failure is not None:
            raise self._failure
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def send(self, frame_type: str, payload: dict[str, object]) -> Ack:
        """Send a frame, over as many connections as it takes; returns its ack.

        Raises `FrameRefused`, `NotSignedIn`, `Unreachable`.
        """
        if self._failure is not None:
            raise self._failure
        frame_id = uuid.uuid4().hex
        text = msgspec.json.encode({"type": frame_type, "id": frame_id, "payload": payload}).decode()
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._pending[frame_id] = (text, answer)
        try:
            if self._live.is_set() and self._socket is not None:
                await _send(self._socket, text)
            return await answer
        finally:
            self._pending.pop(frame_id, None)

    async def __aiter__(self) -> AsyncIterator[Received | Gap | StopUnrecorded]:
        """Everything from the place on: events, and what stands in their stead.

        Raises `NotSignedIn` or `Unreachable` once there is no way on.
        """
        while True:
            item = await self._received.get()
            if isinstance(item, Exception):
                raise item
            yield item

    async def _run(self, first: ClientConnection) -> None:
        try:
            await self._converse_until_cut(first)
            while True:
                await self._converse_until_cut(await self._reopen())
        except Exception as failure:  # noqa: BLE001 - whoever waits for events or answers gets it
            self._fail(failure)

    async def _converse_until_cut(self, socket: ClientConnection) -> None:
        try:
            async with socket:
                await self._converse(socket)
        except ConnectionClosed as closed:
            _raise_if_fatal(closed)
        except TimeoutError:
            pass
        except FrameRefused as refused:
            if refused.code != "unavailable":
                raise
        except DoesNotTile:
            if self._untiled_at == self.place:
                raise
            self._untiled_at = self.place
        self._socket = None
        if self._live.is_set():
            self._live.clear()
            self._on_state("connection lost; reconnecting")

    async def _converse(self, socket: ClientConnection) -> None:
        async with asyncio.timeout(OPEN_TIMEOUT):
            await self._resume(socket)
        if self._lost_at is not None:
            self._on_state("connected again")
        self._lost_at, self._pause = None, FIRST_PAUSE
        self._socket = socket
        self._live.set()
        for text, _ in list(self._pending.values()):
            await socket.send(text)
        async for frame in socket:
            self._take(frame)

    async def _resume(self, socket: ClientConnection) -> None:
        cursor = {} if self.place is None else {"epoch": self.place.epoch, "seq": self.place.seq}
        await socket.send(msgspec.json.encode({"type": "resume", "id": "resume", "payload": cursor}).decode())
        while True:
            head = _heads.decode(await socket.recv(decode=True))
            if head.type == "ack" and head.reply_to == "resume":
                answer = _told(head, Ack)
                if self.place is None:
                    self.place = Place(answer.epoch or "", answer.head or 0)
                return
            if head.type == "error" and head.reply_to == "resume":
                raise FrameRefused(_told(head, ErrorInfo))

    def _take(self, frame: str | bytes) -> None:
        head = _heads.decode(frame)
        if head.type not in _SOCKET_ONLY:
            self._take_event(_events.decode(frame), frame if isinstance(frame, str) else frame.decode())
            return
        match head.type:
            case "ack":
                self._answered(head.reply_to, _told(head, Ack), None)
            case "error":
                self._answered(head.reply_to, None, FrameRefused(_told(head, ErrorInfo)))
            case "gap":
                gap = _told(head, Gap)
                self.place = Place(gap.epoch, gap.to_seq)
                self._received.put_nowait(gap)
            case "stop_unrecorded":
                self._received.put_nowait(_told(head, StopUnrecorded))
            case "server_draining":
                draining = _told(head, ServerDraining)
                self._on_state(f"the server restarts (at {draining.seq})")
            case _:
                pass

    def _take_event(self, event: Event, text: str) -> None:
        place = self.place
        if place is None or event.epoch != place.epoch or event.first != place.seq + 1:
            raise DoesNotTile(f"expected the event after {place}, got {event.first} of {event.epoch}")
        self.place = Place(event.epoch, event.seq)
        self._received.put_nowait(Received(event, text))

    def _answered(self, frame_id: str | None, ack: Ack | None, refusal: FrameRefused | None) -> None:
        pending = self._pending.get(frame_id or "")
        if pending is None or pending[1].done():
            return
        if ack is not None:
            pending[1].set_result(ack)
        elif refusal is not None:
            pending[1].set_exception(refusal)

    def _fail(self, failure: Exception) -> None:
        self._failure = failure
        self._received.put_nowait(failure)
        for _, answer in self._pending.values():
            if not answer.done():
                answer.set_exception(failure)

    async def _reopen(self) -> ClientConnection:
        loop = asyncio.get_running_loop()
        if self._lost_at is None:
            self._lost_at = loop.time()
        failure = Unreachable(f"the server at {self._url} lets nobody stay")
        while loop.time() < self._lost_at + GIVE_UP:
            await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311 - spreads clients, guards nothing
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            try:
                return await self._open()
            except Unreachable as found:
                failure = found
        raise failure

    async def _open(self) -> ClientConnection:
        try:
            return await connect(
                self._socket_url,
                additional_headers={"Authorization": f"Bearer {self._token}"},
                open_timeout=OPEN_TIMEOUT,
                close_timeout=CLOSE_TIMEOUT,
                max_size=MAX_FRAME,
                compression=None,
                proxy=self._proxy,
            )
        except InvalidStatus as refused:
            status = refused.response.status_code
            if status in {401, 403}:
                raise NotSignedIn(f"{self._url} refuses this session") from None
            if status in _RETRIED_STATUSES:
                raise Unreachable(f"{self._url} is not ready (HTTP {status})") from None
            raise Unreachable(f"{self._url} answers, but not like a Netra server (HTTP {status})") from None
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise Unreachable(f"no Netra server answers at {self._url}: {_reason(error)}") from None


def _told(head: _Head, kind: type[Told]) -> Told:
    return msgspec.json.decode(head.payload, type=kind)


def _raise_if_fatal(closed: ConnectionClosed) -> None:
    code = closed.rcvd.code if closed.rcvd is not None else None
    if code == 4401:
        raise NotSignedIn("the session has ended")
    if code in _FATAL_CLOSES:
        raise Unreachable(_FATAL_CLOSES[code])


async def _send(socket: ClientConnection, text: str) -> None:
    # It is among the pending ones, and sent again on the next connection.
    with suppress(ConnectionClosed):
        await socket.send(text)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _nobody(_state: str) -> None:
    return
