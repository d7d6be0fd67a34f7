"""Searching: what is found, what it costs, and that nobody's search or reading costs anybody else anything."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from netra_backend.app.event_log import sqlite as module
from netra_backend.app.event_log.log import Cursor, EventLog
from netra_backend.app.event_log.sqlite import sqlite_engine
from netra_backend.app.storage.messages import Messages, SearchHit
from netra_backend.app.storage.schema import migrate
from netra_backend.app.storage.search_terms import excerpt_of, indexed_terms, query_terms
from netra_backend.app.storage.threads import Threads
from netra_backend.app.storage.users import Users
from tests.contract.conftest import Place
from tests.harness.deadline import DEADLINE


def say(rows: Connection, user_id: str, thread_id: str, *texts: str) -> None:
    for said in texts:
        Messages(rows, user_id).add(
            thread_id=thread_id, run_id="r", role="user", text=said, state="complete", now=1, seq=1
        )


def talk(rows: Connection, name: str) -> tuple[str, str]:
    """A new user with a thread."""
    user_id = Users(rows).create(f"{name}@example.org", "user", None, 1).id
    return user_id, Threads(rows, user_id).create("talk", 1).id


async def find(log: EventLog, place: Place, query: str) -> list[SearchHit]:
    return await log.view(place.user_id, lambda view: view.messages.search(query, 10))


def steps_of_search(path: Path, user_id: str, query: str) -> int:
    """How many steps SQLite's machine takes for it, and how many rows of the index it looks at on the way."""
    engine = sqlite_engine(path, begin="BEGIN", read_only=True)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with engine.begin() as rows:
        raw = cast("sqlite3.Connection", rows.connection.driver_connection)
        raw.set_progress_handler(count, 1)
        Messages(rows, user_id).search(query, 10)
        raw.set_progress_handler(None, 0)
    engine.dispose()
    return steps


def test_what_others_said_costs_a_search_nothing(tmp_path: Path):
    path = tmp_path / "netra.db"
    engine = sqlite_engine(path, begin="BEGIN IMMEDIATE")
    with engine.begin() as rows:
        migrate(rows)
        alice, alices = talk(rows, "alice")
        bob, bobs = talk(rows, "bob")
        say(rows, alice, alices, *(f"marzipan tree {number}" for number in range(20)))
        say(rows, bob, bobs, *(f"marzipan tree {number}" for number in range(20)))
    before = steps_of_search(path, alice, "marzipan tree")
    with engine.begin() as rows:
        say(rows, bob, bobs, *(f"marzipan tree {number}" for number in range(2000)))
    after = steps_of_search(path, alice, "marzipan tree")
    engine.dispose()
    # The index has more pages to choose from, but nothing more to look at.
    assert after < 2 * before


def test_each_list_of_the_index_is_one_users(tmp_path: Path):
    """By construction: every term that is indexed stands for messages of just one user."""
    path = tmp_path / "netra.db"
    engine = sqlite_engine(path, begin="BEGIN IMMEDIATE")
    with engine.begin() as rows:
        migrate(rows)
        for name in ("alice", "bob", "carol"):
            user_id, thread_id = talk(rows, name)
            say(rows, user_id, thread_id, "the same words", "Même MOTS, naïve café", "日本語 _x_ ½ ⑴ ﬁn")
    engine.dispose()
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, messages_fts, instance)")
        owners: dict[str, set[str]] = {}
        for term, user_id in raw.execute("SELECT term, user_id FROM temp.terms JOIN messages ON number = doc"):
            owners.setdefault(term, set()).add(user_id)
    raw.close()
    assert len(owners) > 20
    assert {len(users) for users in owners.values()} == {1}


async def test_case_and_accents_do_not_count_and_the_newest_comes_first(log: EventLog, place: Place):
    said = ["Un CAFÉ, s'il vous plaît", "cafe 2", "tea _with_ Straße and 日本語"]
    await log.commit(place.user_id, lambda tx: say(tx._connection, place.user_id, place.thread_id, *said))

    assert [hit.excerpt for hit in await find(log, place, "Cafe")] == ["cafe 2", "Un CAFÉ, s'il vous plaît"]
    assert len(await find(log, place, 'café" PLAIT*')) == 1
    assert len(await find(log, place, "STRASSE 日本語 _with_")) == 1
    for nothing in ("", ' -*"', "caf", "café tea"):
        assert await find(log, place, nothing) == []


