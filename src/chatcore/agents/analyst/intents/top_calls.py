"""The single rows that cost most, or have most tokens."""

from __future__ import annotations

import msgspec

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    code,
    markdown_table,
    noun_of,
    options_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.scope import (
    filter_words,
    implausible_query,
    implausible_words,
    nothing_there,
    period_words,
    totals_query,
)
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.sql import Condition, all_of, implausible, restriction, select, time_of, tokens_of

SHOWN_CALLS = 10
"""Rows that are shown unless more or fewer were asked for."""

_SIDES = {Measure.INPUT_TOKENS: Meaning.INPUT_TOKENS, Measure.OUTPUT_TOKENS: Meaning.OUTPUT_TOKENS}
_NAMES = (Meaning.MODEL, Meaning.USER, Meaning.FEATURE)


class TopCalls(msgspec.Struct, frozen=True):
    """The options: whether implausible rows are left out."""

    plausible: bool = False


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The rows in order, how many there are in all, and which of them are implausible."""
    return [_rows_query(intent, catalogue), totals_query(intent, catalogue), *implausible_query(intent, catalogue)]


def _rows_query(intent: Intent, catalogue: Catalogue) -> Query:
    table = table_of(intent, catalogue)
    odd, where, time = implausible(table), restriction(intent, table), time_of(table)
    if odd is not None and options_of(intent, TopCalls).plausible:
        where = all_of((where, Condition(f"{odd.sql} IS NOT TRUE", odd.parameters)))
    columns = {"time": f"CAST({time} AS VARCHAR)"} if time else {}
    cost, tokens = table.column(Meaning.COST), tokens_of(table)
    columns |= {"cost": identifier(cost.name)} if cost else {}
    columns |= {"tokens": tokens} if tokens else {}
    side = table.column(_SIDES[intent.measure]) if intent.measure in _SIDES else None
    columns |= {_rank(intent): identifier(side.name)} if side else {}
    columns |= {str(m): f"CAST({identifier(c.name)} AS VARCHAR)" for m in _NAMES if (c := table.column(m))}
    columns |= {"implausible": f"coalesce({odd.sql}, false)"} if odd else {}
    parameters = {**(odd.parameters if odd else {}), **where.parameters, "limit": intent.limit or SHOWN_CALLS}
    rank = _rank(intent)
    ties = ", ".join(identifier(name) for name in columns if name != rank)
    sql = (
        f"SELECT {select(columns)} FROM {identifier(table.name)} {where.where} "
        f"ORDER BY {rank} {'DESC' if intent.descending else 'ASC'} NULLS LAST, {ties} LIMIT $limit"
    )
    return Query("rows", sql, parameters)


def _rank(intent: Intent) -> str:
    """The column that the rows are in the order of."""
    if intent.measure is Measure.COST:
        return "cost"
    return str(intent.measure) if intent.measure in _SIDES else "tokens"


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The first row in a sentence, the rows in a table."""
    if sheets["totals"].cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    table, rows = table_of(intent, catalogue), sheets["rows"]
    first, noun = rows.row(0), noun_of(table)
    by_cost = intent.measure is Measure.COST
    figure = (
        first["cost"].money(table.currency) if by_cost else f"{plural(first[_rank(intent)], 'token')}{_way(intent)}"
    )
    adjective = (
        ("most expensive" if by_cost else "largest") if intent.descending else ("cheapest" if by_cost else "smallest")
    )
    facts = [str(first["time"])] if "time" in first else []
    facts += [f"on {code(first['model'])}"] if "model" in first else []
    scope = period_words(intent) + filter_words(intent.filters)
    scope += (
        ", implausible rows left out,"
        if options_of(intent, TopCalls).plausible and len(sheets.get("implausible", ()))
        else ""
    )
    total = plural(sheets["totals"].cell("calls"), noun)
    parts = [f"The {adjective} {noun}{scope} is **{figure}**: {' '.join(facts)} (of {total} in `{table.name}`).\n\n"]
    odd = implausible_words(table, sheets.get("implausible"))
    if odd:
        parts.append(f"{odd}\n")
    header = [name for name in rows.evidence.columns if name != "implausible"]
    parts.append(
        markdown_table(header, [[_written(name, row[name], table.currency) for name in header] for row in rows])
    )
    return Draft(tuple(parts), tuple(_insights(intent, sheets, table.currency)))


def _way(intent: Intent) -> str:
    return {Measure.INPUT_TOKENS: " in", Measure.OUTPUT_TOKENS: " out"}.get(intent.measure, "")


def _written(name: str, cell: Cell, currency: str) -> str:
    if cell.missing:
        return "–"
    if name == "cost" or name.endswith("tokens"):
        return cell.money(currency) if name == "cost" else cell.count
    return str(cell) if name == "time" else code(cell)


def _insights(intent: Intent, sheets: Sheets, currency: str) -> list[str]:
    rows = sheets["rows"]
    if not rows.has("implausible") or intent.measure is not Measure.COST:
        return []
    plausible = [i for i in range(len(rows)) if not rows.cell("implausible", i).value]
    if not plausible or plausible[0] == 0:
        return []
    first = rows.row(plausible[0])
    return [f"The most expensive plausible one cost {first['cost'].money(currency)}, at {first['time']}."]


KIND = IntentKind("top_calls", "The single calls that cost most or have most tokens", queries, word, options=TopCalls)
