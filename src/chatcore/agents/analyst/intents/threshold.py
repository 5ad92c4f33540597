"""Calls that cost more or less than an amount, or have more or fewer tokens: how many, and what part of all."""

from __future__ import annotations

import re
from typing import Literal

from chatcore.agents.analyst.asking import ROW_NOUNS
from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, by_column, kind_of
from chatcore.agents.analyst.intents.base import Draft, options_of
from chatcore.agents.analyst.intents.bounds import Bounds, bounds, bounds_of
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import implausible_query
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.scoping import apart_from, scope_of
from chatcore.agents.analyst.sql import (
    all_of,
    exact_sum,
    implausible,
    parameters_of,
    select,
    time_of,
    tokens_of,
)

MOST = 50
"""Calls that are fetched; the counts beside them are of all."""

SHOWN = 10
"""Calls that are listed, unless more or fewer were asked for."""

_SPENT = r"(?:spend|spending|costs?|bill|usage)"
_JOINED = r"(?: (?:that|which|with|cost|costs|costing|priced|have|has|had|having|of|were|was|are|is|used|using|a|us))*"
_TIMED = r"(?: (?:in|during|of|from|since) (?:\w+ )?(?:19|20)\d\d(?:-\d\d)?)?"
_UNIT = r" ?(?:dollars?|usd|bucks|cents?|(?:(?:input|prompt|output|completion|total)[ _])?tokens?)"
_ASKED = re.compile(
    rf"\b(?:(?:{ROW_NOUNS})\b|{_SPENT}\b(?=.*\btokens?\b)){_TIMED}(?P<joined>{_JOINED}) "
    rf"{bounds(f'(?:{_UNIT})?')}(?P<unit>{_UNIT})?"
    r"(?: (?P<side>in|out)(?=\W*$| in\b| on\b))?(?: each| apiece)?(?!\w|[.,]\d)"
)


