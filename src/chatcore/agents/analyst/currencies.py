"""Money of another currency than the costs are in. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.columns import CENTS
from chatcore.agents.analyst.request import Refusal

_SIGNS = {
    "$": r"\$|\b(?:usd|dollars?|bucks)\b",
    "€": r"€|\b(?:eur|euros?)\b",
    "£": r"£|\b(?:gbp|(?:british )?pounds?(?: sterling)?|sterling|quid)\b",
    "¥": r"¥|\b(?:jpy|yen|cny|rmb|yuan)\b",
    "CHF": r"\b(?:chf|(?:swiss )?francs?)\b",
    "₹": r"₹|\b(?:inr|rupees?)\b",
}
NO_RATE = "a rate of exchange"
"""What is missing where money of another currency is asked for."""


def other_currency(text: str, currency: str) -> str:
    """The currency that is spoken of, where the costs are of another; empty where it is the same or none."""
    return next((sign for sign, said in _SIGNS.items() if sign != currency and re.search(said, text)), "")


def no_rate(table: Table, asked: str, alternatives: Sequence[str]) -> Refusal:
    """Costs are in one currency, and ``asked``, an amount or the question itself, in another."""
    money = "cents" if table.currency == CENTS else table.currency
    why = "no rate of exchange is here to set one against the other"
    if table.currency == CENTS:
        why = "I tell them as they were recorded, and set them against no other money"
    return Refusal(
        reason="not_supported",
        text=f"The costs in `{table.name}` are in {money} and {asked}: {why}.",
        missing=(NO_RATE,),
        covered=table.covered,
        alternatives=tuple(alternatives),
    )


def several_currencies(column: Column, table: str) -> Refusal:
    """Costs that are not to be added up: they are in several currencies."""
    names = " and ".join(f"`{value}`" for value in column.values[:MOST_NAMED])
    return Refusal(
        reason="not_supported",
        text=f"The costs in `{table}` are in several currencies ({names}, by `{column.name}`): no rate of exchange is "
        "here to add them up. I tell those in one of them.",
        missing=(NO_RATE,),
        alternatives=tuple(f"What did we spend in {value}?" for value in column.values[:MOST_NAMED]),
    )


MOST_NAMED = 4
"""Currencies that are named one by one."""
