"""The socket layer alone: one event to one socket after the other, by Netra or by a bare ASGI application.

Told `go` by any socket, it sends `ROUNDS` events to each, and then prints its own CPU time per event as JSON.

    python unicast_app.py netra|raw
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from typing import Any

ROUNDS = 100
BURST = 100
"""Events between two turns of the loop: about what a commit of many runs brings."""
TEXT = "x" * 60


def report(began: float, events: int) -> None:
    """Tell the cost."""
    print(json.dumps({"us": (time.process_time() - began) / events * 1e6}), flush=True)


def raw(port: int) -> None:
    """What uvicorn costs by itself: a ready-made string of the same length."""
    import uvicorn

    sends: list[Any] = []
    frame = {"type": "websocket.send", "text": "x" * 235}

    async def spread() -> None:
        began = time.process_time()
        for number, send in enumerate(itertools.chain.from_iterable(itertools.repeat(sends, ROUNDS))):
            await send(frame)
            if number % BURST == 0:
                await asyncio.sleep(0)
        report(began, ROUNDS * len(sends))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        sends.append(send)
        while (message := await receive())["type"] != "websocket.disconnect":
            if message.get("text") == "go":
                await spread()

    uvicorn.run(app, host="127.0.0.1", port=port, lifespan="off", log_level="warning", ws_per_message_deflate=False)


def netra(port: int) -> None:
    """Everything between a commit and the socket: the manager, the one encoding, the queue, the pump."""
    import msgspec

    from netra_backend.app.event_log.log import Committed
    from netra_backend.app.main import create_app
    from netra_backend.app.protocol.events import Event
    from netra_backend.app.server import bind, run
    from netra_backend.app.services.user_execution_context import UserExecutionContext
    from netra_backend.app.settings import load_settings
    from netra_backend.app.websocket_core.connection import Connection, ConnectionState
    from netra_backend.app.websocket_core.websocket_manager import get_websocket_manager, open_connections

    payload = msgspec.Raw(msgspec.json.encode({"text": TEXT}))
    wanted = int(os.environ["SOCKETS"])

    def event(connection: Connection) -> Event:
        return Event(
            type="agent_message_delta",
            seq=connection.tail + 1,
            epoch=connection.cursor.epoch,
            thread_id="0" * 36,
            run_id="0" * 36,
            ts="2026-01-01T00:00:00.000Z",
            payload=payload,
        )

    async def spread() -> None:
        while True:
            connections = open_connections()
            if sum(each.state is ConnectionState.LIVE for each in connections) >= wanted:
                break
            await asyncio.sleep(0.05)
        managers = [await get_websocket_manager(UserExecutionContext(user_id=c.user_id)) for c in connections]
        pairs = list(zip(managers, connections, strict=True))
        began = time.process_time()
        for number, (manager, connection) in enumerate(itertools.chain.from_iterable(itertools.repeat(pairs, ROUNDS))):
            manager.deliver(Committed(connection.user_id, [event(connection)]))
            if number % BURST == 0:
                await asyncio.sleep(0)
        while any(connection.cursor.seq < connection.tail for connection in connections):
            await asyncio.sleep(0)
        report(began, ROUNDS * len(connections))

    settings = load_settings(port=port)
    app = create_app(settings)
    tasks: list[asyncio.Task[None]] = []

    async def ready(_: str) -> None:
        tasks.append(asyncio.create_task(spread()))

    with bind("127.0.0.1", port) as bound:
        run(app, settings, bound, ready)


if __name__ == "__main__":
    {"netra": netra, "raw": raw}[sys.argv[1]](int(os.environ["PORT"]))
