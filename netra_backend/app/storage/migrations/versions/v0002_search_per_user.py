"""Full-text search whose lists of messages are per user; what is there already is indexed by housekeeping."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in ("insert", "delete", "update"):
        op.execute(f"DROP TRIGGER messages_fts_{name}")
    op.execute("DROP TABLE messages_fts")
    # Of the terms it has to know only which messages hold them: `detail=none`. It keeps a copy of them, since without
    # one a row can be removed only by who knows what it held. `storage/search_terms.py` has made them of ASCII letters,
    # digits, underscores and whatever isn't ASCII; just these the tokenizer takes as they are.
    op.execute(
        """CREATE VIRTUAL TABLE messages_fts USING fts5(terms, detail='none', tokenize="ascii tokenchars '_'")"""
    )
    op.execute(
        "CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages BEGIN"
        " DELETE FROM messages_fts WHERE rowid = old.number; END"
    )
    # Not in this transaction: a large database would not be served for minutes.
    op.execute(
        "INSERT INTO instance (name, value)"
        " SELECT 'search_index_from', CAST(max(number) + 1 AS TEXT) FROM messages HAVING count(*) > 0"
    )
