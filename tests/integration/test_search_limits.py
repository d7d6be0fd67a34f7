"""Searching over HTTP: how often and how many at once; and a database whose messages are older than the index."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic import command
from alembic.config import Config

from netra_backend.app import storage
from netra_backend.app.agents.tools import search_threads
from netra_backend.app.event_log.sqlite import SqliteLog, sqlite_engine
from netra_backend.app.runs.user_data import StoredUserData
from netra_backend.app.services.housekeeping import Housekeeping
from netra_backend.app.services.refusals import RateLimited
from netra_backend.app.services.thread_search import AT_ONCE, ThreadSearch
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.settings import Settings
from netra_backend.app.storage import messages
from netra_backend.app.storage.schema import migrate
from netra_backend.app.storage.users import Users
from tests.harness.deadline import DEADLINE
from tests.harness.server import RunningServer

Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]


async def test_too_many_searches_in_a_minute_are_refused_with_the_time_to_wait(serve: Serve):
    async with serve(searches_per_minute=2) as server:
        alice, bob = await server.person("alice"), await server.person("bob")
        async with server.http(alice) as http, server.http(bob) as others:
            for _ in range(2):
                assert (await http.get("/api/search", params={"q": "x"})).status_code == 200
            refused = await http.get("/api/search", params={"q": "x"})
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert 0 < refused.json()["retry_after"] <= 60
            assert (await others.get("/api/search", params={"q": "x"})).status_code == 200
        # Tools have no other way to search: what the page used up they can't use again.
        search = server.services.threads._search
        data = StoredUserData(server.services.log, search, UserExecutionContext(user_id=alice.user_id))
        with pytest.raises(RateLimited):
            await data.search_threads("x")


async def test_a_tool_says_that_it_cannot_search_now():
    class Limited:
        async def search_threads(self, query: str) -> Sequence[str]:
            raise RateLimited(f"more than 2 searches in a minute, {query} too")

    context = SimpleNamespace(deps=SimpleNamespace(data=Limited()))
    with pytest.raises(Exception, match="I can't search now: more than 2 searches in a minute, x too"):
        await search_threads(context, "x")  # pyright: ignore[reportArgumentType]


async def test_only_so_many_searches_of_a_user_are_under_way(tmp_path: Path):
    log = SqliteLog(tmp_path / "netra.db")
    await log.write(migrate)
    search = ThreadSearch(log, Settings(data_dir=tmp_path))
    alice, bob = UserExecutionContext(user_id="alice"), UserExecutionContext(user_id="bob")
    go = threading.Event()
    # The two threads are busy with others' searches.
    busy = [asyncio.create_task(log.search(name, lambda _: go.wait(DEADLINE))) for name in ("carol", "dave")]
    waiting = [asyncio.create_task(search.find(alice, "x", 1)) for _ in range(AT_ONCE)]
    await asyncio.sleep(0)
    try:
        with pytest.raises(RateLimited) as refusal:
            await search.find(alice, "x", 1)
        assert refusal.value.retry_after == 1
        others = asyncio.create_task(search.find(bob, "x", 1))
    finally:
        go.set()
    assert await others == []
    assert await asyncio.gather(*waiting) == [[]] * AT_ONCE
    assert await search.find(alice, "x", 1) == []
    await asyncio.gather(*busy)
    await log.close()


async def test_messages_from_before_the_index_are_found_after_some_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "netra.db"
    engine = sqlite_engine(path, begin="BEGIN IMMEDIATE")
    with engine.begin() as rows:
        config = Config()
        config.set_main_option("script_location", str(Path(storage.__file__).with_name("migrations")))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = rows
        command.upgrade(config, "0001")
        user_id = Users(rows).create("alice@example.org", "user", None, 1).id
        rows.exec_driver_sql("INSERT INTO threads VALUES ('t', ?, 'talk', 1, 1)", (user_id,))
        rows.exec_driver_sql(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000)"
            " INSERT INTO messages SELECT x, 'm' || x, ?, 't', 'r', 'user', 'plum number ' || x, 'complete', NULL,"
            " NULL, 1, 1 FROM n",
            (user_id,),
        )
    engine.dispose()
    monkeypatch.setattr("netra_backend.app.services.housekeeping.UNITS_A_ROUND", 4)
    log = SqliteLog(path)
    await log.write(migrate)
    keeper = Housekeeping(log, Settings(data_dir=tmp_path))

    async def found(query: str) -> int:
        return len(await log.view(user_id, lambda view: view.messages.search(query, 100)))

    assert await found("plum") == 0
    await log.commit(
        user_id,
        lambda tx: tx.messages.add(
            thread_id="t", run_id="r", role="user", text="plum anew", state="complete", now=1, seq=1
        ),
    )
    assert await found("plum") == 1
    # A round does a bounded piece of it, the newest first; others' units come in between.
    await keeper.round()
    assert (await found("1000"), await found("1")) == (1, 0)
    for _ in range(2):
        await keeper.round()
    assert (await found("1000"), await found("1"), await found("plum")) == (1, 1, messages.MOST_HITS)
    assert await log.query(lambda rows: rows.exec_driver_sql("SELECT count(*) FROM messages_fts").scalar()) == 1001
    assert not await log.write(lambda rows: messages.index_older(rows, 100))
    await log.close()
