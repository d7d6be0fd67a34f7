"""Everything a model server can do wrong, and what the user is told."""

# ruff: noqa: E501 - a table is read by its columns

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_ai import ModelRetry

from netra_backend.app.agents import hooks
from netra_backend.app.agents.runtime import AgentFailure, Json, SinkClosed
from netra_backend.app.protocol.events import FailureCode
from tests.fakes.model_server import (
    Cut,
    End,
    FakeModelServer,
    Hang,
    Headers,
    Pause,
    Raw,
    Response,
    Status,
    Text,
    ToolCall,
    WaitFor,
)
from tests.harness.deadline import DEADLINE
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn
from tests.unit.agents.wire import DONE, HEAD, chunk, stream

KEY = "very.secret+key"
HTML = "<html><body>Welcome to nginx</body></html>"
ERROR = b'data: {"error": {"message": "engine died", "type": "server_error", "code": null}}\n\n'
EMPTY_CHUNK = b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"fake","choices":[]}\n\n'


async def failure(runtime: Any, text: str = "go", sink: Sink | None = None) -> AgentFailure:
    with pytest.raises(AgentFailure) as caught:
        async with asyncio.timeout(DEADLINE):
            await runtime.start(a_turn(text), sink or Sink()).wait()
    assert KEY not in str(caught.value)
    return caught.value


# fmt: off
FAILURES = [
    pytest.param([Status(401, {"error": {"message": f"bad key {KEY}"}})], "model_refused_key", False, "NETRA_MODEL_API_KEY", id="401"),
    pytest.param([Status(403, "no")], "model_refused_key", False, "HTTP 403", id="403"),
    pytest.param([Status(404, {"error": {"message": "no such model"}})], "model_rejected_request", False, "NETRA_MODEL_BASE_URL", id="404"),
    pytest.param([Status(400, {"error": {"message": f"tools are not supported {KEY}"}})], "model_rejected_request", False, "tools are not supported", id="400"),
    pytest.param([Status(400, {"error": {"message": "too long", "code": "context_length_exceeded"}})], "model_rejected_request", False, "NETRA_HISTORY_TURNS", id="context too long"),
    pytest.param([Status(418, HTML)], "model_rejected_request", False, "HTTP 418", id="418"),
    pytest.param([Status(429, "slow down", {"retry-after": "3"})], "model_rate_limited", True, "3 s", id="429"),
    pytest.param([Status(429, {"error": {"code": "insufficient_quota", "message": "pay"}})], "model_rate_limited", False, "quota", id="no quota left"),
    pytest.param([Status(500, HTML)], "model_server_error", True, "HTTP 500", id="500"),
    pytest.param([Status(503, "")], "model_server_error", True, "HTTP 503", id="503"),
    pytest.param([Status(200, HTML)], "model_bad_response", True, "NETRA_MODEL_BASE_URL", id="html"),
    pytest.param([Status(200, {"choices": []})], "model_bad_response", True, "NETRA_MODEL_BASE_URL", id="json instead of a stream"),
    pytest.param([Raw(b"data: {nonsense\n\n")], "model_bad_response", False, "NETRA_MODEL_BASE_URL", id="garbage"),
    pytest.param([Raw(b"\xff\xfe\x00garbage")], "model_bad_response", False, "NETRA_MODEL_BASE_URL", id="binary garbage"),
    pytest.param([Headers(), End()], "model_bad_response", True, "NETRA_MODEL_BASE_URL", id="empty stream"),
    pytest.param([End(done=True)], "model_bad_response", True, "NETRA_MODEL_BASE_URL", id="only [DONE]"),
    pytest.param([Raw(EMPTY_CHUNK), End(done=True)], "model_stream_cut", True, "whole", id="no choices"),
    pytest.param([Raw(ERROR)], "model_server_error", True, "server", id="an error at once"),
    pytest.param([Cut()], "model_stream_cut", True, "broke", id="closed without an answer"),
    pytest.param([Headers(), Cut()], "model_stream_cut", True, "broke", id="closed after the headers"),
    pytest.param([Text("One"), Cut()], "model_stream_cut", True, "broke", id="closed in mid-stream"),
    pytest.param([Text("One"), End()], "model_stream_cut", True, "whole", id="half a stream"),
    pytest.param([Text("One"), Raw(ERROR)], "model_server_error", True, "server", id="an error in mid-stream"),
    pytest.param([Text("One"), Raw(b"data: {nonsense\n\n")], "model_bad_response", False, "sense", id="garbage in mid-stream"),
    pytest.param([ToolCall("x", '{"half'), Cut()], "model_stream_cut", True, "broke", id="closed in a tool call"),
]
# fmt: on


