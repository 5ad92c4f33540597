"""A column of numbers by the values of another: which model is slowest, which solves most."""

from __future__ import annotations

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    code,
    markdown_table,
    measured,
    noun_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.groups import MAX_GROUPS, SHOWN_GROUPS
from chatcore.agents.analyst.intents.scope import filter_words, nothing_there, period_words
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import exact_sum, restriction, select


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The groups in the order of their averages, and how many values there are."""
    table = table_of(intent, catalogue)
    column, where = table.named(str(intent.column)), restriction(intent, table)
    name, by = identifier(column.name), identifier(str(intent.by))
    figures = {
        "average": f"{exact_sum(name, column.type)} / nullif(count({name}), 0)",
        "lowest": f"CAST(min({name}) AS DOUBLE)",
        "highest": f"CAST(max({name}) AS DOUBLE)",
        "calls": f"count({name})",
    }
    source = f"FROM {identifier(table.name)} {where.where}"
    ranked = (
        f"SELECT CAST({by} AS VARCHAR) AS {by}, {select(figures)} {source} GROUP BY {by} HAVING count({name}) > 0 "
        f"ORDER BY average {'DESC' if intent.descending else 'ASC'}, 1 NULLS LAST LIMIT $limit"
    )
    totals = f"SELECT count({name}) AS calls, count(DISTINCT {by}) FILTER (WHERE {name} IS NOT NULL) AS groups {source}"
    limit = intent.limit or MAX_GROUPS
    return [
        Query("groups", ranked, {**where.parameters, "limit": limit}),
        Query("totals", totals, where.parameters),
    ]


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The first group in a sentence, the groups in a table."""
    if sheets["totals"].cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    table, groups, by = table_of(intent, catalogue), sheets["groups"], str(intent.by)
    scope = period_words(intent) + filter_words(intent.filters)
    degree = "highest" if intent.descending else "lowest"
    first, column = groups.row(0), table.named(str(intent.column))

    def written(cell: Cell) -> str:
        return measured(column, cell, table.currency)

    count, different = plural(sheets["totals"].cell("calls"), noun_of(table)), sheets["totals"].cell("groups").count
    headline = (
        f"By `{by}`, {code(first[by])} has the {degree} average `{intent.column}`{scope}: "
        f"**{written(first['average'])}** (of {different} different, over {count} in `{table.name}`).\n\n"
    )
    titles = {"average": "average", "lowest": "lowest", "highest": "highest", "calls": f"{noun_of(table)}s"}
    shown = list(groups)[: intent.limit or SHOWN_GROUPS]
    rows = [[code(r[by]), *(written(r[name]) for name in list(titles)[:-1]), r["calls"].count] for r in shown]
    return Draft((headline, markdown_table([by, *titles.values()], rows)))


KIND = IntentKind("column_by", "A column of numbers by the values of another column", queries, word)
