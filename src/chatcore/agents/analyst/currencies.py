"""Money of another currency than the costs are in. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.columns import CENTS
from chatcore.agents.analyst.mentions import NamedValues
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


_SIGN_OF = {"USD": "$", "US$": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "¥", "CHF": "CHF", "INR": "₹"}


def named_currencies(text: str, table: Table) -> list[NamedValues]:
    """The currencies that a question asks to be told in, where a column of the table says which one each cost is in.

    Args:
        text: of the question, in lower case.
        table: that it is about.
    """
    column = table.currencies
    found = []
    for value in column.values if column else ():
        said = _SIGNS.get(_SIGN_OF.get(value.upper(), ""), rf"\b{re.escape(value.lower())}\b")
        match = re.search(rf"\b(?:in|only) (?:the |us )?(?:{said})", text) if value else None
        if match and column:
            found.append(NamedValues(match.start() + len("in "), match.end(), column, (value,), value))
    return found
