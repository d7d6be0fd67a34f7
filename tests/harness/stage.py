"""One user, a server and a scripted model: what tests of whole runs play on, and how they read what became of one."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from netra_backend.app.event_log.user_log import UserView
from tests.fakes.model_server import FakeModelServer, Request, Script
from tests.harness.client import TERMINAL, Client, Frame, Record, check_run
from tests.harness.deadline import DEADLINE
from tests.harness.process import ServerProcess
from tests.harness.server import Person, RunningServer
from tests.harness.strict_chat import without_notes

DELTAS = {"agent_message_delta": "text", "agent_thinking": "reasoning"}


@dataclass(frozen=True)
class ToolTold:
    """A tool call: its parameters, and its result where it has one."""

    name: str
    parameters: Any
    status: str
    result: Any


@dataclass
class Told:
    """What is told of a run's answer, by the log or to the model."""

    text: str = ""
    thinking: str = ""
    tools: dict[str, ToolTold] = field(default_factory=dict[str, ToolTold])


class Stage:
    """`server`, `model` and `alice`; `client()` is a new tab of hers."""

    def __init__(
        self, server: RunningServer | ServerProcess, model: FakeModelServer, alice: Person, http: httpx.AsyncClient
    ) -> None:
        self.server = server
        self.model = model
        self.alice = alice
        self.http = http
        self._names = itertools.count()

    @classmethod
    @asynccontextmanager
    async def set(
        cls, starting: AbstractAsyncContextManager[RunningServer], model: FakeModelServer
    ) -> AsyncIterator[Stage]:
        async with starting as server:
            alice = await server.person()
            async with server.http(alice) as http:
                yield cls(server, model, alice, http)

    def client(self, record: Record | None = None) -> Client:
        """A socket of Alice's, with a record of its own or one that goes on."""
        return self.server.client(self.alice, record)

    def script(self, *responses: Any) -> str:
        """Have the model answer with these responses; returns the message that asks for them."""
        name = f"s{next(self._names)}"
        script: Script = responses
        self.model.scripts[name] = script
        return f"script:{name}"

    async def messages(self, thread_id: str) -> list[Frame]:
        """The thread's messages, as they are stored."""
        return (await self.http.get(f"/api/threads/{thread_id}/messages")).raise_for_status().json()["messages"]

    async def answer(self, thread_id: str, run_id: str) -> Frame | None:
        """The run's stored answer, if it has one."""
        found = [m for m in await self.messages(thread_id) if m["run_id"] == run_id and m["role"] == "agent"]
        assert len(found) < 2, "a run has one answer at most"
        return found[0] if found else None

    async def history(self, run_id: str) -> list[Any] | None:
        """What the run left for later turns, as it is stored."""

        def look(view: UserView) -> bytes | None:
            run = view.runs.get(run_id)
            assert run is not None
            return view.runs.history(run.id)

        stored = await self.server.services.log.view(self.alice.user_id, look)
        return json.loads(stored) if stored is not None else None

    def asked(self, said: str) -> list[Request]:
        """The model requests of the turn in which the user said this."""
        return [request for request in self.model.requests if request.said == said]

    async def next_turn(self, client: Client, thread_id: str) -> Request:
        """Say something more in the thread, see it completed, and return the request that the model got for it."""
        said = f"next{next(self._names)} tokens=3"
        run = await client.say(said, thread_id=thread_id)
        end = await client.until_end(run["run_id"])
        assert end["type"] == "agent_completed", end
        check_run(client.record.of_run(run["run_id"]))
        (request,) = self.asked(said)
        return request


def told_by_log(events: list[Frame]) -> Told:
    """What a reader of the run's events was shown."""
    told = Told()
    for event in events:
        payload = event["payload"]
        match event["type"]:
            case "agent_message_delta":
                told.text += payload["text"]
            case "agent_thinking":
                told.thinking += payload["reasoning"]
            case "tool_executing":
                told.tools[payload["tool_call_id"]] = ToolTold(
                    payload["tool_name"], payload["parameters"], "open", None
                )
            case "tool_completed":
                begun = told.tools[payload["tool_call_id"]]
                told.tools[payload["tool_call_id"]] = ToolTold(
                    begun.name, begun.parameters, payload["status"], payload["result"]
                )
            case _:
                pass
    return told


def told_to_model(messages: list[Frame]) -> Told:
    """The same of the assistant's and the tools' messages in a model request. Each call has its one answer."""
    told = Told()
    for message in messages:
        if message["role"] == "assistant":
            told.text += without_notes(message.get("content") or "")
            told.thinking += message.get("reasoning_content") or ""
            for call in message.get("tool_calls") or ():
                assert call["id"] not in told.tools
                parameters = json.loads(call["function"]["arguments"])
                told.tools[call["id"]] = ToolTold(call["function"]["name"], parameters, "open", None)
        elif message["role"] == "tool":
            call = told.tools[message["tool_call_id"]]
            assert call.status == "open"
            told.tools[message["tool_call_id"]] = ToolTold(call.name, call.parameters, "answered", message["content"])
    assert all(tool.status == "answered" for tool in told.tools.values()), told.tools
    return told


async def soon(condition: asyncio.Event) -> None:
    """Wait for what has to come; a test fails when it doesn't."""
    async with asyncio.timeout(DEADLINE):
        await condition.wait()


async def ended(client: Client, run: Frame) -> Frame:
    """The terminal event of a run, whether it was taken before or is still to come."""
    events = client.record.of_run(run["run_id"])
    return events[-1] if events and events[-1]["type"] in TERMINAL else await client.until_end(run["run_id"])


async def shown(client: Client, run_id: str, enough: Callable[[Told], bool]) -> Told:
    """Take events until the reader was shown that much of the run."""
    while not enough(told := told_by_log(client.record.of_run(run_id))):
        await client.event()
    return told


def story(events: list[Frame]) -> list[tuple[str, str | None, int, Any]]:
    """Events as a reader takes them, however the log merged them: neighbouring deltas of a run are joined.

    Two readers of the same stretch of a log have the same story.
    """
    told: list[tuple[str, str | None, int, Any]] = []
    for event in events:
        kind, run_id, payload = event["type"], event["run_id"], event["payload"]
        if told and kind in DELTAS and told[-1][:2] == (kind, run_id):
            payload = {DELTAS[kind]: told[-1][3][DELTAS[kind]] + payload[DELTAS[kind]]}
            told.pop()
        told.append((kind, run_id, event["seq"], payload))
    return told
