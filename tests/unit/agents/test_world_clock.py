from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from netra_backend.app.agents.world_clock import (
    UnknownPlace,
    date_named,
    time_in,
    time_there,
    weekday_of,
    zone_of,
)

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ("Tokyo", "It is 21:00 on Thursday, 15 January 2026 in Tokyo (UTC+9)."),
        ("new york", "It is 07:00 on Thursday, 15 January 2026 in New York (UTC-5)."),
        ("San Francisco", "It is 04:00 on Thursday, 15 January 2026 in San Francisco (UTC-8)."),
        ("MUMBAI", "It is 17:30 on Thursday, 15 January 2026 in Mumbai (UTC+5:30)."),
        ("Kiritimati", "It is 02:00 on Friday, 16 January 2026 in Kiritimati (UTC+14)."),
        ("the UK", "It is 12:00 on Thursday, 15 January 2026 in UK (UTC+0)."),
        ("Europe/Berlin", "It is 13:00 on Thursday, 15 January 2026 in Europe/Berlin (UTC+1)."),
        ("UTC", "It is 12:00 on Thursday, 15 January 2026 in UTC."),
        ("", "It is 12:00 on Thursday, 15 January 2026 in UTC."),
    ],
)
def test_time_in(place: str, answer: str) -> None:
    assert time_in(place, NOON) == answer


def test_summer_time_is_known() -> None:
    assert "14:00" in time_in("Berlin", datetime(2026, 7, 15, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize("place", ["Atlantis", "../../etc/passwd", "Tokyo\x00", "posixrules"])
def test_unknown_places(place: str) -> None:
    with pytest.raises(UnknownPlace, match="time zone"):
        zone_of(place)


@pytest.mark.parametrize(
    ("clock", "place", "other", "answer"),
    [
        ("15:00", "Berlin", "Tokyo", "15:00 in Berlin is 23:00 in Tokyo (UTC+9)."),
        ("3 pm", "Berlin", "Tokyo", "15:00 in Berlin is 23:00 in Tokyo (UTC+9)."),
        ("12am", "Tokyo", "London", "00:00 in Tokyo is 15:00 the day before in London (UTC+0)."),
        ("22:30", "New York", "Paris", "22:30 in New York is 04:30 the day after in Paris (UTC+1)."),
    ],
)
def test_time_there(clock: str, place: str, other: str, answer: str) -> None:
    assert time_there(clock, place, other, NOON) == answer


@pytest.mark.parametrize("clock", ["25:00", "12:99", "13 pm", "0 am", "noonish"])
def test_no_time_of_day(clock: str) -> None:
    with pytest.raises(ValueError, match="time of day"):
        time_there(clock, "Berlin", "Tokyo", NOON)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", TODAY),
        ("tomorrow", date(2026, 11, 24)),
        ("2026-12-25", date(2026, 12, 25)),
        ("25.12.2026", date(2026, 12, 25)),
        ("25 December 2026", date(2026, 12, 25)),
        ("December 25th, 2026", date(2026, 12, 25)),
        ("the 25th of december", date(2026, 12, 25)),
        ("christmas", date(2026, 12, 25)),
        ("1 March", date(2027, 3, 1)),
        ("29 february 2028", date(2028, 2, 29)),
    ],
)
def test_dates(text: str, day: date) -> None:
    assert date_named(text, TODAY) == day


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "30 february 2026"])
def test_no_dates(text: str) -> None:
    with pytest.raises(ValueError, match="as a date"):
        date_named(text, TODAY)


def test_weekday() -> None:
    assert weekday_of(date(2026, 12, 25)) == "25 December 2026 is a Friday."
