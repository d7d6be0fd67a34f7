"""What was said and answered comes first: own messages, lists, news that lie on nothing, and the sizes of things."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from playwright.async_api import Locator, Route, expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Hang, Text, ToolCall
from tests.harness.server import RunningServer
from tests.harness.stage import Stage

WIDTHS = [375, 768, 1280]
PASTE = "Look at this:\n" + "\n".join(f"line {number} of a log" for number in range(200))
FENCES = """Why is this *slow*?

```python
for row in rows:  # <img src=x onerror=window.ran=1>
    total(row)
```
> a million rows
> <b>each night</b>

~~~
never closed"""


async def box(where: Locator) -> dict[str, float]:
    found = await where.bounding_box()
    assert found is not None
    return dict(found)


async def test_a_long_paste_folds_and_opens(server: RunningServer, open_tab: OpenTab) -> None:
    tab = await open_tab(server.url, await server.person())
    await tab.say(PASTE)
    await tab.state("completed")
    said = tab.turns.last.locator(".said")
    assert (await box(said))["height"] < 400
    await said.get_by_role("button", name="Show all").click()
    assert (await box(said))["height"] > 3_000
    await expect(said).to_contain_text("line 199 of a log")
    await said.get_by_role("button", name="Show less").click()
    assert (await box(said))["height"] < 400
    await tab.say("short")
    await expect(tab.turns.last.locator(".said").get_by_role("button")).to_have_count(0)


async def test_code_and_quotes_in_ones_own_message_are_drawn(server: RunningServer, open_tab: OpenTab) -> None:
    tab = await open_tab(server.url, await server.person())
    await tab.say(FENCES)
    await tab.state("completed")
    said = tab.turns.last.locator(".said")
    await expect(said.locator("p")).to_have_text("Why is this *slow*?")
    await expect(said.locator(".code")).to_have_count(2)
    await expect(said.locator(".code").first).to_contain_text("# <img src=x onerror=window.ran=1>")
    await expect(said.locator(".code").last).to_contain_text("never closed")
    await expect(said.get_by_role("button", name="Copy this code")).to_have_count(2)
    await expect(said.locator("blockquote")).to_have_text("a million rows\n<b>each night</b>")
    assert await tab.page.evaluate("() => window.ran") is None


async def test_tasks_and_quotes_look_like_what_they_are(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    written = "- [x] done\n- [ ] to do\n  - [ ] within\n- none\n\n> quoted\n>\n> > twice"
    await tab.say(stage.script([Text(written)]))
    await tab.state("completed")
    tasks = tab.answer.locator("li.task")
    await expect(tasks).to_have_count(3)
    await expect(tasks.first).to_have_css("list-style-type", "none")
    await expect(tab.answer.locator("li:not(.task)")).to_have_css("list-style-type", "disc")
    quote = tab.answer.locator("blockquote").first
    assert (await box(quote))["x"] == (await box(tab.answer))["x"]


@pytest.mark.parametrize("width", WIDTHS)
async def test_news_lie_on_nothing(server: RunningServer, open_tab: OpenTab, width: int) -> None:
    alice = await server.person()
    async with server.http(alice) as http:
        for number in range(6):
            await http.post("/api/threads", json={"title": f"number {number} " + "x" * 120})
    tab = await open_tab(server.url, alice, viewport={"width": width, "height": 700})
    await tab.say("hello")
    await tab.state("completed")
    undo = tab.page.locator(".stage .toasts").get_by_role("button", name="Undo")
    opener = tab.page.get_by_role("button", name="Show the list of conversations")

    async def closed() -> bool:
        await tab.page.keyboard.press("Escape")
        return await opener.is_visible()

    # News stay for some seconds; where the machine takes longer for the look, there are more of them.
    for times in (3, 1, 1, 1):
        if width <= 768:
            await opener.click()
        for _ in range(times):
            row = tab.page.locator(".thread a:not([aria-current])").first
            await row.focus()
            await row.press("Delete")
        if width <= 768:
            await tab.until(closed, "the drawer closed")
        with suppress(AssertionError):
            await expect(undo.first).to_be_in_viewport(timeout=5_000)
        tops: list[int] = await tab.page.evaluate(
            """() => document.querySelector('.stage .toasts button') === null ? [] :
                ['.view', '.stage .toasts', '.composer'].flatMap((part) => {
                    const box = document.querySelector(part).getBoundingClientRect();
                    return [Math.round(box.top), Math.round(box.bottom)];
                })"""
        )
        if tops:
            assert tops == sorted(tops)
            assert tops[-1] <= 700
            return
    raise AssertionError("no news were seen")


async def fail_once(tab: Tab, path: str) -> list[Any]:
    """Have the first request to such a path fail."""
    failed: list[Any] = []

    async def answer(route: Route) -> None:
        if failed:
            await route.continue_()
            return
        failed.append(route.request.url)
        await route.fulfill(status=503, json={"code": "unavailable", "detail": "the database is away"})

    await tab.page.route(path, answer)
    tab.expected.append("status of 503")
    return failed


async def test_what_went_wrong_is_said_once_with_a_way_on(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    tab = await open_tab(server.url, alice)
    await tab.say("hello")
    await tab.state("completed")
    title = tab.threads.first
    # A title that couldn't be changed.
    await fail_once(tab, "**/api/threads/*")
    await tab.page.locator(".thread a").first.focus()
    await tab.page.keyboard.press("F2")
    await tab.page.keyboard.type("another title")
    await tab.page.keyboard.press("Enter")
    alert = tab.page.get_by_role("alert")
    await expect(alert).to_have_text("The database is awayTry again")
    await expect(title).to_have_text("hello")
    await alert.get_by_role("button", name="Try again").click()
    await expect(title).to_have_text("another title")
    await expect(alert).to_have_count(0)


async def test_a_conversation_that_could_not_be_loaded_says_so_in_its_place(
    server: RunningServer, open_tab: OpenTab
) -> None:
    alice = await server.person()
    tab = await open_tab(server.url, alice)
    await tab.say("hello")
    await tab.state("completed")
    await tab.page.get_by_role("link", name="New conversation").click()
    path = await tab.page.locator(".thread a").first.get_attribute("href")
    other = await open_tab(server.url, alice)
    await fail_once(other, "**/api/threads/*?*")
    assert path is not None
    await other.page.locator(".thread a").first.click()
    await expect(other.page.get_by_text("The database is away")).to_have_count(1)
    await other.page.get_by_role("button", name="Try again").click()
    await expect(other.turns).to_have_count(1)
    await expect(other.page.get_by_text("The database is away")).to_have_count(0)


@pytest.mark.parametrize("width", WIDTHS)
async def test_an_empty_page_has_one_axis_and_its_composer_in_the_middle(
    server: RunningServer, open_tab: OpenTab, width: int
) -> None:
    tab = await open_tab(server.url, await server.person(), viewport={"width": width, "height": 800})
    stage = await box(tab.page.locator(".stage"))
    middle = stage["x"] + stage["width"] / 2
    for part in (".welcome", ".composer", ".examples"):
        at = await box(tab.page.locator(part))
        assert abs(at["x"] + at["width"] / 2 - middle) < 2, part
    composer = await box(tab.page.locator(".composer"))
    assert 250 < composer["y"] + composer["height"] / 2 < 550


async def test_the_composer_says_something_only_where_there_is_something(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    help_line = tab.page.locator("#composer-help")
    await expect(help_line).to_have_count(0)
    send = tab.page.get_by_role("button", name="Send", exact=True)
    quiet = await send.evaluate("(button) => getComputedStyle(button).backgroundColor")
    await tab.composer.fill(stage.script([Text("Well"), Hang()]))
    assert await send.evaluate("(button) => getComputedStyle(button).backgroundColor") != quiet
    await tab.composer.press("Enter")
    await expect(help_line).to_have_text("Esc stops the agent")
    await tab.page.keyboard.press("Escape")
    await tab.state("stopped")
    await expect(help_line).to_have_count(0)


async def test_code_has_its_own_face_and_what_is_cut_fades(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("```python\n" + "wide " * 80 + "\n```\n\n```python\nnarrow\n```")]))
    await tab.state("completed")
    code = tab.answer.locator(".code code").first
    await expect(code).to_have_css("font-size", "13.504px")
    await tab.page.evaluate("() => document.fonts.ready")
    faces = "() => [...document.fonts].filter((face) => face.status === 'loaded').map((face) => face.family)"
    assert any("Plex Mono" in face for face in await tab.page.evaluate(faces))
    cut = """(part) => {
        const style = getComputedStyle(part.querySelector('.scrolling') ?? part);
        return [style.getPropertyValue('--cut-start'), style.getPropertyValue('--cut-end')];
    }"""
    wide, narrow = tab.answer.locator(".code").first, tab.answer.locator(".code").last
    assert await wide.evaluate(cut) == ["0px", "40px"]
    assert await narrow.evaluate(cut) == ["0px", "0px"]
    await wide.locator(".scrolling").evaluate("(part) => (part.scrollLeft = part.scrollWidth)")

    async def turned() -> bool:
        return await wide.evaluate(cut) == ["40px", "0px"]

    await tab.until(turned, "the other edge cut")


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
async def test_details_open_in_a_glance_or_at_once(stage: Stage, open_tab: OpenTab, motion: str) -> None:
    tab = await open_tab(stage.server.url, stage.alice, reduced_motion=motion)
    await tab.say(
        stage.script([ToolCall("look", {"at": "it"})], [Text("Seen.\n\n" + "| a | b |\n|---|---|\n| 1 | 2 |")])
    )
    await tab.state("completed")
    tool = tab.turns.last.locator(".step.tool")
    await tool.locator("summary").click()
    lasting = await tool.evaluate(
        "(step) => getComputedStyle(step.querySelector('details'), '::details-content').transitionDuration"
    )
    assert lasting.split(", ")[0] == ("0s" if motion == "reduce" else "0.12s")
    if motion == "reduce":
        assert await tab.page.evaluate("() => document.getAnimations().length") == 0
    await expect(tool.locator("dd").last).to_be_visible()


async def test_one_conversation_has_one_word(stage: Stage, open_tab: OpenTab) -> None:
    """Programs have threads; people have conversations, messages and answers."""
    tab = await open_tab(stage.server.url, stage.alice)
    seen: list[str] = []

    async def look() -> None:
        seen.append(await tab.page.evaluate("() => document.body.innerText"))
        seen.append(
            await tab.page.evaluate(
                "() => [...document.querySelectorAll('[aria-label], [title], [placeholder]')].map((each) =>"
                " [each.ariaLabel, each.title, each.placeholder].join(' ')).join('\\n')"
            )
        )

    await look()
    await tab.say(stage.script([ToolCall("look", {"at": "it"})], [Text("Seen."), Hang()]))
    await tab.answered("Seen.")
    other = await open_tab(stage.server.url, beside=tab, path=tab.page.url.removeprefix(stage.server.url))
    await other.composer.fill("meanwhile")
    await look()
    await tab.page.keyboard.press("Escape")
    await tab.state("stopped")
    await tab.open("/settings")
    await expect(tab.page.get_by_role("heading", name="Settings")).to_be_visible()
    await asyncio.sleep(0)
    await look()
    for word in ("thread", "chat"):
        assert not [text for text in seen if word in f" {text} ".lower()], word


async def test_a_table_from_right_to_left_stands_and_fades_on_that_side(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    narrow = "| עמוד | b |\n|---|---|\n| ת | 2 |"
    wide = "| " + " | ".join(f"עמודה{number}" for number in range(30)) + " |\n|" + "---|" * 30 + "\n| א |"
    await tab.say(stage.script([Text(narrow + "\n\n" + wide)]))
    await tab.state("completed")
    around, table = await box(tab.answer), await box(tab.answer.locator("table").first)
    assert abs(around["x"] + around["width"] - table["x"] - table["width"]) < 2
    mask = await tab.answer.locator(".scrolling").last.evaluate("(part) => getComputedStyle(part).maskImage")
    assert "to left" in mask


async def test_a_hit_that_is_folded_away_is_opened_and_seen(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("some line\n\n" * 60 + "and line marzipan\n\n" + "some line\n\n" * 60)]))
    await tab.state("completed")
    await tab.say("line\n" * 300 + "zanzibar")
    await tab.state("completed")
    for words in ("line marzipan", "line zanzibar"):
        await tab.page.get_by_role("button", name="Find in this conversation").click()
        await tab.page.get_by_role("searchbox", name="Find in this conversation").fill(words)
        rare = words.split()[1]

        async def seen(rare: str = rare) -> bool:
            return await tab.page.evaluate(
                """(word) => [...(CSS.highlights.get('found-current') ?? [])].some((range) => {
                    const view = document.querySelector('.view').getBoundingClientRect();
                    const box = range.getBoundingClientRect();
                    const inside = box.top >= view.top && box.bottom <= view.bottom;
                    return range.toString() === word && box.height > 0 && inside;
                })""",
                rare,
            )

        await tab.until(seen, f"{rare} in view")
        await tab.page.keyboard.press("Escape")


async def test_the_button_to_the_end_leaves_the_keyboard_where_one_writes(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("line\n\n" * 100)]))
    await tab.state("completed")
    await tab.page.mouse.move(640, 300)
    await tab.page.mouse.wheel(0, -600)
    await tab.page.get_by_role("button", name="To the latest").click()
    await expect(tab.composer).to_be_focused()
