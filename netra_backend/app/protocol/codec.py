"""Encoding and decoding in one place, so that an event is encoded once and the same text goes to every socket."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from netra_backend.app.protocol.events import (
    DELTA_FIELDS,
    EVENT_PAYLOADS,
    SOCKET_PAYLOADS,
    TYPE_OF_PAYLOAD,
    Event,
    EventPayload,
    Json,
    SocketFrame,
    SocketPayload,
)

__all__ = [
    "decode_payload",
    "delta_payload",
    "encode_event",
    "encode_json",
    "encode_payload",
    "encode_socket_frame",
    "now_ms",
    "output_beside",
    "rfc3339",
    "type_of",
]

_encoder = msgspec.json.Encoder()
_decoders = {name: msgspec.json.Decoder(payload) for name, payload in EVENT_PAYLOADS.items()}
_SOCKET_TYPES = {payload: name for name, payload in SOCKET_PAYLOADS.items()}


def now_ms() -> int:
    """The time now, in milliseconds since 1970 UTC: how rows keep time."""
    return int(datetime.now(UTC).timestamp() * 1000)


@lru_cache(maxsize=16)
def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def type_of(payload: EventPayload) -> str:
    """The event type that carries this payload."""
    return TYPE_OF_PAYLOAD[type(payload)]


def encode_json(value: Json) -> bytes:
    """Any JSON value. Unlike `==` it tells `true` from `1`."""
    return _encoder.encode(value)


def encode_payload(payload: EventPayload) -> bytes:
    """A payload as JSON."""
    return _encoder.encode(payload)


def output_beside(text: str, output: Json) -> Json:
    """`output`, unless the answer's text tells just that (where an agent gave nothing else); then None."""
    try:
        told = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return output
    return None if encode_json(told) == encode_json(output) else output


def decode_payload(event_type: str, data: bytes) -> EventPayload:
    """The payload of a stored event."""
    return _decoders[event_type].decode(data)


def delta_payload(event_type: str, text: str) -> bytes:
    """The payload of a text delta of this type, as JSON."""
    return _encoder.encode({DELTA_FIELDS[event_type]: text})


def encode_event(event: Event) -> str:
    """An event as the text that goes to sockets."""
    return _encoder.encode(event).decode()


def encode_socket_frame(payload: SocketPayload, reply_to: str | msgspec.UnsetType | None = msgspec.UNSET) -> str:
    """A socket-only frame as text. `reply_to` is given (maybe None) for `ack`, `error` and `pong` only."""
    name = _SOCKET_TYPES[type(payload)]
    return _encoder.encode(SocketFrame(type=name, ts=rfc3339(now_ms()), reply_to=reply_to, payload=payload)).decode()
