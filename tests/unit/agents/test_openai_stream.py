"""The lean reader against the OpenAI client's reading of the same bytes: what is shown, kept and raised is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.unit.agents.playback import Player
from tests.unit.agents.wire import BOM, DONE, HEAD, HELLO, STOP, USAGE, call, chunk, stream, text


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    made = Player()
    yield made
    made.close()


STREAMS = {
    "plain": stream(*HELLO),
    "crlf": stream(*HELLO, end="\r\n"),
    "cr": stream(*HELLO, end="\r"),
    "no space after the colon": stream(*HELLO, space=""),
    "comments": b": ping\n\n" + stream(*HELLO[:2]) + b":\n: still here\n\n\n" + stream(*HELLO[2:]),
    "event and retry fields": b"retry: 10\nevent: message\n" + stream(*HELLO),
    "an event's name before each": b"".join(b"event: message\n" + stream(event) for event in HELLO),
    "an error under its own name": stream(text("a")) + b"event: error\n" + stream({"error": {"message": "died"}}),
    "line ends of every kind": stream(*HELLO[:2]) + stream(*HELLO[2:4], end="\r\n") + stream(*HELLO[4:], end="\r"),
    "empty lines between": b"\n\n" + b"\n\n\n".join(stream(event) for event in HELLO) + b"\n",
    "data in several lines": stream(json.dumps(text("Hi"), indent=1), json.dumps(STOP, indent=1), DONE),
    "usage in a chunk of its own": stream(*HELLO[:-1], HEAD | {"choices": [], "usage": USAGE}, DONE),
    "usage in the last chunk": stream(*HELLO[:-2], chunk({}, "stop", usage=USAGE), DONE),
    "usage null throughout": stream(*(c | {"usage": None} for c in HELLO if isinstance(c, dict)), DONE),
    "usage in every chunk": stream(text("a", usage=USAGE), text("b", usage=USAGE), STOP, DONE),
    "no usage": stream(*HELLO),
    "[DONE] missing": stream(*HELLO[:-1]),
    "[DONE] and no last line": stream(*HELLO).rstrip(),
    "more after [DONE]": stream(*HELLO, text("never shown")),
    "only roles": stream(*[chunk({"role": "assistant"})] * 3, text("a"), chunk({"role": ""}), text("b"), STOP, DONE),
    "empty deltas": stream(chunk({}), text("a"), chunk({}), text("b"), chunk({}), chunk({"content": ""}), STOP, DONE),
    "null content": stream(chunk({"content": None}), text("a"), chunk({"content": None}), text("b"), STOP, DONE),
    "several choices": stream(
        *[
            HEAD | {"choices": [{"index": i, "delta": {"content": f"{i}{p}"}, "finish_reason": None} for i in order]}
            for order, p in [((0, 1), "a"), ((0, 1), "b"), ((1, 0), "c"), ((1,), "d"), ((0,), "e")]
        ],
        STOP,
        DONE,
    ),
    "no finish reason": stream(text("half")),
    "an empty finish reason": stream(chunk({"content": "a"}, ""), chunk({"content": "b"}, ""), STOP, DONE),
    "text with the finish reason": stream(text("a"), text("b"), chunk({"content": "c"}, "stop"), DONE),
    "cut by length": stream(text("a"), text("b"), chunk({}, "length"), DONE),
    "content filter": stream(text("a"), chunk({}, "content_filter"), DONE),
    "refusal after text": stream(text("a"), text("b"), chunk({"refusal": "No."}), text("c"), STOP, DONE),
    "a refusal beside a tag": stream(
        text("a"), chunk({"content": "<think>", "refusal": "No."}), text("b"), text("c"), STOP, DONE
    ),
    "refusal null throughout": stream(*[chunk({"content": p, "refusal": None}) for p in "abc"], STOP, DONE),
    "refusal": stream(chunk({"refusal": "I "}), chunk({"refusal": "won't"}), STOP, DONE),
    "reasoning_content": stream(
        chunk({"reasoning_content": "Hm"}), chunk({"reasoning_content": "m."}), text("a"), text("b"), STOP, DONE
    ),
    "reasoning": stream(chunk({"reasoning": "Hm"}), chunk({"reasoning": "m."}), text("a"), STOP, DONE),
    "both reasoning fields": stream(*[chunk({"reasoning": p, "reasoning_content": p}) for p in "abc"], STOP, DONE),
    "reasoning with nulls": stream(
        *[chunk({"content": None, "reasoning": p}) for p in "ab"],
        *[chunk({"content": p, "reasoning": None}) for p in "cd"],
        STOP,
        DONE,
    ),
    "reasoning and text in one chunk": stream(chunk({"content": "a", "reasoning": "r"}), text("b"), STOP, DONE),
    "reasoning again after text": stream(
        *[chunk({"reasoning": p}) for p in "ab"], text("c"), text("d"), chunk({"reasoning": "e"}), text("f"), STOP, DONE
    ),
    "think tags": stream(*map(text, ["<think>", "H", "m.", "</think>", "\n\n", "a", "b"]), STOP, DONE),
    "think tags twice": stream(
        *map(text, ["<think>", "a", "</think>", "b", "<think>", "<think>", "c", "</think>"]), STOP, DONE
    ),
    "pieces that make a tag": stream(*map(text, ["x", "<thi", "nk>", "y"]), STOP, DONE),
    "only pieces that make a tag": stream(*map(text, ["x", "", "<thi", "nk>"]), chunk({"reasoning": "r"}), STOP, DONE),
    "pieces that make an end tag": stream(*map(text, ["<think>", "a", "</thi", "nk>"]), STOP, DONE),
    "a tool call": stream(call(0, "", "look"), call(0, '{"a'), call(0, '": 1'), call(0, "}"), STOP, DONE),
    "interleaved calls and reasoning": stream(
        call(0, "", "look"),
        chunk({"reasoning": "Hm"}),
        call(0, '{"a"'),
        chunk({"reasoning": "m."}),
        call(0, ": 1}"),
        STOP,
        DONE,
    ),
    "interleaved tool calls": stream(
        text("So."),
        call(0, '{"a"', "look"),
        call(1, '{"b"', "see"),
        call(0, ":1"),
        call(1, ":2"),
        call(1, "}"),
        call(0, "}"),
        chunk({}, "tool_calls"),
        DONE,
    ),
    "a whole tool call": stream(call(0, '{"a": 1}', "look"), chunk({}, "tool_calls"), DONE),
    "a tool call without an index": stream(call(None, '{"a": 1}', "look"), call(None, ""), STOP, DONE),
    "two calls in one chunk": stream(
        chunk(
            {"tool_calls": [{"index": i, "id": f"c{i}", "function": {"name": "f", "arguments": "{}"}} for i in (0, 1)]}
        ),
        STOP,
        DONE,
    ),
    "ids and signatures on the way": stream(
        call(0, '{"a"', "look"),
        call(0, ":"),
        call(0, "1", id="other"),
        call(0, "2", extra_content={"google": {"s": "x"}}),
        call(0, "}"),
        STOP,
        DONE,
    ),
    "a tag in parts, and its end as text": stream(
        text("a"), chunk({"content": ["<think>"]}), text("b"), text("c"), text("</think>"), text("d"), STOP, DONE
    ),
    "calls that are none": stream(text("a"), chunk({"tool_calls": "x"}), text("b"), STOP, DONE),
    "a call with a signature": stream(call(0, "{}", "look", extra_content={"google": {"s": "x"}}), STOP, DONE),
    "text after a tool call": stream(text("a"), text("b"), call(0, "{}", "look"), text("c"), text("d"), STOP, DONE),
    "another model's name on the way": stream(text("a"), text("b", model="n"), text("c", model="n"), STOP, DONE),
    "service tier": stream(text("a", service_tier="flex"), text("b", service_tier="flex"), STOP, DONE),
    "logprobs": stream(
        *[
            HEAD
            | {
                "choices": [
                    {
                        "index": 0,
                        "delta": {"content": p},
                        "finish_reason": None,
                        "logprobs": {"content": [{"token": p, "logprob": -1, "bytes": None, "top_logprobs": []}]},
                    }
                ]
            }
            for p in "ab"
        ],
        STOP,
        DONE,
    ),
    "content as a list": stream(chunk({"content": [{"type": "text", "text": "a"}]}), text("b"), text("c"), STOP, DONE),
    "choices null": stream(HEAD | {"choices": None}, text("a"), text("b"), STOP, DONE),
    "delta null": stream(HEAD | {"choices": [{"index": 0, "delta": None}]}, text("a"), STOP, DONE),
    "no delta": stream(text("a"), HEAD | {"choices": [{"index": 0}]}, text("b"), STOP, DONE),
    "no choices at all": stream(text("a"), {"id": "r1"}, {}, text("b"), STOP, DONE),
    "unknown fields": stream(text("a", x_groq={"id": "x"}, obfuscation="zz"), text("b", obfuscation="y"), STOP, DONE),
    "created later": stream(text("a", created=None), text("b"), text("c"), STOP, DONE),
    "a time in every chunk": stream(*[text(p, created=n) for n, p in enumerate("abcd", 1)], STOP, DONE),
    "unicode": stream(text("é"), text("😀"), text("\u2028"), STOP, DONE),
    "unicode in bytes": stream(*map(text, ["é", "😀", "\u2028", "日本", "\u0085"]), STOP, DONE, escaped=False),
    "halves of a character": stream(text("a"), text("\ud83d"), text("\ude00"), text("b"), STOP, DONE),
    "nul": stream(text("a\0"), text("b\0c"), STOP, DONE),
    "an error at once": stream({"error": {"message": "engine died", "type": "server_error"}}),
    "an error in mid-stream": stream(text("a"), text("b"), {"error": {"message": "engine died", "code": 500}}),
    "an error without words": stream(text("a"), {"error": "boom"}),
    "an error beside the text": stream(text("a"), text("b", error={"message": "no"})),
    "not JSON": stream(text("a"), text("b"), "{nonsense"),
    "not UTF-8": stream(text("a"), text("b")) + b"\xff\xfe\n" + stream(STOP, DONE),
    "not UTF-8 at the end": stream(*HELLO[:-1]) + b"\xff\xfe",
    "not UTF-8 where nobody reads": stream(text("a"), text("b"))
    + stream(text("c", obfuscation="XX")).replace(b"XX", b"\xff")
    + stream(STOP, DONE),
    "nothing": b"",
    "only [DONE]": stream(DONE),
    "html": b"<html><body>Welcome</body></html>",
}


@pytest.mark.parametrize("pieces_of", [1, 7, 64, 10**6])
@pytest.mark.parametrize("name", STREAMS)
def test_recorded_streams(player: Player, name: str, pieces_of: int) -> None:
    data = STREAMS[name]
    lean, sdk = player.both([data[at : at + pieces_of] for at in range(0, len(data), pieces_of)])
    assert lean.same_as(sdk), (lean, sdk)


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_streams_outside_of_a_turn(player: Player, name: str) -> None:
    lean, sdk = player.both([STREAMS[name]], ahead=False)
    assert lean.same_as(sdk), (lean, sdk)


@pytest.mark.parametrize("cut", [False, True], ids=["ends early", "breaks"])
def test_a_stream_that_stops_anywhere(player: Player, cut: bool) -> None:
    """At every place of a stream that has everything in it; the middle of a character is one of them."""
    data = stream(
        chunk({"role": "assistant", "reasoning_content": "Hé"}),
        text("é"),
        text("😀"),
        call(0, '{"a', "look"),
        call(0, '": 1}'),
        chunk({}, "tool_calls", usage=USAGE),
        DONE,
        escaped=False,
    )
    for at in range(0, len(data), 5):
        lean, sdk = player.both([data[: at // 2], data[at // 2 : at]], cut=cut)
        assert lean.same_as(sdk), (at, lean, sdk)
        assert lean.failure or not cut or b"[DONE]" in data[:at]


@pytest.mark.parametrize("size", [1000, 10**5, 10**7])
def test_a_huge_chunk(player: Player, size: int) -> None:
    data = stream(text("é" * 10**6), text("a"), call(0, "1" * 10**6, "look"), call(0, "2" * 10**6), STOP, DONE)
    lean, sdk = player.both([data[at : at + size] for at in range(0, len(data), size)])
    assert lean.same_as(sdk)
    assert lean.shown == [("text", "é" * 10**6 + "a")]


# Where Netra reads on and the client doesn't: the event-stream standard says how these are to be read.
BETTER = {
    "a byte order mark": BOM + stream(*HELLO),
    "a field without data, and then an empty line": b"retry: 10\n\nid: 1\n\n" + stream(*HELLO),
    "ids": b"".join(b"id: 7\n" + stream(event) + b": ping\n\n" for event in HELLO),
}


@pytest.mark.parametrize("pieces_of", [1, 64, 10**6])
@pytest.mark.parametrize("data", BETTER.values(), ids=BETTER)
def test_what_only_netra_reads(player: Player, data: bytes, pieces_of: int) -> None:
    lean, _ = player.both([data[at : at + pieces_of] for at in range(0, len(data), pieces_of)])
    assert (lean.shown, lean.failure) == ([("text", "Hello you")], "")


@pytest.mark.parametrize("data", ["[1]", "7", '"text"'])
def test_json_that_is_no_chunk(player: Player, data: str) -> None:
    """The client hands it on, and the library then fails by whatever it trips over."""
    lean, sdk = player.both([stream(text("a"), data, STOP, DONE)])
    assert lean.failure.startswith("ModelAPIError: Failed to decode response as JSON")
    assert (lean.shown, sdk.shown) == ([("text", "a")], [("text", "a")])
    assert sdk.failure


@pytest.mark.parametrize("done", ["[done]", " [DONE] ", '"[DONE]"', "DONE"])
def test_an_end_in_another_hand_is_one(player: Player, done: str) -> None:
    lean, sdk = player.both([stream(text("a"), STOP, done)])
    assert (lean.shown, lean.failure, sdk.failure) == ([("text", "a")], "", "")


def test_a_list_of_chunks_is_no_whole_answer(player: Player) -> None:
    """Only the first would be read of it."""
    for data in ([text("a"), text("b")], [text("a")], text("a")):
        lean, sdk = player.both([json.dumps(data).encode()])
        assert lean.failure
        assert sdk.failure


def test_what_is_missing_at_the_end_is_not_invented(player: Player) -> None:
    half, _ = player.both([STREAMS["no finish reason"]])
    assert half.shown == [("text", "half")]
    assert "finish_reason" in half.failure


def test_the_text_of_one_read_is_shown_as_one(player: Player) -> None:
    words = [text(f"w{number} ") for number in range(100)]
    lean, sdk = player.both([stream(*words[:1]), stream(*words[1:60]), stream(*words[60:], STOP, DONE)])
    assert lean.same_as(sdk)
    assert (lean.calls, player.alone([stream(*words, STOP, DONE)]).calls) == (3, 100)
