"""The parser of event streams (`text/event-stream`), as far as model servers use them: the data of each event."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator

__all__ = ["EventStream"]


class EventStream:
    """Cuts what arrives, in whatever pieces, into the data of the events in it.

    Lines end in LF, CR or CRLF; an event ends at an empty line. Comments, all fields but `data` and a byte order mark
    are passed over.
    """

    def __init__(self) -> None:
        self._begun: list[bytes] = []  # pieces of a line whose end hasn't come
        self._data: list[bytes] = []  # lines of an event whose end hasn't come
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of the events that end in this piece, one by one; take them all, or feed no more.

        Raises `UnicodeDecodeError` when it comes to a line that isn't text, if that isn't data.
        """
        if self._after_cr or b"\r" in piece:
            piece = self._with_plain_ends(piece)
        if b"\n" not in piece:
            self._begun.append(piece)
            return
        *lines, begun = b"".join((*self._begun, piece)).split(b"\n")
        self._begun = [begun]
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(BOM_UTF8)
        for line in lines:
            if line.startswith(b"data: "):
                self._data.append(line[6:])
            elif line:
                self._other(line)
            elif self._data:
                data, self._data = b"\n".join(self._data), []
                yield data

    def finish(self) -> None:
        """The stream is over; an event without an end is dropped. Raises `UnicodeDecodeError` if it isn't text."""
        b"\n".join((*self._data, b"".join(self._begun))).decode()

    def _with_plain_ends(self, piece: bytes) -> bytes:
        if not piece:
            return piece
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _other(self, line: bytes) -> None:
        line.decode()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value)
