"""Long texts made short, with a word about what isn't there."""

from __future__ import annotations

import json
from dataclasses import replace

from pydantic_ai.messages import ToolCallPart, ToolReturnPart

__all__ = ["short_call", "short_result", "shortened"]


def shortened(text: str, most: int) -> str:
    """`text`, or its beginning and its end with a note between them. The note comes on top of `most` characters."""
    if len(text) <= most:
        return text
    end = most // 4
    begin = most - end
    left_out = len(text) - most
    return (
        f"{text[:begin]}\n[… {left_out:,} of {len(text):,} characters are left out here …]\n{text[len(text) - end :]}"
    )


def short_call(call: ToolCallPart, most: int) -> ToolCallPart:
    """The call with its arguments within `most` characters, still as an object: each long value is shortened."""
    arguments = call.args_as_json_str()
    if len(arguments) <= most:
        return call
    each = most // max(1, len(call.args_as_dict()))
    short = {
        shortened(name, 100): shortened(value if isinstance(value, str) else json.dumps(value, default=str), each)
        for name, value in call.args_as_dict().items()
    }
    if len(short) > most // 20:
        short = {"arguments": shortened(arguments, most)}
    return replace(call, args=short)


def short_result(result: ToolReturnPart, most: int) -> ToolReturnPart:
    """The result as text within `most` characters; files are told of and not kept."""
    text = result.content if isinstance(result.content, str) else result.model_response_str()
    files = len(result.files)
    if len(text) <= most and not files:
        return result
    kept = [shortened(text, most)] if text else []
    if files:
        kept.append(f"[{files} file{'' if files == 1 else 's'} that the tool returned can't be seen any more.]")
    return replace(result, content="\n".join(kept))
