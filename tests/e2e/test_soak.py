"""One page under a steady stream of 50 tokens a second: its memory and its main thread's share stay flat, and it misses
nothing; in a conversation of a thousand messages, and inside one list or one piece of code that doesn't end."""

from __future__ import annotations

import asyncio
from statistics import median

import pytest
from playwright.async_api import expect

from netra_backend.app.event_log.user_log import UserTransaction
from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.e2e.long_talk import answer, long_talk
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


async def soak(stage: Stage, tab: Tab, seconds: float, last: str | None = None) -> None:
    """`last`: the run that the page shows already."""
    words = [Text(f"word{n} " + ("\n\n" if n % 40 == 39 else "")) for n in range(TOKENS)]
    said = stage.script([step for word in words for step in (Pause(1 / PER_SECOND), word)])
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    held: list[int] = []
    elements: list[int] = []
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


BLOCKS = {"list": ("", "- item **{n}** of a list\n"), "code": ("```python\n", "value = compute({n})  # note\n")}


def talk(tx: UserTransaction) -> str:
    """A conversation of a thousand messages, before what is said next."""
    turns = ((f"question {number}", answer(number)) for number in range(500))
    return long_talk(tx, "A long one", turns, first_seq=-500)


async def inside_one_block(stage: Stage, tab: Tab, name: str, seconds: float) -> None:
    """One answer that is one block, token by token; what the page needs for it in the end and in the beginning."""
    head, line = BLOCKS[name]
    tokens: list[str] = [head] if head else []
    for number in range(round(PER_SECOND * seconds / 6) + 1):
        tokens += [piece + " " for piece in line.format(n=number).removesuffix("\n").split(" ")[:-1]]
        tokens.append(line.format(n=number).rsplit(" ", 1)[1])
    tokens = tokens[: round(PER_SECOND * seconds)]
    metrics = await tab.page.context.new_cdp_session(tab.page)
    await metrics.send("Performance.enable", {"timeDomain": "threadTicks"})

    async def busy() -> float:
        """Seconds of a processor that the page's main thread has used."""
        found = (await metrics.send("Performance.getMetrics"))["metrics"]
        return next(each["value"] for each in found if each["name"] == "TaskDuration")

    await tab.say(stage.script([step for token in tokens for step in (Pause(1 / PER_SECOND), Text(token))]))
    loop = asyncio.get_running_loop()
    shares: list[float] = []
    held: list[int] = []
    at, used = loop.time(), await busy()
    while await tab.turns.count() == 0 or await tab.turns.last.get_attribute("data-state") in {"queued", "running"}:
        await asyncio.sleep(seconds / 20)
        now, now_used = loop.time(), await busy()
        shares.append((now_used - used) / (now - at))
        held.append(await heap(tab))
        # Collecting costs too, and isn't the page's work.
        at, used = loop.time(), await busy()
    await tab.state("completed")
    assert await tab.violations() == 0
    # The first sees the page begin, the last sees the end.
    shares, held = shares[1:-1], held[1:-1]
    third = len(shares) // 3
    print(f"{name}: shares {[round(share * 100, 1) for share in shares]}, MiB {[round(h / MIB, 1) for h in held]}")
    assert median(shares[-third:]) < 1.5 * median(shares[:third]) + 0.02, shares
    assert median(held[-third:]) - median(held[:third]) < GROWTH, held


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
@pytest.mark.timeout(1800)
async def test_soak_for_ten_minutes(stage: Stage, open_tab: OpenTab) -> None:
    await soak_everywhere(stage, open_tab, 600)


async def soak_everywhere(stage: Stage, open_tab: OpenTab, seconds: float) -> None:
    """At the same time in a long conversation, in one list and in one piece of code; each in a browser of its own."""
    thread = await stage.server.services.log.commit(stage.alice.user_id, talk)
    people = [await stage.server.person(name) for name in BLOCKS]
    tabs = [await open_tab(stage.server.url, person) for person in people]
    async with asyncio.TaskGroup() as group:
        long = await open_tab(stage.server.url, stage.alice, f"/t/{thread}")
        await expect(long.page.get_by_text("question 499", exact=True)).to_be_in_viewport()
        group.create_task(soak(stage, long, seconds, "run-0499"))
        for name, tab in zip(BLOCKS, tabs, strict=True):
            group.create_task(inside_one_block(stage, tab, name, seconds))