async def test_a_deleted_thread_leaves_no_word_in_the_index(log: EventLog, place: Place):
    await log.commit(place.user_id, lambda tx: say(tx._connection, place.user_id, place.thread_id, "zanzibar"))
    assert len(await find(log, place, "zanzibar")) == 1

    await log.commit(place.user_id, lambda tx: tx.threads.delete(place.thread_id))

    def left(rows: Connection) -> int:
        kept = rows.exec_driver_sql("SELECT count(*) FROM messages_fts_content WHERE c0 LIKE '%zanzibar%'").scalar_one()
        rows.exec_driver_sql("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, messages_fts, row)")
        return kept + rows.exec_driver_sql("SELECT count(*) FROM temp.terms").scalar_one()

    assert await log.write(left) == 0


async def test_a_search_that_takes_too_long_is_ended_and_its_reader_goes_on(
    log: EventLog, place: Place, monkeypatch: pytest.MonkeyPatch
):
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    monkeypatch.setattr(module, "SEARCH_SECONDS", 0.1)

    for _ in range(2 * module.SEARCHERS):
        with pytest.raises(module.TookTooLong):
            await log.search(place.user_id, lambda view: view._connection.exec_driver_sql(endless).scalar())

    assert await log.search(place.user_id, lambda view: view.messages.search("x", 10)) == []


async def test_a_log_that_is_closed_ends_what_is_being_read(engine: Any):
    log = await engine.open()
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    begun = threading.Event()

    def look(view: Any) -> object:
        begun.set()
        return view._connection.exec_driver_sql(endless).scalar()

    reading = asyncio.create_task(log.view("somebody", look))
    await asyncio.to_thread(begun.wait)
    await log.close()
    with pytest.raises(module.LogUnavailable):
        await reading


async def test_who_reads_much_waits_for_it_alone(log: EventLog, place: Place):
    """One user's reads hang in every way; another's, the server's own and the delivery of events go on."""
    go = threading.Event()

    def hang(_view: object) -> bool:
        return go.wait(DEADLINE)

    greedy = [asyncio.create_task(log.view(place.user_id, hang)) for _ in range(50)]
    greedy += [asyncio.create_task(log.search(place.user_id, hang)) for _ in range(50)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(DEADLINE):
            assert await log.view("another", lambda view: view.threads.newest(1)) == []
            assert await log.search("another", lambda view: view.messages.search("x", 1)) == []
            assert await log.query(lambda rows: rows.exec_driver_sql("SELECT 1").scalar()) == 1
            await log.read(place.user_id, Cursor("", 0), 10)
            assert not any(task.done() for task in greedy)
    finally:
        go.set()
    assert all(await asyncio.gather(*greedy))


async def test_a_read_nobody_waits_for_is_not_begun(log: EventLog, place: Place):
    go, begun = threading.Event(), []
    held = [asyncio.create_task(log.view(place.user_id, lambda _: go.wait(DEADLINE))) for _ in range(module.PER_USER)]
    waiting = [asyncio.create_task(log.view(place.user_id, lambda _: begun.append(1))) for _ in range(10)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    go.set()
    await asyncio.gather(*held)
    await asyncio.wait(waiting)
    await log.view(place.user_id, lambda _: begun.append(2))
    assert begun == [2]


@given(st.text(), st.text())
def test_a_message_is_found_by_each_of_its_words_and_terms_are_taken_as_they_are(text: str, query: str):
    terms = indexed_terms("somebody", text).split(" ")
    # What the tokenizer takes as it is (migration 0002): then index and query agree whatever people write.
    for term in terms:
        assert all(not char.isascii() or char.isdigit() or char.islower() or char == "_" for char in term)
    wanted = query_terms("somebody", text)
    if len(text) <= 200 and wanted is not None:
        assert {part.strip('"') for part in wanted.split(" AND ")} == set(terms)
    assert len(excerpt_of(text, query)) <= len(text) + 4
    assert query_terms("another", "x") != query_terms("somebody", "x")


def test_an_excerpt_is_cut_out_around_the_first_match():
    words = [f"w{number}" for number in range(100)]
    said = excerpt_of(" ".join(words), "W50 w90")
    assert said.startswith("… w43 ")
    assert said.endswith(" w66 …")
    assert excerpt_of("short café here", "cafe") == "short café here"
    assert excerpt_of(" ".join(words), "beyond").startswith("w0 w1 ")
