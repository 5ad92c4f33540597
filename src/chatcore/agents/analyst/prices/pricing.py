"""SQL that prices calls by a table of list prices: the row of the day, the time of the day, the tier.

A query reads the amounts from the price table itself, so that whoever runs it again sees where they come from. Which
row a model's name leads to was decided before and is bound in three lists: names, providers, models.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import attrs

from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.intents.account import step_name
from chatcore.agents.analyst.pricebook import PriceBook, PriceColumns, PriceKey, Rate
from chatcore.agents.analyst.pricebook.nested import tiers_sql
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.sql import Condition, time_of

MONEY = "DECIMAL(38,12)"
"""What amounts are summed as, so that a sum is exact."""


class PriceDate(StrEnum):
    """Of which day a call's price is."""

    CALL = "call"
    """The day of the call."""
    NEWEST = "newest"
    """The last day that the table has a price for."""


@attrs.frozen(kw_only=True)
class Calls:
    """SQL for the calls that are priced, and what it binds.

    Args:
        source: a table's name as an identifier, or a SELECT in brackets.
        name: SQL for the name that is looked up; it is one of the names of the matches.
        input_tokens: SQL.
        output_tokens: SQL.
        time: SQL for the time of the call; None where it is not known.
        where: which rows.
        keep: further columns of the result, SQL by name.
    """

    source: str
    name: str
    input_tokens: str
    output_tokens: str
    time: str | None = None
    where: Condition = attrs.field(factory=lambda: Condition(""))
    keep: Mapping[str, str] = attrs.field(factory=dict)


def calls_of(table: Table, where: Condition, keep: Mapping[str, str] | None = None, name: str | None = None) -> Calls:
    """The calls of a usage table, each looked up by its own model.

    Args:
        table: it has a model and tokens in and out.
        where: which rows.
        keep: further columns of the result, SQL by name.
        name: SQL for another name to look up, as with a swapped model.
    """
    inside, outside = table.column(Meaning.INPUT_TOKENS), table.column(Meaning.OUTPUT_TOKENS)
    model = table.column(Meaning.MODEL)
    return Calls(
        source=identifier(table.name),
        name=name or (f"CAST({identifier(model.name)} AS VARCHAR)" if model else "NULL"),
        input_tokens=f"coalesce({identifier(inside.name)}, 0)" if inside else "0",
        output_tokens=f"coalesce({identifier(outside.name)}, 0)" if outside else "0",
        time=time_of(table),
        where=where,
        keep=keep or {},
    )


def part_of(intent: Intent, table: Table) -> str | None:
    """SQL for what an intent splits calls by: a step of time, or a column; None where that is their model."""
    time, model = time_of(table), table.column(Meaning.MODEL)
    if intent.grain and time:
        return step_name(intent.grain, f"date_trunc('{intent.grain}', {time})")
    if intent.by is None or (model is not None and intent.by == model.name):
        return None
    return f"CAST({identifier(intent.by)} AS VARCHAR)"


def match_parameters(matches: Mapping[str, PriceKey]) -> dict[str, Any]:
    """The three lists that a query of priced calls binds, in the order of the names."""
    names = sorted(matches)
    return {
        "price_names": names,
        "price_providers": [matches[name].provider for name in names],
        "price_models": [matches[name].model for name in names],
    }


def priced_calls(
    calls: Calls,
    book: PriceBook,
    matches: Mapping[str, PriceKey],
    dated: PriceDate = PriceDate.CALL,
    lists: str | None = None,
) -> Condition:
    """A SELECT with a row per call and its list price; ``list_cost`` is null where no row of the prices covers it.

    Its columns: those of ``calls.keep``, then ``price_provider``, ``price_model``, ``price_since``, ``input_rate``,
    ``output_rate``, ``cache_read_rate``, ``cache_write_rate`` (per million tokens), ``price_tiered``,
    ``call_input_tokens``, ``call_output_tokens``, ``list_input_cost``, ``list_output_cost``, ``list_cost``.

    Args:
        calls: what is priced.
        book: the prices.
        matches: what each name is found by; see :meth:`PriceBook.matches`.
        dated: of which day the prices are.
        lists: a name under which the query already has :func:`price_lists`, where it prices calls more than once.
    """
    kept = "".join(f"{sql} AS {identifier(name)}, " for name, sql in calls.keep.items())
    tiered = has_tiers(book, matches)
    inner = (
        f"SELECT {kept}{calls.input_tokens} AS call_input_tokens, {calls.output_tokens} AS call_output_tokens, "
        f"list_filter(listed_prices, lambda held: {_held(calls.time, dated)})[-1] AS price "
        f"FROM {calls.source} LEFT JOIN {lists or f'({_price_lists(book, tiered)})'} ON listed_name = {calls.name} "
        f"{calls.where.where}"
    )
    return Condition(costed(inner, tiered), {**calls.where.parameters, **match_parameters(matches)})


def costed(priced: str, tiered: bool) -> str:
    """SQL for what calls cost.

    Args:
        priced: a SELECT of ``price``, ``call_input_tokens``, ``call_output_tokens`` and whatever is kept.
        tiered: whether ``price`` has the lists of tiers.
    """
    said = ", ".join(f"price.{field} AS {name}" for field, name in _SAID.items())
    rates = ", ".join(f"{_rate(rate, tiered)} AS {rate}_rate" for rate in Rate)
    return (
        "SELECT *, list_input_cost + list_output_cost AS list_cost FROM ("
        f"SELECT *, {_amount('input')} AS list_input_cost, {_amount('output')} AS list_output_cost "
        f"FROM (SELECT * EXCLUDE (price), {said}, {rates} FROM ({priced})))"
    )


