"""What a person selects stays selected: while it is written, when it ends, and however far the end has gone."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Text, WaitFor
from tests.harness.stage import Stage


async def selected(tab: Tab) -> str:
    return await tab.page.evaluate("() => getSelection().toString()")


async def select(tab: Tab, text: str) -> None:
    """Select this text, which stands in one piece."""
    await tab.page.evaluate(
        """(text) => {
            const walker = document.createTreeWalker(document.querySelector('.view'), NodeFilter.SHOW_TEXT);
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                const at = node.nodeValue.indexOf(text);
                if (at >= 0) return getSelection().setBaseAndExtent(node, at, node, at + text.length);
            }
            throw new Error('not there');
        }""",
        text,
    )


async def test_a_selection_survives_in_what_is_being_written(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    steps = [asyncio.Event() for _ in range(3)]
    pieces = [
        "Some words of the *last* paragraph",
        " that goes on",
        ", and on.\n\n- an item\n- another",
        "\n\nThe end.",
    ]
    script: list[object] = [Text(pieces[0])]
    for step, piece in zip(steps, pieces[1:], strict=True):
        script += [WaitFor(step), Text(piece)]
    await tab.say(stage.script(script))
    await tab.answered("Some words of the last paragraph")
    await select(tab, "words of")
    for step, end in zip(steps, ("goes on", "another", "The end."), strict=True):
        step.set()
        await expect(tab.answer).to_contain_text(end)
        assert await selected(tab) == "words of"
    await tab.state("completed")
    assert await selected(tab) == "words of"


async def test_a_selection_survives_however_far_the_end_has_gone(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    await tab.say(stage.script([Text("Keep these words.")]))
    await tab.state("completed")
    begin = asyncio.Event()
    await tab.say(stage.script([WaitFor(begin), Text("line\n\n" * 200)]))
    await expect(tab.turns).to_have_count(2)
    await select(tab, "these words")
    # Following the end, so much is written that what is selected is far above.
    begin.set()
    await tab.state("completed")
    assert await selected(tab) == "these words"
    await tab.page.evaluate("() => getSelection().removeAllRanges()")
    await tab.page.mouse.move(640, 300)
    await tab.page.mouse.wheel(0, -400)
    # Let go of, it is not kept.
    await expect(tab.page.get_by_role("log").get_by_text("Keep these words.")).to_have_count(0)


async def test_what_is_being_selected_does_not_move_away(stage: Stage, open_tab: OpenTab) -> None:
    tab = await open_tab(stage.server.url, stage.alice)
    go_on = asyncio.Event()
    await tab.say(stage.script([Text("line\n\n" * 60 + "Here it stands."), WaitFor(go_on), Text("\n\nmore" * 30)]))
    here = tab.page.get_by_role("log").get_by_text("Here it stands.")
    await expect(here).to_be_in_viewport()
    box = await here.bounding_box()
    assert box is not None
    await tab.page.mouse.move(box["x"] + 2, box["y"] + 8)
    await tab.page.mouse.down()
    await tab.page.mouse.move(box["x"] + 60, box["y"] + 8, steps=4)
    go_on.set()
    await tab.state("completed")
    after = await here.bounding_box()
    assert after is not None
    assert abs(after["y"] - box["y"]) < 2
    await tab.page.mouse.up()
    # Whoever has let go follows the end again.
    await expect(tab.page.get_by_role("log").get_by_text("more").last).to_be_in_viewport()
    assert (await selected(tab)).startswith("Here")
