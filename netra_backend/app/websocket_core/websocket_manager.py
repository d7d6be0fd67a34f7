"""The manager of a user's sockets, and the asynchronous factory that gives it.

A manager is the one door between a user and the log in this process: what is to be told goes through `commit` or
`send_to_user` into the log, and what was committed comes out to the user's sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

from netra_backend.app.event_log.log import Committed, EventLog
from netra_backend.app.event_log.run_appends import RunAppend
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.codec import encode_event
from netra_backend.app.protocol.events import EventPayload, SocketPayload
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.websocket_core.connection import Connection, Offer

__all__ = [
    "DeliveryResult",
    "LogAlreadyBound",
    "LogNotBound",
    "TooManySockets",
    "WebSocketManager",
    "WrongUser",
    "bound_log",
    "get_websocket_manager",
    "open_connections",
]

T = TypeVar("T")


class LogNotBound(Exception):
    """No server runs in this process, so there is no log to write to."""


class LogAlreadyBound(Exception):
    """A server runs in this process already; one process serves one log."""


class WrongUser(PermissionError):
    """A manager was asked to act for a user who isn't its own."""


class TooManySockets(Exception):
    """The user has as many sockets open as are allowed."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of an event: its number in the log, and the sockets of this process it was queued to."""

    seq: int
    delivered_to: tuple[str, ...]


class WebSocketManager:
    """The sockets of one user in this process. Get it with `await get_websocket_manager(user_context)`."""

    def __init__(self, user_id: str, registry: _Registry) -> None:
        self.user_id = user_id
        self._registry = registry
        self._connections: dict[str, Connection] = {}

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The user's open sockets."""
        return tuple(self._connections.values())

    def attach(self, connection: Connection, limit: int) -> None:
        """Take a socket in. Raises `WrongUser`, or `TooManySockets` beyond `limit`."""
        self._check(connection.user_id)
        if len(self._connections) >= limit:
            raise TooManySockets(f"at most {limit} sockets per user")
        self._connections[connection.id] = connection

    def detach(self, connection: Connection) -> None:
        """Forget a socket. Idempotent."""
        self._connections.pop(connection.id, None)

    def commit(self, unit: Callable[[UserTransaction], T]) -> asyncio.Future[T]:
        """Submit a unit of this user to the log (`EventLog.commit`). Raises `LogNotBound` outside a server."""
        return self._registry.bound().commit(self.user_id, unit)

    def append(self, append: RunAppend) -> asyncio.Future[None]:
        """Submit what a run of this user says (`EventLog.append`). Raises `WrongUser`, or `LogNotBound`."""
        self._check(append.user_id)
        return self._registry.bound().append(append)

    async def send_to_user(
        self, user_id: str, event: EventPayload, *, thread_id: str | None = None, run_id: str | None = None
    ) -> DeliveryResult:
        """Append an event to the user's log, from where it reaches every socket of the user.

        Raises `WrongUser` for any id but the manager's own, `LogNotBound` outside a server, and `LogUnavailable`.
        """
        self._check(user_id)
        seq = await self.commit(lambda transaction: transaction.append(event, thread_id=thread_id, run_id=run_id))
        return DeliveryResult(seq, tuple(socket.id for socket in self.connections if socket.tail >= seq))

    def broadcast(self, payload: SocketPayload) -> tuple[str, ...]:
        """Tell the user's open sockets something that is in no log. Returns the ids of the sockets that are told.

        One that takes nothing, and for which much waits already, isn't: the log will tell it.
        """
        told = [connection for connection in self.connections if connection.has_room]
        for connection in told:
            connection.tell(payload)
        return tuple(connection.id for connection in told)

    def deliver(self, committed: Committed) -> None:
        """Events of this user are in the log: encode each once, offer the same text to every socket."""
        if not self._connections:
            return
        offers = [Offer(event.first, event.seq, encode_event(event)) for event in committed.events]
        for connection in self._connections.values():
            connection.offer(offers)

    def _check(self, user_id: str) -> None:
        if user_id != self.user_id:
            raise WrongUser("this manager acts for another user")


class _Registry:
    """The managers of this process. They live as long as somebody holds them: a socket, or a run."""

    def __init__(self) -> None:
        self.log: EventLog | None = None
        self.managers: WeakValueDictionary[str, WebSocketManager] = WeakValueDictionary()

    def bound(self) -> EventLog:
        if self.log is None:
            raise LogNotBound("no log is bound in this process; it is bound while an app made by create_app runs")
        return self.log

    def deliver(self, committed: Committed) -> None:
        manager = self.managers.get(committed.user_id)
        if manager is not None:
            manager.deliver(committed)


# The one piece of module state in the server (contract, section 5): the same user must get the same manager
# from anywhere in the process, and the factory's signature carries nothing else it could be found by.
_registry = _Registry()


async def get_websocket_manager(user_context: UserExecutionContext) -> WebSocketManager:
    """The manager of this user in this process: the same object for the same user, another for another user.

    Works without a running server; then the manager's `send_to_user` raises `LogNotBound`.
    Raises `TypeError` for anything but a `UserExecutionContext`.
    """
    if not isinstance(user_context, UserExecutionContext):
        raise TypeError(f"user_context must be a UserExecutionContext, not {type(user_context).__name__}")
    manager = _registry.managers.get(user_context.user_id)
    if manager is None:
        manager = WebSocketManager(user_context.user_id, _registry)
        _registry.managers[user_context.user_id] = manager
    return manager


def open_connections() -> list[Connection]:
    """Every open socket of this process, for what concerns all of them: the sweep, and the end of the server."""
    return [connection for manager in list(_registry.managers.values()) for connection in manager.connections]


@contextmanager
def bound_log(log: EventLog) -> Generator[None]:
    """Bind the log while a server runs. Raises `LogAlreadyBound` if one is bound."""
    if _registry.log is not None:
        raise LogAlreadyBound("this process serves a log already")
    _registry.log = log
    unlisten = log.listen(_registry.deliver)
    try:
        yield
    finally:
        unlisten()
        _registry.log = None
        _registry.managers.clear()
