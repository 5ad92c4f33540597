"""The models of a price table, read from it once it is loaded. Blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from chatcore.agents.analyst.columns import Candidate
from chatcore.agents.analyst.pricebook.book import PriceBook, PriceKey, PriceRow
from chatcore.agents.analyst.pricebook.columns import PriceColumns, Rate, find_prices
from chatcore.agents.analyst.readings import identifier

MOST_ROWS = 20_000
"""The public lists have some thousands; what is larger is no list of prices."""

Fetch: TypeAlias = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]


def open_book(fetch: Fetch, table: str, columns: Sequence[Candidate], rows: int) -> PriceBook | None:
    """The prices of a table; None where it holds none.

    Args:
        fetch: runs a query.
        table: its name.
        columns: of it.
        rows: how many it has.
    """
    found = find_prices(table, columns)
    if found is None or rows > MOST_ROWS:
        return None
    return PriceBook(columns=found, rows=_rows(fetch, found))


def _rows(fetch: Fetch, columns: PriceColumns) -> tuple[PriceRow, ...]:
    """One row per seller and model, in the file's order."""
    optional = (columns.provider, columns.title, columns.rules, columns.tiers)
    provider, title, rules, tiers = (f"CAST({identifier(c)} AS VARCHAR)" if c else "NULL" for c in optional)
    sql = (
        f"SELECT {provider} AS provider, {identifier(columns.model)} AS model, any_value({title}), any_value({rules}), "
        f"bool_or({identifier(columns.rates[Rate.INPUT])} IS NOT NULL), "
        f"bool_or(lower({tiers}) IN ('1', 'true', 'yes', 't')), count(*) "
        f"FROM {identifier(columns.table)} WHERE {identifier(columns.model)} IS NOT NULL "
        "GROUP BY ALL ORDER BY min(rowid)"
    )
    return tuple(
        PriceRow(
            key=PriceKey(provider, model),
            title=title or "",
            rules=rules,
            priced=bool(priced),
            tiered=bool(tiered),
            conditions=conditions,
        )
        for provider, model, title, rules, priced, tiered, conditions in fetch(sql, {})
    )
