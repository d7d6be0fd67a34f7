"""Whether trying a failed run again may help is kept with it, so that a page can tell after a reload."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Runs that failed before have none: nothing is offered for them.
    op.add_column("runs", Column("error_retryable", Boolean, nullable=True))
