"""Tasks that go on though whoever asked for them goes away: kept alive, and never silent about a defect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["Background"]

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class Background:
    """The one place for tasks that may be left alone. For one event loop.

    What a task raises goes to whoever awaits it in `carry_out`. Where nobody does (any more), one of the `expected`
    kinds is nobody's concern, and anything else is logged, once.
    """

    def __init__(self, *expected: type[Exception]) -> None:
        self._expected = expected
        self._tasks: set[asyncio.Task[Any]] = set()
        self._heard: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Begin it, without waiting."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def carry_out(self, work: Coroutine[Any, Any, T], *, name: str) -> T:
        """Do it to its end even if whoever asked goes away: half of it must not happen. Raises what it raises."""
        task = self.start(work, name=name)
        self._heard.add(task)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            self._heard.discard(task)
            if task not in self._tasks:
                # It ended in the same moment, and counted as heard.
                self._report(task)
            raise
        finally:
            self._heard.discard(task)
        return task.result()

    async def settle(self, timeout: float) -> bool:
        """Wait, at most `timeout` seconds, for the tasks there are now. Returns whether they have ended."""
        if not self._tasks:
            return True
        _, left = await asyncio.wait(set(self._tasks), timeout=timeout)
        return not left

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task not in self._heard:
            self._report(task)

    def _report(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            return
        # Asking takes it off asyncio's list of what nobody retrieved.
        error = task.exception()
        if error is not None and not isinstance(error, self._expected):
            _logger.error("%s failed, and nobody waits for it", task.get_name(), exc_info=error)
