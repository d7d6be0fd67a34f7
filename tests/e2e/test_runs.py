"""The agent at work, as the page shows it: five events, stop, failure, a message while it works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes import tool_agent
from tests.fakes.model_server import FakeModelServer, Hang, Status, Text, Thinking, ToolCall, WaitFor
from tests.harness.database import database_away
from tests.harness.deadline import DEADLINE
from tests.harness.server import RunningServer
from tests.harness.stage import Stage


async def test_the_five_events_are_shown_as_they_happen(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    gate, go_on = tool_agent.gate("door"), asyncio.Event()
    said = stage.script(
        [Thinking("I have to wait at the door."), ToolCall("wait_at", {"name": "door"})],
        [Text("Here is "), WaitFor(go_on), Text("the **answer**.")],
    )
    await tab.say(said)

    turn = tab.turns.last
    await turn.locator(".step.thinking summary").click()
    await expect(turn.locator(".thoughts")).to_have_text("I have to wait at the door.")
    tool = turn.locator(".step.tool")
    await expect(tool).to_contain_text("wait_at")
    await expect(tool).to_contain_text("name: door")
    await expect(turn.locator(".now")).to_contain_text("Using wait_at")
    await expect(tab.page.get_by_role("status").filter(has_text="Using wait_at")).to_be_attached()

    gate.open()
    await expect(tool).to_contain_text("ms")
    await tool.locator("summary").click()
    await expect(tool.locator("dd").last).to_have_text("past door")
    await tab.answered("Here is")
    await expect(turn.locator(".end.completed")).to_be_hidden()
    go_on.set()
    await tab.state("completed")
    await tab.answered("Here is the answer.")
    await expect(turn.locator(".markdown strong")).to_have_text("answer")
    await expect(turn.locator(".end.completed")).to_contain_text("Done in")
    await expect(tab.page.get_by_role("status").filter(has_text="Answer finished.")).to_be_attached()
    # What was opened while it ran stays open.
    await expect(turn.locator(".thoughts")).to_be_visible()
    assert await tab.violations() == 0


async def test_stop_by_button_keeps_what_was_shown(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    hang = Hang()
    await tab.say(stage.script([Text("As far as this"), hang]))
    await tab.answered("As far as this")

    await tab.page.get_by_role("button", name="Stop the agent").click()
    await tab.state("stopped")
    await tab.answered("As far as this")
    await expect(tab.turns.last.locator(".end.stopped")).to_contain_text("Stopped")
    await expect(tab.page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    async with asyncio.timeout(DEADLINE):
        await stage.model.requests[0].hung_up.wait()
    await tab.page.reload()
    await tab.ready()
    await tab.state("stopped")
    await tab.answered("As far as this")


async def test_escape_stops_and_says_so_at_once(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    gate = tool_agent.gate("stubborn")
    await tab.say(stage.script([ToolCall("hold_on_at", {"name": "stubborn"})]))
    async with asyncio.timeout(DEADLINE):
        await gate.entered.wait()
    # The server may be ahead of the page, which offers to stop once it knows of the run.
    await expect(tab.page.get_by_role("button", name="Stop the agent")).to_be_visible()
    await tab.page.keyboard.press("Escape")
    await expect(tab.turns.last.locator(".now.stopping")).to_have_text("Stopping …")
    gate.open()
    await tab.state("stopped")
    await expect(tab.composer).to_be_focused()


async def stop_while_sending(stage: Stage, tab: Tab) -> None:
    """Say something and press Escape while the server, whose database is away, can't take it."""
    await tab.say(stage.script([Text("Too late"), Hang()]))
    await expect(tab.page.locator(".sending")).to_have_text("Sending …")
    await tab.page.keyboard.press("Escape")
    await expect(tab.page.locator(".sending")).to_have_text("Stopping …")


@pytest.mark.parametrize("said_before", [False, True], ids=["new conversation", "known conversation"])
async def test_a_stop_before_the_server_has_the_message_is_not_lost(
    stage: Stage, open_tab: OpenTab, said_before: bool
) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    if said_before:
        await tab.say(stage.script([Text("Ready.")]))
        await tab.state("completed")
    async with database_away(stage.server.services.settings.database_path):
        await stop_while_sending(stage, tab)
        await expect(tab.page.get_by_role("button", name="Stopping")).to_be_visible()
    await tab.state("stopped")
    await expect(tab.page.get_by_role("button", name="Send", exact=True)).to_be_visible()


async def test_an_early_stop_means_its_message_alone(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("Ready.")]))
    await tab.state("completed")
    async with database_away(stage.server.services.settings.database_path):
        await stop_while_sending(stage, tab)
        await tab.say(stage.script([Text("Still wanted.")]))
        await expect(tab.page.locator(".sending")).to_have_text(["Stopping …", "Sending …"])
    await expect(tab.turns).to_have_count(3)
    await expect(tab.turns.nth(1)).to_have_attribute("data-state", "stopped")
    await tab.state("completed")
    await tab.answered("Still wanted.")


