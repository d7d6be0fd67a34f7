"""Debian's Firefox, driven by WebDriver BiDi (w3c.github.io/webdriver-bidi): Playwright drives only its own."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

from tests.harness.deadline import DEADLINE

LISTENS = b"WebDriver BiDi listening on "
ENTER, SHIFT, CONTROL = "\ue007", "\ue008", "\ue009"


class Firefox:
    """One window. Commands and their answers are BiDi's."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.window = ""
        self.errors: list[str] = []

    async def begin(self, url: str, token: str) -> None:
        await self.ask("session.new", capabilities={})
        self.window = (await self.ask("browsingContext.getTree"))["contexts"][0]["context"]
        await self.ask("session.subscribe", events=["log.entryAdded"])
        value = {"type": "string", "value": token}
        cookie = {"name": "netra", "value": value, "domain": urlsplit(url).hostname, "path": "/"}
        await self.ask("storage.setCookie", cookie=cookie)
        await self.ask("browsingContext.navigate", context=self.window, url=url, wait="complete")

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(DEADLINE):
            while True:
                told = json.loads(await self._socket.recv())
                if told.get("method") == "log.entryAdded" and told["params"]["level"] == "error":
                    self.errors.append(told["params"]["text"])
                if told.get("id") == number:
                    assert told["type"] == "success", told
                    return told["result"]

    async def run(self, expression: str) -> Any:
        """The value of an expression in the page: a text, a number, a truth."""
        told = await self.ask(
            "script.evaluate", expression=expression, target={"context": self.window}, awaitPromise=True
        )
        assert told["type"] == "success", told
        return told["result"].get("value")

    async def until(self, expression: str) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                while not await self.run(f"!!({expression})"):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            page = await self.run("document.body.innerText.slice(0, 500)")
            raise AssertionError(f"never so: {expression}; the page says {page!r}") from None

    async def press(self, *keys: str, together: bool = False) -> None:
        """Press keys, one after the other or all at once."""
        down = [{"type": "keyDown", "value": key} for key in keys]
        up = [{"type": "keyUp", "value": key} for key in keys]
        one_by_one = [step for pair in zip(down, up, strict=True) for step in pair]
        actions = [{"type": "key", "id": "keys", "actions": down + up[::-1] if together else one_by_one}]
        await self.ask("input.performActions", context=self.window, actions=actions)

    async def write(self, text: str) -> None:
        """Write into the composer."""
        await self.run("document.getElementById('composer').focus()")
        await self.press(*text)


@asynccontextmanager
async def open_firefox(url: str, token: str) -> AsyncIterator[Firefox]:
    """A window on the page, signed in."""
    path = shutil.which("firefox-esr")
    assert path is not None
    with tempfile.TemporaryDirectory() as profile:
        process = await asyncio.create_subprocess_exec(
            *(path, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"HOME": profile},
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(DEADLINE):
                while LISTENS not in (line := await process.stderr.readline()):
                    assert line, "Firefox ended before it listened"
            # What it says later goes nowhere, or the pipe would be full some day.
            later = asyncio.create_task(process.stderr.read())
            async with connect(f"{line.decode().split()[-1]}/session", max_size=None) as socket:
                firefox = Firefox(socket)
                await firefox.begin(url, token)
                yield firefox
            later.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
