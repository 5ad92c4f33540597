"""Stretches of time in words: ``in May 2025``, ``Q1 2025``, ``between … and …``, ``the last 30 days``. Pure.

What is relative (``yesterday``, ``last month``) counts from the last day of the data, not from today: the data is
what is asked about. A month without a year is the one that the data has; with several, the question is ambiguous.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Sequence

import attrs
import msgspec

from chatcore.agents.analyst.part_weeks import numbered_week, part_of_month
from chatcore.agents.analyst.request import Period

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
_MONTH = r"(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d|['’]\d\d)\b"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\b"
_LAST_DAY = r"(?P<last_day>[0-3]?\d)(?:st|nd|rd|th)?\b"
_TO = r"(?: (?:to|and|until|till|through) | ?[-–—] ?)"
_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "last": 4}
_ORDINAL = r"(?P<ordinal>" + "|".join(_ORDINALS) + r")"
_UNIT = r"(?P<unit>day|week|month|quarter|year)s?\b"
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_OF_DATA = r"(?P<of_data>\s+(?:of|in)\s+(?:the\s+|our\s+)?(?:data|file|ledger)\b)?"
_NUMBERS = {
    word: number
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
}
_COUNT = r"(?P<count>\d{1,4}|" + "|".join(_NUMBERS) + r")"
_PREPOSITION = (
    r"(?:in|of|for|during|since|from|to|until|till|through|and|or|vs\.?|versus|between|before|after|than|with|last|this"
    r"|by|on|over|without|excluding|except|minus)"
)

_PATTERNS = {  # in the order they are looked for: the longer before what is a part of it
    "week": r"\bweek (?P<week>\d\d?)(?: of|,)? (?P<week_year>(?:19|20)\d\d)\b",
    "iso_week": r"\b(?P<iso_week>(?:19|20)\d\d-?w\d\d?)\b",
    "days_month": rf"\b(?:(?:from|between) )?(?:the )?{_DAY}{_TO}(?:the )?{_LAST_DAY} (?:of )?{_MONTH}(?:,? {_YEAR})?",
    "month_days": rf"\b(?:(?:from|between) )?{_MONTH} {_DAY}{_TO}{_LAST_DAY}(?!\d)(?:,? {_YEAR})?",
    "part_of_month": rf"\b(?:the )?{_ORDINAL} (?P<slice>week|half) (?:of|in) {_MONTH}(?:,?(?: of)? {_YEAR})?",
    "week_of": r"\bweek (?:of|starting|beginning)(?: on)? (?P<iso_day>(?:19|20)\d\d-\d\d-\d\d)\b",
    "day": r"(?P<iso_day>\b(?:19|20)\d\d-\d\d-\d\d)\b(?:[T ]\d\d:\d\d(?::\d\d)?)?",
    "iso_month": r"\b(?P<iso_month>(?:19|20)\d\d[-/]\d\d)\b(?![-/]\d)",
    "month_year": r"(?<![\d/.])(?P<number>0?[1-9]|[1-9]\d)[/.](?P<year>(?:19|20)\d\d)\b",
    "year_quarter": rf"\b{_YEAR}[- ]?q(?P<quarter>[1-4])\b",
    "quarter": rf"\bq(?P<quarter>[1-4]|\d(?=\s*(?:of\s+)?20\d\d\b))\b(?:\s*(?:of\s+)?{_YEAR})?",
    "half": rf"\bh(?P<half>[12]|\d(?=\s*(?:of\s+)?20\d\d\b))\b(?:\s*(?:of\s+)?{_YEAR})?",
    "ordinal_part": rf"\b(?:the\s+)?{_ORDINAL}\s+(?P<part>quarter|half)\s+(?:of\s+)?(?:the\s+year\s+)?{_YEAR}",
    "season": rf"\b(?:the\s+)?(?P<season>spring|summer|autumn|fall|winter)\s+(?:of\s+)?{_YEAR}",
    "last_season": r"\b(?P<which>last|past|this|previous)\s+(?P<season>spring|summer|autumn|fall|winter)\b",
    "day_month": rf"\b(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?",
    "month_day": rf"\b{_MONTH}\s+{_DAY}(?!\d)(?:,?\s+{_YEAR})?",
    "month": rf"\b(?:(?:the\s+)?month\s+of\s+)?{_MONTH}(?:,?\s+(?:of\s+)?{_YEAR})?",
    "last_count": rf"\b(?:the\s+)?(?:last|past|previous|latest|final|most recent|recent)\s+{_COUNT}\s+{_UNIT}",
    "last_one": rf"\b(?:the\s+)?(?P<which>last|past|previous|this|current|latest)\s+{_UNIT}{_OF_DATA}",
    "to_date": r"\b(?:(?P<unit>year|quarter|month|week)[- ]to[- ]date|(?P<short>ytd|qtd|mtd))\b",
    "named_day": r"\b(?P<named>today|yesterday)\b(?!(?:'s)? (?:list )?(?:prices?|rates?)\b)",
    "year": rf"(?:\b(?:the\s+)?(?:calendar\s+)?year\s+(?:of\s+)?)?(?<![\w.,$-]){_YEAR}(?![\w.,]*\d|-\d)",
}
_AMBIGUOUS_WORDS = frozenset({"may", "march"})
_NAMED_AFTER = r"\s+(?:spend(?:ing)?|costs?|bills?|invoice|usage|calls?|requests?|tokens?|expenses?|total)\b"

_TO_MONTH = re.compile(rf"(?: (?:up )?(?:to|and|or|until|till|through|vs\.?|versus) | ?[-–—/,&] ?){_MONTH}")
"""``may to july``: what goes on to another month is one."""

_RELATIVE = ("last_count", "last_one", "named_day", "last_season", "to_date")
_SHORT_UNITS = {"ytd": "year", "qtd": "quarter", "mtd": "month"}
_SEASON_MONTHS = 3
_MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}


@attrs.frozen
class Calendar:
    """What the data covers, as far as words of time depend on it.

    Args:
        first: the day of the first row.
        last: the day of the last row.
        months: those that have rows, as ``2025-05``.
    """

    first: dt.date
    last: dt.date
    months: tuple[str, ...]


@attrs.frozen
class Found:
    """Words of time in a question.

    Args:
        start: where they begin.
        end: where they end.
        choices: what they can mean: one period, several where a year is missing, none where there is no such day.
    """

    start: int
    end: int
    choices: tuple[Period, ...]


def find_periods(text: str, known: Calendar, *, apart: bool) -> list[Found]:
    """The periods of a question, in its order.

    Args:
        text: in lower case.
        known: what relative words and months without a year are resolved with.
        apart: whether ``from A to B`` and ``between A and B`` name two periods, as in a comparison, and not one.
    """
    dates = list(_dates(text, known))
    return dates if apart and len(dates) > 1 else list(_ranges(text, dates))


def _dates(text: str, known: Calendar) -> Iterator[Found]:
    matches = sorted(_matches(text), key=lambda date: date.match.start())
    years = [year for date in matches if (year := date.year)]
    for date in matches:
        relative = date.kind in _RELATIVE
        spans = _spans(date, known, years)
        choices = tuple(msgspec.structs.replace(period_of(*span), relative=relative) for span in spans)
        yield Found(date.match.start(), date.match.end(), choices)


@attrs.frozen
class _Date:
    """Words that one of the patterns found."""

    kind: str
    match: re.Match[str]

    def group(self, name: str) -> str | None:
        """What a group of the pattern holds; None where it has no such group."""
        return self.match.groupdict().get(name)

    @property
    def year(self) -> int | None:
        """The year, where the words name one."""
        named = (self.group(name) for name in ("iso_day", "iso_month", "iso_week", "week_year"))
        year = self.group("year") or next(filter(None, named), "")[:4]
        return (int(year) if year.isdigit() else 2000 + int(year[1:])) if year else None


def _matches(text: str) -> Iterator[_Date]:
    left = text
    for kind, pattern in _PATTERNS.items():
        for match in re.finditer(pattern, left):
            date = _Date(kind, match)
            if _is_date(text, date):
                yield date
                left = left[: match.start()] + " " * len(match.group()) + left[match.end() :]


def _is_date(text: str, date: _Date) -> bool:
    """Whether words that are also other words are meant as a month here: ``in may``, not ``I may``."""
    if date.kind != "month" or date.year or date.match.group().strip(".") not in _AMBIGUOUS_WORDS:
        return True
    before, after = text[: date.match.start()], text[date.match.end() :]
    led = re.search(rf"\b{_PREPOSITION}\s+$", before)
    if _TO_MONTH.match(after):
        return True
    noun = re.match(_NAMED_AFTER, after) and (not before.strip() or date.match.group() == "march")
    return bool(led) or not after.strip(" ?!.,") or bool(noun)


def _spans(date: _Date, known: Calendar, years: Sequence[int]) -> list[tuple[dt.date, dt.date]]:
    try:
        return list(_resolve(date, known, years))
    except ValueError:  # a day that its month does not have
        return []


def _resolve(date: _Date, known: Calendar, years: Sequence[int]) -> Iterator[tuple[dt.date, dt.date]]:
    if date.kind in _RELATIVE:
        yield _relative(date, known)
        return
    if iso := date.group("iso_day"):
        unit = "week" if date.kind == "week_of" else "day"
        begin = begin_of(unit, dt.date.fromisoformat(iso))
        yield begin, next_of(unit, begin)
        return
    if date.kind in ("week", "iso_week"):
        yield _week(date)
        return
    first, length = _months_of(date)
    for year in [date.year] if date.year else _years(first, known, years):
        if number := date.group("day"):
            day = dt.date(year, first, int(number))
            yield day, dt.date(year, first, int(date.group("last_day") or number)) + dt.timedelta(days=1)
        elif date.group("slice"):
            yield _slice(date, dt.date(year, first, 1))
        else:
            yield dt.date(year, first, 1), _add_months(dt.date(year, first, 1), length)


def _week(date: _Date) -> tuple[dt.date, dt.date]:
    week = date.group("iso_week") or f"{date.group('week_year')}w{date.group('week')}"
    year, _, number = week.replace("-", "").partition("w")
    return numbered_week(int(year), int(number))


def _slice(date: _Date, begin: dt.date) -> tuple[dt.date, dt.date]:
    part, ordinal = str(date.group("slice")), str(date.group("ordinal"))
    return part_of_month(part, _ORDINALS[ordinal], begin, _add_months(begin, 1), last=ordinal == "last")


def _months_of(date: _Date) -> tuple[int, int]:
    """The first month of the words and how many months they span."""
    if month := date.group("iso_month"):
        return int(month[5:]), 1
    if number := date.group("number"):
        return int(number), 1
    if month := date.group("month"):
        return _MONTHS[month], 1
    if season := date.group("season"):
        return _SEASONS[season], _SEASON_MONTHS
    if quarter := date.group("quarter"):
        return 3 * int(quarter) - 2, 3
    if half := date.group("half"):
        return 6 * int(half) - 5, 6
    if part := date.group("part"):
        ordinal = _ORDINALS[str(date.group("ordinal"))]
        return (6 * min(ordinal, 2) - 5, 6) if part == "half" else (3 * ordinal - 2, 3)
    return 1, 12


def _years(month: int, known: Calendar, years: Sequence[int]) -> list[int]:
    """The years that a month without one can be of: one named beside it, those with rows, or the latest it was in."""
    if years:
        return [years[-1]]
    with_rows = [int(each[:4]) for each in known.months if int(each[5:]) == month]
    if with_rows:
        return with_rows
    latest = known.last.year if month <= known.last.month else known.last.year - 1
    return [latest]


def _relative(date: _Date, known: Calendar) -> tuple[dt.date, dt.date]:
    tomorrow = known.last + dt.timedelta(days=1)
    if named := date.group("named"):
        return (known.last, tomorrow) if named == "today" else (known.last - dt.timedelta(days=1), known.last)
    if season := date.group("season"):
        return _last_season(_SEASONS[season], known.last, running=date.group("which") == "this")
    if date.kind == "to_date":
        unit = date.group("unit") or _SHORT_UNITS[str(date.group("short"))]
        return begin_of(unit, known.last), tomorrow
    unit = str(date.group("unit"))
    if count := date.group("count"):
        number = _NUMBERS.get(count) or int(count)
        if unit in ("day", "week"):
            return tomorrow - dt.timedelta(days=number * (7 if unit == "week" else 1)), tomorrow
        return _add_months(tomorrow, -number * _MONTHS_IN[unit]), tomorrow
    if date.group("which") == "past" and unit != "day":
        return (
            tomorrow - dt.timedelta(days=7) if unit == "week" else _add_months(tomorrow, -_MONTHS_IN[unit])
        ), tomorrow
    begin = begin_of(unit, known.last)
    if date.group("which") in ("this", "current", "latest") or date.group("of_data"):
        return begin, next_of(unit, begin)
    return begin_of(unit, begin - dt.timedelta(days=1)), begin


def _last_season(month: int, last: dt.date, *, running: bool) -> tuple[dt.date, dt.date]:
    """The latest season from this month on that is over, or with ``running``, that has begun, by a day."""
    begin = dt.date(last.year, month, 1)
    while (begin if running else _add_months(begin, _SEASON_MONTHS)) > last:
        begin = _add_months(begin, -12)
    return begin, _add_months(begin, _SEASON_MONTHS)


def begin_of(unit: str, day: dt.date) -> dt.date:
    """The first day of the day, week, month, quarter or year that a day is in."""
    if unit == "day":
        return day
    if unit == "week":
        return day - dt.timedelta(days=day.weekday())
    length = _MONTHS_IN[unit]
    return dt.date(day.year, (day.month - 1) // length * length + 1, 1)


def next_of(unit: str, begin: dt.date) -> dt.date:
    """The day after the unit that begins on a day."""
    return (
        begin + dt.timedelta(days=7 if unit == "week" else 1)
        if unit in ("day", "week")
        else _add_months(begin, _MONTHS_IN[unit])
    )


def _add_months(day: dt.date, months: int) -> dt.date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def period_of(begin: dt.date, end: dt.date) -> Period:
    """A period, named in the shortest way that says which: 2025, Q1 2025, 2025-05, 2025-05-07, or both its ends."""
    last = end - dt.timedelta(days=1)
    words = f"{begin} to {last}"
    if begin == last:
        words = str(begin)
    elif begin.day == 1 and end == _add_months(begin, 1):
        words = f"{begin:%Y-%m}"
    elif begin.day == 1 and begin.month % 3 == 1 and end == _add_months(begin, 3):
        words = f"Q{begin.month // 3 + 1} {begin.year}"
    elif (begin.month, begin.day) == (1, 1) and end == dt.date(begin.year + 1, 1, 1):
        words = str(begin.year)
    return Period(words=words, start=begin.isoformat(), end=end.isoformat())


def _ranges(text: str, dates: Sequence[Found]) -> Iterator[Found]:
    """Dates joined to ranges: from … to …, between … and …, since …, before … ."""
    waiting = list(dates)
    while waiting:
        found = waiting.pop(0)
        before = text[: found.start]
        if waiting and _joins(before, text[found.end : waiting[0].start]):
            yield _span(found, waiting.pop(0))
        else:
            yield _open_ended(found, before, text[found.end :])


def _joins(before: str, between: str) -> bool:
    opened = re.search(r"\b(from|between)\s+(the\s+)?$", before)
    joined = re.fullmatch(r"\s*(?:,\s*)?(to|until|till|through|up to|and|-|–|—)\s*(the\s+)?", between)
    return bool(joined) and (bool(opened) or joined[1] not in ("and",) if joined else False)


def _span(first: Found, second: Found) -> Found:
    if not first.choices or not second.choices:
        return attrs.evolve(first, choices=())
    spans = [(begin, str(last.end)) for last in second.choices if (begin := _begin_before(first, last)) is not None]
    if not spans:
        return first
    periods = [period_of(dt.date.fromisoformat(begin), dt.date.fromisoformat(end)) for begin, end in spans]
    return Found(first.start, second.end, tuple(periods))


def _begin_before(first: Found, last: Period) -> str | None:
    """The latest begin that lies before the end of a period."""
    begins = [each.start for each in first.choices if each.start and last.end and each.start < last.end]
    return max(begins, default=None)


def _open_ended(found: Found, before: str, after: str) -> Found:
    """A date with a word before it that opens it to one side: since, after, before, until."""
    word = re.search(r"\b(since|after|before|until|till|up to|through|from|starting|beginning)\s+(the\s+)?$", before)
    if word is None or not found.choices:
        return found
    sign = word[1]
    period = found.choices[0]
    if sign == "from" and not re.match(r"\s*(on\b|onwards?\b|forward)", after):
        return found
    if sign in ("since", "from", "starting", "beginning"):
        opened = Period(words=f"since {period.start}", start=period.start)
    elif sign == "after":
        opened = Period(words=f"since {period.end}", start=period.end)
    elif sign == "before":
        opened = Period(words=f"before {period.start}", end=period.start)
    else:
        opened = Period(words=f"before {period.end}", end=period.end)
    return attrs.evolve(found, start=word.start(), choices=(opened,))


def overlaps(period: Period, known: Calendar) -> bool:
    """Whether any day of a period lies within the data's first and last."""
    begins = period.start is None or dt.date.fromisoformat(period.start) <= known.last
    return begins and (period.end is None or dt.date.fromisoformat(period.end) > known.first)


def before(period: Period, unit: str | None = None) -> Period:
    """The period of the same length that comes just before one; with ``unit``, so many months before it."""
    begin, end = dt.date.fromisoformat(str(period.start)), dt.date.fromisoformat(str(period.end))
    months = (end.year - begin.year) * 12 + end.month - begin.month
    if begin.day == 1 and end.day == 1:
        back = -_MONTHS_IN.get(str(unit), months)
        return period_of(_add_months(begin, back), _add_months(end, back))
    if unit in _MONTHS_IN:
        return period_of(_add_months(begin, -_MONTHS_IN[unit]), _add_months(end, -_MONTHS_IN[unit]))
    return period_of(begin - (end - begin), begin)


def after(period: Period, unit: str | None = None) -> Period:
    """The period of the same length that comes just after one; with ``unit``, so many months after it."""
    begin, end = dt.date.fromisoformat(str(period.start)), dt.date.fromisoformat(str(period.end))
    months = (end.year - begin.year) * 12 + end.month - begin.month
    if begin.day == 1 and end.day == 1:
        on = _MONTHS_IN.get(str(unit), months)
        return period_of(_add_months(begin, on), _add_months(end, on))
    return period_of(end, end + (end - begin))
