"""What people and models write besides plain English: scripts that run from right to left, formulas, what is copied."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Text, WaitFor
from tests.harness.server import RunningServer
from tests.harness.stage import Stage

HEBREW = "שלום, מה שלומך?"
ARABIC = "## عنوان\n\nمرحبا بالعالم with English.\n\n- أولا\n- second\n\n> اقتباس\n\n| عمود | b |\n|---|---|\n| ١ | 2 |"


async def runs(where: Locator) -> str:
    """Which way its text runs."""
    return await where.evaluate("(element) => getComputedStyle(element).direction")


async def test_each_text_runs_as_it_begins(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.composer.fill(HEBREW)
    assert await runs(tab.composer) == "rtl"
    await tab.composer.press("Enter")
    await expect(tab.turns.last.locator(".said p")).to_have_text(HEBREW)
    assert await runs(tab.turns.last.locator(".said p")) == "rtl"
    await expect(tab.threads.first).to_have_text(HEBREW)
    assert await runs(tab.threads.first) == "rtl"
    assert await runs(tab.page.get_by_role("heading", level=1)) == "rtl"

    await tab.state("completed")
    await tab.say(stage.script([Text(ARABIC + "\n\nPlain English.\n\n- one\n- two")]))
    await tab.state("completed")
    answer = tab.answer
    for part in ("h2", "p >> nth=0", "ul >> nth=0", "blockquote", "table", "th >> nth=0"):
        await tab.until(lambda part=part: _runs_right_to_left(answer.locator(part)), f"{part} from right to left")
    assert await runs(answer.locator("p", has_text="Plain")) == "ltr"
    assert await runs(answer.locator("ul").last) == "ltr"
    # A list's marks stand on the side where its lines begin.
    marks = await answer.locator("ul").first.evaluate("(list) => getComputedStyle(list).paddingRight")
    assert marks != "0px"


async def _runs_right_to_left(where: Locator) -> bool:
    # While an answer ends its blocks may be drawn anew: then one that was found is gone.
    return await runs(where) == "rtl"


FORMULAS = [
    (r"so \(a^2 + b^2 = c^2\) holds", 1),
    (r"\[\int_0^1 x\,dx = \frac{1}{2}\]", 1),
    ("$$\n\\sum_{i=1}^n i\n$$", 1),
    (r"inline $e^{i\pi} = -1$ and $x_1$", 2),
    ("```math\n\\sqrt{2}\n```", 1),
    ("from $5 to $7, or US$ 5", 0),
    (r"`\(a\)` is code", 0),
    (r"\(\notacommand{x}\) stays", 0),
]
HOSTILE = [
    r"\(\href{javascript:window.ran=1}{x}\) \(\url{https://evil.example}\)",
    r"\(\includegraphics{http://evil.example/x.png}\)",
    r"\(\htmlStyle{background:url(http://evil.example/x.png)}{x}\) \(\htmlData{onclick=window.ran=1}{x}\)",
    r"\(\def\a{\a\a}\a\) \(\rule{900em}{900em}\)",
    r"\(<img src=x onerror=window.ran=1>\) $$<script>window.ran=1</script>$$",
]


@pytest.mark.parametrize(("written", "drawn"), FORMULAS)
async def test_formulas_are_drawn_and_nothing_else_is(
    stage: Stage, open_tab: OpenTab, written: str, drawn: int
) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text(written[start : start + 5]) for start in range(0, len(written), 5)]))
    await tab.state("completed")
    await expect(tab.answer.locator(".formula math")).to_have_count(drawn)
    if not drawn:
        # Nothing of what was written is lost.
        shown = " ".join((await tab.answer.inner_text()).split())
        assert shown == " ".join(written.replace("`", "").split())


async def test_hostile_formulas_do_nothing(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    for written in HOSTILE:
        await tab.say(stage.script([Text(written + "\n\n" + r"and \(a^2\)")]))
        await tab.state("completed")
        await expect(tab.turns.last.locator(".formula math").last).to_be_visible()
        assert await tab.page.evaluate("() => window.ran") is None, written
        assert await tab.answer.locator("a, img, script, [style*=url], [href], [onclick], [onerror]").count() == 0, (
            written
        )
        width = "() => document.documentElement.scrollWidth <= innerWidth"
        assert await tab.page.evaluate(width), written


async def test_what_is_selected_stays_selected_beside_what_is_written(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    go_on = asyncio.Event()
    await tab.say(stage.script([Text("Keep *this* paragraph.\n\nSecond.\n\nThird."), WaitFor(go_on), Text(" More.")]))
    await tab.answered("Keep this paragraph. Second. Third.")
    first = tab.answer.locator("p").first
    await first.evaluate("(line) => getSelection().selectAllChildren(line)")
    go_on.set()
    await tab.state("completed")
    await tab.answered("Keep this paragraph. Second. Third. More.")
    assert await tab.page.evaluate("() => getSelection().toString()") == "Keep this paragraph."


async def test_copying_works_without_a_clipboard(server: RunningServer, open_tab: OpenTab) -> None:
    tab = await open_tab(server.url, await server.person())
    await tab.page.evaluate(
        """() => {
            Object.defineProperty(navigator, 'clipboard', { value: undefined });
            document.addEventListener('copy', () => (window.copied = document.activeElement.value));
        }"""
    )
    await tab.say("what is 6*7?")
    await tab.state("completed")
    await tab.turns.last.hover()
    await tab.page.get_by_role("button", name="Copy the answer").click()

    async def copied() -> bool:
        return "42" in (await tab.page.evaluate("() => window.copied ?? ''"))

    await tab.until(copied, "the answer copied")


PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}


async def drawer(tab: Tab) -> Locator:
    await tab.page.get_by_role("button", name="Show the list of conversations").click()
    nav = tab.page.locator("#sidebar")
    await expect(nav).to_be_in_viewport()
    return nav


async def test_beside_an_open_drawer_nothing_is_pressed(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice, **PHONE)
    nav = await drawer(tab)
    before = tab.page.url
    # What can be tried of an empty conversation stands there; a tap closes the drawer and does no more.
    await tab.page.touchscreen.tap(350, 400)
    await expect(nav).not_to_be_in_viewport()
    assert tab.page.url == before
    assert await tab.turns.count() == 0
    await expect(tab.page.locator(".sending")).to_have_count(0)
    await drawer(tab)
    for _ in range(30):
        await tab.page.keyboard.press("Tab")
        assert not await tab.page.evaluate("() => document.querySelector('.stage').contains(document.activeElement)")


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
async def test_settings_never_scroll_sideways(server: RunningServer, open_tab: OpenTab, width: int) -> None:
    alice = await server.person()
    async with server.http(alice) as http:
        agent = {"User-Agent": "Mozilla/5.0 " + "AppleWebKit/537.36" * 12}
        await http.get("/api/auth/me", headers=agent)
    tab = await open_tab(server.url, alice, viewport={"width": width, "height": 700}, user_agent="Browser/" + "9" * 300)
    await tab.open("/settings")
    await expect(tab.page.get_by_role("heading", name="Settings")).to_be_visible()
    await expect(tab.page.get_by_text("this browser")).to_be_visible()
    wide = await tab.page.evaluate(
        """() => [document.scrollingElement, ...document.querySelectorAll('.stage, .stage *')]
            .filter((each) => each.scrollWidth > each.clientWidth + 1
                && (each === document.scrollingElement || ['auto', 'scroll'].includes(getComputedStyle(each).overflowX))
                && !each.matches('.scrolling, pre, input, textarea'))
            .map((each) => `${each.className || each.tagName} ${each.scrollWidth} > ${each.clientWidth}`)"""
    )
    assert wide == []
    assert await tab.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
