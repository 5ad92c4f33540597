"""The queries for listed prices: which are looked up, of which day, for how many tokens. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import listed
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey, Rate
from chatcore.agents.analyst.pricebook.nested import tiers_sql
from chatcore.agents.analyst.prices.pricing import price_rows
from chatcore.agents.analyst.request import Period
from chatcore.agents.analyst.sql import Condition, all_of

MOST_MODELS = 40
"""Models that are looked up at once."""

PER_MILLION = 1_000_000
"""Tokens that prices are listed for."""


class LookupOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is looked up: models by seller and id, and the rate that is asked for, all of them where it is None.

    ``tokens``: that a price is for; ``cheapest_first``: in the order of the prices, and not of the models.
    """

    models: list[PriceKey]
    rate: Rate | None = None
    tokens: int = PER_MILLION
    cheapest_first: bool = False


def hull(periods: Sequence[Period]) -> Period | None:
    """The stretch of time that several days or periods lie in; None without any."""
    if len(periods) < 2:
        return periods[0] if periods else None
    starts, ends = [each.start for each in periods], [each.end for each in periods]
    words = listed([each.words for each in periods])
    start = None if None in starts else min(filter(None, starts))
    return Period(words=words, start=start, end=None if None in ends else max(filter(None, ends)))


def _wanted(keys: Sequence[PriceKey]) -> tuple[str, dict[str, object]]:
    """SQL for the models that are looked up in their order, and what it binds."""
    sql = (
        "SELECT unnest($price_providers) AS wanted_provider, unnest($price_models) AS wanted_model, "
        "unnest(range(len($price_models))) AS place"
    )
    return sql, {"price_providers": [key.provider for key in keys], "price_models": [key.model for key in keys]}


def prices_query(book: PriceBook, options: LookupOptions, period: Period | None = None) -> Query:
    """The prices of some models with the time that each holds for, newest first; those of a period, if one is given."""
    said = ", ".join(f"{sql} AS {name}" for name, sql in price_rows(book.columns).items())
    wanted, parameters = _wanted(options.models)
    until = "lead(since) OVER (PARTITION BY place, from_time ORDER BY since NULLS FIRST)"
    joined = (
        f"SELECT *, {until} AS until FROM ({wanted}) JOIN (SELECT {said} FROM {book.columns.source}) "
        "ON provider IS NOT DISTINCT FROM wanted_provider AND model = wanted_model"
    )
    held = _held(period)
    texts = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in ("since", "until", "from_time", "to_time"))
    rates = ", ".join(
        f"{rate} * $tokens / 1000000.0 AS {rate}" if options.tokens != PER_MILLION else rate for rate in Rate
    )
    if options.tokens != PER_MILLION:
        parameters["tokens"] = options.tokens
    order = "input + output NULLS LAST, provider, model" if options.cheapest_first else "place"
    paid = "WHERE input + output > 0" if options.cheapest_first else held.where
    sql = (
        f"SELECT provider, model, {texts}, {rates}, tiered FROM ({joined}) AS held {paid} "
        f"ORDER BY {order}, since DESC NULLS LAST, from_time NULLS LAST, held.input, held.output"
    )
    return Query("prices", sql, {**parameters, **held.parameters})


def _held(period: Period | None) -> Condition:
    """Where a price held on some day of a period."""
    start, end = (period.start, period.end) if period else (None, None)
    before = Condition("(since IS NULL OR since < CAST($to AS DATE))", {"to": end}) if end else None
    after = Condition("(until IS NULL OR until > CAST($from AS DATE))", {"from": start}) if start else None
    return all_of((before, after))


def tiers_query(book: PriceBook, options: LookupOptions) -> list[Query]:
    """What longer prompts cost, where that is known; no query where no model has tiers."""
    tiered = [key for key in options.models if (row := book.row(key)) is not None and row.tiered]
    if book.tiers is None or not tiered:
        return []
    wanted, parameters = _wanted(tiered)
    rates = " UNION ALL ".join(
        f"SELECT provider_id AS provider, model_id AS model, CAST(tiers_since AS VARCHAR) AS since, '{rate}' AS rate, "
        f"unnest({rate}_tiers) AS tier FROM tiered"
        for rate in Rate
    )
    order = ", ".join(f"'{rate}'" for rate in (Rate.INPUT, Rate.OUTPUT, Rate.CACHE_READ, Rate.CACHE_WRITE))
    sql = (
        f"WITH tiered AS ({tiers_sql(book.tiers)}) SELECT provider, model, since, tier.start AS longer_than, rate, "
        f"tier.price * $tokens / 1000000.0 AS price FROM ({rates}) JOIN ({wanted}) "
        "ON provider = wanted_provider AND model = wanted_model ORDER BY place, since NULLS FIRST, longer_than, "
        f"list_position([{order}], rate)"
    )
    return [Query("tiers", sql, {**parameters, "tokens": options.tokens})]
