"""The parser of event streams (`text/event-stream`), as far as model servers use them: the data of each event."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator

from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.protocol.events import FailureCode

__all__ = ["EventStream"]

_WORDS_KEPT = 2048
"""Bytes that are kept of a body which is no event stream, for what it says."""


class EventStream:
    """Cuts what arrives, in whatever pieces, into the data of the events in it.

    Lines end in LF, CR or CRLF; an event ends at an empty line. Comments, most fields but `data` and a byte order mark
    are passed over. An event named `error`, and the field `error` by which llama.cpp reports, are given as data that
    has an `error`. A body that is JSON instead of a stream is one event.

    `most` is how many bytes an event may have; a longer one raises `AgentFailure`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0  # bytes of the event whose end hasn't come
        self._begun: list[bytes] = []  # pieces of a line whose end hasn't come
        self._data: list[bytes] = []  # lines of an event whose end hasn't come
        self._is_error = False
        self._after_cr = False
        self._at_start = True
        self.whole = False
        """The body is JSON instead of a stream."""
        self._words = bytearray()
        self.gave_any = False
        """There were events."""

    @property
    def words(self) -> str:
        """What a body said that wasn't an event stream."""
        return self._words.decode(errors="replace")

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of the events that end in this piece, one by one; take them all, or feed no more.

        Raises `UnicodeDecodeError` when it comes to a line that isn't text, if that isn't data.
        """
        if self._at_start:
            piece = self._from_start(piece)
        if self.whole:
            self._keep(piece)
            return
        if self._after_cr or b"\r" in piece:
            piece = self._with_plain_ends(piece)
        if b"\n" not in piece:
            self._keep(piece)
            return
        *lines, begun = b"".join((*self._begun, piece)).split(b"\n")
        self._size -= sum(map(len, self._begun))
        self._begun = []
        for line in lines:
            if line.startswith(b"data: "):
                self._data.append(line[6:])
                self._grow(len(line))
            elif line:
                yield from self._other(line)
            else:
                self._size = 0
                if self._data or self._is_error:
                    yield self._event()
                self._is_error = False
        self._keep(begun)

    def finish(self) -> Iterator[bytes]:
        """The stream is over: a body that was JSON is an event; of a stream, what has no end is dropped.

        Raises `UnicodeDecodeError` if it isn't text.
        """
        rest = b"\n".join((*self._data, b"".join(self._begun)))
        rest.decode()
        if self.whole and rest.strip():
            self.gave_any = True
            yield rest
        elif not self.gave_any:
            self._say(rest)

    def _from_start(self, piece: bytes) -> bytes:
        """Decide what the body is, once anything of it but space has come."""
        begun = b"".join((*self._begun, piece))
        if len(begun) < len(BOM_UTF8) and BOM_UTF8.startswith(begun):
            self._begun, self._size = [], 0
            return begun
        begun = begun.removeprefix(BOM_UTF8)
        said = begun.lstrip()
        if said or len(begun) > self._most:
            self._at_start = False
            self.whole = said[:1] in {b"{", b"["}
        self._begun, self._size = [], 0
        return begun

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._grow(len(piece))
            self._begun.append(piece)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._most:
            raise AgentFailure(
                FailureCode.MODEL_BAD_RESPONSE,
                f"The model server sent a piece of an answer that is longer than {self._most} bytes"
                " (NETRA_MODEL_MAX_EVENT_BYTES).",
            )

    def _event(self) -> bytes:
        data, self._data = b"\n".join(self._data), []
        self.gave_any = True
        if not self._is_error or data.startswith(b"[DONE]"):
            return data
        return data if b'"error"' in data else _as_error(data)

    def _with_plain_ends(self, piece: bytes) -> bytes:
        if not piece:
            return piece
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _other(self, line: bytes) -> Iterator[bytes]:
        line.decode()
        name, _, value = line.partition(b":")
        match name:
            case b"data":
                self._data.append(value)
                self._grow(len(line))
            case b"event":
                self._is_error = value.strip() == b"error"
            case b"error":
                self.gave_any = True
                yield _as_error(value)
            case b"" | b"id" | b"retry":
                pass
            case _:
                if not self.gave_any and not self._data:
                    self._say(line + b"\n")

    def _say(self, words: bytes) -> None:
        self._words += words[: max(0, _WORDS_KEPT - len(self._words))]


def _as_error(value: bytes) -> bytes:
    """The value of an error as data that names it; it's JSON, or words."""
    value = value.strip() or b"an error, without saying which"
    return b'{"error":' + (value if value.startswith((b"{", b'"')) else _quoted(value)) + b"}"


def _quoted(words: bytes) -> bytes:
    return json.dumps(words.decode(errors="replace")).encode()
