"""What an agent's code returned: as the library goes on with it, and as it is shown. Any Python value may come here.

The model is given a value's JSON form, which the library makes anew for each request. Here it is made once before
that, by the library's own rules, so that a value which has none fails as its tool's, by name, and not as a request to
the model; and so that what a value's own code does, it does in a thread.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    TextContent,
    ToolReturn,
    is_multi_modal_content,
    tool_return_ta,
)

from netra_backend.app.agents.clean import clean_json, clean_text
from netra_backend.app.agents.runtime import Json
from netra_backend.app.agents.sync_tools import UserThreads

__all__ = ["Returned", "Unusable", "read_returned"]

_PLAIN_NODES = 500
_PLAIN_CHARS = 20_000
"""What is read at once, on the event loop: values of JSON's own types, no larger than this."""


class Unusable(Exception):
    """A value that can't be shown or given to the model. The message names its type only: it may hold a secret."""


@dataclass(frozen=True, slots=True)
class Returned:
    """`given`: what the library goes on with. `value`: the return value in it. `shown`: the same as JSON."""

    given: object
    value: object
    shown: Json


async def read_returned(result: object, most_chars: int, threads: UserThreads) -> Returned:
    """Read a value, however odd; `most_chars` is how long it may be as JSON.

    Raises `Unusable`, and whatever the value's own code (serialisers, generators) raises that is no `Exception`.
    """
    if _is_plain(result):
        return _read(result, most_chars)
    return await asyncio.get_running_loop().run_in_executor(threads, _read, result, most_chars)


def _read(result: object, most_chars: int) -> Returned:
    if not isinstance(result, ToolReturn):
        value, shown = _read_value(result, most_chars)
        return Returned(value, value, shown)
    wrapped = cast("ToolReturn[Any]", result)
    value, shown = _read_value(wrapped.return_value, most_chars)
    content: Any = wrapped.content
    if isinstance(content, str):
        content = clean_text(content)
    elif content is not None:
        content = [clean_text(piece) if isinstance(piece, str) else piece for piece in content]
        for piece in content:
            if not isinstance(piece, str | TextContent | CachePoint) and not is_multi_modal_content(piece):
                raise Unusable(f"a value of type {_type(piece)} can't be said to a model")
    return Returned(replace(wrapped, return_value=value, content=content), value, shown)


def _read_value(value: object, most_chars: int) -> tuple[object, Json]:
    if isinstance(value, ToolReturn):
        raise Unusable("a ToolReturn within another value can't be used")
    if is_multi_modal_content(value):
        return value, _file(value)
    items = _items(value)
    if any(isinstance(item, ToolReturn) or is_multi_modal_content(item) for item in items):
        # The model is given files as such, so the list stays, and what is between them is read by itself.
        pairs = [_read_value(item, most_chars) for item in items]
        return [kept for kept, _ in pairs], [shown for _, shown in pairs]
    try:
        value = _with_clean_keys(value)
        dumped = _dumped(value)
        shown = clean_json(dumped)
        length = len(shown) if isinstance(shown, str) else len(json.dumps(shown, ensure_ascii=False))
        # What has another form the second time (a generator, a counter) is kept as it was the first.
        stable = shown == dumped == _dumped(value)
    except Exception as error:
        raise Unusable(f"a value of type {_type(value)} has no form as JSON") from error
    if length > most_chars:
        raise Unusable(f"{length} characters are too many (NETRA_MAX_RESULT_CHARS, {most_chars})")
    return (value if stable else shown), shown


def _dumped(value: object) -> Json:
    return cast("Json", tool_return_ta.dump_python(value, mode="json", by_alias=True, warnings=False))


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _with_clean_keys(value: object) -> object:
    """The library can't dump a key that isn't UTF-8; any other text it can."""
    if type(value) is dict:
        items = cast("dict[object, object]", value).items()
        return {clean_text(key) if isinstance(key, str) else key: _with_clean_keys(item) for key, item in items}
    if type(value) is list:
        return [_with_clean_keys(item) for item in cast("list[object]", value)]
    return value


def _file(value: object) -> Json:
    if isinstance(value, BinaryContent):
        return {"kind": value.kind, "media_type": clean_text(value.media_type), "bytes": len(value.data)}
    return clean_json(_dumped(value))


def _type(value: object) -> str:
    return clean_text(type(value).__name__)[:100]


def _is_plain(result: object) -> bool:
    """Whether it is little and of JSON's own types, so that reading it runs nobody's code and takes no time."""
    waiting, nodes, chars = [result], 0, 0
    while waiting:
        value = waiting.pop()
        nodes += 1
        if type(value) is str:
            chars += len(value)
        elif type(value) is list or type(value) is dict:
            held = cast("list[object] | dict[object, object]", value)
            if len(held) > _PLAIN_NODES:
                return False
            waiting += [*held, *held.values()] if isinstance(held, dict) else held
        elif value is not None and type(value) not in {bool, int, float}:
            return False
        if nodes + len(waiting) > _PLAIN_NODES or chars > _PLAIN_CHARS:
            return False
    return True
