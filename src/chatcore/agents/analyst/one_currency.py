"""Costs of several currencies in one column: they are told apart and never added up. Pure.

Where the rows that are asked for are all of one currency, the answer is told in it. Where they are of several, what
counts rows or tokens is told without costs, costs by the currency are told beside each other, and any other is refused.
"""

from __future__ import annotations

import attrs

from chatcore.agents.analyst.catalogue import Catalogue, Column, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.intents.base import listed
from chatcore.agents.analyst.request import Intent, Measure, Refusal

_COUNTED = frozenset(
    {
        "total", "by", "trend", "cross", "distinct", "versus", "compare", "top_calls", "clock", "average_per",
        "leaders", "groups_beyond", "odd_days", "column_by", "statistics",
    }
)  # fmt: skip
"""Kinds that may be asked of counts and tokens alone."""
_WITHOUT_COST = frozenset(
    {
        "coverage", "description", "quality", "token_ratio", "errors", "peak", "price_lookup", "price_history",
        "workload_price", "list_cost", "cost_on_models", "swap", "route", "cap", "batch", "cache_ceiling",
        "prefix_cache", "off_peak", "savings_plan",
    }
)  # fmt: skip
"""Kinds that say something of rows without costs too, as of their tokens at list prices."""
_OF_COUNTS = frozenset(
    {
        Measure.CALLS, Measure.TOKENS, Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS, Measure.TOKENS_PER_CALL,
        Measure.INPUT_TOKENS_PER_CALL, Measure.OUTPUT_TOKENS_PER_CALL,
    }
)  # fmt: skip
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "US$": "$", "$": "$", "€": "€", "£": "£"}


def told_in_one(intent: Intent, catalogue: Catalogue) -> Catalogue:
    """The catalogue in which an intent's table has costs of one currency, or none.

    Args:
        intent: that :func:`mixed_currencies` finds nothing against.
        catalogue: what there is.
    """
    table = catalogue.table(intent.table)
    column = table.currencies
    if column is None or not table.has(Meaning.COST):
        return catalogue
    asked = _asked(intent, column)
    if len(asked) == 1:
        return _with(catalogue, attrs.evolve(table, told_in=_sign(asked[0])))
    counts = intent.measure in _OF_COUNTS or intent.kind in _WITHOUT_COST
    return _with(catalogue, _costless(table) if counts else attrs.evolve(table, told_in=""))


def mixed_currencies(intent: Intent, catalogue: Catalogue, question: str = "") -> Refusal | None:
    """Why costs are not added up; None where they may be.

    Args:
        intent: what is asked.
        catalogue: what there is.
        question: as it was put, for others like it.
    """
    table = catalogue.table(intent.table)
    column = table.currencies
    if column is None or not table.has(Meaning.COST) or len(asked := _asked(intent, column)) <= 1:
        return None
    counts = (intent.kind in _COUNTED and intent.measure in _OF_COUNTS) or intent.kind in _WITHOUT_COST
    if counts or (intent.kind == "by" and intent.by == column.name):
        return None
    text = question.strip(" ?.!") or "What did we spend"
    return Refusal(
        reason="ambiguous",
        text=f"The costs in `{table.name}` are in {listed([f'`{each}`' for each in asked])}, as `{column.name}` says, "
        "and no rate of exchange is here to add them up: which currency is meant?",
        missing=("one currency",),
        covered=table.covered,
        alternatives=(*(f"{text} in {each}?" for each in asked), f"Spend by {column.name}"),
    )


def _asked(intent: Intent, column: Column) -> list[str]:
    """The currencies of the rows that are asked for."""
    known = [each for each in column.values if each]
    for each in intent.filters:
        if each.column == column.name:
            known = [value for value in known if (value in each.values) is not each.exclude]
    return known


def _sign(currency: str) -> str:
    return _SIGNS.get(currency.upper(), f"{currency} ")


def _costless(table: Table) -> Table:
    """The table as if nothing were known of its costs."""
    columns = tuple(
        attrs.evolve(each, meaning=Meaning.UNKNOWN) if each.meaning is Meaning.COST else each for each in table.columns
    )
    return attrs.evolve(table, columns=columns, usual_cost=None, implausible=0)


def _with(catalogue: Catalogue, table: Table) -> Catalogue:
    tables = tuple(table if each.name == table.name else each for each in catalogue.tables)
    return attrs.evolve(catalogue, tables=tables)
