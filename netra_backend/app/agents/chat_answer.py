"""One answer of a model server, as it comes in chunks: what it says, whatever the server's manner of saying it.

The API is OpenAI's, but a hundred servers have their own reading of it. Each difference is settled here, once, for
whichever client received the bytes: text, thinking, tool calls, ends and errors leave in one form only, and nothing odd
reaches the agent library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceLogprobs
from pydantic import ValidationError

from netra_backend.app.agents.answer_end import End, end_of
from netra_backend.app.agents.chat_chunk import Growth, growth_of, read_chunk
from netra_backend.app.agents.library_chunk import Head, library_chunk
from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.agents.server_words import is_report, words_of
from netra_backend.app.agents.thinking_tags import ThinkingTags
from netra_backend.app.agents.tool_calls import CallLimits, ToolCalls, UnclearCalls
from netra_backend.app.protocol.events import FailureCode

__all__ = ["ALIVE", "Answer", "Reported", "Spoken"]

ALIVE: Literal["alive"] = "alive"
"""The model said something that isn't to be shown yet: a piece of a tool call."""

Spoken = Growth | ChatCompletionChunk | Literal["alive"]

_LONGEST_WORD = 200
"""Characters of an id or a model's name."""

_MOST_CHOICES = 128
_MOST_PARTS = 10_000
"""Of a chunk's content or thinking."""
_MOST_LOGPROBS = 100_000
_MOST_CITATIONS = 100
_MOST_TOKENS = 10**12
"""A count of tokens beyond this is no count."""

_THINKING = ("reasoning", "reasoning_content", "reasoning_text", "thinking", "thinking_content")
"""Where a delta may have its thinking, the first that has any: OpenRouter, Ollama, vLLM; DeepSeek and most others;
GitHub's Copilot; and gateways."""


class Reported(Exception):
    """The server reports an error in the middle of an answer. `body` is what it says, in its own form."""

    def __init__(self, body: object) -> None:
        self.body = body
        self.words = words_of(body) or "an error, without saying which"
        super().__init__(self.words)


@dataclass(frozen=True, slots=True)
class _Message:
    """A whole message, where a server sends one instead of a stream's deltas, or besides."""

    said: Mapping[str, Any]


