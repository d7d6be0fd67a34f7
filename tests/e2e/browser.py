"""Netra's page in Debian's Chromium: a tab that a test drives, and that notices whatever goes wrong in it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    async_playwright,
    expect,
)

from tests.harness.deadline import DEADLINE
from tests.harness.server import Person

PATIENCE = DEADLINE * 1000
"""In the milliseconds that Playwright counts in. It waits for 30 s by itself, which a busy machine may need to start
a browser."""

expect.set_options(timeout=PATIENCE)

FLAGS = [
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A browser of the test's own."""
    path = shutil.which("chromium")
    assert path is not None, "the browser tests need Chromium; `make test` installs it, or: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE)
        try:
            yield browser
        finally:
            await browser.close()


class Tab:
    """A page of Netra. `trouble` has every error, every breach of the Content-Security-Policy and every request to
    anywhere else; a test ends with none."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.trouble: list[str] = []
        self.expected: list[str] = ["status of 401"]
        """What browsers log by themselves and a test means to happen; to be asked who one is, signed out, is normal."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        page.on("request", self._request)

    @property
    def composer(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    @property
    def turns(self) -> Locator:
        return self.page.locator(".turn[data-run]")

    @property
    def answer(self) -> Locator:
        """The last text of the last answer."""
        return self.turns.last.locator(":scope > .reply > .markdown").last

    @property
    def threads(self) -> Locator:
        return self.page.locator(".threads .title")

    async def open(self, path: str = "/") -> None:
        await self.page.goto(self.url + path)

    async def ready(self) -> None:
        """Wait until events flow."""
        await self.page.locator(".banner[data-state=live]").wait_for(state="attached")

    async def say(self, text: str) -> None:
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def state(self, wanted: str) -> None:
        """Wait until the last run is in this state."""
        await self.turns.last.and_(self.page.locator(f"[data-state={wanted}]")).wait_for()

    async def until(self, seen: Callable[[], Awaitable[object]], what: str) -> None:
        """Poll until it is so."""
        try:
            async with asyncio.timeout(DEADLINE):
                # What is seen is in another process: there is no event to wait for.
                while not await seen():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never happened: {what}") from None

    async def answered(self, wanted: str) -> None:
        """Wait until the last answer reads so, whatever white space is between."""

        async def reads() -> bool:
            if await self.answer.count() == 0:
                return False
            return " ".join((await self.answer.inner_text()).split()) == " ".join(wanted.split())

        await self.until(reads, f"the answer {wanted[:60]!r}")

    async def violations(self) -> int:
        """How often the client's tiling check failed."""
        return await self.page.evaluate("() => netra.violations")

    def calm(self) -> None:
        """Fail if anything went wrong."""
        real = [line for line in self.trouble if not any(known in line for known in self.expected)]
        assert real == []

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.trouble.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.trouble.append(f"asked elsewhere: {request.url}")


async def new_context(browser: Browser, url: str, person: Person | None, **options: Any) -> BrowserContext:
    """A browser profile, signed in as this person. Breaches of the policy become console errors."""
    context = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
    context.set_default_timeout(PATIENCE)
    if person is not None:
        await context.add_cookies([{"name": "netra", "value": person.token, "url": url}])
    await context.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error("
        "`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"
    )
    return context


async def new_tab(context: BrowserContext, url: str, path: str | None = "/") -> Tab:
    """A tab of that profile, on the page and following its events."""
    tab = Tab(await context.new_page(), url)
    if path is not None:
        await tab.open(path)
        await tab.ready()
    return tab
