"""From settings to an agent: nothing heavy at start-up, and errors that say what to do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.tools import DeferredToolRequests

from netra_backend.app.agents.loader import load_agent, ready_agent
from netra_backend.app.agents.openai_chat import openai_model
from netra_backend.app.agents.pydantic_ai import PydanticRuntime
from netra_backend.app.agents.runtime import AgentFailure, PastTurn, Turn
from netra_backend.app.protocol.events import FailureCode
from netra_backend.app.settings import BadSetting, Settings
from tests.fakes.model_server import FakeModelServer, Status, Text, ToolCall
from tests.harness.deadline import DEADLINE
from tests.unit.agents.sink import Sink, a_turn

AGENT = """
from pydantic_ai import Agent
from pydantic_ai.models.function import FunctionModel

async def echo(messages, info):
    yield "my own agent"

mine = Agent(FunctionModel(stream_function=echo, model_name="echo"))
bare = Agent()
other = 42
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a module that holds agents."""
    (tmp_path / "brought_agents.py").write_text(AGENT)
    (tmp_path / "broken_agents.py").write_text("raise RuntimeError('password is hunter2')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != ""])
    monkeypatch.delitem(sys.modules, "brought_agents", raising=False)
    return tmp_path


def test_the_library_is_imported_when_the_agent_is_built_and_not_before() -> None:
    code = """
        import asyncio, sys
        from netra_backend.app.agents.loader import load_agent
        from netra_backend.app.settings import Settings

        def heavy():
            return sorted(name for name in sys.modules if name in {"pydantic_ai", "openai", "httpx2"})

        async def main():
            load_agent(Settings(model="openai:x", model_base_url="http://127.0.0.1:1/v1"))
            runtime = load_agent(Settings())
            assert (runtime.name, runtime.model) == ("offline", "offline")
            assert not heavy(), heavy()
            ticks = 0
            async def tick():
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0.01)
            ticking = asyncio.create_task(tick())
            await runtime.load()
            ticking.cancel()
            assert "pydantic_ai" in heavy()
            assert ticks > 5, "the import held up the loop"
            await runtime.aclose()

        asyncio.run(main())
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(code)], check=True)


async def test_the_offline_agent_is_the_default() -> None:
    runtime = load_agent(Settings())
    sink = Sink()
    await runtime.start(a_turn("2+2"), sink).wait()
    assert "2+2 = 4" in sink.shown_text
    await runtime.aclose()


