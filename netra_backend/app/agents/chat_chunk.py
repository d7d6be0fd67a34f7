"""One chunk of a streamed chat completion that only lets text or reasoning grow, as nearly every chunk does.

It's the short way; what else a chunk can say is read by `chat_answer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

__all__ = ["Choice", "Chunk", "Delta", "Growth", "growth_of", "read_chunk"]


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: Any = None
    tool_calls: Any = None
    function_call: Any = None
    refusal: Any = None
    annotations: Any = None


class Choice(msgspec.Struct, gc=False):
    """The one answer that is asked for."""

    delta: Delta
    index: int | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    message: Any = None


class Chunk(msgspec.Struct, gc=False):
    """A chunk, as far as it matters where it only lets something grow."""

    choices: list[Choice]
    id: str | None = None
    created: float | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: Any = None
    error: Any = None


@dataclass(frozen=True, slots=True)
class Growth:
    """A piece of something that grows: text, or thinking, which is in a field of its own or between tags (`tagged`)."""

    field: Literal["content", "tagged", "reasoning", "reasoning_content"]
    piece: str


_decoder = msgspec.json.Decoder(Chunk)


def read_chunk(data: bytes) -> Chunk | None:
    """The chunk, or None where it hasn't the usual shape (the data may not even be JSON)."""
    try:
        if not data.isascii():
            data.decode()  # the decoder doesn't look into fields that aren't read
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def growth_of(chunk: Chunk) -> Growth | None:
    """The one thing that the chunk lets grow; None where it says anything else."""
    if chunk.usage is not None or chunk.error or len(chunk.choices) != 1:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if choice.index or choice.finish_reason or choice.logprobs is not None or choice.message is not None:
        return None
    if delta.tool_calls or delta.function_call or delta.refusal or delta.annotations or delta.reasoning_details:
        return None
    reasoning = delta.reasoning or delta.reasoning_content
    if delta.content:
        return Growth("content", delta.content) if not reasoning else None
    if reasoning:
        # Where a server sends both, they say the same, and the library takes the first.
        return Growth("reasoning" if delta.reasoning else "reasoning_content", reasoning)
    return None
