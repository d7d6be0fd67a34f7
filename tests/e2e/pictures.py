"""Take the pictures of the documentation: `make images`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser

from tests.e2e.browser import Tab, new_context, new_tab, open_browser
from tests.fakes.model_server import FakeModelServer, Hang, Pause, Text, Thinking, ToolCall
from tests.harness.server import Person, RunningServer, running_server

IMAGES = Path(__file__).parents[2] / "docs" / "images"

PLAN = """The three cheapest connections on Friday, with one change at most:

| train | leaves | arrives | price |
|---|--:|--:|--:|
| night express | 21:04 | 06:12 | 79 € |
| early bird | 05:38 | 12:55 | 64 € |
| slow and steady | 08:10 | 18:47 | 41 € |

The night express saves a hotel. A reminder for your calendar:

```python
from datetime import date, timedelta

def remind(day: date, days_before: int = 2) -> date:
    \"\"\"When to look at the timetable again.\"\"\"
    return day - timedelta(days=days_before)
```
"""


async def picture(tab: Tab, name: str) -> None:
    await tab.page.mouse.move(700, 5)
    await tab.page.evaluate("() => document.fonts.ready")
    await tab.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    print(f"docs/images/{name}.png")


async def signed_in(browser: Browser, server: RunningServer, person: Person, **options: object) -> Tab:
    context = await new_context(browser, server.url, person, locale="en-GB", **options)
    return await new_tab(context, server.url)


async def offline(browser: Browser, folder: Path) -> None:
    async with running_server(folder) as server:
        alice = await server.person()
        context = await new_context(browser, server.url, None, locale="en-GB")
        out = await new_tab(context, server.url, None)
        await out.open("/sign-in")
        await out.page.get_by_role("button", name="Sign in").wait_for()
        await picture(out, "sign-in")

        await server.services.registry.start(alice.user_id, "netra login")
        _, token = await server.services.registry.start(
            alice.user_id, await out.page.evaluate("() => navigator.userAgent")
        )
        tab = await signed_in(browser, server, Person(alice.user_id, "", token))
        await picture(tab, "empty")
        for text in ("what is 17*23, and what time is it in Tokyo?", "note: water the plants on Friday"):
            await tab.say(text)
            await tab.state("completed")
        await tab.page.get_by_role("link", name="New conversation").click()
        await tab.say("count to 30 slowly")
        await tab.until(lambda: holds(tab, "5"), "some counting")
        await tab.page.keyboard.press("Escape")
        await tab.state("stopped")
        await picture(tab, "stopped")
        await tab.open("/settings")
        await tab.page.get_by_text("this browser").wait_for()
        await tab.page.set_viewport_size({"width": 1280, "height": 1420})
        await picture(tab, "settings")


async def holds(tab: Tab, text: str) -> bool:
    return await tab.answer.count() > 0 and text in await tab.answer.inner_text()


async def with_a_model(browser: Browser, folder: Path) -> None:
    async with (
        FakeModelServer() as model,
        running_server(
            folder, agent="tests.fakes.tool_agent:agent", model="openai:gpt-demo", model_base_url=model.base_url
        ) as server,
    ):
        alice = await server.person()
        pieces = [Text(PLAN[start : start + 40]) for start in range(0, len(PLAN), 40)]
        model.queue.extend(
            [
                [Thinking("They want to travel on Friday. "), Pause(2.2), Thinking("First the timetable, then prices."),
                 Text("I'll look at the timetable first."), ToolCall("look", {"at": "timetable for Friday"})],
                [Text("Seven trains. Now the prices."), ToolCall("look", {"at": "prices, one change at most"})],
                [ToolCall("look", {"at": "prices of the night trains"})],
                [*pieces, Hang()],
            ]
        )  # fmt: skip
        tab = await signed_in(browser, server, alice, viewport={"width": 1280, "height": 1040})
        await tab.say("Find me a train to Vienna on Friday, and write a reminder function")
        await tab.until(lambda: holds(tab, "timedelta(days"), "the code")
        await tab.page.locator(".step.tool summary").first.click()
        await picture(tab, "run")
        dark = await signed_in(browser, server, alice, color_scheme="dark")
        await dark.threads.first.click()
        await dark.until(lambda: holds(dark, "timedelta(days"), "the code")
        await picture(dark, "dark")
        hand = {
            "viewport": {"width": 390, "height": 844},
            "device_scale_factor": 2,
            "is_mobile": True,
            "has_touch": True,
        }
        phone = await signed_in(browser, server, alice, **hand)
        await phone.page.get_by_role("button", name="Show the list of conversations").click()
        await phone.threads.first.click()
        await phone.until(lambda: holds(phone, "timedelta(days"), "the code")
        await picture(phone, "phone")


HEBREW = """הנה התוכנית, עם `code` באמצע ו-English בסוף:

1. קודם **לקרוא** את הנתונים
2. אחר כך לנקות

| רכבת | מחיר |
|---|--:|
| לילה | 79 € |
"""
ALMONDS = (
    "Ground almonds, sugar and rose water; the marzipan rests for a night.\n\n```python\nalmonds = 2 * sugar\n```\n"
)


async def walks(browser: Browser, folder: Path) -> None:
    """With the keyboard alone, at 400 %, from right to left, on a phone."""
    async with (
        FakeModelServer() as model,
        running_server(folder, model="openai:gpt-demo", model_base_url=model.base_url) as server,
    ):
        alice = await server.person()
        model.queue.extend([[Text(ALMONDS)], [Text(HEBREW)]])
        tab = await signed_in(browser, server, alice, viewport={"width": 1000, "height": 560})
        await tab.say("How is marzipan made?")
        await tab.state("completed")
        await tab.page.keyboard.press("Control+k")
        await tab.page.keyboard.type("marzi")
        await tab.page.get_by_role("list", name="Messages found").get_by_role("link").first.press("Enter")
        await tab.page.get_by_text("of 2").wait_for()
        await picture(tab, "find")
        await tab.page.keyboard.press("Control+k")
        await tab.page.keyboard.press("Delete")
        row = tab.page.locator(".thread a").first
        await row.focus()
        await tab.page.keyboard.press("Tab")
        await tab.page.keyboard.press("Enter")
        await picture(tab, "walk-keyboard")
        await tab.page.keyboard.press("Escape")
        large = await signed_in(browser, server, alice, viewport={"width": 320, "height": 256}, device_scale_factor=4)
        await large.open(tab.page.url.removeprefix(server.url).partition("?")[0])
        await large.state("completed")
        await picture(large, "at-400-percent")
        right = await signed_in(browser, server, alice, viewport={"width": 800, "height": 560})
        await right.say("מה התוכנית ליום שישי? (Friday)")
        await right.state("completed")
        await picture(right, "walk-right-to-left")
        phone = await signed_in(
            browser, server, alice, viewport={"width": 375, "height": 640}, is_mobile=True, has_touch=True
        )
        await phone.page.get_by_role("button", name="Show the list of conversations").click()
        await phone.page.get_by_role("button", name="More for").last.click()
        await picture(phone, "phone-menu")


async def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with open_browser() as browser:
            await offline(browser, Path(folder) / "offline")
            await with_a_model(browser, Path(folder) / "model")
            await walks(browser, Path(folder) / "walks")


if __name__ == "__main__":
    asyncio.run(main())
