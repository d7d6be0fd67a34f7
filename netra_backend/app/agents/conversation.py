"""A conversation in the one form that every chat template and model server takes.

Templates differ in what they refuse, and what one of them refuses it refuses in every later turn, so a thread that once
got out of form would be dead. The form here keeps the rules of the strictest of them (Mistral and Devstral, Gemma,
Llama 3, Qwen) and of the APIs of OpenAI, Anthropic and Mistral at once:

- system messages at the start only;
- then user and assistant in turn; a result only right after its call, and never a user's message right after a result;
- each call answered once, in the order of the calls, by an id that no other call has;
- nothing empty: neither a text nor a message that only thinks;
- names and ids of calls in letters that all take;
- no word of tools where none is offered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    RetryFeedbackPart,
    RetryPromptPart,  # pyright: ignore[reportDeprecated] - older histories may hold it
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from netra_backend.app.agents.result_allowance import ResultAllowance

__all__ = ["NO_ANSWER", "call_in_words", "conversation", "one_call_at_a_time", "result_in_words", "short_id"]

NO_ANSWER = "[No answer.]"
_INTERRUPTED_CALL = "The tool call was interrupted before a result was produced."
"""As the library words it."""
_NOTHING_ASKED = "[An empty message.]"
_NO_RESULT = "[No result.]"
_FILES_FOLLOW = "[The result follows.]"
_RESULTS_READ = "[The results have been read.]"
_EARLIER = "[What was said before isn't kept.]"

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""OpenAI takes 40 characters, Anthropic this alphabet."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MADE_ID = 9
"""Length of an id of our own: Mistral's servers and templates take nine letters or digits, and nothing else."""

Said = str | Sequence[UserContent]


def conversation(
    messages: Iterable[ModelMessage], offered: Collection[str] | None = None, allowance: ResultAllowance | None = None
) -> list[ModelMessage]:
    """The messages in that form; they themselves aren't changed. What is in form already comes out the same.

    `offered` are the names of the tools that the model is offered with them, where that is known: those names are kept
    as they are, and if there are none, what was called and returned is told in words. `allowance` bounds the results.
    """
    built = _Conversation(offered, allowance)
    for message in messages:
        if isinstance(message, ModelRequest):
            built.ask(message)
        else:
            built.answer(message)
    built.close_calls(())
    return built.messages


def one_call_at_a_time(messages: Iterable[ModelMessage]) -> list[ModelMessage]:
    """Calls that were made at once, told one after the other: Llama 3's template takes one in a message, and no more.

    `messages` are in form.
    """
    told: list[ModelMessage] = []
    for message in messages:
        before = told[-1] if told else None
        calls = before.tool_calls if isinstance(before, ModelResponse) else []
        if not isinstance(before, ModelResponse) or len(calls) < 2:
            told.append(message)
            continue
        others = [part for part in before.parts if not isinstance(part, ToolCallPart)]
        told[-1] = replace(before, parts=[*others, calls[0]])
        for number, result in enumerate(message.parts[: len(calls)]):
            if number:
                told.append(replace(before, parts=[calls[number]]))
            told.append(replace(message, parts=[result]))
        told[-1] = replace(message, parts=message.parts[len(calls) - 1 :])
    return told


