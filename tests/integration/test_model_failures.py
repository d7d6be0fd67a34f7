"""A model that fails, through the whole server: the code of `agent_failed`, what is kept, and what is asked again."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fakes import tool_agent
from tests.fakes.model_server import Cut, End, Hang, Headers, Raw, Status, Text, Thinking, ToolCall
from tests.harness.client import Client, Frame, check_run
from tests.harness.stage import Stage, ended, soon, told_by_log
from tests.integration.conftest import StageWith

BEGUN = (Thinking("So."), Text("It "), Text("is"))
TEXT = "It is"


@dataclass(frozen=True)
class Failure:
    """What the model does, in each of its answers, and what the user is told of it."""

    steps: tuple[Any, ...]
    code: str
    retryable: bool
    requests: int = 1
    """How often the model is asked, with two retries allowed."""
    settings: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def text(self) -> str:
        return TEXT if self.steps[: len(BEGUN)] == BEGUN else ""


ERROR = {"error": {"message": "no such key: sk-1234567890", "type": "error"}}
SHORT = 0.05
FAILURES = {
    "401": Failure((Status(401, ERROR),), "model_refused_key", retryable=False),
    "404": Failure((Status(404, ERROR),), "model_rejected_request", retryable=False),
    "400": Failure((Status(400, ERROR),), "model_rejected_request", retryable=False),
    "429": Failure((Status(429, ERROR),), "model_rate_limited", retryable=True, requests=3),
    "429, for an hour": Failure((Status(429, ERROR, {"retry-after": "3600"}),), "model_rate_limited", retryable=True),
    "500": Failure((Status(500, ERROR),), "model_server_error", retryable=True, requests=3),
    "503 without a body": Failure((Status(503),), "model_server_error", retryable=True, requests=3),
    "a page": Failure((Status(200, "<html>hello</html>"),), "model_bad_response", retryable=True),
    "garbage": Failure((*BEGUN, Raw(b"data: {nonsense\n\n")), "model_bad_response", retryable=False),
    "an error in mid-stream": Failure(
        (*BEGUN, Raw(b'data: {"error": {"message": "overloaded", "code": 500}}\n\n')),
        "model_server_error",
        retryable=True,
    ),
    "half a stream": Failure((*BEGUN, Cut()), "model_stream_cut", retryable=True),
    "an end without a reason": Failure((*BEGUN, End()), "model_stream_cut", retryable=True),
    "cut before the headers": Failure((Cut(),), "model_stream_cut", retryable=True, requests=3),
    "no headers": Failure(
        (Hang(),), "timeout_first_token", retryable=True, settings={"model_first_token_timeout": 0.5}
    ),
    "no first token": Failure(
        (Headers(), Hang()), "timeout_first_token", retryable=True, settings={"model_first_token_timeout": 0.5}
    ),
    "silent in mid-answer": Failure(
        (*BEGUN, Hang()), "timeout_idle", retryable=True, settings={"model_idle_timeout": 0.5}
    ),
    "an answer without end": Failure((*BEGUN, Hang()), "timeout_total", retryable=True, settings={"run_timeout": 3.0}),
}


async def failed(stage: Stage, client: Client, run: Frame, code: str, text: str) -> Frame:
    """See the run fail with this code and its text kept, and the thread go on. Returns the end."""
    end = await ended(client, run)
    assert (end["type"], end["payload"].get("code")) == ("agent_failed", code), end
    check_run(client.record.of_run(run["run_id"]))
    assert end["payload"]["partial_response"] == text
    answer = await stage.answer(run["thread_id"], run["run_id"])
    assert (answer and (answer["text"], answer["state"])) == ((text, "failed") if text else None)
    row = (await stage.http.get(f"/api/runs/{run['run_id']}")).json()["run"]
    assert (row["state"], row["error_code"], row["terminal_seq"]) == ("failed", code, end["seq"])
    late = await client.stop(run_id=run["run_id"])
    assert late == [{"run_id": run["run_id"], "outcome": "already_finished", "seq": end["seq"]}]
    return end


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_is_named(stage_with: StageWith, failure: Failure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netra_backend.app.agents.hooks._BACKOFF", 0.001)
    async with stage_with(stop_grace=60, model_retries=2, **failure.settings) as stage, stage.client() as client:
        await client.resume()
        said = stage.script(failure.steps)
        run = await client.say(said)
        end = await failed(stage, client, run, failure.code, failure.text)
        assert end["payload"]["retryable"] is failure.retryable
        assert len(end["payload"]["message"]) > 20
        assert "sk-1234567890" not in str(client.record.events)
        asked = stage.asked(said)
        assert len(asked) == failure.requests
        for request in asked:
            await soon(request.over)
        if any(isinstance(step, Hang) for step in failure.steps):
            await soon(asked[0].hung_up)
        if not failure.settings:
            await stage.next_turn(client, run["thread_id"])


@pytest.mark.parametrize("first", [Status(500, ERROR), Status(429, ERROR, {"retry-after": "0"}), Cut()], ids=str)
async def test_before_the_first_token_is_asked_again(
    stage_with: StageWith, first: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user sees nothing of it: one answer, once."""
    monkeypatch.setattr("netra_backend.app.agents.hooks._BACKOFF", 0.001)
    async with stage_with(stop_grace=60) as stage, stage.client() as client:
        await client.resume()
        stage.model.queue += [[first], [first], [Text("Well.")]]
        run = await client.say("hello")
        end = await ended(client, run)
        assert (end["type"], end["payload"]["final_response"]) == ("agent_completed", "Well.")
        check_run(client.record.of_run(run["run_id"]))
    assert len(stage.asked("hello")) == 3


