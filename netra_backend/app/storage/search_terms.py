"""The words under which a message is found. Each carries a mark of its user, so that the index has a list of messages
for each user and word, and looking a word up reaches no row of anybody else, not even to skip it."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections import deque
from collections.abc import Iterator
from itertools import islice

__all__ = [
    "INDEXED_CHARS",
    "MAX_QUERY_CHARS",
    "excerpt_of",
    "folded_title",
    "indexed_terms",
    "query_terms",
    "title_patterns",
]

INDEXED_CHARS = 100_000
"""Of a message, from its beginning; what comes later isn't found. It bounds what one message costs the writer."""

MAX_QUERY_CHARS = 200

_WORD_CHARS = 64
"""A longer word is found by this much of it."""

_EXCERPT_WORDS = 24
_WORD = re.compile(r"\w+")


def indexed_terms(user_id: str, text: str) -> str:
    """What the index keeps of a message of this user: each word once."""
    mark = _mark(user_id)
    return " ".join(mark + word for word in sorted(set(_words(text[:INDEXED_CHARS]))))


def query_terms(user_id: str, query: str, *, unfinished: bool = False) -> str | None:
    """The full-text query for the messages of this user that hold every word of `query`; None if it has no words.

    `unfinished`: somebody still types, so the last word may be the beginning of one."""
    mark = _mark(user_id)
    whole, begun = _wanted(query, unfinished=unfinished)
    terms = [f'"{mark}{word}"' for word in sorted(whole)]
    # Behind the mark, whatever begins so is a word of the same user.
    terms += [f'"{mark}{begun}"*'] if begun is not None else []
    return " AND ".join(terms) if terms else None


def folded_title(title: str) -> str:
    """A title as it is searched: case and accents don't count."""
    plain = unicodedata.normalize("NFKD", title.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


_WILD = str.maketrans({sign: f"\\{sign}" for sign in "%_\\"})


def title_patterns(query: str) -> list[str]:
    """Patterns for LIKE that a folded title has to match, one for each word of the query; a backslash escapes."""
    words = folded_title(query[:MAX_QUERY_CHARS]).split()
    return [f"%{word.translate(_WILD)}%" for word in dict.fromkeys(words)]


def excerpt_of(text: str, query: str, *, unfinished: bool = False) -> str:
    """Some words of `text` around the first that the query names."""
    wanted, begun = _wanted(query, unfinished=unfinished)
    recent: deque[re.Match[str]] = deque(maxlen=_EXCERPT_WORDS // 3)
    words = _WORD.finditer(text)
    for found in words:
        recent.append(found)
        word = _folded(found[0])
        if word in wanted or (begun is not None and word.startswith(begun)):
            break
    else:
        # The match lies beyond what was given of the text.
        recent.clear()
        words = _WORD.finditer(text)
    shown = [*recent, *islice(words, _EXCERPT_WORDS - len(recent))]
    if not shown:
        return text[:_EXCERPT_WORDS]
    start, end = shown[0].start(), shown[-1].end()
    head = "… " if _WORD.search(text, 0, start) else ""
    tail = " …" if _WORD.search(text, end) else ""
    return f"{head}{text[start:end]}{tail}"


def _wanted(query: str, *, unfinished: bool) -> tuple[set[str], str | None]:
    """The whole words of a query, and the one that is only begun."""
    query = query[:MAX_QUERY_CHARS]
    words = list(_words(query))
    if not unfinished or not words or not _WORD.match(query[-1]):
        return set(words), None
    return set(words[:-1]), words[-1]


def _words(text: str) -> Iterator[str]:
    return (_folded(found[0]) for found in _WORD.finditer(text))


def _folded(word: str) -> str:
    """One spelling for all that people take for the same word: case and accents don't count."""
    if word.isascii():
        return word[:_WORD_CHARS].lower()
    plain = unicodedata.normalize("NFKD", word[:_WORD_CHARS].casefold())
    return "".join(char for char in plain if char.isalnum() or char == "_") or word[:1]


def _mark(user_id: str) -> str:
    # 40 bits of a hash. Two users with the same mark would share lists, and still see only their own messages.
    return base64.b32encode(hashlib.blake2b(user_id.encode(), digest_size=5).digest()).decode().lower()
