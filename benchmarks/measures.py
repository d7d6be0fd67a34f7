"""The measures. Each takes a server that runs and returns figures by name."""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from benchmarks.fast_model import FastModel
from benchmarks.served import Served
from benchmarks.sessions import Run, Session

Figures = dict[str, float]
SessionOf = Callable[[str, int], Session]
"""(url of the server, number of the user) → that user's connection"""

OPENING = 20
"""Connections that are opened at once."""

_keys = itertools.count()


@dataclass
class Bench:
    """A server, the model behind it, and ways in."""

    served: Served
    model: FastModel
    session_of: SessionOf
    http: aiohttp.ClientSession

    async def sessions(self, stack: AsyncExitStack, count: int) -> list[Session]:
        made = [self.session_of(self.served.url, number) for number in range(count)]
        for some in (made[at : at + OPENING] for at in range(0, count, OPENING)):
            await asyncio.gather(*(session.open(self.http) for session in some))
            for session in some:
                stack.push_async_callback(session.close)
        return made


def _checked(runs: list[Run], tokens: int) -> None:
    for run in runs:
        if run.tokens != tokens or not run.in_order:
            raise RuntimeError(f"{run.tokens} of {tokens} tokens came, in order: {run.in_order}; ended {run.ended}")


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def unthrottled(bench: Bench, count: int, tokens: int = 200) -> Figures:
    """`count` runs at once, the model as fast as it can."""
    async with AsyncExitStack() as stack:
        sessions = await bench.sessions(stack, count)
        cpu, began = bench.served.cpu_seconds(), time.monotonic()
        runs = await asyncio.gather(*(s.say(f"key={next(_keys)} tokens={tokens}") for s in sessions))
        wall, cpu = time.monotonic() - began, bench.served.cpu_seconds() - cpu
    _checked(runs, tokens)
    return {
        f"cpu s per 1000 tokens, {count} at once": cpu / (count * tokens) * 1000,
        f"tokens/s, {count} at once": count * tokens / wall,
    }


async def paced(bench: Bench, count: int, seconds: float) -> Figures:
    """`count` streams of 50 tokens a second, looked at for so long once the last has begun; 50 begin in a second."""
    ramp = count / 50
    tokens = int((ramp + seconds + 1) * 50)
    async with AsyncExitStack() as stack:
        sessions = await bench.sessions(stack, count)

        async def one(number: int, session: Session) -> Run:
            await asyncio.sleep(number / 50)
            return await session.say(f"key={next(_keys)} tokens={tokens - number} pace=0.02")

        runs = [asyncio.create_task(one(number, session)) for number, session in enumerate(sessions)]
        await asyncio.sleep(ramp + 0.5)
        cpu, own, began = bench.served.cpu_seconds(), time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        ended, cpu, own = time.monotonic(), bench.served.cpu_seconds() - cpu, time.process_time() - own
        done = await asyncio.gather(*runs)
    for number, run in enumerate(done):
        _checked([run], tokens - number)
    delays = [delay for run in done for came, delay in run.delays if began <= came < ended]
    return {
        f"p50 ms, {count} streams": percentile(delays, 0.5) * 1000,
        f"p99 ms, {count} streams": percentile(delays, 0.99) * 1000,
        f"cpu %, {count} streams": cpu / (ended - began) * 100,
        # Where this nears 100, it's the client that is measured.
        f"client's cpu %, {count} streams": own / (ended - began) * 100,
    }


STEP = 20
MOST = 480
SOON_ENOUGH = 100.0
"""Milliseconds."""


async def most_streams(bench: Bench, seconds: float) -> Figures:
    """The largest number of streams whose p99 is under 100 ms, to a step of 20; the same search for every server.

    The number is doubled until it's too large, and then halved in between. One that is too large is tried twice, since
    the neighbours of a machine are to blame for a single slow moment.
    """

    async def carries(steps: int) -> bool:
        count = steps * STEP
        for _ in range(2):
            if (await paced(bench, count, seconds))[f"p99 ms, {count} streams"] < SOON_ENOUGH:
                return True
        return False

    carried, refused = 0, MOST // STEP + 1
    while refused - carried > 1:
        steps = min(max(1, carried * 2), MOST // STEP) if refused > MOST // STEP else (carried + refused) // 2
        if await carries(steps):
            carried = steps
        else:
            refused = steps
    return {"streams with p99 < 100 ms": carried * STEP}


async def tool_turn(bench: Bench, count: int = 50) -> Figures:
    """Runs with one tool turn and 20 tokens."""
    async with AsyncExitStack() as stack:
        sessions = await bench.sessions(stack, count)
        cpu = bench.served.cpu_seconds()
        runs = await asyncio.gather(*(s.say(f"key={next(_keys)} tool=1 tokens=20") for s in sessions))
        cpu = bench.served.cpu_seconds() - cpu
    _checked(runs, 20)
    return {"cpu ms per run with a tool turn": cpu / count * 1000}


async def stops(bench: Bench, count: int, *, silent: bool) -> Figures:
    """From the stop to what the model sees, and to the end event; after the fifth token. What takes 5 s is never."""
    closes: list[float] = []
    ends: list[float] = []
    async with AsyncExitStack() as stack:
        (session,) = await bench.sessions(stack, 1)
        for number in range(count):
            key = str(next(_keys))
            before = session.run
            saying = asyncio.create_task(session.say(f"key={key} tokens=500 pace=0.02{' hold=5' if silent else ''}"))
            async with asyncio.timeout(30):
                while session.run is before or session.run.tokens < 5:
                    await asyncio.sleep(0.005)
            # At another place between two tokens each time.
            await asyncio.sleep(number % 10 / 500)
            began = time.monotonic()
            await session.stop()
            done, _ = await asyncio.wait({saying}, timeout=5)
            ends.append(saying.result().ended_at - began if done else math.inf)
            answer = bench.model.answers[key]
            try:
                async with asyncio.timeout(5):
                    await answer.closed.wait()
                closes.append(answer.closed_at - began)
            except TimeoutError:
                closes.append(math.inf)
            if not done or closes[-1] == math.inf:
                saying.cancel()
                break
    name = "silent" if silent else "flowing"
    return {
        f"stop, {name}: model sees it, p50 ms": statistics.median(closes) * 1000,
        f"stop, {name}: model sees it, p99 ms": percentile(closes, 0.99) * 1000,
        f"stop, {name}: end event, p50 ms": statistics.median(ends) * 1000,
        f"stop, {name}: end event, p99 ms": percentile(ends, 0.99) * 1000,
    }


async def idle(bench: Bench, count: int = 1000) -> Figures:
    """Memory of a connection that does nothing."""
    async with AsyncExitStack() as stack:
        await bench.sessions(stack, 50)
        before = bench.served.rss_mib()
        await bench.sessions(stack, count)
        after = bench.served.rss_mib()
    return {f"KiB per idle connection, {count}": (after - before) * 1024 / count}
