"""The tables. Times are integers, milliseconds since 1970 UTC. Every row of a user carries `user_id`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

__all__ = [
    "events",
    "heads",
    "instance",
    "known_devices",
    "messages",
    "metadata",
    "notes",
    "one_time_codes",
    "runs",
    "sessions",
    "threads",
    "users",
]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = String(64)
_Time = BigInteger
# SQLite numbers rows by itself only under exactly this type.
_Number = BigInteger().with_variant(Integer, "sqlite")


def _of_user() -> Column[str]:
    return Column("user_id", _Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


instance = Table(
    "instance",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(128), nullable=False),
)
"""What this database says about itself: see `storage/folder.py`."""

users = Table(
    "users",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("password_hash", String(256), nullable=True),
    Column("role", String(16), nullable=False),
    Column("disabled_at", _Time, nullable=True),
    Column("created_at", _Time, nullable=False),
    # The operator wants it removed; whoever holds the logs does it once its runs have ended.
    Column("leaving", Boolean, nullable=False, server_default=false()),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", _Id, primary_key=True),
    _of_user(),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("label", String(200), nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("expires_at", _Time, nullable=False),
    Column("last_seen_at", _Time, nullable=False),
    Column("revoked_at", _Time, nullable=True),
    Index("ix_sessions_user_id", "user_id"),
)

one_time_codes = Table(
    "one_time_codes",
    metadata,
    Column("code_hash", LargeBinary(32), primary_key=True),
    _of_user(),
    # The purpose is part of every look-up: a code made for one thing can't be redeemed as another.
    Column("purpose", String(16), nullable=False),
    Column("session_id", _Id, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=True),
    Column("origin", String(300), nullable=True),
    Column("expires_at", _Time, nullable=False),
    Index("ix_one_time_codes_expires_at", "expires_at"),
)

known_devices = Table(
    "known_devices",
    metadata,
    _of_user(),
    Column("mark_hash", LargeBinary(32), nullable=False),
    Column("used_at", _Time, nullable=False),
    PrimaryKeyConstraint("user_id", "mark_hash"),
)

heads = Table(
    "heads",
    metadata,
    # No foreign key: the canary's log belongs to no account.
    Column("user_id", _Id, primary_key=True),
    Column("epoch", String(32), nullable=False),
    Column("head", BigInteger, nullable=False),
    # Numbers up to and including `floor` are no longer kept.
    Column("floor", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("user_id", _Id, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("type", String(32), nullable=False),
    Column("thread_id", _Id, nullable=True),
    Column("run_id", _Id, nullable=True),
    Column("ts", _Time, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    # The lengths in characters of the parts that a merged delta stands for, as a JSON list; null: not merged.
    Column("parts", Text, nullable=True),
    PrimaryKeyConstraint("user_id", "seq"),
    Index("ix_events_user_id_run_id", "user_id", "run_id", "seq"),
    Index("ix_events_user_id_thread_id", "user_id", "thread_id", "seq"),
    sqlite_with_rowid=False,
)

threads = Table(
    "threads",
    metadata,
    Column("id", _Id, primary_key=True),
    _of_user(),
    Column("title", String(200), nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("updated_at", _Time, nullable=False),
    # The title as it is searched (`storage/search_terms.py`).
    Column("folded_title", Text, nullable=False, server_default=""),
    # In which of three lists it stands: at most one of these is set.
    Column("pinned_at", _Time, nullable=True),
    Column("archived_at", _Time, nullable=True),
    Index("ix_threads_user_id_updated_at", "user_id", "updated_at"),
)

messages = Table(
    "messages",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", _Id, nullable=False, unique=True),
    _of_user(),
    Column("thread_id", _Id, ForeignKey("threads.id", ondelete="CASCADE"), nullable=False),
    Column("run_id", _Id, nullable=False),
    Column("role", String(16), nullable=False),
    Column("text", Text, nullable=False),
    # complete, or how an agent's answer was cut: stopped, failed
    Column("state", String(16), nullable=False),
    Column("client_message_id", String(128), nullable=True),
    # SHA-256 of what the client asked for besides its id, so that a reused id with other content is noticed.
    Column("fingerprint", LargeBinary(32), nullable=True),
    Column("created_at", _Time, nullable=False),
    # The event that told of it.
    Column("seq", BigInteger, nullable=False),
    # Whether the model ended a complete answer by itself: stop, length, content_filter, refusal
    Column("finish_reason", String(16), nullable=False, server_default="stop"),
    # The agent's structured output, as JSON
    Column("output", Text, nullable=True),
    UniqueConstraint("user_id", "client_message_id"),
    Index("ix_messages_user_id_thread_id_number", "user_id", "thread_id", "number"),
    Index("ix_messages_user_id_run_id", "user_id", "run_id"),
    sqlite_autoincrement=True,
)

runs = Table(
    "runs",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", _Id, nullable=False, unique=True),
    _of_user(),
    Column("thread_id", _Id, ForeignKey("threads.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", _Id, nullable=False),
    Column("state", String(16), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("model", String(200), nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("started_at", _Time, nullable=True),
    Column("finished_at", _Time, nullable=True),
    # A stop is a mark on an open run, not a state of it.
    Column("stop_requested_at", _Time, nullable=True),
    Column("stop_reason", String(200), nullable=True),
    Column("stop_requested_by", String(64), nullable=True),
    Column("error_code", String(64), nullable=True),
    Column("error_message", Text, nullable=True),
    # Whether the same message may succeed a moment later.
    Column("error_retryable", Boolean, nullable=True),
    Column("usage", Text, nullable=True),
    # The key of the last unit of this run's events: a unit that comes again is known by it.
    Column("last_unit", BigInteger, nullable=False),
    Column("terminal_seq", BigInteger, nullable=True),
    # The runtime's own record of the turn, for later turns of the thread.
    Column("history", LargeBinary, nullable=True),
    # When the text deltas of the ended run were merged in the log.
    Column("compacted_at", _Time, nullable=True),
    Index("ix_runs_user_id_state", "user_id", "state"),
    Index("ix_runs_user_id_thread_id_number", "user_id", "thread_id", "number"),
    Index("ix_runs_state_number", "state", "number"),
    Index("ix_runs_compacted_at_finished_at", "compacted_at", "finished_at"),
    sqlite_autoincrement=True,
)

notes = Table(
    "notes",
    metadata,
    _of_user(),
    Column("number", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", _Time, nullable=False),
    PrimaryKeyConstraint("user_id", "number"),
)
