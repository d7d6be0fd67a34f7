"""The user's threads: list, make, rename, delete, and read as they stand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from netra_backend.app.event_log.log import Cursor, EventLog
from netra_backend.app.event_log.user_log import Record, UserTransaction, UserView
from netra_backend.app.protocol.events import ThreadDeleted, ThreadRenamed
from netra_backend.app.runs.ledger import create_thread, file_thread
from netra_backend.app.runs.parts import OUTLINE_TYPES, RunParts, outline_of, parts_of
from netra_backend.app.services.agent_service_core import AgentService
from netra_backend.app.services.refusals import NotFound, ThreadBusy, TooManyPins
from netra_backend.app.services.thread_search import Found, ThreadSearch
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.settings import Settings
from netra_backend.app.storage.messages import Message
from netra_backend.app.storage.runs import Run
from netra_backend.app.storage.threads import Thread

__all__ = ["OpenRunState", "Snapshot", "ThreadService", "ThreadState"]

OUTLINE_BYTES = 1024 * 1024
"""How much of the log is read, at most, to tell what a page's runs did; of the others whoever shows them asks."""
DELETE_TRIES = 5
"""How often a thread's runs are stopped before deletion, when messages keep coming in through another process."""


@dataclass(frozen=True, slots=True)
class OpenRunState:
    """A run with everything that was told of it so far."""

    run: Run
    told: RunParts


@dataclass(frozen=True, slots=True)
class ThreadState:
    """A thread at one moment; events after `cursor` go on from exactly there.

    `runs` are those of the messages. `outlines` tell in short what ended ones did, by their id: those whose events
    are kept still, the newest first as far as `OUTLINE_BYTES` of events go.
    """

    thread: Thread
    messages: list[Message]
    runs: list[Run]
    outlines: dict[str, RunParts]
    open_runs: list[OpenRunState]
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Threads and all open runs at one moment; events after `cursor` go on from exactly there."""

    pinned: list[Thread]
    threads: list[Thread]
    """The last used ones that aren't archived, pinned or not."""
    open_runs: list[OpenRunState]
    cursor: Cursor


