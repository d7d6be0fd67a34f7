"""One chunk of a streamed chat completion, as far as it only grows what the chunk before it was growing.

Nearly every chunk of a response is such a piece of text, of reasoning or of one tool call's arguments. What else a
chunk can say is left to the agent library, which is given it as the OpenAI client would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

__all__ = [
    "Choice",
    "Chunk",
    "Delta",
    "Fragment",
    "Function",
    "Growth",
    "Head",
    "growth_of",
    "head_of",
    "read_chunk",
]


class Function(msgspec.Struct, gc=False):
    """A tool call's function, or a piece of it."""

    name: str | None = None
    arguments: str | None = None


class Fragment(msgspec.Struct, gc=False):
    """A piece of a tool call."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Any = None


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[Fragment] | None = None
    refusal: Any = None
    annotations: Any = None


class Choice(msgspec.Struct, gc=False):
    """The one answer that is asked for."""

    delta: Delta
    finish_reason: str | None = None
    logprobs: Any = None


class Chunk(msgspec.Struct, gc=False):
    """A chunk, with the fields that the agent library reads."""

    choices: list[Choice]
    id: str | None = None
    created: float | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: Any = None
    moderation: Any = None
    error: Any = None


Head = tuple[str | None, str | None, str | None, bool]
"""What chunks of one response have in common: id, model, service tier, and whether they say when they were made."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A piece of something that grows. `field` names it in the delta; `index` is the tool call's."""

    field: Literal["content", "reasoning", "reasoning_content", "tool_calls"]
    piece: str
    index: int | None = None

    @property
    def of(self) -> tuple[str, int | None]:
        """What grows; equal for pieces that can be joined."""
        return self.field, self.index


_decoder = msgspec.json.Decoder(Chunk)


def read_chunk(data: bytes) -> Chunk | None:
    """The chunk, or None where it hasn't the usual shape (the data may not even be JSON)."""
    try:
        if not data.isascii():
            data.decode()  # the decoder doesn't look into fields that aren't read
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def head_of(chunk: Chunk) -> Head:
    """The chunk's part of what all chunks have in common."""
    return chunk.id, chunk.model, chunk.service_tier, bool(chunk.created)


def growth_of(chunk: Chunk) -> Growth | None:
    """The one thing that the chunk lets grow; None where it says anything else."""
    if chunk.usage is not None or chunk.moderation or chunk.error or not chunk.choices:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if choice.finish_reason or choice.logprobs is not None or delta.refusal or delta.annotations is not None:
        return None
    reasoning = delta.reasoning or delta.reasoning_content
    if delta.content:
        return Growth("content", delta.content) if not reasoning and not delta.tool_calls else None
    if reasoning:
        if delta.tool_calls:
            return None
        # Where a server sends both, they say the same, and the library takes the first.
        return Growth("reasoning" if delta.reasoning else "reasoning_content", reasoning)
    return _fragment(delta.tool_calls)


def _fragment(calls: list[Fragment] | None) -> Growth | None:
    if calls is None or len(calls) != 1:
        return None
    call = calls[0]
    plain = not call.id and not call.extra_content and call.function is not None and not call.function.name
    if not plain or call.function is None or not call.function.arguments:
        return None
    return Growth("tool_calls", call.function.arguments, call.index)
