"""Scrolling obeys the person: the page follows an answer only while nobody has moved away from its end."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Text, WaitFor
from tests.harness.stage import Stage

LINES = "line\n\n" * 120
STEP = 6
"""Pixels that a careful turn of the wheel, or a finger, moves at once."""
AT_END = "(view) => view.scrollHeight - view.clientHeight - view.scrollTop < 2"


async def top(tab: Tab) -> float:
    return await tab.page.get_by_role("log").evaluate("(view) => view.scrollTop")


async def at_end(tab: Tab) -> bool:
    return await tab.page.get_by_role("log").evaluate(AT_END)


async def frames(tab: Tab, number: int = 2) -> None:
    """Let the page draw that often."""
    for _ in range(number):
        await tab.page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => drawn()))")


async def moved_from(tab: Tab, before: float) -> None:
    """Wait until it has been scrolled. Browsers scroll smoothly: it is over when it stands still elsewhere."""

    async def moved() -> bool:
        now = await top(tab)
        await frames(tab)
        return now != before and now == await top(tab)

    await tab.until(moved, f"a scroll away from {before}")


async def wheel(tab: Tab, pixels: int) -> None:
    """One turn of the wheel over the conversation, as far as it goes."""
    before = await top(tab)
    await tab.page.mouse.move(640, 300)
    await tab.page.mouse.wheel(0, pixels)
    await moved_from(tab, before)


class Growing:
    """An answer that grows a paragraph at a time, as the test wants it."""

    def __init__(self, stage: Stage, tab: Tab, pieces: int) -> None:
        self._tab = tab
        self._gates = [asyncio.Event() for _ in range(pieces)]
        script: list[object] = [Text("begun\n\n")]
        for number, gate in enumerate(self._gates):
            script += [WaitFor(gate), Text(f"piece {number}\n\n")]
        self.said = stage.script(script)
        self._next = 0

    async def grow(self) -> None:
        """One paragraph more, and wait until it is drawn."""
        self._gates[self._next].set()
        await self._tab.page.get_by_text(f"piece {self._next}", exact=True).wait_for(state="attached")
        await frames(self._tab)
        self._next += 1


async def begin(stage: Stage, open_tab: OpenTab, pieces: int) -> tuple[Tab, Growing]:
    """A conversation longer than the window, with an answer under way, seen at its end."""
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text(LINES)]))
    await tab.state("completed")
    growing = Growing(stage, tab, pieces)
    await tab.say(growing.said)
    await tab.answered("begun")
    await tab.until(lambda: at_end(tab), "the end in view")
    return tab, growing


async def test_a_slow_move_upwards_is_never_undone(stage: Stage, open_tab: OpenTab) -> None:
    tab, growing = await begin(stage, open_tab, 12)
    for _ in range(12):
        before = await top(tab)
        await wheel(tab, -STEP)
        await growing.grow()
        assert await top(tab) < before, "growth moved the reader back down"
    await expect(tab.page.get_by_role("button", name="To the latest")).to_be_visible()


async def test_it_follows_again_once_the_person_is_at_the_end(stage: Stage, open_tab: OpenTab) -> None:
    tab, growing = await begin(stage, open_tab, 6)
    await wheel(tab, -200)
    stays = await top(tab)
    await growing.grow()
    assert await top(tab) == stays
    for _ in range(60):
        if await at_end(tab):
            break
        await tab.page.mouse.wheel(0, 120)
        await frames(tab)
    await expect(tab.page.get_by_role("button", name="To the latest")).to_be_hidden()
    for _ in range(5):
        await growing.grow()
        await tab.until(lambda: at_end(tab), "the end in view")


async def test_the_keyboard_leaves_the_end_and_returns(stage: Stage, open_tab: OpenTab) -> None:
    tab, growing = await begin(stage, open_tab, 4)
    await tab.page.get_by_role("log").focus()
    stood = await top(tab)
    await tab.page.keyboard.press("ArrowUp")
    await moved_from(tab, stood)
    latest = tab.page.get_by_role("button", name="To the latest")
    await expect(latest).to_be_visible()
    await growing.grow()
    assert not await at_end(tab)
    await latest.press("Enter")
    await expect(latest).to_be_hidden()
    await expect(tab.page.get_by_role("log")).to_be_focused()
    await growing.grow()
    await tab.until(lambda: at_end(tab), "the end in view")


async def test_the_way_back_counts_what_is_new(stage: Stage, open_tab: OpenTab) -> None:
    tab, _ = await begin(stage, open_tab, 1)
    other = await open_tab(stage.server.url, beside=tab, path=None)
    await other.open(tab.page.url.removeprefix(stage.server.url))
    await other.ready()
    await wheel(tab, -400)
    await other.say("one more tokens=2")
    await expect(tab.page.get_by_role("button", name="To the latest, 1 new")).to_be_visible()


async def test_sending_goes_to_ones_own_message(stage: Stage, open_tab: OpenTab) -> None:
    tab, _ = await begin(stage, open_tab, 1)
    await wheel(tab, -2000)
    await tab.say("and this is what I say now")
    await expect(tab.page.get_by_text("and this is what I say now", exact=True)).to_be_in_viewport()
    await expect(tab.composer).to_be_focused()


async def test_a_conversation_stands_where_it_was_left(stage: Stage, open_tab: OpenTab) -> None:
    tab, _ = await begin(stage, open_tab, 1)
    await wheel(tab, -900)
    await frames(tab)
    left = await top(tab)
    await tab.page.get_by_role("link", name="New conversation").click()
    await expect(tab.page.get_by_role("log")).to_be_hidden()
    await tab.page.go_back()
    await expect(tab.page.get_by_role("log")).to_be_visible()

    async def there() -> bool:
        return abs(await top(tab) - left) < 2

    await tab.until(there, "the place where it was left")
    await expect(tab.page.get_by_role("button", name="To the latest")).to_be_visible()
