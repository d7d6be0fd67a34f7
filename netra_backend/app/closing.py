"""The end of a server: each step has a bound, what is still waited for is said, and the process ends in any case.

What was acknowledged is in the log before it is acknowledged, so ending early loses nothing of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Closing"]

SAY_EVERY = 1.0
"""Seconds between two lines that say what is still waited for."""

_logger = logging.getLogger(__name__)

What = str | Callable[[], str]
"""What is waited for, as it ends "still waiting for …"; a callable is asked anew each time."""


class Closing:
    """What the end waits for, at this moment."""

    def __init__(self) -> None:
        self._waiting: list[What] = []
        self._deadline = float("inf")
        self._watch: threading.Thread | None = None
        self._over = threading.Event()
        self.gave_up = False
        """Whether a step was left before it had ended."""

    @contextmanager
    def waiting_for(self, what: What) -> Generator[None]:
        """Have it said while the body lasts."""
        self._waiting.append(what)
        try:
            yield
        finally:
            self._waiting.remove(what)

    async def step(self, what: What, seconds: float, work: Coroutine[Any, Any, object]) -> None:
        """Do it, for at most `seconds`; then go on without it. Raises what it raises."""
        task = asyncio.create_task(work, name=f"closing-{what}")
        with self.waiting_for(what):
            try:
                await asyncio.wait({task}, timeout=seconds)
            finally:
                if not task.done():
                    self.gave_up = True
                    _logger.error("waited %g s for %s; going on without", seconds, _said(what))
                    task.cancel()
                    task.add_done_callback(_heard)
        if task.done() and not task.cancelled():
            task.result()

    def begin(self, seconds: float) -> None:
        """Say from now on what is waited for, and leave the process after `seconds`, whatever hangs.

        From a thread, since it may be the event loop that hangs. A second call can only bring the end nearer.
        """
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        if self._watch is None:
            self._watch = threading.Thread(target=self._look_on, name="netra-closing", daemon=True)
            self._watch.start()

    def over(self) -> None:
        """It has ended by itself."""
        self._over.set()

    def leave(self, code: int) -> None:
        """End the process now, as it is."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)

    def _look_on(self) -> None:
        while not self._over.wait(min(SAY_EVERY, max(0.0, self._deadline - time.monotonic()))):
            said = ", then ".join(_said(what) for what in self._waiting.copy()) or "the event loop"
            if time.monotonic() >= self._deadline:
                _logger.error("ending took too long: leaving while waiting for %s", said)
                self.leave(1)
            _logger.warning("ending: still waiting for %s", said)


def _said(what: What) -> str:
    return what if isinstance(what, str) else what()


def _heard(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.warning("%s ended after all, with %r", task.get_name(), error)
