"""Several names side by side: one model, family, user or feature against another."""

from __future__ import annotations

import attrs

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents import groups
from chatcore.agents.analyst.intents.base import MEASURED, Draft, IntentKind, Sheets, code, listed, table_of, written
from chatcore.agents.analyst.intents.groups import Ranking
from chatcore.agents.analyst.intents.scope import filter_words, implausible_query, period_words, ratios_of, totals_query
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Filter, Intent, Refusal
from chatcore.agents.analyst.sql import aggregates, all_of, during, parameters_of, passes, select, time_of

_TWO = 2


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """A row for each name, and the totals of all of them together."""
    together, sides = _together(intent), _sides_query(intent, catalogue)
    return [
        sides,
        *_difference_query(sides, intent, catalogue),
        totals_query(together, catalogue, distinct=intent.by),
        *implausible_query(together, catalogue),
    ]


def _difference_query(sides: Query, intent: Intent, catalogue: Catalogue) -> list[Query]:
    """How much more the one of two names has than the other."""
    if len(intent.sides) != _TWO:
        return []
    column = _compared(intent, catalogue)
    figures = f"min({column}) AS less, max({column}) AS more, max({column}) - min({column}) AS {column}"
    percent = f"100.0 * {column} / nullif(less, 0) AS more_percent"
    sql = f"SELECT {column}, {percent} FROM (SELECT {figures} FROM ({sides.sql})) WHERE less IS NOT NULL"
    return [Query("difference", sql, sides.parameters)]


def _compared(intent: Intent, catalogue: Catalogue) -> str:
    column = MEASURED[intent.measure].column
    clean = column == "spend" and table_of(intent, catalogue).implausible > 0
    return "spend_without_implausible" if clean else column


def _difference(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> str:
    """The difference in a sentence; empty where there are not two figures."""
    sheet = sheets.get("difference")
    figures = [row[_compared(intent, catalogue)] for row in sheets["groups"]]
    if not sheet or len(figures) != _TWO or any(cell.missing for cell in figures):
        return ""
    column, currency = _compared(intent, catalogue), table_of(intent, catalogue).currency
    more = max(range(_TWO), key=lambda i: figures[i].value)
    one, other = (sheets["groups"].cell(str(intent.by), i) for i in (more, 1 - more))
    percent = "" if sheet.cell("more_percent").missing else f" ({sheet.cell('more_percent').percent})"
    odd = ", implausible rows left out" if sheets.get("implausible") and column.startswith("spend") else ""
    amount = written(column, sheet.cell(column), currency)
    return f"{code(one)} has **{amount}** more than {code(other)}{percent}{odd}.\n\n"


def _together(intent: Intent) -> Intent:
    """The same rows, as one restriction."""
    values = list(dict.fromkeys(value for each in intent.sides for value in each.values))
    words = " or ".join(each.words for each in intent.sides)
    filters = [Filter(column=str(intent.by), values=values, words=words), *intent.beside]
    return Intent(kind="by", table=intent.table, measure=intent.measure, periods=intent.periods, filters=filters)


def _sides_query(intent: Intent, catalogue: Catalogue) -> Query:
    table = table_of(intent, catalogue)
    sides, parameters = [], dict(parameters_of(table))
    beside = [passes(each, number) for number, each in enumerate(intent.beside, len(intent.sides) + 1)]
    for number, each in enumerate(intent.sides, 1):
        where = all_of((during(intent.period, time_of(table)), passes(each, number), *beside))
        name = f"$side_{number} AS {identifier(str(intent.by))}"
        sums = select(aggregates(table))
        sides.append(f"SELECT {name}, {sums} FROM {identifier(table.name)} {where.where} HAVING count(*) > 0")
        parameters |= {**where.parameters, f"side_{number}": each.words}
    rank = identifier(MEASURED[intent.measure].column)
    order = "DESC" if intent.descending else "ASC"
    ratios = ratios_of(table, intent.measure)
    sql = f"SELECT *{ratios} FROM ({' UNION ALL '.join(sides)}) ORDER BY {rank} {order} NULLS LAST, 1"
    return Query("groups", sql, parameters)


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The first in a sentence, all in a table."""
    if not len(sheets["groups"]):
        return groups.word(_together(intent), catalogue, sheets)
    drawn = Ranking(intent, table_of(intent, catalogue), sheets).draft()
    head, *rest = drawn.parts
    parts = (head, *filter(None, [_difference(intent, catalogue, sheets)]), *rest)
    return attrs.evolve(drawn, parts=parts, insights=(*_without_rows(intent, sheets), *drawn.insights))


def _without_rows(intent: Intent, sheets: Sheets) -> list[str]:
    """The names that no row has: they are not in the table, and that is not the same as zero."""
    present = {str(row[str(intent.by)].value) for row in sheets["groups"]}
    absent = [f"`{each.words}`" for each in intent.sides if each.words not in present]
    scope = period_words(intent) + filter_words(intent.beside)
    return [f"No rows{scope} for {listed(absent)}: no rows is not zero."] if absent else []


KIND = IntentKind("versus", "Several names side by side", queries, word)
