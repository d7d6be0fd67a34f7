"""Times and dates around the world, by the names people use for places."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

__all__ = ["UnknownPlace", "date_named", "time_in", "time_there", "weekday_of", "zone_of"]

_ALSO = {
    "Africa/Johannesburg": "cape town,pretoria,durban,south africa",
    "America/Chicago": "houston,dallas,austin,minneapolis,new orleans,central time",
    "America/Los_Angeles": "san francisco,sf,seattle,las vegas,san diego,portland,la,california,pacific time",
    "America/Mexico_City": "mexico",
    "America/New_York": "nyc,new york city,boston,washington,washington dc,miami,atlanta,philadelphia,eastern time",
    "America/Sao_Paulo": "rio,rio de janeiro,brasilia,brazil,são paulo",
    "America/Toronto": "ottawa,montreal,quebec",
    "Asia/Dubai": "abu dhabi",
    "Asia/Ho_Chi_Minh": "hanoi,vietnam",
    "Asia/Jerusalem": "tel aviv",
    "Asia/Kolkata": "mumbai,delhi,new delhi,bangalore,bengaluru,chennai,hyderabad,india",
    "Asia/Seoul": "busan,korea,south korea",
    "Asia/Shanghai": "beijing,shenzhen,guangzhou,hangzhou,china",
    "Asia/Tokyo": "osaka,kyoto,sapporo,yokohama,nagoya",
    "Australia/Sydney": "canberra",
    "Europe/Berlin": "munich,münchen,hamburg,frankfurt,cologne,köln,stuttgart,germany",
    "Europe/Istanbul": "ankara,turkey",
    "Europe/Kyiv": "kiev,ukraine",
    "Europe/London": "england,scotland,wales,uk,united kingdom,great britain,edinburgh,glasgow,manchester,oxford",
    "Europe/Madrid": "barcelona,valencia,seville,spain",
    "Europe/Moscow": "st petersburg,saint petersburg,russia",
    "Europe/Paris": "lyon,marseille,nice,france",
    "Europe/Rome": "milan,naples,turin,florence,venice,italy",
    "Europe/Vienna": "austria",
    "Europe/Warsaw": "krakow,kraków,gdansk,poland",
    "Europe/Zurich": "geneva,bern,basel,switzerland,zürich",
    "Pacific/Auckland": "wellington,new zealand",
}


_LONGEST_NAME = 100
"""Characters of a place, a date or a time of day."""


class UnknownPlace(ValueError):
    """No time zone is known by that name; the message says so."""


def zone_of(place: str) -> tuple[str, tzinfo]:
    """The name to show for a place, and its time zone. Raises `UnknownPlace`."""
    place = place[:_LONGEST_NAME]
    key = _key(place)
    if key in {"", "utc", "gmt", "zulu"}:
        return "UTC", UTC
    zone = _zones().get(key)
    if zone is None:
        raise UnknownPlace(f"I don't know the time zone of {place.strip()!r}; try a large city near it")
    return place.strip() if "/" in place else key.title() if len(key) > 3 else key.upper(), ZoneInfo(zone)


def time_in(place: str, now: datetime) -> str:
    """A sentence: the time and date at a place. `now` is aware. Raises `UnknownPlace`."""
    name, zone = zone_of(place)
    local = now.astimezone(zone)
    where = name if name == "UTC" else f"{name} ({_offset(local)})"
    return f"It is {local:%H:%M} on {local:%A}, {local.day} {local:%B %Y} in {where}."


def time_there(clock: str, place: str, other: str, now: datetime) -> str:
    """A sentence: what the clock shows at `other` when it shows `clock` at `place` today.

    Raises `UnknownPlace`, and ValueError where `clock` isn't a time of day.
    """
    clock = clock[:_LONGEST_NAME]
    match = re.fullmatch(r"(\d{1,2})(?::(\d\d))?\s*([ap])?\.?m?\.?", clock.strip().lower())
    if match is None:
        raise ValueError(f"{clock!r} isn't a time of day, such as 15:30 or 3 pm")
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3]:
        if not 1 <= hour <= 12:
            raise ValueError(f"{clock!r} isn't a time of day")
        hour = hour % 12 + 12 * (match[3] == "p")
    if hour > 23 or minute > 59:
        raise ValueError(f"{clock!r} isn't a time of day")
    here, zone = zone_of(place)
    there, other_zone = zone_of(other)
    asked = now.astimezone(zone).replace(hour=hour, minute=minute, second=0, microsecond=0)
    local = asked.astimezone(other_zone)
    days = (local.date() - asked.date()).days
    when = {-1: " the day before", 0: "", 1: " the day after"}[days]
    return f"{asked:%H:%M} in {here} is {local:%H:%M}{when} in {there} ({_offset(local)})."


def date_named(text: str, today: date) -> date:
    """A date such as 2026-12-25, 25 December [2026], December 25, Christmas, today. Raises ValueError."""
    text = text[:_LONGEST_NAME]
    words = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|,|\bof\b|\bthe\b", " ", text.strip().lower().rstrip("?. "))
    words = " ".join(words.split())
    near = {"today": 0, "now": 0, "tomorrow": 1, "yesterday": -1}
    if words in near:
        return today + timedelta(days=near[words])
    words = {"christmas": "25 december", "new year": "1 january", "new years day": "1 january"}.get(words, words)
    for form in ("%Y-%m-%d", "%d %B %Y", "%B %d %Y", "%d %b %Y", "%b %d %Y", "%d.%m.%Y"):
        try:
            return datetime.strptime(words, form).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    for year in (today.year, today.year + 1):
        for form in ("%d %B %Y", "%B %d %Y", "%d %b %Y", "%b %d %Y"):
            try:
                found = datetime.strptime(f"{words} {year}", form).date()  # noqa: DTZ007
            except ValueError:
                continue
            if found >= today:
                return found
    raise ValueError(f"I can't read {text.strip()!r} as a date; write it like 2026-12-25")


def weekday_of(day: date) -> str:
    """A sentence: which day of the week it is."""
    return f"{day.day} {day:%B %Y} is a {day:%A}."


def _offset(moment: datetime) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def _key(place: str) -> str:
    return " ".join(re.sub(r"[_.,?!]", " ", place).lower().split()).removeprefix("the ")


@cache
def _zones() -> dict[str, str]:
    zones: dict[str, str] = {}
    for zone in sorted(available_timezones()):
        zones.setdefault(_key(zone.rsplit("/", 1)[-1]), zone)
        zones[_key(zone)] = zone
    for zone, names in _ALSO.items():
        zones.update((name, zone) for name in names.split(","))
    return zones
