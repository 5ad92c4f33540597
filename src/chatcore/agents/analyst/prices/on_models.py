"""What the calls of a table would cost on other models: a trace that names none, or usage put on several."""

from __future__ import annotations

import re

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
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
from chatcore.agents.analyst.intents.scope import filter_words, gap_query, gap_words, nothing_there, period_words
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.listed import MOST_MODELS
from chatcore.agents.analyst.prices.lookup import keys_of
from chatcore.agents.analyst.prices.naming import NamedModel
from chatcore.agents.analyst.prices.pricing import PriceDate, calls_of, has_tiers, priced_calls
from chatcore.agents.analyst.prices.questions import OURS, PriceQuestion, counts_tokens
from chatcore.agents.analyst.prices.repricing import money
from chatcore.agents.analyst.prices.usage import asked_of, named_tables, usage_of
from chatcore.agents.analyst.reading import Reading, in_table
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.scoping import amount_in, apart_from
from chatcore.agents.analyst.sql import restriction, time_of

_WOULD = (
    r"\b(?:would|could|will|might)\b.*\b(?:cost|costs|pay|spend|price)\b|\bif\b|\b(?:re-?)?pric(?:e|ing)\b"
    r"|\bhow (?:much|expensive)\b"
)
_SET_BESIDE = r"\b(?:compare[ds]?|comparing|comparison|vs\.?|versus|against|cheaper|cheapest|or)\b"
_FOR_OURS = (
    r"\b(?:for|on|over|with|of|across) (?:all )?(?:our|my|the|this|these|that) (?:\w+ ){0,2}"
    r"(?:usage|workload|calls|traffic|requests|tokens|volume)\b"
)
_PUT_AGAIN = r"\bre-?pric(?:e|ed|ing)\b.*\b(?:on|with|as|to|at(?! (?:the )?list))\b"
_CALLS_ON = (
    r"\bwould\b.*\b(?:calls|requests|traffic|usage|workload)\b.*\bcosts?\b.*"
    r"\b(?:on|with|using|at(?! (?:the )?(?:list|today|current)))\b"
)
_BATCHED = r"batch(?:es|ed|ing)?(?: (?:mode|api|jobs?|discount|prices?|rates?))?"
_LED = r"(?:\b(?:in|with|as|by|using|through|via) )?(?:a |an |the )?"
_OFF = (
    rf"{_LED}(?:\b{_BATCHED} (?:at |with )?)?\b(?P<amount>\d+(?:\.\d+)?)\s?(?:%|percent) "
    r"(?:batch )?(?:discount|off|cheaper|less)\b"
    rf"|{_LED}\b{_BATCHED}\b"
)
"""A discount on the list: named, or that of batches."""
_TIME_ON = (
    r"\bwould\b.*\bhave cost\b(?: \w+)? (?:on|with|using|at)\b(?! (?:the )?(?:list|today|current)\b)(?!.*\binstead\b)"
)
"""``what would Q1 have cost on gpt-4o``."""
_SO_MANY = r"\b\d[\d,.]*\s?[km]? (?:such |of these )?(?:calls|requests|times)\b"
"""A number of calls that somebody thinks of, and not those that were made."""
_OF_CALLS = r"(?:calls?|requests?|usage|traffic|prompts?|workload|spend|queries)"
_THEIR_CALLS = re.compile(rf"\W*(?:models? )?{_OF_CALLS}\b")
_CALLS_OF = re.compile(
    rf"\b{_OF_CALLS} (?:(?!costs?\b)\w+ )?(?:of|from|on|by|with|for|to|made (?:by|with|on)) (?:the |our |all )*$"
    r"|\b(?:except(?: for)?|excluding|without|other than|but not|not) (?:the |our |all )*$"
)
_OURS_OF_A_MODEL = r"\b(?:our|my) \S*\d\S* (?:\S+ )?(?:usage|calls|requests|traffic|workload)\b"
_COST = r"\b(?:costs?|prices?|pric(?:ed|ing)|cheap\w*|expensive|pay|spend|run|compare|re-?pric\w+)\b|\bhow much\b"


USUAL_DISCOUNT = 50.0
"""Percent off for batches where none is named: what OpenAI, Anthropic and Google publish for theirs."""


class OnModelsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The models that the calls are put on, by seller and id; the percentage that is off the list, as in batches."""

    models: list[PriceKey]
    discount_percent: float = 0.0


# --- recognised -----------------------------------------------------------------------------------------------------


def recognise(reading: Reading) -> Intent | Refusal | None:
    """A trace or the usage, and models that it is to be priced on."""
    if not reading.says(_COST):
        return None
    book = wording.book_of(reading.catalogue)
    trace = _trace(reading)
    if trace is None and not _is_of_usage(reading):
        return None
    if book is None:
        return wording.no_prices(reading.catalogue)
    table = trace or usage_of(reading, counts_tokens)
    if table is None or isinstance(table, Refusal):
        return table or wording.no_usage(reading.catalogue)
    if trace is None and _sides_but_models(reading, table):
        return None
    return _put_on(PriceQuestion(reading, book), table, is_trace=trace is not None)


def _sides_but_models(reading: Reading, table: Table) -> bool:
    """Whether other names than those of models are set side by side: ``in ask mode and in diff mode``."""
    model, sides = table.column(Meaning.MODEL), in_table(reading, table, apart=lambda _: False).sides
    return bool(sides) and (model is None or sides[0].column != model.name)


def _trace(reading: Reading) -> Table | Refusal | None:
    """The table of tokens without models or costs that is named, where it is asked what it would cost."""
    named = [each.table for each in named_tables(reading)]
    bare = [t for t in named if counts_tokens(t) and not t.has(Meaning.MODEL) and not t.has(Meaning.COST)]
    if not bare or not reading.says(_WOULD):
        return None
    return usage_of(reading, counts_tokens)


def _is_of_usage(reading: Reading) -> bool:
    """Whether our own calls are to be put on models: said to be ours, and either set side by side or supposed."""
    if reading.says(_FOR_OURS) and (reading.says(_SET_BESIDE) or reading.says(_WOULD)):
        return True
    if reading.says(_PUT_AGAIN) or (reading.says(_CALLS_ON) and not reading.says(_SO_MANY)):
        return True
    if reading.says(_TIME_ON):
        return True
    if reading.says(_OURS_OF_A_MODEL):
        return False
    return reading.says(r"\bwould\b") and reading.says(OURS) and reading.says(r"\b(?:usage|workload|calls|traffic)\b")


def _put_on(question: PriceQuestion, table: Table | Refusal, *, is_trace: bool) -> Intent | Refusal | None:
    if isinstance(table, Refusal):
        return table
    reading, book = question.reading, question.book
    if not question.models:
        return no_target(table, question) if is_trace else None
    targets = _targets(question)
    if not targets:
        return no_target(table, question) if is_trace else None
    unclear = [named for named in targets if not named.is_clear]
    if unclear:
        return wording.which_model(unclear[0], book)
    asking = asked_of(_undiscounted(reading), table, (*targets, *question.sellers))
    if isinstance(asking, Refusal):
        return asking
    options = msgspec.to_builtins(OnModelsOptions(keys_of(question, targets), _discount(reading)))
    periods = [asking.period] if asking.period else []
    filters = asking.reading.filters
    return Intent(kind="cost_on_models", table=table.name, periods=periods, filters=filters, options=options)


def _undiscounted(reading: Reading) -> Reading:
    """The question without the words of a discount."""
    match = re.search(_OFF, reading.text)
    return apart_from(reading, (re.escape(match[0]),)) if match else reading


def _discount(reading: Reading) -> float:
    """The percentage that is off the list: the one that is named, or what batches usually get."""
    match = re.search(_OFF, reading.text)
    if match is None:
        return 0.0
    return amount_in(match) or USUAL_DISCOUNT


def _targets(question: PriceQuestion) -> list[NamedModel]:
    """The models that calls are put on: those that are named, but for the ones whose calls are meant."""
    text = question.reading.text
    return [each for each in question.models if not _is_of_calls(each, text)]


def _is_of_calls(named: NamedModel, text: str) -> bool:
    """Whether a model's calls are meant: ``the o3 calls``, ``calls on o3``, ``all calls except o3``."""
    after = _THEIR_CALLS.match(text, named.end) is not None
    return after or _CALLS_OF.search(text[: named.start]) is not None


def no_target(table: Table, question: PriceQuestion) -> Refusal:
    """A trace names no model, and neither does the question."""
    names = wording.known_models(question.book)
    return Refusal(
        reason="ambiguous",
        text=f"`{table.name}` names no model: on which one is it to be priced?",
        missing=("model",),
        alternatives=tuple(f"What would {table.name} cost on {name}?" for name in names),
    )


