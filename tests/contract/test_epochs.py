"""A database that was put back from a backup gets new epochs; one that wasn't keeps them, whatever crashed."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from netra_backend.app.event_log.sqlite import SqliteLog
from netra_backend.app.protocol.events import Erased
from netra_backend.app.storage.folder import DataFolder
from netra_backend.app.storage.schema import migrate

# Other engines are not files in a folder: this is SQLite's own.


class Served:
    """A data folder, as a server starts, writes and ends."""

    def __init__(self, path: Path) -> None:
        self.folder = DataFolder(path)
        self.folder.prepare()
        self.database = path / "netra.db"
        self.log: SqliteLog

    async def start(self) -> bool:
        """Returns whether the epochs were renewed."""
        self.log = SqliteLog(self.database)
        await self.log.write(migrate)
        renewed = await self.log.write(self.folder.recognise)
        self.folder.settle()
        return renewed

    async def append(self, user_id: str = "u") -> str:
        """Returns the epoch."""
        await self.log.commit(user_id, lambda tx: tx.append(Erased()))
        return (await self.log.commit(user_id, lambda tx: tx.open_log())).epoch

    async def remark(self) -> None:
        await self.log.write(self.folder.remark)
        self.folder.settle()

    def back_up(self) -> Path:
        copy = self.database.with_name("backup.db")
        copy.unlink(missing_ok=True)
        with sqlite3.connect(self.database) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()
        return copy

    def restore(self, copy: Path) -> None:
        for name in ("netra.db-wal", "netra.db-shm"):
            (self.database.with_name(name)).unlink(missing_ok=True)
        shutil.copy(copy, self.database)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path / "data")


async def test_starting_again_keeps_the_epoch(served: Served) -> None:
    assert not await served.start()
    epoch = await served.append()
    for _ in range(3):
        await served.remark()
        await served.log.close()
        assert not await served.start()
        assert await served.append() == epoch
    await served.log.close()


@pytest.mark.parametrize("restarted", [True, False])
async def test_a_restored_backup_gets_a_new_epoch(served: Served, restarted: bool) -> None:
    """A backup of a server that ran on, without a start in between, was taken for the log that clients have cursors
    of: the mark changed at starts only."""
    await served.start()
    before = {await served.append(user_id) for user_id in ("u", "v")}
    copy = served.back_up()
    if restarted:
        await served.log.close()
        assert not await served.start()
    else:
        await served.remark()
    await served.append()
    await served.log.close()
    served.restore(copy)
    assert await served.start()
    after = {await served.append(user_id) for user_id in ("u", "v")}
    assert not before & after, "every log has a new one"
    assert len(after) == 2, "and its own"
    await served.log.close()


@pytest.mark.parametrize("act", ["recognise", "remark"])
async def test_a_crash_between_the_two_marks_is_not_taken_for_a_restored_backup(served: Served, act: str) -> None:
    """Raced: the new mark lay beside the database, and the server was killed before it was committed inside."""
    await served.start()
    epoch = await served.append()

    def cut(rows: object) -> None:
        getattr(served.folder, act)(rows)
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            await served.log.write(cut)
    await served.log.close()
    assert not await served.start()
    # And killed right after the commit, before the old mark was let go of.
    await served.log.write(served.folder.remark)
    await served.log.close()
    assert not await served.start()
    assert await served.append() == epoch
    await served.log.close()


async def test_a_folder_without_its_mark_gets_a_new_epoch(served: Served) -> None:
    await served.start()
    epoch = await served.append()
    await served.log.close()
    (served.folder.path / "instance").unlink()
    assert await served.start()
    assert await served.append() != epoch
    await served.log.close()
