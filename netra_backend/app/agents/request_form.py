"""What is asked of one model: the operator's settings for it, without what its server has refused.

"OpenAI-compatible" servers each take another part of the API and refuse the rest, one by name, one by a sentence, one
with a 500. What a server refuses is left out and asked again; if that is answered, it stays left out for this model,
for a time. Only the server's own words count: an error may quote what a user said, and no one's conversation may take
anything from the others.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from openai import APIStatusError, NotGiven, Omit

from netra_backend.app.agents.conversation import call_in_words, result_in_words, short_id
from netra_backend.app.agents.runtime import AgentFailure
from netra_backend.app.agents.server_words import structured, words_of
from netra_backend.app.protocol.events import FailureCode

__all__ = ["RequestForm", "refused_part"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

_STATUSES = frozenset({400, 404, 405, 422, 500, 501})
"""Of a refusal: llama.cpp says 500 where it lacks `--jinja`, OpenRouter 404 where no provider takes tools."""

_PLAIN = (
    "stream_options",
    "parallel_tool_calls",
    "tool_choice",
    "temperature",
    "top_p",
    "reasoning_effort",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "verbosity",
    "service_tier",
    "prompt_cache_key",
    "store",
    "user",
)
"""Parameters that an answer can do without."""

_OF_MESSAGES = ("reasoning_content", "reasoning", "refusal")
"""Fields of earlier messages that some servers write, and others don't take."""

_REFUSED = re.compile(
    r"not (?:currently |yet )?(?:be )?(?:support|permit|allow|accept|available|enabled|implement|recogni[sz]ed|valid)"
    r"|n[o']t support|unsupported|unknown|unrecogni[sz]ed|unexpected|extra (?:inputs?|fields?)|forbidden|disabled"
    r"|invalid (?:parameter|argument|field|param)|requires? (?:the )?[`'\"]?--|cannot be used|only the default"
    r"|no endpoints found|deprecated",
    re.IGNORECASE,
)
_OUTRIGHT = re.compile(
    r"not (?:currently |yet )?(?:support|implement|available|enabled)|n[o']t support|unsupported"
    r"|requires? (?:the )?[`'\"]?--",
    re.IGNORECASE,
)
"""The words for it where a server says that it failed: it says the others of what went wrong this time, too."""
_NAMES: dict[str, str] = {
    **{name: rf"(?<![\w.]){name}\b" for name in _PLAIN},
    **{f"messages.{name}": rf"\bmessages\W[\w\]\[.,:;()' -]{{0,120}}\b{name}\b" for name in _OF_MESSAGES},
    "strict": r"(?<![\w.])strict\b|function\.strict",
    "stream": r"[`'\"]stream[`'\"]|\bstreaming\b|\bstream=true\b|\bparam(?:eter)? stream\b",
    "max_completion_tokens": r"\bmax_completion_tokens\b",
    "max_tokens": r"\bmax_tokens\b",
    "system": r"\b(?:system|developer) (?:role|message|prompt|instruction)s?\b|[`'\"](?:system|developer)[`'\"]",
    # Not of one call or message, which only this conversation's model or history can have got wrong.
    "tools": r"(?<![\w.])tools\b|\btool[ -](?:use|usage|calling|calls|choice)\b|\bfunction[ _-]calling\b",
}
_SHORT_IDS = re.compile(r"tool call ids? (?:was|should|must).{0,120}?length (?:of )?9\b", re.IGNORECASE | re.DOTALL)
"""As Mistral's servers and templates say it; a model of theirs may go by another name."""
_OF_A_MESSAGE = re.compile(
    r"\brole\b.{0,40}\btool\b|\btool\b.{0,40}\brole\b|tool[ _-]calls? (?:arguments|validation|id)"
    r"|tool (?:message|result|response)s?"
    r"|pars(?:e|ing) (?:a |the )?tool|failed_generation|tool_use_failed|tool_call_id|tool_use_id",
    re.IGNORECASE,
)
"""The server finds fault with a call or a result, not with the tools."""
_QUOTED = re.compile(r"(?s)\"[^\"]{30,}\"|'[^']{30,}'|`[^`]{30,}`")
_NEAR = 160
"""Characters within which a server names what it refuses and says that it does."""


