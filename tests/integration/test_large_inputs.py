"""What the largest input costs the event loop: no more than a hundred ordinary messages do.

Measured in CPU time of the server's main thread, as the kernel counts it, so that neither the speed of the machine nor
what else runs on it matters.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from tests.harness.client import TERMINAL, Client
from tests.harness.deadline import DEADLINE
from tests.harness.process import ServerProcess, people

TEXT = 100_000
FRAME = 512 * 1024
ORDINARY = 100


def loop_seconds(server: ServerProcess) -> float:
    """CPU seconds of the main thread, which runs the event loop."""
    return int(Path(f"/proc/{server.pid}/task/{server.pid}/schedstat").read_text().split()[0]) / 1e9


async def cost(server: ServerProcess, work: Callable[[], Awaitable[object]]) -> float:
    before = loop_seconds(server)
    await work()
    return loop_seconds(server) - before


def filled(unit: str) -> str:
    return (unit * TEXT)[: TEXT - 1] + "."


TEXTS = {
    "one word": filled("a"),
    "words": filled("word "),
    "different words": " ".join(map(str, range(18_000))),
    "separators": filled(",;"),
    "openers": filled("and what "),
    "sums": filled("1+"),
    "brackets": filled("("),
    "lines": filled("\n"),
    "short lines": filled("a\n"),
    "spaces": filled(" "),
    "quotes": filled('"\\'),
    "control": filled("\x01aaaaaaaa"),
    "letters of four bytes": filled("\U0001f600aaa"),
    "combining": filled("aa\u0301"),
    "a note": filled("note: what is 1+1, and "),
    "a search": filled("search a "),
    "markdown": filled("**[`_"),
}
FRAMES = {
    "nested lists": "[" * FRAME,
    "nested payload": '{"type":"ping","id":"1","payload":' + '{"a":' * (FRAME // 5 - 20),
    "many fields": json.dumps({"type": "ping", "id": "1", **{f"f{number}": 0 for number in range(40_000)}}),
    "one field again": '{"type":"ping",' + '"id":"1",' * (FRAME // 9 - 20) + '"payload":{}}',
    "a long id": json.dumps({"type": "ping", "id": "x" * (FRAME - 100)}),
    "a long type": json.dumps({"type": "x" * (FRAME - 100), "id": "1"}),
    "a long number": '{"type":"resume","id":"1","payload":{"epoch":"e","seq":' + "9" * (FRAME - 100) + "}}",
    "a long field name": json.dumps({"type": "ping", "id": "1", "payload": {"x" * (FRAME - 200): 1}}),
    "paths": json.dumps({"type": "ping", "id": "1", "payload": {" - at `$" * (FRAME // 9): 1}}),
    "escapes": '{"type":"ping","id":"' + "\\u0041" * (FRAME // 6 - 20) + '"}',
    "too long a text": json.dumps(
        {
            "type": "user_message",
            "id": "1",
            "payload": {"text": "a" * (FRAME - 300), "client_message_id": "1"},
        }
    ),
}


async def test_the_largest_input_costs_no_more_than_a_hundred_ordinary_messages(tmp_path: Path) -> None:
    (person,) = await people(tmp_path, "alice")
    async with ServerProcess(tmp_path, max_threads_per_user=10_000) as server:
        await server.start()
        async with server.client(person) as client, server.http(person) as http:
            await client.resume()

            async def ordinary(count: int) -> None:
                for _ in range(count):
                    await said(client, "what is 17*23, and what time is it in Tokyo?")

            await ordinary(10)  # the agent is loaded by the first
            most = await cost(server, lambda: ordinary(ORDINARY // 4)) * 4
            shares: dict[str, float] = {}
            for name, text in TEXTS.items():
                shares[name] = await cost(server, lambda text=text: said(client, text)) / most
            for name, frame in FRAMES.items():
                assert len(frame) <= FRAME
                shares[name] = await cost(server, lambda frame=frame: answered(client, frame)) / most
            for name, text in TEXTS.items():
                body = {"text": text, "client_message_id": f"http {name}"}
                shares[f"{name}, by HTTP"] = await cost(server, lambda body=body: posted(client, http, body)) / most
            for name, frame in FRAMES.items():
                shares[f"{name}, by HTTP"] = await cost(server, lambda frame=frame: refused(http, frame)) / most
            too_much = {name: round(share, 2) for name, share in shares.items() if share > 1}
            assert not too_much, too_much
            print({name: round(share, 3) for name, share in sorted(shares.items(), key=lambda each: -each[1])})


async def said(client: Client, text: str) -> None:
    started = await client.say(text)
    await client.until_type(*TERMINAL, run_id=started["run_id"])


async def answered(client: Client, frame: str) -> None:
    await client.socket.send(frame)
    async with asyncio.timeout(DEADLINE):
        while json.loads(await client.socket.recv())["type"] not in {"error", "pong"}:
            pass


async def posted(client: Client, http: httpx.AsyncClient, body: dict[str, str]) -> None:
    thread = (await http.post("/api/threads", json={})).json()["id"]
    answer = await http.post(f"/api/threads/{thread}/messages", json=body)
    assert answer.status_code == 202, answer.text
    await client.until_type(*TERMINAL, run_id=answer.json()["run_id"])


async def refused(http: httpx.AsyncClient, body: str) -> None:
    answer = await http.post("/api/threads", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 413, 422}, answer.text[:200]
