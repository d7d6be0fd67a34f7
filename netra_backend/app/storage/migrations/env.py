"""How Alembic runs: on the connection it is handed, in the transaction that is open on it."""

from __future__ import annotations

from alembic import context

from netra_backend.app.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