@dataclass(slots=True)
class RequestForm:
    """One model's. `sets` are defaults for the request, by the API's names; an agent's own settings come first.

    `memory` is how long what was refused is left out, in seconds. `optional_tools`: an answer without tools is of use.
    """

    sets: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    without: frozenset[str] = frozenset()
    memory: float = 600.0
    optional_tools: bool = False
    secrets: Sequence[str] = ()
    """Never put into the log."""
    clock: Callable[[], float] = time.monotonic
    _refused: dict[str, float] = field(default_factory=dict[str, float])

    async def ask(self, asked: Mapping[str, Any], send: Callable[[dict[str, Any]], Awaitable[T]]) -> T:
        """Send the request in the form that the server takes. Raises what `send` raises."""
        now = self.clock()
        left_out = {part for part, until in self._refused.items() if until > now} | self.without
        found: list[str] = []
        while True:
            form = self._form(asked, left_out)
            try:
                reply = await send(form)
            except APIStatusError as error:
                if error.status_code < 400:
                    raise _led_away(error.status_code) from error
                part = refused_part(error, form)
                if part is None or part in left_out or (part == "tools" and not self.optional_tools):
                    raise
                words = words_of(error.body, self.secrets)
                _log.warning("the model's server refuses %s; asking again without: %s", part, words)
                left_out = left_out | {part}
                found.append(part)
                continue
            for part in found:
                self._refused[part] = self.clock() + self.memory
            return reply

    def _form(self, asked: Mapping[str, Any], left_out: frozenset[str] | set[str]) -> dict[str, Any]:
        form = {name: value for name, value in asked.items() if not isinstance(value, Omit | NotGiven)}
        for name, value in self.sets.items():
            other = _OTHER_LIMIT.get(name, name)
            if name not in form and other not in form:
                form[name] = value
        form["extra_headers"] = {**self.headers, **dict(form.get("extra_headers") or {})}
        body = {**self.body, **dict(form.get("extra_body") or {})}
        if form.get("stream") is True and "stream" in left_out:
            # Whoever sends it goes on as if it were a stream; the answer is read as what it is.
            body["stream"] = False
            form.pop("stream_options", None)
        form["extra_body"] = body
        for part in left_out:
            _leave_out(form, part)
        return form


def _led_away(status: int) -> AgentFailure:
    return AgentFailure(
        FailureCode.MODEL_REJECTED_REQUEST,
        f"The model server redirects to another server or page (HTTP {status}), where Netra doesn't follow with keys"
        " and conversations. Check NETRA_MODEL_BASE_URL.",
    )


def refused_part(error: APIStatusError, form: Mapping[str, Any]) -> str | None:
    """Which part of the request the server says it refuses; None where it says nothing of the kind."""
    if error.status_code not in _STATUSES:
        return None
    asked = [part for part in _NAMES if _is_asked(form, part)]
    body: object = error.body
    told = structured(body)
    named = told.get("param")
    kind = f"{told.get('code', '')} {told.get('type', '')}"
    if isinstance(named, str) and re.search("unsupported|unknown|unrecogni|extra|not_supported|invalid_param", kind):
        for part in asked:
            if re.fullmatch(rf"{part.replace('.', '.*')}|tools.*\.{part}" if part != "tools" else "tools?", named):
                return part
    conversation = _letters(" ".join(_said_in(form)))
    outright = error.status_code >= 500 and error.status_code != 501
    for words in _own_words(body, told):
        short = _SHORT_IDS.search(words)
        if short and _is_asked(form, "long_ids") and _letters(short[0]) not in conversation:
            return "long_ids"
        for part in asked:
            if part == "tools" and _OF_A_MESSAGE.search(f"{kind} {words}"):
                continue
            if _says_refused(words, _NAMES[part], _OUTRIGHT if outright else _REFUSED, conversation):
                return part
    return None


def _own_words(body: object, told: Mapping[str, object]) -> Iterator[str]:
    """What the server says itself, part by part. A validation error also quotes its input, which is left aside."""
    detail = told.get("detail")
    if isinstance(inner := told.get("message"), dict):
        detail = cast("dict[str, object]", inner).get("detail")  # Mistral's manner
    if isinstance(detail, list):
        for each in cast("list[object]", detail)[:20]:
            if isinstance(each, dict):
                said = cast("dict[str, object]", each)
                place = said.get("loc")
                where = ".".join(map(str, cast("list[object]", place)[:8])) if isinstance(place, list) else ""
                yield f"{where.removeprefix('body.')}: {said.get('msg', '')} {said.get('type', '')}"
        return
    message: object = told.get("message") or told.get("detail") or told.get("error") or body
    metadata = told.get("metadata")
    raw = cast("dict[str, object]", metadata).get("raw") if isinstance(metadata, dict) else None
    for words in (message, raw):
        if isinstance(words, str):
            # vLLM's validation errors come as Python's rendering of such a list.
            places = re.findall(r"'loc': \('body', ([^()]{1,80})\), 'msg': '([^']{1,80})'", words[:4000])
            if places:
                yield from (f"{place.replace(chr(39), '').replace(', ', '.')}: {said}" for place, said in places)
            else:
                yield _QUOTED.sub("…", words[:2000])


def _letters(words: str) -> str:
    """What is left of words however they're quoted: escaped, on several lines, in other marks."""
    return re.sub(r"\\[nrt]|[\W_]+", "", words.casefold())


