"""An agent to be named by the setting `agent`, out of which everything comes that Python can raise.

The user says `WHERE WHAT`, and there it is raised: in the place of that name below, a tool (called by the model with
`{"where": WHERE, "what": WHAT}`) or another part of the agent.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.capabilities import AbstractCapability, ProcessHistory
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset

from netra_backend.app.agents.runtime import Turn


class Unheard(BaseException):
    """Of nobody's hierarchy."""


def _too_deep() -> None:
    _too_deep()


def _raise(what: str) -> None:
    match what:
        case "SystemExit":
            sys.exit(3)
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "GeneratorExit":
            raise GeneratorExit
        case "CancelledError":
            raise asyncio.CancelledError
        case "MemoryError":
            raise MemoryError
        case "RecursionError":
            _too_deep()
        case "StopIteration":
            raise StopIteration
        case "StopAsyncIteration":
            raise StopAsyncIteration
        case "Unheard":
            raise Unheard
        case "BaseExceptionGroup":
            raise BaseExceptionGroup("both", [SystemExit(3), KeyboardInterrupt()])
        case "ExceptionGroup":
            raise ExceptionGroup("one", [MemoryError()])
        case _:
            raise AssertionError(f"nobody knows {what}")


async def _fall(what: str) -> None:
    await asyncio.sleep(0)
    _raise(what)


async def plain(what: str) -> None:
    _raise(what)


async def awaited(what: str) -> None:
    await asyncio.create_task(_fall(what))


async def gathered(what: str) -> None:
    await asyncio.gather(_fall(what), asyncio.sleep(60))


async def grouped(what: str) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_fall(what))
        group.create_task(asyncio.sleep(60))


async def closing(what: str) -> None:
    """A generator that is closed early, and minds."""

    async def pieces():
        try:
            yield 1
        finally:
            _raise(what)

    generator = pieces()
    await anext(generator)
    await generator.aclose()


async def left(what: str) -> None:
    """A task that nobody waits for."""
    _kept.append(asyncio.create_task(_fall(what)))


async def called_back(what: str) -> None:
    asyncio.get_running_loop().call_soon(_raise, what)


async def called_later(what: str) -> None:
    asyncio.get_running_loop().call_later(0.01, _raise, what)


async def done_callback(what: str) -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    task.add_done_callback(lambda _: _raise(what))
    _kept.append(task)


async def from_thread(what: str) -> None:
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: loop.call_soon_threadsafe(_raise, what)).start()


async def in_thread(what: str) -> None:
    threading.Thread(target=_raise, args=(what,)).start()


async def stops_the_loop(_what: str) -> None:
    asyncio.get_running_loop().stop()


async def outlives_its_stop(what: str) -> None:
    """Swallows its cancellation, and raises when it is abandoned and its run is over."""
    swallowed = 0
    while swallowed < 2:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            swallowed += 1
    _raise(what)


async def cancels_itself(_what: str) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(60)


PLACES: dict[str, Callable[[str], Awaitable[None]]] = {
    place.__name__: place
    for place in (
        plain,
        awaited,
        gathered,
        grouped,
        closing,
        left,
        called_back,
        called_later,
        done_callback,
        from_thread,
        in_thread,
        stops_the_loop,
        outlives_its_stop,
        cancels_itself,
    )
}
_kept: list[asyncio.Task[Any]] = []


async def fall(where: str, what: str) -> str:
    """Raise it there."""
    await PLACES[where](what)
    return "nothing came out"


def fall_in_thread(where: str, what: str) -> str:
    """Raise it in the tool's thread."""
    _raise(what)
    return where


async def stream(where: str, what: str) -> str:
    """A tool whose work is a generator."""

    async def pieces():
        yield where
        _raise(what)

    return "".join([piece async for piece in pieces()])


def _asked(ctx: RunContext[Turn], where: str) -> None:
    at, _, what = ctx.deps.text.partition(" ")
    if at == where:
        _raise(what)


def instructions(ctx: RunContext[Turn]) -> str:
    _asked(ctx, "instructions in a thread")
    return "Be brief."


async def more_instructions(ctx: RunContext[Turn]) -> str:
    _asked(ctx, "instructions")
    return "Be very brief."


async def history(ctx: RunContext[Turn], messages: list[ModelMessage]) -> list[ModelMessage]:
    _asked(ctx, "history")
    return messages


def toolset(ctx: RunContext[Turn]) -> AbstractToolset[Turn]:
    _asked(ctx, "toolset")
    return FunctionToolset[Turn]()


class Minding(AbstractCapability[Turn]):
    """Hooks of the agent's own."""

    async def before_model_request(
        self, ctx: RunContext[Turn], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        _asked(ctx, "hook")
        return request_context

    async def after_model_request(
        self, ctx: RunContext[Turn], *, request_context: ModelRequestContext, response: ModelResponse
    ) -> ModelResponse:
        _asked(ctx, "hook after")
        return response


agent = Agent(
    deps_type=Turn,
    tools=[fall, fall_in_thread, stream],
    capabilities=[ProcessHistory(history), Minding()],
)
agent.instructions(instructions)
agent.instructions(more_instructions)
agent.toolset(toolset)


@agent.output_validator
async def validated(ctx: RunContext[Turn], output: str) -> str:
    _asked(ctx, "validator")
    return output