class Answer:
    """Reads chunk after chunk (`take`), and what was only certain at the end (`finish`).

    `offered`: the names of the tools that the model was given. `opened`: see `ThinkingTags`. `cites`: the sources that
    a server names are put under the text.

    Both raise `Reported`, `AgentFailure` for what is beyond a limit or can't be told apart, and `json.JSONDecodeError`
    or `UnicodeDecodeError` for what can't be read.
    """

    def __init__(
        self, offered: frozenset[str], limits: CallLimits, *, opened: bool = False, cites: bool = False
    ) -> None:
        self.head = Head()
        self._tags = ThinkingTags(opened=opened)
        self._calls = ToolCalls(offered, limits)
        self._offered = offered
        self._limits = limits
        self._end: End | None = None
        self._began = False
        self._cites = cites
        self._assumed: list[str] = []  # thinking by assumption, in case that it's the answer
        self._spoke = False
        self._refused = False
        self._usage: dict[str, Any] | None = None
        self._logprobs: list[Any] = []
        self._annotations: list[object] = []
        self._citations: list[str] = []
        self._message: _Message | None = None

    @property
    def ended(self) -> bool:
        """The server said how the answer ended."""
        return self._end is not None

    def take(self, data: bytes) -> Iterator[Spoken]:
        """What one chunk says."""
        chunk = read_chunk(data)
        growth = growth_of(chunk) if chunk is not None else None
        if chunk is None or growth is None:
            yield from self._take_odd(_parsed(data))
            return
        head = self.head
        if chunk.id != head.id or chunk.model != head.model or chunk.service_tier != head.service_tier:
            self._keep_head({"id": chunk.id, "model": chunk.model, "service_tier": chunk.service_tier})
        if head.created is None:
            self._keep_head({"created": chunk.created})
        yield from self._grow(growth)

    def is_whole(self) -> None:
        """It came in one piece of JSON; a whole message in it isn't cut, whether or not it's said how it ended."""
        if self._end is None and self._message is not None:
            self._end = "stop"

    def finish(self) -> Iterator[Spoken]:
        """The answer is over, whole or not: what remains of it. Nothing remains of one that said no end."""
        if self._message is not None:
            yield from self._take_message(self._message.said)
        yield from self._tagged(self._tags.finish())
        if self._end is None:
            return
        if self._end == "error":
            raise Reported("the answer ended with an error of the model's provider")
        assumed = "".join(self._assumed)
        if self._tags.assumed and self._end == "stop" and assumed.strip() and not self._calls:
            # No tag came, so it wasn't thinking after all. It was shown as such, and is the answer all the same.
            self._spoke = True
            yield Growth("content", assumed)
        if cited := self._cited():
            yield Growth("content", cited)
        try:
            calls = self._calls.whole(cut=self._end in {"length", "content_filter", "refusal"})
        except UnclearCalls as unclear:
            raise _unclear(unclear) from unclear
        end: str = "refusal" if self._refused else self._end
        if end == "refusal" and not self._spoke:
            end = "content_filter"
        yield library_chunk(
            self.head,
            {},
            calls=calls,
            finish_reason=end,
            usage=self._usage,
            logprobs=ChoiceLogprobs.model_construct(content=self._logprobs, refusal=None) if self._logprobs else None,
            annotations=self._annotations,
        )

    def _take_odd(self, found: Mapping[str, Any]) -> Iterator[Spoken]:
        _raise_error(found)
        self._keep_head(found)
        self._count(found.get("usage"))
        if isinstance(cited := found.get("citations") or found.get("search_results"), list):
            sources = cast("list[object]", cited)[:_MOST_CITATIONS]
            self._citations = [address for each in sources if (address := _address(each))]
        said: Iterator[Spoken] = iter(())
        if (choice := _first_choice(found.get("choices"))) is not None:
            said = self._take_choice(choice)
        for spoken in said:
            if spoken is ALIVE:
                yield from self._begin()
            yield spoken
        yield from self._begin()

    def _begin(self) -> Iterator[Spoken]:
        """The library wants to see that there is a response, whatever it says."""
        if not self._began:
            self._began = True
            yield library_chunk(self.head, {})

    def _take_choice(self, choice: Mapping[str, Any]) -> Iterator[Spoken]:
        _raise_error(choice, only="error")
        if isinstance(logprobs := choice.get("logprobs"), dict):
            self._keep_logprobs(cast("dict[str, Any]", logprobs))
        delta: object = choice.get("delta")
        if isinstance(delta, dict):
            yield from self._take_delta(cast("dict[str, Any]", delta))
        if isinstance(message := choice.get("message"), dict):
            # Kept for the end: it may be all of the answer, or say again what the deltas said.
            self._message = _Message(cast("dict[str, Any]", message))
        if isinstance(text := choice.get("text"), str) and text and not delta:
            yield from self._grow(Growth("content", text))
        self._end = end_of(choice.get("finish_reason")) or self._end

    def _take_delta(self, delta: Mapping[str, Any]) -> Iterator[Spoken]:
        yield from self._thoughts(delta)
        yield from self._content(delta.get("content"))
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._refused = True
            yield from self._grow(Growth("content", refusal))
        if isinstance(annotations := delta.get("annotations"), list):
            self._annotate(cast("list[object]", annotations))
        try:
            # Both are looked at.
            if self._calls.take(delta.get("tool_calls")) | self._calls.take_function(delta.get("function_call")):
                yield ALIVE
        except UnclearCalls as unclear:
            raise _unclear(unclear) from unclear

    def _take_message(self, message: Mapping[str, Any]) -> Iterator[Spoken]:
        """Of a whole message, what the deltas left out."""
        called = {key: message.get(key) for key in ("tool_calls", "function_call")}
        if not self._spoke:
            yield from self._take_delta({**message, "tool_calls": None, "function_call": None})
        again = ToolCalls(self._offered, self._limits)
        try:
            again.take(_numbered(called["tool_calls"]))
            again.take_function(called["function_call"])
            if again and self._calls:
                before = [(call.name, _loaded(call.arguments)) for call in self._calls.whole(cut=False)]
                if before != [(call.name, _loaded(call.arguments)) for call in again.whole(cut=False)]:
                    raise UnclearCalls("the tool calls came twice, and differ")
            elif again:
                self._calls = again
        except UnclearCalls as unclear:
            raise _unclear(unclear) from unclear

    def _thoughts(self, delta: Mapping[str, Any]) -> Iterator[Spoken]:
        for field in _THINKING:
            value: object = delta.get(field)
            if isinstance(value, str) and value:
                yield from self._grow(
                    Growth("reasoning_content" if field == "reasoning_content" else "reasoning", value)
                )
                return
        details: object = delta.get("reasoning_details")
        for detail in _parts(cast("object", details)) if isinstance(details, list) else []:
            if isinstance(detail, dict):
                said = cast("dict[str, object]", detail)
                for value in (said.get("text"), said.get("summary")):
                    if isinstance(value, str) and value:
                        yield from self._grow(Growth("reasoning", value))

    def _content(self, content: object) -> Iterator[Spoken]:
        if isinstance(content, str):
            if content:
                yield from self._grow(Growth("content", content))
            return
        for part in _parts(content):
            if isinstance(part, str) and part:
                yield from self._grow(Growth("content", part))
            elif isinstance(part, dict):
                yield from self._part(cast("dict[str, object]", part))

    def _part(self, part: Mapping[str, object]) -> Iterator[Spoken]:
        """A part of content: Mistral and others send a list of them."""
        if isinstance(thinking := part.get("thinking"), str | list):
            for each in _parts(cast("object", thinking)):
                said = cast("dict[str, object]", each).get("text") if isinstance(each, dict) else each
                if isinstance(said, str) and said:
                    # Such a server takes thinking back in content only, where tags are all there is.
                    self._spoke = True
                    yield Growth("tagged", said)
        elif part.get("type") in {"refusal"} and isinstance(said := part.get("refusal"), str):
            self._refused = True
            yield from self._grow(Growth("content", said))
        elif isinstance(said := part.get("text"), str) and said:
            yield from self._grow(Growth("content", said))

    def _grow(self, growth: Growth) -> Iterator[Spoken]:
        self._spoke = self._began = True
        if growth.field == "content":
            yield from self._tagged(self._tags.feed(growth.piece))
        else:
            yield growth

    def _tagged(self, said: list[tuple[Literal["text", "thinking"], str]]) -> Iterator[Growth]:
        for kind, piece in said:
            if kind == "text":
                yield Growth("content", piece)
            else:
                if self._tags.assumed:
                    self._assumed.append(piece)
                yield Growth("tagged", piece)

    def _keep_head(self, found: Mapping[str, Any]) -> None:
        for name in ("id", "model", "service_tier"):
            value: object = found.get(name)
            if isinstance(value, str) and value and len(value) <= _LONGEST_WORD:
                setattr(self.head, name, value)
        created: object = found.get("created")
        if self.head.created is None and isinstance(created, int | float) and 0 < created < 2**33:
            self.head.created = int(created)

    def _count(self, usage: object) -> None:
        """Keep the counts of tokens. Servers that count in every chunk count what they said so far."""
        if not isinstance(usage, dict):
            return
        kept: dict[str, Any] = self._usage or {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        for name, value in list(cast("dict[str, object]", usage).items())[:50]:
            if _is_count(value):
                kept[name] = max(kept.get(name) or 0, cast("int", value))
            elif isinstance(value, dict) and name in {"prompt_tokens_details", "completion_tokens_details"}:
                details = list(cast("dict[str, object]", value).items())[:50]
                kept[name] = {key: count for key, count in details if _is_count(count)}
        self._usage = kept

    def _keep_logprobs(self, logprobs: dict[str, Any]) -> None:
        if not logprobs.get("content"):
            return
        try:
            content = ChoiceLogprobs.model_validate(logprobs).content or []
        except ValidationError:
            return
        self._logprobs += content[: _MOST_LOGPROBS - len(self._logprobs)]

    def _annotate(self, annotations: list[object]) -> None:
        for annotation in annotations[: _MOST_CITATIONS - len(self._annotations)]:
            self._annotations.append(annotation)
            if isinstance(annotation, dict):
                cited = cast("dict[str, object]", annotation).get("url_citation") or cast("object", annotation)
                if (address := _address(cited)) is not None:
                    self._citations.append(address)

    def _cited(self) -> str:
        """The sources that the server names beside the text, as a paragraph of it."""
        sources = list(dict.fromkeys(self._citations))[:_MOST_CITATIONS]
        if not sources or not self._spoke or not self._cites or self._calls:
            return ""
        return "\n\nSources:\n" + "\n".join(f"{number}. {source}" for number, source in enumerate(sources, start=1))


def _parsed(data: bytes) -> Mapping[str, Any]:
    text = data.decode()
    try:
        found: object = json.loads(text)
    except json.JSONDecodeError:
        if text.strip() and text.lstrip()[0].isalpha():
            raise Reported(text) from None  # mistral.rs reports in plain words
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError("numbers too long, or too many brackets", text[:100], 0) from error
    if found is None:
        return {"choices": None}  # a gateway's slip, in the middle of an answer that goes on
    if isinstance(found, list) and len(found) == 1:  # pyright: ignore[reportUnknownArgumentType]
        found = cast("object", found[0])  # Google's manner of reporting an error
    if not isinstance(found, dict):
        raise json.JSONDecodeError("a chunk must be an object", text[:100], 0)
    return cast("dict[str, Any]", found)


def _raise_error(found: Mapping[str, Any], only: str | None = None) -> None:
    if error := found.get("error"):
        raise Reported(error)
    if only or found.get("choices"):
        return
    if is_report(found):
        raise Reported(found)


def _first_choice(choices: object) -> Mapping[str, Any] | None:
    if not isinstance(choices, list):
        return None
    listed = cast("list[object]", choices)
    if len(listed) > _MOST_CHOICES:
        raise AgentFailure(
            FailureCode.MODEL_BAD_RESPONSE, f"The model server sent more than {_MOST_CHOICES} answers at once."
        )
    for choice in listed:
        if isinstance(choice, dict):
            told = cast("dict[str, Any]", choice)
            if told.get("index") in (None, 0, "0"):
                return told
    return None


def _parts(said: object) -> list[object]:
    if not isinstance(said, list):
        return [said]
    listed = cast("list[object]", said)
    if len(listed) > _MOST_PARTS:
        raise AgentFailure(
            FailureCode.MODEL_BAD_RESPONSE, f"The model server sent more than {_MOST_PARTS} parts of an answer at once."
        )
    return listed


def _numbered(calls: object) -> object:
    """Calls of a whole message have no index: their place in the list is it."""
    if not isinstance(calls, list):
        return calls
    listed = cast("list[object]", calls)
    return [
        {**cast("dict[str, object]", call), "index": number} if isinstance(call, dict) else call
        for number, call in enumerate(listed)
    ]


def _loaded(arguments: str) -> object:
    try:
        return json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS


def _address(cited: object) -> str | None:
    """A web address, as Markdown where it has a title."""
    title: object = None
    if isinstance(cited, dict):
        told = cast("dict[str, object]", cited)
        cited, title = told.get("url"), told.get("title")
    if not isinstance(cited, str) or not cited.startswith(("https://", "http://")) or len(cited) > 2000:
        return None
    if any(sign.isspace() or sign in "<>()[]" for sign in cited):
        return f"<{cited}>" if not any(sign.isspace() or sign in "<>" for sign in cited) else None
    if isinstance(title, str) and title.strip():
        plain = " ".join("".join(" " if sign in "[]<>`\\" else sign for sign in title[:200]).split())
        return f"[{plain}]({cited})" if plain else f"<{cited}>"
    return f"<{cited}>"


def _unclear(error: UnclearCalls) -> AgentFailure:
    return AgentFailure(
        FailureCode.MODEL_BAD_RESPONSE,
        f"The model server's tool calls can't be read for certain, so none of them was carried out: {error}.",
        retryable=True,
    )
