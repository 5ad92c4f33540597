"""What an answer says about what it covers: period, filters, rows that are implausible, months without rows."""

from __future__ import annotations

from collections.abc import Sequence

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query, Sheet
from chatcore.agents.analyst.intents.base import Sheets, listed, plural, table_of
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Filter, Intent, Measure, Period, Refusal
from chatcore.agents.analyst.sql import (
    Condition,
    aggregates,
    all_of,
    during,
    implausible,
    parameters_of,
    ratio,
    restriction,
    select,
    time_of,
    tokens_of,
)

NAMED_ROWS = 5
"""Implausible rows that are named one by one."""

NAMED_MONTHS = 8
"""Months without rows that are named one by one."""

RATIOS = (Measure.COST_PER_CALL, Measure.COST_PER_MILLION_TOKENS, Measure.TOKENS_PER_CALL)
"""Quotients that stand beside every sum; others only where they are asked for."""


def totals_query(
    intent: Intent, catalogue: Catalogue, distinct: str | None = None, also: Condition | None = None
) -> Query:
    """Everything that is summed, over the rows that are asked for; with ``distinct``, how many values it has.

    Args:
        intent: what is asked.
        catalogue: what there is.
        distinct: a column.
        also: what else must hold of a row.
    """
    table = table_of(intent, catalogue)
    columns = aggregates(table)
    cost, time = table.column(Meaning.COST), time_of(table)
    if cost is not None:
        columns["zero_cost_calls"] = f"count(*) FILTER (WHERE {identifier(cost.name)} = 0)"
    if time is not None:
        columns |= {"first": f"CAST(min({time}) AS VARCHAR)", "last": f"CAST(max({time}) AS VARCHAR)"}
    if distinct is not None:
        columns["groups"] = f"count(DISTINCT {identifier(distinct)})"
    where = all_of((restriction(intent, table), also))
    inner = f"SELECT {select(columns)} FROM {identifier(table.name)} {where.where}"
    return Query(
        "totals",
        f"SELECT *{ratios_of(table, intent.measure)} FROM ({inner})",
        {**parameters_of(table), **where.parameters},
    )


def ratios_of(table: Table, asked: Measure) -> str:
    """SQL for the quotients that a table allows, each after a comma."""
    sums = aggregates(table)
    needs = {
        Measure.COST_PER_CALL: ("spend",),
        Measure.COST_PER_MILLION_TOKENS: ("spend", "tokens"),
        Measure.TOKENS_PER_CALL: ("tokens",),
        Measure.INPUT_TOKENS_PER_CALL: ("input_tokens",),
        Measure.OUTPUT_TOKENS_PER_CALL: ("output_tokens",),
    }
    wanted = [each for each in needs if each in RATIOS or each is asked]
    known = {each: ratio(each, table) for each in wanted if all(name in sums for name in needs[each])}
    return "".join(f", {sql} AS {identifier(name)}" for name, sql in known.items())


def currency_beside(table: Table, besides: str = "") -> tuple[str, dict[str, str]]:
    """SQL, after a comma, for the sign of the costs' currency, and what it binds; nothing where no name tells one.

    Args:
        table: whose costs.
        besides: a column of the same query, which may be called so itself.
    """
    if not table.currency or besides.lower() == "currency":
        return "", {}
    return ", $currency AS currency", {"currency": table.currency}


def implausible_query(intent: Intent, catalogue: Catalogue, also: Condition | None = None) -> list[Query]:
    """The implausible rows among those that are asked for, dearest first; no query where the table has none."""
    table = table_of(intent, catalogue)
    odd, cost = implausible(table), table.column(Meaning.COST)
    if odd is None or cost is None or table.usual_cost is None:
        return []
    name, tokens, time, model = identifier(cost.name), tokens_of(table), time_of(table), table.column(Meaning.MODEL)
    columns = {"cost": name, "times_the_usual": f"{name} / (coalesce({tokens or '1'}, 1) * $usual_cost)"}
    if tokens is not None:
        columns["tokens"] = tokens
    if model is not None:
        columns["model"] = identifier(model.name)
    if time is not None:
        columns["time"] = f"CAST({time} AS VARCHAR)"
    where = all_of((odd, restriction(intent, table), also))
    sql = (
        f"SELECT {select(columns)} FROM {identifier(table.name)} {where.where} "
        f"ORDER BY {', '.join(f'{position} DESC' for position in range(1, len(columns) + 1))} LIMIT {NAMED_ROWS}"
    )
    return [Query("implausible", sql, where.parameters)]


def implausible_words(table: Table, sheet: Sheet | None) -> str:
    """A sentence for each implausible row; empty where there is none."""
    if sheet is None or not len(sheet):
        return ""
    lines = []
    for row in sheet:
        facts = [str(row["time"])] if "time" in row else []
        facts += [plural(row["tokens"], "token")] if "tokens" in row else []
        facts += [row["cost"].money(table.currency)]
        unit = "token" if "tokens" in row else "row"
        lines.append(f"- {', '.join(facts)}: {row['times_the_usual'].count} times what a {unit} usually costs")
    return "Implausible, and left in the raw figures only:\n\n" + "\n".join(lines) + "\n"


