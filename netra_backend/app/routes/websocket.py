"""The socket at `/ws`: authenticate, then answer each frame, while the connection's pump sends what is told."""

from __future__ import annotations

import asyncio
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect
from structlog.contextvars import bound_contextvars
from uuid_utils import uuid7

from netra_backend.app.auth.authenticator import ForbiddenOrigin
from netra_backend.app.auth.session_registry import Access, NotAuthenticated
from netra_backend.app.doors.visit import admit
from netra_backend.app.event_log.log import Cursor
from netra_backend.app.protocol.codec import encode_socket_frame
from netra_backend.app.protocol.events import (
    PROTOCOL_VERSION,
    Ack,
    ConnectionReady,
    ErrorInfo,
    Limits,
    Pong,
)
from netra_backend.app.protocol.frames import (
    Authenticate,
    ClientFrame,
    FrameError,
    Ping,
    Resume,
    StopAgent,
    UserMessage,
    decode_frame,
)
from netra_backend.app.routes.problems import Problem
from netra_backend.app.routes.services import Services, services
from netra_backend.app.services.refusals import InvalidFrame, Refusal
from netra_backend.app.services.socket_watch import Rights
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.websocket_core.connection import Connection, IllegalConnectionStep
from netra_backend.app.websocket_core.websocket_manager import TooManySockets, get_websocket_manager

__all__ = ["serve_socket"]

PATIENCE = 1.0
"""Seconds for which the next frame waits while one is being answered."""
FIRST_FRAMES = 10
"""Frames in which somebody may say who it is: each look-up of a token costs a query."""
MAX_UNANSWERED = 16
"""Frames of one socket that may be waiting for their answers; beyond it the socket is read no further."""

_logger = logging.getLogger(__name__)


class BinaryFrame(Exception):
    """A binary frame came; the protocol has none (1003)."""


async def serve_socket(websocket: WebSocket) -> None:
    """The endpoint: one call for the life of a socket."""
    serving = services(websocket)
    try:
        access = await serving.authenticator.from_handshake(websocket)
    except ForbiddenOrigin as error:
        # Before `accept`: the handshake is answered with 403.
        if "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.send_denial_response(Problem(403, "forbidden", str(error)).response())
        else:
            await websocket.close()
        return
    except NotAuthenticated:
        await websocket.accept()
        await websocket.close(4401, "the session has ended")
        return
    except LogUnavailable:
        await websocket.accept()
        await websocket.close(1013, "the server can't look up sessions now")
        return
    if access is not None:
        admit(websocket.scope)
    await websocket.accept()
    try:
        if access is None:
            access = await _first_frame(websocket, serving)
            if access is None:
                await websocket.close(4401, "not authenticated")
                return
        await _Socket(websocket, serving, access).serve()
    except BinaryFrame:
        await websocket.close(1003, "binary frames are not part of the protocol")
    except WebSocketDisconnect:
        return


async def _first_frame(websocket: WebSocket, serving: Services) -> Access | None:
    """Wait for `authenticate`; other frames get an error. None if it doesn't come in time, or too much else does."""
    try:
        async with asyncio.timeout(serving.settings.authentication_timeout):
            for _ in range(FIRST_FRAMES):
                try:
                    frame = decode_frame(await _receive(websocket))
                    if not isinstance(frame, Authenticate):
                        raise FrameError("not_authenticated", "send authenticate first", reply_to=frame.id)
                    access = await _authenticate(websocket, serving, frame)
                except FrameError as error:
                    answer = ErrorInfo(code=error.code, message=error.message, field=error.field)
                    await websocket.send_text(encode_socket_frame(answer, error.reply_to))
                else:
                    admit(websocket.scope)
                    await websocket.send_text(encode_socket_frame(Ack(), frame.id))
                    return access
    except TimeoutError:
        pass
    return None


async def _authenticate(websocket: WebSocket, serving: Services, frame: Authenticate) -> Access:
    ticket, token = frame.payload.ticket, frame.payload.token
    try:
        if ticket is not None and token is None:
            return await serving.authenticator.redeem_ticket(ticket, websocket.headers.get("origin"))
        if token is not None and ticket is None:
            return await serving.authenticator.from_token(token)
    except NotAuthenticated as error:
        raise FrameError("not_authenticated", str(error), reply_to=frame.id) from None
    except LogUnavailable:
        raise FrameError("unavailable", "sessions can't be looked up now", reply_to=frame.id) from None
    raise FrameError("invalid_frame", "give either a ticket or a token", field="payload", reply_to=frame.id)


async def _receive(websocket: WebSocket) -> str:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    text: str | None = message.get("text")
    if text is None:
        raise BinaryFrame
    return text


