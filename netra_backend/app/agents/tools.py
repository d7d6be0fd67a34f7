"""The tools that Netra's own agents have: arithmetic, dates and time zones, notes, search over one's own threads.

What a model gives them may be anything, so each bounds what it takes and what it answers.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic_ai import RunContext, ToolFailed

from netra_backend.app.agents import world_clock
from netra_backend.app.agents.calculator import CannotCalculate
from netra_backend.app.agents.calculator import calculate as worked_out
from netra_backend.app.agents.runtime import Turn
from netra_backend.app.services.refusals import Refusal

__all__ = ["NETRA_TOOLS", "shortened"]

_MOST_NOTES = 500
_LONGEST_NOTE = 10_000
_LONGEST_LIST = 20_000
"""Characters of the notes that are listed at once; the newest are."""
_LONGEST_QUERY = 200
"""As in `GET /api/search`."""


def shortened(text: str, longest: int = 100) -> str:
    """Text to be repeated in a sentence."""
    return text if len(text) <= longest else f"{text[:longest]}…"


# Not async, so that it runs in a thread of its user's, where a stop can leave it behind.
def calculate(expression: str) -> str:
    """Work out an arithmetic expression, such as "17*23", "sqrt(2) ** 3" or "15% of 80"."""
    expression = expression.strip()
    try:
        return f"{expression} = {worked_out(expression)}"
    except CannotCalculate as error:
        raise ToolFailed(f"I can't calculate {shortened(expression)}: {error}.") from None


async def time_in(place: str = "UTC") -> str:
    """The current time and date at a place: a city, a country with one time zone, or a zone such as Asia/Tokyo."""
    try:
        return world_clock.time_in(place, _now())
    except world_clock.UnknownPlace as error:
        raise ToolFailed(f"{error}.") from None


async def time_elsewhere(clock: str, place: str, other: str) -> str:
    """What time it is at `other` when the clock shows `clock` (as 15:30 or 3 pm) at `place` today."""
    try:
        return world_clock.time_there(clock, place, other, _now())
    except ValueError as error:
        raise ToolFailed(f"{error}.") from None


async def weekday(date: str) -> str:
    """Which day of the week a date is, such as 2026-12-25, 25 December or tomorrow."""
    try:
        return world_clock.weekday_of(world_clock.date_named(date, _now().date()))
    except ValueError as error:
        raise ToolFailed(f"{error}.") from None


async def days_between(end: str, start: str = "today") -> str:
    """How many days there are from one date (today, if not given) to another."""
    today = _now().date()
    try:
        first, last = world_clock.date_named(start, today), world_clock.date_named(end, today)
    except ValueError as error:
        raise ToolFailed(f"{error}.") from None
    days = (last - first).days
    return f"From {first.isoformat()} to {last.isoformat()}: {days} {'day' if abs(days) == 1 else 'days'}."


async def add_note(ctx: RunContext[Turn], text: str) -> str:
    """Keep a note for the user."""
    if len(text) > _LONGEST_NOTE:
        raise ToolFailed(f"A note may have {_LONGEST_NOTE} characters, and this has {len(text)}.")
    if len(await ctx.deps.data.notes()) >= _MOST_NOTES:
        raise ToolFailed(f"You have {_MOST_NOTES} notes, the most I keep. Delete some first.")
    number = await ctx.deps.data.add_note(text)
    return f"Noted, as number {number}: {text}"


async def list_notes(ctx: RunContext[Turn]) -> str:
    """The user's notes, with their numbers."""
    notes = await ctx.deps.data.notes()
    if not notes:
        return "You have no notes."
    lines: list[str] = []
    room = _LONGEST_LIST
    for number, text in reversed(notes):
        lines.append(f"{number}. {text}")
        room -= len(lines[-1])
        if room < 0:
            break
    older = len(notes) - len(lines)
    head = f"Your newest notes ({older} older ones aren't shown):" if older else "Your notes:"
    return "\n".join([head, *reversed(lines)])


async def delete_note(ctx: RunContext[Turn], number: int) -> str:
    """Remove the note of that number."""
    if await ctx.deps.data.delete_note(number):
        return f"Note {number} is deleted."
    raise ToolFailed(f"There is no note {number}.")


async def search_threads(ctx: RunContext[Turn], query: str) -> str:
    """Search the text of the user's own earlier messages and answers."""
    query = query[:_LONGEST_QUERY]
    try:
        hits = await ctx.deps.data.search_threads(query)
    except Refusal as refusal:
        raise ToolFailed(f"I can't search now: {refusal}.") from None
    if not hits:
        return f"I found nothing about {query!r} in your conversations."
    found = "\n".join(f"- {hit.title or 'Untitled'} ({hit.created_at[:10]}, {hit.role}): {hit.excerpt}" for hit in hits)
    return f"I found this about {query!r} in your conversations:\n{found}"


def _now() -> datetime:
    return datetime.now(UTC)


NETRA_TOOLS = (
    calculate,
    time_in,
    time_elsewhere,
    weekday,
    days_between,
    add_note,
    list_notes,
    delete_note,
    search_threads,
)
"""All of them. Each answers with a sentence for a person; what it can't do is a `ToolFailed`."""
