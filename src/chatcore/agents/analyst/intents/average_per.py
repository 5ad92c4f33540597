"""The average over groups: of spend, calls or tokens per user, per user and month, per model and day."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of, step_name
from chatcore.agents.analyst.intents.base import MEASURED, Draft, listed, markdown_table, options_of, plural, written
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.cross import SUMS
from chatcore.agents.analyst.intents.scope import gap_query, gap_words, implausible_query
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import Condition, aggregates, all_of, exact_sum, parameters_of

SHOWN = 24
"""The newest steps that are shown."""

CLAIM = Claim(name="average_per", what="an average over groups", words=())


class AveragePer(msgspec.Struct, frozen=True):
    """The options: the second column that groups are told apart by."""

    across: Annotated[str | None, msgspec.Meta(description="A second column, beside the one of ``by``.")] = None


def _columns(intent: Intent) -> list[str]:
    return [name for name in (intent.by, options_of(intent, AveragePer).across) if name]


def _amount(subject: Subject) -> str:
    """The column that is averaged: of costs, without the implausible rows."""
    column = MEASURED[subject.intent.measure].column
    return "spend_without_implausible" if column == "spend" and subject.table.implausible else column


def _grouped(subject: Subject) -> tuple[str, dict[str, object]]:
    """SQL for every group that has rows, with its amount; and what it binds."""
    names = [f"CAST({identifier(name)} AS VARCHAR)" for name in _columns(subject.intent)]
    known = [Condition(f"coalesce({name}, '') <> ''") for name in names]
    keys = dict(zip(("one", "other"), names, strict=False))
    if subject.intent.grain is not None:
        known.append(Condition(f"{subject.time} IS NOT NULL"))
        keys["step"] = step_name(subject.intent.grain, f"date_trunc('{subject.intent.grain}', {subject.time})")
    where = all_of((subject.rows, *known))
    select = ", ".join(f"{sql} AS {name}" for name, sql in keys.items())
    sums = aggregates(subject.table)
    amount = _amount(subject)
    sql = (
        f"SELECT {select}, coalesce({sums[amount]}, 0) AS {amount}, count(*) AS rows_of_it "
        f"FROM {identifier(subject.table.name)} {where.where} GROUP BY {', '.join(keys)}"
    )
    usual = parameters_of(subject.table) if amount.startswith("spend") else {}
    return sql, {**usual, **where.parameters}


def _figures(amount: str) -> str:
    """SQL for the sum over groups, how many they are, and what is usual of them; exact, whatever their order."""
    whole = exact_sum(amount, "DECIMAL")
    return (
        f"count(*) AS groups, {whole} AS {amount}, {whole} / nullif(count(*), 0) AS {amount}_each, "
        f"CAST(median({amount}) AS DOUBLE) AS {amount}_median, CAST(max({amount}) AS DOUBLE) AS {amount}_most"
    )


def queries(subject: Subject) -> list[Query]:
    """The average over all groups, and over those of each step of time."""
    amount = _amount(subject)
    if subject.intent.measure not in SUMS or not _columns(subject.intent) or amount not in aggregates(subject.table):
        return []
    sql, bound = _grouped(subject)
    figures = _figures(amount)
    every = f"SELECT count(*) FROM {identifier(subject.table.name)} {subject.rows.where}"
    calls = "CAST(coalesce(sum(rows_of_it), 0) AS BIGINT)"
    totals = f"SELECT {calls} AS calls, ({every}) - {calls} AS unnamed, {figures} FROM ({sql})"
    found = [Query("totals", totals, bound), *implausible_query(subject.intent, subject.catalogue)]
    if subject.intent.grain is not None:
        steps = f"SELECT step, {figures} FROM ({sql}) GROUP BY step ORDER BY step"
        found += [Query("steps", steps, bound), *gap_query(subject.intent, subject.catalogue)]
    return found


def draft(account: Account) -> Draft | Refusal:
    """The average in a sentence, and over time in a table."""
    if "totals" not in account.sheets:
        return refusals.not_supported("an average over groups of that", account.catalogue)
    amount, totals, measured = _amount(account), account.sheet("totals"), MEASURED[account.intent.measure]
    of = [f"`{name}`" for name in _columns(account.intent)] + ([account.intent.grain] if account.intent.grain else [])
    left_out = account.left_out if measured.is_money else ""
    what = "of spend" if measured.is_money else measured.words.replace("call", account.noun)
    each, whole = totals.cell(f"{amount}_each"), totals.cell(amount)
    groups = totals.cell("groups")
    over = plural(groups, "value", "different values") if len(of) == 1 else plural(groups, "pair")
    text = (
        f"On average **{_shown(account, each)}** {what} per {listed(of)}{account.scope}: {_shown(account, whole)} over "
        f"{over} of {listed(of)}{left_out} (`{account.table.name}`). "
        f"The median is **{_shown(account, totals.cell(f'{amount}_median'))}**, "
        f"the most {_shown(account, totals.cell(f'{amount}_most'))}.\n\n"
    )
    unnamed = totals.cell("unnamed")
    none = [f"{account.calls(unnamed)} without {listed(of)} {'is' if unnamed.value == 1 else 'are'} left out."]
    notes = [
        *(none if unnamed else []),
        "What has no rows is not counted: no rows is not zero.",
        *gap_words(account.sheets),
        *account.notes,
    ]
    return Draft((text, *_table(account, amount)), tuple(notes))


def _table(account: Account, amount: str) -> list[str]:
    if "steps" not in account.sheets:
        return []
    columns = listed([f"`{name}`" for name in _columns(account.intent)])
    measured = MEASURED[account.intent.measure]
    header = [str(account.intent.grain), f"different {columns}", measured.words, f"per {columns}", "median", "most"]
    names = (amount, f"{amount}_each", f"{amount}_median", f"{amount}_most")
    rows = list(account.sheet("steps"))[-SHOWN:]
    shown = [[str(r["step"]), r["groups"].count, *(_shown(account, r[name]) for name in names)] for r in rows]
    return [markdown_table(header, shown)]


def _shown(account: Account, cell: Cell) -> str:
    return written(_amount(account), cell, account.table.currency)


KIND = kind_of(
    CLAIM,
    "The average spend, calls or tokens per user, model or feature, and per step of time of each",
    queries,
    draft,
    options=AveragePer,
)
