"""A canary: an event that travels append → wake-up → read, to see that the whole way works."""

from __future__ import annotations

import asyncio

from netra_backend.app.background import Background
from netra_backend.app.event_log.log import Committed, Cursor, EventLog
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.events import Erased, Gap
from netra_backend.app.storage.errors import LogUnavailable

__all__ = ["CANARY", "Canary"]

CANARY = "netra:canary"
"""The log that canaries travel in. No account has this id: ids of accounts are UUIDs."""


class Canary:
    """Sends canaries on demand; an answer that is younger than `fresh` seconds is given again."""

    def __init__(self, log: EventLog, *, fresh: float = 1.0, timeout: float = 2.0) -> None:
        self._log = log
        self._fresh = fresh
        self._timeout = timeout
        self._background = Background()
        self._flight: asyncio.Task[str | None] | None = None
        self._landed = float("-inf")

    async def trouble(self) -> str | None:
        """None if a canary has arrived within the last seconds, else what is wrong."""
        loop = asyncio.get_running_loop()
        if self._flight is None or (self._flight.done() and loop.time() - self._landed > self._fresh):
            self._flight = self._background.start(self._fly(), name="canary")
        flight = self._flight
        # Not awaited itself: it is everybody's, whoever of them goes away.
        await asyncio.wait({flight})
        return flight.result()

    async def _fly(self) -> str | None:
        woken = asyncio.Event()

        def listen(committed: Committed) -> None:
            if committed.user_id == CANARY:
                woken.set()

        unlisten = self._log.listen(listen)
        try:
            async with asyncio.timeout(self._timeout):
                before = await self._log.commit(CANARY, _append)
                await woken.wait()
                page = await self._log.read(CANARY, before, 10)
        except LogUnavailable as error:
            return str(error)
        except TimeoutError:
            return f"a canary event took longer than {self._timeout:g} s"
        finally:
            unlisten()
            self._landed = asyncio.get_running_loop().time()
        if isinstance(page, Gap) or not page.events:
            return "a canary event was written, but could not be read"
        return None


def _append(tx: UserTransaction) -> Cursor:
    head = tx.open_log()
    tx.trim(keep=1, older_than=tx.now)
    tx.append(Erased())
    return Cursor(head.epoch, head.seq)
