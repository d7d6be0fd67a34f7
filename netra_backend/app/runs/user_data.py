"""What an agent's tools may reach of one user's data, read from and kept in the log's database."""

from __future__ import annotations

from collections.abc import Sequence

from netra_backend.app.agents.runtime import ThreadHit
from netra_backend.app.event_log.log import EventLog
from netra_backend.app.protocol.codec import rfc3339
from netra_backend.app.services.thread_search import ThreadSearch
from netra_backend.app.services.user_execution_context import UserExecutionContext

__all__ = ["StoredUserData"]


class StoredUserData:
    """`UserData` bound to the user of a context."""

    def __init__(self, log: EventLog, search: ThreadSearch, context: UserExecutionContext) -> None:
        self._log = log
        self._search = search
        self._context = context
        self._user_id = context.user_id

    async def add_note(self, text: str) -> int:
        """See `UserData.add_note`."""
        return await self._log.commit(self._user_id, lambda tx: tx.notes.add(text, tx.now))

    async def notes(self) -> Sequence[tuple[int, str]]:
        """See `UserData.notes`."""
        return await self._log.view(self._user_id, lambda view: view.notes.all())

    async def delete_note(self, number: int) -> bool:
        """See `UserData.delete_note`."""
        return await self._log.commit(self._user_id, lambda tx: tx.notes.delete(number))

    async def search_threads(self, query: str, limit: int = 10) -> Sequence[ThreadHit]:
        """See `UserData.search_threads`."""
        hits = await self._search.find(self._context, query, limit)
        return [ThreadHit(hit.thread_id, hit.title, hit.role, hit.excerpt, rfc3339(hit.created_at)) for hit in hits]
