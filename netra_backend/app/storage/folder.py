"""The data folder: made for its owner only, held by one server, and able to notice a restored backup."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, delete, insert, select, update
from uuid_utils import uuid7

from netra_backend.app.secret_file import write_secret
from netra_backend.app.storage.tables import heads, instance

__all__ = ["DataFolder", "FolderHeld", "FolderUnusable"]


class FolderUnusable(Exception):
    """The folder can't be made or written; the message says which and why."""


class FolderHeld(Exception):
    """Another process serves from this folder; the message says its pid."""


class DataFolder:
    """A data folder that this process holds, as a context manager. The kernel lets go of it when the process dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._mark = ""

    def __enter__(self) -> DataFolder:
        self.prepare()
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise FolderHeld(
                f"{self.path} is in use by another Netra (pid {pid}); stop that one, or use another --data-dir"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def prepare(self) -> None:
        """Make the folder if it is missing, readable by its owner only, and see that files can be made in it.

        Raises `FolderUnusable`.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise FolderUnusable(
                f"the data folder {self.path} can't be written: {error.strerror or error}; choose another with"
                " --data-dir or NETRA_DATA_DIR"
            ) from None

    def recognise(self, connection: Connection) -> bool:
        """See whether the database is the one this folder last served; give every user a new epoch if it isn't.

        Each start writes a new mark into the database and beside it, and so does serving (`remark`). A database that
        was put back from a backup carries an older mark, and its logs must not be taken for those that clients hold
        cursors of. Returns whether the epochs were renewed. Follow it with `settle` once it is committed: until then
        the file holds the old mark too, so that a crash in between isn't taken for a backup.
        """
        marks = self._mark_file.read_text().split() if self._mark_file.exists() else []
        inside = _mark_in(connection)
        renewed = inside not in marks if inside is not None else bool(marks)
        if renewed:
            for user_id in connection.execute(select(heads.c.user_id)).scalars().all():
                connection.execute(update(heads).where(heads.c.user_id == user_id).values(epoch=uuid7().hex))
        self.remark(connection)
        return renewed

    def remark(self, connection: Connection) -> None:
        """Renew the mark, so that a copy made of the database before is known as old. `settle` follows, as above."""
        inside = _mark_in(connection)
        self._mark = secrets.token_hex(16)
        connection.execute(delete(instance).where(instance.c.name == "mark"))
        connection.execute(insert(instance).values(name="mark", value=self._mark))
        write_secret(self._mark_file, f"{inside}\n{self._mark}\n" if inside is not None else f"{self._mark}\n")

    def settle(self) -> None:
        """The mark that was last written into the database is durable: only it is ours now."""
        write_secret(self._mark_file, f"{self._mark}\n")

    @property
    def _mark_file(self) -> Path:
        return self.path / "instance"


def _mark_in(connection: Connection) -> str | None:
    return connection.execute(select(instance.c.value).where(instance.c.name == "mark")).scalar()
