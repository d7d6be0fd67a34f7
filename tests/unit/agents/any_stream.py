"""Any stream that a model server may write, and many that none would: chunks, layout, faults, and how it's cut up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.unit.agents.wire import DONE, HEAD, STOP, USAGE, chunk, encoded

Event = dict[str, Any] | str
MANY_BYTES = 700
"""Beyond it a stream isn't cut into single bytes: that would be most of a test's time."""

_tags = st.sampled_from(["<think>", "</think>"])
_pieces = st.one_of(
    st.sampled_from(["a", "b ", "\n", " ", "", "é", "😀", "\u2028", "\0", "\ud83d", "\ude00", "<thi", "nk>", "</thi"]),
    _tags,
    st.text(max_size=5),
)
_arguments = st.sampled_from(['{"a":', "1", "}", "", '{"a": 1}', '"é😀', "\n"])


def _grown(fields: Sequence[str], most: int = 4) -> st.SearchStrategy[list[Any]]:
    """Deltas in which the fields grow together, as they do for most of a response."""
    return st.lists(_pieces, min_size=1, max_size=most).map(lambda said: [dict.fromkeys(fields, p) for p in said])


_fragments = st.fixed_dictionaries(
    {"index": st.sampled_from([0, 0, 1, 2, None])},
    optional={
        "id": st.sampled_from(["c0", "c1", "", None]),
        "type": st.just("function"),
        "function": st.one_of(
            st.builds(lambda arguments: {"arguments": arguments}, _arguments),
            st.builds(lambda arguments: {"arguments": arguments, "name": "look"}, _arguments),
            st.sampled_from([None, {}, {"name": "see", "arguments": None}, {"name": "", "arguments": "1"}]),
        ),
        "extra_content": st.sampled_from([None, {}, {"google": {"thought_signature": "x"}}]),
    },
)
_plain_fragments = st.builds(
    lambda index, arguments: {"index": index, "function": {"arguments": arguments}},
    st.sampled_from([0, 1]),
    _arguments,
)
_calls = st.builds(
    lambda opening, more: [{"tool_calls": [f]} for f in [*opening, *more]],
    st.sampled_from(
        [
            [{"index": 0, "id": "c0", "type": "function", "function": {"name": "look", "arguments": ""}}],
            [
                {"index": i, "id": f"c{i}", "type": "function", "function": {"name": "f", "arguments": ""}}
                for i in (0, 1)
            ],
            [],
        ]
    ),
    st.lists(_plain_fragments, max_size=5),
)
_BESIDES: list[dict[str, Any]] = [
    {"refusal": "no"},
    {"refusal": ""},
    {"annotations": []},
    {"annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 0, "end_index": 1}}]},
    {"tool_calls": []},
    {"tool_calls": [{"index": 0, "function": {"arguments": "1"}}]},
    {"reasoning": "r"},
    {"reasoning_content": "c"},
    {"role": "assistant"},
    {"content": None},
]
_odd = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["assistant", "", None]),
        "content": st.one_of(
            _pieces,
            st.none(),
            st.builds(lambda piece: [{"type": "text", "text": piece}], _pieces),
            st.sampled_from([[], ["a"], [{"type": "reference", "ids": [1]}], 5, {}]),
        ),
        "reasoning": st.one_of(_pieces, st.none(), st.sampled_from([5, ["a"]])),
        "reasoning_content": st.one_of(_pieces, st.none()),
        "reasoning_details": st.sampled_from([None, [], [{"type": "reasoning.text", "text": "hm"}]]),
        "refusal": st.sampled_from([None, "", "I won't"]),
        "tool_calls": st.one_of(st.none(), st.lists(_fragments, max_size=2), st.just("x")),
        "annotations": st.sampled_from(
            [
                None,
                [],
                [
                    {
                        "type": "url_citation",
                        "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1},
                    }
                ],
            ]
        ),
        "function_call": st.none(),
        "x_other": st.sampled_from([None, {"a": [1]}, 1e300, "é"]),
    },
).map(lambda delta: [delta])

_twists = st.one_of(
    st.builds(lambda piece, more: {"content": piece} | more, _pieces, st.sampled_from(_BESIDES)),
    st.builds(lambda piece, more: {"reasoning": piece} | more, _pieces, st.sampled_from(_BESIDES)),
    st.sampled_from([{"content": ["<think>"]}, {"content": ["</think>"]}, {"content": [], "reasoning": "a"}, {}]),
)
"""What looks like more of the same and says something else as well."""
_torn_tags = st.sampled_from([["<thi", "nk>"], ["</thi", "nk>"], ["<", "think", ">"], ["", "<think>"], ["<think>", ""]])

_deltas = st.one_of(
    _grown(["content"], 6),
    st.builds(lambda said, twist, more: [*said, twist, *more], _grown(["content"]), _twists, _grown(["content"])),
    st.builds(lambda said, twist, more: [*said, twist, *more], _grown(["reasoning"]), _twists, _grown(["reasoning"])),
    st.builds(
        lambda said, torn, more: [*said, *({"content": piece} for piece in torn), *more],
        _grown(["content"], 2),
        _torn_tags,
        st.one_of(_grown(["content"], 2), _grown(["reasoning"], 1)),
    ),
    _grown(["content"]),
    _grown(["reasoning"]),
    _grown(["reasoning_content"]),
    _grown(["reasoning", "reasoning_content"]),
    _grown(["content", "reasoning"], 2),
    _grown(["content"], 3).map(lambda said: [{"content": "<think>"}, *said, {"content": "</think>"}]),
    _grown(["reasoning_content"]).map(lambda said: [{"role": "assistant", "content": None} | each for each in said]),
    _calls,
    _odd,
)
_logprobs = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}], "refusal": None}
_of_choice = st.fixed_dictionaries(
    {},
    optional={
        "finish_reason": st.sampled_from(["", "stop", "length", "tool_calls", "content_filter", "eos"]),
        "logprobs": st.sampled_from([None, {"content": None, "refusal": None}, {"content": []}, _logprobs]),
        "content_filter_results": st.sampled_from([{}, {"hate": {"filtered": False}}]),
        "index": st.sampled_from([0, 1, None]),
    },
)
_of_chunk = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from([None, "", "r2"]),
        "created": st.sampled_from([None, 0, 9, 9.5]),
        "model": st.sampled_from([None, "", "n"]),
        "service_tier": st.sampled_from([None, "flex"]),
        "system_fingerprint": st.sampled_from([None, "fp"]),
        "obfuscation": st.sampled_from(["x", "é" * 9]),
        "usage": st.sampled_from(
            [None, USAGE, USAGE | {"completion_tokens_details": {"reasoning_tokens": 2}}, {"prompt_tokens": 1}]
        ),
        "error": st.sampled_from([None, "", {}]),
    },
)
_nothing: st.SearchStrategy[dict[str, Any]] = st.just({})
_mostly_nothing = 3


def _rarely(more: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(*[_nothing] * _mostly_nothing, more)


def _chunks(
    deltas: list[Any], of_choice: dict[str, Any], of_chunk: dict[str, Any], since: int, others: int
) -> list[Event]:
    """A chunk for each delta, in the manner of `of_choice` and `of_chunk` from the delta `since` on. `others`: how many
    choices besides, of which the library reads none."""
    made: list[Event] = []
    for number, delta in enumerate(deltas):
        more, of_all = (of_choice, of_chunk) if number >= since else ({}, {})
        choice = {"index": 0, "delta": delta, "finish_reason": None} | more
        besides = [{"index": n, "delta": {"content": "x"}, "finish_reason": None} for n in range(1, others + 1)]
        made.append(HEAD | {"choices": [choice, *besides]} | of_all)
    return made


_growth = st.builds(
    _chunks,
    _deltas,
    _rarely(_of_choice),
    _rarely(_of_chunk),
    st.sampled_from([0, 1, 1, 2]),
    st.sampled_from([0] * 9 + [1]),
)
_single: st.SearchStrategy[list[Event]] = st.sampled_from(
    [
        STOP,
        chunk({}, "tool_calls"),
        chunk({"role": "assistant", "content": ""}),
        chunk(None),
        HEAD | {"choices": []},
        HEAD | {"choices": None},
        HEAD | {"choices": [], "usage": USAGE},
        HEAD | {"choices": [{"index": 0}]},
        {"id": "r1"},
        {},
        {"error": {"message": "died", "code": 500}},
        {"error": {"code": 500}},
        {"error": "died"},
        {"error": ["died"]},
        chunk({"content": "z"}, error={"message": "died"}),
        "{broken",
        "",
        DONE,
        "[DONE] and more",
    ]
).map(lambda event: [event])
_events = st.lists(st.one_of(_growth, _growth, _growth, _growth, _growth, _single), max_size=7).map(
    lambda runs: [event for run in runs for event in run]
)
_ends = st.sampled_from(
    [
        [STOP, DONE],
        [STOP, HEAD | {"choices": [], "usage": USAGE}, DONE],
        [chunk({"content": "z"}, "length"), DONE],
        [STOP],
        [DONE],
        [],
    ]
)


@dataclass(frozen=True)
class Layout:
    """How events are written as lines. `before`: lines that say nothing, before each event."""

    end: str
    space: str
    escaped: bool
    indent: int | None
    before: tuple[str, ...]

    def lines(self, event: Event) -> list[str]:
        said = encoded(event, escaped=self.escaped, indent=self.indent)
        return [*self.before, *(f"data:{self.space}{line}" for line in said.split("\n")), ""]


_layouts = st.builds(
    Layout,
    st.sampled_from(["\n", "\n", "\r\n", "\r", "mixed"]),
    st.sampled_from([" ", " ", ""]),
    st.booleans(),
    st.sampled_from([None, None, None, 1]),
    st.sampled_from([(), (), (), (": ping",), (":", ""), ("event: message",), ("retry: 10",), ("other", "x: y")]),
)


def _laid_out(events: list[Event], layout: Layout) -> bytes:
    lines = [line for event in events for line in layout.lines(event)]
    ends = ["\n", "\r\n", "\r"] if layout.end == "mixed" else [layout.end]
    # A lone CR before an LF would be one end of a line instead of two, so mixed ends are by event and not by line.
    written: list[str] = []
    turn = 0
    for line in lines:
        written.append(line + ends[turn % len(ends)])
        turn += not line
    return "".join(written).encode()


@dataclass(frozen=True)
class Wire:
    """What arrives: bytes, in pieces; then the response ends, or the connection breaks (`cut`)."""

    pieces: list[bytes]
    cut: bool

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


def in_pieces(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The bytes in pieces of these sizes, and the rest."""
    pieces: list[bytes] = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


