"""What a cache of prompt prefixes would have spared, by the ids of the blocks that prompts are made of.

Equal ids mean an equal prefix up to there: a block is in the cache when a call before had the same id. An endless cache
gives a ceiling; a cache that forgets after a while gives less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Column, Table
from chatcore.agents.analyst.columns import Meaning, name_words
from chatcore.agents.analyst.decisions.clock import clock_of
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    markdown_table,
    options_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.scope import filter_words, nothing_there, period_words
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.refusals import no_such_column, suggestions
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.savings.asked import HIT_PERCENT
from chatcore.agents.analyst.scoping import AMOUNT, amount_in, apart_from, scope_of
from chatcore.agents.analyst.sql import restriction
from chatcore.protocol.messages import Recommendation

BLOCK_TOKENS = 512
"""Tokens of a block in the traces that are public; the answer says of how many rows that holds."""

WINDOWS = (60, 300, 3600)
"""How long a cache may remember, in seconds, beside for ever: providers keep prompts for five minutes to an hour."""


class PrefixOptions(msgspec.Struct, frozen=True):
    """What only the prefixes take.

    Args:
        block_tokens: tokens of a block.
        within_seconds: how long a block is remembered; None for ever.
    """

    block_tokens: int = BLOCK_TOKENS
    within_seconds: float | None = None


@attrs.frozen
class Blocks:
    """A trace's columns.

    Args:
        table: that they are of.
        ids: the blocks of each prompt.
        tokens: how long the prompt is.
    """

    table: Table
    ids: Column
    tokens: Column


def find_blocks(table: Table) -> Blocks | None:
    """The blocks of a table's prompts; None where it has none."""
    ids = next((c for c in table.columns if {"hash", "hashes", "block", "blocks"} & set(name_words(c.name))), None)
    tokens = table.column(Meaning.INPUT_TOKENS)
    return Blocks(table, ids, tokens) if ids is not None and tokens is not None else None


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The tokens that a cache would have had, for each time that it may remember."""
    blocks = find_blocks(table_of(intent, catalogue))
    return [_reuse_query(intent, blocks)] if blocks else []


def _reuse_query(intent: Intent, blocks: Blocks) -> Query:
    """A row for each time that a cache remembers, the endless one last."""
    options, where, clock = options_of(intent, PrefixOptions), restriction(intent, blocks.table), clock_of(blocks.table)
    tokens, order = identifier(blocks.tokens.name), clock.order if clock else "rowid"
    seconds = clock.seconds if clock else "CAST(NULL AS DOUBLE)"
    windows = sorted({*map(float, WINDOWS), options.within_seconds or float(WINDOWS[0])}) if clock else []
    calls = (
        f"SELECT row_number() OVER (ORDER BY {order}) AS number, {seconds} AS moment, {tokens} AS tokens, "
        f"CAST(CAST({identifier(blocks.ids.name)} AS VARCHAR) AS VARCHAR[]) AS ids "
        f"FROM {identifier(blocks.table.name)} {where.where}"
    )
    parts = "SELECT number, moment, unnest(ids) AS id, generate_subscripts(ids, 1) AS place FROM calls"
    before = (
        "SELECT number, place, moment - lag(moment) OVER (PARTITION BY id ORDER BY number, place) AS age, "
        f"coalesce(lag(number) OVER (PARTITION BY id ORDER BY number, place) < number, false) AS known FROM ({parts})"
    )
    fresh = [f" AND age <= $windows[{position}]" for position in range(1, len(windows) + 1)]
    misses = ", ".join(f"min(place) FILTER (WHERE NOT (known{each}))" for each in [*fresh, ""])
    missed = (
        "SELECT number, unnest(misses) AS miss, unnest(list_append(CAST($windows AS DOUBLE[]), NULL)) AS remembered "
        f"FROM (SELECT number, [{misses}] AS misses FROM ({before}) GROUP BY number)"
    )
    cached = "CASE WHEN miss IS NULL THEN tokens ELSE least(tokens, (miss - 1) * $block_tokens) END"
    sql = (
        f"WITH calls AS MATERIALIZED ({calls}) SELECT remembered AS remembered_seconds, count(*) AS calls, "
        f"CAST(sum(tokens) AS BIGINT) AS prompt_tokens, CAST(sum({cached}) AS BIGINT) AS cached_tokens, "
        f"CAST(sum(tokens - {cached}) AS BIGINT) AS computed_tokens, "
        f"100.0 * sum({cached}) / nullif(sum(tokens), 0) AS cached_percent, "
        f"count(*) FILTER (WHERE {cached} > 0) AS calls_with_cached, $block_tokens AS block_tokens, "
        "count(*) FILTER (WHERE len(ids) = ceil(tokens / $block_tokens)) AS calls_of_whole_blocks "
        f"FROM calls JOIN ({missed}) USING (number) GROUP BY remembered ORDER BY remembered NULLS LAST"
    )
    parameters = {**where.parameters, "windows": windows}
    return Query("reuse", sql, {**parameters, "block_tokens": options.block_tokens})


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The share that was seen before, for ever and within a while."""
    table, reuse = table_of(intent, catalogue), sheets.get("reuse")
    blocks = find_blocks(table)
    if blocks is None:
        return _without_blocks(catalogue, table)
    if reuse is None or not len(reuse):
        return nothing_there(intent, catalogue)
    asked = options_of(intent, PrefixOptions).within_seconds
    rows = list(reuse)
    chosen = next((row for row in rows if asked is not None and row["remembered_seconds"].value == asked), rows[-1])
    scope, window = period_words(intent) + filter_words(intent.filters), _window(chosen["remembered_seconds"].value)
    text = (
        f"Of {plural(chosen['prompt_tokens'], 'prompt token')}{scope}, **{chosen['cached_tokens'].count}** "
        f"({chosen['cached_percent'].percent}) were a prefix that an earlier call had{window} (`{table.name}`).\n\n"
    )
    lines = [
        [
            _title(row["remembered_seconds"].value),
            row["cached_tokens"].count,
            row["cached_percent"].percent,
            row["calls_with_cached"].count,
        ]
        for row in rows
    ]
    header = ["remembered", "tokens from the cache", "of all", "calls with some"]
    assumed = _assumed(chosen)
    recommended = Recommendation(
        text=f"Keep prompt prefixes in a cache{window}",
        baseline=chosen["prompt_tokens"].value,
        projected=chosen["computed_tokens"].value,
        saving=chosen["cached_tokens"].value,
        unit="prompt tokens",
        basis="ceiling",
        assumptions=assumed,
    )
    return Draft((text, markdown_table(header, lines)), tuple(assumed), (), (recommended,))