@pytest.mark.parametrize(("response", "code", "retryable", "says"), FAILURES)
async def test_a_model_that_fails(
    server: FakeModelServer, runtime_of: RuntimeOf, response: Response, code: str, retryable: bool, says: str
) -> None:
    server.queue.append(response)
    sink = Sink()
    failed = await failure(runtime_of(model_api_key=KEY), sink=sink)
    assert (failed.code, failed.retryable) == (code, retryable), failed.message
    assert says in failed.message
    assert "<html>" not in failed.message
    assert sink.shown_text in {"", "One"}
    assert len(server.requests) == 1


async def test_nobody_listens(runtime_of: RuntimeOf) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        failed = await failure(runtime_of(model_base_url=address))
    assert failed.code is FailureCode.MODEL_UNREACHABLE
    assert failed.retryable
    assert "NETRA_MODEL_BASE_URL" in failed.message


async def test_no_such_host(runtime_of: RuntimeOf) -> None:
    failed = await failure(runtime_of(model_base_url="http://model.invalid/v1"))
    assert failed.code is FailureCode.MODEL_UNREACHABLE


async def test_a_connection_that_is_never_accepted(runtime_of: RuntimeOf) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        # The backlog is filled, so that the next connection gets no answer at all.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        failed = await failure(
            runtime_of(model_base_url=f"http://127.0.0.1:{address[1]}/v1", model_connect_timeout=0.2)
        )
        for filler in fillers:
            filler.close()
    assert failed.code is FailureCode.TIMEOUT_CONNECT
    assert "NETRA_MODEL_CONNECT_TIMEOUT" in failed.message


@pytest.mark.parametrize(
    ("response", "given", "code"),
    [
        ([Hang()], {"model_first_token_timeout": 0.3}, FailureCode.TIMEOUT_FIRST_TOKEN),
        ([Headers(), Raw(EMPTY_CHUNK), Hang()], {"model_first_token_timeout": 0.3}, FailureCode.TIMEOUT_FIRST_TOKEN),
        ([Text("One"), Hang()], {"model_idle_timeout": 0.05}, FailureCode.TIMEOUT_IDLE),
        ([Text("One"), Hang()], {"run_timeout": 1}, FailureCode.TIMEOUT_TOTAL),
        ([Text("w"), Pause(0.03)] * 1000, {"run_timeout": 1}, FailureCode.TIMEOUT_TOTAL),
    ],
)
async def test_silence(
    server: FakeModelServer, runtime_of: RuntimeOf, response: Response, given: dict[str, float], code: FailureCode
) -> None:
    server.queue.append(response)
    while not server.requests:
        # On a busy machine the time may be up before the request has come.
        failed = await failure(runtime_of(model_retries=2, **given))
        assert failed.code is code
        assert f"NETRA_{next(iter(given)).upper()}" in failed.message
    async with asyncio.timeout(DEADLINE):
        await server.requests[0].hung_up.wait()
    assert len(server.requests) == 1, "the user has waited long enough"


