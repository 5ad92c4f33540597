"""Who leads in each of several: the dearest model of each month, the top users of each model."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of, step_name
from chatcore.agents.analyst.intents.base import MEASURED, Draft, code, markdown_table, options_of, written
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.cross import SUMS
from chatcore.agents.analyst.intents.scope import gap_query, gap_words, implausible_query, totals_query
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Refusal
from chatcore.agents.analyst.sql import Condition, aggregates, all_of, parameters_of

STEPS = 24
"""The newest steps of time that are told."""

GROUPS = 12
"""The largest values of a column that are told."""

CLAIM = Claim(name="leaders", what="who leads in each of several", words=())


class Leaders(msgspec.Struct, frozen=True):
    """The options: the column in each of whose values there is a leader, where it is no step of time."""

    within: Annotated[str | None, msgspec.Meta(description="The column of the groups; absent with a grain.")] = None


def _amount(subject: Subject) -> str:
    column = MEASURED[subject.intent.measure].column
    return "spend_without_implausible" if column == "spend" and subject.table.implausible else column


def _place(subject: Subject) -> str:
    """SQL for what there is a leader in each of."""
    within = options_of(subject.intent, Leaders).within
    if within is not None:
        return f"coalesce(CAST({identifier(within)} AS VARCHAR), '')"
    return step_name(subject.intent.grain, f"date_trunc('{subject.intent.grain}', {subject.time})")


def queries(subject: Subject) -> list[Query]:
    """The first of each group, with its part of it; their rank first, else a chart shows their spend as the month's."""
    intent, amount = subject.intent, _amount(subject)
    grouped = intent.grain is not None or options_of(intent, Leaders).within is not None
    totals = totals_query(intent, subject.catalogue)
    if intent.measure not in SUMS or not grouped or intent.by is None or amount not in aggregates(subject.table):
        return [totals]
    timed = Condition(f"{subject.time} IS NOT NULL") if intent.grain else None
    where = all_of((subject.rows, timed))
    order = "DESC" if intent.descending else "ASC"
    among = "place_name DESC" if intent.grain else "whole DESC NULLS LAST, place_name"
    sql = (
        f"WITH grid AS (SELECT {_place(subject)} AS place_name, "
        f"coalesce(CAST({identifier(intent.by)} AS VARCHAR), '') AS name, {aggregates(subject.table)[amount]} "
        f"AS {amount}, count(*) AS calls_of_it FROM {identifier(subject.table.name)} {where.where} GROUP BY 1, 2), "
        f"ranked AS (SELECT *, row_number() OVER (PARTITION BY place_name ORDER BY {amount} {order} NULLS LAST, name) "
        f"AS rank, sum(CAST({amount} AS DECIMAL(38,12))) OVER (PARTITION BY place_name) AS whole FROM grid), "
        f"placed AS (SELECT *, dense_rank() OVER (ORDER BY {among}) AS place FROM ranked) "
        f"SELECT rank, place_name, name, {amount}, 100.0 * {amount} / nullif(CAST(whole AS DOUBLE), 0) "
        "AS share_percent FROM placed WHERE rank <= $limit AND place <= $places "
        f"ORDER BY {'place_name' if intent.grain else 'place'}, rank"
    )
    usual = parameters_of(subject.table) if amount.startswith("spend") else {}
    places = STEPS if intent.grain else GROUPS
    bound = {**usual, **where.parameters, "limit": intent.limit or 1, "places": places}
    gaps = gap_query(intent, subject.catalogue) if intent.grain else []
    return [totals, Query("leaders", sql, bound), *implausible_query(intent, subject.catalogue), *gaps]


def draft(account: Account) -> Draft | Refusal:
    """A row for each of them."""
    if "leaders" not in account.sheets:
        return refusals.not_supported("who leads in each of several, of which one is not named", account.catalogue)
    intent, amount, measured = account.intent, _amount(account), MEASURED[account.intent.measure]
    within = intent.grain or f"`{options_of(intent, Leaders).within}`"
    left_out = account.left_out if measured.is_money else ""
    degree, what = "most" if intent.descending else "least", measured.words.replace("call", account.noun)
    first = f"The `{intent.by}` with the {degree} {what} in each {within}{account.scope}{left_out}"
    header = [str(within), str(intent.by), measured.words, f"of the {intent.grain}" if intent.grain else "of that"]
    rows = [
        [
            str(row["place_name"]) if intent.grain else code(row["place_name"]),
            code(row["name"]),
            written(amount, row[amount], account.table.currency),
            "–" if row["share_percent"].missing else row["share_percent"].percent,
        ]
        for row in account.sheet("leaders")
    ]
    notes = [*gap_words(account.sheets), *account.notes]
    return Draft((f"{first} (`{account.table.name}`):\n\n", markdown_table(header, rows)), tuple(notes))


KIND = kind_of(
    CLAIM,
    "Which model, user or feature leads in each step of time or in each value of another column",
    queries,
    draft,
    options=Leaders,
)