def _window(seconds: float | None) -> str:
    return "" if seconds is None else f" within {_span(seconds)}"


def _title(seconds: float | None) -> str:
    return "for ever" if seconds is None else f"for {_span(seconds)}"


def _span(seconds: float) -> str:
    names = {60.0: "a minute", 300.0: "five minutes", 3600.0: "an hour"}
    return names.get(seconds, f"`{seconds:g}` seconds")


def _assumed(row: Mapping[str, Cell]) -> list[str]:
    """What the figures rest on."""
    fitting, calls = row["calls_of_whole_blocks"].count, plural(row["calls"], "call")
    kept = "endless" if row["remembered_seconds"].missing else "large enough"
    return [
        f"It is a ceiling: the cache is {kept}, shared by all calls, and has a block as soon as a call had it.",
        f"A block is taken for {row['block_tokens'].count} tokens, as fits the length of {fitting} of {calls}.",
    ]


def _without_blocks(catalogue: Catalogue, table: Table) -> Refusal:
    """Nothing says which prompts begin alike."""
    refusal = no_such_column("blocks of prompts", table, catalogue)
    others = [each for each in catalogue.tables if find_blocks(each)]
    asked = [f"What would prefix caching save in {each.name}?" for each in others]
    return attrs.evolve(refusal, alternatives=tuple(asked) or suggestions(catalogue))


