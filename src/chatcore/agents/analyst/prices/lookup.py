"""What a model costs by the list: its rates, since when, at what time of the day, for how long a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import msgspec

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.asking import PER_CALL
from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Cell, Query, Sheet
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, code, listed, markdown_table, options_of
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey, Rate
from chatcore.agents.analyst.pricebook.nested import tiers_sql
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.naming import NamedModel
from chatcore.agents.analyst.prices.pricing import price_rows
from chatcore.agents.analyst.prices.questions import LIST, OURS, PAST, PRICE, PriceQuestion
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Period, Refusal
from chatcore.agents.analyst.sql import Condition, all_of

MOST_MODELS = 40
"""Models that are looked up at once."""


class LookupOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is looked up: models by seller and id, and the rate that is asked for, all of them where it is None."""

    models: list[PriceKey]
    rate: Rate | None = None


# --- recognised -----------------------------------------------------------------------------------------------------

_COSTS = (
    r"\bhow (?:much|expensive|costly|cheap) (?:is|are)\b|\b(?:what|how much) (?:does|do|is|are) .*\bcosts?\b"
    r"|\bcosts? (?:of|for) \S+ per (?:million|1m|mtok)\b|\bhow much per (?:million|1m|mtok)\b"
)
_SPLIT = lexicon.EACH - {"per"}
_OF_USAGE = frozenset(lexicon.GRAINS) | lexicon.CALLS | lexicon.AVERAGE | {"total", "altogether"}


def recognise(reading: Reading) -> Intent | Refusal | None:
    """A question for a model's price: said so, or in the present tense and of nobody's usage."""
    if reading.says(r"\b(?:price|rate|volume|mix)[- ]effects?\b"):
        return None
    said, costs = reading.says(PRICE) or reading.says(LIST), reading.says(_COSTS)
    if not (said or (costs and not reading.says(PAST))) or reading.says(OURS) or _is_of_usage(reading, said):
        return None
    book = wording.book_of(reading.catalogue, [named.table.name for named in reading.tables])
    if book is None:
        return wording.no_prices(reading.catalogue) if _is_plain(reading) else None
    question = PriceQuestion(reading, book)
    return _asked(question, said)


def _is_of_usage(reading: Reading, said: bool) -> bool:
    """Whether it asks what calls cost, by something or on average: not what is listed."""
    if reading.says(r"\bhow many\b"):
        return True
    if reading.says(LIST):
        return False
    if reading.says(PER_CALL):
        return True
    split = reading.has(_SPLIT) and reading.has(lexicon.CONCEPTS)
    return split or reading.has(lexicon.AVERAGE) or (not said and reading.has(_OF_USAGE))


def _is_plain(reading: Reading) -> bool:
    """Whether a question can only be about the price list."""
    return reading.says(LIST) or reading.says(r"\bprices? (?:of|for)\b|\bpricing\b|\bprice list\b|\bper million\b")


def _asked(question: PriceQuestion, said: bool) -> Intent | Refusal | None:
    reading, book = question.reading, question.book
    if question.input_tokens is not None or question.output_tokens is not None:
        return None
    whole = _whole_seller(question)
    if whole:
        return intent_of("price_lookup", book, whole, [], rate_of(reading))
    fault = model_fault(question)
    if not question.models:
        if fault is not None and said:
            return fault
        return wording.no_model(reading.catalogue) if reading.says(LIST) else None
    if fault is not None:
        return fault
    periods = [found.choices[0] for found in question.periods if not found.choices[0].relative]
    if not said and periods:
        return None
    return intent_of("price_lookup", book, keys_of(question), periods, rate_of(reading))


def _whole_seller(question: PriceQuestion) -> list[PriceKey]:
    """All that a seller sells, where that is asked for and is not too much for an answer."""
    named = question.models
    seller = question.book.seller(named[0].words.lower()) if len(named) == 1 else None
    if seller is None or question.leftover or not question.reading.says(r"\bmodels\b|\ball\b|\bevery\b"):
        return []
    keys = [row.key for row in question.book.rows if row.priced and row.key.provider == seller]
    return keys if len(keys) <= MOST_MODELS else []


def model_fault(question: PriceQuestion) -> Refusal | None:
    """A name that is unknown or means several, a day that is none, a word that prices say nothing about."""
    book, catalogue = question.book, question.catalogue
    for word in question.leftover:
        if any(c.isdigit() for c in word.text) or not question.models:
            return wording.no_such_price(word.original, book, catalogue)
        return wording.not_in_prices(word.original, book, catalogue)
    unclear = [named for named in question.models if not named.is_clear]
    if unclear:
        return wording.which_model(unclear[0], book, _when(question))
    if any(len(found.choices) != 1 for found in question.periods):
        return _which_day(question)
    return None