async def test_a_failed_run_says_why_and_how_to_go_on(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    said = stage.script([Status(401, {"error": {"message": "no such key"}})])
    await tab.say(said)
    await tab.state("failed")
    await expect(tab.turns.last.locator(".problem")).to_contain_text("key")

    # The server says that repeating it can't help: then only the person can decide to, or with other words.
    stage.model.scripts[said.removeprefix("script:")] = [[Text("Better now.")]]
    await tab.turns.last.get_by_role("button", name="Edit and send again").click()
    await expect(tab.composer).to_be_focused()
    await expect(tab.composer).to_have_value(said)
    await tab.composer.press("Enter")
    await tab.answered("Better now.")
    await tab.state("completed")


async def test_a_message_while_it_works_waits_or_interrupts(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    go_on = asyncio.Event()
    await tab.say(stage.script([Text("First "), WaitFor(go_on), Text("done.")]))
    await tab.answered("First")

    await tab.composer.fill(stage.script([Text("Second done.")]))
    await tab.page.get_by_role("button", name="Queue").click()
    await tab.state("queued")
    await expect(tab.turns.last).to_contain_text("Waits for the answer before it.")
    go_on.set()
    await tab.state("completed")
    await tab.answered("Second done.")
    await expect(tab.turns.first.locator(".markdown")).to_have_text("First done.")

    await tab.say(stage.script([Text("Third, cut"), Hang()]))
    await tab.answered("Third, cut")
    await tab.composer.fill(stage.script([Text("Fourth.")]))
    await tab.page.get_by_role("button", name="Interrupt").click()
    await expect(tab.turns).to_have_count(4)
    await tab.state("completed")
    await tab.answered("Fourth.")
    await expect(tab.turns.nth(2)).to_have_attribute("data-state", "stopped")


async def test_the_offline_agent_is_labelled_and_its_examples_work(server: RunningServer, open_tab: OpenTab) -> None:
    tab = await open_tab(server.url, await server.person())
    await expect(tab.page.locator(".model")).to_have_text("Offline agent")
    examples = tab.page.get_by_role("list", name="Things to try").get_by_role("button")
    await expect(examples).to_have_count(3)
    await tab.composer.fill("Please:")
    await examples.last.click()
    # What was typed stays, and nothing is sent that nobody has seen.
    await expect(tab.composer).to_have_value("Please:\ncount to 30 slowly")
    await expect(tab.composer).to_be_focused()
    await tab.composer.fill("")
    await examples.last.click()
    await examples.first.click()
    await expect(tab.composer).to_have_value("what is 17*23, and what time is it in Tokyo?")
    await expect(tab.turns).to_have_count(0)
    await tab.composer.press("Enter")
    await tab.state("completed")
    await expect(tab.answer).to_contain_text("391")
    await expect(tab.page).to_have_url(f"{server.url}/t/{await thread_id(tab.page.url)}")


async def thread_id(url: str) -> str:
    return url.rsplit("/", 1)[-1]


async def test_markdown_tables_and_code_with_copy(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=stage.server.url)
    text = "# Plan\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```python\nprint('hi')\n```\n\n- [x] done <b>raw</b>\n"
    await tab.say(stage.script([Text(piece) for piece in text]))
    await tab.state("completed")
    await expect(tab.answer.locator("h1")).to_have_text("Plan")
    await expect(tab.answer.locator("td").nth(1)).to_have_text("2")
    await expect(tab.answer.locator("td").nth(1)).to_have_css("text-align", "right")
    await expect(tab.answer.locator("figcaption")).to_contain_text("python")
    await expect(tab.answer.locator("li")).to_contain_text("<b>raw</b>")
    await tab.answer.get_by_role("button", name="Copy this code").click()
    await expect(tab.answer.get_by_text("Copied")).to_be_visible()
    assert await tab.page.evaluate("() => navigator.clipboard.readText()") == "print('hi')"


async def test_a_long_thread_says_calmly_what_the_agent_was_not_given(
    serve: Callable[..., AbstractAsyncContextManager[RunningServer]], model: FakeModelServer, open_tab: OpenTab
) -> None:
    starting = serve(model="openai:fake", model_base_url=model.base_url, history_turns=1)
    async with Stage.set(starting, model) as stage:
        tab = await open_tab(stage.server.url, stage.alice)
        for number in range(3):
            await tab.say(stage.script([Text(f"Answer {number}.")]))
            await tab.answered(f"Answer {number}.")
            await tab.state("completed")
        said = "This conversation is long. The agent wasn't given one earlier turn of it."
        await expect(tab.turns.last.locator(".forgotten")).to_have_text(said)
        await expect(tab.page.locator(".forgotten")).to_have_count(1)
        assert await tab.violations() == 0
