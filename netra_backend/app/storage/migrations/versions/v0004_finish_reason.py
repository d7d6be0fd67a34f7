"""How an answer ended is kept with it, so that a cut one never looks whole."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, String

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", Column("finish_reason", String(16), nullable=False, server_default="stop"))
