"""What past usage costs at list price: each call by its own model, at the price of its day."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs
import msgspec

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning, name_words
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    code,
    listed,
    markdown_table,
    options_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.scope import filter_words, gap_query, gap_words, nothing_there, period_words
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.pricing import MONEY, calls_of, has_tiers, part_of, priced_calls
from chatcore.agents.analyst.prices.questions import LIST, OURS, PriceQuestion
from chatcore.agents.analyst.prices.usage import asked_of, is_priceable, usage_of
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.scoping import led_columns
from chatcore.agents.analyst.sql import Condition, all_of, implausible, restriction

SHOWN_MODELS = 12
"""Models that the table of an answer shows; the evidence has more."""

MAX_PARTS = 31
"""Parts that it shows where the usage is split by time or by a column."""

_AGAIN = r"\bre-?(?:price|prices|priced|pricing|valu\w+)\b"
_USAGE = (
    r"\b(?:usage|calls?|requests?|traffic|everything|ledger|spend|spending|workload|models? (?:have|has|had)"
    r"|(?<!per )(?<![0-9km] )(?<!thousand )(?<!million )(?<!input )(?<!output )(?<!cached )tokens"
    r"|unmatched|unpriced)\b"
)
_OF_ANOTHER_DAY = r"\bat (?:today|current|new|newest|latest|present)(?:'s)? (?:list )?(?:prices?|rates?)\b"
"""Each call is priced at the price of its own day."""


_UNPRICED = r"\b(?:no|without(?: an?)?|missing|lack\w*|not (?:have|covered|in)|unpriced)\b.*\b(?:list|price)\w*\b"


class ListCostOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the models without a price are what is asked for."""

    unpriced_first: bool = False


def recognise(reading: Reading) -> Intent | Refusal | None:
    """A question for the list price of what was used."""
    ours = reading.says(OURS) or reading.says(_USAGE) or _is_of_a_time(reading)
    asked = reading.says(_AGAIN) or (reading.says(LIST) and ours)
    if not asked or reading.has(lexicon.AVERAGE) or reading.says(_OF_ANOTHER_DAY):
        return None
    if wording.book_of(reading.catalogue) is None:
        return wording.no_prices(reading.catalogue)
    table = usage_of(reading, is_priceable)
    if table is None or isinstance(table, Refusal):
        return table or wording.no_usage(reading.catalogue)
    asking = asked_of(reading, table)
    if isinstance(asking, Refusal):
        return asking
    columns, grain = led_columns(asking), asking.grain
    if len(columns) + (grain is not None) > 1:
        return refusals.one_split_at_a_time(columns, grain, table, reading.catalogue)
    options = msgspec.to_builtins(ListCostOptions(reading.says(_UNPRICED)))
    by = columns[0].name if columns else None
    return msgspec.structs.replace(intent_of("list_cost", asking), by=by, grain=grain, options=options)


def intent_of(kind: str, asking: Asking) -> Intent:
    """The intent over the period and the filters of a question."""
    periods = [asking.period] if asking.period else []
    return Intent(kind=kind, table=asking.table.name, periods=periods, filters=asking.reading.filters)


# --- asked ----------------------------------------------------------------------------------------------------------


def _is_of_a_time(reading: Reading) -> bool:
    """Whether it is asked what a stretch of time would cost: ``what would last month cost at list price``."""
    book = wording.book_of(reading.catalogue)
    if book is None or not reading.says(r"\bwould\b.*\bcosts?\b"):
        return False
    question = PriceQuestion(reading, book)
    text = reading.text
    put_on = [named for named in question.models if not _OF_THEM.search(text[: named.start])]
    return bool(question.periods) and not put_on


_OF_THEM = re.compile(r"\b(?:excluding|except(?: for)?|without|for|of|from|by|not)\s+(?:the |our |all )*$")
"""What leads to a model whose calls are meant, or left out."""


