"""The canary sees what is broken anywhere on its way: the append, the wake-up, the read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from netra_backend.app.event_log.canary import Canary
from netra_backend.app.event_log.log import CommitListener, Page
from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.storage.errors import LogUnavailable
from netra_backend.app.storage.schema import migrate


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "netra.db")
    await opened.write(migrate)
    yield opened
    await opened.close()


async def test_the_whole_way_works(log: SqliteLog) -> None:
    assert await Canary(log).trouble() is None


async def test_a_wake_up_that_never_comes(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(listener: CommitListener) -> Callable[[], None]:
        return lambda: None

    monkeypatch.setattr(log, "listen", deaf)
    assert "took longer" in (await Canary(log, timeout=0.2).trouble() or "")


async def test_an_event_that_cannot_be_read(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    async def empty(*_: Any) -> Page:
        return Page([], 0)

    monkeypatch.setattr(log, "read", empty)
    assert "could not be read" in (await Canary(log).trouble() or "")


async def test_a_log_that_takes_nothing(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise LogUnavailable("the disk is full")

    monkeypatch.setattr(log, "commit", away)
    assert await Canary(log).trouble() == "the disk is full"


async def test_an_answer_is_given_again_while_it_is_fresh_and_no_longer(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting, fleeting = Canary(log, fresh=3600), Canary(log, fresh=0)
    assert await lasting.trouble() is None
    assert await fleeting.trouble() is None

    async def away(*_: Any) -> None:
        raise LogUnavailable("away")

    monkeypatch.setattr(log, "commit", away)
    assert await lasting.trouble() is None
    assert await fleeting.trouble() == "away"
