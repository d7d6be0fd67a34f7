"""Searching what one user said and was answered, so that no searcher takes the readers from anybody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.user_log import UserView
from netra_backend.app.rate_limit import RateLimit
from netra_backend.app.services.refusals import NotFound, RateLimited, SearchTooLong
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.settings import Settings
from netra_backend.app.storage.errors import TookTooLong
from netra_backend.app.storage.messages import SearchHit
from netra_backend.app.storage.threads import Thread

__all__ = ["Found", "ThreadSearch"]

_Value = TypeVar("_Value")

AT_ONCE = 4
"""Searches of one user that may be under way or wait: one is carried out at a time, and a page asks as one types."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: messages, the newest first, and threads by their titles, the last used first."""

    hits: list[SearchHit]
    threads: list[Thread]


class ThreadSearch:
    """The one way to search, for HTTP and tools alike."""

    def __init__(self, log: EventLog, settings: Settings) -> None:
        self._log = log
        self._per_minute = settings.searches_per_minute
        self._rate = RateLimit(settings.searches_per_minute)
        self._under_way: Counter[str] = Counter()

    async def find(self, context: UserExecutionContext, query: str, limit: int) -> list[SearchHit]:
        """Messages that hold every word of the query, the newest first.

        Raises `RateLimited`, `SearchTooLong`, or `LogUnavailable`.
        """
        return await self._look(context, lambda view: view.messages.search(query, limit))

    async def as_typed(
        self, context: UserExecutionContext, query: str, limit: int, thread_id: str | None = None
    ) -> Found:
        """The same while somebody types: the last word may be the beginning of one. With the threads whose titles hold
        the query; in one thread, its messages alone.

        Raises `NotFound` for a thread that isn't the user's, and as `find` does.
        """

        def look(view: UserView) -> Found:
            if thread_id is not None and view.threads.get(thread_id) is None:
                raise NotFound("there is no such thread")
            return Found(
                view.messages.search(query, limit, thread_id=thread_id, unfinished=True),
                view.threads.search(query, limit) if thread_id is None else [],
            )

        return await self._look(context, look)

    async def _look(self, context: UserExecutionContext, look: Callable[[UserView], _Value]) -> _Value:
        user_id = context.user_id
        if self._under_way[user_id] >= AT_ONCE:
            raise RateLimited(f"{AT_ONCE} searches of yours are under way", retry_after=1)
        if wait := self._rate.take(user_id):
            raise RateLimited(f"more than {self._per_minute} searches in a minute", retry_after=round(wait, 1))
        self._under_way[user_id] += 1
        try:
            return await self._log.search(user_id, look)
        except TookTooLong:
            raise SearchTooLong("this search takes too long; use rarer words") from None
        finally:
            self._under_way[user_id] -= 1
            if not self._under_way[user_id]:
                del self._under_way[user_id]
