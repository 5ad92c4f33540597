"""The calls that a saving is worked out over: paid, plausible and covered by a list price. Pure.

What is compared is list price with list price: what a call costs by the list of its day, and what it would cost. What
was logged stands beside. A call that was logged at nothing has nothing to save; it is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import table_of
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey
from chatcore.agents.analyst.prices.pricing import calls_of, part_of, price_lists, priced_calls
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.refusals import groupings, suggestions
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import Condition, all_of, exact_sum, implausible, restriction, select, time_of

NAMED_MODELS = 6
"""Models without a price that are named one by one."""


@attrs.frozen
class Priced:
    """A table of usage and the list prices for it.

    Args:
        table: of the calls.
        book: the prices.
    """

    table: Table
    book: PriceBook

    @property
    def model(self) -> str:
        """SQL for the name of a call's model."""
        column = self.table.column(Meaning.MODEL)
        return f"CAST({identifier(column.name)} AS VARCHAR)" if column else "NULL"

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that were called."""
        column = self.table.column(Meaning.MODEL)
        return column.values if column else ()

    @property
    def cost(self) -> str | None:
        """SQL for what was logged; None where nothing was."""
        column = self.table.column(Meaning.COST)
        return identifier(column.name) if column else None

    @property
    def logged_alike(self) -> bool:
        """Whether what was logged is in the money of the prices, as far as their names tell."""
        return self.table.currency in ("", self.book.columns.currency)

    def matches(self, *others: str) -> Mapping[str, PriceKey]:
        """What the price of each model is found by, and of others that calls may be priced as."""
        return self.book.matches((*self.models, *others))

    def paid(self, intent: Intent) -> Condition:
        """Where a call is asked for, was paid and is plausible."""
        odd = implausible(self.table)
        plausible = Condition(f"{odd.sql} IS NOT TRUE", odd.parameters) if odd else None
        paid = Condition(f"{self.cost} > 0") if self.cost else None
        return all_of((restriction(intent, self.table), plausible, paid))

    def start(self, intent: Intent, *others: str) -> Condition:
        """The start of a query: ``lists`` of the prices, and ``base``, a row per paid call that has a list price.

        The columns of ``base``: ``call``, ``model``, ``logged``, ``called_at`` where there is a time, ``part`` where
        it is split by something else than the model, and those of ``priced_calls``.
        """
        time, matches = time_of(self.table), self.matches(*others)
        keep = {
            "call": "rowid",
            "model": self.model,
            "logged": self.cost if self.cost and self.logged_alike else "CAST(NULL AS DOUBLE)",
        }
        keep |= {"called_at": time} if time else {}
        keep |= {"part": part} if (part := part_of(intent, self.table)) else {}
        calls = calls_of(self.table, self.paid(intent), keep, name=self.model)
        priced = priced_calls(calls, self.book, matches, lists="lists")
        sql = (
            f"WITH lists AS MATERIALIZED ({price_lists(self.book, matches).sql}), "
            f"base AS MATERIALIZED (SELECT * FROM ({priced.sql}) WHERE list_cost IS NOT NULL)"
        )
        return Condition(sql, priced.parameters)


def can_be_priced(table: Table) -> bool:
    """Whether it has what a price is found and worked out by."""
    return table.has(*_NEEDED)


_NEEDED = (Meaning.MODEL, Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS)


def find_priced(catalogue: Catalogue, table: Table) -> Priced | Refusal:
    """The prices of a table's calls, or what is missing to have them."""
    lacking = [meaning for meaning in _NEEDED if not table.has(meaning)]
    if lacking:
        return Refusal(
            reason="no_such_column",
            text=f"To price the calls of `{table.name}` I need their model and tokens; it has no column of "
            f"{' or '.join(map(str, lacking))}.",
            missing=tuple(map(str, lacking)),
            alternatives=tuple(groupings(table)[:2]) or suggestions(catalogue),
        )
    if not catalogue.price_books:
        return Refusal(
            reason="no_such_column",
            text="No table here holds list prices, so that I cannot say what a call would cost otherwise. Attach one "
            "with a model and its price per million tokens in and out.",
            missing=("list prices",),
            alternatives=tuple(groupings(table)[:2]) or suggestions(catalogue),
        )
    return Priced(table, catalogue.price_books[0])


def priced_of(intent: Intent, catalogue: Catalogue) -> Priced | None:
    """The prices of an intent's calls; None where they cannot be priced."""
    found = find_priced(catalogue, table_of(intent, catalogue))
    return found if isinstance(found, Priced) else None


def scope_queries(intent: Intent, priced: Priced) -> list[Query]:
    """How many calls are asked for and how many are left out, and the models that no price covers."""
    return [_scope_query(intent, priced), _unpriced_query(intent, priced)]


def _scope_query(intent: Intent, priced: Priced) -> Query:
    where, odd, cost = restriction(intent, priced.table), implausible(priced.table), priced.cost
    columns = {"calls": "count(*)"}
    if cost is not None:
        columns["unpaid_calls"] = f"count(*) FILTER (WHERE coalesce({cost}, 0) <= 0)"
        clean = f"{odd.sql} IS NOT TRUE" if odd else ""
        columns["logged"] = f"coalesce({exact_sum(cost, 'DOUBLE', clean)}, 0)"
    if odd is not None:
        columns["implausible_calls"] = f"count(*) FILTER (WHERE {odd.sql})"
    sql = f"SELECT {select(columns)} FROM {identifier(priced.table.name)} {where.where}"
    return Query("scope", sql, {**where.parameters, **(odd.parameters if odd else {})})


def _unpriced_query(intent: Intent, priced: Priced) -> Query:
    """Paid calls of models without a price, most expensive first; shares are of all paid calls."""
    where, logged = priced.paid(intent), exact_sum(priced.cost, "DOUBLE") if priced.cost else "CAST(NULL AS DOUBLE)"
    inner = (
        f"SELECT {priced.model} AS model, count(*) AS calls, {logged} AS logged "
        f"FROM {identifier(priced.table.name)} {where.where} GROUP BY 1"
    )
    shares = (
        "100.0 * sum(calls) FILTER (WHERE covered IS NULL) OVER () / sum(calls) OVER () AS unpriced_calls_percent, "
        "100.0 * sum(logged) FILTER (WHERE covered IS NULL) OVER () / sum(logged) OVER () AS unpriced_logged_percent"
    )
    sql = (
        "SELECT model, calls, logged, unpriced_calls_percent, unpriced_logged_percent FROM ("
        f"SELECT *, {shares} FROM ({inner}) LEFT JOIN (SELECT unnest($priced_names) AS covered) ON covered = model) "
        "WHERE covered IS NULL ORDER BY logged DESC NULLS LAST, calls DESC, model"
    )
    return Query("unpriced", sql, {**where.parameters, "priced_names": sorted(priced.matches())})
