"""A turn's messages, as the model is given them in later turns."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_ai.messages import (
    InstructionBaselinePart,
    InstructionDeltaPart,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    RetryFeedbackPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from netra_backend.app.agents.clean import clean_json
from netra_backend.app.agents.conversation import NO_ANSWER, conversation, one_call_at_a_time
from netra_backend.app.agents.runtime import PastTurn
from netra_backend.app.agents.shortening import short_call, short_result, shortened
from netra_backend.app.agents.transcript import Kind, Transcript

__all__ = ["encode", "past_messages", "stopped_messages", "whole_messages"]

_log = logging.getLogger(__name__)
_NOT_FOR_LATER = frozenset({"timestamp", "usage", "run_id", "conversation_id", "metadata", "instructions"})
_OF_ITS_TURN = (SystemPromptPart, InstructionBaselinePart, InstructionDeltaPart, RetryFeedbackPart)


def past_messages(turns: Sequence[PastTurn], tool_chars: int) -> list[ModelMessage]:
    """What the model is told of earlier turns, oldest first: in form for every model server (see `conversation`).

    Each turn begins with what the user said and ends with words of the agent. Where it was cut, or had no answer, those
    words say so. Tool arguments and results are given up to `tool_chars` characters each. A turn without a history of
    its own, or with one that can't be read (it says so in the log), is told by what was said and answered.
    """
    return conversation(message for turn in turns for message in short_messages(_past(turn), tool_chars))


def _past(turn: PastTurn) -> list[ModelMessage]:
    told = conversation(_stored(turn))
    if not told or not any(isinstance(part, UserPromptPart) for part in told[0].parts):
        told = conversation([ModelRequest([UserPromptPart(turn.user_text)]), *told])
    last = told[-1]
    spoke = isinstance(last, ModelResponse) and not _is_silent(last)
    rest = "" if spoke else _untold(turn.answer, told)
    note = _note(turn, spoken=spoke or bool(rest))
    ending = [TextPart(words) for words in (rest, note) if words.strip()]
    return one_call_at_a_time(conversation([*told, ModelResponse(ending)] if ending else told))


def _stored(turn: PastTurn) -> Iterator[ModelMessage]:
    """The turn's own messages, without what the agent is told anew in each turn (system prompt and instructions), and
    without what the library told it about answers that it didn't take, and that nobody was shown."""
    for message in _decoded(turn):
        if isinstance(message, ModelResponse):
            # A piece of an answer that a server was still to go on with isn't gone on with any more.
            yield replace(message, state="interrupted") if message.state == "suspended" else message
            continue
        parts = [part for part in message.parts if not isinstance(part, _OF_ITS_TURN)]
        if parts:
            yield replace(message, parts=parts, instructions=None)


def _decoded(turn: PastTurn) -> list[ModelMessage]:
    if turn.history is not None:
        try:
            return ModelMessagesTypeAdapter.validate_json(turn.history)
        except ValidationError as error:
            _log.warning("a turn's stored history can't be read (%d errors); using its text", error.error_count())
    said = ModelRequest([UserPromptPart(turn.user_text)])
    return [said, ModelResponse([TextPart(turn.answer)])] if turn.answer.strip() else [said]


def _untold(answer: str, messages: Sequence[ModelMessage]) -> str:
    """What the user was shown after all that the messages tell: an output that isn't a response's text."""
    responses = (message for message in messages if isinstance(message, ModelResponse))
    told = "".join(part.content for each in responses for part in each.parts if isinstance(part, TextPart))
    told = told.replace(NO_ANSWER, "")
    return answer.removeprefix(told).lstrip() if answer.startswith(told) else ""


def _note(turn: PastTurn, *, spoken: bool) -> str:
    if turn.failed:
        return "[An error cut this answer off here.]" if spoken else "[An error ended this turn before an answer.]"
    if turn.interrupted:
        return "[The user stopped this answer here.]" if spoken else "[The user stopped this turn before an answer.]"
    return "" if spoken else NO_ANSWER


def _is_silent(response: ModelResponse) -> bool:
    return not any(isinstance(part, TextPart) and part.content != NO_ANSWER for part in response.parts)


def short_messages(messages: Iterable[ModelMessage], tool_chars: int) -> Iterator[ModelMessage]:
    """The messages with tool arguments and results within that many characters each."""
    for number, message in enumerate(messages):
        if isinstance(message, ModelResponse):
            calls = [short_call(part, tool_chars) if isinstance(part, ToolCallPart) else part for part in message.parts]
            yield replace(message, parts=calls)
            continue
        parts: list[ModelRequestPart] = []
        for part in message.parts:
            if isinstance(part, ToolReturnPart):
                parts.append(short_result(part, tool_chars))
            elif number and isinstance(part, UserPromptPart):
                # Not of the user, who spoke at the start: a tool may say something in his place.
                said = part.content if isinstance(part.content, str) else "[What a tool showed here isn't kept.]"
                parts.append(replace(part, content=shortened(said, tool_chars)))
            else:
                parts.append(part)
        yield replace(message, parts=parts)


