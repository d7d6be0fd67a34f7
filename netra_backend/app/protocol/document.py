"""Makes `docs/protocol.schema.json` and `docs/protocol.md` from the message types, so that neither can differ.

python -m netra_backend.app.protocol.document          # write both
python -m netra_backend.app.protocol.document --check  # exit 1 if either is stale
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from inspect import getdoc
from pathlib import Path
from typing import cast

import msgspec

from netra_backend.app.protocol.events import (
    EVENT_PAYLOADS,
    PROTOCOL_VERSION,
    SOCKET_PAYLOADS,
    Json,
)
from netra_backend.app.protocol.frames import FRAMES

__all__ = ["page", "schema", "stale"]

DOCS = Path(__file__).parents[3] / "docs"
Schema = dict[str, Json]

CLOSE_CODES = {
    1000: "Closed by the client, or nothing more to say.",
    1003: "A binary frame came; the protocol has none.",
    1007: "Text that is not UTF-8.",
    1009: "A frame larger than `limits.max_frame_bytes`.",
    1012: "The server restarts: come back with the cursor that `server_draining` told.",
    1013: "Sessions can't be looked up, or the log can't be read now: try again in a moment.",
    4401: "Not authenticated in time, or the session has ended: log in again.",
    4408: "This socket took nothing for too long: reconnect and resume.",
    4429: "Too many sockets of one user.",
}

ERROR_CODES = {
    "invalid_frame": "The frame can't be read or has no place here; `field` says where.",
    "unknown_type": "There is no frame of this type.",
    "not_authenticated": "Authenticate first; or the ticket or token is not usable.",
    "not_found": "There is no such thing among yours.",
    "thread_busy": "A run of this thread is open; see `when_busy`.",
    "queue_full": "As many runs wait, or threads exist, as may.",
    "idempotency_conflict": "The `client_message_id` was used for another message.",
    "rate_limited": "Too many in too short a time; `retry_after` in seconds.",
    "too_large": "Longer than this server takes.",
    "unavailable": "The log can't be used now; nothing was changed.",
    "stop_not_recorded": "The work was cancelled, the record follows when the log is back.",
    "forbidden": "Not allowed, whoever asks.",
    "invalid_request": "Over HTTP only: a body, query or path that can't be taken; `field` says where.",
    "method_not_allowed": "Over HTTP only: the path has no such method.",
    "internal": "A defect of the server; the message has a reference for its log.",
}


def schema() -> Schema:
    """The JSON Schema (2020-12) of everything that travels: `ServerMessage` and `ClientFrame` are its roots."""
    types: list[type[msgspec.Struct]] = [*EVENT_PAYLOADS.values(), *SOCKET_PAYLOADS.values(), *FRAMES.values()]
    _, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    definitions: Schema = dict(sorted(cast("Schema", components).items()))
    for name, payload in EVENT_PAYLOADS.items():
        definitions[f"{payload.__name__}Event"] = _event(name, payload.__name__)
    for name, payload in SOCKET_PAYLOADS.items():
        definitions[f"{payload.__name__}Frame"] = _socket_frame(name, payload.__name__)
    definitions["LogEvent"] = _any_of(f"{payload.__name__}Event" for payload in EVENT_PAYLOADS.values())
    definitions["SocketFrame"] = _any_of(f"{payload.__name__}Frame" for payload in SOCKET_PAYLOADS.values())
    definitions["ServerMessage"] = _any_of(["LogEvent", "SocketFrame"])
    definitions["ClientFrame"] = _any_of(frame.__name__ for frame in FRAMES.values())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Netra protocol {PROTOCOL_VERSION}",
        "$defs": definitions,
    }


def page() -> str:
    """The protocol page, as Markdown."""
    definitions = cast("dict[str, Schema]", schema()["$defs"])
    lines = [
        "# The protocol",
        "",
        "Made from the message types by `python -m netra_backend.app.protocol.document`; don't edit it by hand."
        " The JSON Schema of all messages is [protocol.schema.json](protocol.schema.json).",
        "",
        f"Version {PROTOCOL_VERSION}. One WebSocket at `/ws`; every frame is a text frame with one JSON object.",
        "",
        "## Events of the log",
        "",
        'Envelope: `{"type", "seq", "first_seq"?, "epoch", "thread_id", "run_id", "ts", "payload"}`. `seq` numbers a'
        " user's log from 1 without holes; `first_seq` is there when an event stands for several numbers. The next"
        " event's `first_seq` (or `seq`) is the last `seq` + 1: check this one line and you have checked delivery.",
        "",
    ]
    for name, payload in EVENT_PAYLOADS.items():
        lines += _section(name, payload, definitions)
    lines += [
        "## Frames that exist only on a socket",
        "",
        'Envelope: `{"type", "ts", "payload"}`, plus `reply_to` in `ack`, `error` and `pong`. They have no `seq`.',
        "",
    ]
    for name, payload in SOCKET_PAYLOADS.items():
        lines += _section(name, payload, definitions)
    lines += [
        "## Frames that a client sends",
        "",
        'Envelope: `{"type", "id", "payload"}`; `id` comes back as `reply_to` in the one `ack` or `error` that answers'
        " the frame. Unknown fields are refused.",
        "",
    ]
    for name, frame in FRAMES.items():
        body = f"{frame.__name__}Body"
        lines += [f"### `{name}`", "", _prose(frame), "", *_fields(body, definitions)]
    lines += ["## Error codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in ERROR_CODES.items()]
    lines += ["", "## Close codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in CLOSE_CODES.items()]
    return "\n".join(lines) + "\n"


def stale() -> list[Path]:
    """The files that differ from what the message types say now."""
    return [path for path, text in _files().items() if not path.exists() or path.read_text() != text]


def _files() -> dict[Path, str]:
    return {
        DOCS / "protocol.schema.json": json.dumps(schema(), indent=1, ensure_ascii=False) + "\n",
        DOCS / "protocol.md": page(),
    }


def _event(name: str, payload: str) -> Schema:
    text: Schema = {"type": "string"}
    number: Schema = {"type": "integer", "minimum": 1}
    return {
        "title": f"{payload}Event",
        "type": "object",
        "properties": {
            "type": {"const": name},
            "seq": number,
            "first_seq": number,
            "epoch": text,
            "thread_id": {"type": ["string", "null"]},
            "run_id": {"type": ["string", "null"]},
            "ts": {"type": "string", "format": "date-time"},
            "payload": {"$ref": f"#/$defs/{payload}"},
        },
        "required": ["type", "seq", "epoch", "thread_id", "run_id", "ts", "payload"],
    }


def _socket_frame(name: str, payload: str) -> Schema:
    properties: Schema = {
        "type": {"const": name},
        "ts": {"type": "string", "format": "date-time"},
        "payload": {"$ref": f"#/$defs/{payload}"},
    }
    required: list[Json] = ["type", "ts", "payload"]
    if name in {"ack", "error", "pong"}:
        properties["reply_to"] = {"type": ["string", "null"]}
        required.append("reply_to")
    return {"title": f"{payload}Frame", "type": "object", "properties": properties, "required": required}


def _any_of(names: Iterable[str]) -> Schema:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in names]}


def _section(name: str, payload: type[msgspec.Struct], definitions: dict[str, Schema]) -> list[str]:
    return [f"### `{name}`", "", _prose(payload), "", *_fields(payload.__name__, definitions)]


def _prose(documented: type) -> str:
    return " ".join((getdoc(documented) or "").split())


def _fields(name: str, definitions: dict[str, Schema]) -> list[str]:
    definition = definitions.get(name, {})
    properties = cast("dict[str, Schema]", definition.get("properties", {}))
    if not properties:
        return ["The payload is empty.", ""]
    required = cast("list[str]", definition.get("required", []))
    rows = [f"| `{field}` | {_type(of)} | {'yes' if field in required else 'no'} |" for field, of in properties.items()]
    return ["| field | type | always there |", "|---|---|---|", *rows, ""]


def _type(of: Schema) -> str:
    if "enum" in of:
        return ", ".join(f"`{value}`" for value in cast("list[str]", of["enum"]))
    if "anyOf" in of:
        return " or ".join(_type(choice) for choice in cast("list[Schema]", of["anyOf"]))
    if "$ref" in of:
        return f"`{cast('str', of['$ref']).rsplit('/', 1)[1]}`"
    if of.get("type") == "array":
        return f"list of {_type(cast('Schema', of['items']))}"
    return str(of.get("type", "any JSON"))


def main() -> int:
    """Write both files, or with `--check` say which are stale."""
    if "--check" in sys.argv[1:]:
        for path in stale():
            sys.stderr.write(f"{path.name} is stale: run python -m netra_backend.app.protocol.document\n")
        return 1 if stale() else 0
    DOCS.mkdir(exist_ok=True)
    for path, text in _files().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
