"""On a thin line: what is seen first, what is asked for, and what has to wait for nothing else."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

from playwright.async_api import Browser, Route, expect

from netra_backend.app.routes.pages import STATIC
from tests.e2e.browser import Tab, new_context
from tests.e2e.conftest import OpenTab
from tests.e2e.test_finding import TURNS, filled
from tests.harness.server import RunningServer

FIRST_SIGHT = 2_000
"""Bytes that are enough for what is seen first, sent compressed."""


async def test_something_is_seen_before_script_and_style_are_there(server: RunningServer, browser: Browser) -> None:
    alice = await server.person()
    context = await new_context(browser, server.url, alice)
    try:
        tab = Tab(await context.new_page(), server.url)
        held: list[Route] = []
        go_on = asyncio.Event()

        async def hold(route: Route) -> None:
            held.append(route)
            await go_on.wait()
            await route.continue_()

        await tab.page.route(re.compile("/assets/index-"), hold)
        await tab.page.goto(server.url, wait_until="commit")
        bar = tab.page.locator(".skeleton-main p").first
        await expect(bar).to_be_visible()
        assert await bar.evaluate("(bar) => getComputedStyle(bar).backgroundColor") != "rgba(0, 0, 0, 0)"
        await tab.until(lambda: asyncio.sleep(0, len(held) == 2), "both are asked for")
        go_on.set()
        await tab.ready()
        await expect(tab.composer).to_be_visible()
        await expect(tab.page.locator(".skeleton")).to_have_count(0)
        tab.calm()
    finally:
        await context.close()


def test_what_is_seen_first_is_small() -> None:
    page = (STATIC / "index.html").read_text()
    head = page[: page.index("</head>")]
    styles = re.findall(r'<link rel="stylesheet"[^>]*href="/static/([^"]+)"', head)
    assert len(styles) == 1, "the page's own style comes behind the skeleton"
    parts = [page.encode(), *((STATIC / Path(style)).read_bytes() for style in styles)]
    assert sum(len(gzip.compress(part)) for part in parts) < FIRST_SIGHT


async def test_a_long_conversation_begins_with_thirty_turns_asked_for_at_once(
    server: RunningServer, open_tab: OpenTab
) -> None:
    alice, thread = await filled(server)
    async with server.http(alice) as http:
        # Where there is no log yet it's begun, and then the conversation has to be asked for once more.
        (await http.get("/api/snapshot")).raise_for_status()
    tab = await open_tab(server.url, alice, None)
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url.removeprefix(server.url)))

    async def hold(route: Route) -> None:
        # Whatever waits for this one can't have been asked for before.
        async def all_three() -> bool:
            return all(any(part in path for path in asked) for part in ("auth/me", "snapshot", f"threads/{thread}"))

        await tab.until(all_three, "the account, the list and the conversation are asked for")
        await route.continue_()

    await tab.page.route("**/api/auth/me", hold)
    await tab.open(f"/t/{thread}")
    await tab.ready()
    await expect(tab.page.get_by_text(f"question {TURNS - 1}", exact=True)).to_be_in_viewport()
    pages = [path for path in asked if path.startswith(f"/api/threads/{thread}?")]
    assert pages == [f"/api/threads/{thread}?limit=60"]
