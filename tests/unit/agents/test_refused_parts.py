"""Parts of a request that a server refuses: asked again without, remembered for the model, and only by its own words.

Where a public report of a server led to a case, it stands beside it.
"""

# ruff: noqa: E501 - a table is read by its columns

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from openai import APIStatusError
from pydantic import ValidationError

from netra_backend.app.agents.loader import load_agent
from netra_backend.app.agents.request_form import RequestForm, refused_part
from netra_backend.app.agents.runtime import AgentFailure, AgentRuntime, PastTurn
from netra_backend.app.protocol.events import FailureCode
from netra_backend.app.settings import Settings
from tests.fakes.model_server import End, FakeModelServer, Raw, Status, Text, ToolCall
from tests.unit.agents.sink import Sink, a_turn
from tests.unit.agents.wire import DONE, chunk, stream


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message} | more}


def detail(place: list[Any], msg: str = "Extra inputs are not permitted", **more: Any) -> dict[str, Any]:
    return {"detail": [{"type": "extra_forbidden", "loc": place, "msg": msg} | more]}


REFUSALS: dict[str, tuple[int, Any, str]] = {
    "Fireworks (FlowiseAI/Flowise#2866)": (
        400,
        error("Extra inputs are not permitted, field: 'stream_options'"),
        "stream_options",
    ),
    "FastAPI's detail": (422, detail(["body", "stream_options"], input={"include_usage": True}), "stream_options"),
    "vLLM's rendering of it (vllm-project/vllm#10463, gpustack/gpustack#429)": (
        400,
        {
            "object": "error",
            "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are not permitted', 'input': {'include_usage': True}}]",
            "code": 400,
        },
        "stream_options",
    ),
    "Databricks (anomalyco/opencode#31156)": (
        400,
        {"error_code": "BAD_REQUEST", "message": "stream_options is not supported"},
        "stream_options",
    ),
    "an unknown parameter, as OpenAI says it": (
        400,
        error(
            "Unknown parameter: 'stream_options'.",
            type="invalid_request_error",
            param="stream_options",
            code="unknown_parameter",
        ),
        "stream_options",
    ),
    "o1, of streaming (RooCodeInc/Roo-Code#274, langgenius/dify#8615)": (
        400,
        error(
            "Unsupported value: 'stream' does not support true with this model. Only the default (false) value is supported.",
            type="invalid_request_error",
            param="stream",
            code="unsupported_value",
        ),
        "stream",
    ),
    "llama.cpp, of tools": (500, error("tools param requires --jinja flag", code=500, type="server_error"), "tools"),
    "Ollama, of tools": (400, error("registry.ollama.ai/library/gemma:2b does not support tools"), "tools"),
    "vLLM, of tools": (
        400,
        error('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        "tools",
    ),
    "OpenRouter, of tools": (
        404,
        error(
            "No endpoints found that support tool use. To learn more about provider routing, visit: https://openrouter.ai/docs",
            code=404,
        ),
        "tools",
    ),
    "o3, of temperature": (
        400,
        error(
            "Unsupported parameter: 'temperature' is not supported with this model.",
            param="temperature",
            code="unsupported_parameter",
        ),
        "temperature",
    ),
    "o1, of max_tokens": (
        400,
        error(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        ),
        "max_tokens",
    ),
    "of effort": (400, error("reasoning_effort is not supported for this model"), "reasoning_effort"),
    "Gemma's template, of the system": (400, error("System role not supported"), "system"),
}


@pytest.fixture(params=["lean", "sdk"])
async def runtime(request: pytest.FixtureRequest, server: FakeModelServer) -> AsyncIterator[AgentRuntime]:
    settings = Settings(
        model="openai:fake",
        model_base_url=server.base_url,
        model_client=request.param,
        model_retries=0,
        model_temperature=0.5,
        model_max_tokens=100,
        model_reasoning_effort="low",
    )
    made = load_agent(settings)
    yield made
    await made.aclose()


def has(body: dict[str, Any], part: str) -> bool:
    if part == "system":
        return any(message["role"] == "system" for message in body["messages"])
    if part == "stream":
        return bool(body["stream"])
    return part in body


async def say(runtime: AgentRuntime, text: str = "hello") -> str:
    sink = Sink()
    await runtime.start(a_turn(text), sink).wait()
    return sink.shown_text


@pytest.mark.parametrize(("status", "body", "part"), REFUSALS.values(), ids=REFUSALS)
async def test_it_is_asked_again_without_what_was_refused(
    server: FakeModelServer, runtime: AgentRuntime, status: int, body: Any, part: str
) -> None:
    server.queue += [[Status(status, body)], [Text("well")], [Text("again")]]
    assert (await say(runtime), await say(runtime)) == ("well", "again")
    first, second, third = (request.body for request in server.requests)
    assert [has(each, part) for each in (first, second, third)] == [True, False, False]
    others = {"temperature", "reasoning_effort", "stream_options", "tools"} - {part}
    if part == "stream":
        others -= {"stream_options"}
    assert others <= second.keys(), "nothing else is left out"
    if part == "max_tokens":
        assert second["max_completion_tokens"] == 100
    if part == "system":
        assert second["messages"][0]["role"] == "user"
        assert first["messages"][0]["content"] in second["messages"][0]["content"]
        assert second["messages"][0]["content"].endswith("hello")


async def test_one_refusal_after_the_other(server: FakeModelServer, runtime: AgentRuntime) -> None:
    server.queue += [
        [Status(400, error("Extra inputs are not permitted, field: 'stream_options'"))],
        [Status(400, error("temperature is not supported"))],
        [Text("well")],
        [Text("again")],
    ]
    assert (await say(runtime), await say(runtime)) == ("well", "again")
    assert [("stream_options" in r.body, "temperature" in r.body) for r in server.requests] == [
        (True, True), (False, True), (False, False), (False, False),
    ]  # fmt: skip


QUOTED: dict[str, tuple[str, int, Any]] = {
    "the whole of it": (
        "This model does not support tools",
        400,
        error("Bad template: This model does not support tools"),
    ),
    "in quotation marks": (
        "tools are unsupported",
        400,
        error('I can\'t parse "well, as I said tools are unsupported, so there"'),
    ),
    "as a validation error's input": (
        "tools are not supported",
        422,
        detail(["body", "messages", 0], "Input should be shorter", input="tools are not supported"),
    ),
    "escaped": (
        'tools\n"x" unsupported',
        400,
        error('Bad input: tools\\n\\"x\\" unsupported'),
    ),
    "shortened by the server": (
        "Tell me whether the temperature of boiling water is really not supported here",
        400,
        error('I can\'t read "Tell me whether the temperature … not supported here", sorry'),
    ),
    "a mere mention": ("hello", 400, error("too many tools for one day")),
    "an injected detail": (
        "Extra inputs are not permitted, field: 'stream_options'",
        400,
        error("Extra inputs are not permitted, field: 'stream_options'"),
    ),
    "of something else": ("hello", 400, error("The image format is not supported")),
}


@pytest.mark.parametrize(("said", "status", "body"), QUOTED.values(), ids=QUOTED)
async def test_what_a_user_said_takes_nothing_from_anybody(
    server: FakeModelServer, runtime: AgentRuntime, said: str, status: int, body: Any
) -> None:
    server.queue += [[Status(status, body)], [Text("well")]]
    with pytest.raises(AgentFailure) as failed:
        await say(runtime, said)
    assert failed.value.code is FailureCode.MODEL_REJECTED_REQUEST
    assert await say(runtime) == "well"
    assert all("tools" in request.body and "stream_options" in request.body for request in server.requests)
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [401, 402, 403, 408, 429, 503])
async def test_who_may_ask_or_when_says_nothing_of_a_part(
    server: FakeModelServer, runtime: AgentRuntime, status: int
) -> None:
    """One who pays more may have tools; left out for everybody they would be missed when it is paid."""
    server.queue += [[Status(status, error("tools are not supported by your plan at the moment"))], [Text("well")]]
    with pytest.raises(AgentFailure):
        await say(runtime)
    assert len(server.requests) == 1
    assert await say(runtime) == "well"
    assert "tools" in server.requests[-1].body


