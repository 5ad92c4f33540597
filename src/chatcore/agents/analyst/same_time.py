"""A stretch of time and the same one a year, a quarter or a month before: ``vs the same time last year``.

What goes on after the last row is cut there, in both: so many days are set against as many. Pure.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.periods import before, begin_of, period_of
from chatcore.agents.analyst.request import Period

SAME_TIME = re.compile(
    r"\bsame (?:time|period|point|days?|dates?|stretch|span|weeks?|months?|quarters?)\b"
    r".*?\b(?:(?:last|previous|prior) (?P<unit>year|quarter|month|week)"
    r"|(?P<back>year|quarter|month|week) (?:before|earlier))\b"
)


def same_times(text: str, periods: Sequence[Period], table: Table) -> list[Period] | None:
    """The two stretches, the earlier first; None where the words name none.

    Args:
        text: the question.
        periods: that are named.
        table: whose last day is the last that counts.
    """
    found = SAME_TIME.search(text)
    if found is None or table.last_day is None:
        return None
    unit = found["unit"] or found["back"]
    named = [each for each in periods if each.days is not None]
    first = min((str(each.start) for each in named), default="")
    latest = max(named, key=lambda each: str(each.start)) if len(named) > 1 or not _is_before(named, text) else None
    begin = dt.date.fromisoformat(str(latest.start)) if latest and first else begin_of(unit, table.last_day)
    end = min(dt.date.fromisoformat(str(latest.end)) if latest else dt.date.max, table.last_day + dt.timedelta(days=1))
    if begin >= end:
        return None
    later = period_of(begin, end)
    return [before(later, unit), later]


def _is_before(named: Sequence[Period], text: str) -> bool:
    """Whether the only period is the one that something is the same time of: ``vs the same time last year``."""
    return all(each.relative for each in named) and re.search(r"\bthis (?:year|quarter|month|week)\b", text) is None


def is_same_time(periods: Sequence[Period], table: Table) -> bool:
    """Whether periods are compared of which neither goes on after the last row."""
    last = table.last_day
    return last is not None and all(str(each.end) <= str(last + dt.timedelta(days=1)) for each in periods)
