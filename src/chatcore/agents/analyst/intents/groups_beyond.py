"""Models, users or features whose spend, calls or tokens come to more or less than an amount: which, and how many."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.asking import ROW_NOUNS
from chatcore.agents.analyst.catalogue import Column
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.columns import Family, Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, kind_of
from chatcore.agents.analyst.intents.base import MEASURED, Draft, code, options_of
from chatcore.agents.analyst.intents.bounds import SIGNS, Bounds, bounds, bounds_of
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.cross import SUMS
from chatcore.agents.analyst.intents.scope import implausible_query, ratios_of
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.scoping import AMOUNT, Scope, amount_in, apart_from, scope_of
from chatcore.agents.analyst.sql import Condition, aggregates, all_of, parameters_of, select

MOST = 50
"""Groups that are fetched; how many there are is counted over all."""

SHOWN = 20
"""Groups that are listed, unless more or fewer were asked for."""

_UNITS: dict[str, Measure] = {
    "dollars": Measure.COST, "cents": Measure.COST, "usd": Measure.COST, "bucks": Measure.COST,
    "calls": Measure.CALLS, "requests": Measure.CALLS, "times": Measure.CALLS, "call": Measure.CALLS,
    "tokens": Measure.TOKENS, "input tokens": Measure.INPUT_TOKENS, "prompt tokens": Measure.INPUT_TOKENS,
    "output tokens": Measure.OUTPUT_TOKENS, "completion tokens": Measure.OUTPUT_TOKENS,
}  # fmt: skip
_UNIT = rf"(?: (?:{'|'.join(sorted(_UNITS, key=len, reverse=True))})\b)"
_BEYOND = re.compile(
    rf"(?<!\w){bounds(f'{_UNIT}?')}(?P<unit>{_UNIT})?(?!\w|[.,]\d)(?: (?:each|apiece|in total|in all|altogether))?"
)
_EXACTLY = re.compile(
    rf"\b(?:(?:only|just|exactly) (?:{AMOUNT}(?P<unit>{_UNIT})?|(?P<often>once|twice|one time)\b)"
    rf"|(?P<sign>{'|'.join(SIGNS)}) (?P<times>once|twice|one time)\b)(?!\w|[.,]\d)(?: (?:each|apiece))?"
)
_OFTEN = {"once": 1.0, "one time": 1.0, "twice": 2.0}
_KNOWN = frozenset("total all list show many were there used use made make spent costing only whose".split())  # noqa: SIM905


class Beyond(Bounds, frozen=True):
    """The options: the amount, on which side of it the sum of a group has to be, and what the groups are ranked by."""

    rank: Measure | None = None


CLAIM = Claim(name="groups_beyond", what="a threshold", words=())


def recognise(reading: Reading) -> Intent | Refusal | None:
    """A column that is named before an amount, and no single rows before it."""
    found = _EXACTLY.search(reading.text) or _BEYOND.search(reading.text)
    if found is None or re.search("[€£]", found[0]) or _speaks_of_rows(reading.text[: found.start()]):
        return None
    measure, amounts, table = _measure_of(found, reading), _amounts(found), choose_table(reading)
    if measure is None or amounts is None or isinstance(table, Refusal):
        return None
    scope = scope_of(apart_from(reading, (re.escape(found[0]),)), table, _KNOWN)
    column = _column_of(scope, found.start()) if isinstance(scope, Scope) else None
    if isinstance(scope, Refusal) or column is None or MEASURED[measure].column not in aggregates(table):
        return scope if isinstance(scope, Refusal) and _names_a_group(reading.text[: found.start()]) else None
    rank = _rank(scope, measure, aggregates(table))
    return Intent(
        kind=CLAIM.name,
        table=table.name,
        measure=measure,
        descending=not scope.asking.reading.has(lexicon.LOW | lexicon.CHEAP),
        by=column.name,
        limit=reading.limit,
        periods=scope.periods,
        filters=scope.filters,
        options={**amounts, **({"rank": str(rank)} if rank else {})},
    )


def _rank(scope: Scope, measure: Measure, sums: Mapping[str, str]) -> Measure | None:
    """What the groups are ranked by, where that is not what is bounded: ``top 5 by spend``, ``cheapest``."""
    reading = scope.asking.reading
    if not reading.has(lexicon.COST | lexicon.CHEAP | lexicon.TOKENS) or not reading.says(_RANKED):
        return None
    rank = scope.asking.measure
    known = rank in _QUOTIENTS or (rank in SUMS and MEASURED[rank].column in sums)
    return rank if known and rank is not measure else None


_RANKED = (
    r"\b(?:top|most|least|cheapest|costliest|priciest|dearest|biggest|largest|highest|lowest|smallest|rank\w*|sort\w*"
    r"|order\w*)\b"
)
_QUOTIENTS = frozenset((Measure.COST_PER_CALL, Measure.COST_PER_MILLION_TOKENS, Measure.TOKENS_PER_CALL))


def _amounts(found: re.Match[str]) -> dict[str, Any] | None:
    """The options: ``only once``, ``more than 5``, ``between 1 and 5``."""
    if found.re is _BEYOND:
        return bounds_of(found)
    often = found["often"] or found["times"]
    amount = _OFTEN[often] if often else amount_in(found)
    return None if amount is None else {"amount": amount, "sign": SIGNS[found["sign"]] if found["sign"] else "="}


def _speaks_of_rows(text: str) -> bool:
    """Whether single calls come before the amount: then it is of each of them."""
    return (
        re.search(rf"\b(?:{ROW_NOUNS})\b", text) is not None
        or re.search(r"\b(?:average|mean|median)\b", text) is not None
    )


def _names_a_group(text: str) -> bool:
    return any(word in lexicon.CONCEPTS for word in re.findall(r"[a-z]+", text))


def _measure_of(found: re.Match[str], reading: Reading) -> Measure | None:
    """What is summed: by the unit, or by what comes before the amount."""
    if re.search(r"\b(?:once|twice|one time)$", found[0]):
        return Measure.CALLS
    if found["unit"]:
        return _UNITS[found["unit"].strip()]
    money = "$" in found[0] or reading.has(lexicon.COST)
    return Measure.COST if money else None


def _column_of(scope: Scope, start: int) -> Column | None:
    """The one column that is named before the amount and is split by; None where there is none, or steps of time."""
    asking = scope.asking
    named = {each.column.name: each for each in asking.reading.columns if each.column.family is Family.TEXT}
    if len(named) != 1 or asking.grain is not None:
        return None
    (only,) = named.values()
    led_by = re.search(r"\b(?:by|per|each|every)\s+$", asking.reading.text[: only.start])
    plain = only.start < start and not led_by and only.column.meaning is not Meaning.TIME
    single = any(f.column == only.column.name and not f.exclude and len(f.values) == 1 for f in scope.filters)
    return only.column if plain and not single else None


def queries(subject: Subject) -> list[Query]:
    """How many groups there are, how many of them are beyond the amount, and which."""
    options, table, name = options_of(subject.intent, Beyond), subject.table, identifier(str(subject.intent.by))
    measured, recorded = _measured(subject)
    rows = all_of((subject.rows, Condition(f"CAST({name} AS VARCHAR) <> ''")))
    sums = select(aggregates(table))
    grouped = f"SELECT CAST({name} AS VARCHAR) AS name, {sums} FROM {identifier(table.name)} {rows.where} GROUP BY 1"
    beyond = options.condition(measured).sql
    totals = (
        "SELECT coalesce(sum(calls), 0) AS calls, count(*) AS groups, "
        f"count(*) FILTER (WHERE {beyond}) AS groups_beyond, "
        f"count(*) FILTER (WHERE {options.condition(recorded).sql}) AS groups_beyond_as_recorded, "
        f"{options.asked} FROM ({grouped})"
    )
    order = "ASC" if options.sign.startswith("<") else "DESC"
    ranked, order = (options.rank, "DESC" if subject.intent.descending else "ASC") if options.rank else (None, order)
    by = MEASURED[ranked].column if ranked else measured
    by = "spend_without_implausible" if by == "spend" and table.implausible else by
    ratios = ratios_of(table, ranked) if ranked else ""
    paid = " AND spend > 0" if _only_paid(subject.intent, ranked) else ""
    listed = (
        f"SELECT * FROM (SELECT *{ratios} FROM ({grouped}) WHERE {beyond}{paid}) "
        f"ORDER BY {by} {order} NULLS LAST, name LIMIT {MOST}"
    )
    bound = {**parameters_of(table), **rows.parameters, **options.parameters}
    return [
        Query("totals", totals, bound),
        Query("listed", listed, bound),
        *implausible_query(subject.intent, subject.catalogue),
    ]


def _measured(subject: Subject) -> tuple[str, str]:
    """SQL for what is held against the amount: of costs, without the implausible rows and as recorded."""
    column = MEASURED[subject.intent.measure].column
    without = "spend_without_implausible" if column == "spend" and subject.table.implausible else column
    return f"coalesce({without}, 0)", f"coalesce({column}, 0)"


def draft(account: Account) -> Draft:
    """How many of how many, and which."""
    totals, options, by = account.sheet("totals"), options_of(account.intent, Beyond), account.intent.by
    beyond, recorded = totals.cell("groups_beyond"), totals.cell("groups_beyond_as_recorded")
    money = account.intent.measure is Measure.COST
    words = MEASURED[account.intent.measure].words
    amount, *upper = (totals.cell(name) for name in ("amount_asked", "upper_asked") if totals.has(name))
    shown = options.words(*(account.money(each) if money else each.count for each in (amount, *(upper or [amount]))))
    if not money:
        shown += f" {words.removesuffix('s') if words == 'calls' and amount.value == 1 and not upper else words}"
    verb = "cost" if money else "have"
    differs = recorded.value != beyond.value
    without = account.left_out if money else ""
    raw = f" As recorded it is **{recorded.count}**." if differs else ""
    first = _first(account, options.rank) if options.rank and len(account.sheet("listed")) else ""
    headline = (
        f"{first}**{beyond.count}** of {totals.cell('groups').count} different values of `{by}`{account.scope} {verb} "
        f"{shown}{without} (`{account.table.name}`).{raw}\n\n"
    )
    titles = {"name": str(by), "spend": "spend", "spend_without_implausible": "without implausible rows"}
    if not account.has_implausible:
        del titles["spend_without_implausible"]
    titles |= {"calls": f"{account.noun}s", "tokens": "tokens"}
    titles |= {MEASURED[account.intent.measure].column: words}
    if options.rank:
        titles |= {MEASURED[options.rank].column: MEASURED[options.rank].words}
    table = (account.markdown("listed", titles, account.intent.limit or SHOWN),) if beyond else ()
    more = (f"The first `{SHOWN}` are shown.",) if beyond.value > SHOWN and not account.intent.limit else ()
    odd = account.odd_part if money and differs else ()
    return Draft((headline, *table, *odd), (*more, *account.notes))


def _only_paid(intent: Intent, rank: Measure | None) -> bool:
    """Whether groups that cost nothing are left out of a ranking from the cheapest: they have no price."""
    return rank in (Measure.COST_PER_CALL, Measure.COST_PER_MILLION_TOKENS) and not intent.descending


def _first(account: Account, rank: Measure) -> str:
    """Who is first by what the groups are ranked by."""
    row, measured = account.sheet("listed").row(0), MEASURED[rank]
    column = "spend_without_implausible" if measured.column == "spend" and account.has_implausible else measured.column
    degree = "most" if account.intent.descending else "least"
    of_them = "Of those that cost anything" if _only_paid(account.intent, rank) else "Of them"
    return (
        f"{of_them}, {code(row['name'])} has the {degree} {measured.words}: **{account.shown(column, row[column])}**. "
    )


KIND = kind_of(
    CLAIM,
    "Models, users or features whose spend, calls or tokens come to more or less than an amount",
    queries,
    draft,
    recognise=recognise,
    options=Beyond,
)