# --- asked ----------------------------------------------------------------------------------------------------------


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The calls, and what they cost on each model."""
    table, book = table_of(intent, catalogue), catalogue.price_books[0]
    keys = options_of(intent, OnModelsOptions).models[:MOST_MODELS]
    return [_totals_query(intent, table), _models_query(intent, table, book, keys), *gap_query(intent, catalogue)]


def _totals_query(intent: Intent, table: Table) -> Query:
    where, plain, time = restriction(intent, table), calls_of(table, restriction(intent, table)), time_of(table)
    extent = f", CAST(min({time}) AS VARCHAR) AS first, CAST(max({time}) AS VARCHAR) AS last" if time else ""
    sql = (
        f"SELECT count(*) AS calls, CAST(sum({plain.input_tokens}) AS BIGINT) AS input_tokens, "
        f"CAST(sum({plain.output_tokens}) AS BIGINT) AS output_tokens{extent} "
        f"FROM {identifier(table.name)} {where.where}"
    )
    return Query("totals", sql, where.parameters)


def _models_query(intent: Intent, table: Table, book: PriceBook, keys: list[PriceKey]) -> Query:
    """What all calls cost on each model, cheapest first."""
    matches = {str(key): key for key in keys}
    source = f"(SELECT *, unnest($price_names) AS put_on FROM {identifier(table.name)})"
    calls = calls_of(table, restriction(intent, table), {"put_on": "put_on"}, name="put_on")
    priced = priced_calls(attrs.evolve(calls, source=source), book, matches, PriceDate.NEWEST)
    off = options_of(intent, OnModelsOptions).discount_percent
    kept = " * (1.0 - $discount_percent / 100.0)" if off else ""
    parameters = {**priced.parameters, **({"discount_percent": off} if off else {})}
    discount = ", CAST($discount_percent AS DOUBLE) AS discount_percent" if off else ""
    sql = (
        f"WITH priced AS MATERIALIZED ({priced.sql}) "
        "SELECT price_provider AS provider, price_model AS model, count(*) AS calls, count(list_cost) AS priced_calls, "
        f"{money('list_cost')}{kept} AS list_cost, {money('list_input_cost')}{kept} AS list_input_cost, "
        f"{money('list_output_cost')}{kept} AS list_output_cost, "
        f"{money('list_cost')}{kept} / nullif(count(list_cost), 0) AS cost_per_call, "
        f"CAST(max(price_since) AS VARCHAR) AS since, bool_or(price_tiered) AS tiered{discount} "
        "FROM priced GROUP BY put_on, provider, model ORDER BY list_cost NULLS LAST, put_on"
    )
    return Query("models", sql, parameters)


# --- worded ---------------------------------------------------------------------------------------------------------


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The cheapest first, all in a table."""
    table, book, totals = table_of(intent, catalogue), catalogue.price_books[0], sheets["totals"]
    if totals.cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    currency = book.columns.currency
    first, *others = list(sheets["models"])
    scope = period_words(intent) + filter_words(intent.filters)
    calls = f"{plural(totals.cell('calls'), 'call')} of `{table.name}`{scope}"
    sizes = f"{totals.cell('input_tokens').count} tokens in and {totals.cell('output_tokens').count} out"
    cheapest = f"{wording.model_of(first)} **{first['list_cost'].money(currency)}**"
    rest = "".join(f", {wording.model_of(row)} **{row['list_cost'].money(currency)}**" for row in others)
    off = f"{first['discount_percent'].percent} below list price" if "discount_percent" in first else "At list price"
    parts = [f"{off[:1].upper()}{off[1:]} the {calls} ({sizes}) would cost, cheapest first: on {cheapest}{rest}.\n\n"]
    rows = [
        [
            wording.model_of(row),
            *(wording.amount(row[name], currency) for name in _AMOUNTS),
        ]
        for row in (first, *others)
    ]
    parts.append(markdown_table(["model", "input", "output", "together", "a call"], rows))
    notes = (*_assumed(intent, table, book, sheets), *gap_words(sheets), wording.source_note(book, catalogue))
    return Draft(tuple(parts), notes)


_AMOUNTS = ("list_input_cost", "list_output_cost", "list_cost", "cost_per_call")


def _assumed(intent: Intent, table: Table, book: PriceBook, sheets: Sheets) -> list[str]:
    told = [
        "Assumed: the same tokens on every model, though each counts them by its own tokenizer; nothing read from a "
        "cache; the newest price of the list, whenever the calls were."
    ]
    keys = options_of(intent, OnModelsOptions).models
    tiered = [row for row in sheets["models"] if row["tiered"].value]
    if tiered and not has_tiers(book, {str(key): key for key in keys}):
        names = listed([wording.model_of(row) for row in tiered])
        told.append(f"A long prompt costs more for {names}; the price of short prompts is applied.")
    if table.column(Meaning.TIME) is None:
        told.append("The calls have no time of the day: prices of a window of the day are not applied.")
    return told


KIND = IntentKind(
    "cost_on_models", "What calls would cost on other models at list", queries, word, recognise, OnModelsOptions
)
