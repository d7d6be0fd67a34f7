"""The server process: uvicorn with three things it doesn't do by itself.

It drains before it closes sockets (uvicorn closes them before the app's lifespan ends, so nothing could be said to
anybody); it bounds connections in size, time and number (`doors/`); and it says why it can't start instead of logging
a traceback.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from types import FrameType
from typing import Protocol, cast

from starlette.applications import Starlette
from uvicorn import Config, Server

from netra_backend.app.closing import Closing
from netra_backend.app.doors.crowd import Crowd, raise_descriptor_limit
from netra_backend.app.doors.http import BoundedHttp
from netra_backend.app.doors.websocket import BoundedWebSocket
from netra_backend.app.settings import Settings

__all__ = ["CannotListen", "bind", "configure", "run", "url_of"]

SHUTDOWN_TIMEOUT = 5
"""Seconds for requests that are under way when the server ends, after draining."""

DRAIN_MARGIN = 10.0
"""Seconds that draining may take beyond the grace that runs are given."""

LAST = 30.0
"""Seconds beyond that grace after which the process is left as it is, whatever hangs. Each step has a bound of its own
and few can use theirs up; this is for an event loop that doesn't come round any more."""

LEAVE = 2.0
"""Seconds for what is left to end once everything is closed: tasks, and threads that can't be stopped."""

PING = 20.0
"""Seconds between two pings of a socket, and until an unanswered one ends it."""

SWITCH_INTERVAL = 0.0005
"""Seconds for which a busy thread keeps the interpreter. The log's writer lets go of it at every statement, and at the
default (ten times this) would wait for the event loop longer than it takes to write."""

GC_THRESHOLDS = (10_000, 5, 2)
"""New objects between two collections, and how many collections of a generation come before one of the next. At the
default (700), streams of many runs at once are often interrupted; but what ended runs leave behind (some 250 objects
each) is only found in the last generation, so its collections mustn't be rare."""

_logger = logging.getLogger(__name__)


class CannotListen(Exception):
    """The address can't be listened on; the message says why and what to do."""


class _Draining(Protocol):
    async def drain(self, grace: float) -> None: ...


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to this address; port 0 lets the system choose one. Raises `CannotListen`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotListen(f"host (NETRA_HOST): {host} is no address of this machine: {error.strerror}") from None
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise CannotListen(_why(error, host, port)) from None
    return bound


def url_of(bound: socket.socket) -> str:
    """The address under which this machine reaches what listens there."""
    host, port = bound.getsockname()[:2]
    if host == "0.0.0.0":  # noqa: S104 - asked about, not bound
        host = "127.0.0.1"
    if host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def configure(app: Starlette, settings: Settings) -> Config:
    """uvicorn's configuration for this app, with our bounds on every connection."""
    http = partial(BoundedHttp, settings=settings, crowd=Crowd(settings))
    return Config(
        app,
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        http=cast("type[BoundedHttp]", http),  # it is called, and nothing else
        ws=BoundedWebSocket,
        ws_max_size=settings.max_frame_bytes,
        ws_max_queue=16,
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        ws_per_message_deflate=False,
        # In `run`, so that its errors come out as they are, and so that it ends however serving ended.
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Who asks is found by `client_address`, which believes only the proxies that are named.
        proxy_headers=False,
        timeout_keep_alive=math.ceil(settings.keep_alive_timeout),
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
    )


def run(app: Starlette, settings: Settings, bound: socket.socket, on_ready: Callable[[str], Awaitable[None]]) -> None:
    """Serve until a signal ends it. `on_ready` gets the address once requests are answered.

    The first SIGTERM or SIGINT drains (`app.state.services.drain(grace)`), a second does so without a grace, a third
    ends the process as it is, which costs nothing that was acknowledged.

    Raises what the app's start-up and `on_ready` raise.
    """
    config = configure(app, settings)
    raise_descriptor_limit()

    closing: Closing = getattr(app.state, "closing", None) or Closing()

    async def serve() -> None:
        async with app.router.lifespan_context(app):
            server = _DrainingServer(config, app, closing, settings.drain_grace, lambda: on_ready(url_of(bound)))
            await server.serve(sockets=[bound])
        await _leave(closing)

    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        _run_to_its_end(runner.get_loop(), serve())
    closing.over()


def _run_to_its_end(loop: asyncio.AbstractEventLoop, serve: Coroutine[None, None, None]) -> None:
    """Run the loop until `serve` is over, and no shorter.

    A callback that a tool hands to the loop may raise SystemExit, or stop the loop. No task surrounds it, and nothing
    can know whose it was; but what the loop had in hand is still there when it goes on. While uvicorn serves, signals
    come to its handler, so none of it is a wish of whoever runs the server.
    """
    task = loop.create_task(serve)
    while True:
        try:
            return loop.run_until_complete(task)
        except BaseException as error:
            if task.done() or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                raise
            _logger.critical("something asked the event loop to end, from outside any run; it goes on", exc_info=error)


async def _leave(closing: Closing) -> None:
    """See to it that nothing that is left holds up the end: the runner would wait for it without a bound."""
    left = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        with closing.waiting_for(lambda: ", ".join(sorted(task.get_name() for task in left if not task.done()))):
            _, left = await asyncio.wait(left, timeout=LEAVE)
    threads = asyncio.create_task(asyncio.get_running_loop().shutdown_default_executor())
    with closing.waiting_for("threads that can't be stopped"):
        await asyncio.wait({threads}, timeout=LEAVE)
    if left or not threads.done() or closing.gave_up:
        names = [task.get_name() for task in left] + ([] if threads.done() else ["a thread"])
        _logger.warning("leaving without waiting for %s", ", ".join(names) or "what was given up")
        closing.leave(1 if closing.gave_up else 0)


class _DrainingServer(Server):
    def __init__(
        self,
        config: Config,
        app: Starlette,
        closing: Closing,
        drain_grace: float,
        on_ready: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._app = app
        self._loop = asyncio.get_running_loop()
        self._closing = closing
        self._drain_grace = drain_grace
        self._on_ready = on_ready
        self._draining: list[asyncio.Task[None]] = []
        self._signals = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # Not uvicorn's: it raises the signal again at the end, and so turns an orderly end into a killed process.
        self._signals += 1
        if self._signals > 2:
            os._exit(128 + sig)
        self._closing.begin((self._drain_grace if self._signals == 1 else 0.0) + LAST)
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        # The second signal drains again without a grace: runs end now, the draining that waits for them goes on.
        grace = self._drain_grace if not self._draining else 0.0
        self._draining.append(self._loop.create_task(self._drain_and_exit(grace)))

    async def _drain_and_exit(self, grace: float) -> None:
        try:
            async with asyncio.timeout(grace + DRAIN_MARGIN):
                await cast("_Draining", self._app.state.services).drain(grace)
        except TimeoutError:
            _logger.error("draining took longer than %s s; ending without it", grace + DRAIN_MARGIN)
        except Exception:
            _logger.exception("draining failed; ending without it")
        finally:
            self.should_exit = True


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use, perhaps by another Netra; choose another with --port or NETRA_PORT"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} may not be used by this account; choose one above 1023 with --port"
    return f"host (NETRA_HOST): can't listen on {host}: {os.strerror(error.errno or 0)}"
