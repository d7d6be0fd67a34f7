"""What is done off the hot path: merging the deltas of ended runs, letting go of old events and codes, indexing what
was there before the search index."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy import Connection

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.user_log import UserTransaction, users_to_trim
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.settings import Settings
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.known_devices import KEPT_DAYS, KnownDevices
from netra_backend.app.storage.messages import index_older
from netra_backend.app.storage.runs import uncompacted_runs
from netra_backend.app.storage.sessions import OneTimeCodes, Sessions

__all__ = ["Housekeeping"]

PERIOD = 5.0
"""Seconds between two rounds."""
RUNS_A_ROUND = 50
UNITS_A_ROUND = 100
NUMBERS_A_UNIT = 100
PAUSE = 0.02
"""Seconds between two units that index what is older than the index, so that it goes on beside everything else."""
DAY_MS = 86_400_000


_logger = logging.getLogger(__name__)


class Housekeeping:
    """The rounds. Each piece of work is a unit of its own, so it never holds up the log for long."""

    def __init__(self, log: EventLog, settings: Settings) -> None:
        self._log = log
        self._settings = settings

    async def run(self) -> None:
        """A round every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.round()
            except LogUnavailable:
                continue
            except Exception:
                # What one row broke must not end the rounds for everybody.
                _logger.exception("a round of housekeeping failed")

    async def round(self) -> None:
        """Do what there is to do now. Raises `LogUnavailable`."""
        await self._compact()
        await self._trim()
        await self._log.write(_forget_expired)
        await self._index_older()

    async def _index_older(self) -> None:
        for _ in range(UNITS_A_ROUND):
            if not await self._log.write(lambda rows: index_older(rows, NUMBERS_A_UNIT)):
                return
            await asyncio.sleep(PAUSE)

    async def _compact(self) -> None:
        for run in await self._log.query(lambda rows: uncompacted_runs(rows, RUNS_A_ROUND)):

            def compact(tx: UserTransaction, run_id: str = run.id) -> None:
                tx.compact_run(run_id)
                tx.runs.mark_compacted(run_id, tx.now)

            await self._log.commit(run.user_id, compact)

    async def _trim(self) -> None:
        keep = self._settings.retention_events
        older_than = now_ms() - int(self._settings.retention_days * DAY_MS)
        for user_id in await self._log.query(lambda rows: users_to_trim(rows, keep)):
            await self._log.commit(user_id, lambda tx: tx.trim(keep, older_than))


def _forget_expired(connection: Connection) -> None:
    now = now_ms()
    OneTimeCodes(connection).forget_expired(now)
    KnownDevices(connection).forget_unused(now - KEPT_DAYS * DAY_MS)
    # An ended session stays listed for a day, so that a clock that is off by hours removes nothing too early.
    Sessions(connection).forget_expired(now - DAY_MS)