_PREFIX = (
    r"\bprefix(?:es)?\b(?:[- ]?cach\w+)?(?: hits?| hit rate| savings?| reuse)?|\bkv[- ]?cach\w+|\bshared prompts?\b"
    r"|\bcache hit (?:rate|ratio)\b|\bhash(?:es|[- ]ids?)?\b|\bblocks?\b.*\b(?:seen|reused|repeated|cached)\b"
)
_CACHE = r"\b(?:prompt |input |context )?cach(?:e|ed|es|ing)\b"
_WITHIN = (
    rf"\b(?:within|for|after|of|ttl)\s+(?:a window of |a ttl of )?{AMOUNT}\s?"
    r"(?P<unit>seconds?|s|minutes?|mins?|hours?|h)\b"
)
_UNITS = {"s": 1, "m": 60, "h": 3600}
_KNOWN = frozenset(
    [
        "blocks",
        "block",
        "how",
        "many",
        "prompt",
        "tokens",
        "would",
        "serve",
        "hit",
        "rate",
        "reuse",
        "reused",
        "share",
        "prompts",
        "window",
        "seen",
        "repeated",
        "served",
    ]
)


_MONEY = (
    r"[$€£]|\b(?:dollars?|usd|euros?|money|prices?|pricing|costs?|bill)\b"
    r"|\b(?:on|with|for|at) (?:the )?(?:gpt|o\d|claude|gemini|deepseek|llama|mistral)\b"
)
"""What the tokens of a cache would be worth."""


def _in_money(table: Table, catalogue: Catalogue) -> Refusal:
    """What a cache would have served is told in tokens."""
    names = [name for name in ("gpt-4o", "deepseek-chat") if any(book.match(name) for book in catalogue.price_books)]
    return Refusal(
        reason="not_supported",
        text="I tell the prompt tokens that a cache of prefixes would have served, and not what they would be worth: "
        "that depends on what the model takes for cached and for new input.",
        missing=("the worth of cached tokens",),
        alternatives=(
            f"How many prompt tokens would a prefix cache serve in {table.name}?",
            *(f"What would {table.name} cost on {name}?" for name in names),
            *(f"What is the list price of {name} for cached input?" for name in names),
        ),
    )


def recognise(reading: Reading) -> Intent | Refusal | None:
    """What a cache of prefixes would have had."""
    named = [mention.table for mention in reading.tables if find_blocks(mention.table)]
    if not named and any(re.search(pattern, reading.text) for pattern in HIT_PERCENT):
        return None  # a share that is supposed, and not the one that is found
    if not re.search(_PREFIX, reading.text) and not (named and re.search(_CACHE, reading.text)):
        return None
    able = named or [table for table in reading.catalogue.tables if find_blocks(table)]
    if not able or (reading.tables and not named):
        return _without_blocks(reading.catalogue, ranked(reading.catalogue.tables)[0])
    if re.search(_MONEY, reading.text):
        return _in_money(able[0], reading.catalogue)
    within = re.search(_WITHIN, reading.text)
    scope = scope_of(apart_from(reading, (_PREFIX, _CACHE, _WITHIN)), able[0], _KNOWN)
    if isinstance(scope, Refusal):
        return scope
    seconds = (amount_in(within) or 0) * _UNITS[within["unit"][0]] if within else None
    options = msgspec.to_builtins(PrefixOptions(within_seconds=seconds))
    return Intent(kind=KIND.name, table=able[0].name, periods=scope.periods, filters=scope.filters, options=options)


KIND = IntentKind(
    "prefix_cache",
    "What part of the prompts a cache of prefixes would have had",
    queries,
    word,
    recognise,
    PrefixOptions,
)
