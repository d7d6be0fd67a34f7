"""A turn is one stream in its true order: thoughts, tools and texts stand where they came, and stay there."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes import tool_agent
from tests.fakes.model_server import Hang, Status, Text, Thinking, ToolCall, WaitFor
from tests.harness.deadline import DEADLINE
from tests.harness.stage import Stage

PICTURE = """(reply) => [...reply.children].flatMap((block) =>
    block.matches('.markdown') ? [block.innerText.trim()]
    : block.matches('.work') ? [...block.querySelectorAll('.work-summary, .step')]
        .filter((line) => line.checkVisibility())
        .map((line) => (line.querySelector('summary') ?? line).innerText.replace(/\\s+/g, ' ').trim())
    : [])"""


async def picture(turn: Locator) -> list[str]:
    """What stands in a reply, line by line, from the top."""
    return await turn.locator(".reply").evaluate(PICTURE)


def without_times(lines: list[str]) -> list[str]:
    return [re.sub(r"(?<=^Thought) for .*|( Done)? [\d.]+ m?s$", "", line) for line in lines]


async def test_texts_thoughts_and_tools_stand_where_they_came(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    gate, go_on = tool_agent.gate("door"), asyncio.Event()
    said = stage.script(
        [Thinking("I have to look."), Text("Let me look."), ToolCall("look", {"at": "the window"})],
        [Text("Nobody there. Now the door."), ToolCall("wait_at", {"name": "door"})],
        [Text("Here "), WaitFor(go_on), Text("they are.")],
    )
    await tab.say(said)
    await expect(tab.turns.last.locator(".now")).to_contain_text("Using wait_at")
    gate.open()
    await tab.until(lambda: _ends_with(tab, "Here"), "the last text")
    go_on.set()
    await tab.state("completed")
    wanted = [
        "Thought", "Let me look.", "look at: the window", "Nobody there. Now the door.", "wait_at name: door",
        "Here they are.",
    ]  # fmt: skip
    before = await picture(tab.turns.last)
    assert without_times(before) == wanted
    await expect(tab.turns.last.locator(".now")).to_have_count(0)
    # It is the same picture for whoever comes later, and opens to the same details.
    await tab.page.reload()
    await tab.ready()
    await tab.state("completed")
    assert await picture(tab.turns.last) == before
    await tab.turns.last.locator(".step.tool summary").first.click()
    await expect(tab.turns.last.locator(".step.tool").first.locator("dd").last).to_have_text("the window is clear")
    await tab.turns.last.locator(".step.thinking summary").click()
    await expect(tab.turns.last.locator(".thoughts")).to_have_text("I have to look.")


async def _ends_with(tab: Tab, text: str) -> bool:
    lines = await picture(tab.turns.last)
    return bool(lines) and lines[-1] == text


async def test_in_mid_run_a_reload_shows_the_same_and_goes_on(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    gate = tool_agent.gate("here")
    said = stage.script(
        [Text("First."), ToolCall("look", {"at": "one"})],
        [Text("Second."), ToolCall("wait_at", {"name": "here"})],
        [Text("Third.")],
    )
    await tab.say(said)
    async with asyncio.timeout(DEADLINE):
        await gate.entered.wait()
    await expect(tab.turns.last.locator(".now")).to_contain_text("Using wait_at")
    before = await picture(tab.turns.last)
    await tab.page.reload()
    await tab.ready()
    await expect(tab.turns.last.locator(".now")).to_contain_text("Using wait_at")
    assert await picture(tab.turns.last) == before
    gate.open()
    await tab.state("completed")
    assert (await picture(tab.turns.last))[-1] == "Third."


async def test_the_last_line_says_what_it_does_and_for_how_long(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    begin, go_on, write, gate = asyncio.Event(), asyncio.Event(), asyncio.Event(), tool_agent.gate("slow")
    said = stage.script(
        [WaitFor(begin), Thinking("Hm. "), WaitFor(go_on), Thinking("Yes."), ToolCall("wait_at", {"name": "slow"})],
        [Text("line\n\n" * 80), WaitFor(write), Text("The end.")],
    )
    await tab.say(said)
    now = tab.turns.last.locator(".now")
    await expect(now).to_contain_text("Working")
    begin.set()
    await expect(now).to_contain_text("Thinking")
    await expect(now).to_contain_text(" s")
    go_on.set()
    await expect(now).to_contain_text("Using wait_at")
    await expect(now).to_contain_text(", 1 s")
    thought = tab.turns.last.locator(".step.thinking")
    await expect(thought.locator("summary")).to_contain_text("Thought for")
    # What is over doesn't move.
    assert await thought.evaluate("(line) => line.getAnimations({subtree: true}).length") == 0
    gate.open()
    await expect(tab.answer.get_by_text("line").first).to_be_attached()
    # Wherever in the answer one reads, what it does is in sight.
    for _ in range(5):
        await tab.page.mouse.move(640, 300)
        await tab.page.mouse.wheel(0, -200)
        await expect(now).to_be_in_viewport()
    write.set()
    await tab.state("completed")


async def test_several_tools_fold_and_what_is_open_stays_open(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    gate = tool_agent.gate("last")
    looks: list[Any] = [[ToolCall("look", {"at": f"place {number}"})] for number in range(4)]
    await tab.say(stage.script(*looks, [ToolCall("wait_at", {"name": "last"})], [Text("All seen.")]))
    await expect(tab.turns.last.locator(".now")).to_contain_text("Using wait_at")
    work = tab.turns.last.locator(".work")
    summary = work.get_by_role("button", name="4 tools")
    await expect(summary).to_have_attribute("aria-expanded", "false")
    await expect(work.locator(".step:visible")).to_have_count(1)
    gate.open()
    await tab.state("completed")
    await expect(work.locator(".step:visible")).to_have_count(0)
    summary = work.get_by_role("button", name="5 tools")
    await summary.click()
    await expect(work.locator(".step:visible")).to_have_count(5)
    await work.locator(".step summary").nth(2).click()
    await expect(work.locator(".step dd:visible").first).to_contain_text("place 2")
    await tab.say(stage.script([Text("more")]))
    await tab.state("completed")
    await expect(tab.turns.first.locator(".step dd:visible").first).to_contain_text("place 2")


async def test_a_turn_without_work_has_nothing_to_open(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("Just so.")]))
    await tab.state("completed")
    for _ in range(2):
        assert await picture(tab.turns.last) == ["Just so."]
        await expect(tab.turns.last.locator(".work, details")).to_have_count(0)
        await expect(tab.page.get_by_text("Show the work")).to_have_count(0)
        # When and by whom it was answered is there for whoever points at it.
        await tab.turns.last.hover()
        await expect(tab.turns.last.locator(".end")).to_contain_text("fake")
        await tab.page.reload()
        await tab.ready()
        await tab.state("completed")


FAILS: list[Any] = [[Status(503, {"error": {"message": "busy"}})]] * 9


async def test_trying_again_is_offered_where_it_can_help_also_after_a_reload(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    again = tab.page.get_by_role("button", name="Try again")
    await tab.say(stage.script([Status(401, {"error": {"message": "no such key"}})]))
    await tab.state("failed")
    for _ in range(2):
        await expect(tab.turns.last.locator(".problem")).to_contain_text("key")
        await expect(again).to_have_count(0)
        await tab.page.reload()
        await tab.ready()
        await tab.state("failed")
    said = stage.script(*FAILS)
    await tab.say(said)
    await expect(tab.turns).to_have_count(2)
    await tab.state("failed")
    await expect(again).to_have_count(1)
    await tab.page.reload()
    await tab.ready()
    await expect(again).to_have_count(1)

    stage.model.scripts[said.removeprefix("script:")] = [[Text("Better now.")]]
    await again.click()
    await tab.answered("Better now.")
    for _ in range(2):
        await tab.state("completed")
        # It was said once, and stands there once; the first try is told in a line.
        await expect(tab.page.locator(".said", has_text=said)).to_have_count(1)
        await expect(again).to_have_count(0)
        await expect(tab.turns.last.locator(".earlier summary")).to_contain_text("try")
        await tab.page.reload()
        await tab.ready()


async def test_trying_again_is_not_offered_before_something_that_was_said_later(
    stage: Stage, open_tab: OpenTab
) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script(*FAILS))
    await tab.state("failed")
    again = tab.page.get_by_role("button", name="Try again")
    await expect(again).to_have_count(1)
    await tab.say(stage.script([Text("Something else."), Hang()]))
    await tab.answered("Something else.")
    await expect(again).to_have_count(0)


@pytest.mark.parametrize("gap", ["thought", "tool"])
async def test_what_goes_on_in_mid_line_stays_one_text(stage: Stage, open_tab: OpenTab, gap: str) -> None:
    """Some servers think in the middle of a sentence, or of code; a tool's call ends what was said."""
    tab = await open_tab(stage.server.url, stage.alice)
    begun = Text("```python\nprint(1)\nprint(")
    if gap == "thought":
        await tab.say(stage.script([begun, Thinking("hm"), Text("2)\n```\n\nafter")]))
    else:
        await tab.say(stage.script([begun, ToolCall("look", {"at": "x"})], [Text("after")]))
    await tab.state("completed")
    await expect(tab.turns.last.locator(".code")).to_have_count(1)
    await expect(tab.turns.last.locator(".markdown > div > p")).to_have_text("after")
