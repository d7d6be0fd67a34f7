"""Housekeeping merges the deltas of ended runs in the log: from every cursor a reader still gets exactly the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select

from netra_backend.app.services.housekeeping import Housekeeping
from netra_backend.app.storage.tables import events as log_rows
from tests.fakes.model_server import Cut, Hang, Pause, Text, Thinking, ToolCall, WaitFor
from tests.harness.client import Client, Frame, Record, check_run
from tests.harness.stage import Stage, ended, story, told_by_log, told_to_model
from tests.integration.conftest import StageWith

TABS = 8
"""Sockets that read at the same time."""


@pytest.fixture
async def calm_stage(stage_with: StageWith, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Nothing is gathered before it is written, and there are no rounds but the test's."""
    monkeypatch.setattr("netra_backend.app.services.housekeeping.PERIOD", 3600.0)
    async with stage_with(merge_window=0) as stage:
        yield stage


@dataclass(frozen=True)
class Played:
    """Runs that have ended, as a reader saw them live: each record of the log with the number it was given."""

    record: Record
    runs: list[Frame]
    epoch: str


def answer(word: str) -> list[list[Any]]:
    """Thinking, text, a tool, text: so slow that tokens come alone, and those of other runs between them."""

    def paced(steps: list[Any]) -> list[Any]:
        return [each for step in steps for each in (step, Pause(0.07))]

    texts = [Text(f"{word}{number} ünï ") for number in range(3)]
    thoughts = [Thinking(f"{word}-{number} ") for number in range(3)]
    return [paced([*thoughts, *texts, ToolCall("look", {"at": word})]), paced(texts)]


async def play(stage: Stage, client: Client) -> Played:
    """Three runs at once: one completes, one is stopped, one fails."""
    await client.resume(from_start=True)
    stopped = [[*answer("s")[0][:8], Hang()]]
    failed = [[*answer("f")[0][:8], Cut()]]
    runs = [await client.say(stage.script(*script)) for script in (answer("a"), stopped, failed)]
    while len(told_by_log(client.record.of_run(runs[1]["run_id"])).text) < len("s0 ünï "):
        await client.event()
    await client.stop(run_id=runs[1]["run_id"])
    for run in runs:
        await ended(client, run)
        check_run(client.record.of_run(run["run_id"]))
    assert all("first_seq" not in event for event in client.record.events)
    return Played(client.record, runs, client.record.epoch)


async def rows(stage: Stage, run: Frame | None = None) -> int:
    """How many records the log holds, of this run or in all."""
    query = select(func.count()).where(log_rows.c.user_id == stage.alice.user_id)
    if run is not None:
        query = query.where(log_rows.c.run_id == run["run_id"])
    return await stage.server.services.log.query(lambda connection: connection.execute(query).scalar_one())


async def tidy(stage: Stage) -> None:
    services = stage.server.services
    await Housekeeping(services.log, services.settings).round()


async def read_from(stage: Stage, played: Played, seq: int) -> list[Frame]:
    """What a socket tells that resumes from that number, up to the last one."""
    record = Record(played.epoch, seq)
    async with stage.client(record) as reader:
        await reader.resume()
        while record.seq < played.record.seq:
            await reader.event()
    return record.events


async def read_from_everywhere(stage: Stage, played: Played) -> list[list[Frame]]:
    """The same from every number there is."""
    turn = asyncio.Semaphore(TABS)

    async def read(seq: int) -> list[Frame]:
        async with turn:
            return await read_from(stage, played, seq)

    return await asyncio.gather(*(read(seq) for seq in range(played.record.seq)))


def by_run(events: list[Frame]) -> dict[str | None, Any]:
    """The story of each run, and of what belongs to none, without the order between them: merging may reach across
    what others did, and so end at a later number."""
    runs = {event["run_id"] for event in events}
    return {run: [told[3] for told in story([e for e in events if e["run_id"] == run])] for run in runs}


async def stored_state(stage: Stage, played: Played) -> list[Any]:
    """Runs, messages and histories, as they are stored."""
    found: list[Any] = []
    for run in played.runs:
        found.append((await stage.http.get(f"/api/runs/{run['run_id']}")).raise_for_status().json())
        found.append((await stage.http.get(f"/api/threads/{run['thread_id']}")).raise_for_status().json())
        found.append(await stage.history(run["run_id"]))
    return found