@attrs.frozen
class Repricing:
    """The calls of an intent with their list prices, in SQL that the kinds of this family ask.

    Args:
        intent: what is asked.
        table: of the calls.
        book: the prices.
        matches: what the names of the models lead to.
    """

    intent: Intent
    table: Table
    book: PriceBook
    matches: dict[str, PriceKey]

    @staticmethod
    def of(intent: Intent, catalogue: Catalogue) -> Repricing:
        """The repricing of an intent; there is a table of prices."""
        table, book = table_of(intent, catalogue), catalogue.price_books[0]
        column = table.column(Meaning.MODEL)
        names = column.values if column else ()
        wanted = [each for each in intent.filters if column and each.column == column.name and not each.exclude]
        if wanted:
            names = tuple(name for name in names if all(name in each.values for each in wanted))
        return Repricing(intent, table, book, book.matches(names))

    @property
    def model(self) -> str:
        """SQL for the name of a call's model."""
        column = self.table.column(Meaning.MODEL)
        return f"CAST({identifier(column.name)} AS VARCHAR)" if column else "NULL"

    @property
    def is_logged(self) -> bool:
        """Whether what was logged can be added up beside the list price."""
        return self.table.has(Meaning.COST)

    @property
    def tiered(self) -> bool:
        """Whether tiers are applied."""
        return has_tiers(self.book, self.matches)

    def calls(self, only: Condition | None = None) -> Condition:
        """A row per call: its model, what it was logged at, whether that is plausible, and its list price."""
        cost, odd = self.table.column(Meaning.COST), implausible(self.table)
        keep = {"used_model": self.model}
        keep |= {"part": part} if (part := part_of(self.intent, self.table)) else {}
        keep["logged_cost"] = identifier(cost.name) if cost else "CAST(NULL AS DOUBLE)"
        keep["logged_odd"] = f"({odd.sql}) IS TRUE" if odd else "false"
        where = all_of((restriction(self.intent, self.table), only))
        priced = priced_calls(calls_of(self.table, where, keep), self.book, self.matches)
        return Condition(priced.sql, {**priced.parameters, **(odd.parameters if odd else {})})


def money(expression: str, only: str = "") -> str:
    """SQL for an exact sum of amounts."""
    kept = f" FILTER (WHERE {only})" if only else ""
    return f"CAST(sum(CAST({expression} AS {MONEY})){kept} AS DOUBLE)"


SUMS = (
    f"count(*) AS calls, count(list_cost) AS priced_calls, count(*) - count(list_cost) AS unpriced_calls, "
    f"100.0 * (count(*) - count(list_cost)) / nullif(count(*), 0) AS unpriced_percent, "
    f"{money('list_cost')} AS list_cost, {money('list_input_cost')} AS list_input_cost, "
    f"{money('list_output_cost')} AS list_output_cost, "
    f"{money('logged_cost', 'list_cost IS NOT NULL AND NOT logged_odd')} AS logged_cost, "
    "count(*) FILTER (WHERE logged_odd) AS implausible_rows, "
    "count(*) FILTER (WHERE price_tiered AND list_cost IS NOT NULL) AS tiered_calls"
)
"""What is summed over priced calls; what was logged, over the plausible ones that a price covers."""


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """All calls together, by model, and by what they are split by besides."""
    repricing = Repricing.of(intent, catalogue)
    calls = repricing.calls()
    parts = [parts_query(intent, calls)] if part_of(intent, repricing.table) else []
    return [totals_query(calls, SUMS), *parts, *gap_query(intent, catalogue)]


def parts_query(intent: Intent, calls: Condition) -> Query:
    """The sums of each step of time in their order, or of each value of a column, dearest first."""
    order = "part" if intent.grain else "list_cost DESC NULLS LAST, part"
    sql = f"WITH priced AS MATERIALIZED ({calls.sql}) SELECT part, {SUMS} FROM priced GROUP BY part ORDER BY {order}"
    return Query("parts", sql, calls.parameters)


def totals_query(calls: Condition, sums: str) -> Query:
    """Sums over all calls in the first row, over those of each model in the others: dearest first, unpriced last."""
    sql = (
        f"WITH priced AS MATERIALIZED ({calls.sql}) "
        "SELECT used_model, price_provider AS provider, price_model AS model, "
        f"{sums} FROM priced GROUP BY GROUPING SETS ((), (used_model, price_provider, price_model)) "
        "ORDER BY grouping(used_model) DESC, list_cost DESC NULLS LAST, calls DESC, used_model, provider, model"
    )
    return Query("totals", sql, calls.parameters)


def models_of(sheets: Sheets) -> list[Mapping[str, Cell]]:
    """The rows of the models that a price covers."""
    return [row for row in list(sheets["totals"])[1:] if row["priced_calls"]]


def unpriced_of(sheets: Sheets) -> list[Mapping[str, Cell]]:
    """The rows of the models that none covers."""
    return [row for row in list(sheets["totals"])[1:] if not row["priced_calls"]]


