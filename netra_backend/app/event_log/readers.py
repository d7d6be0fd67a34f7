"""Threads that read for users, shared fairly: whoever asks for much waits for their own turn, not others for theirs."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["FairReaders"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Look:
    work: Callable[[], Any]
    future: asyncio.Future[Any]


class FairReaders:
    """`threads` threads, of which one user has at most `per_user` at a time. Users take turns. For one event loop."""

    def __init__(self, threads: int, per_user: int, name: str) -> None:
        self._free = threads
        self._per_user = per_user
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._busy: Counter[str] = Counter()
        # In the order in which users are served next.
        self._waiting: OrderedDict[str, deque[_Look]] = OrderedDict()

    async def look(self, user_id: str, work: Callable[[], T]) -> T:
        """What `work` returns or raises in one of the threads.

        A task that is cancelled while it waits for its turn gives it up; later, the thread finishes by itself.
        """
        look = _Look(work, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(user_id, deque()).append(look)
        self._serve()
        return await look.future

    def shutdown(self) -> None:
        """Take nothing more, and wait for the threads to end."""
        self._pool.shutdown()

    def _serve(self) -> None:
        while self._free and (user_id := self._next_user()) is not None:
            look = self._waiting[user_id].popleft()
            if self._waiting[user_id]:
                self._waiting.move_to_end(user_id)
            else:
                del self._waiting[user_id]
            if look.future.cancelled():
                continue
            self._free -= 1
            self._busy[user_id] += 1
            running = asyncio.get_running_loop().run_in_executor(self._pool, look.work)
            running.add_done_callback(lambda done, user_id=user_id, look=look: self._hand_over(done, user_id, look))

    def _next_user(self) -> str | None:
        return next((user_id for user_id in self._waiting if self._busy[user_id] < self._per_user), None)

    def _hand_over(self, done: asyncio.Future[Any], user_id: str, look: _Look) -> None:
        self._free += 1
        self._busy[user_id] -= 1
        if not self._busy[user_id]:
            del self._busy[user_id]
        if done.cancelled():
            look.future.cancel()
        elif look.future.cancelled():
            done.exception()  # nobody waits for it any more
        elif (error := done.exception()) is not None:
            look.future.set_exception(error)
        else:
            look.future.set_result(done.result())
        self._serve()
