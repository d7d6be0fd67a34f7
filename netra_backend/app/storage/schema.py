"""Brings a database to the schema this program knows, and refuses one that a newer program made."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect

__all__ = ["SCHEMA_VERSION", "NewerSchema", "migrate", "schema_version"]

_MIGRATIONS = Path(__file__).with_name("migrations")

SCHEMA_VERSION = max(step.name[1:5] for step in (_MIGRATIONS / "versions").glob("v*.py"))
"""The newest step in `migrations/versions`, by the number in its name."""


class NewerSchema(Exception):
    """The database was written by a newer Netra; this one would damage it."""


def schema_version(connection: Connection) -> str | None:
    """The schema's version; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def migrate(connection: Connection) -> bool:
    """Bring the schema up to date, inside the open transaction. Returns whether anything was done.

    Raises `NewerSchema` for a version that isn't among ours.
    """
    present = schema_version(connection)
    if present == SCHEMA_VERSION:
        return False
    # Alembic takes a third of a second to import; a database that is up to date doesn't pay for it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise NewerSchema(
            f"the database has schema {present}, this Netra knows up to {SCHEMA_VERSION}; install the newer Netra"
            " again, or restore a backup made before the upgrade"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True
