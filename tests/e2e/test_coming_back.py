"""Reload, lost servers, several tabs and people: everything goes on where it was, once, and only for whom it is."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from playwright.async_api import Browser, expect

from tests.e2e.browser import new_context, new_tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import FakeModelServer, Hang, Text, Thinking, WaitFor
from tests.harness.process import ServerProcess, people
from tests.harness.stage import Stage


async def test_a_reload_mid_answer_goes_on_where_it_was(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    first, second = asyncio.Event(), asyncio.Event()
    await tab.say(
        stage.script(
            [Thinking("Let me see."), Text("one two "), WaitFor(first), Text("three "), WaitFor(second), Text("four")]
        )
    )
    await tab.answered("one two")
    await tab.composer.fill("typed before the reload")

    await tab.page.reload()
    await tab.ready()
    await tab.answered("one two")
    await expect(tab.turns.last.locator(".step.thinking")).to_be_visible()
    await expect(tab.composer).to_have_value("typed before the reload")
    first.set()
    await tab.answered("one two three")
    await tab.page.reload()
    await tab.ready()
    second.set()
    await tab.state("completed")
    await tab.answered("one two three four")
    await expect(tab.turns).to_have_count(1)
    assert await tab.violations() == 0


async def test_a_server_killed_mid_answer_comes_back(browser: Browser, model: FakeModelServer, tmp_path: Path) -> None:
    (alice,) = await people(tmp_path / "data", "alice")
    settings = {"model": "openai:fake", "model_base_url": model.base_url}
    async with ServerProcess(tmp_path / "data", **settings) as server:
        await server.start()
        context = await new_context(browser, server.url, alice)
        tab = await new_tab(context, server.url)
        # The browser logs every refused connection while there is nobody to connect to.
        tab.expected += ["Failed to load resource", "WebSocket connection"]
        hang = Hang()
        model.scripts["long"] = [[Text("half of "), Text("it"), hang]]
        await tab.say("script:long")
        await tab.answered("half of it")

        await server.kill9()
        banner = tab.page.locator(".banner")
        await expect(banner).to_contain_text("The connection was lost.")
        await tab.composer.fill("typed while it was away")
        await tab.answered("half of it")

        await server.start()
        await tab.ready()
        await expect(banner).to_have_text("")
        await tab.state("failed")
        await tab.answered("half of it")
        await expect(tab.composer).to_have_value("typed while it was away")
        await expect(tab.turns).to_have_count(1)

        model.scripts["long"] = [[Text("the whole of it")]]
        await tab.turns.last.get_by_role("button", name="Try again").click()
        await expect(tab.turns.last.locator(".earlier")).to_have_count(1)
        await expect(tab.turns).to_have_count(1)
        await tab.state("completed")
        await tab.answered("the whole of it")
        assert await tab.violations() == 0
        tab.calm()
        await context.close()


async def test_a_message_sent_while_the_server_is_away_arrives_once(
    browser: Browser, model: FakeModelServer, tmp_path: Path
) -> None:
    (alice,) = await people(tmp_path / "data", "alice")
    async with ServerProcess(tmp_path / "data", model="openai:fake", model_base_url=model.base_url) as server:
        await server.start()
        context = await new_context(browser, server.url, alice)
        tab = await new_tab(context, server.url)
        tab.expected += ["Failed to load resource", "WebSocket connection"]
        await server.kill9()
        # Its words change as it tries again; that something is wrong is said all the while.
        await expect(tab.page.locator(".banner")).to_be_visible()
        await tab.say("tokens=3")
        await expect(tab.page.get_by_text("Sending …")).to_be_visible()
        await server.start()
        await tab.state("completed")
        await tab.answered("w0 w1 w2")
        await expect(tab.turns).to_have_count(1)
        assert [request.said for request in model.requests] == ["tokens=3"]
        tab.calm()
        await context.close()


async def test_two_tabs_agree(stage: Stage, open_tab: OpenTab) -> None:
    left = await open_tab(stage.server.url, stage.alice)
    right = await open_tab(stage.server.url, beside=left)
    await left.say(stage.script([Text("for both"), Hang()]))
    await left.answered("for both")
    await right.threads.first.click()
    await right.answered("for both")
    await expect(right.page.get_by_role("button", name="Stop the agent")).to_be_visible()

    await right.page.keyboard.press("Escape")
    for tab in (left, right):
        await tab.state("stopped")
        await tab.answered("for both")
        await expect(tab.page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    await right.say(stage.script([Text("and back")]))
    for tab in (left, right):
        await expect(tab.turns).to_have_count(2)
        await tab.state("completed")
        await tab.answered("and back")
        assert await tab.violations() == 0


async def test_two_people_see_nothing_of_each_other(stage: Stage, open_tab: OpenTab) -> None:
    bob = await stage.server.person("bob")
    hers = await open_tab(stage.server.url, stage.alice)
    his = await open_tab(stage.server.url, bob)
    go_on = asyncio.Event()
    await hers.say(stage.script([Text("alice's answer"), WaitFor(go_on)]))
    await his.say(stage.script([Text("bob's answer")]))
    await hers.answered("alice's answer")
    await his.state("completed")
    go_on.set()
    await hers.state("completed")
    await expect(his.threads).to_have_count(1)
    assert "alice" not in await his.page.inner_text("body")
    assert "bob" not in await hers.page.inner_text("body")

    # Another's thread by its address is one that isn't there.
    path = hers.page.url.removeprefix(stage.server.url)
    his.expected.append("status of 404")
    await his.open(path)
    await expect(his.page.get_by_role("alert").first).to_contain_text(re.compile("no such thread", re.I))


async def test_a_gap_is_a_line_with_load(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("before")]))
    await tab.state("completed")
    # Meanwhile the log became another one, as after a restored backup.
    await tab.page.evaluate("() => { netra.close(); netra.cursor = { epoch: 'another', seq: 3 }; }")
    async with stage.server.http(stage.alice) as http:
        thread = tab.page.url.rsplit("/", 1)[-1]
        said = stage.script([Text("meanwhile")])
        body = {"text": said, "client_message_id": "elsewhere"}
        (await http.post(f"/api/threads/{thread}/messages", json=body)).raise_for_status()
    await tab.page.evaluate("() => netra.start()")

    load = tab.page.get_by_role("button", name="Load")
    await expect(load).to_be_visible()
    await load.click()
    await expect(load).to_be_hidden()
    await expect(tab.turns).to_have_count(2)
    await tab.answered("meanwhile")
