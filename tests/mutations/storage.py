"""Mutations of what a user's handle reaches, and of the tables behind it."""

from __future__ import annotations

from tests.mutations.mutation import Nearest

_ROWS = "tests/contract/test_rows.py"
_NO_WAY = f"{_ROWS}::test_no_way_leads_to_another_users_rows"
_PAGES = f"{_ROWS}::test_pages_have_everything_once_and_in_order"
_FOREIGN = "tests/security/test_foreign_ids_over_http.py"

_MESSAGES = Nearest("storage/messages.py", _NO_WAY)
_THREADS = Nearest("storage/threads.py", _NO_WAY, _FOREIGN)
_NOTES = Nearest("storage/notes.py", _NO_WAY, f"{_ROWS}::test_notes_are_numbered_for_their_user_alone")
_SESSIONS = Nearest(
    "storage/sessions.py",
    f"{_ROWS}::test_sessions_and_codes_are_those_of_their_user",
    "tests/unit/auth/test_session_registry.py",
    "tests/unit/auth/test_sign_in.py",
    "tests/unit/auth/test_auth_routes.py",
)
_USERS = Nearest(
    "storage/users.py",
    f"{_ROWS}::test_what_is_changed_of_an_account_changes_no_other",
    "tests/unit/auth/test_sign_in.py",
)
_SCOPE = Nearest("storage/user_scope.py", _ROWS)
_SCHEMA = Nearest("storage/schema.py", "tests/contract/test_schema.py")
_THREAD_SERVICE = Nearest(
    "services/thread_service.py", "tests/integration/test_deleting.py", "tests/integration/test_midrun_state.py"
)

