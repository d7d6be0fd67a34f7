"""The default agent. It works without a network, by rules and real tools, and says that it isn't a language model.

It runs on the library's `FunctionModel`, so its turns take the same path as those of a real model: same stream, same
tools, same stop, same history.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

from netra_backend.app.agents.intents import EXAMPLE_PROMPTS, Ask, understand
from netra_backend.app.agents.pydantic_ai import PydanticRuntime
from netra_backend.app.agents.runtime import Turn
from netra_backend.app.agents.tools import NETRA_TOOLS, shortened
from netra_backend.app.settings import Settings

__all__ = ["offline_runtime"]

_IS_NOT = "I'm Netra's offline agent: rules and tools, not a language model."
_CAN = (
    "I can calculate (`17*23`, `15% of 80`), tell times and dates (`what time is it in Tokyo`, `days until"
    " christmas`), keep notes (`note: buy milk`, `list notes`, `delete note 1`), search your conversations (`search"
    " plants`) and count or work slowly, so that you can try stop (`count to 30 slowly`, `work for 12 steps`).\n\n"
    "For real conversation, set a model: NETRA_MODEL=openai:NAME, with NETRA_MODEL_BASE_URL for your own server."
)
_IN_STEPS = ("count", "work")
"""What the agent does itself, step by step, and shows as it goes. Counting is quick unless it's asked to be slow."""
_MOST_STEPS = 1000
_STEP_PAUSE = 0.05
_SLOW_PAUSE = 1.0

_Piece = str | dict[int, DeltaThinkingPart] | dict[int, DeltaToolCall]


def offline_runtime(settings: Settings) -> PydanticRuntime:
    """The offline agent, ready to take turns."""
    agent = Agent(
        FunctionModel(stream_function=_respond, model_name="offline"),
        deps_type=Turn,
        tools=NETRA_TOOLS,
        name="offline",
    )
    return PydanticRuntime(
        agent,
        settings,
        name="offline",
        model_name="offline",
        counts_tokens=False,
        system_prompt=False,
        suggestions=EXAMPLE_PROMPTS,
    )


async def _respond(messages: list[ModelMessage], _info: AgentInfo) -> AsyncIterator[_Piece]:
    asks = understand(_user_text(messages))
    returns = _tool_returns(messages[-1])
    tools = [ask for ask in asks if ask.tool not in _IN_STEPS]
    if not returns:
        yield _thought(_reasoning(asks))
        if tools:
            for index, ask in enumerate(tools):
                yield {
                    index: DeltaToolCall(ask.tool, json.dumps(ask.arguments), tool_call_id=f"{len(messages)}-{index}")
                }
            return
    async for piece in _answer(messages, asks, returns):
        yield piece


async def _answer(
    messages: Sequence[ModelMessage], asks: Sequence[Ask], returns: Sequence[ToolReturnPart]
) -> AsyncIterator[_Piece]:
    first_of_thread = not any(isinstance(message, ModelResponse) and message.text for message in messages)
    lines = [str(answer.content) for answer in returns]
    if not asks:
        lines.append(f"{_IS_NOT} No rule of mine fits that message. {_CAN}")
    for delta in _deltas("\n".join(lines)):
        yield delta
    for ask in asks:
        if ask.tool in _IN_STEPS:
            async for piece in _step_by_step(ask):
                yield piece
    if asks and first_of_thread:
        for delta in _deltas(f"\n\n({_IS_NOT})"):
            yield delta


async def _step_by_step(ask: Ask) -> AsyncIterator[_Piece]:
    wanted = int(str(ask.arguments["steps"]))
    steps = min(wanted, _MOST_STEPS)
    pause = _SLOW_PAUSE if ask.tool == "work" or "slow" in ask.words else _STEP_PAUSE
    yield "\n"
    for step in range(1, steps + 1):
        yield _thought(f"Step {step} of {steps}. ")
        yield f"{step}\n"
        await asyncio.sleep(pause)
    yield f"Done: {steps} steps." if wanted == steps else f"Done: {steps} steps, the most I {ask.tool}."


def _reasoning(asks: Sequence[Ask]) -> str:
    if not asks:
        return "No rule fits this message. "
    return "".join(f"“{shortened(ask.words)}” matches the rule for {ask.tool}. " for ask in asks)


def _thought(text: str) -> dict[int, DeltaThinkingPart]:
    return {-1: DeltaThinkingPart(content=text)}


def _deltas(text: str) -> Iterator[str]:
    """The text a few words at a time, as a model would give it."""
    words = re.findall(r"\S+\s*|\s+", text)
    return ("".join(words[at : at + 4]) for at in range(0, len(words), 4))


def _user_text(messages: Sequence[ModelMessage]) -> str:
    for message in reversed(messages):
        for part in message.parts:
            if isinstance(part, UserPromptPart) and isinstance(part.content, str):
                return part.content
    return ""


def _tool_returns(message: ModelMessage) -> list[ToolReturnPart]:
    if not isinstance(message, ModelRequest):
        return []
    return [part for part in message.parts if isinstance(part, ToolReturnPart)]
