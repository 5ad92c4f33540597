"""The models of a price table, read from it once it is loaded. Blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from chatcore.agents.analyst.columns import Candidate
from chatcore.agents.analyst.pricebook.book import PriceBook, PriceKey, PriceRow
from chatcore.agents.analyst.pricebook.columns import PriceColumns, Rate, find_prices
from chatcore.agents.analyst.pricebook.nested import has_prices, is_nested, nested_columns
from chatcore.agents.analyst.readings import identifier

MOST_ROWS = 20_000
"""The public lists have some thousands; what is larger is no list of prices."""

Fetch: TypeAlias = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]


def open_books(fetch: Fetch, tables: Mapping[str, Sequence[Candidate]]) -> tuple[PriceBook, ...]:
    """The price tables among all tables; those nested in JSON give the tiers, or stand alone where no other is there.

    Args:
        fetch: runs a query.
        tables: the columns of each table.
    """
    nested = [name for name, columns in tables.items() if is_nested(columns) and _is_priced(fetch, name)]
    flat = [found for name, columns in tables.items() if (found := find_prices(name, columns)) and _fits(fetch, name)]
    tiers = nested[0] if nested else None
    columns = flat or [nested_columns(name) for name in nested]
    return tuple(PriceBook(columns=each, rows=_rows(fetch, each), tiers=tiers) for each in columns)


def _fits(fetch: Fetch, table: str) -> bool:
    ((count,),) = fetch(f"SELECT count(*) FROM {identifier(table)}", {})
    return bool(count <= MOST_ROWS)


def _is_priced(fetch: Fetch, table: str) -> bool:
    found = fetch(f"SELECT models FROM {identifier(table)} WHERE models IS NOT NULL LIMIT 1", {})
    return bool(found) and has_prices(found[0][0]) and _fits(fetch, table)


def _rows(fetch: Fetch, columns: PriceColumns) -> tuple[PriceRow, ...]:
    """One row per seller and model, in the file's order."""
    optional = (columns.provider, columns.title, columns.rules, columns.tiers)
    provider, title, rules, tiers = (f"CAST({identifier(c)} AS VARCHAR)" if c else "NULL" for c in optional)
    sql = (
        f"SELECT {provider} AS provider, {identifier(columns.model)} AS model, any_value({title}), any_value({rules}), "
        f"bool_or({identifier(columns.rates[Rate.INPUT])} IS NOT NULL), "
        f"bool_or(lower({tiers}) IN ('1', 'true', 'yes', 't')), count(*) "
        f"FROM {columns.source} WHERE {identifier(columns.model)} IS NOT NULL "
        f"GROUP BY ALL ORDER BY min({columns.order})"
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
