"""The fake model server itself: what other tests rely on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request

import httpx2

from tests.fakes.model_server import FakeModelServer, Hang, Text, Tokens
from tests.harness.deadline import DEADLINE


async def streamed(base_url: str, text: str) -> list[dict[str, object]]:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}
    async with httpx2.AsyncClient() as client:
        response = await client.post(f"{base_url}/chat/completions", json=body)
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


async def test_words_by_default(server: FakeModelServer) -> None:
    *pieces, last, usage = await streamed(server.base_url, "tokens=3 thinking=1 pace=0.001")
    deltas = [piece["choices"][0]["delta"] for piece in pieces]  # type: ignore[index]
    assert deltas == [{"reasoning_content": "t0 "}, {"content": "w0 "}, {"content": "w1 "}, {"content": "w2 "}]
    assert last["choices"][0]["finish_reason"] == "stop"  # type: ignore[index]
    assert usage["usage"]["completion_tokens"] == 3  # type: ignore[index]


async def test_scripts_by_name_and_a_queue(server: FakeModelServer) -> None:
    server.scripts["hi"] = [[Text("hi"), Tokens(1, 1)]]
    server.queue.append([Text("first come")])
    assert "first come" in str(await streamed(server.base_url, "script:hi"))
    assert "'hi'" in str(await streamed(server.base_url, "script:hi"))
    assert [request.said for request in server.requests] == ["script:hi", "script:hi"]


async def test_it_knows_when_its_client_hangs_up(server: FakeModelServer) -> None:
    server.queue.append([Text("a"), Text("b"), Hang()])
    asking = asyncio.create_task(streamed(server.base_url, "go"))
    request = await server.request(0)
    while request.chunks < 2:  # noqa: ASYNC110 - the server's own count is what is tested
        await asyncio.sleep(0)
    assert not request.hung_up.is_set()
    asking.cancel()
    async with asyncio.timeout(DEADLINE):
        await request.hung_up.wait()
    assert request.hung_up_at is not None
    assert not request.finished


def test_as_a_program() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.model_server", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        events = asyncio.run(streamed(base_url, "tokens=2"))
        assert "w1 " in str(events)
        with urllib.request.urlopen(base_url.removesuffix("/v1") + "/requests") as report:
            requests = json.load(report)
        process.terminate()
    assert [request["finished"] for request in requests] == [True]
