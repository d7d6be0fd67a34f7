"""What a model server writes: chunks of a chat completion, and the event stream that carries them."""

from __future__ import annotations

import json
from typing import Any

HEAD = {"id": "r1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
DONE = "[DONE]"
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
BOM = b"\xef\xbb\xbf"


def chunk(delta: Any, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    return HEAD | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]} | more


def text(piece: str, **more: Any) -> dict[str, Any]:
    return chunk({"content": piece}, **more)


def call(index: int | None, arguments: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    fragment: dict[str, Any] = {"index": index, "function": {"arguments": arguments}} | more
    if name is not None:
        fragment |= {"id": f"call_{index}", "type": "function"}
        fragment["function"]["name"] = name
    return chunk({"tool_calls": [fragment]})


STOP = chunk({}, "stop")
HELLO = [chunk({"role": "assistant", "content": ""}), text("Hel"), text("lo"), text(" you"), STOP, DONE]


def encoded(data: Any, *, escaped: bool = True, indent: int | None = None) -> str:
    """The event's data; a string is what it is. Unescaped, characters are several bytes on the wire."""
    if isinstance(data, str):
        return data
    made = json.dumps(data, ensure_ascii=escaped, indent=indent)
    try:
        made.encode()
    except UnicodeEncodeError:
        # Half a character has no bytes; a server can only write it as an escape.
        made = json.dumps(data, indent=indent)
    return made


def stream(*events: Any, end: str = "\n", space: str = " ", escaped: bool = True) -> bytes:
    lines: list[str] = []
    for event in events:
        lines += [f"data:{space}{line}" for line in encoded(event, escaped=escaped).split("\n")] + [""]
    return "".join(line + end for line in lines).encode()
