"""What a user's handle reaches: the user's own rows, those that were asked for, in the states that they may take."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import pytest

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.user_log import UserTransaction, UserView
from netra_backend.app.protocol.events import AgentMessageDelta
from netra_backend.app.storage.runs import LEGAL_STEPS, IllegalStep, RunState, uncompacted_runs
from netra_backend.app.storage.sessions import OneTimeCodes, Sessions
from netra_backend.app.storage.threads import Threads
from netra_backend.app.storage.users import Users
from tests.contract.conftest import Place, new_place

STATES: tuple[RunState, ...] = get_args(RunState)


def add_run(tx: UserTransaction, thread_id: str, state: RunState = "queued", history: bytes | None = None) -> str:
    """A run of the thread, brought to this state."""
    run_id = str(uuid.uuid4())
    tx.runs.create(run_id=run_id, thread_id=thread_id, message_id="m", agent="a", model="m", now=1)
    if state != "queued":
        tx.runs.start(run_id, 2)
    if state not in {"queued", "running"}:
        tx.runs.finish(run_id, state, now=3, terminal_seq=1, history=history)  # pyright: ignore[reportArgumentType]
    return run_id


def step(tx: UserTransaction, run_id: str, wanted: RunState) -> None:
    if wanted == "running":
        tx.runs.start(run_id, 5)
    else:
        tx.runs.finish(run_id, wanted, now=5, terminal_seq=5)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("wanted", ["running", "completed", "failed", "stopped"])
@pytest.mark.parametrize("present", STATES)
async def test_a_run_takes_the_steps_of_its_table_and_no_others(
    log: EventLog, place: Place, present: RunState, wanted: RunState, stop: bool
) -> None:
    """With a stop on record a run neither starts nor completes nor fails, whoever asks for it."""
    run_id = await log.commit(place.user_id, lambda tx: add_run(tx, place.thread_id, present))
    if stop:
        marked = await log.commit(place.user_id, lambda tx: tx.runs.request_stop(run_id, 4, "why", "user"))
        assert marked == bool(LEGAL_STEPS[present]), "only an open run can be stopped"
    legal = wanted in LEGAL_STEPS[present] and (wanted == "stopped" or not stop)
    if legal:
        await log.commit(place.user_id, lambda tx: step(tx, run_id, wanted))
    else:
        with pytest.raises(IllegalStep):
            await log.commit(place.user_id, lambda tx: step(tx, run_id, wanted))
    run = await log.view(place.user_id, lambda view: view.runs.get(run_id))
    assert run is not None
    assert run.state == (wanted if legal else present)


async def test_one_mark_of_a_stop_and_the_first_reason(log: EventLog, place: Place) -> None:
    for reason, marked in (("first", True), ("second", False)):
        assert marked is await log.commit(
            place.user_id, lambda tx, reason=reason: tx.runs.request_stop(place.run_id, 4, reason, "user")
        )
    run = await log.view(place.user_id, lambda view: view.runs.get(place.run_id))
    assert run is not None
    assert run.stop_reason == "first"


async def test_the_past_is_the_ended_runs_of_this_thread_before_this_one_the_newest_in_order(
    log: EventLog, place: Place
) -> None:
    """It is what a model is told: nothing of another thread, of another user, of now or of what is still open."""
    other = await new_place(log)

    def write(tx: UserTransaction) -> dict[str, str]:
        elsewhere = tx.threads.create("elsewhere", tx.now).id
        made: dict[str, str] = {}
        for name, thread_id, state in (
            ("oldest", place.thread_id, "completed"),
            ("older", place.thread_id, "failed"),
            ("foreign thread", elsewhere, "completed"),
            ("old", place.thread_id, "stopped"),
            ("open", place.thread_id, "running"),
            ("queued", place.thread_id, "queued"),
            ("never started", place.thread_id, "queued"),
            ("this", place.thread_id, "completed"),
            ("later", place.thread_id, "completed"),
        ):
            made[name] = add_run(tx, thread_id, state, name.encode())  # pyright: ignore[reportArgumentType]
        tx.runs.finish(made["never started"], "stopped", now=3, terminal_seq=1)
        return made

    made = await log.commit(place.user_id, write)
    # The same thread id asked for by somebody else: nothing.
    number = await log.view(place.user_id, lambda view: view.runs.get(made["this"]))
    assert number is not None
    past = await log.view(place.user_id, lambda view: view.runs.past(place.thread_id, number.number, 2))
    assert [run.id for run in past] == [made["old"], made["older"]], "newest first"
    assert await log.view(place.user_id, lambda view: view.runs.count_past(place.thread_id, number.number)) == 3
    assert await log.view(other.user_id, lambda view: view.runs.count_past(place.thread_id, number.number)) == 0
    assert await log.view(place.user_id, lambda view: view.runs.history(made["old"])) == b"old"
    assert await log.view(other.user_id, lambda view: view.runs.history(made["old"])) is None
    assert await log.view(other.user_id, lambda view: view.runs.past(place.thread_id, number.number, 9)) == []


async def test_what_waits_is_counted_for_its_user_alone(log: EventLog, place: Place) -> None:
    other = await new_place(log)
    for user, count in ((place, 2), (other, 5)):
        for state in ("queued", "running", "completed"):
            for _ in range(count):
                await log.commit(
                    user.user_id,
                    lambda tx, user=user, state=state: add_run(tx, user.thread_id, state),  # pyright: ignore[reportArgumentType]
                )
    assert await log.view(place.user_id, lambda view: view.runs.count_queued()) == 2
    assert await log.view(other.user_id, lambda view: view.runs.count_queued()) == 5


async def test_open_runs_and_newest_runs_are_those_asked_for(log: EventLog, place: Place) -> None:
    other = await new_place(log)

    def write(tx: UserTransaction) -> tuple[str, list[str]]:
        second = tx.threads.create("second", tx.now).id
        return second, [add_run(tx, second, "queued"), add_run(tx, second, "completed")]

    second, (queued, completed) = await log.commit(place.user_id, write)

    def look(view: UserView) -> dict[str, list[str]]:
        return {
            "open": [run.id for run in view.runs.open()],
            "open of second": [run.id for run in view.runs.open(second)],
            "newest": [run.id for run in view.runs.newest(10)],
            "newest one": [run.id for run in view.runs.newest(1)],
            "newest of second": [run.id for run in view.runs.newest(10, second)],
            "completed": [run.id for run in view.runs.newest(10, state="completed")],
        }

    assert await log.view(place.user_id, look) == {
        "open": [place.run_id, queued],
        "open of second": [queued],
        "newest": [completed, queued, place.run_id],
        "newest one": [completed],
        "newest of second": [completed, queued],
        "completed": [completed],
    }
    found = await log.view(other.user_id, look)
    assert found["newest"] == found["open"] == [other.run_id]
    assert found["open of second"] == found["newest of second"] == []


async def test_pages_have_everything_once_and_in_order(log: EventLog, place: Place) -> None:
    def write(tx: UserTransaction) -> list[str]:
        for number in range(7):
            add_message(tx, place, str(number), number)
        # Of the same moment, as many are that were made in one second by a program.
        return [tx.threads.create(str(number), 1).id for number in range(6)]

    made = await log.commit(place.user_id, write)
    texts: list[str] = []
    before: int | None = None
    while page := await log.view(
        place.user_id, lambda view, before=before: view.messages.of_thread(place.thread_id, 3, before)
    ):
        assert before is None or page[-1].number < before, "each page is before the last one"
        texts = [message.text for message in page] + texts
        before = page[0].number
    assert texts == [str(number) for number in range(7)]
    seen: list[str] = []
    last: tuple[int, str] | None = None
    while threads := await log.view(place.user_id, lambda view, last=last: view.threads.newest(2, last)):
        seen += [thread.id for thread in threads]
        last = (threads[-1].updated_at, threads[-1].id)
    assert sorted(seen) == sorted([*made, place.thread_id])
    assert len(set(seen)) == len(seen)


async def test_users_whose_words_have_the_same_mark_find_only_their_own(
    log: EventLog, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark that the index keeps with each word is a short hash, which two users may share."""
    monkeypatch.setattr("netra_backend.app.storage.search_terms._mark", lambda user_id: "same")
    other = await new_place(log)
    for user in (place, other):
        await log.commit(user.user_id, lambda tx, user=user: add_message(tx, user))
    for thread_id in (None, place.thread_id):
        found = await log.view(
            place.user_id, lambda view, of=thread_id: view.messages.search("unicorn", 10, thread_id=of)
        )
        assert [hit.run_id for hit in found] == [place.run_id]
    assert (
        await log.view(other.user_id, lambda view: view.messages.search("unicorn", 10, thread_id=place.thread_id)) == []
    )


