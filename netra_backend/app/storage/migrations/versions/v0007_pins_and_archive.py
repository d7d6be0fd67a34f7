"""Threads can be pinned and archived, and are found by their titles."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Text, bindparam, select, update

from netra_backend.app.storage.search_terms import folded_title
from netra_backend.app.storage.tables import threads

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("threads", Column("folded_title", Text, nullable=False, server_default=""))
    op.add_column("threads", Column("pinned_at", BigInteger, nullable=True))
    op.add_column("threads", Column("archived_at", BigInteger, nullable=True))
    connection = op.get_bind()
    fold = update(threads).where(threads.c.id == bindparam("of_thread")).values(folded_title=bindparam("folded"))
    found = [
        {"of_thread": thread_id, "folded": folded_title(title)}
        for thread_id, title in connection.execute(select(threads.c.id, threads.c.title))
    ]
    if found:
        connection.execute(fold, found)
