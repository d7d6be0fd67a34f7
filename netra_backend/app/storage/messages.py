"""What was said in the threads of one user, and searching it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update
from uuid_utils import uuid7

from netra_backend.app.protocol.events import FinishReason
from netra_backend.app.storage.search_terms import excerpt_of, indexed_terms, query_terms
from netra_backend.app.storage.tables import instance, messages

__all__ = ["MOST_HITS", "Message", "MessageState", "Messages", "SearchHit", "index_older"]

MessageState = Literal["complete", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `output` is JSON. `number` orders the messages of a thread; `seq` is the event that told of it."""

    number: int
    id: str
    thread_id: str
    run_id: str
    role: Literal["user", "agent"]
    text: str
    state: MessageState
    client_message_id: str | None
    fingerprint: bytes | None
    created_at: int
    seq: int
    finish_reason: FinishReason
    output: str | None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A message that matches, with its thread's title and an excerpt around the match. `number` is the message's."""

    message_id: str
    number: int
    run_id: str
    thread_id: str
    title: str
    role: Literal["user", "agent"]
    excerpt: str
    created_at: int


_SELECT = select(*(column for column in messages.c if column.name != "user_id"))
_OF_USER = messages.c.user_id == bindparam("of_user")
_INSERT = insert(messages)
_GET = _SELECT.where(messages.c.id == bindparam("of_message"), _OF_USER)
_BY_CLIENT_ID = _SELECT.where(_OF_USER, messages.c.client_message_id == bindparam("of_client_id"))
_INDEX = text("INSERT INTO messages_fts (rowid, terms) VALUES (:number, :terms)")

MOST_HITS = 100
_EXCERPT_FROM = 20_000
"""Characters of a message in which the excerpt is looked for."""


class Messages:
    """Reaches the messages of one user and no others."""

    def __init__(self, connection: Connection, user_id: str) -> None:
        self._connection = connection
        self._user_id = user_id

    def add(
        self,
        *,
        thread_id: str,
        run_id: str,
        role: Literal["user", "agent"],
        text: str,
        state: MessageState,
        now: int,
        seq: int,
        message_id: str | None = None,
        client_message_id: str | None = None,
        fingerprint: bytes | None = None,
        finish_reason: FinishReason = "stop",
        output: str | None = None,
    ) -> str:
        """Keep a message; returns its id."""
        new_id = message_id or str(uuid7())
        kept = self._connection.execute(
            _INSERT,
            {
                "id": new_id,
                "user_id": self._user_id,
                "thread_id": thread_id,
                "run_id": run_id,
                "role": role,
                "text": text,
                "state": state,
                "client_message_id": client_message_id,
                "fingerprint": fingerprint,
                "created_at": now,
                "seq": seq,
                "finish_reason": finish_reason,
                "output": output,
            },
        )
        number = kept.inserted_primary_key[0] if kept.inserted_primary_key is not None else None
        self._connection.execute(_INDEX, {"number": number, "terms": indexed_terms(self._user_id, text)})
        return new_id

    def get(self, message_id: str) -> Message | None:
        """The message of this id, if it is this user's."""
        row = self._connection.execute(_GET, {"of_message": message_id, "of_user": self._user_id}).one_or_none()
        return Message(*row) if row is not None else None

    def by_client_id(self, client_message_id: str) -> Message | None:
        """The message that the client sent under this id."""
        row = self._connection.execute(
            _BY_CLIENT_ID, {"of_user": self._user_id, "of_client_id": client_message_id}
        ).one_or_none()
        return Message(*row) if row is not None else None

    def of_thread(self, thread_id: str, limit: int, before: int | None = None) -> list[Message]:
        """The last `limit` messages of a thread in the order they were said; `before` is a `number` to page back."""
        query = _SELECT.where(messages.c.user_id == self._user_id, messages.c.thread_id == thread_id)
        if before is not None:
            query = query.where(messages.c.number < before)
        rows = self._connection.execute(query.order_by(messages.c.number.desc()).limit(limit)).all()
        return [Message(*row) for row in reversed(rows)]

    def size_of_run(self, run_id: str) -> int:
        """Characters of the messages of a run together."""
        query = select(func.coalesce(func.sum(func.length(messages.c.text)), 0)).where(
            messages.c.user_id == self._user_id, messages.c.run_id == run_id
        )
        return self._connection.execute(query).scalar_one()

    def of_run(self, run_id: str) -> list[Message]:
        """The messages of a run: what started it, then its answer if there is one."""
        query = _SELECT.where(messages.c.user_id == self._user_id, messages.c.run_id == run_id)
        return [Message(*row) for row in self._connection.execute(query.order_by(messages.c.number))]

    def said_after(self, thread_id: str, number: int, limit: int) -> list[Message]:
        """The first `limit` messages of a thread after a `number`, in the order they were said."""
        query = _SELECT.where(
            messages.c.user_id == self._user_id, messages.c.thread_id == thread_id, messages.c.number > number
        )
        return [Message(*row) for row in self._connection.execute(query.order_by(messages.c.number).limit(limit))]

    def search(
        self, query: str, limit: int, *, thread_id: str | None = None, unfinished: bool = False
    ) -> list[SearchHit]:
        """Messages that hold every word of the query, the newest first; of one thread, or of all. No words, no hits.

        `unfinished`: the query is being typed, so its last word may be the beginning of one. Of a long query and a long
        message only the beginning counts (`MAX_QUERY_CHARS`, `INDEXED_CHARS`).
        """
        terms = query_terms(self._user_id, query, unfinished=unfinished)
        if terms is None:
            return []
        values = {
            "terms": terms,
            "user_id": self._user_id,
            "thread_id": thread_id,
            "most": max(0, min(limit, MOST_HITS)),
            "chars": _EXCERPT_FROM,
        }
        return [
            SearchHit(
                message_id=message_id,
                number=number,
                run_id=run_id,
                thread_id=of_thread,
                title=title,
                role=role,
                excerpt=excerpt_of(beginning, query, unfinished=unfinished),
                created_at=created_at,
            )
            for message_id, number, run_id, of_thread, title, role, beginning, created_at in self._connection.execute(
                _SEARCH if thread_id is None else _SEARCH_THREAD, values
            )
        ]