def encode(messages: Sequence[ModelMessage], *, tool_chars: int, most: int) -> bytes | None:
    """The messages as JSON, cleaned: tools and models may say what UTF-8 can't.

    Only what later turns need is kept, tool arguments and results up to `tool_chars` characters each. None if it's more
    than `most` bytes even so: then the turn is told by what was said and answered.
    """
    fit = [_without_metadata(message) for message in short_messages(messages, tool_chars)]
    dumped = ModelMessagesTypeAdapter.dump_python(fit, mode="json")
    kept: list[Any] = [_without_absent(message) for message in dumped]
    encoded = json.dumps(clean_json(kept), ensure_ascii=False, separators=(",", ":")).encode()
    return encoded if len(encoded) <= most else None


def _without_metadata(message: ModelMessage) -> ModelMessage:
    """What an agent's own code keeps beside a message or a result is of any type, and no model is given it."""
    if isinstance(message, ModelResponse):
        return replace(message, metadata=None)
    parts = [replace(part, metadata=None) if isinstance(part, ToolReturnPart) else part for part in message.parts]
    return replace(message, parts=parts, metadata=None)


def _without_absent(message: dict[str, Any]) -> dict[str, Any]:
    parts = [{key: value for key, value in part.items() if _is_kept(key, value)} for part in message["parts"]]
    return {key: value for key, value in message.items() if _is_kept(key, value)} | {"parts": parts}


def _is_kept(key: str, value: object) -> bool:
    return value is not None and key not in _NOT_FOR_LATER


def whole_messages(messages: Sequence[ModelMessage], transcript: Transcript) -> list[ModelMessage]:
    """A completed turn, its texts as the user was shown them."""
    return _as_shown(messages, transcript, len(transcript.responses))


def stopped_messages(
    messages: Sequence[ModelMessage],
    transcript: Transcript,
    tool_returns: Mapping[str, ToolReturnPart],
    user_text: str,
) -> list[ModelMessage]:
    """A turn that was cut: the response that was under way is made of what the user was shown, no more and no less.

    `tool_returns` are the results of tools that ended, by the model's own id of the call in the latest response:
    a stop can come between a tool's end and the library's record of it.
    """
    whole = sum(response.complete for response in transcript.responses)
    kept = _as_shown(messages, transcript, whole)
    if not kept:
        kept.append(ModelRequest([UserPromptPart(user_text)]))
    if whole < len(transcript.responses):
        responses = [message for message in messages if isinstance(message, ModelResponse)]
        partial = responses[whole] if whole < len(responses) else ModelResponse([])
        parts = _parts_shown(transcript.shown_in(whole), partial)
        if parts:
            kept.append(replace(partial, parts=parts, state="interrupted"))
    else:
        _add_missing_returns(kept, tool_returns)
    kept[-1] = replace(kept[-1], state="interrupted")
    return kept


def _parts_shown(shown: Sequence[tuple[Kind, str]], partial: ModelResponse) -> list[ModelResponsePart]:
    thoughts = iter(part for part in partial.parts if isinstance(part, ThinkingPart))
    parts: list[ModelResponsePart] = []
    for kind, content in shown:
        if kind == "text":
            parts.append(TextPart(content))
            continue
        # Where a thought came from decides how it's sent back; its signature is dropped, as it vouches for the whole.
        origin = next(thoughts, ThinkingPart(""))
        parts.append(ThinkingPart(content, id=origin.id, provider_name=origin.provider_name))
    return parts


def _as_shown(messages: Sequence[ModelMessage], transcript: Transcript, whole: int) -> list[ModelMessage]:
    kept: list[ModelMessage] = []
    number = 0
    for message in messages:
        if isinstance(message, ModelRequest):
            kept.append(message)
            continue
        if number < whole:
            kept.append(_with_break(message, transcript.responses[number].break_before))
        number += 1
    return kept


def _with_break(response: ModelResponse, break_before: str) -> ModelResponse:
    if not break_before:
        return response
    parts = list(response.parts)
    for index, part in enumerate(parts):
        if isinstance(part, TextPart) and part.content:
            parts[index] = replace(part, content=break_before + part.content)
            break
    return replace(response, parts=parts)


def _add_missing_returns(messages: list[ModelMessage], tool_returns: Mapping[str, ToolReturnPart]) -> None:
    """Give the latest response's tool calls the returns that the library didn't come to record."""
    at, calls = next(
        (
            (index, {call.tool_call_id for call in message.tool_calls})
            for index, message in reversed(list(enumerate(messages)))
            if isinstance(message, ModelResponse)
        ),
        (0, set[str]()),
    )
    known = {
        part.tool_call_id
        for message in messages[at + 1 :]
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    }
    missing = [part for key, part in tool_returns.items() if key in calls - known]
    if not missing:
        return
    following = messages[at + 1] if at + 1 < len(messages) else None
    if isinstance(following, ModelRequest):
        messages[at + 1] = replace(following, parts=[*following.parts, *missing])
    else:
        messages.append(ModelRequest(missing, state="interrupted"))