async def test_notes_are_numbered_for_their_user_alone(log: EventLog, place: Place) -> None:
    """A number that others' notes moved on would say how many they have."""
    other = await new_place(log)
    assert [await log.commit(other.user_id, lambda tx: tx.notes.add("x", 1)) for _ in range(3)] == [1, 2, 3]
    assert await log.commit(place.user_id, lambda tx: tx.notes.add("x", 1)) == 1


async def test_runs_to_merge_are_ended_and_not_merged_yet(log: EventLog, place: Place) -> None:
    ended = [await log.commit(place.user_id, lambda tx: add_run(tx, place.thread_id, "completed")) for _ in range(3)]
    await log.commit(place.user_id, lambda tx: tx.runs.mark_compacted(ended[1], 9))
    assert [run.id for run in await log.query(lambda rows: uncompacted_runs(rows, 10))] == [ended[0], ended[2]]
    assert [run.id for run in await log.query(lambda rows: uncompacted_runs(rows, 1))] == [ended[0]]
    other = await new_place(log)
    await log.commit(other.user_id, lambda tx: tx.runs.mark_compacted(ended[0], 9))
    assert [run.id for run in await log.query(lambda rows: uncompacted_runs(rows, 1))] == [ended[0]], "not another's"


@dataclass(frozen=True)
class Reach:
    """One way to a user's rows. It is given a handle and somebody's place; `nothing` is what it says of no rows."""

    name: str
    act: Callable[[UserTransaction, Place], Any]
    nothing: Any


