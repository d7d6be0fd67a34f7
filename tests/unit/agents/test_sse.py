"""The event-stream parser, by the rules of the HTML standard as far as data goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra_backend.app.agents.sse import EventStream


def events(*pieces: bytes) -> list[bytes]:
    stream = EventStream()
    found = [data for piece in pieces for data in stream.feed(piece)]
    stream.finish()
    return found


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


_lines = st.lists(st.sampled_from([b"data: a", b"data:b", b": c", b"", b"id: d", b"data"]), max_size=10)


@given(_lines, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(0, 9), max_size=30))
def test_cutting_changes_nothing(lines: list[bytes], end: bytes, sizes: list[int]) -> None:
    whole = b"".join(line + end for line in lines)
    pieces: list[bytes] = []
    rest = whole
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    assert events(*pieces, rest) == events(b"".join(line + b"\n" for line in lines))


def test_what_is_not_text_is_refused_where_it_stands() -> None:
    stream = EventStream()
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

    stream = EventStream()
    for _ in range(1000):
        assert not list(stream.feed(Counted(b"x" * 100)))
    assert joined <= 2 * 100_000
