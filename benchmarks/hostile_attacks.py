"""The attacks of `benchmarks.hostile`. Each runs in a process of its own, so that it doesn't slow down who measures.

    python -m benchmarks.hostile_attacks NAME '{"port": …, "seed": …, "seconds": …, "token": …}'

An attack goes on for its time, draws its variations from the seed, and prints what it was answered as JSON. It
connects to 127.0.0.1 and nowhere else, and holds at most `MOST_SOCKETS` connections.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import time
import urllib.parse
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import websockets

from benchmarks.hostile_agent import TOOLS
from benchmarks.hostile_model import KINDS

__all__ = ["ATTACKS", "Attack"]

HOST = "127.0.0.1"
MOST_SOCKETS = 600
HANDSHAKE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
FUNCTIONS = ("round", "floor", "ceil", "factorial", "sqrt", "log", "exp", "min", "max", "abs", "sin")
HUGE = ("9" * 400, "-900000000", "9**9**9", "1e308", "10**1200", "0x" + "f" * 200, "1e-308", "1" + "0" * 300)


class Attack:
    """One attack under way: whom, for how long, and what came of it."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.port: int = given["port"]
        self.token: str = given["token"]
        self.email: str = given["email"]
        self.until = time.monotonic() + given["seconds"]
        self.random = random.Random(given["seed"])
        self.seen: Counter[str] = Counter()

    @property
    def on(self) -> bool:
        return time.monotonic() < self.until

    async def connect(self, source: str | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        local = (source, 0) if source else None
        return await asyncio.wait_for(asyncio.open_connection(HOST, self.port, local_addr=local), 10)

    async def request(self, head: str, body: bytes = b"", source: str | None = None) -> str:
        """Send a request as it is written here; what it was answered, as a status or an error's name."""
        try:
            reader, writer = await self.connect(source)
            try:
                writer.write(head.encode() + body)
                line = await asyncio.wait_for(reader.readline(), 15)
                answer = line.decode(errors="replace").split(" ")[1] if line.count(b" ") else "closed"
            finally:
                writer.close()
        except (OSError, TimeoutError) as error:
            answer = type(error).__name__
        self.seen[answer] += 1
        return answer

    async def many(self, count: int, one: Callable[[], Awaitable[object]]) -> None:
        """Keep `count` of them going until the time is over."""

        async def again() -> None:
            while self.on:
                await one()

        await asyncio.gather(*(again() for _ in range(count)))

    async def say(self, texts: Callable[[], str], *, wait: bool = True, same_thread: bool = False) -> None:
        """Send messages as a user, one after the other, each as soon as the one before has ended."""
        thread: dict[str, str] = {}
        while self.on:
            try:
                async with websockets.connect(
                    f"ws://{HOST}:{self.port}/ws",
                    additional_headers={"Authorization": f"Bearer {self.token}"},
                    max_size=None,
                    compression=None,
                    ping_interval=None,
                ) as socket:
                    await socket.send(json.dumps({"type": "resume", "id": "r", "payload": {}}))
                    while self.on:
                        payload = {"text": texts(), "client_message_id": str(uuid.uuid4()), **thread}
                        await socket.send(json.dumps({"type": "user_message", "id": "m", "payload": payload}))
                        answer = await self._answer(socket, wait=wait)
                        if same_thread and answer.get("thread_id"):
                            thread = {"thread_id": answer["thread_id"]}
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                self.seen[type(error).__name__] += 1
                await asyncio.sleep(0.1)

    async def _answer(self, socket: websockets.ClientConnection, *, wait: bool) -> dict[str, Any]:
        run_id, ack = None, {}
        while self.on:
            left = max(0.1, min(20, self.until - time.monotonic()))
            try:
                frame = json.loads(await asyncio.wait_for(socket.recv(), left))
            except TimeoutError:
                self.seen["not ended in time"] += 1
                await socket.send(json.dumps({"type": "stop_agent", "id": "s", "payload": {}}))
                return ack
            kind = frame["type"]
            if kind == "error" and frame.get("reply_to") == "m":
                self.seen[frame["payload"]["code"]] += 1
                await asyncio.sleep(min(frame["payload"].get("retry_after") or 0.05, 1))
                return ack
            if kind == "ack" and frame.get("reply_to") == "m":
                ack = frame["payload"]
                run_id = ack["run_id"]
                self.seen["taken"] += 1
                if not wait:
                    return ack
            if kind in {"agent_completed", "agent_failed", "agent_stopped"} and frame["run_id"] == run_id:
                self.seen[frame["payload"].get("code") or kind] += 1
                return ack
        return ack


# Messages (A1, A2)


async def calculator(attack: Attack) -> None:
    """Expressions that would be huge: every function, operator and literal."""
    draw = attack.random

    def expression(depth: int = 0) -> str:
        kind = draw.randrange(6 if depth < 4 else 1)
        if kind < 2:
            return draw.choice((*HUGE, str(draw.randrange(10)), str(-draw.randrange(10**9))))
        if kind < 4:
            sign = draw.choice(("**", "*", "//", "%", "+", "-", "^", "/", "% of "))
            return f"({expression(depth + 1)}){sign}({expression(depth + 1)})"
        if kind == 4:
            return f"{draw.choice(FUNCTIONS)}({expression(depth + 1)},{expression(depth + 1)})"
        return f"{draw.choice(FUNCTIONS)}({expression(depth + 1)})"

    fixed = ("round(1, -900000000)", "factorial(10**9)", "(" * 249 + "1" + ")" * 249, "√" * 499 + "2", "-" * 499 + "1")
    await attack.say(lambda: draw.choice((expression(), expression(), draw.choice(fixed))))


async def long_messages(attack: Attack) -> None:
    """Messages that rules have to be held against: separators, openings, spaces, and as long as is allowed."""
    draw = attack.random
    parts = (",;", ", and ", "what ", "1+", "(", "time in ", "? ", "\n", " ", "note: ", "days between 1 and ", "a" * 99)

    def text() -> str:
        unit = "".join(draw.choices(parts, k=draw.randrange(1, 4)))
        return (unit * 100_000)[: draw.choice((2_000, 20_000, 99_999))] + "."

    await attack.say(text)


async def frames(attack: Attack) -> None:
    """Frames as large as is allowed, and beyond: nested, wide, broken, and very many small ones."""
    draw = attack.random

    def frame() -> str | bytes:
        size = draw.choice((1_000, 100_000, 500_000, 600_000))
        match draw.randrange(7):
            case 0:
                return "[" * size
            case 1:
                return '{"type":"user_message","id":"m","payload":' + '{"a":' * (size // 5)
            case 2:
                return json.dumps({"type": "ping", "id": "x" * size})
            case 3:
                return json.dumps({"type": "ping", "id": "1", **{f"k{number}": number for number in range(size // 20)}})
            case 4:
                return '{"type":"ping","id":"1","payload":{"n":' + "9" * size + "}}"
            case 5:
                return b"\xff" * size
            case _:
                return json.dumps(
                    {"type": "user_message", "id": "m", "payload": {"text": "`$.a` - at `$" * (size // 14)}}
                )

    async def one() -> None:
        try:
            async with websockets.connect(
                f"ws://{HOST}:{attack.port}/ws",
                additional_headers={"Authorization": f"Bearer {attack.token}"},
                max_size=None,
                compression=None,
                ping_interval=None,
            ) as socket:
                while attack.on:
                    await socket.send(frame())
                    told = json.loads(await asyncio.wait_for(socket.recv(), 15))
                    attack.seen[told["type"]] += 1
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            attack.seen[str(getattr(getattr(error, "rcvd", None), "code", type(error).__name__))] += 1

    await attack.many(4, one)


async def pings(attack: Attack) -> None:
    """As many small frames as the socket takes, and no reading of what comes back."""

    async def one() -> None:
        try:
            async with websockets.connect(
                f"ws://{HOST}:{attack.port}/ws",
                additional_headers={"Authorization": f"Bearer {attack.token}"},
                compression=None,
                ping_interval=None,
                max_queue=4,
            ) as socket:
                while attack.on:
                    await asyncio.wait_for(socket.send('{"type":"ping","id":"1"}'), 2)
                    attack.seen["sent"] += 1
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            attack.seen[type(error).__name__] += 1

    await attack.many(3, one)


# Before sign-in (A3, A8)


def _opening(attack: Attack) -> str:
    """The first lines of a request or of a handshake."""
    path, more = attack.random.choice((("/ws", HANDSHAKE), ("/health/live", ""), ("/api/threads", "")))
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}:{attack.port}\r\n{more}"


async def _pour(attack: Attack, start: bytes, block: bytes, most: int) -> None:
    """Send without end; stop when the other side does."""
    sent = 0
    try:
        reader, writer = await attack.connect()
        try:
            writer.write(start)
            while attack.on and sent < most:
                writer.write(block)
                await asyncio.wait_for(writer.drain(), 5)
                sent += len(block)
                if reader.at_eof():
                    break
            line = await asyncio.wait_for(reader.readline(), 5)
            attack.seen[line.decode(errors="replace")[9:12] or "closed"] += 1
        finally:
            writer.close()
    except (OSError, TimeoutError) as error:
        attack.seen[type(error).__name__] += 1
    attack.seen["megabytes sent"] += sent // 1_000_000
    await asyncio.sleep(0.02)


async def huge_heads(attack: Attack) -> None:
    """A header line, a list of headers or an address without end."""
    draw = attack.random

    async def one() -> None:
        opening = _opening(attack).encode()
        start, block = draw.choice(
            (
                (opening + b"X-Long: ", b"x" * 65_536),
                (opening, b"X-Many: many\r\n" * 4_000),
                (b"GET /" + b"a" * 10, b"a" * 65_536),
                (opening + b"Cookie: ", b"netra=a; " * 6_000),
                (b"x" * draw.randrange(1, 9), b"x" * 65_536),
                (b"", b"\r\n" * 30_000),
                (opening + b"X-Folded: a\r\n", b" folded\r\n" * 6_000),
            )
        )
        await _pour(attack, start, block, 200_000_000)

    await attack.many(8, one)


async def huge_bodies(attack: Attack) -> None:
    """Bodies that are longer than they say, than is allowed, or without end in chunks."""
    draw = attack.random
    host = f"Host: {HOST}:{attack.port}\r\nContent-Type: application/json\r\n"

    async def one() -> None:
        start, block = draw.choice(
            (
                ("Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65_536 + b"\r\n"),
                ("Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 60_000),
                ("Content-Length: 100000000000\r\n\r\n", b"[" * 65_536),
                (f"Content-Length: {'9' * 5000}\r\n\r\n", b"x" * 65_536),
                ("Content-Length: 500000\r\n\r\n", b"[" * 65_536),
            )
        )
        path = draw.choice(("/api/auth/login", "/api/auth/redeem", "/api/threads"))
        await _pour(attack, f"POST {path} HTTP/1.1\r\n{host}{start}".encode(), block, 50_000_000)

    await attack.many(8, one)


async def _drip(attack: Attack, start: str, piece: str, pause: float) -> None:
    try:
        reader, writer = await attack.connect()
    except (OSError, TimeoutError) as error:
        attack.seen[f"connecting: {type(error).__name__}"] += 1
        await asyncio.sleep(0.2)
        return
    began = time.monotonic()
    try:
        writer.write(start.encode())
        closed = asyncio.ensure_future(reader.read(200))
        closed.add_done_callback(lambda read: read.cancelled() or read.exception())
        while attack.on and not closed.done():
            writer.write(piece.encode())
            await writer.drain()
            await asyncio.wait({closed}, timeout=pause)
        if closed.done():
            attack.seen[f"{closed.result().decode(errors='replace')[9:12] or 'closed'} after a while"] += 1
            await asyncio.sleep(max(0.0, 0.2 - (time.monotonic() - began)))
        else:
            attack.seen["still open at the end"] += 1
            closed.cancel()
    except OSError as error:
        attack.seen[type(error).__name__] += 1
        await asyncio.sleep(0.2)
    finally:
        writer.close()


async def slow_heads(attack: Attack) -> None:
    """Many connections whose heads come a few bytes at a time."""
    await attack.many(MOST_SOCKETS, lambda: _drip(attack, _opening(attack), "X-A: b\r\n", 0.3 + attack.random.random()))


async def slow_bodies(attack: Attack) -> None:
    """Many requests whose bodies come a byte at a time."""
    head = f"POST /api/auth/login HTTP/1.1\r\nHost: {HOST}:{attack.port}\r\nContent-Type: application/json\r\n"
    start = head + "Content-Length: 100000\r\n\r\n{"
    await attack.many(MOST_SOCKETS // 2, lambda: _drip(attack, start, " ", 0.3 + attack.random.random()))


async def silent(attack: Attack) -> None:
    """Connections that say nothing, or open a socket and never say who they are."""
    handshake = f"GET /ws HTTP/1.1\r\nHost: {HOST}:{attack.port}\r\n{HANDSHAKE}\r\n"
    starts = itertools.cycle(("", handshake, f"GET /health/live HTTP/1.1\r\nHost: {HOST}:{attack.port}\r\n\r\n"))
    await attack.many(MOST_SOCKETS, lambda: _drip(attack, next(starts), "", 0.5))


async def many_connections(attack: Attack) -> None:
    """Connections that come and go as quickly as they can, from several addresses."""

    async def one() -> None:
        source = f"127.0.0.{attack.random.randrange(2, 200)}"
        await attack.request(
            _opening(attack).replace("\r\nHost", "\r\nConnection: close\r\nHost") + "\r\n", source=source
        )

    await attack.many(40, one)


async def foreign_hosts(attack: Attack) -> None:
    """Names that the server isn't called by, as a page that rebinds its own name would send."""
    names = ("evil.example", "localhost.evil.example", f"{HOST}.nip.io", "a" * 300, "[::1", "evil.example:80@localhost")

    async def one() -> None:
        path = attack.random.choice(("/api/openapi.json", "/", "/api/threads", "/ws"))
        name = attack.random.choice(names)
        answer = await attack.request(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")
        if answer == "200":
            attack.seen[f"served {path} as {name[:40]}"] += 1
        await asyncio.sleep(0.01)

    await attack.many(4, one)


async def wrong_passwords(attack: Attack) -> None:
    """Guesses at the quiet user's account and at others, from several addresses."""

    async def one() -> None:
        draw = attack.random
        email = draw.choice((attack.email, attack.email, f"nobody{draw.randrange(1000)}@example.org"))
        body = json.dumps({"email": email, "password": "guess" * draw.choice((1, 20))}).encode()
        head = f"POST /api/auth/login HTTP/1.1\r\nHost: {HOST}:{attack.port}\r\nContent-Type: application/json\r\n"
        source = f"127.0.0.{draw.randrange(2, 60)}"
        await attack.request(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n", body, source)

    await attack.many(20, one)


# As a user (A5, A6)


async def searches(attack: Attack) -> None:
    """Searches in a loop, for what is everywhere and for what is nowhere."""
    draw = attack.random

    async def one() -> None:
        words = draw.choice(("e", "the", "you said something", "a " * 90, '"' * 50, "é" * 90, "x* OR y*", "(" * 100))
        path = "/api/search?" + urllib.parse.urlencode({"q": words[:200], "limit": 100})
        head = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{attack.port}\r\nAuthorization: Bearer {attack.token}\r\n"
        await attack.request(head + "Connection: close\r\n\r\n")

    await attack.many(12, one)


async def reads(attack: Attack) -> None:
    """Threads, snapshots and exports in a loop."""

    async def one() -> None:
        path = attack.random.choice(("/api/snapshot", "/api/threads?limit=200", "/api/export", "/api/account/export"))
        head = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{attack.port}\r\nAuthorization: Bearer {attack.token}\r\n"
        await attack.request(head + "Connection: close\r\n\r\n")

    await attack.many(8, one)


async def huge_history(attack: Attack) -> None:
    """One thread of turns that are as long as is allowed."""
    await attack.say(lambda: f"{attack.random.random()} " + "history " * 11_000, same_thread=True)


# Through a model and its tools (A4, A9)


async def model_wires(attack: Attack) -> None:
    """A model server that sends what no server should."""
    kinds = attack.random.sample(KINDS, len(KINDS))
    names = itertools.cycle(kinds)
    await asyncio.gather(*(attack.say(lambda: f"attack:{next(names)}") for _ in range(2)))


async def defects(attack: Attack) -> None:
    """Tools that end the process, or would."""
    await attack.say(lambda: f"tool:{attack.random.choice(TOOLS)}")


async def huge_results(attack: Attack) -> None:
    """Tools that answer with megabytes, turn after turn."""
    sizes = (100_000, 900_000, 3_000_000, 30_000_000)
    await attack.say(
        lambda: f"tool:much {json.dumps({'characters': attack.random.choice(sizes)}, separators=(',', ':'))}",
        same_thread=True,
    )


async def slow_tools(attack: Attack) -> None:
    """Tools that hold their threads."""
    await attack.say(lambda: 'tool:slow {"seconds":3}', wait=False)


ATTACKS: dict[str, dict[str, Callable[[Attack], Awaitable[None]]]] = {
    "offline": {
        each.__name__: each
        for each in (
            calculator,
            long_messages,
            frames,
            pings,
            huge_heads,
            huge_bodies,
            slow_heads,
            slow_bodies,
            silent,
            many_connections,
            foreign_hosts,
            wrong_passwords,
            searches,
            reads,
        )
    },
    "agent": {each.__name__: each for each in (model_wires, defects, huge_results, huge_history, slow_tools)},
}
"""By the agent that the server has: the offline one, or `benchmarks.hostile_agent` on `benchmarks.hostile_model`."""


def main() -> None:
    """Run one attack to its end."""
    name, given = sys.argv[1], json.loads(sys.argv[2])
    attack = Attack(given)
    run = {**ATTACKS["offline"], **ATTACKS["agent"]}[name]

    async def bounded() -> None:
        try:
            async with asyncio.timeout(given["seconds"] + 20):
                await run(attack)
        except TimeoutError:
            attack.seen["attack didn't end by itself"] += 1

    asyncio.run(bounded())
    print(json.dumps(attack.seen.most_common(8)))


if __name__ == "__main__":
    main()