def _says_refused(words: str, name: str, refused: re.Pattern[str], conversation: str) -> bool:
    for found in re.finditer(name, words, re.IGNORECASE):
        near = words[max(0, found.start() - _NEAR) : found.end() + _NEAR]
        for refusal in refused.finditer(near):
            at = found.start() - max(0, found.start() - _NEAR)
            ends = at + len(found[0])
            said = near[min(at, refusal.start()) : max(ends, refusal.end())]
            if _letters(said) not in conversation:
                return True
    return False


def _said_in(form: Mapping[str, Any]) -> Iterator[str]:
    for message in _listed(form, "messages"):
        for call in _listed(message, "tool_calls"):
            yield str(call["function"]["arguments"])
        content: object = message.get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            for part in cast("list[object]", content):
                text = cast("dict[str, object]", part).get("text") if isinstance(part, dict) else None
                if isinstance(text, str):
                    yield text


def _listed(form: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return list(form.get(name) or [])


_OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


def _is_asked(form: Mapping[str, Any], part: str) -> bool:
    whole = {**form, **form.get("extra_body", {})}
    match part:
        case "strict":
            return any("strict" in tool.get("function", {}) for tool in _listed(whole, "tools"))
        case "system":
            return any(message.get("role") in {"system", "developer"} for message in _listed(whole, "messages"))
        case "tool_choice":
            return whole.get("tool_choice") == "auto"
        case "stream":
            return whole.get("stream") is True
        case "tools":
            return bool(whole.get("tools"))
        case "long_ids":
            return any(key != short_id(key) for key in _ids_in(_listed(whole, "messages")))
        case _ if part.startswith("messages."):
            return any(part.removeprefix("messages.") in message for message in _listed(whole, "messages"))
        case _:
            return part in whole


def _leave_out(form: dict[str, Any], part: str) -> None:
    match part:
        case "strict":
            form["tools"] = [
                {**tool, "function": {key: value for key, value in tool["function"].items() if key != "strict"}}
                for tool in _listed(form, "tools")
            ]
            if not form["tools"]:
                del form["tools"]
        case "tools":
            for name in ("tools", "tool_choice", "parallel_tool_calls"):
                form.pop(name, None)
            form["messages"] = list(_without_tools(_listed(form, "messages")))
        case "max_tokens" | "max_completion_tokens":
            if part in form:
                form[_OTHER_LIMIT[part]] = form.pop(part)
        case "long_ids":
            form["messages"] = [_with_short_ids(message) for message in _listed(form, "messages")]
        case "system":
            form["messages"] = _system_as_user(_listed(form, "messages"))
        case "stream":
            pass
        case _ if part.startswith("messages."):
            field_name = part.removeprefix("messages.")
            form["messages"] = [
                {key: value for key, value in message.items() if key != field_name}
                for message in _listed(form, "messages")
            ]
        case _:
            form.pop(part, None)
            form["extra_body"].pop(part, None)


def _without_tools(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The conversation with what was called and answered told in words, as `conversation` tells it without tools."""
    names: dict[str, str] = {}
    results: list[str] = []
    for message in messages:
        if message.get("role") == "tool":
            name = names.get(message["tool_call_id"], "a tool")
            results.append(result_in_words(name, str(message.get("content"))))
            continue
        if results:
            yield {"role": "user", "content": "\n\n".join(results)}
            results = []
        calls = _listed(message, "tool_calls")
        if not calls:
            yield message
            continue
        functions = [call["function"] for call in calls]
        names |= {call["id"]: call["function"]["name"] for call in calls}
        words = [call_in_words(function["name"], function["arguments"]) for function in functions]
        told = {key: value for key, value in message.items() if key != "tool_calls"}
        yield told | {"content": "\n\n".join([*([told["content"]] if told.get("content") else []), *words])}
    if results:
        yield {"role": "user", "content": "\n\n".join(results)}


def _ids_in(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        for call in _listed(message, "tool_calls"):
            yield call["id"]


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("role") == "tool":
        return {**message, "tool_call_id": short_id(message["tool_call_id"])}
    calls = [{**call, "id": short_id(call["id"])} for call in _listed(message, "tool_calls")]
    return {**message, "tool_calls": calls} if calls else message


def _system_as_user(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the system says, said by the user in front of his first message."""
    system = [message for message in messages if message.get("role") in {"system", "developer"}]
    others = [message for message in messages if message.get("role") not in {"system", "developer"}]
    said = "\n\n".join(message["content"] for message in system if isinstance(message.get("content"), str))
    if not said:
        return others
    if others and others[0].get("role") == "user" and isinstance(others[0].get("content"), str):
        return [{**others[0], "content": f"{said}\n\n{others[0]['content']}"}, *others[1:]]
    return [{"role": "user", "content": said}, *others]
