"""Every model of a turn shows its answer as it comes; nobody else's, none twice, and capabilities see it whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import pytest
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.capabilities import AbstractCapability, ModelFallback, ProcessEventStream, SelectModel
from pydantic_ai.messages import AgentStreamEvent, ModelResponse
from pydantic_ai.models import Model, ModelRequestContext

from netra_backend.app.agents.openai_chat import openai_model
from netra_backend.app.agents.runtime import AgentFailure, Turn, TurnHandle, TurnResult
from netra_backend.app.protocol.events import FailureCode
from netra_backend.app.settings import Settings
from tests.fakes.model_server import Cut, FakeModelServer, Hang, Text, Tokens, ToolCall, Wire
from tests.harness.deadline import DEADLINE
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn

REJECTED = b'data: {"error": {"code": 400, "message": "tool call parser failed"}}\n\n'


@pytest.fixture
async def other(server: FakeModelServer, model_client: str) -> AsyncIterator[Model]:
    """Another model on the same server, as an agent's own capability brings it."""
    settings = Settings.model_validate({"model_base_url": server.base_url, "model_client": model_client})
    model, close = openai_model(settings, "other")
    yield model
    await close()


async def stopped_after(shown: str, handle: TurnHandle, sink: Sink) -> TurnResult:
    """Stop the turn once that is shown."""
    running = asyncio.create_task(handle.wait())
    async with asyncio.timeout(DEADLINE):
        while sink.shown_text != shown:
            async with sink.came:
                await sink.came.wait()
        handle.cancel()
        return await running


async def test_what_a_tool_asks_the_model_is_not_shown(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    sub: Agent[None, str] = Agent(instructions="Say secrets.")

    async def delegate(ctx: RunContext[Turn]) -> str:
        return (await sub.run("go on", model=ctx.model)).output

    message = {"id": "s", "object": "chat.completion", "created": 1, "model": "fake"}
    said = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "SECRET"}}
    whole = json.dumps(message | {"choices": [said]}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(whole)
    server.queue += [[ToolCall("delegate", {})], [Wire(head + whole)], [Text("Done.")]]
    sink = Sink()
    await runtime_of(delegate).start(a_turn("go"), sink).wait()
    assert sink.shown_text == "Done."
    assert list(sink.results.values()) == ["SECRET"]


async def test_a_broken_answer_is_not_followed_by_another(
    server: FakeModelServer, runtime_of: RuntimeOf, other: Model
) -> None:
    server.queue += [[Text("The first half "), Cut()], [Text("A whole other answer.")]]
    sink = Sink()
    runtime = runtime_of(agent={"capabilities": [ModelFallback(other)]})
    with pytest.raises(AgentFailure):
        await runtime.start(a_turn("go"), sink).wait()
    assert sink.shown_text == "The first half "
    assert len(server.requests) == 1


async def test_a_model_that_is_fallen_back_to_is_shown_too(
    server: FakeModelServer, runtime_of: RuntimeOf, other: Model
) -> None:
    server.queue += [[Cut()], [Text("From "), Text("the other.")]]
    sink = Sink()
    await runtime_of(agent={"capabilities": [ModelFallback(other)]}).start(a_turn("go"), sink).wait()
    assert sink.shown_text == "From the other."
    assert [request.body["model"] for request in server.requests] == ["fake", "other"]


async def test_an_agent_may_select_its_model(server: FakeModelServer, runtime_of: RuntimeOf, other: Model) -> None:
    async def select(_: object) -> Model:
        return other

    server.queue += [[Text("Hello")]]
    sink = Sink()
    await runtime_of(agent={"capabilities": [SelectModel(select)]}).start(a_turn("go"), sink).wait()
    assert sink.shown_text == "Hello"
    assert server.requests[0].body["model"] == "other"


async def test_a_capability_that_looks_at_events_sees_them_and_costs_no_text(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    seen: list[str] = []

    async def look(_: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
        seen.extend([type(event).__name__ async for event in events])

    server.queue += [[Text("Hello "), Text("big "), Text("world")]]
    sink = Sink()
    await runtime_of(agent={"capabilities": [ProcessEventStream(look)]}).start(a_turn("go"), sink).wait()
    assert sink.shown_text == "Hello big world"
    assert "PartStartEvent" in seen


async def test_a_long_answer_is_not_cut_where_events_are_looked_at(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    """The time until the first token ends with the first token, also where the library only gets the whole."""

    async def look(_: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
        async for _event in events:
            pass

    hang = Hang()
    server.queue += [[Text("Hello"), hang]]
    given = {"model_first_token_timeout": 0.2, "model_idle_timeout": 1.0}
    sink = Sink()
    runtime = runtime_of(agent={"capabilities": [ProcessEventStream(look)]}, **given)
    with pytest.raises(AgentFailure) as failed:
        await runtime.start(a_turn("go"), sink).wait()
    assert failed.value.code is FailureCode.TIMEOUT_IDLE
    assert sink.shown_text == "Hello"


async def test_a_stopped_response_is_counted(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    hang = Hang()
    server.queue += [[Text("One "), hang]]
    sink = Sink()
    handle = runtime_of().start(a_turn("go"), sink)
    result = await stopped_after("One ", handle, sink)
    assert result.cancelled
    assert result.usage.requests == 1


class Rejects(AbstractCapability[Any]):
    """Rejects the first response, so that the model is asked again with both in view."""

    rejected = False

    async def after_model_request(
        self, ctx: RunContext[Any], *, request_context: ModelRequestContext, response: ModelResponse
    ) -> ModelResponse:
        if not self.rejected and response.tool_calls:
            self.rejected = True
            raise ModelRetry("call it with an argument")
        return response


async def test_a_stop_after_a_rejected_response_keeps_what_was_said(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    async def look() -> str:
        """Look."""
        return "seen"

    hang = Hang()
    server.queue += [[ToolCall("look", {}, "c1"), Tokens(1, 1)], [Text("Second "), hang]]
    sink = Sink()
    runtime = runtime_of(look, agent={"capabilities": [Rejects()]})
    handle = runtime.start(a_turn("go"), sink)
    result = await stopped_after("Second ", handle, sink)
    messages = json.loads(result.history or b"[]")
    responses = [message for message in messages if message["kind"] == "response"]
    assert [part.get("tool_call_id") or part["content"] for one in responses for part in one["parts"]] == [
        "c1",
        "Second ",
    ]
