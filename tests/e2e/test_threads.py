"""The list of conversations: rename, delete with undo, search, what is unread; and a very long one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from playwright.async_api import expect

from netra_backend.app.event_log.user_log import UserTransaction
from tests.e2e.conftest import OpenTab
from tests.e2e.long_talk import answer, long_talk
from tests.fakes.model_server import Text, WaitFor
from tests.harness.server import RunningServer
from tests.harness.stage import Stage


async def test_rename_shows_in_every_tab_and_lasts(server: RunningServer, open_tab: OpenTab) -> None:
    tab = await open_tab(server.url, await server.person())
    other = await open_tab(server.url, beside=tab)
    await tab.say("what is 6*7?")
    await tab.state("completed")
    row = tab.page.locator(".thread")
    await row.hover()
    await row.get_by_role("button", name="More").click()
    await tab.page.get_by_role("menuitem", name="Rename").click()
    await tab.page.get_by_label("Title").fill("The answer")
    await tab.page.keyboard.press("Enter")
    await expect(other.threads).to_have_text(["The answer"])
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("The answer")
    await tab.page.reload()
    await expect(tab.threads).to_have_text(["The answer"])


async def test_delete_can_be_undone_and_then_is_for_good(server: RunningServer, open_tab: OpenTab) -> None:
    tab = await open_tab(server.url, await server.person())
    other = await open_tab(server.url, beside=tab)
    await tab.page.clock.install()
    await tab.say("note: the kept one")
    await tab.state("completed")
    row = tab.page.locator(".thread")
    for undo in (True, False):
        await row.hover()
        await row.get_by_role("button", name="More").click()
        await tab.page.get_by_role("menuitem", name="Delete").click()
        await expect(tab.threads).to_have_count(0)
        await expect(other.threads).to_have_count(1)
        if undo:
            await tab.page.get_by_role("button", name="Undo").click()
            await expect(tab.threads).to_have_count(1)
    await tab.page.clock.run_for(10_000)
    await expect(other.threads).to_have_count(0)
    await expect(tab.page.get_by_role("button", name="Undo")).to_be_hidden()


async def test_a_page_that_goes_away_deletes_at_once(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    tab = await open_tab(server.url, alice)
    other = await open_tab(server.url, beside=tab)
    await tab.say("note: short lived")
    await tab.state("completed")
    row = tab.page.locator(".thread")
    await row.hover()
    await row.get_by_role("button", name="More").click()
    await tab.page.get_by_role("menuitem", name="Delete").click()
    await expect(tab.threads).to_have_count(0)
    await tab.page.close(run_before_unload=False)
    await expect(other.threads).to_have_count(0)


async def test_search_finds_titles_and_messages(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    said = stage.script([Text("the marzipan palace")])
    await tab.say(said)
    await tab.state("completed")
    await tab.page.get_by_role("link", name="New conversation").click()
    await tab.say("something else tokens=2")
    await tab.state("completed")
    await expect(tab.threads).to_have_count(2)

    search = tab.page.get_by_role("searchbox", name="Search your conversations")
    await search.fill("marzipan")
    hit = tab.page.get_by_role("list", name="Messages found").get_by_role("link")
    await expect(hit).to_have_count(1)
    await hit.click()
    await tab.answered("the marzipan palace")
    await expect(search).to_be_editable()

    async def searched() -> bool:
        # Opening the hit may still be clearing the field while this types.
        await search.fill("something")
        return await search.input_value() == "something" and await tab.threads.count() == 1

    await tab.until(searched, "the search is typed, and finds one thread")
    await expect(tab.threads).to_have_count(1)
    await search.fill("zzz")
    await expect(tab.page.get_by_text("Nothing found.")).to_be_visible()


async def test_unread_while_another_threads_agent_works(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    go_on = asyncio.Event()
    await tab.say(stage.script([Text("slow "), WaitFor(go_on), Text("answer")]))
    await tab.answered("slow")
    await tab.page.get_by_role("link", name="New conversation").click()
    row = tab.page.locator(".thread")
    await expect(row.get_by_text("the agent works")).to_be_attached()
    go_on.set()
    await expect(row.get_by_text("unread")).to_be_attached()
    await tab.page.reload()
    await expect(row.get_by_text("unread")).to_be_attached()
    await tab.threads.first.click()
    await tab.answered("slow answer")
    await expect(row.get_by_text("unread")).to_have_count(0)


async def test_export_gives_a_file(server: RunningServer, open_tab: OpenTab, tmp_path: Path) -> None:
    tab = await open_tab(server.url, await server.person())
    await tab.say("what is 6*7?")
    await tab.state("completed")
    await tab.page.get_by_role("link", name="settings").click()
    async with tab.page.expect_download() as downloading:
        await tab.page.get_by_role("link", name="Export as JSON").click()
    await (await downloading.value).save_as(tmp_path / "export.json")
    exported = json.loads((tmp_path / "export.json").read_text())
    assert exported["threads"][0]["messages"][0]["text"] == "what is 6*7?"


TURNS = 1_000


def fill(tx: UserTransaction) -> str:
    """A thread of 2,000 messages."""
    return long_talk(tx, "A long one", ((f"question {number}", answer(number)) for number in range(TURNS)))


async def test_two_thousand_messages_are_a_window(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    thread = await server.services.log.commit(alice.user_id, fill)
    tab = await open_tab(server.url, alice, f"/t/{thread}")
    view = tab.page.get_by_role("log")
    await expect(tab.page.get_by_text(f"question {TURNS - 1}", exact=True)).to_be_in_viewport()
    assert await tab.turns.count() < 60

    async def at_the_beginning() -> bool:
        await view.evaluate("(view) => { view.scrollTop -= 5000; }")
        return await tab.page.get_by_text("question 0", exact=True).count() > 0

    await tab.until(at_the_beginning, "the beginning of the thread")
    await view.evaluate("(view) => { view.scrollTop = 0; }")
    await expect(tab.page.get_by_text("question 0", exact=True)).to_be_in_viewport()
    assert await tab.turns.count() < 60
    await tab.page.get_by_role("button", name="To the latest").click()
    await expect(tab.page.get_by_text(f"question {TURNS - 1}", exact=True)).to_be_in_viewport()


async def test_what_is_read_stays_where_it_is_while_an_answer_grows(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("line\n\n" * 120)]))
    await tab.state("completed")
    go_on = asyncio.Event()
    await tab.say(stage.script([Text("more "), WaitFor(go_on), Text("\n\nand more" * 200)]))
    await tab.answered("more")
    view = tab.page.get_by_role("log")
    await tab.page.mouse.move(640, 300)
    await tab.page.mouse.wheel(0, -1500)
    latest = tab.page.get_by_role("button", name="To the latest")
    await expect(latest).to_be_visible()
    first = tab.turns.first.locator(".markdown")
    box = await first.bounding_box()
    go_on.set()
    await tab.state("completed")
    assert await first.bounding_box() == box
    await latest.click()
    await expect(latest).to_be_hidden()
    assert await view.evaluate("(view) => view.scrollHeight - view.clientHeight - view.scrollTop") < 50
