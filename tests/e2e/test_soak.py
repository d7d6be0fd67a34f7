"""One page under a steady stream of 50 tokens a second: its memory stays flat, and it misses nothing."""

from __future__ import annotations

import asyncio
from statistics import median

import pytest

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Pause, Text
from tests.harness.stage import Stage

PER_SECOND = 50
TOKENS = 250
"""Of one answer; then the next begins."""

MIB = 1024 * 1024
GROWTH = 8 * MIB
"""What the page may hold more at the end: the text of the answers is among it."""


async def heap(tab: Tab) -> int:
    """Bytes that the page's script holds, after collecting what it let go of."""
    session = await tab.page.context.new_cdp_session(tab.page)
    try:
        await session.send("HeapProfiler.collectGarbage")
        return (await session.send("Runtime.getHeapUsage"))["usedSize"]
    finally:
        await session.detach()


async def soak(stage: Stage, tab: Tab, seconds: float) -> None:
    words = [Text(f"word{n} " + ("\n\n" if n % 40 == 39 else "")) for n in range(TOKENS)]
    said = stage.script([step for word in words for step in (Pause(1 / PER_SECOND), word)])
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    held: list[int] = []
    elements: list[int] = []
    last: str | None = None
    while loop.time() < until or len(held) < 4:
        await tab.say(said)
        last = await next_end(tab, last)
        held.append(await heap(tab))
        elements.append(await tab.page.evaluate("() => document.querySelectorAll('*').length"))
    assert await tab.violations() == 0
    whole = " ".join("".join(word.delta for word in words).split())
    await tab.answered(whole)
    half = len(held) // 2
    assert median(held[half:]) - median(held[:half]) < GROWTH, [round(each / MIB, 1) for each in held]
    # A window of the transcript is in the document, however long it grows.
    assert max(elements) < 2_000, elements


async def next_end(tab: Tab, before: str | None) -> str:
    """Wait until a run after this one has ended on the page; returns which."""
    found: str | None = None

    async def ended() -> bool:
        nonlocal found
        if await tab.turns.count() == 0:
            return False
        found = await tab.turns.last.get_attribute("data-run")
        return found != before and await tab.turns.last.get_attribute("data-state") == "completed"

    await tab.until(ended, "the end of an answer")
    assert found is not None
    return found


async def test_soak(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await soak(stage, tab, 20)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_soak_for_ten_minutes(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await soak(stage, tab, 600)
