"""The offline agent: real tools by rules, on the same path as a model."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest

from netra_backend.app.agents import offline, tools
from netra_backend.app.agents.intents import EXAMPLE_PROMPTS
from netra_backend.app.agents.loader import load_agent
from netra_backend.app.agents.runtime import PastTurn, ThreadHit, TurnResult, Usage
from netra_backend.app.settings import Settings
from tests.harness.deadline import DEADLINE
from tests.unit.agents.sink import MemoryData, Sink, a_turn


async def asked(text: str, *past: PastTurn, data: MemoryData | None = None) -> tuple[Sink, TurnResult]:
    sink = Sink()
    result = await load_agent(Settings()).start(a_turn(text, *past, data=data), sink).wait()
    return sink, result


async def test_two_questions_at_once() -> None:
    sink, result = await asked("what is 17*23, and what time is it in Tokyo?")
    assert sink.kinds[:2] == ["thinking", "tool_started"]
    assert sink.kinds[-2:] == ["tool_finished", "text"]
    assert "17*23 = 391" in sink.shown_text
    assert re.search(r"It is \d\d:\d\d on \w+, \d+ \w+ \d{4} in Tokyo \(UTC\+9\)", sink.shown_text)
    assert [call[2] for call in sink.calls if call[0] == "tool_started"] == ["calculate", "time_in"]
    assert set(sink.statuses.values()) == {"ok"}
    assert len([call for call in sink.calls if call[0] == "text"]) > 2
    assert result.usage == Usage(requests=2, tool_calls=2)


async def test_it_says_what_it_is_and_what_it_can() -> None:
    sink, _ = await asked("write me a poem")
    assert "not a language model" in sink.shown_text
    assert "NETRA_MODEL=openai:NAME" in sink.shown_text
    assert sink.shown_thinking


async def test_it_says_so_once_per_thread() -> None:
    sink, result = await asked("1+1")
    assert "not a language model" in sink.shown_text
    past = PastTurn("1+1", sink.shown_text, interrupted=False, history=result.history)
    sink, _ = await asked("2+2", past)
    assert sink.shown_text == "2+2 = 4"


async def test_what_a_tool_cannot_do_is_told() -> None:
    sink, _ = await asked("what is 1/0, and what time is it in Atlantis?")
    assert set(sink.statuses.values()) == {"error"}
    assert "I can't calculate 1/0: division by zero." in sink.shown_text
    assert "'Atlantis'" in sink.shown_text


async def test_the_calculator_runs_where_it_can_be_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its work is bounded; and even if it weren't, it wouldn't be the event loop that does it."""
    threads: list[str] = []

    def noted(expression: str) -> str:
        threads.append(threading.current_thread().name)
        return "1"

    monkeypatch.setattr(tools, "worked_out", noted)
    await asked("1+1")
    assert threads == ["netra-sync-tool"]


async def test_notes() -> None:
    data = MemoryData()
    assert "number 1" in (await asked("note: buy milk, and eggs", data=data))[0].shown_text
    await asked("remember to call Ann", data=data)
    assert "1. buy milk, and eggs\n2. call Ann" in (await asked("list notes", data=data))[0].shown_text
    assert "Note 1 is deleted" in (await asked("delete note 1", data=data))[0].shown_text
    assert "There is no note 1" in (await asked("delete note 1", data=data))[0].shown_text
    assert data.kept == {2: "call Ann"}


async def test_notes_are_bounded_in_number_length_and_list() -> None:
    data = MemoryData()
    text = "water the plants, " * 500
    assert "number 1" in (await asked(f"note: {text}", data=data))[0].shown_text
    assert data.kept == {1: text.strip(" ,")}
    assert "A note may have" in (await asked(f"note: {text * 2}", data=data))[0].shown_text
    data.kept |= dict.fromkeys(range(2, 501), text)
    assert "the most I keep" in (await asked("note: one more", data=data))[0].shown_text
    assert len(data.kept) == 500
    shown = (await asked("list notes", data=data))[0].shown_text
    assert "older ones aren't shown" in shown
    assert "500. water" in shown
    assert len(shown) < 40_000
    assert "There is no note" in (await asked("delete note " + "9" * 100, data=data))[0].shown_text


async def test_search() -> None:
    data = MemoryData()
    data.hits.append(ThreadHit("thread-2", "Garden", "user", "water the plants", "2026-11-20T10:00:00Z"))
    assert "Garden (2026-11-20, user): water the plants" in (await asked("search plants", data=data))[0].shown_text
    assert "nothing about 'cars'" in (await asked("search cars", data=data))[0].shown_text


async def test_days() -> None:
    sink, _ = await asked("how many days between 2026-01-01 and 2026-02-01, and what day is 2026-12-25?")
    assert "31 days" in sink.shown_text
    assert "is a Friday" in sink.shown_text


async def test_counting_goes_step_by_step_and_can_be_stopped() -> None:
    sink = Sink()
    handle = load_agent(Settings()).start(a_turn("count to 1000 slowly"), sink)
    running = asyncio.create_task(handle.wait())
    await sink.seen("text", "1\n")
    handle.cancel()
    async with asyncio.timeout(DEADLINE):
        result = await running
    assert result.cancelled
    assert sink.shown_text == "\n1\n"
    assert "Step 1 of 1000" in sink.shown_thinking
    past = PastTurn("count to 1000 slowly", sink.shown_text, interrupted=True, history=result.history)
    assert (await asked("1+1", past))[0].shown_text == "1+1 = 2"


@pytest.mark.parametrize("task", ["work for 12 steps", "run for 3 steps", "slowly work for 2 steps"])
async def test_a_sample_task_lasts_long_enough_to_be_stopped(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(pause: float) -> None:
        pauses.append(pause)
        await sleep(0)

    monkeypatch.setattr(offline.asyncio, "sleep", noted)
    sink, _ = await asked(task)
    steps = int(re.findall(r"\d+", task)[0])
    assert f"Done: {steps} steps." in sink.shown_text
    assert pauses.count(1.0) == steps


async def test_counting_to_its_end() -> None:
    sink, _ = await asked("count to 3")
    assert "1\n2\n3\nDone: 3 steps." in sink.shown_text


@pytest.mark.parametrize("prompt", EXAMPLE_PROMPTS)
async def test_the_example_prompts_are_understood(prompt: str) -> None:
    sink = Sink()
    handle = load_agent(Settings()).start(a_turn(prompt), sink)
    running = asyncio.create_task(handle.wait())
    await sink.seen("text")
    assert "No rule fits" not in sink.shown_thinking
    handle.cancel()
    await running


async def test_odd_text_is_answered_too() -> None:
    for text in ("\ufffd", "a" * 50_000, "{}", "\n\n\n", "؟", "1+" * 5000):
        sink, _ = await asked(text)
        assert sink.shown_text
