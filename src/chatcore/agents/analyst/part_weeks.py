"""Weeks by their number, and parts of a month: which days they are. Pure."""

from __future__ import annotations

import datetime as dt

_WEEK = dt.timedelta(days=7)
_HALF_MONTH = dt.timedelta(days=15)


def numbered_week(year: int, number: int) -> tuple[dt.date, dt.date]:
    """A week by its number, as ISO 8601 counts them, Monday to Sunday: its first day, and the day after its last.

    Raises:
        ValueError: the year has no such week.
    """
    monday = dt.date.fromisocalendar(year, number, 1)
    return monday, monday + _WEEK


def part_of_month(part: str, place: int, begin: dt.date, end: dt.date, *, last: bool) -> tuple[dt.date, dt.date]:
    """A part of a month: weeks of seven days from its first day, halves that part after the 15th.

    Args:
        part: ``week`` or ``half``.
        place: 1 for the first.
        begin: the first day of the month.
        end: the day after its last.
        last: whether the last one is meant.
    """
    if part == "half":
        return (begin, begin + _HALF_MONTH) if place == 1 else (begin + _HALF_MONTH, end)
    if last:
        return end - _WEEK, end
    return begin + _WEEK * (place - 1), begin + _WEEK * place
