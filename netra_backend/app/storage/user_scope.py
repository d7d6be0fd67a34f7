"""The handle through which every row of a user is reached: bound to one user, so no look-up is by bare id."""

from __future__ import annotations

from sqlalchemy import Connection

from netra_backend.app.storage.messages import Messages
from netra_backend.app.storage.notes import Notes
from netra_backend.app.storage.runs import Runs
from netra_backend.app.storage.threads import Threads

__all__ = ["UserScope"]


class UserScope:
    """The rows of one user, inside one transaction."""

    def __init__(self, connection: Connection, user_id: str) -> None:
        self.user_id = user_id
        self.threads = Threads(connection, user_id)
        self.messages = Messages(connection, user_id)
        self.runs = Runs(connection, user_id)
        self.notes = Notes(connection, user_id)