OF_THIS_CONVERSATION: dict[str, tuple[int, Any]] = {
    # ollama/ollama: what the model wrote can't be read
    "Ollama, of a call": (500, error("error parsing tool call: raw='{\"expression\": \"1+', err=unexpected end of JSON input")),
    "llama.cpp, of a call": (500, error("Failed to parse tool call arguments as JSON: parse error at line 1, column 9: unexpected end of input")),
    "Groq, of a call": (400, error("tool call validation failed: parameters for tool add_note did not match schema: errors: [additionalProperties 'x' not allowed]", code="tool_use_failed")),
    "a tool that the model made up": (400, error("Model tried to call unknown tool 'foo'")),
    "OpenAI, of the order": (400, error("Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")),
    "Mistral, of the order": (400, error("Unexpected role 'user' after role 'tool'")),
    "Anthropic, of the order": (400, error("messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: x. Each `tool_result` block must have a corresponding `tool_use` block")),
    "a server that stumbles": (500, error("An unexpected error occurred while streaming the response")),
    "a server that stumbles over a prompt": (500, error("unexpected failure while rendering system prompt")),
}  # fmt: skip


@pytest.mark.parametrize(("status", "body"), OF_THIS_CONVERSATION.values(), ids=OF_THIS_CONVERSATION)
async def test_what_one_conversation_got_wrong_takes_nothing_from_the_others(
    server: FakeModelServer, runtime: AgentRuntime, status: int, body: Any
) -> None:
    server.queue += [[Status(status, body)], [Text("well")]]
    with pytest.raises(AgentFailure):
        await say(runtime)
    assert await say(runtime) == "well"
    for request in server.requests:
        assert "tools" in request.body
        assert request.body["stream"] is True
        assert request.body["messages"][0]["role"] == "system"


