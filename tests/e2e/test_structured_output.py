"""An agent's structured output, on the page: beside its text, also after a reload."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from playwright.async_api import expect

from tests.e2e.conftest import OpenTab
from tests.fakes.model_server import FakeModelServer, Text, ToolCall
from tests.harness.server import RunningServer


async def test_it_stands_beside_the_text_once(
    serve: Callable[..., AbstractAsyncContextManager[RunningServer]], model: FakeModelServer, open_tab: OpenTab
) -> None:
    result = ToolCall("final_result", {"name": "Oslo", "people": 7})
    model.scripts["beside"] = [[Text("Here it is."), result]]
    model.scripts["alone"] = [[result]]
    agent = {"agent": "tests.fakes.structured_agents:model", "model": "openai:fake", "model_base_url": model.base_url}
    async with serve(**agent) as server:
        tab = await open_tab(server.url, await server.person())
        await tab.say("script:beside")
        await tab.state("completed")
        output = tab.turns.last.get_by_label("Output")
        await expect(output).to_contain_text('"name": "Oslo"')
        await tab.answered("Here it is.")
        await tab.page.reload()
        await expect(output).to_contain_text('"name": "Oslo"')
        assert await tab.violations() == 0
        await tab.say("script:alone")
        await expect(tab.turns).to_have_count(2)
        await tab.state("completed")
        await expect(tab.turns.last).to_contain_text('"name": "Oslo"')
        await expect(output).to_have_count(0)
