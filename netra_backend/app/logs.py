"""What the server writes about itself: lines on stderr, JSON unless a person is watching.

User, thread and run are named by whoever binds them (`structlog.contextvars`). Values under names that look secret
are masked. Writing never fails: a server must not fall because its terminal is gone or the disk is full.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

__all__ = ["CHATTY", "configure_logs"]

Level = Literal["debug", "info", "warning", "error"]
Line = MutableMapping[str, Any]

MASK = "***"

CHATTY = ("alembic", "asyncio", "httpcore", "httpx", "openai", "uvicorn", "uvicorn.error", "websockets")
"""Loggers that are heard from WARNING on."""

_SECRET = re.compile(r"password|passwd|secret|token|ticket|authorization|cookie|api_?key|credential", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""C0, DEL, C1 and the bidirectional overrides: what could make a terminal show something else."""


def configure_logs(level: Level, stream: TextIO | None = None) -> None:
    """Have everything that this process logs written to `stream` (stderr)."""
    target = stream or sys.stderr
    readable = target.isatty()
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        # As text: the structured form holds the values of local variables, and so whatever is secret in them.
        structlog.processors.format_exc_info,
        _mask,
    ]
    last: list[structlog.typing.Processor] = (
        [_harmless, structlog.dev.ConsoleRenderer(timestamp_key="ts")]
        if readable
        else [structlog.processors.JSONRenderer()]
    )
    handler = _Lines(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At INFO uvicorn writes each socket's path with its query string, the others a line for each thing they do.
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _Lines(logging.Handler):
    """Writes each line by one call, without a buffer that could fill or be left half written."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        try:
            self._descriptor = stream.fileno()
        except (io.UnsupportedOperation, ValueError):
            self._descriptor = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - a line that can't be made is a defect to show, not to fall over
            line = f"unreadable log line ({error!r}) from {record.pathname}:{record.lineno}: {record.msg!r}"
        try:
            if self._descriptor is None:
                self._stream.write(line + "\n")
            else:
                os.write(self._descriptor, (line + "\n").encode("utf-8", "backslashreplace"))
        except (OSError, ValueError):
            return  # there is nowhere left to say so


def _mask(_logger: object, _method: str, line: Line) -> Line:
    for name in line:
        if _SECRET.search(name):
            line[name] = MASK
    return line


def _harmless(_logger: object, _method: str, line: Line) -> Line:
    """Spell out what could make a terminal show something else than was logged."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", value)
    return line
