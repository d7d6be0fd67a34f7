"""Threads and messages over HTTP. A foreign id answers 404 exactly like a missing one."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from netra_backend.app.protocol.codec import encode_event
from netra_backend.app.routes.dependencies import AccessNow
from netra_backend.app.routes.models import (
    CursorInfo,
    EventList,
    HitList,
    MessageInfo,
    MessageList,
    NewMessage,
    NewThread,
    SnapshotInfo,
    Started,
    ThreadChange,
    ThreadDetail,
    ThreadInfo,
    ThreadList,
)
from netra_backend.app.routes.problems import Problem, problem_responses
from netra_backend.app.routes.services import services
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.storage.threads import Thread

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["threads"], responses=problem_responses(401, 404, 422, 429, 503))

Limit = Annotated[int, Query(ge=1, le=200)]
After = Annotated[int, Query(ge=0, le=2**53)]
Before = Annotated[int | None, Query(ge=0, le=2**53)]


@router.get("/threads")
async def list_threads(
    access: AccessNow,
    request: Request,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query()] = None,
    archived: Annotated[bool, Query()] = False,
) -> ThreadList:
    """The last used threads first: those that are archived, or the others. Pass `next` as `cursor` to go on."""
    before = _read_cursor(cursor) if cursor is not None else None
    found = await services(request).threads.page(_context(access.user_id), limit, before, archived=archived)
    return ThreadList(threads=[ThreadInfo.of(thread) for thread in found], next=_next(found, limit))


@router.post("/threads", status_code=201)
async def create_thread(access: AccessNow, request: Request, body: NewThread | None = None) -> ThreadInfo:
    """Start an empty thread."""
    title = (body or NewThread()).title
    return ThreadInfo.of(await services(request).threads.create(_context(access.user_id), title))


@router.get("/threads/{thread_id}")
async def get_thread(
    thread_id: str, access: AccessNow, request: Request, limit: Limit = 100, before: Before = None
) -> ThreadDetail:
    """The thread as it stands, with the open runs so far and the cursor of the same moment."""
    state = await services(request).threads.state(_context(access.user_id), thread_id, limit, before)
    return ThreadDetail.of(state)


@router.patch("/threads/{thread_id}", responses=problem_responses(429))
async def change_thread(thread_id: str, body: ThreadChange, access: AccessNow, request: Request) -> ThreadInfo:
    """Give the thread another title, pin it, archive it, or take it back."""
    changed = await services(request).threads.change(
        _context(access.user_id), thread_id, title=body.title, pinned=body.pinned, archived=body.archived
    )
    return ThreadInfo.of(changed)


@router.delete("/threads/{thread_id}", status_code=204, responses=problem_responses(409))
async def delete_thread(thread_id: str, access: AccessNow, request: Request) -> Response:
    """Stop the thread's runs, then erase it. It can't be undone."""
    await services(request).threads.delete(_context(access.user_id), thread_id)
    return Response(status_code=204)


@router.get("/threads/{thread_id}/messages")
async def list_messages(
    thread_id: str, access: AccessNow, request: Request, limit: Limit = 100, before: Before = None
) -> MessageList:
    """The last messages, in the order they were said. Pass `before` to page back."""
    found = await services(request).threads.messages(_context(access.user_id), thread_id, limit, before)
    back = found[0].number if len(found) == limit else None
    return MessageList(messages=[MessageInfo.of(message) for message in found], before=back)


@router.post("/threads/{thread_id}/messages", status_code=202, responses=problem_responses(409, 413))
async def send_message(thread_id: str, body: NewMessage, access: AccessNow, request: Request) -> Started:
    """Say something; starts a run. Answered when both are durable; repeating it is harmless."""
    started = await services(request).agents.start_agent(
        _context(access.user_id),
        body.text,
        body.client_message_id,
        thread_id=thread_id,
        when_busy=body.when_busy,
    )
    return Started.of(started)


@router.get("/threads/{thread_id}/events")
async def list_events(
    thread_id: str, access: AccessNow, request: Request, after: After = 0, limit: Limit = 200
) -> EventList:
    """The thread's events after a number: a filtered list, so ranges don't tile here."""
    records, cursor = await services(request).threads.events(_context(access.user_id), thread_id, after, limit)
    told = [msgspec.json.decode(encode_event(record.event(cursor.epoch)), type=dict[str, Any]) for record in records]
    return EventList(events=told, cursor=CursorInfo.of(cursor))


@router.get("/search")
async def search(
    access: AccessNow,
    request: Request,
    q: Annotated[str, Query(min_length=1, max_length=200)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    thread_id: Annotated[str | None, Query(max_length=128)] = None,
) -> HitList:
    """Your messages that hold every word of `q`, the newest first, and your threads whose titles do; with `thread_id`,
    the messages of that thread alone. The last word may be the beginning of one, as somebody types it."""
    return HitList.of(await services(request).threads.search(_context(access.user_id), q, limit, thread_id))


@router.get("/snapshot")
async def snapshot(access: AccessNow, request: Request, limit: Limit = 50) -> SnapshotInfo:
    """The pinned and the last used threads and all open runs, with the cursor of the same moment: after a gap, and at
    first load."""
    found = await services(request).threads.snapshot(_context(access.user_id), limit)
    return SnapshotInfo.of(found, _next(found.threads, limit))


def _context(user_id: str) -> UserExecutionContext:
    return UserExecutionContext(user_id=user_id)


def _next(page: list[Thread], limit: int) -> str | None:
    """Where the list goes on behind a page of it; None at the end."""
    return _write_cursor(page[-1]) if len(page) == limit else None


def _write_cursor(thread: Thread) -> str:
    return base64.urlsafe_b64encode(f"{thread.updated_at} {thread.id}".encode()).decode()


def _read_cursor(text: str) -> tuple[int, str]:
    try:
        updated_at, _, thread_id = base64.urlsafe_b64decode(text.encode()).decode().partition(" ")
        when = int(updated_at)
        if not 0 <= when <= 2**53:
            raise ValueError("no time that a thread could have")
        return when, thread_id
    except (ValueError, binascii.Error):
        raise Problem(422, "invalid_request", "this cursor wasn't made by this server", "cursor") from None