class _Transport:
    """A Starlette WebSocket as the connection's transport."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def send_text(self, data: str) -> None:
        await self._websocket.send_text(data)

    async def close(self, code: int, reason: str) -> None:
        await self._websocket.close(code, reason)

    def abort(self) -> None:
        # Only our own server offers it (`server.py`); under another one the close frame has to do.
        abort = self._websocket.scope.get("extensions", {}).get("netra.abort", {}).get("abort")
        if abort is not None:
            abort()


class _Socket:
    """One authenticated socket: reads frames, one after the other, and answers each."""

    def __init__(self, websocket: WebSocket, serving: Services, access: Access) -> None:
        self._websocket = websocket
        self._serving = serving
        self._access = access
        settings = serving.settings
        self._connection = Connection(
            connection_id=str(uuid7()),
            user_id=access.user_id,
            session_id=access.session.id,
            transport=_Transport(websocket),
            log=serving.log,
            queue_bytes=settings.socket_queue_bytes,
            stall_timeout=settings.socket_stall_timeout,
        )
        self._answering: set[asyncio.Task[None]] = set()
        self._context = UserExecutionContext(user_id=access.user_id, websocket_client_id=self._connection.id)

    async def serve(self) -> None:
        """Until either side closes."""
        manager = await get_websocket_manager(self._context)
        try:
            manager.attach(self._connection, self._serving.settings.max_sockets_per_user)
        except TooManySockets as error:
            await self._websocket.close(4429, str(error))
            return
        self._serving.watch.admit(self._access)
        with bound_contextvars(user_id=self._connection.user_id, websocket_client_id=self._connection.id):
            pump = asyncio.create_task(self._connection.pump())
            reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait({pump, reader}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            manager.detach(self._connection)
            pump.cancel()
            reader.cancel()
            for answer in self._answering:
                # What it asked for is carried out all the same; only nobody is told.
                answer.cancel()
            ends = await asyncio.gather(pump, reader, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end

    async def _read(self) -> None:
        try:
            await self._greet()
        except LogUnavailable:
            self._connection.close(1013, "the log can't be read now")
            return
        while True:
            text = await _receive(self._websocket)
            if len(self._answering) >= MAX_UNANSWERED:
                await asyncio.wait(self._answering, return_when=asyncio.FIRST_COMPLETED)
            answer = asyncio.create_task(self._respond(text))
            self._answering.add(answer)
            answer.add_done_callback(self._answering.discard)
            # One after the other; but a stop must not wait behind a message that a hanging disk holds up.
            await asyncio.wait({answer}, timeout=PATIENCE)

    async def _respond(self, text: str) -> None:
        reply_to = None
        try:
            frame = decode_frame(text)
            reply_to = frame.id
            await self._answer(frame)
        except FrameError as error:
            answer = ErrorInfo(code=error.code, message=error.message, field=error.field)
            await self._connection.reply(answer, error.reply_to)
        except Refusal as refusal:
            answer = ErrorInfo(
                code=refusal.code, message=refusal.message, field=refusal.field, retry_after=refusal.retry_after
            )
            await self._connection.reply(answer, reply_to)
        except LogUnavailable:
            answer = ErrorInfo(code="unavailable", message="the log can't be used now", retry_after=2)
            await self._connection.reply(answer, reply_to)
        except Exception:
            # A defect in answering one frame: it is logged whole, told by a reference, and costs nothing else.
            reference = str(uuid7())
            _logger.exception("a frame could not be answered (%s)", reference)
            answer = ErrorInfo(code="internal", message=f"the server failed on this frame (reference {reference})")
            await self._connection.reply(answer, reply_to)

    async def _greet(self) -> None:
        cursor = await self._serving.threads.open_log(self._context)
        settings = self._serving.settings
        await self._connection.reply(
            ConnectionReady(
                connection_id=self._connection.id,
                user_id=self._context.user_id,
                epoch=cursor.epoch,
                head=cursor.seq,
                protocol_version=PROTOCOL_VERSION,
                limits=Limits(
                    max_frame_bytes=settings.max_frame_bytes,
                    max_text_chars=settings.max_text_chars,
                    messages_per_minute=settings.messages_per_minute,
                    max_sockets_per_user=settings.max_sockets_per_user,
                    max_running_runs_per_user=settings.max_running_runs_per_user,
                    max_queued_runs_per_user=settings.max_queued_runs_per_user,
                ),
            )
        )

    async def _answer(self, frame: ClientFrame) -> None:
        match self._serving.watch.rights(self._connection.session_id):
            case Rights.NONE:
                self._connection.close(4401, "the session has ended")
                return
            case Rights.STOP_ONLY if not isinstance(frame, StopAgent | Ping):
                raise LogUnavailable("nobody's rights are certain now")
            case _:
                pass
        match frame:
            case Ping():
                await self._connection.reply(Pong(), frame.id)
            case Resume():
                await self._resume(frame)
            case UserMessage():
                await self._say(frame)
            case StopAgent():
                await self._stop(frame)
            case Authenticate():
                raise InvalidFrame("this socket is authenticated", field="type")

    async def _resume(self, frame: Resume) -> None:
        epoch, seq = frame.payload.epoch, frame.payload.seq
        if (epoch is None) != (seq is None):
            raise InvalidFrame("give epoch and seq, or neither", field="payload")
        head = await self._serving.threads.open_log(self._context)
        cursor = Cursor(epoch, seq) if epoch is not None and seq is not None else head
        try:
            self._connection.resume(cursor)
        except IllegalConnectionStep:
            raise InvalidFrame("events flow on this socket already", field="type") from None
        # Answers go out ahead of events.
        await self._connection.reply(Ack(epoch=head.epoch, head=head.seq), frame.id)

    async def _say(self, frame: UserMessage) -> None:
        said = frame.payload
        started = await self._serving.agents.start_agent(
            self._context.child(),
            said.text,
            said.client_message_id,
            thread_id=said.thread_id,
            when_busy=said.when_busy,
        )
        ack = Ack(thread_id=started.thread_id, run_id=started.run_id, message_id=started.message_id, seq=started.seq)
        await self._connection.reply(ack, frame.id)

    async def _stop(self, frame: StopAgent) -> None:
        wanted = frame.payload
        report = await self._serving.agents.stop_agent(
            self._context.user_id,
            wanted.run_id,
            wanted.thread_id,
            reason=wanted.reason or "stopped by the user",
        )
        await self._connection.reply(Ack(runs=report.runs), frame.id)
