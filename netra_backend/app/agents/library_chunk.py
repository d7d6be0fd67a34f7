"""Chunks as the agent library takes them: the OpenAI client's objects, made without its search for types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import (
    Choice,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
    ChoiceLogprobs,
)

from netra_backend.app.agents.tool_calls import WholeCall

__all__ = ["Head", "library_chunk"]


@dataclass(slots=True)
class Head:
    """What the chunks of one response have in common, as far as it's fit to be kept."""

    id: str | None = None
    created: int | None = None
    model: str | None = None
    service_tier: str | None = None


def library_chunk(
    head: Head,
    said: Mapping[str, str],
    *,
    calls: Sequence[WholeCall] = (),
    finish_reason: str | None = None,
    usage: Mapping[str, Any] | None = None,
    logprobs: ChoiceLogprobs | None = None,
    annotations: Sequence[object] = (),
) -> ChatCompletionChunk:
    """A chunk as the OpenAI client would make it, as far as the library looks at it. `said`: text by its field."""
    fields: dict[str, Any] = {"content": None, "refusal": None, **said}
    if annotations:
        fields["annotations"] = list(annotations)
    fields["tool_calls"] = [_call(number, call) for number, call in enumerate(calls)] if calls else None
    delta = ChoiceDelta.model_construct(**fields)
    choice = Choice.model_construct(index=0, delta=delta, finish_reason=finish_reason, logprobs=logprobs)
    return ChatCompletionChunk.model_construct(
        id=head.id,
        created=head.created,
        model=head.model,
        service_tier=head.service_tier,
        choices=[choice],
        moderation=None,
        usage=CompletionUsage.construct(**usage) if usage is not None else None,
    )


def _call(number: int, call: WholeCall) -> ChoiceDeltaToolCall:
    function = ChoiceDeltaToolCallFunction.model_construct(name=call.name, arguments=call.arguments)
    more: dict[str, Any] = {"extra_content": call.extra} if call.extra else {}
    return ChoiceDeltaToolCall.model_construct(index=number, id=call.identity, function=function, **more)
