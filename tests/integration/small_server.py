"""Run by the tests of the server process: `run` with an app that does what the first argument says."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from netra_backend.app import server
from netra_backend.app.doors import transport
from netra_backend.app.doors.websocket import ABORT
from netra_backend.app.settings import Settings


class StartupRefused(Exception):
    pass


class Services:
    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.sockets: set[WebSocket] = set()

    async def drain(self, grace: float) -> None:
        say(f"draining for {grace}")
        if self.mode == "hanging-drain":
            await asyncio.Event().wait()
        if self.mode == "slow-drain" and grace:
            await asyncio.sleep(3600)
        for socket in self.sockets:
            await socket.send_text("draining")


def say(text: str) -> None:
    print(text, flush=True)


async def hold(socket: WebSocket) -> None:
    """Hear the peer until it goes."""
    await socket.accept()
    sockets: set[WebSocket] = socket.app.state.services.sockets
    sockets.add(socket)
    await socket.send_text("ready")
    try:
        async for text in socket.iter_text():
            await socket.send_text(text)
    finally:
        sockets.discard(socket)
        say("gone")


async def flood(socket: WebSocket) -> None:
    """Send until the peer has taken nothing for a moment; then leave it, close it or abort it, as the path says."""
    await socket.accept()
    how = socket.path_params["how"]
    try:
        while True:
            async with asyncio.timeout(None if how == "ping" else 0.2):
                await socket.send_text("x" * 100_000)
    except TimeoutError:
        say("stalled")
    except WebSocketDisconnect:
        say("disconnected")
        return
    if how == "abort":
        socket.scope["extensions"][ABORT]["abort"]()


async def client(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.client.host if request.client else "")


def main(mode: str, *, public: bool) -> None:
    transport.CLOSE_GRACE = 0.2
    server.DRAIN_MARGIN = 1.0
    if mode == "pings":
        server.PING = 0.2

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if mode == "refuses":
            raise StartupRefused("the folder is held")
        app.state.services = Services(mode)
        yield
        say("ending")
        if mode == "slow-drain":
            await asyncio.Event().wait()
        say("ended")

    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/client", client),
            WebSocketRoute("/hold", hold),
            WebSocketRoute("/flood/{how}", flood),
        ],
    )

    async def ready(url: str) -> None:
        say(f"ready {url}")

    settings = Settings(
        port=0,
        drain_grace=3600 if mode == "slow-drain" else 0.5,
        public_url="https://netra.example" if public else None,
    )
    try:
        server.run(app, settings, server.bind("127.0.0.1", 0), ready)
    except StartupRefused as refusal:
        say(f"refused: {refusal}")
        sys.exit(2)
    say("over")


if __name__ == "__main__":
    main(sys.argv[1], public="--public" in sys.argv)
