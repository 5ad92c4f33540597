"""The tool that looks up a price: for an agent that has the model's name and no question in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey
from chatcore.agents.analyst.prices.listed import MOST_MODELS, LookupOptions, prices_query, tiers_query
from chatcore.agents.analyst.prices.naming import nearest, resolve
from chatcore.agents.analyst.request import Period
from chatcore.agents.analyst.running import run_queries
from chatcore.agents.tools import Tool, ToolError, ToolResult
from chatcore.protocol.messages import Evidence

PRICE_LOOKUP = "price_lookup"


class PriceLookup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``price_lookup`` takes."""

    model: Annotated[str, Meta(max_length=200, description="The model's name, as it is called in usage or price data.")]
    seller: Annotated[str | None, Meta(description="Who sells it, where that matters.")] = None
    on: Annotated[dt.date | None, Meta(description="The day, YYYY-MM-DD; all prices that are known where absent.")] = (
        None
    )


def price_tool(ledger: Ledger) -> Tool[PriceLookup]:
    """The tool over the price tables of one ledger."""
    description = "Looks up a model's list prices per million tokens: rates, dates, times of the day, tiers"
    return Tool(PRICE_LOOKUP, description, PriceLookup, _price_lookup(ledger))


def _price_lookup(ledger: Ledger) -> Callable[[PriceLookup], Awaitable[ToolResult]]:
    ids = (f"p{number}" for number in count(1))

    async def price_lookup(asked: PriceLookup) -> ToolResult:
        if not ledger.catalogue.price_books:
            raise ToolError(PRICE_LOOKUP, "no table that is attached has list prices")
        book = ledger.catalogue.price_books[0]
        keys = _keys(asked, book)
        options = LookupOptions(keys)
        queries = [prices_query(book, options, _day(asked)), *tiers_query(book, options)]
        found = await run_queries(ledger, PRICE_LOOKUP, queries, ids)
        value = {name: _records(evidence) for name, evidence in found.items()}
        return ToolResult(value, f"{len(value['prices'])} prices of {asked.model}", tuple(found.values()))

    return price_lookup


def _keys(asked: PriceLookup, book: PriceBook) -> list[PriceKey]:
    """The models that the name means.

    Raises:
        ToolError: it means none or several; names those that are near.
    """
    seller = book.seller(asked.seller.lower()) if asked.seller else None
    if asked.seller and seller is None:
        raise ToolError(PRICE_LOOKUP, f"no seller is called {asked.seller!r}")
    rows, clear = resolve(asked.model.lower().split(), book, seller)
    if not rows or not clear:
        near = ", ".join(str(row.key) for row in (rows or nearest(asked.model, book))[:MOST_MODELS])
        fault = "can be one of several models" if rows else "has no price"
        raise ToolError(PRICE_LOOKUP, f"{asked.model!r} {fault}; near it: {near or 'none'}")
    return [row.key for row in rows][:MOST_MODELS]


def _day(asked: PriceLookup) -> Period | None:
    if asked.on is None:
        return None
    return Period(words=str(asked.on), start=str(asked.on), end=str(asked.on + dt.timedelta(days=1)))


def _records(evidence: Evidence) -> list[dict[str, Any]]:
    return [dict(zip(evidence.columns, row, strict=True)) for row in evidence.rows]
