"""The event-stream parser, by the rules of the HTML standard as far as data goes.

Whatever the bytes: `by_the_standard` is written from the standard's text alone, and the OpenAI client has a parser of
its own. `NETRA_EXAMPLES` says how many examples each property is tried with.
"""

from __future__ import annotations

import codecs
import os
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.agents.sse import EventStream
from netra_backend.app.protocol.events import FailureCode
from tests.unit.agents.any_stream import in_pieces

EXAMPLES = int(os.environ.get("NETRA_EXAMPLES", "300"))


def events(*pieces: bytes) -> list[bytes]:
    stream = EventStream(10**6)
    found = [data for piece in pieces for data in stream.feed(piece)]
    return [*found, *stream.finish()]


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\n", [b"a"]),
        (b"data: a\r\r", [b"a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\n\n", [b""]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b": a comment\n\n", []),
        (b"\n\n\n", []),
        (b"event: x\nid: 1\nretry: 2\ndata: a\n\n", [b"a"]),
        (b"id: 1\n\ndata: a\n\n", [b"a"]),
        (b"database: a\ndata: b\n\n", [b"b"]),
        (b"data: a: b\n\n", [b"a: b"]),
    ],
)
def test_lines(stream: bytes, data: list[bytes]) -> None:
    assert events(stream) == data
    assert events(*(stream[at : at + 1] for at in range(len(stream)))) == data


def by_the_standard(stream: bytes) -> list[bytes]:
    """Section 9.2.6 of the HTML standard, on a stream that has come whole. Events without data say nothing."""
    found: list[bytes] = []
    data: list[bytes] = []
    *lines, _ = re.split(rb"\r\n|\n|\r", stream.removeprefix(codecs.BOM_UTF8))
    for line in lines:
        field, _, value = line.partition(b":")
        if not line:
            if data:
                found.append(b"\n".join(data))
            data = []
        elif field == b"data":
            data.append(value.removeprefix(b" "))
    return found


def by_the_client(*pieces: bytes) -> tuple[list[bytes], bool]:
    """What the OpenAI client's parser finds, as far as there is data; and whether it came to what isn't text."""
    found: list[bytes] = []
    try:
        for event in SSEDecoder().iter_bytes(iter(pieces)):
            found += [event.data.encode()] if event.data else []
    except UnicodeDecodeError:
        return found, False
    return found, True


def by_netra(*pieces: bytes) -> tuple[list[bytes], bool]:
    """The same by Netra's. Whoever takes data finds out for himself whether it's text."""
    found: list[bytes] = []
    stream = EventStream(10**6)
    try:
        for piece in pieces:
            for data in stream.feed(piece):
                data.decode()
                if data:
                    found.append(data)
        list(stream.finish())
    except UnicodeDecodeError:
        return found, False
    return found, True


_ends = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b""])
_names = st.sampled_from(["data", "data", "data", "data", "event", "id", "retry", "", "database", " data", "datä", "x"])
_colons = st.sampled_from([": ", ": ", ":", ":  ", "", " :"])
_values = st.one_of(
    st.sampled_from(["", '{"a": 1}', "[DONE]", ":", "é😀\u2028\u0085", "\x00", "\x0b\x0c", "\ufeff", "message"]),
    st.text(alphabet=st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=8),
)
_lines = st.builds(
    lambda name, colon, value, end: f"{name}{colon}{value}".encode() + end, _names, _colons, _values, _ends
)
_texts = st.lists(st.one_of(_lines, _lines, _ends), max_size=12).map(b"".join)
_anything = st.lists(
    st.one_of(_lines, _lines, _ends, st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80"]), st.binary(max_size=3)),
    max_size=12,
).map(b"".join)
_sizes = st.one_of(st.lists(st.integers(0, 12), max_size=40), st.integers(0, 3).map(lambda size: [size] * 600))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from([b"", b"", b"", codecs.BOM_UTF8]), _texts, _sizes)
def test_any_text_is_read_by_the_standard(mark: bytes, stream: bytes, sizes: list[int]) -> None:
    # A body that begins so is no event stream.
    assume(not stream.lstrip().startswith((b"{", b"[")))
    assert events(*in_pieces(mark + stream, sizes)) == by_the_standard(mark + stream)


