"""The kit for testing one's own agent: it takes turns as the server does, and says what became of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic_ai import Agent, RunContext

from netra_backend.app.agents.runtime import AgentRuntime, RunSink, ThreadHit, Turn, UserData
from netra_backend.app.protocol.events import FailureCode
from netra_backend.testing import (
    Call,
    MemoryData,
    RecordingSink,
    Say,
    ScriptedModel,
    ScriptEnded,
    Think,
    make_turn,
    take_turn,
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class City:
    name: str


def leave() -> str:
    sys.exit(3)


async def whose(ctx: RunContext[Turn]) -> dict[int, str]:
    return {2024: ctx.deps.context.user_id}


async def test_text_thinking_tools_and_output_are_told() -> None:
    agent = Agent(deps_type=Turn, tools=[whose], output_type=[City, str])
    model = ScriptedModel([Think("Hm."), Call("whose")], [Say("Here:"), Call("final_result", {"name": "Oslo"})])
    taken = await take_turn(agent, "where?", model=model, user_id="carol")
    assert taken.failure is None
    assert (taken.text, taken.thinking, taken.output) == ("Here:", "Hm.", {"name": "Oslo"})
    (tool,) = taken.tools
    assert (tool.name, tool.parameters, tool.status, tool.result) == ("whose", {}, "ok", {"2024": "carol"})
    assert len(model.requests) == 2


async def test_a_failure_is_named_as_the_server_would() -> None:
    taken = await take_turn(Agent(tools=[leave]), "go", model=ScriptedModel([Call("leave")]))
    assert taken.failure is not None
    assert taken.failure.code is FailureCode.TOOL_FAILED
    assert [tool.status for tool in taken.tools] == ["error"]
    later = await take_turn(Agent(), "and now?", model=ScriptedModel([Say("On.")]), history=[taken.past])
    assert later.text == "On."


async def test_a_script_that_is_too_short_says_so() -> None:
    with pytest.raises(ScriptEnded, match="response 1 of a script of 0"):
        await take_turn(Agent(), "go", model=ScriptedModel())


async def test_its_parts_are_what_the_interface_asks_for() -> None:
    sink: RunSink = RecordingSink()
    data: UserData = MemoryData("a", hits=[ThreadHit("t", "T", "user", "about Plants", "2026")])
    await sink.text("a")
    assert sink.shown_text == "a"
    assert await data.notes() == [(1, "a")]
    assert await data.delete_note(1)
    assert not await data.delete_note(1)
    assert [hit.title for hit in await data.search_threads("plants")] == ["T"]
    turn: Any = make_turn("hello", data=data, metadata={"a": "b"})
    assert (turn.context.user_id, turn.data, turn.metadata) == ("tester", data, {"a": "b"})
    assert AgentRuntime