async def test_what_didnt_help_is_not_remembered(server: FakeModelServer, runtime: AgentRuntime) -> None:
    server.queue += [
        [Status(400, error("tools are not supported"))],
        [Status(400, error("the model is away"))],
        [Text("well")],
    ]
    with pytest.raises(AgentFailure):
        await say(runtime)
    assert await say(runtime) == "well"
    assert ["tools" in request.body for request in server.requests] == [True, False, True]


async def test_an_error_inside_an_answer_takes_nothing_away(server: FakeModelServer, runtime: AgentRuntime) -> None:
    rejected = b'data: {"error": {"message": "tools are not supported", "code": 400}}\n\n'
    server.queue += [[Text("One "), Raw(rejected)], [Text("well")]]
    with pytest.raises(AgentFailure):
        await say(runtime)
    assert await say(runtime) == "well"
    assert all("tools" in request.body for request in server.requests)


async def test_without_tools_the_conversation_has_no_calls(server: FakeModelServer, runtime: AgentRuntime) -> None:
    arguments = {"expression": "6*7"}
    server.queue += [[Text("I look."), ToolCall("calculate", arguments, "a")], [Text("It is 42.")]]
    sink = Sink()
    result = await runtime.start(a_turn("6*7?"), sink).wait()
    server.queue += [[Status(400, error("this model does not support tools"))], [Text("well")]]
    past = PastTurn("6*7?", sink.shown_text, interrupted=False, history=result.history)
    again = Sink()
    await runtime.start(a_turn("thanks", past), again).wait()
    assert again.shown_text == "well"
    body = server.requests[-1].body
    roles = ["system", "user", "assistant", "user", "assistant", "user"]
    assert [message["role"] for message in body["messages"]] == roles
    assert not any("tool_calls" in message for message in body["messages"])
    assert "42" in body["messages"][3]["content"], "what the tool said is told all the same"


@pytest.mark.parametrize("opening", [[Text("I look.")], []], ids=["after text", "alone"])
async def test_tools_that_are_refused_after_one_ran(
    server: FakeModelServer, runtime: AgentRuntime, opening: list[Any]
) -> None:
    """The model is told what was called and answered, in a form that every template takes."""
    calls = [ToolCall("calculate", {"expression": "6*7"}, "a"), ToolCall("calculate", {"expression": "6*8"}, "b")]
    server.queue += [[*opening, *calls], [Status(400, error("this model does not support tools"))], [Text("42")]]
    assert (await say(runtime)).endswith("42")
    *_, asked, answered = server.requests[-1].messages
    assert (asked["role"], answered["role"]) == ("assistant", "user")
    for words in ("6*7", "6*8"):
        assert words in asked["content"]
    for words in ("42", "48"):
        assert words in answered["content"]


