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
from chatcore.agents.analyst.sql import (
    Condition,
    aggregates,
    all_of,
    exact_sum,
    implausible,
    restriction,
    select,
    time_of,
    tokens_of,
)

SHOWN_CALLS = 10
"""Rows that are shown unless more or fewer were asked for."""

_SIDES = {Measure.INPUT_TOKENS: Meaning.INPUT_TOKENS, Measure.OUTPUT_TOKENS: Meaning.OUTPUT_TOKENS}
_NAMES = (Meaning.MODEL, Meaning.USER, Meaning.FEATURE)


class TopCalls(msgspec.Struct, frozen=True):
    """The options: whether implausible rows are left out."""

    plausible: bool = False


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The rows in order, how many there are in all, and which of them are implausible."""
    rows = _rows_query(intent, catalogue)
    together = [_together_query(rows, intent, catalogue)] if (intent.limit or 0) > 1 else []
    return [rows, totals_query(intent, catalogue), *implausible_query(intent, catalogue), *together]


def _together_query(rows: Query, intent: Intent, catalogue: Catalogue) -> Query:
    """What the rows that were asked for have together, and which part of the whole that is."""
    table, rank = table_of(intent, catalogue), _rank(intent)
    odd = implausible(table) if rank == "cost" else None
    plausible = "NOT implausible" if odd else ""
    columns = {rank: exact_sum(rank, "DECIMAL"), "shown": "count(*)"}
    columns |= {"cost_without_implausible": exact_sum(rank, "DECIMAL", plausible)} if odd else {}
    sums = aggregates(table)
    names = {"cost": "spend_without_implausible" if odd else "spend", "tokens": "tokens"}
    whole = sums[names.get(rank, rank)]
    where = restriction(intent, table)
    part = "cost_without_implausible" if odd else rank
    sql = (
        f"SELECT *, 100.0 * {part} / nullif((SELECT {whole} FROM {identifier(table.name)} {where.where}), 0) "
        f"AS share_percent FROM (SELECT {select(columns)} FROM ({rows.sql}))"
    )
    return Query("together", sql, {**rows.parameters, **(odd.parameters if odd else {})})


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
    parts += _together(intent, sheets, table.currency, noun)
    odd = implausible_words(table, sheets.get("implausible"))
    if odd:
        parts.append(f"{odd}\n")
    header = [name for name in rows.evidence.columns if name != "implausible"]
    parts.append(
        markdown_table(header, [[_written(name, row[name], table.currency) for name in header] for row in rows])
    )
    return Draft(tuple(parts), tuple(_insights(intent, sheets, table.currency)))


def _together(intent: Intent, sheets: Sheets, currency: str, noun: str) -> list[str]:
    """What the rows that were asked for have together."""
    sheet = sheets.get("together")
    if sheet is None or sheet.cell("shown").value <= 1 or sheet.cell(_rank(intent)).missing:
        return []
    amount, odd = _written(_rank(intent), sheet.cell(_rank(intent)), currency), ""
    of = "spend" if _rank(intent) == "cost" else "tokens"
    if intent.measure is Measure.COST and any(row["implausible"] for row in sheets["rows"] if "implausible" in row):
        clean = sheet.cell("cost_without_implausible").money(currency)
        amount, odd = f"{amount}** as recorded, **{clean}** without implausible rows**", ", implausible rows left out"
        amount = amount.removesuffix("**")
    else:
        amount = f"{amount}**"
    share = "" if sheet.cell("share_percent").missing else f": {sheet.cell('share_percent').percent} of all {of}{odd}"
    return [f"Together these {plural(sheet.cell('shown'), noun)} have **{amount}{share}.\n\n"]


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