_SAID = {"provider": "price_provider", "model": "price_model", "since": "price_since", "tiered": "price_tiered"}


def has_tiers(book: PriceBook, matches: Mapping[str, PriceKey]) -> bool:
    """Whether tiers are known and a model among these has some."""
    rows = (book.row(key) for key in matches.values())
    return book.tiers is not None and any(row is not None and row.tiered for row in rows)


def _rate(rate: Rate, tiered: bool) -> str:
    """The rate of a call: of the highest tier that its prompt is longer than, for all of its tokens."""
    if not tiered:
        return f"price.{rate}"
    tier = f"list_filter(price.{rate}_tiers, lambda tier: call_input_tokens > tier.start)[-1]"
    return f"coalesce({tier}.price, price.{rate})"


def _amount(side: str) -> str:
    """What the tokens of one side cost: nothing where there are none, though the rate be unknown."""
    tokens = f"call_{side}_tokens"
    priced = f"{tokens} * {side}_rate / 1000000.0"
    return f"CASE WHEN price_model IS NULL THEN NULL WHEN {tokens} = 0 THEN 0.0 ELSE {priced} END"


_DAY_ONLY = "CAST("
"""How :func:`time_of` begins of a column of days, which tell no time of the day."""


def _held(time: str | None, dated: PriceDate) -> str:
    """Whether a price holds for a call; without a time it is the price outside of any window of the day."""
    clock = "held.from_time IS NULL"
    if time is not None and not time.startswith(_DAY_ONLY):
        clock = f"(held.from_time IS NULL OR {_in_window(time)})"
    if dated is PriceDate.NEWEST or time is None:
        return clock
    return f"(held.since IS NULL OR held.since <= CAST({time} AS DATE)) AND {clock}"


def _in_window(time: str) -> str:
    """Whether a time of the day lies in the window of a price; one that ends before it begins goes over midnight."""
    clock = f"CAST({time} AS TIME)"
    inside = f"{clock} >= held.from_time AND {clock} < held.to_time"
    over = f"{clock} >= held.from_time OR {clock} < held.to_time"
    return f"CASE WHEN held.from_time <= held.to_time THEN {inside} ELSE ({over}) END"


def price_rows(columns: PriceColumns) -> dict[str, str]:
    """SQL for what a row of the prices says, by the names that the analyst's queries give it; rates per million."""
    scale = 1_000_000 // columns.per_tokens
    rates = {
        str(rate): f"{identifier(columns.rates[rate])}{f' * {scale}' if scale > 1 else ''}"
        if rate in columns.rates
        else "CAST(NULL AS DOUBLE)"
        for rate in Rate
    }
    return {
        "provider": f"CAST({identifier(columns.provider)} AS VARCHAR)" if columns.provider else "CAST(NULL AS VARCHAR)",
        "model": identifier(columns.model),
        "since": f"CAST({identifier(columns.since)} AS DATE)" if columns.since else "CAST(NULL AS DATE)",
        "from_time": _clock(columns.from_time),
        "to_time": _clock(columns.to_time),
        "tiered": _truth(columns.tiers),
        **rates,
    }


def _clock(column: str | None) -> str:
    """A time of the day in UTC; it may have been written ``00:30:00Z``."""
    return f"try_cast(left(CAST({identifier(column)} AS VARCHAR), 8) AS TIME)" if column else "CAST(NULL AS TIME)"


def _truth(column: str | None) -> str:
    truth = f"lower(CAST({identifier(column)} AS VARCHAR)) IN ('1', 'true', 'yes', 't')" if column else "false"
    return f"coalesce({truth}, false)"


def price_lists(book: PriceBook, matches: Mapping[str, PriceKey]) -> Condition:
    """A SELECT with all prices of each name, for queries that price calls more than once."""
    return Condition(_price_lists(book, has_tiers(book, matches)), match_parameters(matches))


def _price_lists(book: PriceBook, tiered: bool) -> str:
    """SQL for all prices of each name in one list: the last of those that hold is the price."""
    rows, struct = all_prices(book, tiered)
    return (
        f"SELECT listed_name, list({struct} ORDER BY since NULLS FIRST, from_time NULLS FIRST, input, output) "
        "AS listed_prices FROM (SELECT unnest($price_names) AS listed_name, unnest($price_providers) AS "
        f"wanted_provider, unnest($price_models) AS wanted_model) JOIN ({rows}) "
        "ON provider IS NOT DISTINCT FROM wanted_provider AND model = wanted_model GROUP BY listed_name"
    )


def all_prices(book: PriceBook, tiered: bool) -> tuple[str, str]:
    """SQL for the rows of the prices, with the lists of tiers where these are wanted; and for a row as a struct."""
    columns = price_rows(book.columns)
    said = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    rows, fields = f"SELECT {said} FROM {book.columns.source}", list(columns)
    if tiered and book.tiers is not None:
        fields += [f"{rate}_tiers" for rate in Rate]
        rows = (
            f"SELECT * FROM ({rows}) LEFT JOIN ({tiers_sql(book.tiers)}) "
            "ON provider = provider_id AND model = model_id AND since IS NOT DISTINCT FROM tiers_since"
        )
    return rows, "{" + ", ".join(f"'{name}': {name}" for name in fields) + "}"