ERRORS = [
    (b'error: {"code": 400, "message": "too long"}\n\n', [b'{"error":{"code": 400, "message": "too long"}}']),
    (b"error: the slot is away\n\n", [b'{"error":"the slot is away"}']),
    (b'event: error\ndata: {"message": "away"}\n\n', [b'{"error":{"message": "away"}}']),
    (b'event: error\ndata: {"error": "away"}\n\n', [b'{"error": "away"}']),
    (b"event: error\ndata: away\n\ndata: a\n\n", [b'{"error":"away"}', b"a"]),
    (b"event: error\nid: 1\n\n", [b'{"error":"an error, without saying which"}']),
    (b'\xef\xbb\xbf  {"a":\n 1}', [b'{"a":\n 1}']),
    (b'\n\n[{"error": 1}]\n', [b'[{"error": 1}]\n']),
]


@pytest.mark.parametrize(("stream", "data"), ERRORS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_errors_and_bodies_that_are_no_stream(stream: bytes, data: list[bytes], size: int) -> None:
    assert [each.strip() for each in events(*in_pieces(stream, [size] * len(stream)))] == [
        each.strip() for each in data
    ]


@pytest.mark.parametrize(
    "piece", [b"x" * 100, b"data: " + b"x" * 100, b"data: x\n", b": " + b"x" * 100, b'{"a":' + b" " * 100, b" " * 100]
)
def test_an_event_has_a_longest_size(piece: bytes) -> None:
    stream, fed = EventStream(1000), 0

    def feed() -> None:
        nonlocal fed
        while fed < 100_000:
            assert not list(stream.feed(piece))
            fed += len(piece)

    with pytest.raises(AgentFailure) as failed:
        feed()
    assert failed.value.code is FailureCode.MODEL_BAD_RESPONSE
    assert "NETRA_MODEL_MAX_EVENT_BYTES" in failed.value.message
    assert fed <= 2000


@settings(max_examples=EXAMPLES, deadline=None)
@given(_anything, _sizes)
def test_any_bytes_are_read_as_the_client_reads_them(stream: bytes, sizes: list[int]) -> None:
    """But for a byte order mark, with which it loses the first event."""
    pieces = in_pieces(b":\n" + stream, sizes)
    assert by_netra(*pieces) == by_the_client(*pieces)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_byte_order_mark_is_passed_over(size: int) -> None:
    stream = codecs.BOM_UTF8 + b"data: a\n\n" + codecs.BOM_UTF8 + b"data: b\n\n"
    assert events(*in_pieces(stream, [size] * len(stream))) == [b"a"], "only at the very start"


def test_one_line_feed_after_a_carriage_return_belongs_to_it() -> None:
    """The one after it is a line's end of its own: here it ends the event."""
    assert events(b"data: a\r", b"", b"\n", b"\n") == [b"a"]


def test_what_is_not_text_is_refused_where_it_stands() -> None:
    stream = EventStream(10**6)
    found = stream.feed(b"data: a\n\n\xff\n")
    assert next(found) == b"a"
    with pytest.raises(UnicodeDecodeError):
        next(found)
    with pytest.raises(UnicodeDecodeError):
        events(b"\xff")


def test_a_long_line_in_small_pieces_costs_no_more_than_its_length() -> None:
    joined = 0

    class Counted(bytes):
        def __contains__(self, item: object) -> bool:
            nonlocal joined
            joined += len(self)
            return super().__contains__(item)  # pyright: ignore[reportArgumentType]

    stream = EventStream(10**6)
    for _ in range(1000):
        assert not list(stream.feed(Counted(b"x" * 100)))
    assert joined <= 2 * 100_000
