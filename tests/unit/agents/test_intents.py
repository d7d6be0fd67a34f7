from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra_backend.app.agents import intents
from netra_backend.app.agents.intents import understand
from tests.harness.work import growth


def asked(message: str) -> list[tuple[str, dict[str, object]]]:
    return [(ask.tool, dict(ask.arguments)) for ask in understand(message)]


@pytest.mark.parametrize(
    ("message", "tool", "arguments"),
    [
        ("17*23", "calculate", {"expression": "17*23"}),
        ("What is 17 * 23?", "calculate", {"expression": "17 * 23"}),
        ("please calculate 2^10", "calculate", {"expression": "2^10"}),
        ("how much is 15% of 80?", "calculate", {"expression": "15% of 80"}),
        ("what's the square root of 2", "calculate", {"expression": "the square root of 2"}),
        ("what time is it?", "time_in", {}),
        ("time in Tokyo", "time_in", {"place": "Tokyo"}),
        ("can you tell me the time in New York", "time_in", {"place": "New York"}),
        ("what is the current time in Sao Paulo right now?", "time_in", {"place": "Sao Paulo"}),
        ("what's the date", "time_in", {}),
        ("what day is it in Sydney?", "time_in", {"place": "Sydney"}),
        ("15:00 in Berlin in Tokyo", "time_elsewhere", {"clock": "15:00", "place": "Berlin", "other": "Tokyo"}),
        ("what time is 3pm Berlin in Tokyo?", "time_elsewhere", {"clock": "3pm", "place": "Berlin", "other": "Tokyo"}),
        ("what day is 2026-12-25?", "weekday", {"date": "2026-12-25"}),
        ("which day of the week was 24 December 2025", "weekday", {"date": "24 December 2025"}),
        ("how many days until christmas?", "days_between", {"end": "christmas"}),
        (
            "days between 2026-01-01 and 2026-02-01",
            "days_between",
            {"start": "2026-01-01", "end": "2026-02-01"},
        ),
        ("note: buy milk, eggs and count the change", "add_note", {"text": "buy milk, eggs and count the change"}),
        ("Remember that 2*3 is the code", "add_note", {"text": "2*3 is the code"}),
        ("add a note to call Ann", "add_note", {"text": "call Ann"}),
        ("list my notes", "list_notes", {}),
        ("show notes", "list_notes", {}),
        ("delete note 3", "delete_note", {"number": "3"}),
        ("forget note #12", "delete_note", {"number": "12"}),
        ("search plants and time", "search_threads", {"query": "plants and time"}),
        ("find my messages about the budget", "search_threads", {"query": "the budget"}),
        ("what did I say about plants?", "search_threads", {"query": "plants"}),
        ("can you tell me what 12*12 is?", "calculate", {"expression": "12*12"}),
        ("count to 5", "count", {"steps": "5"}),
        ("count to 30 slowly", "count", {"steps": "30", "pace": " slowly"}),
        ("work for 12 steps", "work", {"steps": "12"}),
    ],
)
def test_one_request(message: str, tool: str, arguments: dict[str, object]) -> None:
    assert asked(message) == [(tool, arguments)]


@pytest.mark.parametrize(
    ("message", "tools"),
    [
        ("what is 17*23, and what time is it in Tokyo?", ["calculate", "time_in"]),
        ("what is 17*23 and what time is it in Tokyo", ["calculate", "time_in"]),
        ("What time is it in Tokyo? What is 2+2?", ["time_in", "calculate"]),
        ("time in Oslo, time in Rome and then list my notes", ["time_in", "time_in", "list_notes"]),
        ("1+1\n2+2\nnote: three", ["calculate", "calculate", "add_note"]),
        ("what is 2+2 and count to 3", ["calculate", "count"]),
        ("list notes, then note: what is 2+2, and time in Rome", ["list_notes", "add_note"]),
        ("hello, what is 2+2?", ["calculate"]),
        ("what time is it in Tokyo, London and Paris?", ["time_in", "time_in", "time_in"]),
        ("max(1, 2*3) and max(4, 5+1)", ["calculate", "calculate"]),
        ("hi :( what is 2+2, and list notes", ["list_notes"]),
        ("we were three, what is 2+2", ["calculate"]),
        ("please, and then also, what is 2+2?! And then count to 3.", ["calculate", "count"]),
        ("days until 24 December, 2030, and time in Oslo", ["days_between", "time_in"]),
        ("what is (1+2)*3, 4*5", ["calculate", "calculate"]),
        ("remember: a, list notes\nlist notes", ["add_note", "list_notes"]),
    ],
)
def test_several_at_once(message: str, tools: list[str]) -> None:
    assert [tool for tool, _ in asked(message)] == tools


@pytest.mark.parametrize("message", ["", "hello", "who are you?", "write me a poem", "42", "?!", "what is love"])
def test_nothing_that_a_rule_fits(message: str) -> None:
    assert asked(message) == []


def test_there_is_a_most() -> None:
    assert len(understand("\n".join(["1+1"] * 100))) == 10


def test_a_long_note_is_kept_whole() -> None:
    note = "milk and count the change, " * 500
    assert asked(f"hello\nnote: {note}\nlist notes") == [("add_note", {"text": note.strip(" ,")})]


PARTS = [
    ",;",
    ", and ",
    "then ",
    "? ",
    "1. ",
    "what ",
    "1+",
    "(",
    ")",
    "()",
    "(,",
    "time in ",
    "a, and 1+1 ",
    "3 a in ",
]
PARTS += [
    "days until ",
    "note ",
    " ",
    "\n",
    "search ",
    "and ",
    "please ",
    "hello, what is 2+2, ",
    "time in a, time in b, ",
]
PARTS += [
    "days between 1 and ",
    "what is ",
    "what time is 3 pm a in b to ",
    "also ",
    "x",
    "1 1 1 ",
    "notes: ",
    "day is ,",
]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("before", ["", "foo ", "note "])
def test_the_work_is_linear(part: str, before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the limit on what is read of a message away: four times the text is about four times the work."""
    monkeypatch.setattr(intents, "_MAX_CHARS", 10**9)
    monkeypatch.setattr(intents, "_MAX_ASKS", 10**9)
    assert growth(understand, before + part * (4_000 // len(part)), before + part * (16_000 // len(part))) < 10


def test_only_so_much_of_a_message_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    ask = intents._ask
    monkeypatch.setattr(intents, "_ask", lambda words: read.append(words) or ask(words))
    understand("what is love, " * 50_000 + "\n" * 50_000)
    assert sum(map(len, read)) <= 2_000


@given(st.text(max_size=300))
def test_no_text_breaks_it(message: str) -> None:
    understand(message)
