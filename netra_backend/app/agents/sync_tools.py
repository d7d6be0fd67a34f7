"""Threads for tools that aren't async: a few per user, so that one user's slow tools can't take everybody's."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar
from weakref import WeakSet, WeakValueDictionary

__all__ = ["SyncToolThreads", "UserThreads"]

T = TypeVar("T")


class SyncToolThreads:
    """Hands each user their own threads. A user's are kept only while a turn holds them or a tool runs in them."""

    def __init__(self, per_user: int) -> None:
        self._per_user = per_user
        self._users: WeakValueDictionary[str, UserThreads] = WeakValueDictionary()

    def of(self, user_id: str) -> UserThreads:
        """The threads of that user. Hold on to them for the length of the turn."""
        threads = self._users.get(user_id)
        if threads is None:
            threads = self._users[user_id] = UserThreads(self._per_user)
        return threads


class UserThreads(Executor):
    """An executor with at most `limit` threads; further work waits, and can be cancelled while it does.

    A thread can't be stopped: work that was begun keeps its place until it ends, wanted or not. The threads are
    daemons, so that an abandoned tool can't keep the process from ending.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()
        self._begun: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._waiting: deque[tuple[Future[Any], Callable[[], object], asyncio.Task[Any] | None]] = deque()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn` in a thread, as soon as there is one. Call it from the loop, in the task that wants the result."""
        future: Future[T] = Future()
        with self._lock:
            self._waiting.append((future, lambda: fn(*args, **kwargs), asyncio.current_task()))
            if len(self._running) >= self._limit:
                return future
            first = self._next()
        if first is not None:
            threading.Thread(target=self._work, args=first, name="netra-sync-tool", daemon=True).start()
        return future

    def begun_for(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a thread began something that `task` asked for. It may have ended since: until the loop comes to
        tell the task, nobody knows."""
        with self._lock:
            return task in self._begun

    def _next(self) -> tuple[Future[Any], Callable[[], object]] | None:
        while self._waiting:
            future, call, owner = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                self._running.add(future)
                if owner is not None:
                    self._begun.add(owner)
                return future, call
        return None

    def _work(self, future: Future[Any], call: Callable[[], object]) -> None:
        following: tuple[Future[Any], Callable[[], object]] | None = (future, call)
        while following is not None:
            future, call = following
            result: object = None
            error: BaseException | None = None
            try:
                result = call()
            except BaseException as raised:  # noqa: BLE001 - it's the tool's, and goes to whoever awaits it
                error = raised
            with self._lock:
                self._running.discard(future)
                following = self._next()
            if isinstance(error, StopIteration):
                # No future takes it, and whoever waits for this one would do so for ever.
                error = RuntimeError("a sync tool raised StopIteration")
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, call, result, error
