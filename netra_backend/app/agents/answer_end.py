"""How an answer ended, in the words that servers have for it."""

from __future__ import annotations

import re
from typing import Literal

from pydantic_ai.messages import ModelResponse

from netra_backend.app.protocol.events import FinishReason

__all__ = ["End", "end_of", "end_of_response"]

End = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "error"]
"""OpenAI's reasons, a refusal, and a failure of the server that is told in no other way."""

_BY_WORD: tuple[tuple[str, End], ...] = (
    # The first that fits. Besides OpenAI's own: Gemini behind proxies (MAX_TOKENS, SAFETY, RECITATION, SPII,
    # MALFORMED_FUNCTION_CALL), Mistral (model_length), DeepSeek (insufficient_system_resource), Zhipu (sensitive,
    # network_error), vLLM and SGLang (abort), Anthropic behind proxies (end_turn, max_tokens, tool_use, refusal).
    ("error|fail|abort|cancel|malformed|unexpected|insufficient|interrupt|disconnect", "error"),
    ("refus", "refusal"),
    ("incomplete", "length"),
    ("filter|safety|block|prohibit|moderat|guardrail|policy|sensitive|recitation|spii|censor", "content_filter"),
    ("length|max|limit|truncat|exceed|budget|time", "length"),
    ("tool|function", "tool_calls"),
)

_NOT_YET = re.compile(
    r"null|none|nil|undefined|(?:.*_)?unspecified|in[_ -]?progress|running|streaming|generating|pending"
)
"""Words that some servers put into every chunk where others say null."""


def end_of(reason: object) -> End | None:
    """The end that a server's `finish_reason` names; None where it has none yet. What nobody knows is a `stop`."""
    if isinstance(reason, dict):
        reason = reason.get("type")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if not isinstance(reason, str) or not reason.strip():
        return None
    reason = reason[:100].strip().lower()
    if _NOT_YET.fullmatch(reason):
        return None
    for words, end in _BY_WORD:
        if re.search(words, reason):
            return end
    return "stop"


def end_of_response(response: ModelResponse) -> FinishReason:
    """How a response ended, for whoever reads the answer. Of any model of the agent library's."""
    details = response.provider_details or {}
    if details.get("refusal") or end_of(details.get("finish_reason")) == "refusal":
        return "refusal"
    match response.finish_reason:
        case "length" | "content_filter":
            return response.finish_reason
        case _:
            return "stop"
