"""The words for hours of the day and days of the week: what they split by, and what they restrict rows to. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from chatcore.agents.analyst.reading import Reading

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WORKING = 5
"""The first so many of them are working days."""
WORKING_DAYS = "Monday to Friday"
PARTS = (("night", 0, 6), ("morning", 6, 12), ("afternoon", 12, 18), ("evening", 18, 24))

DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_OFFICE = r"(?:(?:working|office|business) hours|off[- ]hours|after[- ]hours)"
PART = rf"(?:mornings?|afternoons?|evenings?|nights?|night[- ]?time|overnight|{_OFFICE})"
_TIME = r"(?:\d{1,2}(?::00)? ?(?:am|pm)|\d{1,2}:00|noon|midday|midnight)"
BETWEEN_HOURS = (
    rf"(?:between|from) (?:\d{{1,2}}|{_TIME}) ?(?:and|to|until|till|-) ?{_TIME}|(?:after|before|since|until) {_TIME}"
)
_SPAN = re.compile(
    rf"\b(?:(?:between|from) (?P<first>\d{{1,2}}|{_TIME}) ?(?:and|to|until|till|-) ?(?P<last>{_TIME})"
    rf"|(?P<sign>after|before|since|until) (?P<bound>{_TIME}))(?!\w)"
)
_OUTSIDE = (
    r"\b(?:off|after)[- ]hours\b"
    r"|\b(?:outside|out of|not (?:in|during|between)|other than|beyond|except) (?:of )?(?:the |our )?"
    rf"(?:{_OFFICE}|{_TIME}|\d)"
)
_NOON, _DAY_HOURS = 12, 24
_NAMED = {"noon": _NOON, "midday": _NOON, "midnight": 0}

_HOURS = r"\bhours?\b(?<!hours)|\b(?:by|per|each|every|which|what|over|busiest|peak) (?:the )?hours?\b|\bhourly\b"
_TIMES = r"\b(?:what time|time of (?:the )?day|hours? of (?:the )?day|at what hours?)\b"
_WEEK = rf"work(?:ing)? ?days|week[- ]?days?|days? of (?:the )?week|week-?ends?|{DAY}"
_SPLIT_BY_DAYS = (
    r"\b(?:by|per|each|every|which|what|across) (?:the )?(?:single )?(?:week[ -]?days?|days? of (?:the )?week)\b"
    r"|\bhours? (?:and|by|of|per|x) (?:the )?(?:week[ -]?days?|days? of (?:the )?week)\b"
    r"|\b(?:week[ -]?days?|days? of (?:the )?week) (?:and|by|per|x) (?:the )?hours?\b"
)
_WITHOUT_WEEKENDS = (
    r"\b(?:without|exclud\w+|except(?: for| on)?|ignoring|not on|apart from) (?:the |all )?week-?ends?\b"
)
_WORKING = r"\b(?:on|during|for|of|our|the|working) week[- ]?days\b|\b(?:work(?:ing)? ?days)\b|\bweek[- ]?days only\b"

_DAYS_THROUGH = re.compile(rf"\b({DAY}) ?(?:to|through|till|until|-|–) ?({DAY})\b")

Unit = Literal["hour", "weekday", "weekend", "part", "span"]
_Hour = Annotated[int, msgspec.Meta(ge=0, le=_DAY_HOURS)]


class Clock(msgspec.Struct, frozen=True):
    """The options.

    ``unit``: what part of the clock or the week is asked about; ``named``: which of them, as ``Monday`` or ``morning``;
    ``a_day``: whether an average day with rows is asked about, and not all of them together; ``days``: only rows on
    these days of the week; ``first`` and ``last``: the hours of a ``span``, the last one not in it; ``working``:
    whether a span is one of Monday to Friday only; ``outside``: whether all other hours are asked about.
    """

    unit: Unit = "hour"
    named: list[str] = []
    a_day: bool = False
    days: list[str] = []
    first: _Hour = 0
    last: _Hour = _DAY_HOURS
    working: bool = False
    outside: bool = False


def unit_of(reading: Reading) -> Unit | None:
    """What the rows are split by; None where it is hours and days of the week together."""
    by_hour = reading.says(_HOURS) or reading.says(_TIMES)
    if reading.says(rf"\b(?:{_OFFICE})\b") or _SPAN.search(reading.text):
        return None if reading.says(_SPLIT_BY_DAYS) or reading.says(r"\b(?:by|per|each|which) hours?\b") else "span"
    if (by_hour or reading.says(rf"\b{PART}\b")) and reading.says(_SPLIT_BY_DAYS):
        return None
    if by_hour or reading.says(rf"\b{PART}\b"):
        return "hour" if by_hour else "part"
    if reading.says(r"\bweek-?ends?\b"):
        return "weekend"
    return "weekday" if reading.says(rf"\b(?:{_WEEK})\b") else "hour"


def narrowed(reading: Reading, unit: Unit) -> dict[str, Any]:
    """The options that say which hours and days are meant."""
    days = _through(reading) or [name for name in DAYS if reading.says(rf"\b{name.lower()}s?\b")]
    if unit == "weekday" and _through(reading):
        return {"days": days}
    if unit == "weekday" or unit == "weekend":
        return {"named": [WORKING_DAYS] if reading.says(_WITHOUT_WEEKENDS) else days}
    span = _hours_of(reading) if unit == "span" else {}
    named = [name for name, *_ in PARTS if reading.says(rf"\b{name}s?\b")]
    return {"named": named, "days": days or _half_of_the_week(reading), **span}


def _through(reading: Reading) -> list[str]:
    """The days from one to another: ``monday to friday``."""
    found = _DAYS_THROUGH.search(reading.text)
    if found is None:
        return []
    names = [name.lower() for name in DAYS]
    first, last = names.index(found[1].removesuffix("s")), names.index(found[2].removesuffix("s"))
    return list(DAYS[first : last + 1]) if first <= last else [*DAYS[first:], *DAYS[: last + 1]]


def _half_of_the_week(reading: Reading) -> list[str]:
    """The days that ``weekdays`` or ``weekends`` are."""
    if reading.says(_WITHOUT_WEEKENDS) or reading.says(_WORKING):
        return list(DAYS[:WORKING])
    if reading.says(r"\bweek-?ends?\b"):
        return list(DAYS[WORKING:])
    return list(DAYS[:WORKING]) if reading.says(r"\bweek[- ]?days?\b") else []


def _hours_of(reading: Reading) -> dict[str, Any]:
    found, outside = _SPAN.search(reading.text), reading.says(_OUTSIDE)
    if found is None:
        return {"first": 9, "last": 17, "working": True, "outside": outside}
    bounds = [_between(match) for match in _SPAN.finditer(reading.text)]
    first, last = max(each["first"] for each in bounds), min(each["last"] for each in bounds)
    whole = bounds[0] if len(bounds) == 1 else {"first": first, "last": last}
    return {**whole, "outside": outside}


def _between(found: re.Match[str]) -> dict[str, int]:
    """The hours of a span, the last one not in it."""
    if found["bound"]:
        hour = _hour(found["bound"])
        return (
            {"first": hour, "last": _DAY_HOURS} if found["sign"] in ("after", "since") else {"first": 0, "last": hour}
        )
    last = _hour(found["last"])
    first = found["first"]
    if first.isdecimal():  # between 9 and 5pm: nine in the morning, as it comes before
        late = int(first) + _NOON if found["last"].endswith("pm") and int(first) < _NOON else int(first)
        return {"first": late if late < last else int(first), "last": last}
    return {"first": _hour(first), "last": last or _DAY_HOURS}


def _hour(text: str) -> int:
    if text in _NAMED:
        return _NAMED[text]
    hour = int(re.match(r"\d+", text)[0])  # type: ignore[index]  # such a text begins with digits
    if text.endswith("m"):
        return hour % _NOON + (_NOON if text.endswith("pm") else 0)
    return hour