async def test_a_model_on_a_server_of_ones_own(server: FakeModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody-else")
    runtime = load_agent(Settings(model="openai:fake", model_base_url=server.base_url))
    assert (runtime.name, runtime.model) == ("assistant", "fake")
    sink = Sink()
    await runtime.start(a_turn("tokens=2"), sink).wait()
    await runtime.aclose()
    assert sink.shown_text == "w0 w1 "
    assert server.requests[0].body["model"] == "fake"
    assert "sk-somebody-else" not in str(server.requests[0].headers)
    assert {tool["function"]["name"] for tool in server.requests[0].body["tools"]} >= {"calculate", "time_in"}


@pytest.mark.parametrize(
    "words",
    [
        "gemma:2b does not support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    ],
)
async def test_a_model_that_takes_no_tools_gets_none(server: FakeModelServer, words: str) -> None:
    server.queue += [[Status(400, {"error": {"message": words}})]]
    runtime = load_agent(Settings(model="openai:fake", model_base_url=server.base_url))
    for _ in range(2):
        sink = Sink()
        await runtime.start(a_turn("tokens=1"), sink).wait()
        assert sink.shown_text == "w0 "
    await runtime.aclose()
    assert ["tools" in request.body for request in server.requests] == [True, False, False]


def test_a_provider_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(BadSetting, match="NETRA_MODEL_API_KEY"):
        load_agent(Settings(model="openai:gpt"))


async def test_an_agent_of_ones_own(folder: Path) -> None:
    runtime = load_agent(Settings(agent="brought_agents:mine"))
    assert runtime.name == "brought_agents:mine"
    sink = Sink()
    await runtime.start(a_turn("hello"), sink).wait()
    assert sink.shown_text == "my own agent"
    assert runtime.model == "echo"
    await runtime.aclose()


async def test_an_agent_without_a_model_gets_that_of_the_settings(folder: Path, server: FakeModelServer) -> None:
    settings = Settings(agent="brought_agents:bare", model="openai:fake", model_base_url=server.base_url)
    runtime = load_agent(settings)
    sink = Sink()
    await runtime.start(a_turn("tokens=1"), sink).wait()
    await runtime.aclose()
    assert sink.shown_text == "w0 "


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        ("no_such_module:agent", "no module 'no_such_module'"),
        ("brought_agents.deeper:agent", "no module 'brought_agents.deeper'"),
        ("netra_backend.app.nothing:agent", "no module 'netra_backend.app.nothing'"),
    ],
)
def test_a_module_that_is_not_there_is_said_at_start_up(folder: Path, agent: str, says: str) -> None:
    with pytest.raises(BadSetting, match=says) as caught:
        load_agent(Settings(agent=agent))
    assert "NETRA_AGENT" in str(caught.value)


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        ("brought_agents:nobody", "has no 'nobody'"),
        ("brought_agents:other", "is a int, not a pydantic_ai.Agent"),
        ("brought_agents:bare", "has no model of its own"),
        ("broken_agents:agent", "importing broken_agents raised RuntimeError"),
    ],
)
async def test_an_agent_that_cannot_be_loaded_fails_the_turn_and_can_be_checked(
    folder: Path, agent: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = load_agent(Settings(agent=agent))
    with pytest.raises(AgentFailure, match=says) as caught:
        await runtime.start(a_turn("hello"), Sink()).wait()
    assert caught.value.code is FailureCode.AGENT_ERROR
    assert "hunter2" not in str(caught.value)
    assert ("hunter2" in caplog.text) == agent.startswith("broken")
    with pytest.raises(BadSetting, match=says):
        await runtime.load()
    await runtime.aclose()


async def test_a_stop_while_the_library_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    from netra_backend.app.agents import deferred

    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def build() -> deferred.AgentRuntime:
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
        raise AssertionError("nobody wants it any more")

    runtime = deferred.DeferredRuntime(build, name="slow", model="slow")
    handle = runtime.start(a_turn("hello"), Sink())
    running = asyncio.create_task(handle.wait())
    await asyncio.sleep(0)
    handle.cancel()
    async with asyncio.timeout(DEADLINE):
        assert (await running).cancelled
    early = runtime.start(a_turn("hello"), Sink())
    early.cancel()
    async with asyncio.timeout(DEADLINE):
        assert (await early.wait()).cancelled
    go_on.set()
    await runtime.aclose()


async def test_turns_that_come_while_it_is_built_share_one_build() -> None:
    from netra_backend.app.agents.deferred import DeferredRuntime
    from netra_backend.app.agents.offline import offline_runtime

    builds: list[int] = []

    def build():
        builds.append(1)
        return offline_runtime(Settings())

    runtime = DeferredRuntime(build, name="offline", model="offline")
    late = runtime.start(a_turn("1+1"), Sink())
    sinks = [Sink() for _ in range(5)]
    await asyncio.gather(*(runtime.start(a_turn("1+1"), sink).wait() for sink in sinks))
    await late.wait()
    assert len(builds) == 1
    assert all("1+1 = 2" in sink.shown_text for sink in sinks)


UNFIT = """
import sys
from pydantic_ai import Agent, RunContext
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.capabilities import HandleDeferredToolCalls
from pydantic_ai.tools import DeferredToolRequests, ToolDefinition
from pydantic_ai.toolsets import ExternalToolset, FunctionToolset

from netra_backend.app.agents.runtime import Turn

async def echo(messages, info):
    yield "here"

model = FunctionModel(stream_function=echo, model_name="echo")

def send(to: str) -> str:
    return to

class Deps:
    pass

wrong_deps = Agent(model, deps_type=Deps)
right_deps = Agent(model, deps_type=Turn)
any_deps = Agent(model, deps_type=object)
asking = Agent(model)
asking.tool_plain(requires_approval=True)(send)
asking_toolset = Agent(model, toolsets=[FunctionToolset([send]).approval_required().prefixed("my")])
outside = Agent(model, toolsets=[ExternalToolset([ToolDefinition(name="press")])])
giving_back = Agent(model, output_type=[str, DeferredToolRequests])
approving = HandleDeferredToolCalls(lambda ctx, requests: requests.build_results(approve_all=True))
handled = Agent(model, capabilities=[approving])
handled.tool_plain(requires_approval=True)(send)
nobody = Agent("nobody:model", defer_model_check=True)
keyless = Agent("openrouter:model", defer_model_check=True)
late = Agent("anthropic:claude-sonnet-4-5", defer_model_check=True)
"""


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        ("unfit:wrong_deps", "has the deps_type Deps"),
        ("unfit:asking", "wait for an approval.* send"),
        ("unfit:asking_toolset", "wait for an approval"),
        ("unfit:outside", "result from outside.* press"),
        ("unfit:giving_back", "DeferredToolRequests"),
        ("unfit:nobody", "Unknown model: nobody:model"),
        ("unfit:keyless", "OPENROUTER_API_KEY"),
        ("unfit:late", r"pip install 'netra-backend\[anthropic\]'"),
        ("early:agent", r"pip install 'netra-backend\[anthropic\]'"),
        ("missing:agent", r"imports no_such_package, which isn't installed \(missing.py, line 2\)"),
        ("leaving:agent", r"importing leaving raised SystemExit \(leaving.py, line 2\)"),
        ("wrong:agent", r"importing wrong raised SyntaxError"),
        ("unfit:right_deps", ""),
        ("unfit:any_deps", ""),
        ("unfit:handled", ""),
    ],
)
async def test_an_agent_that_cannot_work_is_refused_at_the_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch, agent: str, says: str
) -> None:
    for name, text in {
        "unfit": UNFIT,
        "early": "from pydantic_ai import Agent\nagent = Agent('anthropic:claude-sonnet-4-5')",
        "missing": "import sys\nimport no_such_package",
        "leaving": "import sys\nsys.exit('hunter2')",
        "wrong": "def (",
    }.items():
        (folder / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    settings = Settings(agent=agent)
    if says:
        with pytest.raises(BadSetting, match=says) as caught:
            await ready_agent(settings)
        assert "NETRA_AGENT" in str(caught.value)
        assert "hunter2" not in str(caught.value)
        return
    runtime = await ready_agent(settings)
    assert runtime.model == "echo", "it is known before its first run"
    await runtime.aclose()


async def test_netras_own_agents_are_left_for_their_first_turn() -> None:
    assert (await ready_agent(Settings())).built is None


@pytest.mark.parametrize("given_back", [False, True])
async def test_calls_that_wait_for_somebody_fail_the_run_by_name(server: FakeModelServer, given_back: bool) -> None:
    """What can't be seen at the start: a tool that asks while it runs."""
    asks = Agent(
        deps_type=Turn,
        tools=[_asks],
        output_type=[str, DeferredToolRequests] if given_back else str,  # pyright: ignore[reportArgumentType]
    )
    settings = Settings(model_base_url=server.base_url)
    model, close = openai_model(settings, "fake")
    runtime = PydanticRuntime(asks, settings, name="asks", model_name="fake", model=model, close=close)  # pyright: ignore[reportArgumentType]
    server.scripts["ask"] = [[ToolCall("_asks", {"to": "bob"}, "x")], [Text("never")]]
    sink = Sink()
    with pytest.raises(AgentFailure, match=r"_asks.*approval") as caught:
        await runtime.start(a_turn("script:ask"), sink).wait()
    assert (caught.value.code, sink.statuses, sink.shown_text) == (FailureCode.AGENT_ERROR, {"x": "error"}, "")
    # The thread goes on.
    past = PastTurn("script:ask", "", True, caught.value.history)
    sink = Sink()
    await runtime.start(a_turn("tokens=1", past), sink).wait()
    assert sink.shown_text == "w0 "
    await runtime.aclose()


def _asks(to: str) -> str:
    raise ApprovalRequired