def add_message(tx: UserTransaction, place: Place, text: str = "unicorn", number: int = 1) -> str:
    return tx.messages.add(
        thread_id=place.thread_id,
        run_id=place.run_id,
        role="user",
        text=text,
        state="complete",
        now=1,
        seq=1,
        message_id=f"message of {place.run_id}" + (f" {number}" if number != 1 else ""),
        client_message_id=f"c{number}",
    )


def filed(tx: UserTransaction, of: Place, *, archived: bool) -> Threads:
    """The threads of a user who tried to put this one away."""
    tx.threads.file(of.thread_id, 9, pinned=not archived, archived=archived)
    return tx.threads


REACHES = [
    Reach("thread", lambda tx, of: tx.threads.get(of.thread_id), None),
    Reach("threads", lambda tx, of: tx.threads.newest(10), []),
    Reach("archived threads", lambda tx, of: filed(tx, of, archived=True).newest(10, archived=True), []),
    Reach("pinned threads", lambda tx, of: filed(tx, of, archived=False).pinned(10), []),
    Reach("threads by title", lambda tx, of: tx.threads.search("talk", 10), []),
    Reach("file", lambda tx, of: tx.threads.file(of.thread_id, 9, pinned=True, archived=False), False),
    Reach("search in a thread", lambda tx, of: tx.messages.search("unicorn", 10, thread_id=of.thread_id), []),
    Reach("thread count", lambda tx, of: tx.threads.count(), 0),
    Reach("rename", lambda tx, of: tx.threads.rename(of.thread_id, "taken"), False),
    Reach("touch", lambda tx, of: tx.threads.touch(of.thread_id, 1), None),
    Reach("delete", lambda tx, of: tx.threads.delete(of.thread_id), False),
    Reach("message", lambda tx, of: tx.messages.get(f"message of {of.run_id}"), None),
    Reach("message by client id", lambda tx, of: tx.messages.by_client_id("c1"), None),
    Reach("messages of thread", lambda tx, of: tx.messages.of_thread(of.thread_id, 10), []),
    Reach("messages of run", lambda tx, of: tx.messages.of_run(of.run_id), []),
    Reach("search", lambda tx, of: tx.messages.search("unicorn", 10), []),
    Reach("run", lambda tx, of: tx.runs.get(of.run_id), None),
    Reach("open runs", lambda tx, of: tx.runs.open(), []),
    Reach("open runs of thread", lambda tx, of: tx.runs.open(of.thread_id), []),
    Reach("newest runs", lambda tx, of: tx.runs.newest(10), []),
    Reach("past", lambda tx, of: tx.runs.past(of.thread_id, 1_000_000, 10), []),
    Reach("mark compacted", lambda tx, of: tx.runs.mark_compacted(of.run_id, 1), None),
    Reach("request stop", lambda tx, of: tx.runs.request_stop(of.run_id, 1, "no", "user"), False),
    Reach("notes", lambda tx, of: tx.notes.all(), []),
    Reach("delete note", lambda tx, of: tx.notes.delete(1), False),
    Reach("events of run", lambda tx, of: tx.of_run(of.run_id), []),
    Reach("events of thread", lambda tx, of: tx.of_thread(of.thread_id, 0, 10), []),
    Reach("compact", lambda tx, of: tx.compact_run(of.run_id), 0),
    Reach("erase", lambda tx, of: tx.erase_thread(of.thread_id), None),
    Reach("trim", lambda tx, of: tx.trim(0, tx.now + 1), 0),
]


