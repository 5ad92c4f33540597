"""Words of time."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcore.agents.analyst.periods import Calendar, before, find_periods, overlaps
from chatcore.agents.analyst.request import Period

MONTHS = tuple(
    f"{year}-{month:02}"
    for year, months in ((2024, (8, 10, 11, 12)), (2025, range(1, 7)), (2026, (2, 3, 4)))
    for month in months
)
KNOWN = Calendar(dt.date(2024, 8, 13), dt.date(2026, 4, 25), tuple(MONTHS))

ONE = {
    "in may 2025": ("2025-05-01", "2025-06-01"),
    "May 2025".lower(): ("2025-05-01", "2025-06-01"),
    "in may, 2025": ("2025-05-01", "2025-06-01"),
    "in sept. 2025": ("2025-09-01", "2025-10-01"),
    "2025-05": ("2025-05-01", "2025-06-01"),
    "2025-05-07": ("2025-05-07", "2025-05-08"),
    "2025-05-07 15:29:32": ("2025-05-07", "2025-05-08"),
    "7 may 2025": ("2025-05-07", "2025-05-08"),
    "on the 7th of may 2025": ("2025-05-07", "2025-05-08"),
    "may 7th, 2025": ("2025-05-07", "2025-05-08"),
    "q1 2025": ("2025-01-01", "2025-04-01"),
    "2025-q4": ("2025-10-01", "2026-01-01"),
    "the third quarter of 2025": ("2025-07-01", "2025-10-01"),
    "h2 2025": ("2025-07-01", "2026-01-01"),
    "first half of 2025": ("2025-01-01", "2025-07-01"),
    "in 2025": ("2025-01-01", "2026-01-01"),
    "between march and may 2025": ("2025-03-01", "2025-06-01"),
    "from 2025-01-05 to 2025-02-10": ("2025-01-05", "2025-02-11"),
    "from january 2025 until march 2025": ("2025-01-01", "2025-04-01"),
    "jan 2025 - mar 2025": ("2025-01-01", "2025-04-01"),
    "since march 2025": ("2025-03-01", None),
    "from march 2025 on": ("2025-03-01", None),
    "after 2025-05-07": ("2025-05-08", None),
    "before march 2025": (None, "2025-03-01"),
    "until march 2025": (None, "2025-04-01"),
    "the week of 2025-05-07": ("2025-05-05", "2025-05-12"),
    "yesterday": ("2026-04-24", "2026-04-25"),
    "today": ("2026-04-25", "2026-04-26"),
    "this month": ("2026-04-01", "2026-05-01"),
    "last month": ("2026-03-01", "2026-04-01"),
    "last week": ("2026-04-13", "2026-04-20"),
    "last quarter": ("2026-01-01", "2026-04-01"),
    "last year": ("2025-01-01", "2026-01-01"),
    "the last 30 days of data": ("2026-03-27", "2026-04-26"),
    "past two weeks": ("2026-04-12", "2026-04-26"),
    "last 3 months": ("2026-01-26", "2026-04-26"),
    "in may": ("2025-05-01", "2025-06-01"),
    "in september": ("2025-09-01", "2025-10-01"),
    "in december": ("2024-12-01", "2025-01-01"),
}


@pytest.mark.parametrize("words", ONE)
def test_words_are_one_period(words: str) -> None:
    (found,) = find_periods(f"what did we spend {words}?", KNOWN, apart=False)
    (period,) = found.choices
    assert (period.start, period.end) == ONE[words]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("april and may 2025", ["2025-04", "2025-05"]),
        ("2024 vs 2025", ["2024", "2025"]),
        ("from april to may 2025", ["2025-04", "2025-05"]),
        ("between q1 2025 and q2 2025", ["Q1 2025", "Q2 2025"]),
        ("march 2026 versus march 2025", ["2026-03", "2025-03"]),
    ],
)
def test_two_periods_stay_apart_in_a_comparison(words: str, names: list[str]) -> None:
    assert [found.choices[0].words for found in find_periods(words, KNOWN, apart=True)] == names


def test_a_month_of_several_years_is_ambiguous() -> None:
    (found,) = find_periods("in march", KNOWN, apart=False)
    assert [period.words for period in found.choices] == ["2025-03", "2026-03"]


def test_a_day_that_is_not_in_the_calendar_is_found_and_has_no_meaning() -> None:
    for words in ("on feb 30 2025", "on 31 june 2025", "from feb 30 2025 to march 2025", "2025-02-30"):
        assert any(not found.choices for found in find_periods(words, KNOWN, apart=False)), words


@pytest.mark.parametrize(
    "words", ["may i ask what we spent", "march on", "gpt-4-0613", "claude-3-5-sonnet-20240620", "20250507"]
)
def test_other_words_are_no_time(words: str) -> None:
    assert find_periods(words, KNOWN, apart=False) == []


def test_periods_outside_of_the_data_are_told() -> None:
    def period(start: str | None, end: str | None) -> Period:
        return Period(words="", start=start, end=end)

    assert overlaps(period("2026-04-25", "2026-05-01"), KNOWN)
    assert overlaps(period(None, "2024-08-14"), KNOWN)
    assert overlaps(period("2020-01-01", None), KNOWN)
    assert not overlaps(period("2026-04-26", None), KNOWN)
    assert not overlaps(period("2024-01-01", "2024-08-13"), KNOWN)


def test_the_period_before_has_the_same_length() -> None:
    def one(words: str) -> Period:
        return find_periods(words, KNOWN, apart=False)[0].choices[0]

    assert before(one("may 2025")).words == "2025-04"
    assert before(one("q1 2025")).words == "Q4 2024"
    assert before(one("2025-03-01")).words == "2025-02-28"
    assert before(one("last week")).words == "2026-04-06 to 2026-04-12"
    assert before(one("march 2026"), "year").words == "2025-03"


@settings(deadline=None)
@given(st.dates(dt.date(1999, 1, 1), dt.date(2090, 1, 1)))
def test_any_day_is_read_in_each_way_it_is_written(day: dt.date) -> None:
    ways = (f"{day:%Y-%m-%d}", f"{day:%B} {day.day}, {day.year}".lower(), f"{day.day} {day:%b} {day.year}".lower())
    for words in ways:
        (found,) = find_periods(f"spend on {words}?", KNOWN, apart=False)
        (period,) = found.choices
        assert (period.start, period.end) == (day.isoformat(), (day + dt.timedelta(days=1)).isoformat())


@settings(deadline=None)
@given(st.text(alphabet="0123456789- qhmayjun/.,lastbetween", max_size=40), st.booleans())
def test_no_words_break_it(text: str, apart: bool) -> None:
    for found in find_periods(text, KNOWN, apart=apart):
        assert 0 <= found.start < found.end <= len(text)
        for period in found.choices:
            assert period.start is None or period.end is None or period.start < period.end