# --- worded ---------------------------------------------------------------------------------------------------------


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The amount at list first, what it covers after."""
    totals, repricing = sheets["totals"], Repricing.of(intent, catalogue)
    if totals.cell("calls").value == 0:
        return nothing_there(intent, catalogue)
    if totals.cell("priced_calls").value == 0:
        return nothing_priced(sheets, repricing, catalogue)
    return Draft(
        (f"{_headline(repricing, sheets)}\n\n", _table(repricing, sheets)),
        (*untold(repricing, sheets), *gap_words(sheets), wording.source_note(repricing.book, catalogue)),
    )


def _headline(repricing: Repricing, sheets: Sheets) -> str:
    if options_of(repricing.intent, ListCostOptions).unpriced_first:
        return f"{unpriced_words(sheets)} {_costs(repricing, sheets)}"
    return f"{_costs(repricing, sheets)} {unpriced_words(sheets)}"


def _costs(repricing: Repricing, sheets: Sheets) -> str:
    totals, currency = sheets["totals"], repricing.book.columns.currency
    scope = period_words(repricing.intent) + filter_words(repricing.intent.filters)
    amount = f"**{totals.cell('list_cost').money(currency)}**"
    text = f"At list price the usage{scope} costs {amount}, for {plural(totals.cell('priced_calls'), 'call')}"
    if repricing.is_logged and not totals.cell("logged_cost").missing:
        odd = ", implausible rows left out" if totals.cell("implausible_rows") else ""
        text += f"; logged for the same calls: {totals.cell('logged_cost').money(repricing.table.currency)}{odd}"
    return f"{text}."


def unpriced_words(sheets: Sheets) -> str:
    """How many calls no price covers, and whose models they are."""
    totals, unpriced = sheets["totals"], unpriced_of(sheets)
    if not unpriced:
        return "Every call is covered by a price."
    named = listed([code(row["used_model"]) for row in unpriced][:SHOWN_MODELS])
    more = " and others" if len(unpriced) > SHOWN_MODELS else ""
    share = totals.cell("unpriced_percent").percent
    count = plural(totals.cell("unpriced_calls"), "call")
    return f"Not covered by any price, and not counted: {count} ({share} of all), of {named}{more}."


def _parts_table(repricing: Repricing, sheets: Sheets) -> str:
    intent, currency, logged = repricing.intent, repricing.book.columns.currency, repricing.is_logged
    titles = [str(intent.grain or f"`{intent.by}`"), "calls", "covered", "at list", *(["logged"] if logged else [])]
    rows = [
        [
            str(row["part"]) if intent.grain and not row["part"].missing else code(row["part"]),
            row["calls"].count,
            row["priced_calls"].count,
            row["list_cost"].money(currency),
            *([row["logged_cost"].money(repricing.table.currency)] if logged else []),
        ]
        for row in sheets["parts"]
    ]
    return markdown_table(titles, rows[:MAX_PARTS])


def _table(repricing: Repricing, sheets: Sheets) -> str:
    if "parts" in sheets:
        return _parts_table(repricing, sheets)
    currency, logged = repricing.book.columns.currency, repricing.is_logged
    titles = ["model", "priced as", "calls", "at list", *(["logged"] if logged else [])]
    rows = [
        [
            code(row["used_model"]),
            wording.model_of(row),
            row["calls"].count,
            row["list_cost"].money(currency),
            *([row["logged_cost"].money(repricing.table.currency)] if logged else []),
        ]
        for row in models_of(sheets)
    ]
    return markdown_table(titles, rows[:SHOWN_MODELS])


def untold(repricing: Repricing, sheets: Sheets) -> list[str]:
    """What was assumed, and what the amounts leave out."""
    told = [_cache_words(repricing.table)]
    if repricing.table.column(Meaning.TIME) is not None:
        told.append("Each call is priced at the price of its day and time of the day.")
    else:
        told.append("The calls have no time: they are priced at the newest price, outside of any window of the day.")
    tiered = sheets["totals"].cell("tiered_calls")
    if tiered and not repricing.tiered:
        told.append(
            f"{plural(tiered, 'call')} went to models whose long prompts cost more; this price table has the price of "
            "short prompts only, and that is applied. Attach `genai_prices.json` for the tiers."
        )
    return told


def _cache_words(table: Table) -> str:
    """What is assumed of cached tokens: whether the input counts them, no table says."""
    cached = [c.name for c in table.columns if {"cache", "cached"} & set(name_words(c.name))]
    if not cached:
        return "No call is known to have read from a cache: all input tokens are priced as new ones."
    names = listed([f"`{name}`" for name in cached])
    return f"What {names} says is not applied: all input tokens are priced as new ones."


def nothing_priced(sheets: Sheets, repricing: Repricing, catalogue: Catalogue) -> Refusal:
    """No call that is asked for has a model that a price covers."""
    names = [str(row["used_model"]) for row in unpriced_of(sheets)]
    shown = listed([f"`{name}`" for name in names[:SHOWN_MODELS]])
    return Refusal(
        reason="no_rows",
        text=f"`{repricing.book.columns.table}` has no price for {shown}: what these calls cost at list is not known. "
        "That is not the same as free.",
        missing=tuple(names[:SHOWN_MODELS]),
        covered=repricing.table.covered,
        alternatives=wording.price_questions(catalogue),
    )


KIND = IntentKind("list_cost", "What past usage costs at list price", queries, word, recognise, ListCostOptions)
