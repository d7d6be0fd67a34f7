"""What a model server says of a refusal or a failure, in whatever form it says it, made fit to be shown."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import cast
from urllib.parse import quote

__all__ = ["is_overflow", "is_report", "masked", "structured", "words_of"]

_MOST = 300
"""Characters of it that are shown."""

_LOOKED_AT = 4_000
_DEEPEST = 6
_SECRETS = re.compile(
    r"(?i)\b(?:sk|pk|rk|gsk|xai|hf|ghp|key|pplx|nvapi|r8|fw|csk|tgp)[-_][\w*.-]{6,}"
    r"|\bAIza[\w-]{10,}"
    r"|\beyJ[\w-]{10,}(?:\.[\w-]+)*"
    r"|\b(?:bearer|basic)\s+[^\s\"',;]+"
    r"|\b(?:api[_ -]?key|authorization|token|secret|password)\b[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]+"
    r"|[?&](?:key|api_key|token|sig|signature|code)=[^&\s]+"
    r"|(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[a-zA-Z])[\w-]{40,}"
)
_IN_URL = re.compile(r"(?i)\b(https?://)[^\s/@]{1,200}@")
_TITLE = re.compile(r"(?is)<title[^>]{0,200}>(.{0,400}?)</title>")
_HIDDEN = re.compile(r"(?is)<(script|style|head)\b[^>]{0,200}>.*?</\1\s*>")
_TAG = re.compile(r"(?s)<[^<>]{0,2000}>")

_KEYS = (
    *("error", "errors", "message", "detail", "details", "msg", "errordescription", "errormessage", "errormsg"),
    *("statusmsg", "statusmessage", "faultstring", "reason", "title", "raw"),
)
"""Where words may stand, the likeliest first: OpenAI's `error.message`, FastAPI's `detail`, a problem's `title`,
Cloudflare's `errors`, Baidu's `error_msg`, AWS's `Message`. Written small and without what joins words."""
_AROUND = ("baseresp", "response", "fault", "header")
"""Objects around such fields: of MiniMax, Tencent, Apigee, iFlytek."""
_WORDS = ("message", "msg", "statusmsg", "statusmessage")
_NO_ERROR = (None, 0, "0", "", 200, "200", "success", "Success", "ok", "OK")
_CODES = ("code", "type", "status", "statuscode", "errorcode", "errortype")

_OVERFLOW = re.compile(
    # OpenAI and vLLM; llama.cpp; LM Studio; Anthropic, Bedrock; Gemini; TGI; SGLang; Ollama, Groq; Together, DeepInfra.
    r"(?i)maximum context length|context[ _]length|context[ _]size|context[ _]window|context[ _]limit"
    r"|exceed_context|\bn_ctx\b|context (?:window )?overflow"
    r"|(?:prompt|input|request|conversation|message)s?(?: text)? (?:is |are |was )?too long"
    r"|too many (?:input )?tokens|input token count|number of (?:input )?tokens"
    r"|tokens? (?:count )?exceed"
    r"|exceeds? (?:the )?(?:max\w* |model'?s? |available ){0,4}(?:input )?(?:tokens|token limit)"
    r"|reduce the length of|tokens \+ .max_new_tokens. must be"
)


def words_of(body: object, secrets: Iterable[str] = ()) -> str | None:
    """The words for a person in the body of an error: masked, on one line, cut. None where there are none.

    `secrets` never appear in it, whole.
    """
    found = _found(body, 0)
    if found is None:
        return None
    words = " ".join(masked(found[:_LOOKED_AT], secrets).split())
    return words if len(words) <= _MOST else words[: _MOST - 1] + "…"


def masked(words: str, secrets: Iterable[str] = ()) -> str:
    """The words without anything that is, or looks like, a secret."""
    for form in sorted({each for secret in secrets for each in _forms(secret)}, key=len, reverse=True):
        if len(form) >= 4:
            words = words.replace(form, "…")
    return _IN_URL.sub(r"\1…@", _SECRETS.sub("…", words))


