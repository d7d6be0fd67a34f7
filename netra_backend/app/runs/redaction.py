"""Tool parameters and results as they may be logged and shown: secrets masked, long values cut."""

from __future__ import annotations

import re

from netra_backend.app.protocol.events import Json

__all__ = ["MASK", "presentable"]

MASK = "[masked]"
MAX_DEPTH = 12
MAX_ITEMS = 200
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_SECRET = re.compile(
    r"pass(word|wd|phrase|code)?s?$|pwd$|secret|token$|bearer|apikey|accesskey|privatekey|authorization|^auth$"
    r"|cookie|credential|otp$"
)
"""Looked for in a key without its separators, so that `x-api-key`, `api_key` and `apiKey` are one."""


def presentable(value: Json, limit: int) -> Json:
    """`value` with what stands under secret-looking keys masked, and cut to about `limit` characters in all.

    What is cut says so: a string ends in `… [N more characters]`, a list or object in a note of how much is missing.
    """
    return _Cutter(limit).cut(value, 0)


class _Cutter:
    def __init__(self, limit: int) -> None:
        self._left = limit

    def cut(self, value: Json, depth: int) -> Json:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return self._list(value, depth)
        self._left -= 8
        return value

    def _text(self, value: str) -> str:
        room = max(self._left, 0)
        self._left -= len(value) + 2
        if len(value) <= room:
            return value
        return f"{value[:room]}… [{len(value) - room} more characters]"

    def _list(self, value: list[Json], depth: int) -> Json:
        if depth >= MAX_DEPTH:
            return "[nested deeper]"
        kept: list[Json] = []
        for item in value:
            if self._left <= 0 or len(kept) >= MAX_ITEMS:
                kept.append(f"[{len(value) - len(kept)} more items]")
                break
            kept.append(self.cut(item, depth + 1))
        return kept

    def _object(self, value: dict[str, Json], depth: int) -> Json:
        if depth >= MAX_DEPTH:
            return "[nested deeper]"
        kept: dict[str, Json] = {}
        for key, item in value.items():
            if self._left <= 0 or len(kept) >= MAX_ITEMS:
                kept["…"] = f"[{len(value) - len(kept)} more fields]"
                break
            name = self._text(key)
            kept[name] = MASK if _secret(key) else self.cut(item, depth + 1)
        return kept


def _secret(key: str) -> bool:
    return _SECRET.search(_SEPARATORS.sub("", key.casefold())) is not None