def _when(question: PriceQuestion) -> str:
    """The time that a question names, as it follows a noun."""
    return f" for {question.periods[0].choices[0].words}" if question.periods and question.periods[0].choices else ""


def _which_day(question: PriceQuestion) -> Refusal:
    found = next(found for found in question.periods if len(found.choices) != 1)
    words = question.reading.text[found.start : found.end]
    return Refusal(
        reason="ambiguous" if found.choices else "out_of_range",
        text=f"Which day “{words}” is, is not clear.",
        missing=(words,),
        alternatives=wording.price_questions(question.catalogue),
    )


def keys_of(question: PriceQuestion, models: Sequence[NamedModel] | None = None) -> list[PriceKey]:
    """The models that are named, each once; only ``models`` of them, where given."""
    keys = [row.key for named in (question.models if models is None else models) for row in named.rows]
    return list(dict.fromkeys(keys))[:MOST_MODELS]


def rate_of(reading: Reading) -> Rate | None:
    """The one rate that is asked for."""
    cached = reading.has({"cache", "cached", "caching"})
    if cached:
        return Rate.CACHE_WRITE if reading.has({"write", "writes"}) else Rate.CACHE_READ
    inside, outside = reading.has(lexicon.INPUT), reading.has(lexicon.OUTPUT)
    if inside == outside:
        return None
    return Rate.INPUT if inside else Rate.OUTPUT


def intent_of(
    kind: str, book: PriceBook, keys: Sequence[PriceKey], periods: Sequence[Period], rate: Rate | None = None
) -> Intent:
    """The intent that looks these models up."""
    options = msgspec.to_builtins(LookupOptions(list(keys), rate))
    return Intent(kind=kind, table=book.columns.table, periods=list(periods), options=options)


# --- asked ----------------------------------------------------------------------------------------------------------


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The prices, newest first, and the tiers that are known of them."""
    book, options = _book(intent, catalogue), options_of(intent, LookupOptions)
    return [prices_query(book, options.models, intent.period), *tiers_query(book, options.models)]


def _book(intent: Intent, catalogue: Catalogue) -> PriceBook:
    return next(book for book in catalogue.price_books if book.columns.table == intent.table)


def _wanted(keys: Sequence[PriceKey]) -> tuple[str, dict[str, object]]:
    """SQL for the models that are looked up in their order, and what it binds."""
    sql = (
        "SELECT unnest($price_providers) AS wanted_provider, unnest($price_models) AS wanted_model, "
        "unnest(range(len($price_models))) AS place"
    )
    return sql, {"price_providers": [key.provider for key in keys], "price_models": [key.model for key in keys]}


def prices_query(book: PriceBook, keys: Sequence[PriceKey], period: Period | None = None) -> Query:
    """The prices of some models with the time that each holds for, newest first; those of a period, if one is given."""
    said = ", ".join(f"{sql} AS {name}" for name, sql in price_rows(book.columns).items())
    wanted, parameters = _wanted(keys)
    until = "lead(since) OVER (PARTITION BY place, from_time ORDER BY since NULLS FIRST)"
    joined = (
        f"SELECT *, {until} AS until FROM ({wanted}) JOIN (SELECT {said} FROM {book.columns.source}) "
        "ON provider IS NOT DISTINCT FROM wanted_provider AND model = wanted_model"
    )
    held = _held(period)
    texts = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in ("since", "until", "from_time", "to_time"))
    sql = (
        f"SELECT provider, model, {texts}, input, output, cache_read, cache_write, tiered FROM ({joined}) {held.where} "
        "ORDER BY place, since DESC NULLS LAST, from_time NULLS LAST, input, output"
    )
    return Query("prices", sql, {**parameters, **held.parameters})


def _held(period: Period | None) -> Condition:
    """Where a price held on some day of a period."""
    start, end = (period.start, period.end) if period else (None, None)
    before = Condition("(since IS NULL OR since < CAST($to AS DATE))", {"to": end}) if end else None
    after = Condition("(until IS NULL OR until > CAST($from AS DATE))", {"from": start}) if start else None
    return all_of((before, after))


def tiers_query(book: PriceBook, keys: Sequence[PriceKey]) -> list[Query]:
    """What longer prompts cost, where that is known; no query where no model has tiers."""
    tiered = [key for key in keys if (row := book.row(key)) is not None and row.tiered]
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
        f"tier.price AS price FROM ({rates}) JOIN ({wanted}) "
        "ON provider = wanted_provider AND model = wanted_model ORDER BY place, since NULLS FIRST, longer_than, "
        f"list_position([{order}], rate)"
    )
    return [Query("tiers", sql, parameters)]


# --- worded ---------------------------------------------------------------------------------------------------------


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The newest price in a sentence, all that are asked for in a table."""
    book, options = _book(intent, catalogue), options_of(intent, LookupOptions)
    if not len(sheets["prices"]):
        names = listed([str(key) for key in options.models])
        return wording.no_such_price(names, book, catalogue)
    prices = Prices(book, catalogue, sheets, options.rate, intent.period)
    return prices.draft()