@dataclass
class _Conversation:
    """Grows message by message, and is in form after each, but for calls that the next message may answer."""

    offered: Collection[str] | None
    allowance: ResultAllowance | None
    messages: list[ModelMessage] = field(default_factory=list[ModelMessage])
    _open: list[tuple[str, ToolCallPart]] = field(default_factory=list[tuple[str, ToolCallPart]])
    """The calls of the last response, each with the id by which its result names it."""
    _ids: set[str] = field(default_factory=set[str])
    _results_came_last: bool = False

    def ask(self, request: ModelRequest) -> None:
        results: list[ToolReturnPart] = []
        said: list[Said] = []
        kept: list[ModelRequestPart] = []
        for part in request.parts:
            match part:
                case SystemPromptPart():
                    if self.messages or said or results:
                        said.append(f"<system>\n{part.content}\n</system>")
                    elif part.content.strip():
                        kept.append(part)
                case UserPromptPart():
                    said.append(part.content if _filled(part.content) else _NOTHING_ASKED)
                case ToolReturnPart():
                    results.append(part)
                case RetryFeedbackPart():
                    said.append(part.model_response())
                case RetryPromptPart():  # pyright: ignore[reportDeprecated]
                    text = part.model_response()
                    if part.tool_name is None:
                        said.append(text)
                    else:
                        results.append(ToolReturnPart(part.tool_name, text, part.tool_call_id, outcome="retried"))
                case _:
                    # What the library keeps there for itself, and makes no message of.
                    kept.append(part)
        self.close_calls(results)
        if results and self.allowance is not None:
            said = [self.allowance.cut_said(each) for each in said]
        if said or kept:
            self._add(request, kept, said)

    def answer(self, response: ModelResponse) -> None:
        self.close_calls(())
        if not self.messages:
            self.messages.append(ModelRequest([UserPromptPart(_EARLIER)]))
        last = self.messages[-1]
        before = list(last.parts) if isinstance(last, ModelResponse) else []
        parts = [part for part in before if not (isinstance(part, TextPart) and part.content == NO_ANSWER)]
        for part in response.parts:
            if isinstance(part, ToolCallPart):
                call = self._named(part)
                self._open.append((part.tool_call_id, call))
                parts.append(
                    TextPart(call_in_words(part.tool_name, part.args_as_json_str())) if self._without_tools else call
                )
            elif not isinstance(part, TextPart) or part.content.strip():
                parts.append(part)
        if not any(isinstance(part, TextPart | ToolCallPart) for part in parts):
            parts.append(TextPart(NO_ANSWER))
        if isinstance(last, ModelResponse):
            self.messages[-1] = replace(last, parts=parts)
        else:
            self.messages.append(response if parts == list(response.parts) else replace(response, parts=parts))
        self._results_came_last = False

    def close_calls(self, results: Sequence[ToolReturnPart]) -> None:
        """Answer the last response's calls by their results, and as interrupted where there are none.

        A result that answers none of them is dropped.
        """
        if not self._open:
            return
        left: dict[str, list[ToolReturnPart]] = {}
        for result in reversed(results):
            left.setdefault(result.tool_call_id, []).append(result)
        answers: list[ToolReturnPart] = []
        files: list[UserContent] = []
        for key, call in self._open:
            found = left.get(key)
            result = found.pop() if found else ToolReturnPart(call.tool_name, _INTERRUPTED_CALL, outcome="interrupted")
            if self.allowance is not None:
                result = self.allowance.cut(result)
            content = _NO_RESULT if _is_nothing(result.content) else result.content
            if result.files:
                # A result is text in most APIs; the library says files after it, in the user's voice.
                files += [f"[What the tool {call.tool_name} returned:]", *result.files]
                content = result.model_response_str() or _FILES_FOLLOW
            answers.append(replace(result, content=content, tool_name=call.tool_name, tool_call_id=call.tool_call_id))
        self._open = []
        if self._without_tools:
            words = "\n\n".join(result_in_words(each.tool_name, each.model_response_str()) for each in answers)
            self.messages.append(ModelRequest([UserPromptPart(words)]))
        else:
            self.messages.append(ModelRequest(answers))
        self._results_came_last = True
        if files:
            self._add(ModelRequest([]), [], [files])

    @property
    def _without_tools(self) -> bool:
        return self.offered is not None and not self.offered

    def _add(self, request: ModelRequest, kept: Sequence[ModelRequestPart], said: Sequence[Said]) -> None:
        if said and self._results_came_last:
            self.messages.append(ModelResponse([TextPart(_RESULTS_READ)]))
            self._results_came_last = False
        last = self.messages[-1] if self.messages else None
        before: list[Said] = []
        if isinstance(last, ModelRequest):
            # Two requests in a row: the first of them was never answered.
            request = last
            kept = [*(part for part in last.parts if not isinstance(part, UserPromptPart)), *kept]
            before = [part.content for part in last.parts if isinstance(part, UserPromptPart)]
            self.messages.pop()
        prompt = [UserPromptPart(_joined([*before, *said]))] if before or said else []
        parts = [*kept, *prompt]
        same = len(parts) == len(request.parts) and all(map(_same, parts, request.parts))
        self.messages.append(request if same else replace(request, parts=parts))

    def _named(self, call: ToolCallPart) -> ToolCallPart:
        """The call under a name and an id that are taken everywhere, and the id by no other call."""
        name, key, number = call.tool_name, call.tool_call_id, 0
        if not _NAME.fullmatch(name) and name not in (self.offered or ()):
            name = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "unnamed"
        while key in self._ids or not _ID.fullmatch(key):
            key = _made_id(f"{call.tool_call_id}#{number}")
            number += 1
        self._ids.add(key)
        same = (name, key) == (call.tool_name, call.tool_call_id)
        return call if same else replace(call, tool_name=name, tool_call_id=key)


def short_id(key: str) -> str:
    """The id itself if Mistral's servers take it, or one that they do."""
    return key if len(key) == _MADE_ID and key.isascii() and key.isalnum() else _made_id(key)


def _made_id(of: str) -> str:
    number = int.from_bytes(sha256(of.encode(errors="replace")).digest())
    letters: list[str] = []
    for _ in range(_MADE_ID):
        number, index = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[index])
    return "".join(letters)


def _same(one: ModelRequestPart, other: ModelRequestPart) -> bool:
    if isinstance(one, UserPromptPart) and isinstance(other, UserPromptPart):
        return one.content == other.content
    return one is other


def _filled(said: Said) -> bool:
    return bool(said.strip()) if isinstance(said, str) else bool(said)


def _is_nothing(content: object) -> bool:
    return content is None or content == [] or (isinstance(content, str) and not content.strip())


def _joined(said: Sequence[Said]) -> Said:
    if all(isinstance(each, str) for each in said):
        return "\n\n".join(each for each in said if isinstance(each, str))
    together: list[UserContent] = []
    for each in said:
        if isinstance(each, str):
            together.append(each)
        else:
            together.extend(each)
    return together


def call_in_words(name: str, arguments: str) -> str:
    """How a call is told to a model that knows of no tools."""
    return f"[The tool {name} was called with {arguments}]"


def result_in_words(name: str, result: str) -> str:
    """The same of what it returned."""
    return f"[The tool {name} answered:]\n{result}"