@pytest.mark.parametrize("reach", REACHES, ids=lambda reach: reach.name.replace(" ", "-"))
async def test_no_way_leads_to_another_users_rows(log: EventLog, place: Place, reach: Reach) -> None:
    """Mallory's handle, given Alice's ids, finds nothing and changes nothing."""
    mallory = await log.write(lambda rows: Users(rows).create("mallory@example.org", "user", None, 1).id)

    def fill(tx: UserTransaction) -> None:
        add_message(tx, place)
        tx.notes.add("secret", 1)
        for text in ("a", "b"):
            tx.append(_delta(text), thread_id=place.thread_id, run_id=place.run_id)

    await log.commit(place.user_id, fill)
    before = await everything(log)
    assert await log.commit(mallory, lambda tx: reach.act(tx, place)) == reach.nothing
    assert _without_of(await everything(log), mallory) == before


async def test_a_users_own_rows_are_reached(log: EventLog, place: Place) -> None:
    """The other half: what finds nothing for anybody would pass the test above."""

    def fill(tx: UserTransaction) -> None:
        add_message(tx, place)
        tx.notes.add("secret", 1)
        for text in ("a", "b"):
            tx.append(_delta(text), thread_id=place.thread_id, run_id=place.run_id)

    await log.commit(place.user_id, fill)
    silent = {"touch", "mark compacted", "erase", "past", "trim"}
    for reach in REACHES:
        if reach.name in silent:
            continue

        def act(tx: UserTransaction, reach: Reach = reach) -> Any:
            found = reach.act(tx, place)
            raise Found(found)

        with pytest.raises(Found) as caught:
            await log.commit(place.user_id, act)
        assert caught.value.found != reach.nothing, reach.name


class Found(Exception):
    """What was found; raised, so that the unit is taken back."""

    def __init__(self, found: object) -> None:
        self.found = found
        super().__init__()


async def test_what_is_changed_of_an_account_changes_no_other(log: EventLog) -> None:
    def work(rows: Any) -> None:
        users = Users(rows)
        alice, bob = (users.create(f"{name}@example.org", "user", "hash", 1) for name in ("alice", "bob"))
        users.set_password(alice.id, "another")
        users.disable(alice.id, 5)
        changed = users.by_id(alice.id)
        assert changed is not None
        assert (changed.password_hash, changed.disabled_at) == ("another", 5)
        assert users.by_id(bob.id) == bob
        users.disable(bob.id, 6)
        users.enable(alice.id)
        left = users.by_id(bob.id)
        assert left is not None
        assert left.disabled_at == 6
        users.delete(alice.id)
        assert [user.id for user in users.all()] == [bob.id]

    await log.write(work)


async def test_sessions_and_codes_are_those_of_their_user(log: EventLog) -> None:
    def work(rows: Any) -> None:
        alice, bob = (Users(rows).create(f"{name}@example.org", "user", None, 1).id for name in ("alice", "bob"))
        of_alice, token = Sessions(rows).create(alice, "a", 1, 100)
        of_bob, _ = Sessions(rows).create(bob, "b", 1, 100)
        assert not Sessions(rows).revoke(bob, of_alice.id, 2)
        assert Sessions(rows).revoke_all(bob, 2) == {of_bob.id}
        found = Sessions(rows).by_id(of_alice.id)
        assert found is not None
        assert found.usable(99)
        assert not found.usable(100), "the moment of its end is after it"
        assert [session.id for session in Sessions(rows).of_user(alice, 2)] == [of_alice.id]
        assert Sessions(rows).of_user(bob, 2) == Sessions(rows).of_user(alice, 100) == []
        assert Sessions(rows).revoke(alice, of_alice.id, 3)
        assert not Sessions(rows).revoke(alice, of_alice.id, 4), "once"
        code = OneTimeCodes(rows).create("sign_in", alice, 50)
        found_code = OneTimeCodes(rows).redeem("sign_in", code, 10)
        assert found_code is not None
        assert found_code.user_id == alice
        assert OneTimeCodes(rows).redeem("sign_in", code, 10) is None, "once"
        late = OneTimeCodes(rows).create("sign_in", alice, 50)
        assert OneTimeCodes(rows).redeem("sign_in", late, 50) is None
        stored = [rows.exec_driver_sql(f"SELECT * FROM {name}").all() for name in ("sessions", "one_time_codes")]
        assert token not in str(stored)

    await log.write(work)


async def everything(log: EventLog) -> dict[str, list[tuple[Any, ...]]]:
    names = ("threads", "messages", "runs", "notes", "events", "heads")
    return await log.query(
        lambda rows: {name: [tuple(row) for row in rows.exec_driver_sql(f"SELECT * FROM {name}")] for name in names}
    )


def _without_of(rows: dict[str, list[tuple[Any, ...]]], user_id: str) -> dict[str, list[tuple[Any, ...]]]:
    return {name: [row for row in found if user_id not in row] for name, found in rows.items()}


def _delta(text: str) -> AgentMessageDelta:
    return AgentMessageDelta(text=text)