_CALLED = {
    Rate.INPUT: "input tokens",
    Rate.OUTPUT: "output tokens",
    Rate.CACHE_READ: "input tokens read from the cache",
    Rate.CACHE_WRITE: "input tokens written to the cache",
}
_TITLES = {Rate.INPUT: "input", Rate.OUTPUT: "output", Rate.CACHE_READ: "cache read", Rate.CACHE_WRITE: "cache write"}


@attrs.frozen
class Prices:
    """The wording of prices."""

    book: PriceBook
    catalogue: Catalogue
    sheets: Sheets
    rate: Rate | None
    period: Period | None = None

    def draft(self) -> Draft | Refusal:
        """The whole answer."""
        rows = list(self._sheet)
        if self.rate is not None and all(row[self.rate].missing for row in rows):
            return self._without(self.rate, rows[0])
        parts = [f"{self._headline(rows)}\n\n"]
        if len(rows) > 1 or self.rate is None:
            parts.append(self.table(rows))
        parts += self._tiers()
        return Draft(tuple(parts), (*self._untold(rows), wording.source_note(self.book, self.catalogue)))

    @property
    def _sheet(self) -> Sheet:
        return self.sheets["prices"]

    @property
    def _currency(self) -> str:
        return self.book.columns.currency

    def _headline(self, rows: Sequence[Mapping[str, Cell]]) -> str:
        models = list(dict.fromkeys(wording.model_of(row) for row in rows))
        if len(models) > 1:
            return f"{self._when()}List prices per million tokens of {listed(models)}:"
        first, *others = rows
        when = wording.holds(first, others)
        text = f"{self._when()}{models[0]} lists at {self._rates(first)}{f' {when}' if when else ''}"
        return text + "".join(f"; {wording.holds(row, rows)}: {self._rates(row)}" for row in others) + "."

    def _when(self) -> str:
        return f"For {self.period.words}: " if self.period else ""

    def _rates(self, row: Mapping[str, Cell]) -> str:
        rates = [self.rate] if self.rate else [Rate.INPUT, Rate.OUTPUT]
        told = [
            f"**{wording.rate(row[r], self._currency)}** per million {_CALLED[r]}" for r in rates if not row[r].missing
        ]
        return listed(told) or "no price per token"

    def table(self, rows: Sequence[Mapping[str, Cell]]) -> str:
        """All rates of all rows."""
        known = [rate for rate in Rate if not all(row[rate].missing for row in rows)]
        shown = [
            [
                code(row["model"]),
                code(row["provider"]) if row["provider"].value else "–",
                wording.holds(row, [other for other in rows if other["model"].value == row["model"].value]) or "–",
                *(wording.rate(row[rate], self._currency) for rate in known),
            ]
            for row in rows
        ]
        return markdown_table(["model", "seller", "holds", *(_TITLES[rate] for rate in known)], shown)

    def _tiers(self) -> list[str]:
        sheet = self.sheets.get("tiers")
        if sheet is None or not len(sheet):
            return []
        lines: dict[tuple[str, str, str], list[str]] = {}
        for row in sheet:
            since = "" if row["since"].missing else f" since {row['since']}"
            key = (wording.model_of(row), since, row["longer_than"].count)
            price = f"{_TITLES[Rate(str(row['rate']))]} {wording.rate(row['price'], self._currency)}"
            lines[key] = [*lines.get(key, []), price]
        told = [f"- {model}{since}, more than {start}: {listed(each)}" for (model, since, start), each in lines.items()]
        return [
            "\nFor a prompt of more tokens than this, all tokens of the call cost more:\n\n" + "\n".join(told) + "\n"
        ]

    def _untold(self, rows: Sequence[Mapping[str, Cell]]) -> list[str]:
        """That a longer prompt costs more, where it is not known how much."""
        tiered = list(dict.fromkeys(wording.model_of(row) for row in rows if row["tiered"].value))
        if not tiered or self.book.tiers is not None:
            return []
        return [
            f"A long prompt costs more for {listed(tiered)}: this table has the price of short prompts only. "
            "The tiers are in `genai_prices.json`; attach it too."
        ]

    def _without(self, rate: Rate, row: Mapping[str, Cell]) -> Refusal:
        return Refusal(
            reason="no_rows",
            text=f"`{self.book.columns.table}` has no price for {_CALLED[rate]} of {wording.model_of(row)}. "
            "That is not the same as free.",
            missing=(_CALLED[rate],),
            alternatives=wording.price_questions(self.catalogue),
        )


KIND = IntentKind("price_lookup", "What a model costs by the list", queries, word, recognise, LookupOptions)
