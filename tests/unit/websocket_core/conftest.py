"""A log of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.storage.schema import migrate


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "netra.db")
    await opened.write(migrate)
    yield opened
    await opened.close()