async def test_it_is_forgotten_after_a_time() -> None:
    now = 0.0
    asked: list[bool] = []

    async def send(form: dict[str, Any]) -> str:
        asked.append("stream_options" in form)
        if "stream_options" in form:
            request = httpx2.Request("POST", "http://model.invalid")
            body = {"message": "stream_options is not supported"}
            raise APIStatusError("no", response=httpx2.Response(400, request=request), body=body)
        return "well"

    form = RequestForm(memory=60, clock=lambda: now)
    request = {"messages": [], "stream": True, "stream_options": {}}
    for now in (0.0, 59.0, 61.0):  # noqa: B007 - read by the clock
        assert await form.ask(request, send) == "well"
    assert asked == [True, False, False, True, False]


def test_fields_of_earlier_messages() -> None:
    """Of GLM behind a gateway (anomalyco/opencode#23193); Mistral and Groq refuse reasoning alike."""
    form = {"messages": [{"role": "assistant", "content": "a", "reasoning_content": "hm"}]}
    request = httpx2.Request("POST", "http://model.invalid")
    for body in (
        error("Extra inputs are not permitted, field: 'messages[0].reasoning_content', value: None")["error"],
        detail(["body", "messages", 0, "assistant", "reasoning_content"]),
        # Mistral (charmbracelet/crush#1590), Groq (tashfeenahmed/freellmapi#1070), CherryHQ/cherry-studio#16790
        {"message": {"detail": detail(["body", "messages", 2, "assistant", "reasoning_content"])["detail"]}},
        error(
            "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]"
        )["error"],
        error(
            "messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is unsupported",
            param="validation_error",
        )["error"],
    ):
        refused = APIStatusError("no", response=httpx2.Response(422, request=request), body=body)
        assert refused_part(refused, form) == "messages.reasoning_content"


