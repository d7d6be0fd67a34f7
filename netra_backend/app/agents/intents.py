"""What a message asks of the offline agent, found by rules. A table, read from the top; no model is involved.

The work is linear in the message: a line is read once into words, cut into pieces in one pass, and each piece is held
against each rule once. What a rule may look back and forth in has a longest length (`_LONGEST_ASK`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from netra_backend.app.agents.calculator import is_arithmetic
from netra_backend.app.agents.runtime import Json

__all__ = ["EXAMPLE_PROMPTS", "Ask", "understand"]

EXAMPLE_PROMPTS = (
    "what is 17*23, and what time is it in Tokyo?",
    "note: water the plants on Friday",
    "count to 30 slowly",
)
"""Prompts that work offline, for a page that has no messages yet."""

_MAX_ASKS = 10
_MAX_CHARS = 2_000
"""Of a message; nobody asks rules for more. A note that begins in them is kept whole."""
_LONGEST_ASK = 200
"""Characters of one request, but for those that go to the end of the line, and for arithmetic, which has its own."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing a message asks for: a tool with its arguments, and the words that asked."""

    tool: str
    arguments: dict[str, Json]
    words: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A rule: words of this form ask for that tool. Named groups of the pattern are its arguments.

    `to_the_end`: the words go on to the end of the line, whatever they hold (the text of a note may say anything).
    """

    tool: str
    pattern: re.Pattern[str]
    to_the_end: bool = False


def _intent(tool: str, pattern: str, *, to_the_end: bool = False) -> Intent:
    return Intent(tool, re.compile(pattern, re.IGNORECASE), to_the_end)


_DATE = r"(?:\d{4}-\d\d-\d\d|\d{1,2}\.\d{1,2}\.\d{4}|[\w ,]+?)"
_INTENTS = (
    _intent("list_notes", r"(?:list|show|read|what are)(?: me)?(?: all)?(?: of)?(?: my| the)? notes|(?:my )?notes"),
    _intent("delete_note", r"(?:delete|remove|forget)(?: my| the)? note (?:number |no\.? |#)?(?P<number>\d+)"),
    _intent(
        "add_note",
        r"(?:(?:add|make|take|write)(?: a)? note|note(?: down)?|remember)(?:\s+that\b|\s+to\b|:)?\s+(?P<text>\S.*)",
        to_the_end=True,
    ),
    _intent(
        "search_threads",
        r"(?:what did (?:i|we|you) say|(?:search|find|look)(?: (?:in|through))?(?: all)?(?: my| our)?"
        r"(?: (?:threads|messages|conversations|chats))?)"
        r"(?: (?:for|about))?\s+(?P<query>\S.*)",
        to_the_end=True,
    ),
    _intent("count", r"count(?: from (?:1|one))?(?: up)? to (?P<steps>\d+)(?P<pace> slowly)?"),
    _intent("work", r"(?:slowly )?(?:work|run)(?: for)? (?P<steps>\d+) (?:slow )?steps?(?: slowly)?"),
    _intent(
        "time_elsewhere",
        r"(?:what(?:'s| is)?(?: the)? time is )?(?P<clock>\d{1,2}(?::\d\d)?\s*(?:[ap]\.?m\.?)?) (?:in )?"
        r"(?P<place>[^\d]+?) (?:in|to) (?P<other>[^\d]+?)(?: time)?",
    ),
    _intent(
        "time_in",
        r"(?:what(?:'s| is)? )?(?:the )?(?:current |local )?(?:time|date)(?: and (?:date|time))?(?: is it)?"
        r"(?: (?:right )?now)?(?: (?:in|at|for) (?P<place>.+?))?(?: (?:right )?now)?",
    ),
    _intent("time_in", r"(?:what (?:day|date) is (?:it|today)|today's date)(?: (?:in|at) (?P<place>.+))?"),
    _intent(
        "weekday",
        r"(?:what|which) (?:day|weekday)(?: of the week)? (?:is|was|will be)"
        rf" (?P<date>{_DATE})(?: be)?",
    ),
    _intent(
        "days_between",
        r"(?:how many )?days (?:are (?:there )?)?(?:between|from)"
        rf" (?P<start>{_DATE}) (?:and|to|until) (?P<end>{_DATE})",
    ),
    _intent(
        "days_between",
        rf"(?:how many )?days (?:are (?:there )?|is it )?(?:until|till|to|since) (?P<end>{_DATE})",
    ),
)

_FILLERS = re.compile(
    r"^(?:(?:please|and|then|also|now|ok|okay|hey|hi|hello|netra|so|well)[,!.]?\s+|(?:can|could|would|will) you\s+"
    r"|tell me\s+|i(?:'d| would) like to know\s+|do you know\s+)+",
    re.IGNORECASE,
)
_ASKING = re.compile(r"^(?:what(?:'s| is| are)|how much (?:is|are)|calculate|compute|work out|evaluate|solve)\s+", re.I)
_OPENER = re.compile(
    r"please\b|can you\b|what|which|how|when|tell me|calculate|compute|work out|evaluate|time\b|date\b|the time\b"
    r"|notes?\b|remember\b|add a note|list\b|show\b|delete\b|remove\b|forget\b|search\b|find\b|count\b|work for\b"
    r"|run\b|[a-z]{2,9}\d{0,2}\(|(?!\d{4}-\d\d)[\d(√][\d\s.]*[-+*/×÷^%(]",
    re.IGNORECASE,
)
"""How a new request begins. What doesn't begin so goes on with what stands before it: "in Oslo and Rome"."""
_WORDS = re.compile(r"\w+|[^\w\s]")