def _forms(secret: str) -> Iterator[str]:
    """As it may be quoted: as it is, without the scheme before it, in an address, in JSON, in a page."""
    for each in {secret, secret.split()[-1] if secret.split() else secret}:
        yield from (each, quote(each, safe=""), json.dumps(each)[1:-1], html.escape(each))


def is_overflow(body: object) -> bool:
    """Whether the words say that the conversation is too long for the model."""
    found = _found(body, 0)
    kind = structured(body)
    named = f"{kind.get('code', '')} {kind.get('type', '')}"
    return _OVERFLOW.search(f"{named} {(found or '')[:_LOOKED_AT]}") is not None


def is_report(found: Mapping[str, object]) -> bool:
    """Whether an object that is no answer reports an error, though it has no `error`."""
    fields = _fields(found)
    inner = (fields.get(name) for name in _AROUND)
    return _reports(fields) or any(
        isinstance(each, dict) and _reports(_fields(cast("dict[str, object]", each))) for each in inner
    )


def _reports(fields: Mapping[str, object]) -> bool:
    # vLLM and FastChat say `object: error`; FastAPI says `detail`; gateways say `message` with a code or a type.
    if fields.get("object") == "error" or fields.get("type") == "error" or fields.get("success") is False:
        return True
    if any(fields.get(name) for name in ("error", "errors", "detail", "errormessage", "errormsg", "faultstring")):
        return True
    coded = any(fields.get(name) not in _NO_ERROR for name in _CODES)
    return coded and any(isinstance(fields.get(name), str) for name in _WORDS)


def structured(body: object) -> Mapping[str, object]:
    """The object that holds an error's fields (`code`, `type`, `param`, …); empty where there's none."""
    for _ in range(_DEEPEST):
        if isinstance(body, list) and body:
            body = cast("list[object]", body)[0]
            continue
        if not isinstance(body, dict):
            break
        inner = cast("dict[str, object]", body).get("error")
        if not isinstance(inner, dict):
            return cast("dict[str, object]", body)
        body = cast("object", inner)
    return {}


def _found(body: object, depth: int) -> str | None:
    if depth > _DEEPEST:
        return None
    match body:
        case str():
            return _plain(body, depth)
        case dict():
            return _of_object(cast("dict[str, object]", body), depth)
        case list():
            items = cast("list[object]", body)[:3]
            said = [words for item in items if (words := _found(item, depth + 1))]
            return "; ".join(said) or None
        case _:
            return None


def _of_object(body: Mapping[str, object], depth: int) -> str | None:
    fields = _fields(body)
    for key in _KEYS:
        words = _found(fields.get(key), depth + 1)
        if words:
            if key == "msg" and isinstance(place := body.get("loc"), list):
                return f"{'.'.join(map(str, cast('list[object]', place)[:8]))}: {words}"
            # OpenRouter says "Provider returned error", and beside it what the provider returned.
            more = body.get("metadata")
            raw = _found(cast("dict[str, object]", more).get("raw"), depth + 1) if isinstance(more, dict) else None
            return f"{words}: {raw}" if raw else words
    for key in _AROUND:
        inner = fields.get(key)
        if isinstance(inner, dict) and (words := _found(cast("object", inner), depth + 1)):
            return words
    return None


def _fields(body: Mapping[str, object]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for key, value in body.items():
        fields.setdefault(key[:100].lower().replace("_", "").replace("-", ""), value)
    return fields


def _plain(text: str, depth: int) -> str | None:
    text = text[:_LOOKED_AT].strip()
    if text.startswith(("{", "[")):
        try:
            return _found(cast("object", json.loads(text)), depth + 1) or text
        except (ValueError, RecursionError):
            return text
    if text.startswith("<"):
        title = _TITLE.search(text)
        text = html.unescape(title[1] if title else _TAG.sub(" ", _HIDDEN.sub(" ", text))).strip()
        text = text.replace("<", "‹")
    return text or None
