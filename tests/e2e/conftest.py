from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.e2e.browser import Tab, new_context, new_tab, open_browser
from tests.fakes import tool_agent
from tests.fakes.model_server import FakeModelServer
from tests.harness.server import Person, RunningServer
from tests.harness.stage import Stage

OpenTab = Callable[..., Awaitable[Tab]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@asynccontextmanager
async def tabs_of(browser: Browser) -> AsyncIterator[OpenTab]:
    """`await open_tab(url, person)`; at the end nothing may have gone wrong in any of the tabs."""
    opened: list[Tab] = []
    async with AsyncExitStack() as stack:

        async def open_tab(url: str, person: Person | None = None, path: str | None = "/", **options: Any) -> Tab:
            context = options.pop("beside").page.context if "beside" in options else None
            if context is None:
                context = await new_context(browser, url, person, **options)
                stack.push_async_callback(context.close)
            tab = await new_tab(context, url, path)
            opened.append(tab)
            return tab

        yield open_tab
    for tab in opened:
        tab.calm()


@pytest.fixture
async def open_tab(browser: Browser) -> AsyncIterator[OpenTab]:
    async with tabs_of(browser) as opener:
        yield opener


@pytest.fixture
async def stage(
    serve: Callable[..., AbstractAsyncContextManager[RunningServer]], model: FakeModelServer
) -> AsyncIterator[Stage]:
    """Netra with an agent whose model is scripted and whose tools stop at gates."""
    chosen = {"agent": "tests.fakes.tool_agent:agent", "model": "openai:fake", "model_base_url": model.base_url}
    async with Stage.set(serve(**chosen), model) as ready:
        yield ready
    tool_agent.forget_gates()
