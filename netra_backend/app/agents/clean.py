"""What comes from models and tools, made fit to store and to send: the one place where that is done."""

from __future__ import annotations

import math
import re

from netra_backend.app.agents.runtime import Json

__all__ = ["clean_json", "clean_text"]

# No engine stores NUL in text everywhere, and a lone surrogate can't be encoded as UTF-8 at all.
_UNFIT = re.compile("[\x00\ud800-\udfff]")

_LEAST, _MOST = -(2**63), 2**64 - 1


def clean_text(text: str) -> str:
    """`text` with NUL and lone surrogates replaced by U+FFFD, one for one, so its length stays the same."""
    return _UNFIT.sub("\ufffd", text)


def clean_json(value: Json) -> Json:
    """`value` with every string in it cleaned, keys included, and numbers that not every JSON has (NaN, more than 64
    bits) as words."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        return str(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): clean_json(item) for key, item in value.items()}
    return value
