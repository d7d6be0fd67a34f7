"""A user's manager: who gets it, for whom it acts, and which sockets it tells."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from netra_backend.app.event_log.log import Cursor
from netra_backend.app.event_log.run_appends import RunAppend
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.protocol.events import Pong, ThreadRenamed
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.websocket_core.connection import MAX_REPLIES, Connection, ConnectionState
from netra_backend.app.websocket_core.websocket_manager import (
    LogAlreadyBound,
    LogNotBound,
    TooManySockets,
    WebSocketManager,
    WrongUser,
    bound_log,
    get_websocket_manager,
)
from tests.harness.deadline import DEADLINE
from tests.harness.process import eventually
from tests.unit.websocket_core.stage import FakeTransport

RENAMED = ThreadRenamed(thread_id="t", title="x")


@pytest.fixture
async def manager() -> WebSocketManager:
    return await get_websocket_manager(UserExecutionContext(user_id=str(uuid.uuid4())))


def socket(log: SqliteLog, user_id: str, transport: FakeTransport | None = None) -> Connection:
    return Connection(
        connection_id=str(uuid.uuid4()),
        user_id=user_id,
        session_id="s",
        transport=transport or FakeTransport(),
        log=log,
        queue_bytes=64 * 1024,
        stall_timeout=DEADLINE,
    )


@asynccontextmanager
async def live(connection: Connection, transport: FakeTransport, cursor: Cursor) -> AsyncIterator[None]:
    """While it lasts, events flow on the connection."""
    pump = asyncio.create_task(connection.pump())
    connection.resume(cursor)
    try:
        await eventually(lambda: connection.state is ConnectionState.LIVE, "the connection is live")
        yield
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


@pytest.mark.parametrize("wrong", [None, "a user's id", {"user_id": "u"}, 7], ids=str)
async def test_it_is_given_for_a_context_alone(wrong: object) -> None:
    with pytest.raises(TypeError, match=f"UserExecutionContext, not {type(wrong).__name__}"):
        await get_websocket_manager(wrong)  # pyright: ignore[reportArgumentType]


async def test_each_user_has_one(manager: WebSocketManager) -> None:
    other = await get_websocket_manager(UserExecutionContext(user_id=str(uuid.uuid4())))
    assert other is not manager
    assert other.user_id != manager.user_id
    assert await get_websocket_manager(UserExecutionContext(user_id=manager.user_id)) is manager


async def test_it_acts_for_its_own_user_alone(log: SqliteLog, manager: WebSocketManager) -> None:
    with bound_log(log):
        with pytest.raises(WrongUser):
            manager.attach(socket(log, "somebody else"), 10)
        with pytest.raises(WrongUser):
            manager.append(RunAppend("somebody else", "t", "r", 1, [RENAMED]))
        with pytest.raises(WrongUser):
            await manager.send_to_user("somebody else", RENAMED)
    assert manager.connections == ()


async def test_a_user_has_so_many_sockets(log: SqliteLog, manager: WebSocketManager) -> None:
    first, second, third = (socket(log, manager.user_id) for _ in range(3))
    manager.attach(first, 2)
    manager.attach(second, 2)
    with pytest.raises(TooManySockets):
        manager.attach(third, 2)
    assert manager.connections == (first, second)
    manager.detach(first)
    manager.detach(first)
    manager.attach(third, 2)
    assert manager.connections == (second, third)


async def test_an_event_reaches_every_socket_and_its_result_names_those_that_have_it(
    log: SqliteLog, manager: WebSocketManager
) -> None:
    opened = await log.commit(manager.user_id, lambda tx: tx.open_log())
    head = Cursor(opened.epoch, opened.seq)
    transports = [FakeTransport(), FakeTransport()]
    one, two = (socket(log, manager.user_id, transport) for transport in transports)
    silent = socket(log, manager.user_id)
    for connection in (one, two, silent):
        manager.attach(connection, 10)
    with bound_log(log):
        async with live(one, transports[0], head), live(two, transports[1], head):
            told = await manager.send_to_user(manager.user_id, RENAMED)
            assert told.seq == head.seq + 1
            assert set(told.delivered_to) == {one.id, two.id}, "the third has asked for no events yet"
            for transport in transports:
                await transport.until(lambda transport=transport: transport.last == told.seq)


async def test_what_is_in_no_log_is_told_to_those_that_have_room(log: SqliteLog, manager: WebSocketManager) -> None:
    full, free = socket(log, manager.user_id), socket(log, manager.user_id)
    for _ in range(MAX_REPLIES):
        full.tell(Pong())
    manager.attach(full, 10)
    manager.attach(free, 10)
    assert manager.broadcast(Pong()) == (free.id,)


async def test_a_process_serves_one_log_and_without_it_says_so(
    log: SqliteLog, manager: WebSocketManager, tmp_path: Path
) -> None:
    other = SqliteLog(tmp_path / "other.db")
    for again in (log, other):
        with pytest.raises(LogNotBound):
            await manager.send_to_user(manager.user_id, RENAMED)
        with bound_log(log), pytest.raises(LogAlreadyBound), bound_log(again):
            pass
    with pytest.raises(LogNotBound):
        manager.commit(lambda tx: tx.open_log())
    await other.close()
