"""Labels that stand in an order with known steps: days, weeks, months, quarters, years, hours of the day. Pure.

What is missing between two of them can be named, and is then shown as missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import attrs

MOST_STEPS: Final = 4_000
"""Eleven years of days: more than a screen has room for, and little to draw."""


@attrs.frozen
class Calendar:
    """One kind of step.

    Args:
        step: its name.
        number: of a label, the next one's being one more; raises ValueError where it is none.
        label: of a number.
    """

    step: str
    number: Callable[[str], int]
    label: Callable[[int], str]


def _parts(pattern: str, text: str) -> list[int]:
    found = re.fullmatch(pattern, text, re.ASCII)
    if found is None:
        raise ValueError(pattern)
    return [int(part) for part in found.groups()]


def _month(text: str) -> int:
    year, month = _parts(r"(\d{4})-(0[1-9]|1[0-2])", text)
    return year * 12 + month - 1


def _quarter(text: str) -> int:
    year, quarter = _parts(r"(\d{4})-Q([1-4])", text)
    return year * 4 + quarter - 1


def _day(text: str) -> int:
    return date(*_parts(r"(\d{4})-(\d{2})-(\d{2})", text)).toordinal()


def _week(text: str) -> int:
    year, week = _parts(r"(\d{4})-W(\d{2})", text)
    return (date.fromisocalendar(year, week, 1).toordinal() - 1) // 7


def _week_label(number: int) -> str:
    year, week, _ = date.fromordinal(number * 7 + 1).isocalendar()
    return f"{year:04}-W{week:02}"


CALENDARS: Final[Mapping[str, Calendar]] = MappingProxyType(
    {
        each.step: each
        for each in (
            Calendar("day", _day, lambda number: date.fromordinal(number).isoformat()),
            Calendar("week", _week, _week_label),
            Calendar("month", _month, lambda number: f"{number // 12:04}-{number % 12 + 1:02}"),
            Calendar("quarter", _quarter, lambda number: f"{number // 4:04}-Q{number % 4 + 1}"),
            Calendar("year", lambda text: _parts(r"(\d{4})", text)[0], lambda number: f"{number:04}"),
            Calendar("hour", lambda text: _parts(r"([01]\d|2[0-3]):00", text)[0], lambda number: f"{number:02}:00"),
        )
    }
)


@attrs.frozen
class Steps:
    """Labels in their places.

    Args:
        step: of which kind they are.
        labels: of every place from the first to the last.
        places: of each label that was given.
    """

    step: str
    labels: tuple[str, ...]
    places: tuple[int, ...]


def steps_of(labels: Sequence[str]) -> Steps | None:
    """The places of labels that ascend in one calendar; None where they don't, or where it would be too many."""
    for calendar in CALENDARS.values():
        try:
            numbers = [calendar.number(label) for label in labels]
        except ValueError:
            continue
        return _placed(calendar, numbers)
    return None


def is_calendar(labels: Sequence[str]) -> bool:
    """Whether these are all labels of one calendar, in whatever order."""
    return any(_all_of(calendar, labels) for calendar in CALENDARS.values())


def _all_of(calendar: Calendar, labels: Sequence[str]) -> bool:
    try:
        for label in labels:
            calendar.number(label)
    except ValueError:
        return False
    return True


def _placed(calendar: Calendar, numbers: Sequence[int]) -> Steps | None:
    if not numbers or any(after <= before for before, after in pairwise(numbers)):
        return None
    first, last = numbers[0], numbers[-1]
    if last - first >= MOST_STEPS:
        return None
    labels = tuple(calendar.label(number) for number in range(first, last + 1))
    return Steps(calendar.step, labels, tuple(number - first for number in numbers))
