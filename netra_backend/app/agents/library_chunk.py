"""Chunks as the agent library takes them: the OpenAI client's objects, made without its search for types."""

from __future__ import annotations

from typing import Any

from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import (
    Choice,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
)

from netra_backend.app.agents.chat_chunk import Chunk, Delta, Fragment

__all__ = ["constructed", "plain_chunk"]


def plain_chunk(chunk: Chunk) -> ChatCompletionChunk | None:
    """The chunk, if it says nothing but what `Chunk` has a simple type for; None for any other."""
    if chunk.usage is not None or chunk.moderation or chunk.error or len(chunk.choices) != 1:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if choice.logprobs is not None or delta.refusal or delta.annotations is not None:
        return None
    if delta.tool_calls and any(call.extra_content for call in delta.tool_calls):
        return None
    return constructed(chunk)


def constructed(chunk: Chunk) -> ChatCompletionChunk:
    """The chunk as the OpenAI client would have made it, as far as the library looks at it."""
    choice = chunk.choices[0]
    made = Choice.model_construct(
        index=0, delta=_delta(choice.delta), finish_reason=choice.finish_reason, logprobs=None
    )
    return ChatCompletionChunk.model_construct(
        id=chunk.id,
        created=chunk.created,
        model=chunk.model,
        service_tier=chunk.service_tier,
        choices=[made],
        moderation=None,
        usage=None,
    )


def _delta(delta: Delta) -> ChoiceDelta:
    reasoning: dict[str, Any] = {}
    if delta.reasoning is not None:
        reasoning["reasoning"] = delta.reasoning
    if delta.reasoning_content is not None:
        reasoning["reasoning_content"] = delta.reasoning_content
    calls = [_call(call) for call in delta.tool_calls] if delta.tool_calls is not None else None
    return ChoiceDelta.model_construct(content=delta.content, refusal=None, tool_calls=calls, **reasoning)


def _call(call: Fragment) -> ChoiceDeltaToolCall:
    said = call.function
    function = said and ChoiceDeltaToolCallFunction.model_construct(name=said.name, arguments=said.arguments)
    return ChoiceDeltaToolCall.model_construct(index=call.index, id=call.id, function=function)
