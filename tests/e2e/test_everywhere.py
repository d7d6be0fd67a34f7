"""On a phone, in the dark, enlarged, without motion, and without a mouse."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Hang, Text, WaitFor
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
    await tab.page.get_by_role("radio", name="As the system").check()
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
