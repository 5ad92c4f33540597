"""What a cache of prompt prefixes would be worth in money, at what a model takes for cached and for new input."""

from __future__ import annotations

import re

import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    listed,
    markdown_table,
    options_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.scope import filter_words, nothing_there, period_words
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.listed import newest_prices
from chatcore.agents.analyst.prices.lookup import keys_of
from chatcore.agents.analyst.prices.questions import PriceQuestion
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.savings import prefix
from chatcore.protocol.messages import Recommendation

_SHOWN = 6
"""Models that are set side by side."""


class WorthOptions(msgspec.Struct, frozen=True):
    """What only the worth takes.

    Args:
        models: at whose prices, by seller and id.
        block_tokens: tokens of a block.
        within_seconds: how long a block is remembered; None for ever.
    """

    models: list[PriceKey]
    block_tokens: int = prefix.BLOCK_TOKENS
    within_seconds: float | None = None


# --- recognised -----------------------------------------------------------------------------------------------------


def recognise(reading: Reading) -> Intent | Refusal | None:
    """What the tokens that a cache of prefixes would have served are worth."""
    table = prefix.asked_of(reading) if re.search(prefix.IN_MONEY, reading.text) else None
    if table is None or isinstance(table, Refusal):
        return table
    book = wording.book_of(reading.catalogue)
    if book is None:
        return wording.no_prices(reading.catalogue)
    question = PriceQuestion(reading, book)
    unclear = [named for named in question.models if not named.is_clear]
    if unclear:
        return wording.which_model(unclear[0], book)
    if not question.models:
        return _which_model(table, book)
    names = [rf"(?<![\w.-]){re.escape(reading.text[named.start : named.end])}" for named in question.models]
    found = prefix.intent_of(reading, table, (*names, prefix.IN_MONEY))
    if isinstance(found, Refusal):
        return found
    options = {**found.options, "models": msgspec.to_builtins(keys_of(question)[:_SHOWN])}
    return msgspec.structs.replace(found, kind=KIND.name, options=options)


def _which_model(table: Table, book: PriceBook) -> Refusal:
    """The worth depends on what a model takes for cached and for new input, and none is named."""
    names = wording.known_models(book)
    return Refusal(
        reason="ambiguous",
        text="What a cache of prefixes is worth depends on what the model takes for cached and for new input: which "
        "one is meant?",
        missing=("model",),
        alternatives=(
            *(f"What would a prefix cache save in {table.name} at {name} prices?" for name in names),
            f"How many prompt tokens would a prefix cache serve in {table.name}?",
        ),
    )


# --- asked ----------------------------------------------------------------------------------------------------------


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The tokens that a cache would have had, and what is spared on each, by model and time of remembering."""
    blocks, book = prefix.find_blocks(table_of(intent, catalogue)), wording.book_of(catalogue)
    if blocks is None or book is None:
        return []
    reuse = prefix.reuse_query(intent, blocks)
    prices = newest_prices(book, options_of(intent, WorthOptions).models)
    spared = "cached_tokens * CAST(input - cache_read AS DOUBLE) / 1000000.0"
    sql = (
        "SELECT provider, model, remembered_seconds, calls, prompt_tokens, cached_tokens, cached_percent, "
        "block_tokens, calls_of_whole_blocks, input, cache_read, cache_write, tiered, "
        "prompt_tokens * input / 1000000.0 AS baseline, "
        f"prompt_tokens * input / 1000000.0 - {spared} AS projected, {spared} AS saving, "
        f"100.0 * {spared} / nullif(prompt_tokens * input / 1000000.0, 0) AS saving_percent "
        f"FROM ({reuse.sql}) AS reuse, ({prices.sql}) AS prices ORDER BY place, remembered_seconds NULLS LAST"
    )
    return [Query("worth", sql, {**reuse.parameters, **prices.parameters})]


# --- worded ---------------------------------------------------------------------------------------------------------


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """What is spared at the prices of the first model, by how long a prompt is remembered; of the others below."""
    table, book, worth = table_of(intent, catalogue), wording.book_of(catalogue), sheets.get("worth")
    if worth is None or book is None or not len(worth):
        return nothing_there(intent, catalogue)
    asked, rows = options_of(intent, WorthOptions).within_seconds, list(worth)
    priced = [row for row in rows if not row["cache_read"].missing and not row["input"].missing]
    without = list(dict.fromkeys(wording.model_of(row) for row in rows if row not in priced))
    if not priced:
        return _no_cache_price(without, book, catalogue)
    chosen = [row for row in priced if row["remembered_seconds"].value == asked]
    scope, currency = period_words(intent) + filter_words(intent.filters), book.columns.currency
    text = "".join(
        f"At the list prices of {wording.model_of(row)} a cache of prefixes{prefix.window(asked)} would spare at most "
        f"**{row['saving'].money(currency)}** of the {row['baseline'].money(currency)} that "
        f"{plural(row['prompt_tokens'], 'prompt token')}{scope} cost ({row['saving_percent'].percent}): "
        f"{row['cached_tokens'].count} of them ({row['cached_percent'].percent}) at "
        f"{wording.rate(row['cache_read'], currency)} per million in place of {wording.rate(row['input'], currency)} "
        f"(`{table.name}`).\n\n"
        for row in chosen
    )
    lines = [
        [
            wording.model_of(row),
            prefix.title(row["remembered_seconds"].value),
            row["cached_tokens"].count,
            row["saving"].money(currency),
            row["saving_percent"].percent,
        ]
        for row in priced
    ]
    header = ["model", "remembered", "tokens from the cache", "spared", "of the cost of prompts"]
    assumed = [*prefix.assumed(chosen[0]), "Nothing is paid for writing a prompt to the cache or keeping it there."]
    assumed += [f"No list price for cached input, so left out: {listed(without)}."] if without else []
    tiered = list(dict.fromkeys(wording.model_of(row) for row in priced if row["tiered"].value))
    assumed += (
        [f"A long prompt costs more for {listed(tiered)}: the price of a short one is applied."] if tiered else []
    )
    return Draft(
        (text, markdown_table(header, lines)),
        (*assumed, wording.source_note(book, catalogue)),
        (),
        tuple(
            Recommendation(
                text=f"Keep prompt prefixes in a cache{prefix.window(asked)}, at the prices of {row['model']}",
                baseline=row["baseline"].value,
                projected=row["projected"].value,
                saving=row["saving"].value,
                unit="USD" if currency in ("$", "") else currency,
                basis="ceiling",
                assumptions=assumed,
            )
            for row in chosen
        ),
    )


def _no_cache_price(names: list[str], book: PriceBook, catalogue: Catalogue) -> Refusal:
    return Refusal(
        reason="no_rows",
        text=f"`{book.columns.table}` has no price for cached input of {listed(names)}: what a cache would spare there "
        "is not known.",
        missing=("the price of cached input",),
        alternatives=wording.price_questions(catalogue),
    )


KIND = IntentKind(
    "prefix_worth",
    "What a cache of prefixes would have been worth at a model's prices",
    queries,
    word,
    recognise,
    WorthOptions,
)
