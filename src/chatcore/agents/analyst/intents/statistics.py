"""A column of numbers by itself: how high, how low, usual, in all."""

from __future__ import annotations

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    markdown_table,
    measured,
    noun_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.scope import (
    filter_words,
    implausible_query,
    implausible_words,
    nothing_there,
    period_words,
)
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import exact_sum, implausible, restriction, select

_TITLES = {
    "average": "average",
    "median": "median",
    "lowest": "lowest",
    "highest": "highest",
    "percentile": "95 % are at or below",
    "total": "total",
}


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """Everything at once, and the implausible rows if it is the cost."""
    table = table_of(intent, catalogue)
    column = table.named(str(intent.column))
    name, where = identifier(column.name), restriction(intent, table)
    columns = {
        "calls": "count(*)",
        "values": f"count({name})",
        "total": exact_sum(name, column.type),
        "average": f"{exact_sum(name, column.type)} / nullif(count({name}), 0)",
        "median": f"CAST(median({name}) AS DOUBLE)",
        "lowest": f"CAST(min({name}) AS DOUBLE)",
        "highest": f"CAST(max({name}) AS DOUBLE)",
        "percentile": f"CAST(quantile_disc({name}, 0.95) AS DOUBLE)",
        "percentile_percent": "95",
    }
    odd = implausible(table) if column.meaning is Meaning.COST else None
    if odd is not None:
        kept = f"{odd.sql} IS NOT TRUE"
        total = exact_sum(name, column.type, kept)
        columns |= {
            "values_without_implausible": f"count({name}) FILTER (WHERE {kept})",
            "total_without_implausible": total,
            "average_without_implausible": f"{total} / nullif(count({name}) FILTER (WHERE {kept}), 0)",
            "median_without_implausible": f"CAST(median({name}) FILTER (WHERE {kept}) AS DOUBLE)",
            "lowest_without_implausible": f"CAST(min({name}) FILTER (WHERE {kept}) AS DOUBLE)",
            "highest_without_implausible": f"CAST(max({name}) FILTER (WHERE {kept}) AS DOUBLE)",
            "percentile_without_implausible": f"CAST(quantile_disc({name}, 0.95) FILTER (WHERE {kept}) AS DOUBLE)",
        }
    sql = f"SELECT {select(columns)} FROM {identifier(table.name)} {where.where}"
    asked = [Query("totals", sql, {**where.parameters, **(odd.parameters if odd else {})})]
    return asked + (implausible_query(intent, catalogue) if column.meaning is Meaning.COST else [])


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The average and the median in a sentence, the rest in a table."""
    totals, table = sheets["totals"], table_of(intent, catalogue)
    if totals.cell("values").value == 0:
        return nothing_there(intent, catalogue)
    column = table.named(str(intent.column))

    def written(cell: Cell) -> str:
        return measured(column, cell, table.currency)

    scope = period_words(intent) + filter_words(intent.filters)
    average, median, lowest, highest = (
        written(totals.cell(name)) for name in ("average", "median", "lowest", "highest")
    )
    count = plural(totals.cell("values"), noun_of(table))
    odd = implausible_words(table, sheets.get("implausible"))
    header, kinds = ["", f"`{column.name}`"], [""]
    if odd and totals.has("highest_without_implausible"):
        header, kinds = [*header, "without implausible rows"], ["", "_without_implausible"]
        clean = [written(totals.cell(f"{name}_without_implausible")) for name in ("highest", "average")]
        without = f"; without implausible rows at most **{clean[0]}**, **{clean[1]}** on average"
    else:
        without = ""
    parts = [
        f"`{column.name}`{scope} lies between **{lowest}** and **{highest}**, with an average of **{average}** and a "
        f"median of **{median}**{without}, over {count} (`{table.name}`).\n\n",
        markdown_table(
            header,
            [[title, *(written(totals.cell(f"{key}{each}")) for each in kinds)] for key, title in _TITLES.items()],
        ),
    ]
    return Draft((*parts, f"\n{odd}") if odd else tuple(parts))


KIND = IntentKind("statistics", "A column of numbers: average, median, lowest, highest, total", queries, word)
