"""A user's connection to each peer, in the peer's own protocol."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any
from urllib.parse import quote

import aiohttp

from benchmarks.sessions import Run


class _SseSession:
    """A run is one HTTP request, answered by an event stream."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.run = Run()
        self.response: aiohttp.ClientResponse | None = None

    async def open(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def say(self, text: str) -> Run:
        run = self.run = Run()
        try:
            async with self.ask(text) as response:
                self.response = response
                response.raise_for_status()
                while not run.ended and (line := await response.content.readline()):
                    if line.startswith(b"data: "):
                        self.take(run, json.loads(line[6:]))
        except aiohttp.ClientError as error:
            if not run.ended:
                run.end(type(error).__name__)
        if not run.ended:
            run.end("closed")
        return run

    def ask(self, text: str) -> Any:
        raise NotImplementedError

    def take(self, run: Run, event: dict[str, Any]) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        if self.response is not None:
            self.response.close()


class AgUiSession(_SseSession):
    """Pydantic-AI's AG-UI adapter; closing the request is its stop."""

    def ask(self, text: str) -> Any:
        body = {
            "threadId": str(uuid.uuid4()),
            "runId": str(uuid.uuid4()),
            "state": {},
            "messages": [{"id": "m1", "role": "user", "content": text}],
            "tools": [],
            "context": [],
            "forwardedProps": {},
        }
        return self.http.post(self.url + "/", json=body, headers={"accept": "text/event-stream"})

    def take(self, run: Run, event: dict[str, Any]) -> None:
        if event["type"] == "TEXT_MESSAGE_CONTENT":
            run.take(event["delta"])
        elif event["type"] in {"RUN_FINISHED", "RUN_ERROR"}:
            run.end(event["type"])

    async def stop(self) -> None:
        if self.response is not None:
            self.response.close()


class AgnoSession(_SseSession):
    """Agno's AgentOS; a stop is a request of its own."""

    run_id = ""

    def ask(self, text: str) -> Any:
        form = aiohttp.FormData({"message": text, "stream": "true", "session_id": str(uuid.uuid4())})
        return self.http.post(self.url + "/agents/bench/runs", data=form)

    def take(self, run: Run, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "RunStarted":
            self.run_id = event["run_id"]
        elif kind == "RunContent":
            run.take(event.get("content") or "")
        elif kind in {"RunCompleted", "RunCancelled", "RunError"}:
            run.end(str(kind))

    async def stop(self) -> None:
        async with self.http.post(f"{self.url}/agents/bench/runs/{self.run_id}/cancel") as response:
            await response.read()


class ChainlitSession:
    """Chainlit's page speaks Socket.IO over a WebSocket; this is the part of it that a chat needs."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.run = Run()
        self._id = str(uuid.uuid4())

    async def open(self, http: aiohttp.ClientSession) -> None:
        path = f"{self._url.replace('http', 'ws')}/ws/socket.io/?EIO=4&transport=websocket&sessionId={quote(self._id)}"
        self._socket = await http.ws_connect(path, compress=0, heartbeat=None, max_msg_size=0)
        await self._socket.receive_str()
        auth = {"clientType": "webapp", "sessionId": self._id, "threadId": "", "userEnv": "{}", "chatProfile": ""}
        await self._socket.send_str("40" + json.dumps(auth))
        while not (frame := await self._socket.receive_str()).startswith("40"):
            if frame.startswith("44"):
                raise RuntimeError(frame)
        await self._emit("connection_successful")
        await asyncio.sleep(0.05)

    async def say(self, text: str) -> Run:
        run = self.run = Run()
        message = {
            "id": str(uuid.uuid4()),
            "threadId": "",
            "name": "user",
            "type": "user_message",
            "output": text,
            "createdAt": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        }
        await self._emit("client_message", {"message": message, "fileReferences": []})
        while not run.ended:
            frame = await self._socket.receive_str()
            if frame == "2":
                await self._socket.send_str("3")
            if not frame.startswith("42"):
                continue
            name, *arguments = json.loads(frame[2:])
            if name == "stream_token":
                run.take(arguments[0]["token"])
            elif name == "stream_start" and arguments[0].get("output"):
                run.take(arguments[0]["output"])
            elif name == "task_end" and run.tokens:
                run.end("task_end")
        return run

    async def stop(self) -> None:
        await self._emit("stop")

    async def close(self) -> None:
        await self._socket.close()

    async def _emit(self, name: str, *arguments: Any) -> None:
        await self._socket.send_str("42" + json.dumps([name, *arguments]))