MUTATIONS = (
    _MESSAGES.edit(
        "message-of-any-user",
        '_GET = _SELECT.where(messages.c.id == bindparam("of_message"), _OF_USER)',
        '_GET = _SELECT.where(messages.c.id == bindparam("of_message"), bindparam("of_user") != "")',
    ),
    _MESSAGES.edit(
        "message-client-id-of-any-user",
        "_BY_CLIENT_ID = _SELECT.where(_OF_USER, messages.c.client",
        '_BY_CLIENT_ID = _SELECT.where(bindparam("of_user") != "", messages.c.client',
    ),
    _MESSAGES.edit(
        "messages-of-thread-of-any-user",
        "query = _SELECT.where(messages.c.user_id == self._user_id, messages.c.thread_id == thread_id)",
        "query = _SELECT.where(messages.c.thread_id == thread_id)",
    ),
    _MESSAGES.edit(
        "messages-of-run-of-any-user",
        "query = _SELECT.where(messages.c.user_id == self._user_id, messages.c.run_id == run_id)",
        "query = _SELECT.where(messages.c.run_id == run_id)",
    ),
    _MESSAGES.edit(
        "messages-page-repeats",
        "query = query.where(messages.c.number < before)",
        "query = query.where(messages.c.number <= before)",
        _PAGES,
    ),
    _MESSAGES.edit(
        "messages-backwards",
        "return [Message(*row) for row in reversed(rows)]",
        "return [Message(*row) for row in rows]",
        _PAGES,
    ),
    _MESSAGES.edit(
        "search-of-any-user",
        ' AND m.user_id = :user_id"',
        """ AND :user_id != ''\"""",
        f"{_ROWS}::test_users_whose_words_have_the_same_mark_find_only_their_own",
    ),
    _THREADS.edit(
        "thread-of-any-user",
        '_ONE = (threads.c.id == bindparam("of_thread")) & _OF_USER',
        '_ONE = (threads.c.id == bindparam("of_thread")) & (bindparam("of_user") != "")',
    ),
    _THREADS.edit(
        "threads-of-any-user",
        "query = _SELECT.where(threads.c.user_id == self._user_id, *wanted)",
        'query = _SELECT.where(threads.c.user_id != "", *wanted)',
    ),
    _THREADS.edit(
        "thread-filed-by-anybody",
        "            .where(threads.c.id == thread_id, threads.c.user_id == self._user_id)\n            .values(pinned_at",
        "            .where(threads.c.id == thread_id)\n            .values(pinned_at",
    ),
    _THREADS.edit(
        "threads-counted-for-all",
        "_COUNT = select(func.count()).select_from(threads).where(_OF_USER)",
        '_COUNT = select(func.count()).select_from(threads).where(bindparam("of_user") != "")',
    ),
    _THREADS.edit(
        "thread-renamed-by-anybody",
        "            .where(threads.c.id == thread_id, threads.c.user_id == self._user_id)\n            .values(title",
        "            .where(threads.c.id == thread_id)\n            .values(title",
    ),
    _THREADS.edit(
        "thread-deleted-by-anybody",
        "delete(threads).where(threads.c.id == thread_id, threads.c.user_id == self._user_id)",
        "delete(threads).where(threads.c.id == thread_id)",
    ),
    _THREADS.edit(
        "threads-page-loses-equal-times",
        "and_(threads.c.updated_at == updated_at, threads.c.id < thread_id)",
        "and_(threads.c.updated_at == updated_at, threads.c.id > thread_id)",
        _PAGES,
    ),
    _NOTES.edit(
        "notes-of-any-user",
        "query = select(notes.c.number, notes.c.text).where(notes.c.user_id == self._user_id)",
        'query = select(notes.c.number, notes.c.text).where(notes.c.user_id != "")',
    ),
    _NOTES.edit(
        "note-deleted-by-anybody",
        "delete(notes).where(notes.c.user_id == self._user_id, notes.c.number == number)",
        "delete(notes).where(notes.c.number == number)",
    ),
    _NOTES.edit(
        "note-numbers-of-everybody",
        "select(func.max(notes.c.number)).where(notes.c.user_id == self._user_id)",
        'select(func.max(notes.c.number)).where(notes.c.user_id != "")',
    ),
    _SCOPE.edit("scope-runs-of-nobody", "self.runs = Runs(connection, user_id)", 'self.runs = Runs(connection, "")'),
    _SESSIONS.edit(
        "session-usable-when-revoked",
        "return not self.revoked and not self.disabled and now < self.expires_at",
        "return not self.disabled and now < self.expires_at",
    ),
    _SESSIONS.edit(
        "session-usable-when-disabled",
        "return not self.revoked and not self.disabled and now < self.expires_at",
        "return not self.revoked and now < self.expires_at",
    ),
    _SESSIONS.edit(
        "session-usable-at-its-end",
        "not self.disabled and now < self.expires_at",
        "not self.disabled and now <= self.expires_at",
    ),
    _SESSIONS.edit(
        "session-token-stored",
        "                token_hash=hash_secret(token),\n",
        "                token_hash=token.encode()[:32],\n",
    ),
    _SESSIONS.edit(
        "session-revoked-by-anybody",
        ".where(sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))",
        ".where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))",
    ),
    _SESSIONS.edit(
        "session-revocation-counts-twice",
        ".where(sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))",
        ".where(sessions.c.id == session_id, sessions.c.user_id == user_id)",
    ),
    _SESSIONS.edit(
        "sessions-revoked-of-everybody",
        "condition = [sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None)]",
        "condition = [sessions.c.revoked_at.is_(None)]",
    ),
    _SESSIONS.edit(
        "sessions-kept-one-revoked", "            condition.append(sessions.c.id != keep)\n", "            pass\n"
    ),
    _SESSIONS.edit(
        "sessions-listed-when-over",
        "sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now",
        "sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None)",
    ),
    _SESSIONS.edit(
        "code-works-twice",
        "            delete(one_time_codes)\n            .where(one_time_codes.c.code_hash == hash_secret(code), one_time_codes.c.purpose == purpose)\n",
        "            update(one_time_codes)\n            .values(purpose=purpose)\n            .where(one_time_codes.c.code_hash == hash_secret(code), one_time_codes.c.purpose == purpose)\n",
    ),
    _SESSIONS.edit(
        "code-of-any-purpose",
        ".where(one_time_codes.c.code_hash == hash_secret(code), one_time_codes.c.purpose == purpose)",
        ".where(one_time_codes.c.code_hash == hash_secret(code))",
        equivalent="there is one purpose, sign_in; the condition is for the next",
    ),
    _SESSIONS.edit(
        "code-after-its-time", "        if found is None or found.expires_at <= now:\n", "        if found is None:\n"
    ),
    _SESSIONS.edit(
        "code-at-its-end",
        "        if found is None or found.expires_at <= now:\n",
        "        if found is None or found.expires_at < now:\n",
    ),
    _SESSIONS.edit(
        "codes-all-forgotten",
        "delete(one_time_codes).where(one_time_codes.c.expires_at <= now)",
        "delete(one_time_codes)",
        "tests/unit/services/test_housekeeping.py",
        "tests/unit/auth/test_sign_in.py",
    ),
    _USERS.edit("user-addresses-differ-by-case", "    return email.strip().casefold()\n", "    return email.strip()\n"),
    _USERS.edit(
        "user-password-of-everybody",
        "update(users).where(users.c.id == user_id).values(password_hash=password_hash)",
        "update(users).values(password_hash=password_hash)",
    ),
    _USERS.edit(
        "user-disables-everybody",
        "update(users).where(users.c.id == user_id, users.c.disabled_at.is_(None)).values(disabled_at=now)",
        "update(users).where(users.c.disabled_at.is_(None)).values(disabled_at=now)",
    ),
    _USERS.edit(
        "user-deletes-everybody",
        "self._connection.execute(delete(users).where(users.c.id == user_id))",
        "self._connection.execute(delete(users))",
        "tests/integration/test_account.py",
    ),
    _SCHEMA.edit(
        "schema-newer-is-migrated",
        "    if present is not None and present not in known:\n",
        "    if present is None and present not in known:\n",
    ),
)