class ThreadService:
    """Every call has a context and reaches the threads of that user only."""

    def __init__(self, log: EventLog, agents: AgentService, search: ThreadSearch, settings: Settings) -> None:
        self._log = log
        self._search = search
        self._agents = agents
        self._settings = settings

    async def page(
        self,
        context: UserExecutionContext,
        limit: int,
        before: tuple[int, str] | None = None,
        *,
        archived: bool = False,
    ) -> list[Thread]:
        """The last used threads first, those that are archived or the others; `before`: (updated_at in ms, id) of the
        last one seen."""
        return await self._log.view(context.user_id, lambda view: view.threads.newest(limit, before, archived=archived))

    async def create(self, context: UserExecutionContext, title: str) -> Thread:
        """Start an empty thread. Raises `TooManyThreads`."""
        most = self._settings.max_threads_per_user
        return await self._log.commit(context.user_id, lambda tx: create_thread(tx, title, most))

    async def change(
        self,
        context: UserExecutionContext,
        thread_id: str,
        *,
        title: str | None = None,
        pinned: bool | None = None,
        archived: bool | None = None,
    ) -> Thread:
        """Give a thread another title, pin or archive it, or take it back: all that is named, or nothing.

        What is pinned is no longer archived, and the other way round; not both are asked for. Raises `NotFound` or
        `TooManyPins`.
        """
        most = self._settings.max_pinned_threads_per_user

        def unit(tx: UserTransaction) -> Thread:
            thread = _must_get(tx, thread_id)
            if title is not None:
                tx.threads.rename(thread_id, title)
                tx.append(ThreadRenamed(thread_id=thread_id, title=title), thread_id=thread_id)
            now_pinned = pinned if pinned is not None else thread.pinned and not archived
            now_archived = archived if archived is not None else thread.archived and not pinned
            if (now_pinned, now_archived) != (thread.pinned, thread.archived):
                if now_pinned and len(tx.threads.pinned(most)) >= most:
                    raise TooManyPins(f"you have pinned {most} conversations, which is the most; unpin one first")
                file_thread(tx, thread_id, pinned=now_pinned, archived=now_archived)
            return _must_get(tx, thread_id)

        return await self._log.commit(context.user_id, unit)

    async def delete(self, context: UserExecutionContext, thread_id: str) -> None:
        """Stop the thread's runs, then remove it and blank its events.

        Raises `NotFound`, `StopNotRecorded`, or `ThreadBusy` when messages keep coming in through another process.
        """

        def unit(tx: UserTransaction) -> bool:
            _must_get(tx, thread_id)
            if tx.runs.open(thread_id):
                return False
            tx.erase_thread(thread_id)
            tx.threads.delete(thread_id)
            tx.append(ThreadDeleted(thread_id=thread_id))
            return True

        with self._agents.taking_no_messages(context.user_id, thread_id):
            for _ in range(DELETE_TRIES):
                await self._agents.stop_agent(context.user_id, thread_id=thread_id, reason="the thread is deleted")
                await self._agents.wait_until_ended(context.user_id, thread_id)
                if await self._log.commit(context.user_id, unit):
                    return
        raise ThreadBusy("messages kept coming in while it was deleted; delete it again")

    async def state(
        self, context: UserExecutionContext, thread_id: str, limit: int, before: int | None = None
    ) -> ThreadState:
        """A thread's last `limit` messages and its open runs, with the cursor of that moment. Raises `NotFound`."""

        def look(view: UserView) -> ThreadState:
            thread = _must_get(view, thread_id)
            messages = view.messages.of_thread(thread_id, limit, before)
            runs = view.runs.those({message.run_id for message in messages})
            return ThreadState(
                thread,
                messages,
                runs,
                _outlines(view, [run.id for run in runs if run.terminal_seq is not None]),
                [_so_far(view, run) for run in view.runs.open(thread_id)],
                _cursor(view),
            )

        return await self._log.view(context.user_id, look)

    async def messages(
        self, context: UserExecutionContext, thread_id: str, limit: int, before: int | None = None
    ) -> list[Message]:
        """The last `limit` messages, oldest first; `before`: the number of one to page back from. Raises `NotFound`."""

        def look(view: UserView) -> list[Message]:
            _must_get(view, thread_id)
            return view.messages.of_thread(thread_id, limit, before)

        return await self._log.view(context.user_id, look)

    async def events(
        self, context: UserExecutionContext, thread_id: str, after: int, limit: int
    ) -> tuple[list[Record], Cursor]:
        """The thread's events after a number, a filtered list: they don't tile. Raises `NotFound`."""

        def look(view: UserView) -> tuple[list[Record], Cursor]:
            _must_get(view, thread_id)
            return view.of_thread(thread_id, after, limit), _cursor(view)

        return await self._log.view(context.user_id, look)

    async def search(
        self, context: UserExecutionContext, query: str, limit: int, thread_id: str | None = None
    ) -> Found:
        """What somebody looks for while they type. Raises as `ThreadSearch.as_typed` does."""
        return await self._search.as_typed(context, query, limit, thread_id)

    async def runs(self, context: UserExecutionContext, limit: int, thread_id: str | None = None) -> list[Run]:
        """The last runs first. Raises `NotFound` for a thread that isn't the user's."""

        def look(view: UserView) -> list[Run]:
            if thread_id is not None:
                _must_get(view, thread_id)
            return view.runs.newest(limit, thread_id=thread_id)

        return await self._log.view(context.user_id, look)

    async def run(self, context: UserExecutionContext, run_id: str) -> OpenRunState:
        """A run with what was told of it. Raises `NotFound`."""

        def look(view: UserView) -> OpenRunState:
            run = view.runs.get(run_id)
            if run is None:
                raise NotFound("there is no such run")
            return _so_far(view, run)

        return await self._log.view(context.user_id, look)

    async def snapshot(self, context: UserExecutionContext, limit: int) -> Snapshot:
        """The last used threads and every open run, with the cursor of that moment."""

        def look(view: UserView) -> Snapshot:
            open_runs = [_so_far(view, run) for run in view.runs.open()]
            pinned = view.threads.pinned(self._settings.max_pinned_threads_per_user)
            return Snapshot(pinned, view.threads.newest(limit, archived=False), open_runs, _cursor(view))

        await self.open_log(context)
        return await self._log.view(context.user_id, look)

    async def open_log(self, context: UserExecutionContext) -> Cursor:
        """Where the user's log stands; begins it if there is none."""
        found = await self._log.view(context.user_id, lambda view: view.head())
        if found is None:
            found = await self._log.commit(context.user_id, lambda tx: tx.open_log())
        return Cursor(found.epoch, found.seq)


def _must_get(view: UserView, thread_id: str) -> Thread:
    thread = view.threads.get(thread_id)
    if thread is None:
        raise _no_thread()
    return thread


def _no_thread() -> NotFound:
    return NotFound("there is no such thread")


def _cursor(view: UserView) -> Cursor:
    head = view.head()
    return Cursor(head.epoch, head.seq) if head is not None else Cursor("", 0)


def _so_far(view: UserView, run: Run) -> OpenRunState:
    return OpenRunState(run, parts_of(view.of_run(run.id)))


def _outlines(view: UserView, run_ids: Collection[str]) -> dict[str, RunParts]:
    records = view.of_runs(run_ids, OUTLINE_TYPES, OUTLINE_BYTES)
    outlines = {run_id: outline_of(told) for run_id, told in records.items()}
    return {run_id: outline for run_id, outline in outlines.items() if outline is not None}
