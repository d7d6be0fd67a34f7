"""Rounds of housekeeping on a real log: ended runs are merged once, and what is let go of was due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.codec import now_ms
from netra_backend.app.protocol.events import AgentMessageDelta
from netra_backend.app.services import housekeeping
from netra_backend.app.services.housekeeping import DAY_MS, Housekeeping
from netra_backend.app.settings import Settings
from netra_backend.app.storage.runs import uncompacted_runs
from netra_backend.app.storage.schema import migrate
from netra_backend.app.storage.sessions import OneTimeCodes, Sessions
from tests.contract.conftest import Place, new_place
from tests.harness.deadline import DEADLINE


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "netra.db")
    await opened.write(migrate)
    yield opened
    await opened.close()


def keeper(log: SqliteLog, tmp_path: Path, **settings: Any) -> Housekeeping:
    return Housekeeping(log, Settings(data_dir=tmp_path, **settings))


async def say(log: SqliteLog, place: Place, count: int) -> None:
    def unit(tx: UserTransaction) -> None:
        for number in range(count):
            tx.append(AgentMessageDelta(text=str(number)), thread_id=place.thread_id, run_id=place.run_id)

    await log.commit(place.user_id, unit)


async def end(log: SqliteLog, place: Place) -> None:
    await log.commit(place.user_id, lambda tx: tx.runs.finish(place.run_id, "completed", now=1, terminal_seq=1))


async def numbers(log: SqliteLog) -> list[tuple[int, int]]:
    return await log.query(
        lambda rows: [tuple(row) for row in rows.exec_driver_sql("SELECT first_seq, seq FROM events ORDER BY seq")]
    )


async def test_an_ended_run_is_merged_and_not_looked_at_again(log: SqliteLog, tmp_path: Path) -> None:
    ended, working = await new_place(log), await new_place(log)
    await say(log, ended, 5)
    await say(log, working, 3)
    await end(log, ended)
    await keeper(log, tmp_path).round()
    assert sorted(await numbers(log)) == [(1, 1), (1, 5), (2, 2), (3, 3)]
    assert await log.query(lambda rows: uncompacted_runs(rows, 10)) == []


async def test_only_what_is_old_and_beyond_the_last_numbers_goes(log: SqliteLog, tmp_path: Path) -> None:
    place = await new_place(log)
    await say(log, place, 110)
    await end(log, place)
    await log.commit(place.user_id, lambda tx: tx.runs.mark_compacted(place.run_id, 1))
    old = now_ms() - 10 * DAY_MS
    await log.write(lambda rows: rows.exec_driver_sql("UPDATE events SET ts = ? WHERE seq <= 5", (old,)).rowcount)
    # All young enough; then old enough, but within the last numbers; then neither.
    for days, keep, left in ((11, 100, 110), (9, 1_000, 110), (9, 107, 107), (9, 100, 105)):
        await keeper(log, tmp_path, retention_days=days, retention_events=keep).round()
        assert len(await numbers(log)) == left, (days, keep)


async def test_sessions_and_codes_go_after_their_time(log: SqliteLog, tmp_path: Path) -> None:
    place = await new_place(log)
    now = now_ms()

    def fill(rows: Any) -> None:
        for label, expires_at in (("good", now + DAY_MS), ("just over", now - 1_000), ("long over", now - 2 * DAY_MS)):
            Sessions(rows).create(place.user_id, label, 1, expires_at)
        for expires_at in (now + DAY_MS, now - 1_000):
            OneTimeCodes(rows).create("sign_in", place.user_id, expires_at)

    await log.write(fill)
    await keeper(log, tmp_path).round()
    labels, codes = await log.query(
        lambda rows: (
            {row[0] for row in rows.exec_driver_sql("SELECT label FROM sessions")},
            rows.exec_driver_sql("SELECT count(*) FROM one_time_codes").scalar_one(),
        )
    )
    assert (labels, codes) == ({"good", "just over"}, 1)


async def test_what_breaks_one_round_ends_no_rounds(
    log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "PERIOD", 0.001)
    keeping = keeper(log, tmp_path)
    again = asyncio.Event()
    rounds = 0

    async def a_round() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise RuntimeError("what one row broke")
        again.set()

    monkeypatch.setattr(keeping, "round", a_round)
    running = asyncio.create_task(keeping.run())
    async with asyncio.timeout(DEADLINE):
        await again.wait()
    running.cancel()
    await asyncio.wait({running})
