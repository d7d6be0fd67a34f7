"""A block that grows is appended to: a line more touches as much of the page under the thousandth line as under the
tenth, whatever the block is."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import Text, WaitFor
from tests.harness.stage import Stage

LINES = 400

BLOCKS = {
    "code": ("```python\n", "value = compute({n}, 'text')  # note\n"),
    "code in an item": ("- item\n\n  ```js\n", "  const value = {n};\n"),
    "list": ("", "- item **{n}** with `code`\n"),
    "numbers": ("", "{n}. item **{n}** with `code`\n"),
    "list in a list": ("- top\n", "  - inner **{n}**\n"),
    "table": ("| a | b |\n|---|---|\n", "| {n} | words |\n"),
    "quote": ("", "> quoted **{n}**\n"),
    "paragraph": ("", "some **words** {n} that go on\n"),
}

WATCH = """() => {
    window.touched = { removed: 0, added: 0 };
    const count = (nodes) => [...nodes].reduce((sum, node) => sum + 1 + (node.querySelectorAll?.('*').length ?? 0), 0);
    new MutationObserver((records) => {
        for (const record of records) {
            touched.removed += count(record.removedNodes);
            touched.added += count(record.addedNodes);
        }
    }).observe(document.querySelector('.turn:last-child .markdown, .markdown'), { childList: true, subtree: true });
}"""


@pytest.mark.parametrize("name", BLOCKS)
async def test_a_line_more_touches_no_line_before(stage: Stage, open_tab: OpenTab, name: str) -> None:
    head, line = BLOCKS[name]
    tab = await open_tab(stage.server.url, stage.alice)
    go_on, last = asyncio.Event(), asyncio.Event()
    lines = [Text(line.format(n=n)) for n in range(100, 100 + LINES)]
    said = stage.script([Text(head + line.format(n=98)), *lines[:8], WaitFor(go_on), *lines[8:], WaitFor(last)])
    await tab.say(said)

    async def shows(number: int) -> bool:
        return await tab.answer.count() > 0 and str(number) in (await tab.answer.inner_text())

    await tab.until(lambda: shows(107), "the first lines")
    await tab.page.evaluate(WATCH)
    go_on.set()
    await tab.until(lambda: shows(99 + LINES), "the last line")
    touched = await tab.page.evaluate("() => touched")
    # Some nodes for each line, when it's begun and when it's coloured; drawn anew it would be thousands for each.
    assert touched["removed"] < 6 * LINES, touched
    assert touched["added"] < 20 * LINES, touched
    last.set()
    await tab.state("completed")
    # Nor does the end draw it anew.
    touched = await tab.page.evaluate("() => touched")
    assert touched["removed"] < 7 * LINES, touched