_sizes = st.one_of(
    st.just([]),
    st.lists(st.integers(1, 400), max_size=20),
    st.lists(st.integers(1, 400), max_size=20),
    st.lists(st.integers(1, 40), max_size=60),
    st.lists(st.integers(1, 40), max_size=60),
    st.just([1] * MANY_BYTES),
)


@st.composite
def _faulty(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes, ending early or with some that aren't text."""
    at = draw(st.integers(0, len(data)))
    match draw(st.sampled_from(["early", "early", "no text"])):
        case "early":
            return data[:at]
        case _:
            # What follows the end on its line is nobody's business, and the client's all the same.
            at = min(at, data.find(b"[DONE]") % (len(data) + 1))
            return data[:at] + draw(st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x80"])) + data[at:]


@st.composite
def wires(draw: st.DrawFn) -> Wire:
    """A response's bytes, laid out, maybe damaged, and cut into pieces."""
    events: list[Event] = [*draw(_events), *draw(_ends)]
    data = _laid_out(events, draw(_layouts))
    if draw(st.sampled_from([False] * 7 + [True])):
        data = draw(_faulty(data))
    sizes = draw(_sizes)
    if len(sizes) == MANY_BYTES:
        sizes = [1] * min(len(data), MANY_BYTES)
    return Wire(in_pieces(data, sizes), draw(st.sampled_from([False] * 7 + [True])))
