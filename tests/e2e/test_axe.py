"""axe-core on every page and state: nothing serious or moderate, in light and dark, wide and narrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Hang, Status, Text, Thinking, ToolCall
from tests.harness.stage import Stage

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
MARKDOWN = """#### Deep

text

# Title

### Below

- [x] done

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1
```

> quoted

[link](https://example.org)
"""


async def check(tab: Tab, state: str) -> None:
    session = await tab.page.context.new_cdp_session(tab.page)
    # Not as a script of the page: its policy would refuse it.
    await session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    found: dict[str, Any] = await tab.page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    serious = [
        f"{each['id']} ({each['impact']}): {[node['target'] for node in each['nodes']]}"
        f" {each['nodes'][0].get('failureSummary', '')}"
        for each in found["violations"]
        if each["impact"] in {"moderate", "serious", "critical"}
    ]
    assert serious == [], f"in {state}"
    assert found["passes"] or found["incomplete"] is not None


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
async def test_nothing_serious(stage: Stage, open_tab: OpenTab, colours: str, width: int) -> None:
    options = {"color_scheme": colours, "viewport": {"width": width, "height": 800}, "reduced_motion": "reduce"}
    out = await open_tab(stage.server.url, path=None, **options)
    await out.open("/sign-in")
    await expect(out.page.get_by_role("button", name="Sign in")).to_be_visible()
    await check(out, "sign-in")
    await out.page.get_by_label("E-mail address").fill("nobody@example.org")
    await out.page.get_by_label("Password").fill("nothing")
    await out.page.keyboard.press("Enter")
    await expect(out.page.get_by_role("alert")).to_be_visible()
    await check(out, "sign-in refused")

    tab = await open_tab(stage.server.url, stage.alice, **options)
    await check(tab, "empty")
    await tab.say(stage.script([Thinking("hm"), ToolCall("look", {"at": "it"})], [Text(MARKDOWN)]))
    await tab.state("completed")
    for summary in await tab.turns.last.locator("summary").all():
        await summary.click()
    await check(tab, "a completed run")
    await tab.say(stage.script([Text("on the way"), Hang()]))
    await tab.answered("on the way")
    await tab.composer.fill("next")
    await check(tab, "a run at work")
    await tab.composer.press("Enter")
    await tab.state("queued")
    await check(tab, "a queued run")
    await tab.page.keyboard.press("Escape")
    await tab.state("stopped")
    await check(tab, "a stopped run")
    await tab.say(stage.script([Status(400, {"error": {"message": "no"}})]))
    await tab.state("failed")
    await check(tab, "a failed run")

    await tab.page.get_by_role("button", name="Find in this conversation").click()
    await tab.page.get_by_role("searchbox", name="Find in this conversation").fill("way")
    await expect(tab.page.get_by_text("1 of 1")).to_be_visible()
    await check(tab, "find")
    await tab.page.get_by_role("button", name="Close the search").click()

    if width < 768:
        await tab.page.get_by_role("button", name="Show the list of conversations").click()
    await tab.page.get_by_role("searchbox").fill("way")
    await expect(tab.page.get_by_text("In messages")).to_be_visible()
    await check(tab, "search")
    await tab.page.get_by_role("searchbox").fill("")
    await tab.threads.first.focus()
    await tab.page.locator(".thread a").first.press("F2")
    await expect(tab.page.get_by_label("Title")).to_be_visible()
    await check(tab, "rename")
    await tab.page.keyboard.press("Escape")
    await tab.page.get_by_role("button", name="More for").first.click()
    await expect(tab.page.get_by_role("menu")).to_be_visible()
    await check(tab, "menu")
    await tab.page.get_by_role("menuitem", name="Pin").click()
    await tab.page.get_by_role("button", name="Archive", exact=True).click()
    await expect(tab.page.get_by_text("Nothing is archived.")).to_be_visible()
    await check(tab, "pinned, and the archive")
    await tab.page.locator(".thread a").first.press("Delete")
    await expect(tab.page.get_by_role("button", name="Undo")).to_be_visible()
    await check(tab, "undo")
    await tab.page.get_by_role("button", name="Undo").click()
    await tab.open("/settings")
    await expect(tab.page.get_by_text("this browser")).to_be_visible()
    await tab.page.get_by_role("button", name="Delete my account").click()
    await check(tab, "settings")
    async with stage.server.http(stage.alice) as http:
        await http.post("/api/auth/sessions/revoke-all")
    await expect(tab.page.get_by_role("dialog")).to_be_visible()
    await check(tab, "an ended session")
