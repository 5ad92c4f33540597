"""What data there is: tables, how many rows, what period, and what each column is taken for."""

from __future__ import annotations

from chatcore.agents.analyst.catalogue import Catalogue, Origin, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query, Sheet
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, limits_of, listed, markdown_table, plural
from chatcore.agents.analyst.intents.scope import gap_query, gap_words
from chatcore.agents.analyst.readings import identifier, literal
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.sql import time_of

_ORIGINS = {
    Origin.ATTACHED: "attached",
    Origin.GENERATED: "generated from a seed, not real",
    Origin.RECORDS: "the server's own record",
}


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """One row a table."""
    each = " UNION ALL ".join(map(_counted, catalogue.tables))
    sql = f'SELECT *, count(*) OVER () AS tables, sum("rows") OVER () AS all_rows FROM ({each}) ORDER BY name'
    return [
        Query("tables", sql.replace('sum("rows") OVER ()', 'CAST(sum("rows") OVER () AS BIGINT)')),
        *gap_query(intent, catalogue),
    ]


def _counted(table: Table) -> str:
    time = time_of(table)
    first, last = (f"CAST({f}({time}) AS VARCHAR)" if time else "NULL" for f in ("min", "max"))
    return (
        f'SELECT {literal(table.name)} AS name, count(*) AS "rows", {first} AS "first", {last} AS "last" '
        f"FROM {identifier(table.name)}"
    )


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft:
    """All tables, and the columns of the one that is asked about or used first."""
    sheet, table = sheets["tables"], catalogue.table(intent.table)
    tables = plural(sheet.cell("tables"), "table")
    parts = [
        f"The data is {tables} with {plural(sheet.cell('all_rows'), 'row')}, {_ORIGINS[catalogue.origin]}.\n\n",
        _tables(sheet),
        f"\n{_columns(table)} {limits_of(table)}".rstrip() + "\n",
    ]
    return Draft(tuple(parts), (*_insights(table), *gap_words(sheets)))


def _tables(sheet: Sheet) -> str:
    rows = [[f"`{row['name']}`", row["rows"].count, *(_day(str(row[n])) for n in ("first", "last"))] for row in sheet]
    return markdown_table(["table", "rows", "from", "to"], rows)


def _day(moment: str) -> str:
    return moment[:10] if moment[:1].isdigit() else "–"


def _columns(table: Table) -> str:
    known = [f"`{c.name}` for the {c.meaning}" for c in table.columns if c.meaning is not Meaning.UNKNOWN]
    other = [f"`{c.name}`" for c in table.columns if c.meaning is Meaning.UNKNOWN]
    text = f"Of `{table.name}`, I take {listed(known)}." if known else f"Of `{table.name}`, no column is recognised."
    return text + (f" Its {'other ' if known else ''}columns are {listed(other)}." if other else "")


def _insights(table: Table) -> list[str]:
    if not table.covered_from or not table.covered_to:
        return []
    return [f"`{table.name}` covers {table.covered_from[:10]} to {table.covered_to[:10]}; times are UTC."]


KIND = IntentKind("description", "What tables and columns there are, and what they are taken for", queries, word)
