"""Renews the data folder's mark while it is served, so that a backup made meanwhile is known as old afterwards.

What stays unnoticed is a backup younger than the last mark of a server that crashed: at most a minute's worth.
"""

from __future__ import annotations

import asyncio
import logging

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.folder import DataFolder

__all__ = ["keep_marked", "renew_mark"]

PERIOD = 60.0
"""Seconds between two marks."""

_logger = logging.getLogger(__name__)


async def keep_marked(log: EventLog, folder: DataFolder) -> None:
    """Renew the mark once a minute, until cancelled."""
    while True:
        await asyncio.sleep(PERIOD)
        await renew_mark(log, folder)


async def renew_mark(log: EventLog, folder: DataFolder) -> None:
    """Renew it now, if the disk takes it; the mark there is stays valid otherwise."""
    try:
        await log.write(folder.remark)
        folder.settle()
    except (LogUnavailable, OSError) as error:
        _logger.info("the data folder's mark could not be renewed: %s", error)
