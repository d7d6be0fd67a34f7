"""An agent's structured output reaches whoever asks, beside text or alone: event, HTTP, export, terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from netra_backend.app.commands.chat_view import RunView
from netra_backend.app.commands.terminal import Screen
from netra_backend.app.protocol.events import Event
from tests.fakes.model_server import FakeModelServer, Step, Text, ToolCall
from tests.harness.client import check_run
from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]
CITY = {"name": "Oslo", "people": 7, "alsoKnownAs": "x"}


def result(arguments: dict[str, Any], name: str = "final_result") -> ToolCall:
    return ToolCall(name, arguments)


OUTPUTS: dict[str, tuple[str, Sequence[Step], Any]] = {
    "a model": ("model", [result({"name": "Oslo", "people": 7})], CITY),
    "a dataclass": ("dataclass", [result({"x": 1})], {"x": 1.0, "y": 0.5}),
    "a TypedDict": ("typed_dict", [result({"left": 1, "right": ["a"]})], {"left": 1, "right": ["a"]}),
    "a list": ("several", [result({"response": [{"name": "Oslo", "people": 7}]})], [CITY]),
    "a union": ("either", [result({"x": 1}, "point")], {"x": 1.0, "y": 0.5}),
    "no": ("yes_or_no", [result({"response": False})], False),
    "zero": ("number", [result({"response": 0})], 0),
    "an empty list": ("nothing", [result({"response": []})], []),
    "of a function": ("function", [result({"year": 2024})], {"2024": [[1, 2], ["\ufffd"]]}),
}


@pytest.mark.parametrize("beside", [True, False], ids=["beside text", "alone"])
@pytest.mark.parametrize("what", OUTPUTS)
async def test_it_is_told_wherever_it_is_asked_for(
    serve: Serve, model: FakeModelServer, what: str, beside: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    agent, steps, output = OUTPUTS[what]
    model.scripts["go"] = [[*([Text("Here it is.")] if beside else []), *steps]]
    async with serve(
        agent=f"tests.fakes.structured_agents:{agent}", model="openai:fake", model_base_url=model.base_url
    ) as server:
        alice = await server.person()
        async with server.client(alice) as client, server.http(alice) as http:
            await client.resume()
            run = await client.say("script:go")
            end = await client.until_end(run["run_id"])
            assert end["type"] == "agent_completed", end
            check_run(client.record.of_run(run["run_id"]))
            payload = end["payload"]
            assert payload["output"] == output
            assert type(payload["output"]) is type(output)
            if beside:
                assert payload["final_response"] == "Here it is."
            else:
                assert json.loads(payload["final_response"]) == output, "alone, it's the answer too"
            thread = (await http.get(f"/api/threads/{run['thread_id']}")).json()
            assert thread["messages"][-1]["output"] == output, "also after a reload"
            assert thread["messages"][0]["output"] is None
            (exported,) = (await http.get("/api/export")).json()["threads"]
            assert exported["messages"][-1]["output"] == output
            written = (await http.get("/api/export?format=markdown")).text
            assert written.count(f"\n{json.dumps(output, ensure_ascii=False, indent=2)}\n") == 1
            view = RunView(Screen())
            view.show(msgspec.json.decode(json.dumps(end), type=Event))
            assert ("output" in capsys.readouterr().out) == beside, "once: with the text, or beside it"


OTHERS: dict[str, tuple[str, Sequence[Step], str, Any]] = {
    "native": ("native", [Text('{"name": "Oslo", "people": 7}')], '{"name": "Oslo", "people": 7}', CITY),
    "prompted": ("prompted", [Text('{"name": "Oslo", "people": 7}')], '{"name": "Oslo", "people": 7}', CITY),
    "text that a function turned": ("shouting", [Text("so it is")], "so it is", "SO IT IS"),
    "text that a function counted": ("counting", [Text("so it is")], "so it is", 8),
    "text": ("plain", [Text("  so it is\n")], "  so it is\n", None),
}


@pytest.mark.parametrize("what", OTHERS)
async def test_what_is_made_of_the_text_is_told_beside_it(serve: Serve, model: FakeModelServer, what: str) -> None:
    agent, steps, text, output = OTHERS[what]
    model.scripts["go"] = [steps]
    async with serve(
        agent=f"tests.fakes.structured_agents:{agent}", model="openai:fake", model_base_url=model.base_url
    ) as server:
        alice = await server.person()
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("script:go")
            end = await client.until_end(run["run_id"])
    assert end["type"] == "agent_completed", end
    assert (end["payload"]["final_response"], end["payload"]["output"]) == (text, output)


@pytest.mark.parametrize("agent", ["unusable", "too_large", "exiting"])
async def test_one_that_cannot_be_told_fails_the_run_by_name(serve: Serve, model: FakeModelServer, agent: str) -> None:
    model.scripts["go"] = [[Text("Here it is."), result({"name": "a"})]]
    async with serve(
        agent=f"tests.fakes.structured_agents:{agent}", model="openai:fake", model_base_url=model.base_url
    ) as server:
        alice = await server.person()
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("script:go")
            end = await client.until_end(run["run_id"])
            assert (end["type"], end["payload"]["code"]) == ("agent_failed", "agent_error")
            assert end["payload"]["partial_response"] == "Here it is."
            assert agent == "exiting" or "output" in end["payload"]["message"]
            again = await client.say("tokens=1", thread_id=run["thread_id"])
            await client.until_end(again["run_id"])


async def test_the_thread_goes_on_after_it(serve: Serve, model: FakeModelServer) -> None:
    model.scripts["beside"] = [[Text("Here it is."), result({"name": "Oslo", "people": 7})]]
    model.scripts["alone"] = [[result({"name": "Oslo", "people": 7})]]
    async with serve(
        agent="tests.fakes.structured_agents:model", model="openai:fake", model_base_url=model.base_url
    ) as server:
        alice = await server.person()
        async with server.client(alice) as client:
            await client.resume()
            run = await client.say("script:beside")
            await client.until_end(run["run_id"])
            for said in ("script:alone", "script:beside", "script:alone"):
                again = await client.say(said, thread_id=run["thread_id"])
                end = await client.until_end(again["run_id"])
                assert (end["type"], end["payload"].get("output")) == ("agent_completed", CITY), end
