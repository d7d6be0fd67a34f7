"""Tools that aren't async: a few threads per user, and nobody waits for a thread that can't be stopped."""

from __future__ import annotations

import asyncio
import threading

from tests.fakes.model_server import FakeModelServer, Text, ToolCall
from tests.harness.deadline import DEADLINE
from tests.unit.agents.conftest import RuntimeOf
from tests.unit.agents.sink import Sink, a_turn


class Slow:
    """A sync tool that holds its thread until it's let go, and counts how many of it run at once."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.running = 0
        self.most = 0
        self.begun = asyncio.Condition()
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()

    def slow(self, name: str) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        asyncio.run_coroutine_threadsafe(self._notify(), self._loop)
        self.release.wait(DEADLINE)
        with self._lock:
            self.running -= 1
        return name

    async def wait_for(self, running: int) -> None:
        async with asyncio.timeout(DEADLINE), self.begun:
            await self.begun.wait_for(lambda: self.running == running)

    async def _notify(self) -> None:
        async with self.begun:
            self.begun.notify_all()


async def test_a_sync_tool_does_not_hold_up_the_loop(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    tool = Slow()
    server.queue += [[ToolCall("slow", {"name": "a"}, "a")], [Text("ok")]]
    sink = Sink()
    running = asyncio.create_task(runtime_of(tool.slow).start(a_turn("go"), sink).wait())
    await tool.wait_for(1)
    tool.release.set()
    await running
    assert sink.results == {"a": "a"}


async def test_a_user_has_so_many_threads_and_another_user_has_their_own(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    tool = Slow()
    calls = [ToolCall("slow", {"name": name}, name) for name in "abcd"]
    server.scripts["four"] = [calls, [Text("ok")]]
    runtime = runtime_of(tool.slow, sync_tool_threads_per_user=2)
    sinks = {"alice": Sink(), "bob": Sink()}
    running = [
        asyncio.create_task(runtime.start(a_turn("script:four", user=user), sink).wait())
        for user, sink in sinks.items()
    ]
    await tool.wait_for(4)
    for sink in sinks.values():
        for name in "abcd":
            await sink.seen("tool_started", name)
    assert tool.most == 4
    tool.release.set()
    await asyncio.gather(*running)
    assert tool.most == 4
    for sink in sinks.values():
        assert set(sink.statuses.values()) == {"ok"}


async def test_an_abandoned_tool_keeps_its_place_and_the_next_call_waits_for_it(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    tool = Slow()
    runtime = runtime_of(tool.slow, sync_tool_threads_per_user=1)
    server.scripts["one"] = [[ToolCall("slow", {"name": "a"}, "a")], [Text("ok")]]
    first, second, third = Sink(), Sink(), Sink()
    handle = runtime.start(a_turn("script:one"), first)
    running = asyncio.create_task(handle.wait())
    await tool.wait_for(1)
    handle.cancel()
    assert (await running).cancelled
    assert first.statuses == {"a": "unknown"}

    # The place is taken: a second turn's tool waits, and can be stopped while it does.
    handle = runtime.start(a_turn("script:one"), second)
    running = asyncio.create_task(handle.wait())
    await second.seen("tool_started", "a")
    handle.cancel()
    assert (await running).cancelled
    assert second.statuses == {"a": "cancelled"}, "it never ran, so nothing about it is unknown"

    running = asyncio.create_task(runtime.start(a_turn("script:one"), third).wait())
    await third.seen("tool_started", "a")
    assert tool.most == 1
    tool.release.set()
    await running
    assert third.statuses == {"a": "ok"}
    assert tool.most == 1


async def test_an_error_in_a_thread_reaches_the_turn(server: FakeModelServer, runtime_of: RuntimeOf) -> None:
    from pydantic_ai import ModelRetry

    def picky(name: str) -> str:
        raise ModelRetry(f"not {name}")

    server.queue += [[ToolCall("picky", {"name": "a"}, "a")], [Text("ok")]]
    sink = Sink()
    await runtime_of(picky).start(a_turn("go"), sink).wait()
    assert sink.statuses == {"a": "error"}


async def test_a_tool_that_ended_just_before_the_stop_is_not_shown_as_cancelled(
    server: FakeModelServer, runtime_of: RuntimeOf
) -> None:
    """Its thread is done, and the loop hasn't come to tell anybody: it had its effect all the same."""
    begun, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    threads: list[threading.Thread] = []

    def quick() -> str:
        threads.append(threading.current_thread())
        loop.call_soon_threadsafe(begun.set)
        assert release.wait(30)
        return "done"

    server.queue += [[ToolCall("quick", {}, "a")], [Text("ok")]]
    sink = Sink()
    handle = runtime_of(quick).start(a_turn("go"), sink)

    async def stop() -> None:
        await begun.wait()
        release.set()
        threads[0].join()
        handle.cancel()

    stopping = asyncio.create_task(stop())
    assert (await handle.wait()).cancelled
    await stopping
    assert sink.statuses == {"a": "unknown"}
