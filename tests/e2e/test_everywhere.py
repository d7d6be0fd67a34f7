"""On a phone, in the dark, enlarged, without motion, and without a mouse."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Hang, Text, Thinking, ToolCall, WaitFor
from tests.harness.server import RunningServer
from tests.harness.stage import Stage

PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}
WIDE = "| " + " | ".join(f"column {n}" for n in range(12)) + " |\n" + "|---" * 12 + "|\n" + "| value " * 12 + "|\n"


async def fits(tab: Tab) -> bool:
    """Whether nothing needs scrolling sideways."""
    return await tab.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


async def test_on_a_phone(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice, **PHONE)
    await tab.say(stage.script([Text(f"A table:\n\n{WIDE}\n\n```\n{'long ' * 60}\n```\n\n{'w' * 300}")]))
    await tab.state("completed")
    assert await fits(tab)

    await tab.page.get_by_role("button", name="Show the list of conversations").click()
    await expect(tab.threads).to_be_in_viewport()
    assert await fits(tab)
    await tab.page.get_by_role("link", name="New conversation").click()
    await expect(tab.threads).not_to_be_in_viewport()
    hang = Hang()
    await tab.say(stage.script([Text("to be stopped"), hang]))
    await tab.answered("to be stopped")
    await tab.page.get_by_role("button", name="Stop the agent").click()
    await tab.state("stopped")
    await tab.open("/settings")
    await expect(tab.page.get_by_role("heading", name="Settings")).to_be_visible()
    assert await fits(tab)


async def test_twice_as_large_nothing_is_lost(server: RunningServer, open_tab: OpenTab) -> None:
    # 200 % zoom of a 1280-pixel window is a 640-pixel one.
    tab = await open_tab(
        server.url, await server.person(), viewport={"width": 640, "height": 400}, device_scale_factor=2
    )
    await tab.say("what is 6*7?")
    await tab.state("completed")
    await expect(tab.answer).to_be_in_viewport()
    await expect(tab.composer).to_be_in_viewport()
    assert await fits(tab)


@pytest.mark.parametrize("height", [256, 225])
async def test_four_times_as_large_most_of_the_window_is_for_reading(
    stage: Stage, open_tab: OpenTab, height: int
) -> None:
    # 400 % zoom of a 1280-pixel window is a 320-pixel one (WCAG 1.4.10).
    options = {"viewport": {"width": 320, "height": height}, "device_scale_factor": 4}
    tab = await open_tab(stage.server.url, stage.alice, **options)
    examples = tab.page.get_by_role("list", name="Things to try").get_by_role("button")
    for element in (tab.page.get_by_role("heading", name="What shall we do?"), tab.composer, examples.last):
        if await element.count() > 0:
            await element.scroll_into_view_if_needed()
            await expect(element).to_be_in_viewport(ratio=0.9)
    await tab.say(stage.script([Text("words and more words " * 60)]))
    await tab.state("completed")
    assert await fits(tab)
    view = await tab.page.get_by_role("log").bounding_box()
    assert view is not None
    assert view["height"] > height / 2
    await expect(tab.composer).to_be_in_viewport(ratio=1)
    await tab.composer.fill("line\n" * 40)
    view = await tab.page.get_by_role("log").bounding_box()
    assert view is not None
    assert view["height"] > height / 4
    await expect(tab.page.get_by_role("button", name="Send", exact=True)).to_be_in_viewport(ratio=1)
    await tab.page.get_by_role("button", name="Find in this conversation").click()
    await tab.page.get_by_role("searchbox", name="Find in this conversation").fill("more")
    await expect(tab.page.get_by_text("1 of 1")).to_be_in_viewport()
    await tab.page.get_by_role("button", name="Close the search").click()
    await tab.page.get_by_role("button", name="Show the list of conversations").click()
    for element in (tab.threads.last, tab.page.get_by_role("link", name="settings"), tab.page.get_by_role("searchbox")):
        await element.scroll_into_view_if_needed()
        await expect(element).to_be_in_viewport(ratio=0.9)
    await tab.open("/settings")
    for element in (tab.page.get_by_role("heading", name="Settings"), tab.page.get_by_role("button", name="Delete my")):
        await element.scroll_into_view_if_needed()
        await expect(element).to_be_in_viewport(ratio=0.9)
    assert await fits(tab)


SMALL = """() => [...document.querySelectorAll('button, a[href], summary, input:not([type=radio]), textarea')]
    .filter((each) => each.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
    .filter((each) => !each.closest('.markdown p, .markdown li, .skip, .unseen, [inert]'))
    .map((each) => [each, each.getBoundingClientRect()])
    .filter(([each, box]) => box.width > 0 && (box.height < 43.5 || box.width < 43.5))
    .map(([each, box]) => `${each.outerHTML.slice(0, 120)} is ${Math.round(box.width)} x ${Math.round(box.height)}`)"""


async def test_what_a_finger_presses_is_as_large_as_one(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice, **PHONE)
    assert await tab.page.evaluate(SMALL) == [], "empty"
    await tab.say(
        stage.script([Thinking("hm"), ToolCall("look", {"at": "it"})], [Text("# A\n\n```python\nx = 1\n```\n\nend")])
    )
    await tab.state("completed")
    assert await tab.page.evaluate(SMALL) == [], "an answer"
    await tab.say("long\n" * 60)
    await tab.say(stage.script([Text("on the way"), Hang()]))
    await expect(tab.page.get_by_role("button", name="Stop the agent")).to_be_visible()
    await tab.composer.fill("next")
    assert await tab.page.evaluate(SMALL) == [], "a run at work"
    await tab.page.keyboard.press("Escape")
    await tab.page.get_by_role("button", name="Find in this conversation").click()
    assert await tab.page.evaluate(SMALL) == [], "find"
    await tab.page.get_by_role("button", name="Close the search").click()
    await tab.page.get_by_role("button", name="Show the list of conversations").click()
    await expect(tab.threads.first).to_be_in_viewport()
    assert await tab.page.evaluate(SMALL) == [], "the list"
    await tab.page.get_by_role("button", name="More for").first.click()
    assert await tab.page.evaluate(SMALL) == [], "a menu"
    await tab.page.get_by_role("menuitem", name="Delete").click()
    await expect(tab.page.get_by_role("button", name="Undo")).to_be_visible()
    assert await tab.page.evaluate(SMALL) == [], "undo"
    await tab.open("/settings")
    await expect(tab.page.get_by_text("this browser")).to_be_visible()
    await tab.page.get_by_role("button", name="Delete my account").click()
    assert await tab.page.evaluate(SMALL) == [], "settings"


async def test_each_thing_is_announced_once(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.page.evaluate(
        """() => {
            window.told = [];
            const region = document.querySelector('.frame > .unseen[role=status]');
            new MutationObserver((records) => {
                for (const record of records) for (const node of record.addedNodes) told.push(node.textContent);
            }).observe(region, { childList: true });
        }"""
    )
    go_on = [asyncio.Event() for _ in range(3)]
    await tab.say(
        stage.script(
            [WaitFor(go_on[0]), ToolCall("look", {"at": "a"})],
            [WaitFor(go_on[1]), ToolCall("look", {"at": "b"})],
            [WaitFor(go_on[2]), *[Text(f"word {n} ") for n in range(20)]],
        )
    )
    wanted = ["The agent is at work."]
    for event in go_on:
        await tab.page.wait_for_function("(wanted) => told.join() === wanted", arg=",".join(wanted))
        event.set()
        wanted.append("Using look")
    await tab.state("completed")
    told_at_last = await tab.page.evaluate("() => told")
    assert told_at_last[:3] == ["The agent is at work.", "Using look", "Using look"]
    assert len(told_at_last) == 4
    assert told_at_last[3].startswith("Answer finished. word 0")


async def test_the_first_key_skips_the_list(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("an answer")]))
    await tab.state("completed")
    await tab.page.reload()
    await tab.ready()
    await tab.state("completed")
    await tab.page.evaluate("() => { document.activeElement.blur(); getSelection().removeAllRanges(); }")
    await tab.page.evaluate("() => document.querySelector('.skip').focus()")
    await expect(tab.page.get_by_role("link", name="Skip to the conversation")).to_be_in_viewport()
    assert await tab.page.evaluate("() => document.querySelector('a, button, input') === document.activeElement")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("log")).to_be_focused()


async def background(tab: Tab) -> int:
    """How light the page is, from 0 to 255."""
    colour = await tab.page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
    return max(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


async def test_dark_as_the_system_or_as_chosen(server: RunningServer, open_tab: OpenTab) -> None:
    tab = await open_tab(server.url, await server.person(), color_scheme="dark")
    assert await background(tab) < 60
    await tab.open("/settings")
    await tab.page.get_by_role("radio", name="Light").check()
    assert await background(tab) > 200
    await tab.page.reload()
    await tab.ready()
    assert await background(tab) > 200
    await tab.page.get_by_role("radio", name="Dark").check()
    assert await background(tab) < 60
    await tab.page.get_by_role("radio", name="System").check()
    await tab.page.emulate_media(color_scheme="light")
    assert await background(tab) > 200


async def test_without_motion_nothing_moves(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice, reduced_motion="reduce")
    go_on = asyncio.Event()
    await tab.say(stage.script([WaitFor(go_on), Text("there")]))
    await expect(tab.turns.last.get_by_text("Working")).to_be_visible()
    assert await tab.page.evaluate("() => document.getAnimations().length") == 0
    go_on.set()
    await tab.state("completed")


async def focused(tab: Tab) -> str:
    return await tab.page.evaluate(
        "() => document.activeElement === document.body ? ''"
        " : document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
    )


async def tab_to(tab: Tab, name: str, key: str = "Tab") -> None:
    """Press Tab until the focus is on what has this name."""
    for _ in range(60):
        if name in await focused(tab):
            return
        await tab.page.keyboard.press(key)
    raise AssertionError(f"the keyboard never came to {name!r}")


async def test_with_the_keyboard_only(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    keys = tab.page.keyboard
    await expect(tab.composer).to_be_focused()
    hang = Hang()
    await keys.type(stage.script([Text("Begun"), hang]))
    await keys.press("Shift+Enter")
    await keys.type("second line")
    assert (await tab.composer.input_value()).endswith("\nsecond line")
    for _ in range(len("\nsecond line")):
        await keys.press("Backspace")
    await keys.press("Enter")
    await tab.answered("Begun")
    await expect(tab.composer).to_be_focused()
    await keys.press("Escape")
    await tab.state("stopped")
    await expect(tab.composer).to_be_focused()

    await tab_to(tab, "New conversation", "Shift+Tab")
    await keys.press("Tab")
    await keys.press("Tab")
    assert "script:" in await focused(tab)
    await keys.press("F2")
    await expect(tab.page.get_by_label("Title")).to_be_focused()
    await keys.press("Control+A")
    await keys.type("By keyboard")
    await keys.press("Enter")
    await expect(tab.threads).to_have_text(["By keyboard"])
    assert "By keyboard" in await focused(tab)
    await keys.press("Delete")
    await expect(tab.threads).to_have_count(0)
    await expect(tab.composer).to_be_focused()
    await tab_to(tab, "Undo")
    await keys.press("Enter")
    await expect(tab.page.locator(".thread a")).to_be_focused()
    await tab_to(tab, "settings")
    await keys.press("Enter")
    await expect(tab.page.get_by_role("heading", name="Settings")).to_be_visible()
    await tab_to(tab, "Sign out everywhere")
    await tab_to(tab, "Sign out", "Shift+Tab")