class Threshold(Bounds, frozen=True):
    """The options: the amount, of money or of tokens, and on which side of it a call has to be."""

    of: Literal["cost", "tokens", "input_tokens", "output_tokens"] = "cost"


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Calls beyond an amount that is told with its unit."""
    found = _ASKED.search(reading.text)
    amounts = bounds_of(found) if found else None
    if found is None or amounts is None:
        return None
    of = _of(found)
    if of == "cost" and not (re.search("[$€£]", found[0]) or found["unit"] or "cost" in found["joined"]):
        return None
    noun, bound = found[0][: found.start("joined") - found.start()], reading.text[found.start("joined") : found.end()]
    left = apart_from(reading, (f"{re.escape(noun)}({re.escape(bound)})",))
    table = choose_table(reading)
    scope = table if isinstance(table, Refusal) else scope_of(left, table, _KNOWN)
    if isinstance(scope, Refusal) or isinstance(table, Refusal):
        return scope if isinstance(scope, Refusal) else None
    columns = scope.asking.group_columns
    if not _allows(table, of) or len(columns) > 1 or scope.asking.grain or left.threshold:
        return None
    options = {**amounts, "of": of}
    measure = Measure.COST if of == "cost" else Measure.TOKENS
    return Intent(
        kind="threshold",
        table=table.name,
        measure=measure,
        by=columns[0].column.name if columns else None,
        limit=reading.limit,
        periods=scope.periods,
        filters=scope.filters,
        options=options,
    )


def _of(found: re.Match[str]) -> str:
    """What the amount is of: money, or tokens of a side."""
    unit, side = found["unit"] or "", found["side"] or ""
    if "token" not in unit:
        return "cost"
    if (
        side == "in"
        or "input" in unit
        or "prompt" in unit
        or (found[0].startswith("prompt") and unit.strip() == "tokens")
    ):
        return "input_tokens"
    return "output_tokens" if side == "out" or "output" in unit or "completion" in unit else "tokens"


_KNOWN = frozenset(
    [
        "many",
        "list",
        "all",
        "show",
        "share",
        "percentage",
        "percent",
        "spend",
        "cost",
        "count",
        "number",
        "were",
        "there",
    ]
)


def _allows(table: Table, of: str) -> bool:
    return CLAIM.allows(table) and _measured(table, of) is not None


def _measured(table: Table, of: str) -> str | None:
    """SQL for what the amount is of; None where the table does not have it."""
    if of == "tokens":
        return tokens_of(table)
    column = table.column(_MEANINGS[of])
    return identifier(column.name) if column else None


_MEANINGS = {"cost": Meaning.COST, "input_tokens": Meaning.INPUT_TOKENS, "output_tokens": Meaning.OUTPUT_TOKENS}


CLAIM = Claim(name="threshold", what="a threshold", words=(), needs=(Meaning.COST,))


def queries(subject: Subject) -> list[Query]:
    """Calls and spend beyond the amount, and all of those that are asked for."""
    options, cost, odd = (
        options_of(subject.intent, Threshold),
        subject.table.column(Meaning.COST),
        implausible(subject.table),
    )
    if cost is None:
        return []
    measured = str(_measured(subject.table, options.of))
    beyond, name = options.condition(measured).sql, identifier(cost.name)
    plausible = f"{beyond} AND {odd.sql} IS NOT TRUE" if odd else beyond
    columns = (
        f"count(*) AS calls, count(*) FILTER (WHERE {beyond}) AS calls_beyond, "
        f"coalesce({exact_sum(name, cost.type, beyond)}, 0) AS spend_beyond, "
        f"coalesce({exact_sum(name, cost.type, plausible)}, 0) AS spend_beyond_without_implausible, "
        f"{exact_sum(name, cost.type, f'{odd.sql} IS NOT TRUE' if odd else '')} AS spend"
    )
    inner = f"SELECT {columns} FROM {identifier(subject.table.name)} {subject.rows.where}"
    sql = (
        f"SELECT *, {options.asked}, 100.0 * calls_beyond / nullif(calls, 0) AS calls_percent, "
        f"100.0 * spend_beyond_without_implausible / nullif(spend, 0) AS spend_percent FROM ({inner})"
    )
    bound = {**parameters_of(subject.table), **subject.rows.parameters, **options.parameters}
    rows = all_of((subject.rows, options.condition(measured)))
    listed = (
        f"SELECT {_each(subject)} FROM {identifier(subject.table.name)} {rows.where} ORDER BY ALL DESC LIMIT {MOST}"
    )
    sums = {"calls": "count(*)", "cost": f"coalesce({exact_sum(name, cost.type)}, 0)"}
    groups = [by_column(subject, sums, rows, "calls DESC", limit=MOST)] if subject.intent.by else []
    return [
        Query("totals", sql, bound),
        Query("listed", listed, rows.parameters),
        *groups,
        *implausible_query(subject.intent, subject.catalogue),
    ]


def _each(subject: Subject) -> str:
    """What is told of a call: what it cost, how many tokens, when, on which model, as far as the table has it."""
    cost, model, time = subject.table.column(Meaning.COST), subject.table.column(Meaning.MODEL), time_of(subject.table)
    columns = {"cost": identifier(cost.name)} if cost else {}
    columns |= {"tokens": tokens} if (tokens := tokens_of(subject.table)) else {}
    of = options_of(subject.intent, Threshold).of
    columns |= {of: str(_measured(subject.table, of))} if of not in ("cost", "tokens") else {}
    columns |= {"time": f"CAST({time} AS VARCHAR)"} if time else {}
    columns |= {"name": f"CAST({identifier(model.name)} AS VARCHAR)"} if model else {}
    return select(columns)


def draft(account: Account) -> Draft:
    """How many, what they cost, and what part of all that is."""
    options, totals = options_of(account.intent, Threshold), account.sheet("totals")
    cells = [totals.cell(name) for name in ("amount_asked", "upper_asked") if totals.has(name)]
    money = options.of == "cost"
    shown = [account.money(cell) if money else cell.count for cell in cells]
    amount = options.words(shown[0], shown[-1]) + ("" if money else f" {_UNITS[options.of]}")
    verb = "cost" if options.of == "cost" else "have"
    count, spend = totals.cell("calls_beyond"), account.money(totals.cell("spend_beyond"))
    clean = totals.cell("spend_beyond_without_implausible")
    without = (
        ""
        if clean.value == totals.cell("spend_beyond").value
        else (f" as recorded, {account.money(clean)} without implausible rows")
    )
    calls = f"**{account.calls(count)}**{account.scope} {verb} {amount}"
    text = f"{calls}, of {account.calls(totals.cell('calls'))}"
    share = totals.cell("spend_percent")
    part = "" if share.missing else f" and {share.percent} of the spend{account.left_out}"
    told = f"They cost **{spend}**{without}: that is {totals.cell('calls_percent').percent} of the calls{part}.\n"
    by, limit = account.intent.by, account.intent.limit or SHOWN
    titles = {"time": "time", "name": "model", **_UNITS, "cost": "cost"}
    split = {"name": str(by), "calls": f"{account.noun}s", "cost": "cost"}
    table = account.markdown("groups", split, limit) if by else account.markdown("listed", titles, limit)
    parts = (f"{told}\n", table) if count else ()
    more = (f"The dearest `{SHOWN}` are shown.",) if count.value > SHOWN and not account.intent.limit and not by else ()
    return Draft(
        (f"{text} (`{account.table.name}`).\n\n", *parts, *(account.odd_part if without else ())),
        (*more, *account.notes),
    )


_UNITS = {"tokens": "tokens", "input_tokens": "tokens in", "output_tokens": "tokens out"}

KIND = kind_of(
    CLAIM,
    "Calls that cost more or less than an amount, or have more or fewer tokens",
    queries,
    draft,
    recognise=recognise,
    options=Threshold,
)
