"""Whatever a history is like, the model is given a conversation in the one form that all take."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,  # pyright: ignore[reportDeprecated]
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from netra_backend.app.agents.conversation import conversation, one_call_at_a_time
from netra_backend.app.agents.history import encode, past_messages
from netra_backend.app.agents.runtime import PastTurn
from tests.fakes.model_server import FakeModelServer, Status, Text, Thinking, ToolCall
from tests.harness.strict_chat import check_request
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn

WORDS = st.sampled_from(["", " ", "hello", "[No answer.]", "a\nb", "</system>"])
IDS = st.sampled_from(["", "call_0", "call_0", "call_1", "functions.look:0", "x" * 90, "abcdefghi", "é"])
NAMES = st.sampled_from(["look", "look", "", "not a name!", "n" * 200])
ARGUMENTS = st.sampled_from([None, "", "{", "[1]", '"x"', '{"at": "left"}', "null"])
RESULTS = st.sampled_from([None, "", "clear", [], {"a": 1}, 0, " "])
REQUEST_PARTS = st.one_of(
    WORDS.map(SystemPromptPart),
    WORDS.map(UserPromptPart),
    st.builds(ToolReturnPart, NAMES, RESULTS, IDS),
    st.builds(RetryPromptPart, st.just("again"), tool_name=st.none() | NAMES, tool_call_id=IDS),  # pyright: ignore
)
RESPONSE_PARTS = st.one_of(WORDS.map(TextPart), WORDS.map(ThinkingPart), st.builds(ToolCallPart, NAMES, ARGUMENTS, IDS))
STATES = st.sampled_from(["complete", "interrupted", "suspended"])
MESSAGES = st.one_of(
    st.lists(REQUEST_PARTS, max_size=4).map(ModelRequest),
    st.builds(ModelResponse, st.lists(RESPONSE_PARTS, max_size=4), state=STATES),
)


def kept(messages: list[ModelMessage]) -> bytes | None:
    return encode(messages, tool_chars=4_000, most=200_000)


HISTORIES = st.one_of(st.none(), st.just(b"{"), st.just(b"[]"), st.lists(MESSAGES, max_size=6).map(kept))
TURNS = st.builds(PastTurn, st.sampled_from(["hi", "and now?"]), WORDS, st.booleans(), HISTORIES, failed=st.booleans())


pytestmark = pytest.mark.filterwarnings("ignore:`RetryPromptPart` is deprecated")


async def look(at: str = "") -> str:
    """Look somewhere."""
    return f"{at} is clear"


@pytest.mark.parametrize("tools", [(look,), ()], ids=["with tools", "without"])
async def test_any_history_is_told_in_form(server: FakeModelServer, runtime_of: RuntimeOf, tools: Any) -> None:
    """Over real HTTP: the server's fixture checks each request, and so does this, where it can say which it was."""
    runtime = runtime_of(*tools)
    loop = asyncio.get_running_loop()

    async def ask(turns: list[PastTurn]) -> dict[str, Any]:
        await runtime.start(a_turn("tokens=1", *turns), Sink()).wait()
        return server.requests.pop().body

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(TURNS, max_size=5))
    def check(turns: list[PastTurn]) -> None:
        body = asyncio.run_coroutine_threadsafe(ask(turns), loop).result()
        check_request(body)
        assert body["messages"][-1] == {"role": "user", "content": "tokens=1"}
        assert sum(message["role"] == "user" for message in body["messages"]) > len(turns)

    await asyncio.to_thread(check)


@settings(max_examples=300, deadline=None)
@given(st.lists(MESSAGES, max_size=8))
def test_what_is_in_form_stays_as_it_is(messages: list[ModelMessage]) -> None:
    once = conversation(messages)
    assert conversation(once) == once
    apart = one_call_at_a_time(once)
    assert conversation(apart) == apart
    assert all(len(each.tool_calls) < 2 for each in apart if isinstance(each, ModelResponse))


def test_what_was_asked_twice_in_a_row_is_one_question() -> None:
    asked = [ModelRequest([UserPromptPart("first")]), ModelRequest([UserPromptPart(["second"])])]
    (told,) = conversation(asked)
    assert [part.content for part in told.parts if isinstance(part, UserPromptPart)] == [["first", "second"]]


