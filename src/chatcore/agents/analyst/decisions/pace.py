"""What is spent a day, and whether the rows are enough to say what that comes to. Shared by budget and run rate. Pure.

No row on a day is not the same as no spend, so that nothing is projected from days of which some have no rows at all.
"""

from __future__ import annotations

import datetime as dt

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import Sheets, listed, plural, table_of
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.refusals import no_such_column, no_time
from chatcore.agents.analyst.request import Intent, Period, Refusal
from chatcore.agents.analyst.sql import all_of, during, exact_sum, filtered, implausible, parameters_of, time_of

LEAST_DAYS = 7
"""Fewer days do not even have every day of the week in them."""

USUAL_DAYS = 30
"""How many of the last days a rate is taken from where no period is named."""

MONTH_DAYS = 30
YEAR_DAYS = 365

NAMED_DAYS = 8
"""Days without rows that are named one by one."""


def window_of(period: Period | None, table: Table) -> Period | None:
    """The days that a rate is taken from: those of the period that the rows cover, or the last USUAL_DAYS.

    None where the rows have no time, or none in the period.
    """
    if table.first_day is None or table.last_day is None:
        return None
    end = table.last_day + dt.timedelta(days=1)
    start = max(table.first_day, end - dt.timedelta(days=USUAL_DAYS)) if period is None else table.first_day
    if period is not None and period.start is not None:
        start = max(start, dt.date.fromisoformat(period.start))
    if period is not None and period.end is not None:
        end = min(end, dt.date.fromisoformat(period.end))
    if start >= end:
        return None
    last = end - dt.timedelta(days=1)
    return Period(words=f"{start} to {last}", start=start.isoformat(), end=end.isoformat())


def clean_spend(table: Table) -> str:
    """SQL for the spend of some rows, implausible ones left out; 0 where there is none."""
    cost, odd = next(column for column in table.columns if column.meaning is Meaning.COST), implausible(table)
    return f"coalesce({exact_sum(identifier(cost.name), cost.type, f'{odd.sql} IS NOT TRUE' if odd else '')}, 0)"


def pace_queries(intent: Intent, catalogue: Catalogue, window: Period) -> list[Query]:
    """What is spent a day in the window, the days of it without rows, and days elsewhere that have none such."""
    table = table_of(intent, catalogue)
    return [_pace_query(intent, table, window), _missing_query(table, window), _whole_query(table)]


def _pace_query(intent: Intent, table: Table, window: Period) -> Query:
    time, source = time_of(table), identifier(table.name)
    inside, passing = during(window, time), filtered(intent.filters)
    where = all_of((inside, passing))
    days = (
        f"SELECT count(DISTINCT CAST({time} AS DATE)) AS days_with_rows FROM {source} {inside.where if inside else ''}"
    )
    sql = (
        "SELECT CAST($from AS VARCHAR) AS first_day, CAST(CAST($to AS DATE) - 1 AS VARCHAR) AS last_day, "
        "date_diff('day', CAST($from AS DATE), CAST($to AS DATE)) AS days, days_with_rows, "
        "days - days_with_rows AS days_without_rows, spend, spend / days AS spend_per_day, "
        f"{MONTH_DAYS} AS month_days, {MONTH_DAYS} * spend / days AS spend_per_month, "
        f"{YEAR_DAYS} AS year_days, {YEAR_DAYS} * spend / days AS spend_per_year, {LEAST_DAYS} AS least_days "
        f"FROM ({days}), (SELECT {clean_spend(table)} AS spend FROM {source} {where.where})"
    )
    return Query("pace", sql, {**where.parameters, **parameters_of(table)})


def _days(table: Table) -> str:
    """SQL for the days that have rows."""
    time = time_of(table)
    return f"SELECT DISTINCT CAST({time} AS DATE) AS day FROM {identifier(table.name)} WHERE {time} IS NOT NULL"


def _missing_query(table: Table, window: Period) -> Query:
    sql = (
        "SELECT CAST(day AS VARCHAR) AS day_without_rows FROM (SELECT CAST(unnest(generate_series("
        "CAST($from AS TIMESTAMP), CAST($to AS TIMESTAMP) - INTERVAL 1 DAY, INTERVAL 1 DAY)) AS DATE) AS day) "
        f"WHERE day NOT IN ({_days(table)}) ORDER BY 1"
    )
    return Query("missing_days", sql, {"from": window.start, "to": window.end})


def _whole_query(table: Table) -> Query:
    """The stretches of days that all have rows, and are enough: the longest first."""
    sql = (
        "SELECT CAST(min(day) AS VARCHAR) AS first_day, CAST(max(day) AS VARCHAR) AS last_day, count(*) AS days "
        f"FROM (SELECT day, day - CAST(row_number() OVER (ORDER BY day) AS INTEGER) AS stretch FROM ({_days(table)})) "
        f"GROUP BY stretch HAVING count(*) >= {LEAST_DAYS} ORDER BY days DESC, first_day LIMIT 2"
    )
    return Query("whole_stretches", sql)


def pace_fault(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Refusal | None:
    """Why nothing is projected from these days; None where they are enough, and each has rows."""
    table, pace = table_of(intent, catalogue), sheets["pace"]
    if pace.cell("days").value >= LEAST_DAYS and not pace.cell("days_without_rows"):
        return None
    days, missing = plural(pace.cell("days"), "day"), sheets["missing_days"]
    span = f"from {pace.cell('first_day')} to {pace.cell('last_day')}"
    if not pace.cell("days_without_rows"):
        text = f"`{table.name}` has only {days} {span}: too few to say what a month comes to."
        wanted: tuple[str, ...] = (f"at least {LEAST_DAYS} days with rows",)
    else:
        names = [str(row["day_without_rows"]) for row in missing][:NAMED_DAYS]
        others = ["others"] if len(missing) > NAMED_DAYS else []
        without = pace.cell("days_without_rows").count
        text = (
            f"`{table.name}` has no rows on {without} of the {days} {span} ({listed([*names, *others])}). No rows "
            "is not the same as no spend, so that I do not project from these days."
        )
        wanted = tuple(f"rows on {name}" for name in names)
    return Refusal(
        reason="no_rows", text=text, missing=wanted, covered=table.covered, alternatives=_alternatives(sheets)
    )


def _alternatives(sheets: Sheets) -> tuple[str, ...]:
    stretches = [(str(row["first_day"]), str(row["last_day"])) for row in sheets["whole_stretches"]]
    first, last = (str(sheets["pace"].cell(name)) for name in ("first_day", "last_day"))
    spent = f"What did we spend {f'on {first}' if first == last else f'from {first} to {last}'}?"
    return (*(f"What was the run rate from {begin} to {end}?" for begin, end in stretches), spent)


def paced_table_fault(table: Table, reading: Reading) -> Refusal | None:
    """Why a table tells no pace: it has no cost, or no time."""
    if not table.has(Meaning.COST):
        return no_such_column("cost", table, reading.catalogue)
    return no_time(table, reading) if table.first_day is None else None
