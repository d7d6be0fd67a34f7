"""Everything a user said and was answered, as one file."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, Literal

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.protocol.codec import now_ms, output_beside, rfc3339
from netra_backend.app.protocol.events import Json
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.settings import Settings
from netra_backend.app.storage.messages import Message
from netra_backend.app.storage.threads import Thread

__all__ = ["ExportFormat", "ThreadExport"]

ExportFormat = Literal["json", "markdown"]
PAGE = 100
"""Messages that are read at a time: others' reads come in between, and no more is held in memory."""

_SPEAKERS = {"user": "You", "agent": "Agent"}
_ENDS = {"stop": "", "length": " (cut at a limit)", "content_filter": " (cut by a filter)", "refusal": " (a refusal)"}
_STATES = {"complete": "", "stopped": " (stopped)", "failed": " (failed)"}


class ThreadExport:
    """Reads a page at a time, so that a large account needs no more memory than a small one."""

    def __init__(self, log: EventLog, settings: Settings) -> None:
        self._log = log
        self._settings = settings

    async def start(self, context: UserExecutionContext, wanted: ExportFormat) -> AsyncGenerator[str]:
        """The file, piece by piece. Which threads are in it is settled at once. Raises `LogUnavailable`."""
        most = self._settings.max_threads_per_user
        threads, notes = await self._log.view(
            context.user_id, lambda view: (view.threads.newest(most), view.notes.all())
        )
        return (self._json if wanted == "json" else self._markdown)(context, threads, notes)

    async def _json(
        self, context: UserExecutionContext, threads: list[Thread], notes: list[tuple[int, str]]
    ) -> AsyncGenerator[str]:
        head = {"exported_at": rfc3339(now_ms()), "notes": [{"number": n, "text": text} for n, text in notes]}
        yield _dump(head)[:-1] + ',"threads":['
        for index, thread in enumerate(threads):
            yield ("," if index else "") + _dump(_thread(thread))[:-1] + ',"messages":['
            separator = ""
            async for message in self._messages(context, thread):
                yield separator + _dump(_message(message))
                separator = ","
            yield "]}"
        yield "]}\n"

    async def _markdown(
        self, context: UserExecutionContext, threads: list[Thread], notes: list[tuple[int, str]]
    ) -> AsyncGenerator[str]:
        yield f"# Netra, exported {rfc3339(now_ms())}\n"
        for thread in threads:
            yield f"\n## {' '.join(thread.title.split())}\n\nBegun {rfc3339(thread.created_at)}.\n"
            async for message in self._messages(context, thread):
                speaker = _SPEAKERS[message.role] + (_STATES[message.state] or _ENDS[message.finish_reason])
                yield f"\n### {speaker}, {rfc3339(message.created_at)}\n\n{message.text}\n"
                if (output := output_beside(message.text, _output(message))) is not None:
                    yield f"\n```json\n{json.dumps(output, ensure_ascii=False, indent=2)}\n```\n"
        if notes:
            yield "\n## Notes\n\n" + "".join(f"{number}. {text}\n" for number, text in notes)

    async def _messages(self, context: UserExecutionContext, thread: Thread) -> AsyncGenerator[Message]:
        last = 0
        while True:
            page = await self._log.view(
                context.user_id, lambda view, last=last: view.messages.said_after(thread.id, last, PAGE)
            )
            for message in page:
                yield message
            if len(page) < PAGE:
                return
            last = page[-1].number


def _thread(thread: Thread) -> dict[str, Any]:
    return {
        "id": thread.id,
        "title": thread.title,
        "created_at": rfc3339(thread.created_at),
        "updated_at": rfc3339(thread.updated_at),
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "role": message.role,
        "text": message.text,
        "state": message.state,
        "finish_reason": message.finish_reason,
        "output": _output(message),
        "created_at": rfc3339(message.created_at),
    }


def _output(message: Message) -> Json:
    return json.loads(message.output) if message.output is not None else None


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
