"""Finding: titles on the server, messages where they stand, words inside one conversation; groups, pins, archive."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from playwright.async_api import expect

from netra_backend.app.event_log.user_log import UserTransaction
from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.e2e.long_talk import answer, long_talk
from tests.fakes.model_server import Text
from tests.harness.server import Person, RunningServer
from tests.harness.stage import Stage

TURNS = 400


def fill(tx: UserTransaction) -> str:
    """A conversation of 800 messages; three of them speak of marzipan, most of them out of sight of each other."""

    def turn(number: int) -> tuple[str, str]:
        question = f"question {number}" + (" on marzipan" if number == 390 else "")
        return question, answer(number) + (" and **Marzipan**, twice: marzipan" if number in {17, 200} else "")

    return long_talk(tx, "Ein langes Gespräch", map(turn, range(TURNS)))


async def marked(tab: Tab, name: str = "found-current") -> list[str]:
    """The words that are marked."""
    return await tab.page.evaluate(
        "(name) => [...(CSS.highlights.get(name) ?? [])].map((range) => range.toString())", name
    )


async def in_view(tab: Tab, run: str) -> bool:
    """Whether the first marked word of this turn is in view."""
    return await tab.page.evaluate(
        """(run) => {
            const view = document.querySelector('.view')?.getBoundingClientRect();
            const first = [...(CSS.highlights.get('found-current') ?? [])][0];
            if (view === undefined || first === undefined) return false;
            const box = first.getBoundingClientRect();
            const turn = first.startContainer.parentElement.closest('.turn')?.dataset.run;
            return turn === run && box.top >= view.top && box.bottom <= view.bottom;
        }""",
        run,
    )


async def filled(server: RunningServer) -> tuple[Person, str]:
    alice = await server.person()
    return alice, await server.services.log.commit(alice.user_id, fill)


async def test_a_hit_opens_where_it_stands_and_is_marked(server: RunningServer, open_tab: OpenTab) -> None:
    alice, thread = await filled(server)
    tab = await open_tab(server.url, alice)
    await tab.page.keyboard.press("Control+k")
    search = tab.page.get_by_role("searchbox", name="Search your conversations")
    await expect(search).to_be_focused()
    await search.press_sequentially("marzi")
    hits = tab.page.get_by_role("list", name="Messages found").get_by_role("link")
    await expect(hits).to_have_count(3)
    await expect(hits.first.locator("mark")).to_have_text("marzipan")
    # The oldest, 380 turns above the end.
    await hits.last.click()
    await tab.until(lambda: in_view(tab, "run-0017"), "the hit in view")
    assert await marked(tab) == ["Marzipan", "marzipan"]
    assert re.search(rf"/t/{thread}\?find=marzi", tab.page.url)
    bar = tab.page.get_by_role("search", name="Find in this conversation")
    await expect(bar.get_by_role("status")).to_have_text("1 of 3")
    assert await tab.turns.count() < 60
    # It's the same after a reload, and for whoever gets the address.
    await tab.page.reload()
    await tab.ready()
    await expect(bar.get_by_role("status")).to_contain_text("of 3")


async def test_an_address_with_a_message_opens_there(server: RunningServer, open_tab: OpenTab) -> None:
    alice, thread = await filled(server)
    async with server.http(alice) as http:
        found = (await http.get("/api/search", params={"q": "marzipan", "thread_id": thread})).json()["hits"]
    tab = await open_tab(server.url, alice, f"/t/{thread}?find=marzipan&message={found[1]['message_id']}")
    await tab.until(lambda: in_view(tab, "run-0200"), "the hit in view")


async def test_finding_inside_a_conversation_reaches_what_is_not_in_the_document(
    server: RunningServer, open_tab: OpenTab
) -> None:
    alice, thread = await filled(server)
    tab = await open_tab(server.url, alice, f"/t/{thread}")
    await expect(tab.page.get_by_text("question 399", exact=True)).to_be_in_viewport()
    await tab.page.keyboard.press("Control+f")
    field = tab.page.get_by_role("searchbox", name="Find in this conversation")
    await expect(field).to_be_focused()
    await field.press_sequentially("Marzipan")
    status = tab.page.get_by_role("search").get_by_role("status")
    await expect(status).to_have_text("3 of 3")
    await tab.until(lambda: in_view(tab, "run-0390"), "the newest first")
    await field.press("Enter")
    await expect(status).to_have_text("2 of 3")
    await tab.until(lambda: in_view(tab, "run-0200"), "the one before")
    await field.press("Enter")
    await tab.until(lambda: in_view(tab, "run-0017"), "the oldest")
    await field.press("Enter")
    await tab.until(lambda: in_view(tab, "run-0390"), "around to the newest")
    await field.press("Shift+Enter")
    await tab.until(lambda: in_view(tab, "run-0017"), "and back")
    await field.fill("nowhere")
    await expect(status).to_have_text("Not found")
    await field.press("Escape")
    await expect(field).to_have_count(0)
    await expect(tab.composer).to_be_focused()
    assert await marked(tab) == []
    assert "?" not in tab.page.url


async def test_marks_follow_what_is_drawn_and_change_nothing_in_it(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("a *café* here, `cafe` there, and <b>CAFE</b>")]))
    await tab.state("completed")
    before = await tab.answer.inner_html()
    await tab.page.get_by_role("button", name="Find in this conversation").click()
    await tab.page.get_by_role("searchbox", name="Find in this conversation").press_sequentially("cafe")

    async def all_three() -> bool:
        return await marked(tab) == ["café", "cafe", "CAFE"]

    await tab.until(all_three, "three words are marked")
    assert await tab.answer.inner_html() == before


async def test_conversations_stand_under_when_they_were_used(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    now = datetime.now().astimezone()
    days = {"now": 0, "before": 1, "a week": 5, "a month": 20, "long ago": 400}

    def made(tx: UserTransaction) -> None:
        for name, back in days.items():
            tx.threads.create(name, round((now - timedelta(days=back)).timestamp() * 1000))

    await server.services.log.commit(alice.user_id, made)
    tab = await open_tab(server.url, alice)
    month = (now - timedelta(days=400)).strftime("%B %Y")
    headings = tab.page.get_by_role("navigation").get_by_role("heading", level=2)
    await expect(headings).to_have_text(["Today", "Yesterday", "Previous 7 days", "Previous 30 days", month])
    await expect(tab.page.get_by_role("list", name="Yesterday").get_by_role("link")).to_have_text(["before"])


async def choose(tab: Tab, title: str, entry: str) -> None:
    await tab.page.get_by_role("button", name=f"More for “{title}”").click()
    await tab.page.get_by_role("menuitem", name=entry).click()


async def test_pins_and_the_archive_show_in_every_tab_and_last(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    async with server.http(alice) as http:
        for title in ("first", "second", "third"):
            (await http.post("/api/threads", json={"title": title})).raise_for_status()
    tab = await open_tab(server.url, alice)
    other = await open_tab(server.url, beside=tab)
    await tab.page.locator(".thread").first.hover()
    await choose(tab, "first", "Pin")
    await choose(tab, "second", "Archive")
    for each in (tab, other):
        await expect(each.page.get_by_role("list", name="Pinned").get_by_role("link")).to_have_text(["first"])
        await expect(each.threads).to_have_text(["first", "third"])
    await other.page.reload()
    await expect(other.threads).to_have_text(["first", "third"])
    await other.page.get_by_role("button", name="Archive", exact=True).click()
    archived = other.page.get_by_role("list", name="Archived conversations").get_by_role("link")
    await expect(archived).to_have_text(["second"])
    # What is archived is still found.
    await tab.page.get_by_role("searchbox", name="Search your conversations").fill("seco")
    await expect(
        tab.page.get_by_role("list", name="Conversations with such a title").get_by_role("link")
    ).to_have_count(1)
    await choose(other, "second", "Bring back")
    await expect(archived).to_have_count(0)
    await choose(other, "first", "Unpin")
    await expect(other.page.get_by_role("list", name="Today").get_by_role("link")).to_have_text(
        ["third", "second", "first"]
    )


async def test_titles_are_found_that_the_page_has_not_loaded(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    await server.services.log.commit(
        alice.user_id, lambda tx: [tx.threads.create(f"Numéro {n}", tx.now + n) for n in range(150)]
    )
    tab = await open_tab(server.url, alice)
    await expect(tab.threads).to_have_count(60)
    search = tab.page.get_by_role("searchbox", name="Search your conversations")
    await search.fill("numero 7")
    found = tab.page.get_by_role("list", name="Conversations with such a title").get_by_role("link")
    await expect(found).to_have_count(sum("7" in str(n) for n in range(150)))
    await search.fill("")
    await tab.page.get_by_role("button", name="Show older conversations").click()
    await expect(tab.threads).to_have_count(120)


async def test_a_conversation_that_was_not_loaded_comes_to_the_front_when_something_is_said_in_it(
    server: RunningServer, open_tab: OpenTab
) -> None:
    alice = await server.person()
    made = await server.services.log.commit(
        alice.user_id, lambda tx: [tx.threads.create(f"number {n}", tx.now - 1000 + n).id for n in range(80)]
    )
    tab = await open_tab(server.url, alice)
    await expect(tab.threads).to_have_count(60)
    async with server.http(alice) as http:
        body = {"text": "what is 6*7?", "client_message_id": "x"}
        (await http.post(f"/api/threads/{made[0]}/messages", json=body)).raise_for_status()
    await expect(tab.threads.first).to_have_text("number 0")


async def test_the_menu_by_keyboard(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    async with server.http(alice) as http:
        (await http.post("/api/threads", json={"title": "only"})).raise_for_status()
    tab = await open_tab(server.url, alice)
    keys = tab.page.keyboard
    await tab.page.locator(".thread a").focus()
    await keys.press("Tab")
    await keys.press("Enter")
    await expect(tab.page.get_by_role("menuitem", name="Rename")).to_be_focused()
    await keys.press("ArrowUp")
    await expect(tab.page.get_by_role("menuitem", name="Delete")).to_be_focused()
    await keys.press("a")
    await expect(tab.page.get_by_role("menuitem", name="Archive")).to_be_focused()
    await keys.press("Escape")
    await expect(tab.page.get_by_role("menu")).to_have_count(0)
    await expect(tab.page.get_by_role("button", name="More for “only”")).to_be_focused()
    await keys.press("Enter")
    await keys.press("p")
    await keys.press("Enter")
    await expect(tab.page.get_by_role("list", name="Pinned").get_by_role("link")).to_have_text(["only"])
    await tab.page.get_by_role("button", name="More for “only”").click()
    await tab.page.mouse.click(700, 300)
    await expect(tab.page.get_by_role("menu")).to_have_count(0)
