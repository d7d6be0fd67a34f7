"""The page in Debian's Firefox, where it's installed: what the page is about works there as in Chromium."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.firefox import CONTROL, ENTER, SHIFT, open_firefox
from tests.fakes.model_server import Hang, Text, Thinking, ToolCall
from tests.harness.stage import Stage

pytestmark = pytest.mark.skipif(shutil.which("firefox-esr") is None, reason="firefox-esr isn't installed")

LIVE = "document.querySelector('.banner[data-state=live]')"
ANSWER = "A list of *marzipan*:\n\n- one\n- two\n- three\n- four\n\n```python\nx = 'y'  # z\n```\n\n\\(a^2\\)\n"


def last(state: str) -> str:
    return f"[...document.querySelectorAll('.turn[data-run]')].at(-1)?.dataset.state === '{state}'"


async def test_talking_stopping_code_formulas_and_finding(stage: Stage) -> None:
    async with open_firefox(stage.server.url, stage.alice.token) as firefox:
        await firefox.until(LIVE)
        said = stage.script(
            [Thinking("hm"), ToolCall("look", {"at": "it"})],
            [Text(ANSWER[start : start + 5]) for start in range(0, len(ANSWER), 5)],
        )
        await firefox.write(said)
        await firefox.press(ENTER)
        await firefox.until(last("completed"))
        await firefox.until("document.querySelector('.tok-string') && document.querySelector('.formula math')")
        assert await firefox.run("document.querySelectorAll('.markdown li').length") == 4
        assert await firefox.run("document.querySelector('figure.code pre').innerText.trim()") == "x = 'y'  # z"

        await firefox.press(CONTROL, "f", together=True)
        await firefox.until("document.activeElement.id === 'find'")
        await firefox.press(*"marz")
        await firefox.until("document.querySelector('.find [role=status]').textContent === '1 of 1'")
        await firefox.until("[...(CSS.highlights.get('found-current') ?? [])].join() === 'marzipan'")
        await firefox.press("\ue00c")
        await firefox.until("document.activeElement.id === 'composer'")

        await firefox.write(stage.script([Text("begun"), Hang()]))
        await firefox.press(ENTER)
        await firefox.until("document.querySelector('.turn:last-child .markdown, .item:last-of-type .markdown')")
        await firefox.press("\ue00c")
        await firefox.until(last("stopped"))

        await firefox.press(SHIFT, together=True)
        assert await firefox.run("netra.violations") == 0
        assert firefox.errors == []


async def test_nothing_runs_there_either(stage: Stage) -> None:
    async with open_firefox(stage.server.url, stage.alice.token) as firefox:
        await firefox.until(LIVE)
        payloads = [
            "<img src=x onerror=window.ran=1>",
            "```html\n<script>window.ran=1</script>\n```",
            "\\(\\href{javascript:window.ran=1}{x}\\)",
            "[x](javascript:window.ran=1)",
            "<math><mtext><table><mglyph><style><img src=x onerror=window.ran=1>",
        ]
        await firefox.write(stage.script([Text("\n\n".join(payloads))]))
        await firefox.press(ENTER)
        await firefox.until(last("completed"))
        await firefox.until("document.querySelector('.formula math')")
        assert await firefox.run("window.ran === undefined && document.querySelector('#app img, #app script') === null")
        assert firefox.errors == []