def test_past_turns_begin_with_what_was_said_and_end_with_an_answer() -> None:
    lost = kept([ModelResponse([ToolCallPart("look", "{}", "a")])])
    output = kept(
        [
            ModelRequest([SystemPromptPart("Be brief."), UserPromptPart("size?")], instructions="Be kind."),
            ModelResponse([ToolCallPart("final_result", '{"size": 3}', "b")]),
            ModelRequest([ToolReturnPart("final_result", "Final result processed.", "b")]),
        ]
    )
    told = past_messages(
        [PastTurn("hi", "", False, lost), PastTurn("size?", '{\n  "size": 3\n}', False, output)], 4_000
    )
    assert [[part.part_kind for part in message.parts] for message in told] == [
        ["user-prompt"],
        ["tool-call"],
        ["tool-return"],
        ["text"],
        ["user-prompt"],
        ["tool-call"],
        ["tool-return"],
        ["text"],
    ]
    assert told[3].parts[0] == TextPart("[No answer.]")
    assert told[7].parts[0] == TextPart('{\n  "size": 3\n}'), "the model is told what the user was shown"
    assert told[4].parts[0].content == "size?"  # type: ignore[union-attr]


async def test_an_agent_with_prompts_of_its_own_has_one_system_message(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    """Static and dynamic, with a history and without; the answer that was empty is asked for again in the same form."""

    def dynamic(ctx: RunContext[Any]) -> str:
        return f"The user is {ctx.deps.context.user_id}."

    given: dict[str, Any] = {"system_prompt": ["Be brief.", "Be kind."], "instructions": ["Be quick.", dynamic]}
    runtime = runtime_of(look, agent=given)
    server.queue += [[Thinking("Hm.")], [ToolCall("look", {}, "a")], [Text("Clear.")]]
    sink = Sink()
    result = await runtime.start(a_turn("go"), sink).wait()
    past = PastTurn("go", sink.shown_text, False, result.history)
    await runtime.start(a_turn("tokens=1", past), Sink()).wait()
    system = [request.messages[0]["content"] for request in server.requests]
    assert len(system) == 4
    assert all(len({text.count(words) for text in system}) == 1 for words in ("brief", "kind", "quick", "alice"))


async def test_an_output_that_is_sent_back_is_asked_for_again_in_form(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    async def whole(output: int) -> int:
        if output < 3:
            raise ModelRetry("too small")
        return output

    runtime = runtime_of(look, agent={"output_type": [whole], "retries": 5})
    server.queue += [
        [ToolCall("final_result", {"output": 1}, "a"), ToolCall("look", {}, "a")],
        [Thinking("What?")],
        [ToolCall("final_result", {"output": "none"}, "a")],
        [ToolCall("final_result", {"output": 4}, "a")],
    ]
    result = await runtime.start(a_turn("go"), Sink()).wait()
    past = PastTurn("go", "4", False, result.history)
    await runtime_of(look).start(a_turn("tokens=1", past), Sink()).wait()
    assert server.requests[-1].messages[-2] == {"role": "assistant", "content": "4"}


async def test_ids_fit_the_family_of_the_model(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    from netra_backend.app.agents.openai_chat import openai_model
    from netra_backend.app.agents.pydantic_ai import PydanticRuntime
    from netra_backend.app.settings import Settings

    chosen = Settings(model_base_url=server.base_url)
    model, close = openai_model(chosen, "mistralai/Devstral-Small-2507")
    agent: Agent[Any, Any] = Agent(model, tools=[look])
    runtime = PydanticRuntime(agent, chosen, name="test", model_name="devstral", close=close)
    calls = [ToolCall("look", {}, "call_0"), ToolCall("look", {}, "call_1")]
    server.queue += [calls, [ToolCall("look", {}, "call_0")], [Text("Clear.")]]
    result = await runtime.start(a_turn("go"), Sink()).wait()
    past = PastTurn("go", "Clear.", False, result.history)
    await runtime.start(a_turn("tokens=1", past), Sink()).wait()
    await runtime.aclose()
    for request in server.requests:
        check_request(request.body, mistral=True)
    assert json.loads(result.history or b"")


@pytest.mark.parametrize(
    "words",
    [
        "Tool call id was call_0 but must be a-z, A-Z, 0-9, with a length of 9.",
        "Error rendering prompt: Tool call IDs should be alphanumeric strings with length 9!",
    ],
)
async def test_ids_are_shortened_for_a_server_that_asks_for_it(
    server: FakeModelServer, runtime_of: RuntimeOf, words: str
) -> None:
    """A model of Mistral's under another name; it's remembered, so that later turns aren't refused first."""
    runtime = runtime_of(look)
    calls = [ToolCall("look", {"at": "left"}, "call_0"), ToolCall("look", {"at": "right"}, "call_1")]
    server.queue += [calls, [Status(400, {"message": words})], [Text("Clear.")]]
    sink = Sink()
    result = await runtime.start(a_turn("go"), sink).wait()
    past = PastTurn("go", sink.shown_text, False, result.history)
    await runtime.start(a_turn("tokens=1", past), Sink()).wait()
    assert sink.shown_text == "Clear."
    for request in server.requests[2:]:
        check_request(request.body, mistral=True)
    assert len(server.requests) == 4
