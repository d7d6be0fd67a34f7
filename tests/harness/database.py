"""Taking the database away from a running server, and giving it back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.deadline import DEADLINE


@asynccontextmanager
async def database_away(path: Path) -> AsyncIterator[None]:
    """Nothing can be written while the body runs: another process's transaction holds the write lock."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=DEADLINE)
    try:
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()