def understand(message: str) -> list[Ask]:
    """What the message asks for, in its order; empty where no rule fits."""
    asks: list[Ask] = []
    room = _MAX_CHARS
    for line in message.splitlines():
        for words in _pieces(line, room):
            ask = _ask(words)
            if ask is not None:
                asks += _for_each_place(ask)
        room -= len(line) + 1
        if room <= 0 or len(asks) >= _MAX_ASKS:
            break
    return asks[:_MAX_ASKS]


def _pieces(line: str, room: int) -> Iterator[str]:
    """The first `room` characters, cut where a new request begins, except inside one that goes to the line's end."""
    start = end = 0
    for begins, ends in [*_stretches(line, room), (room, room)]:
        if end and begins < room and not _OPENER.match(line, begins, ends):
            end = ends
            continue
        if end and _goes_on(line[start:end]):
            yield line[start:]
            return
        yield line[start:end]
        start, end = begins, ends


def _stretches(line: str, room: int) -> Iterator[tuple[int, int]]:
    """What stands between commas, ends of sentences, "and" and "then", as (start, end); brackets hold together."""
    words = list(_WORDS.finditer(line, 0, room))
    closed_by = _brackets(words)
    start = end = inside = 0
    parted = True
    for index, word in enumerate(words):
        inside = max(inside, closed_by.get(index, 0))
        if index >= inside and _parts(word[0].lower(), line[word.end() : word.end() + 1], parted):
            if not parted:
                yield start, end
            parted = True
            continue
        if parted:
            start = word.start()
        end = word.end()
        parted = False
    if not parted:
        yield start, end


def _brackets(words: list[re.Match[str]]) -> dict[int, int]:
    """Where each bracket that is opened is closed again, by the places of both among the words."""
    opened: list[int] = []
    closed_by: dict[int, int] = {}
    for index, word in enumerate(words):
        if word[0] == "(":
            opened.append(index)
        elif word[0] == ")" and opened:
            closed_by[opened.pop()] = index
    return closed_by


def _parts(word: str, following: str, parted: bool) -> bool:
    if word in {"?", "!", "."}:
        return following.isspace()
    return word in {",", ";", "and", "then"} or (parted and word == "also")


def _goes_on(words: str) -> bool:
    said = _without_fillers(words)[:_LONGEST_ASK]
    return next((intent.to_the_end for intent in _INTENTS if intent.pattern.match(said)), False)


def _ask(words: str) -> Ask | None:
    said = _without_fillers(words).strip(" ?!.,;")
    if not said:
        return None
    if len(said) <= _LONGEST_ASK:
        said = re.sub(r"^what (.+) is$", r"\1", said)
    expression = _ASKING.sub("", said)
    if is_arithmetic(expression):
        return Ask("calculate", {"expression": expression}, said)
    for intent in _INTENTS:
        if len(said) > _LONGEST_ASK and not intent.to_the_end:
            continue
        match = intent.pattern.fullmatch(said)
        if match is not None:
            return Ask(intent.tool, {key: value for key, value in match.groupdict().items() if value}, said)
    return None


def _without_fillers(words: str) -> str:
    return _FILLERS.sub("", words.strip())


def _for_each_place(ask: Ask) -> list[Ask]:
    """ "The time in Oslo and Rome" are two questions."""
    place = ask.arguments.get("place")
    if ask.tool != "time_in" or not isinstance(place, str):
        return [ask]
    places = [name for name in re.split(r" ?, ?(?:and )?| and ", " ".join(place.split())) if name]
    return [Ask("time_in", {"place": name}, ask.words) for name in places]