async def test_every_cursor_still_leads_to_the_same_text(calm_stage: Stage) -> None:
    stage = calm_stage
    async with stage.client() as client:
        played = await play(stage, client)
        assert by_run(played.record.events) == by_run(await read_from(stage, played, 0))
        kept = await stored_state(stage, played)
        before = await rows(stage)
        await tidy(stage)
        assert await rows(stage) < before, "nothing was merged, so nothing is tested"
        assert await stored_state(stage, played) == kept
        for seq, told in enumerate(await read_from_everywhere(stage, played)):
            rest = [event for event in played.record.events if event["seq"] > seq]
            assert by_run(told) == by_run(rest), f"from {seq}"
            for event in told:
                # What isn't merged stands where it stood.
                if event["type"] not in {"agent_message_delta", "agent_thinking"}:
                    assert event in rest
        after = await rows(stage)
        await tidy(stage)
        assert await rows(stage) == after, "a second round finds nothing to do"
        for run in played.runs:
            request = await stage.next_turn(client, run["thread_id"])
            told = told_by_log(played.record.of_run(run["run_id"]))
            assert told_to_model(request.messages).text == told.text


async def test_a_reader_in_the_middle_of_the_log_goes_on(calm_stage: Stage) -> None:
    """It has taken half of a stretch when that is merged: it gets the other half, and nothing twice."""
    stage = calm_stage
    async with stage.client() as client:
        played = await play(stage, client)
        for cut in range(1, played.record.seq, 3):
            half = Record(played.epoch, 0)
            half.events = [event for event in played.record.events if event["seq"] <= cut]
            half.seq = cut
            if cut == 1 + 3 * (played.record.seq // 6):
                await tidy(stage)
            async with stage.client(half) as reader:
                await reader.resume()
                while half.seq < played.record.seq:
                    await reader.event()
            assert by_run(half.events) == by_run(played.record.events)


async def test_a_run_under_way_is_left_alone(calm_stage: Stage) -> None:
    """Rounds while a run writes: it isn't touched, its neighbours are, and its reader sees no seam."""
    stage = calm_stage
    more = asyncio.Event(), asyncio.Event()
    async with stage.client() as client:
        played = await play(stage, client)
        said = stage.script([Text("One "), WaitFor(more[0]), Text("two "), WaitFor(more[1]), Text("three")])
        run = await client.say(said)
        for text, going_on in (("One ", more[0]), ("One two ", more[1])):
            while told_by_log(client.record.of_run(run["run_id"])).text != text:
                await client.event()
            if going_on is more[1]:
                before, of_all = await rows(stage, run), await rows(stage)
                await tidy(stage)
                assert await rows(stage, run) == before
                assert await rows(stage) < of_all
            going_on.set()
        end = await ended(client, run)
        assert end["payload"]["final_response"] == "One two three"
        before = await rows(stage, run)
        await tidy(stage)
        assert await rows(stage, run) < before, "once it has ended it's merged like the others"
        whole = await read_from(stage, Played(client.record, played.runs, played.epoch), 0)
        assert by_run(whole) == by_run(client.record.events)


@asynccontextmanager
async def rounds(stage: Stage) -> AsyncIterator[None]:
    """Round after round, as long as the body takes."""
    over = asyncio.Event()

    async def go() -> None:
        while not over.is_set():
            await tidy(stage)

    going = asyncio.create_task(go())
    yield
    over.set()
    await going


async def test_while_runs_end_and_readers_come_and_go(calm_stage: Stage) -> None:
    """Compaction beside everything else: readers that resume while it merges have the same story."""
    stage = calm_stage
    async with stage.client() as client:
        await client.resume(from_start=True)
        async with rounds(stage):
            for number in range(4):
                run = await client.say(f'tokens={20 + number} thinking=5 tool=look args={{"at":"left"}}')
                await ended(client, run)
                check_run(client.record.of_run(run["run_id"]))
                record = Record(client.record.epoch, client.record.seq // 2)
                await read_from(stage, Played(client.record, [], record.epoch), record.seq)
        whole = await read_from(stage, Played(client.record, [], client.record.epoch), 0)
    assert by_run(whole) == by_run(client.record.events)