def gap_query(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The months within the table's time, or within one period of it, that have no rows; no query where none is."""
    table = table_of(intent, catalogue)
    time = time_of(table)
    if time is None or len(intent.periods) > 1 or not _missing_in(intent.period, table):
        return []
    within = during(intent.period, "month")
    also = f" AND {within.sql}" if within and within.sql else ""
    sql = (
        "SELECT strftime(month, '%Y-%m') AS month FROM (SELECT unnest(generate_series("
        f"date_trunc('month', min({time})), date_trunc('month', max({time})), INTERVAL 1 MONTH)) AS month "
        f"FROM {identifier(table.name)}) WHERE month NOT IN (SELECT date_trunc('month', {time}) "
        f"FROM {identifier(table.name)} WHERE {time} IS NOT NULL){also} ORDER BY 1"
    )
    return [Query("gaps", sql, within.parameters if within else {})]


def _missing_in(period: Period | None, table: Table) -> list[str]:
    """The months without rows that begin within a period."""
    missing = missing_months(table)
    if period is None:
        return missing
    begins = [f"{month}-01" for month in missing]
    return [day for day in begins if (period.start or day) <= day and (period.end is None or day < period.end)]


def missing_months(table: Table) -> list[str]:
    """The months between a table's first and last that have no rows, as ``2025-09``."""
    if not table.months:
        return []
    (year, month), last = (int(part) for part in table.months[0].split("-")), table.months[-1]
    missing = []
    while (name := f"{year:04}-{month:02}") < last:
        if name not in table.months:
            missing.append(name)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return missing


def gap_words(sheets: Sheets) -> list[str]:
    """What the months without rows mean."""
    sheet = sheets.get("gaps")
    if sheet is None or not len(sheet):
        return []
    months = [str(row["month"]) for row in sheet][:NAMED_MONTHS]
    more = " and others" if len(sheet) > NAMED_MONTHS else ""
    return [f"There are no rows for {listed(months)}{more}; no rows is not the same as no spend."]


def period_words(intent: Intent) -> str:
    """The period, as it follows a noun: `` in 2025-05``; empty where none is asked for."""
    return f" {_when(intent.period)}" if intent.period else ""


def _when(period: Period) -> str:
    if period.start is None or period.end is None:
        return period.words
    if " to " in period.outline:
        return f"from {period.words}"
    return f"{'on' if len(period.outline) == len('2025-05-07') else 'in'} {period.words}"


def relative_words(intent: Intent, table: Table) -> list[str]:
    """What words like ``last month`` were counted from."""
    if not any(period.relative for period in intent.periods) or table.last_day is None:
        return []
    return [f"Such a period is counted from the last day of the data, {table.last_day}."]


def filter_words(filters: Sequence[Filter]) -> str:
    """The filters, as they follow a noun; each names its column."""
    return "".join(_filter_words(each) for each in filters)


def _filter_words(each: Filter) -> str:
    relation = "is not" if each.exclude else "is"
    if each.values == [""]:
        return f" where `{each.column}` {relation} empty"
    if each.maker is not None:
        return f"{' without' if each.exclude else ' for'} the models made by `{each.maker}`"
    if len(each.values) == 1:
        return f" where `{each.column}` {relation} `{each.values[0]}`"
    relation = "does not contain" if each.exclude else "contains"
    return f" where `{each.column}` {relation} `{each.words}`"


def nothing_there(intent: Intent, catalogue: Catalogue) -> Refusal:
    """No row passes: not an amount of zero, but no answer."""
    table = table_of(intent, catalogue)
    scope = period_words(intent) + filter_words(intent.filters)
    text = f"`{table.name}` has no rows{scope}. That says nothing about what was spent: no rows is not zero."
    missing = [period.words for period in intent.periods] + [each.words for each in intent.filters]
    return Refusal(
        reason="no_rows",
        text=text,
        missing=tuple(missing),
        covered=table.covered,
        alternatives=tuple(_nearby(intent, table)),
    )


def _nearby(intent: Intent, table: Table) -> list[str]:
    """Questions like the one asked that have rows."""
    noun = "How many calls were there" if intent.measure is Measure.CALLS else "What did we spend"
    if not table.has(Meaning.COST):
        noun = "How many calls were there"
    period = intent.period
    if period is None or period.start is None or not table.months:
        return [f"{noun} in total?"]
    partly = [period.start[:7]] if period.start[:7] in table.months else []
    before = [month for month in table.months if month < period.start[:7]][-1:]
    after = [month for month in table.months if month > period.start[:7]][:1]
    return [f"{noun} in {month}?" for month in (*partly, *before, *after)] + [f"{noun} in total?"]
