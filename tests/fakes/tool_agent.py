"""An agent to be named by the setting `agent`: its tools stop at gates that a test holds.

    gate = tool_agent.gate("a")             # before the model calls wait_at({"name": "a"})
    await gate.entered.wait()               # a tool stands there now
    gate.open()                             # it may go on

Before each model request the agent passes the gate "SAID request N", if the test has made one: SAID is what the user
said, and N counts the requests of the turn from 0. `forget_gates` opens them all: a tool in a thread must not outlive
its test.
"""

from __future__ import annotations

import asyncio
import threading

from pydantic_ai import Agent, RunContext
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserPromptPart

from netra_backend.app.agents.runtime import Turn
from tests.harness.deadline import DEADLINE


class Gate:
    """A place where a tool waits. `entered`: something has come here; `left`: it went on."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.cancelled = asyncio.Event()
        """A tool that swallows its cancellation did so."""
        self.opened = asyncio.Event()
        self.opened_for_threads = threading.Event()

    def open(self) -> None:
        self.opened.set()
        self.opened_for_threads.set()


_gates: dict[str, Gate] = {}


def gate(name: str) -> Gate:
    """The gate of that name, made when it's first asked for."""
    return _gates.setdefault(name, Gate())


def forget_gates() -> None:
    """Let everybody through, for good."""
    for each in _gates.values():
        each.open()
    _gates.clear()


async def look(at: str) -> str:
    """Look somewhere; it takes no time."""
    return f"{at} is clear"


async def wait_at(name: str) -> str:
    """Wait, as an async tool does."""
    here = gate(name)
    here.entered.set()
    await here.opened.wait()
    here.left.set()
    return f"past {name}"


def block_at(name: str) -> str:
    """Wait in a thread: nothing can cancel this."""
    here = _gates[name]
    here.loop.call_soon_threadsafe(here.entered.set)
    here.opened_for_threads.wait(DEADLINE)
    here.loop.call_soon_threadsafe(here.left.set)
    return f"past {name}"


async def hold_on_at(name: str) -> str:
    """Wait, and swallow every cancellation."""
    here = gate(name)
    here.entered.set()
    while not here.opened.is_set():
        try:
            await here.opened.wait()
        except asyncio.CancelledError:
            here.cancelled.set()
    here.left.set()
    return f"past {name}"


async def talk(chars: int) -> str:
    """Return that many characters."""
    return "talk " * (chars // 5)


async def fail(why: str) -> str:
    """Fail, as a tool with a defect does."""
    raise RuntimeError(why)


async def before_request(ctx: RunContext[Turn], messages: list[ModelMessage]) -> list[ModelMessage]:
    number = 0
    for message in reversed(messages):
        number += isinstance(message, ModelResponse)
        if isinstance(message, ModelRequest) and any(isinstance(part, UserPromptPart) for part in message.parts):
            break
    here = _gates.get(f"{ctx.deps.text} request {number}")
    if here is not None:
        here.entered.set()
        await here.opened.wait()
        here.left.set()
    return messages


agent = Agent(
    deps_type=Turn,
    tools=[look, wait_at, block_at, hold_on_at, talk, fail],
    capabilities=[ProcessHistory(before_request)],
)