async def test_a_process_that_stood_still_blames_no_model(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    """A busy or suspended machine: the limit is over before what has long arrived was read."""
    go = asyncio.Event()
    server.queue.append([Text("One "), WaitFor(go), Text("two")])
    sink = Sink()
    running = asyncio.create_task(runtime_of(model_idle_timeout=0.3).start(a_turn("go"), sink).wait())
    while not sink.shown_text:  # noqa: ASYNC110
        await asyncio.sleep(0)
    go.set()
    time.sleep(0.5)  # noqa: ASYNC251 - it is what is tried: the whole process stands still
    await running
    assert sink.shown_text == "One two"


async def test_a_slow_model_is_not_an_idle_one(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    sink = Sink()
    await runtime_of(model_idle_timeout=0.5).start(a_turn("tokens=12 pace=0.06"), sink).wait()
    assert sink.shown_text.split() == [f"w{i}" for i in range(12)]


async def test_a_slow_log_is_not_an_idle_model(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    sink = Sink(gate=asyncio.Event())
    running = asyncio.create_task(runtime_of(model_idle_timeout=0.05).start(a_turn("tokens=3"), sink).wait())
    await sink.blocked.wait()
    await asyncio.sleep(0.2)
    assert not running.done()
    sink.gate.set()  # pyright: ignore[reportOptionalMemberAccess]
    await running
    assert sink.shown_text == "w0 w1 w2 "


async def test_a_slow_tool_is_not_an_idle_model(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async def slow() -> str:
        await asyncio.sleep(0.2)
        return "there"

    sink = Sink()
    await runtime_of(slow, model_idle_timeout=0.05).start(a_turn("tool=slow tokens=1"), sink).wait()
    assert sink.shown_text == "w0 "


@pytest.mark.parametrize("first", [Status(500, ""), Status(503, ""), Status(429, "", {"retry-after": "0"}), Cut()])
async def test_a_request_is_repeated_before_its_first_token(
    server: FakeModelServer, runtime_of: RuntimeOf, first: Status | Cut
) -> None:
    server.queue += [[first], [Text("well")]]
    sink = Sink()
    await runtime_of(model_retries=1).start(a_turn("go"), sink).wait()
    assert sink.shown_text == "well"
    assert len(server.requests) == 2


async def test_it_is_repeated_as_often_as_set(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.queue += [[Status(500, "")]] * 5
    assert (await failure(runtime_of(model_retries=1))).code is FailureCode.MODEL_SERVER_ERROR
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "response",
    [
        pytest.param([Text("One"), Cut()], id="after the first token"),
        pytest.param([Status(401, "")], id="the key is wrong"),
        pytest.param([Status(429, "", {"retry-after": "3600"})], id="asked to wait too long"),
    ],
)
async def test_some_failures_are_not_repeated(
    server: FakeModelServer, runtime_of: RuntimeOf, response: Response
) -> None:
    server.queue.append(response)
    await failure(runtime_of(model_retries=3))
    assert len(server.requests) == 1


async def test_a_server_gets_the_pause_that_it_asks_for_and_longer_ones_each_time(
    server: FakeModelServer, runtime_of: RuntimeOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def at_once(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(hooks.asyncio, "sleep", at_once)
    server.queue += [[Status(429, "", {"retry-after": "3"})], [Status(503, "")], [Status(503, "")], [Text("well")]]
    await runtime_of(model_retries=3).start(a_turn("go"), sink := Sink()).wait()
    assert sink.shown_text == "well"
    assert [pause for pause in pauses if pause] == [3, 0.5, 1.0]


async def test_what_broke_an_answer_is_told_and_not_that_it_was_asked_for_again(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    server.queue.append([Text("One"), Raw(ERROR)])
    failed = await failure(runtime_of(model_retries=3))
    assert failed.code is FailureCode.MODEL_SERVER_ERROR
    assert "engine died" in failed.message
    assert len(server.requests) == 1


async def test_a_stop_between_two_attempts(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.queue += [[Status(429, "", {"retry-after": "10"})]]
    handle = runtime_of(model_retries=3).start(a_turn("go"), Sink())
    running = asyncio.create_task(handle.wait())
    await (await server.request(0)).over.wait()
    handle.cancel()
    async with asyncio.timeout(DEADLINE):
        assert (await running).cancelled


async def test_usage_limits(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async def look() -> str:
        return "nothing"

    server.queue += [[ToolCall("look")]] * 5
    failed = await failure(runtime_of(look, run_request_limit=2))
    assert failed.code is FailureCode.USAGE_LIMIT
    assert "NETRA_RUN_REQUEST_LIMIT" in failed.message
    assert len(server.requests) == 2


async def test_a_run_has_so_many_tokens(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    async def look() -> str:
        return "nothing"

    used = {"prompt_tokens": 60, "completion_tokens": 5, "total_tokens": 65}
    asks = chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}]})
    response = [Raw(stream(asks, chunk({}, "tool_calls"), HEAD | {"choices": [], "usage": used}, DONE)), End()]
    server.queue += [list(response) for _ in range(5)]
    failed = await failure(runtime_of(look, run_token_limit=100))
    assert failed.code is FailureCode.USAGE_LIMIT
    assert "NETRA_RUN_TOKEN_LIMIT" in failed.message
    assert len(server.requests) == 2, "it went beyond with the second, and asked for no third"


@pytest.mark.parametrize("wrap", [lambda words: words, lambda words: {"error": {"message": words}}])
async def test_of_the_servers_words_a_few_are_shown(
    server: FakeModelServer, runtime_of: RuntimeOf, wrap: Callable[[str], object]
) -> None:
    server.queue.append([Status(400, wrap("the reason is " + "as long as you like " * 2_000))])
    failed = await failure(runtime_of())
    assert "the reason is as long" in failed.message
    assert "…" in failed.message
    assert len(failed.message) < 500


async def test_an_answer_that_was_shown_is_not_replaced_by_another(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    runtime = runtime_of()

    @runtime._agent.output_validator  # pyright: ignore[reportPrivateUsage]
    def never(output: object) -> object:
        raise ModelRetry("try again")

    failed = await failure(runtime, "tokens=2", sink := Sink())
    assert failed.code is FailureCode.MODEL_BAD_RESPONSE
    assert sink.shown_text == "w0 w1 "
    assert len(server.requests) == 1


async def test_what_is_no_exception_costs_the_turn_but_not_what_it_did(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    class Unheard(BaseException):
        pass

    async def look() -> str:
        return "seen"

    runtime = runtime_of(look)

    @runtime._agent.output_validator  # pyright: ignore[reportPrivateUsage]
    def never(output: object) -> object:
        raise Unheard

    server.queue += [[ToolCall("look")], [Text("So it is.")]]
    with pytest.raises((AgentFailure, BaseExceptionGroup, Unheard)) as caught:
        await runtime.start(a_turn("go"), Sink()).wait()
    failed = caught.value
    assert isinstance(failed, AgentFailure)
    assert failed.code is FailureCode.AGENT_ERROR
    for kept in (b"seen", b"So it is."):
        assert kept in (failed.history or b""), "the next turn knows of it"


async def test_an_empty_answer_is_asked_for_again(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    server.queue += [[Text(""), End("stop", done=True)], [Text("well")]]
    sink = Sink()
    await runtime_of().start(a_turn("go"), sink).wait()
    assert sink.shown_text == "well"


async def test_a_failing_sink_is_not_taken_for_a_failing_agent(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    class Full(Exception):
        pass

    class Broken(Sink):
        async def text(self, delta: str) -> None:
            raise Full

    with pytest.raises(Full):
        await runtime_of().start(a_turn("tokens=5"), Broken()).wait()
    async with asyncio.timeout(DEADLINE):
        await server.requests[0].over.wait()


async def test_a_sink_that_fails_for_several_tools_at_once(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    class Broken(Sink):
        async def tool_started(self, tool_call_id: str, tool_name: str, parameters: Json) -> None:
            raise SinkClosed(tool_call_id)

    async def look() -> str:
        raise AssertionError("its start was never on record")

    server.queue.append([ToolCall("look", {}, "a"), ToolCall("look", {}, "b")])
    with pytest.raises(SinkClosed):
        await runtime_of(look).start(a_turn("go"), Broken()).wait()


async def test_connections_are_reused_and_closed(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    runtime = runtime_of()
    for _ in range(3):
        await runtime.start(a_turn("tokens=3"), Sink()).wait()
    assert len(server.connections) == 1
    await runtime.aclose()
    async with asyncio.timeout(DEADLINE):
        await server.left.wait()