async def test_settings_of_the_model(server: FakeModelServer) -> None:
    for client in ("lean", "sdk"):
        settings = Settings(
            model="openai:fake",
            model_base_url=server.base_url,
            model_client=client,
            model_extra_headers={"X-Title": "Netra", "x-org": "secret-of-ours"},
            model_extra_body={"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}},
            model_temperature=0.1,
            model_max_tokens=7,
            model_reasoning_effort="high",
            model_stream_options=False,
            model_tools=False,
        )
        runtime = load_agent(settings)
        server.queue.append([Text("well")])
        assert await say(runtime) == "well"
        body, headers = server.requests[-1].body, server.requests[-1].headers
        assert (headers["x-title"], headers["x-org"]) == ("Netra", "secret-of-ours")
        assert (body["top_k"], body["chat_template_kwargs"]) == (5, {"enable_thinking": False})
        assert (body["temperature"], body["max_tokens"], body["reasoning_effort"]) == (0.1, 7, "high")
        assert not {"tools", "stream_options", "tool_choice"} & body.keys()
        await runtime.aclose()


async def test_without_streaming_a_whole_answer_is_asked_for(server: FakeModelServer) -> None:
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    message = {"role": "assistant", "content": "<think>Hm</think>well", "reasoning_content": None}
    for client in ("lean", "sdk"):
        server.queue.append(
            [
                Status(
                    200,
                    whole
                    | {
                        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
                    },
                )
            ]
        )
        runtime = load_agent(
            Settings(model="openai:fake", model_base_url=server.base_url, model_client=client, model_streaming=False)
        )
        sink = Sink()
        result = await runtime.start(a_turn("hello"), sink).wait()
        assert (sink.shown_thinking, sink.shown_text) == ("Hm", "well")
        assert (result.usage.input_tokens, result.usage.output_tokens) == (3, 4)
        assert server.requests[-1].body["stream"] is False
        assert "stream_options" not in server.requests[-1].body
        # What came as one piece of JSON isn't cut, though its server doesn't say how it ended.
        server.queue.append([Status(200, {"choices": [{"message": {"role": "assistant", "content": "all"}}]})])
        assert await say(runtime) == "all"
        await runtime.aclose()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model_extra_headers": {"Host": "x"}}, "can't be set"),
        ({"model_extra_headers": {"X Y": "x"}}, "can't be set"),
        ({"model_extra_headers": {"X-Y": "a\r\nEvil: b"}}, "on one line"),
        ({"model_extra_body": {"messages": []}}, "conversation"),
        ({"model_extra_body": {"stream": True}}, "NETRA_MODEL_STREAMING"),
        ({"model_temperature": -1}, "greater"),
        ({"model_max_tokens": 0}, "greater"),
        ({"model_reasoning_effort": "High!"}, "pattern"),
    ],
)
def test_settings_that_cant_be_used(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Settings(**given)


WORDS: dict[str, tuple[list[Any], str, str]] = {
    "llama.cpp's error field": ([Raw(b'error: {"code":400,"message":"the request exceeds the available context size. try increasing the context size or enable context shift","type":"exceed_context_size_error"}\n\n'), End()], "model_rejected_request", "NETRA_HISTORY_TURNS"),
    "FastAPI's detail": ([Status(422, detail(["body", "messages", 0, "content"], "Input should be a valid string"))], "model_rejected_request", "valid string"),
    "FastAPI's detail in words": ([Status(400, {"detail": "the adapter isn't loaded"})], "model_rejected_request", "adapter isn't loaded"),
    "a 500 with its reason": ([Status(500, error("the slot is away"))], "model_server_error", "slot is away"),
    "a 500 in plain words": ([Status(500, "CUDA out of memory")], "model_server_error", "CUDA out of memory"),
    "a page": ([Status(502, "<html><head><title>502 Bad Gateway</title></head></html>")], "model_server_error", "502 Bad Gateway"),
    "OpenRouter's provider": ([Status(400, error("Provider returned error", metadata={"raw": '{"error":{"message":"no such role"}}'}))], "model_rejected_request", "no such role"),
    "Google's list": ([Status(400, '[{"error": {"code": 400, "message": "no such field"}}]')], "model_rejected_request", "no such field"),
    "a string inside a stream (Blaizzy/nativ#195)": ([Raw(b'data: {"error": "thinking_budget is not supported"}\n\n'), End()], "model_server_error", "thinking_budget"),
    "an event of errors": ([Raw(b'event: error\ndata: {"message": "the engine died"}\n\n'), End()], "model_server_error", "engine died"),
    "plain words in a stream (EricLBuehler/mistral.rs#1874)": ([Raw(b"data: Number of choices must be greater than 0.\n\n"), End()], "model_server_error", "greater than 0"),
    "no stream at all (lemonade-sdk/lemonade#2826)": ([Raw(b"backend said: out of memory\n"), End()], "model_bad_response", "out of memory"),
    "JSON instead of a stream": ([Status(200, error("the model is loading"))], "model_server_error", "model is loading"),
    "vLLM's error object in a stream": ([Raw(b'data: {"object": "error", "message": "the engine is dead", "type": "InternalServerError", "code": 500}\n\n'), End()], "model_server_error", "engine is dead"),
    "MiniMax": ([Status(200, {"id": "x", "choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}})], "model_server_error", "insufficient balance"),
    "MiniMax, in a stream": ([Raw(b'data: {"choices": null, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}\n\n')], "model_server_error", "insufficient balance"),
    "Cloudflare": ([Status(400, {"errors": [{"message": "AiError: no capacity", "code": 3040}], "success": False, "result": {}, "messages": []})], "model_rejected_request", "no capacity"),
    "Baidu": ([Status(200, {"error_code": 336003, "error_msg": "the messages are odd"})], "model_server_error", "messages are odd"),
    "Tencent": ([Status(200, {"Response": {"Error": {"Code": "FailedOperation", "Message": "quota is used up"}, "RequestId": "1"}})], "model_server_error", "quota is used up"),
    "AWS": ([Status(400, {"__type": "ValidationException", "Message": "the model id is wrong"})], "model_rejected_request", "model id is wrong"),
    "Apigee": ([Status(400, {"fault": {"faultstring": "Rate limit quota violation", "detail": {"errorcode": "x"}}})], "model_rejected_request", "quota violation"),
    "iFlytek": ([Status(200, {"header": {"code": 10013, "message": "the input was held back"}})], "model_server_error", "held back"),
    "camels": ([Status(500, {"errorMessage": "too busy", "errorType": "x"})], "model_server_error", "too busy"),
    "too long, as vLLM says it": ([Status(400, error("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"))], "model_rejected_request", "NETRA_HISTORY_TURNS"),
    "too long, as LM Studio says it": ([Status(400, {"error": "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"})], "model_rejected_request", "NETRA_HISTORY_TURNS"),
    "too long, as TGI says it": ([Status(422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096", "error_type": "validation"})], "model_rejected_request", "NETRA_HISTORY_TURNS"),
    "too long, as Anthropic says it": ([Status(400, error("prompt is too long: 210000 tokens > 200000 maximum"))], "model_rejected_request", "NETRA_HISTORY_TURNS"),
    "too long, as Gemini says it": ([Status(400, error("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."))], "model_rejected_request", "NETRA_HISTORY_TURNS"),
    "an empty answer on overflow": ([Raw(stream(chunk({"role": "assistant"}), chunk({}, "length"), DONE)), End()], "model_bad_response", "conversation leaves no room"),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "code", "says"), WORDS.values(), ids=WORDS)
async def test_the_servers_words_reach_the_user_and_the_log(
    server: FakeModelServer,
    runtime: AgentRuntime,
    steps: list[Any],
    code: str,
    says: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.queue += [steps]
    with pytest.raises(AgentFailure) as failed:
        await say(runtime)
    assert failed.value.code == code, failed.value
    assert says in failed.value.message
    assert "<" not in failed.value.message.replace("<=", "")
    if "NETRA_" not in says and code != "model_bad_response":
        assert says in caplog.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_takes_neither_keys_nor_words_to_another_server(
    server: FakeModelServer, status: int
) -> None:
    async with FakeModelServer() as other:
        for client in ("lean", "sdk"):
            runtime = load_agent(
                Settings(
                    model="openai:fake",
                    model_base_url=server.base_url,
                    model_retries=0,
                    model_client=client,
                    model_extra_headers={"x-org": "ours"},
                )
            )
            server.queue.append([Status(status, "", {"location": f"{other.base_url}/chat/completions"})])
            with pytest.raises(AgentFailure) as failed:
                await say(runtime)
            assert failed.value.code is FailureCode.MODEL_REJECTED_REQUEST
            assert str(status) in failed.value.message
            if status in {307, 308}:
                # On the same server it is followed.
                server.queue += [[Status(status, "", {"location": "/v1/chat/completions?here"})], [Text("well")]]
                assert await say(runtime) == "well"
            await runtime.aclose()
        assert not other.requests


@pytest.mark.parametrize("client", ["lean", "sdk"])
async def test_no_secret_is_in_what_is_no_refusal(
    server: FakeModelServer, client: str, caplog: pytest.LogCaptureFixture
) -> None:
    key, token, field = "plain-hunter/two", "org-token-7", "body-key-of-ours"
    words = f"bad key {key} {key.replace('/', '%2F')} of {token}, and {field}"
    answers: list[list[Any]] = [
        [Status(200, words)],
        [Status(200, f"<html><body>{words}</body></html>")],
        [Raw(f"{words}\n".encode()), End()],
        [Raw(f"data: {words}\n\n".encode()), End()],
        [Status(400, error(f"stream_options is not supported, {words}"))],
        [Status(400, error(words))],
    ]
    runtime = load_agent(
        Settings(
            model="openai:fake",
            model_base_url=server.base_url,
            model_retries=0,
            model_client=client,
            model_api_key=key,
            model_extra_headers={"x-org": f"Token {token}"},
            model_extra_body={"api_key": field},
        )
    )
    for answer in answers:
        server.queue = [answer, [Status(400, error("no"))]]
        with pytest.raises(AgentFailure) as failed:
            await say(runtime)
        for secret in (key, "hunter", token, field):
            assert secret not in failed.value.message
            assert secret not in caplog.text
    await runtime.aclose()


async def test_no_secret_is_in_them(server: FakeModelServer, caplog: pytest.LogCaptureFixture) -> None:
    secrets = ["very.secret+key", "org-secret-7"]
    words = f"bad key {secrets[0]} of {secrets[1]}, sk-abcdefghij123, Bearer abc.def, https://u:pw@x/?api_key=12345&y, token=hush"
    for body in (error(words), words, {"detail": words}, {"detail": [{"loc": ["header"], "msg": words}]}):
        for status in (400, 401, 403, 404, 429, 500):
            server.queue.append([Status(status, body)])
            runtime = load_agent(
                Settings(
                    model="openai:fake",
                    model_base_url=server.base_url,
                    model_retries=0,
                    model_api_key=secrets[0],
                    model_extra_headers={"x-org": secrets[1]},
                )
            )
            with pytest.raises(AgentFailure) as failed:
                await say(runtime)
            await runtime.aclose()
            for secret in (*secrets, "sk-abcdefghij123", "abc.def", "12345", "hush", "u:pw"):
                assert secret not in failed.value.message
                assert secret not in "".join(record.getMessage() for record in caplog.records)
