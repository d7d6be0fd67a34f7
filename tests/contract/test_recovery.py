"""A run of which only the log is left has its one end: its text whole, its open tools closed, and those only."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from netra_backend.app.event_log.log import EventLog
from netra_backend.app.event_log.run_appends import RunAppend
from netra_backend.app.event_log.user_log import UserTransaction
from netra_backend.app.protocol.events import (
    AgentMessageDelta,
    AgentThinking,
    EventPayload,
    TokenUsage,
    ToolCompleted,
    ToolExecuting,
)
from netra_backend.app.runs.ledger import Ending, OpenTool, end_run, recover_run, stop_runs
from netra_backend.app.storage.runs import open_runs
from tests.contract.conftest import Place, new_place
from tests.contract.test_units import events_of

WRITTEN: list[EventPayload] = [
    AgentThinking(reasoning="hm"),
    AgentMessageDelta(text="one "),
    ToolExecuting(tool_call_id="ended", tool_name="look", parameters={}),
    ToolExecuting(tool_call_id="open", tool_name="look", parameters={}),
    ToolCompleted(tool_call_id="ended", tool_name="look", status="ok", result=1, duration_ms=1),
    AgentMessageDelta(text="two "),
    ToolExecuting(tool_call_id="open too", tool_name="act", parameters={}),
    AgentMessageDelta(text="three"),
]


async def written(log: EventLog, place: Place) -> None:
    """The run has said all of this, each in a unit of its own, and was cut."""
    for number, payload in enumerate(WRITTEN, start=1):
        await log.append(RunAppend(place.user_id, place.thread_id, place.run_id, number, [payload]))


async def told_since(log: EventLog, place: Place, after: int) -> list[tuple[str, dict[str, Any]]]:
    return [(event.type, msgspec.json.decode(event.payload)) for event in await events_of(log, place.user_id, after)]


@pytest.mark.parametrize("merged", [False, True])
async def test_open_tools_are_closed_and_ended_ones_are_left(log: EventLog, place: Place, merged: bool) -> None:
    """A tool that had ended could be closed again with every test green: none had a call that ended before the cut."""
    await written(log, place)
    if merged:
        await log.commit(place.user_id, lambda tx: tx.compact_run(place.run_id))
    await log.commit(place.user_id, lambda tx: recover_run(tx, place.run_id))
    told = await told_since(log, place, len(WRITTEN))
    assert [(kind, payload.get("tool_call_id"), payload.get("status")) for kind, payload in told] == [
        ("tool_completed", "open", "unknown"),
        ("tool_completed", "open too", "unknown"),
        ("agent_failed", None, None),
    ]
    end = told[-1][1]
    assert (end["code"], end["retryable"], end["partial_response"]) == ("worker_lost", True, "one two three")
    run, messages = await log.view(
        place.user_id, lambda view: (view.runs.get(place.run_id), view.messages.of_run(place.run_id))
    )
    assert run is not None
    assert (run.state, run.error_code, run.terminal_seq) == ("failed", "worker_lost", len(WRITTEN) + 3)
    assert [(message.text, message.state, message.seq) for message in messages] == [
        ("one two three", "failed", run.terminal_seq)
    ]


async def test_a_stop_on_record_decides(log: EventLog, place: Place) -> None:
    await written(log, place)

    def stop(tx: UserTransaction) -> None:
        run = tx.runs.get(place.run_id)
        assert run is not None
        stop_runs(tx, [run], reason="by hand", requested_by="user")

    await log.commit(place.user_id, stop)
    await log.commit(place.user_id, lambda tx: recover_run(tx, place.run_id))
    kind, end = (await told_since(log, place, len(WRITTEN)))[-1]
    assert (kind, end["reason"], end["partial_response"]) == ("agent_stopped", "by hand", "one two three")


async def test_an_end_comes_once(log: EventLog, place: Place) -> None:
    await written(log, place)
    usage = TokenUsage(input_tokens=1, output_tokens=2, requests=3, tool_calls=4)
    tools = {"open": OpenTool("open", "look", 0)}
    ending = Ending("completed", usage=usage, history=b"[]", finish_reason="length", output={"a": [1]})
    assert await log.commit(place.user_id, lambda tx: end_run(tx, place.run_id, ending, text="whole", open_tools=tools))
    told = await told_since(log, place, len(WRITTEN))
    assert [kind for kind, _ in told] == ["tool_completed", "agent_completed"]
    assert told[0][1]["status"] == "cancelled"
    end = told[-1][1]
    assert (end["final_response"], end["finish_reason"], end["output"]) == ("whole", "length", {"a": [1]})
    assert end["usage"]["output_tokens"] == 2
    again = Ending("failed", code="x", message="x")
    assert not await log.commit(place.user_id, lambda tx: end_run(tx, place.run_id, again, text="y", open_tools=tools))
    await log.commit(place.user_id, lambda tx: recover_run(tx, place.run_id))
    assert len(await events_of(log, place.user_id)) == len(WRITTEN) + 2
    run, history = await log.view(
        place.user_id, lambda view: (view.runs.get(place.run_id), view.runs.history(place.run_id))
    )
    assert run is not None
    assert run.state == "completed"
    assert msgspec.json.decode(run.usage or "")["tool_calls"] == 4
    assert history == b"[]"


async def test_a_stop_that_was_never_recorded_is_recorded_with_its_end(log: EventLog, place: Place) -> None:
    ending = Ending("stopped", stop_reason="while away", stop_requested_by="operator")
    await log.commit(place.user_id, lambda tx: end_run(tx, place.run_id, ending, text="", open_tools={}))
    run = await log.view(place.user_id, lambda view: view.runs.get(place.run_id))
    assert run is not None
    assert run.stop_requested_at is not None
    assert (run.state, run.stop_reason, run.stop_requested_by) == ("stopped", "while away", "operator")
    assert await log.view(place.user_id, lambda view: view.messages.of_run(place.run_id)) == [], "nothing was said"


async def test_what_is_open_is_found_in_the_order_in_which_it_was_asked_for(log: EventLog) -> None:
    places = [await new_place(log) for _ in range(4)]
    await log.commit(places[1].user_id, lambda tx: recover_run(tx, places[1].run_id))
    found = await log.query(open_runs)
    assert [ref.id for ref in found] == [places[number].run_id for number in (0, 2, 3)]
    assert [ref.user_id for ref in found] == [places[number].user_id for number in (0, 2, 3)]