async def test_after_the_first_token_nothing_is_asked_again(stage_with: StageWith) -> None:
    """Not even after thinking alone: it was shown."""
    async with stage_with(stop_grace=60) as stage, stage.client() as client:
        await client.resume()
        said = stage.script([Thinking("So."), Cut()])
        run = await client.say(said)
        await failed(stage, client, run, "model_stream_cut", "")
        assert told_by_log(client.record.of_run(run["run_id"])).thinking == "So."
    assert len(stage.asked(said)) == 1


async def test_nobody_listens(stage_with: StageWith) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        async with stage_with(model_base_url=address, model_retries=0) as stage, stage.client() as client:
            await client.resume()
            run = await client.say("hello")
            await failed(stage, client, run, "model_unreachable", "")


async def test_nobody_accepts(stage_with: StageWith) -> None:
    """A full backlog: the kernel answers no further handshake."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        port = busy.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        settings = {"model_base_url": f"http://127.0.0.1:{port}/v1", "model_connect_timeout": SHORT}
        async with stage_with(model_retries=0, **settings) as stage, stage.client() as client:
            await client.resume()
            run = await client.say("hello")
            await failed(stage, client, run, "timeout_connect", "")
        for each in waiting:
            each.close()


async def test_the_usage_limit_ends_an_endless_tool_loop(stage_with: StageWith) -> None:
    look = [Text("Again. "), ToolCall("look", {"at": "left"})]
    async with stage_with(stop_grace=60, run_request_limit=3) as stage, stage.client() as client:
        await client.resume()
        said = stage.script(*[look] * 9)
        run = await client.say(said)
        end = await failed(stage, client, run, "usage_limit", "Again. Again. Again. ")
        assert not end["payload"]["retryable"]
        await stage.next_turn(client, run["thread_id"])
    assert len(stage.asked(said)) == 3


async def test_a_tool_with_a_defect(stage: Stage) -> None:
    """The user is told which tool; what went wrong is for the server's log."""
    async with stage.client() as client:
        await client.resume()
        run = await client.say(stage.script([Text("I try."), ToolCall("fail", {"why": "secret /path"}, "c")]))
        end = await failed(stage, client, run, "tool_failed", "I try.")
        assert "fail" in end["payload"]["message"]
        assert "secret" not in end["payload"]["message"]
        assert told_by_log(client.record.of_run(run["run_id"])).tools["c"].status == "error"
        await stage.next_turn(client, run["thread_id"])


async def in_a_tool_when_time_is_up(stage: Stage, client: Client, tool: str) -> Frame:
    """A run whose time was up in its tool. On a busy machine it may be up before; then another one is begun."""
    while True:
        run = await client.say(stage.script([Text("I wait."), ToolCall(tool, {"name": "here"}, "c")]))
        await ended(client, run)
        if told_by_log(client.record.of_run(run["run_id"])).tools:
            return run


async def test_the_time_is_up_inside_a_tool(stage_with: StageWith) -> None:
    """The total timeout ends tools too, and the pair is closed."""
    async with stage_with(stop_grace=60, run_timeout=1.0) as stage, stage.client() as client:
        await client.resume()
        run = await in_a_tool_when_time_is_up(stage, client, "wait_at")
        await failed(stage, client, run, "timeout_total", "I wait.")
        assert told_by_log(client.record.of_run(run["run_id"])).tools["c"].status == "cancelled"
        assert not tool_agent.gate("here").left.is_set()


async def test_the_time_is_up_inside_a_tool_that_swallows_its_cancellation(stage_with: StageWith) -> None:
    """The run's timeout raced a tool that never ends: the library cancels the tool and waits for it, so that the run
    stayed open for as long, without a terminal event. The server gives the turn up after the grace."""
    async with stage_with(stop_grace=0.05, run_timeout=1.0) as stage, stage.client() as client:
        await client.resume()
        gate = tool_agent.gate("here")
        run = await in_a_tool_when_time_is_up(stage, client, "hold_on_at")
        await failed(stage, client, run, "timeout_total", "I wait.")
        assert told_by_log(client.record.of_run(run["run_id"])).tools["c"].status == "unknown"
        assert not gate.left.is_set()
