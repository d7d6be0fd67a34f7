"""The schema's version: what a new database gets is what this program says it knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection

from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.storage.schema import SCHEMA_VERSION, NewerSchema, migrate, schema_version

# Alembic's table is asked for directly: this is about databases of the engine that Netra runs on.


async def test_a_new_database_is_up_to_date_and_a_newer_one_is_left_alone(tmp_path: Path) -> None:
    """A step was added and the version forgotten: `netra user` took the running server for another version."""

    def work(rows: Connection) -> None:
        assert schema_version(rows) is None
        assert migrate(rows)
        assert schema_version(rows) == SCHEMA_VERSION
        assert not migrate(rows), "there is nothing left to do"
        rows.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(NewerSchema, match="9999"):
            migrate(rows)

    log = SqliteLog(tmp_path / "netra.db")
    await log.write(work)
    await log.close()