_FOUND = (
    "SELECT m.id, m.number, m.run_id, m.thread_id, t.title, m.role, substr(m.text, 1, :chars), m.created_at"
    " FROM messages_fts JOIN messages m ON m.number = messages_fts.rowid JOIN threads t ON t.id = m.thread_id"
    " WHERE messages_fts MATCH :terms AND m.user_id = :user_id"
)
_NEWEST_FIRST = " ORDER BY messages_fts.rowid DESC LIMIT :most"
_SEARCH = text(_FOUND + _NEWEST_FIRST)
_SEARCH_THREAD = text(f"{_FOUND} AND m.thread_id = :thread_id{_NEWEST_FIRST}")

NOT_INDEXED = "search_index_from"
"""In `instance`: messages below this number aren't in the search index yet (migration 0002)."""


def index_older(connection: Connection, numbers: int) -> bool:
    """Index the next `numbers` of the messages that the index doesn't have yet. Returns whether more are left."""
    mark = connection.execute(select(instance.c.value).where(instance.c.name == NOT_INDEXED)).scalar()
    if mark is None:
        return False
    below = int(mark)
    lowest = max(0, below - numbers)
    older = select(messages.c.number, messages.c.user_id, messages.c.text).where(
        messages.c.number >= lowest, messages.c.number < below
    )
    rows = [
        {"number": number, "terms": indexed_terms(user_id, said)} for number, user_id, said in connection.execute(older)
    ]
    if rows:
        connection.execute(_INDEX, rows)
    if lowest == 0:
        connection.execute(delete(instance).where(instance.c.name == NOT_INDEXED))
    else:
        connection.execute(update(instance).where(instance.c.name == NOT_INDEXED).values(value=str(lowest)))
    return lowest > 0
