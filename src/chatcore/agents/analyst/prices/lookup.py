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
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.listed import (
    MOST_MODELS,
    PER_MILLION,
    LookupOptions,
    hull,
    prices_query,
    tiers_query,
)
from chatcore.agents.analyst.prices.naming import NamedModel, offers
from chatcore.agents.analyst.prices.questions import LIST, OURS, PAST, PRICE, PriceQuestion
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Period, Refusal

# --- recognised -----------------------------------------------------------------------------------------------------

_COSTS = (
    r"\bhow (?:much|expensive|costly|cheap) (?:is|are)\b|\b(?:what|how much) (?:does|do|is|are) .*\bcosts?\b"
    r"|\bcosts? (?:of|for) \S+ per (?:million|1m|mtok)\b|\bhow much per (?:million|1m|mtok)\b"
)
_WOULD_HAVE = r"\bwould\b.*\bhave cost\b"
_THOUSAND = r"\b(?:per|each|every|a|for)\s+(?:1k|1[,.]?000|k|thousand)\s+(?:\w+ )?tokens?\b|\bper (?:1k|ktok)\b"
_A_SINGLE = r"\b(?:per|each|every|a single|one)\s+(?:single )?(?:input |output |prompt |completion |cached )?token\b"
_CHEAPER_THEN = r"\bcheaper\b.*\b(?:hours?|times?|night|day|weekends?)\b"
_SELLERS = (
    r"\b(?:who|which|what|where|cheapest|all|every|list|compare|best|other)\b.*\b(?:providers?|sellers?|vendors?|hosts?)\b"
    r"|\bwho (?:sells|offers|hosts|provides)\b|\b(?:sold|offered|hosted) by (?:whom|which)\b"
)
_SPLIT = lexicon.EACH - {"per"}
_OF_USAGE = frozenset(lexicon.GRAINS) | lexicon.CALLS | lexicon.AVERAGE | {"total", "altogether"}


def recognise(reading: Reading) -> Intent | Refusal | None:
    """A question for a model's price: said so, or in the present tense and of nobody's usage."""
    if reading.says(r"\b(?:price|rate|volume|mix)[- ]effects?\b"):
        return None
    sellers = reading.says(_SELLERS)
    said = sellers or reading.says(PRICE) or reading.says(LIST)
    costs = reading.says(_COSTS) or reading.says(_CHEAPER_THEN)
    if not (said or (costs and not reading.says(PAST))) or reading.says(OURS) or _is_of_usage(reading, said):
        return None
    book = wording.book_of(reading.catalogue, [named.table.name for named in reading.tables])
    if book is None:
        return wording.no_prices(reading.catalogue) if _is_plain(reading) else None
    question = PriceQuestion(reading, book)
    if sellers and (offers := _offers(question)):
        return offers
    return _asked(question, said)


def _offers(question: PriceQuestion) -> Intent | Refusal | None:
    """Who sells a model, cheapest first; None where no model is named."""
    named = question.models
    if len(named) != 1 or question.input_tokens is not None or question.output_tokens is not None:
        return None
    left = [word for word in question.leftover if word.text not in _OF_SELLERS]
    if left:
        return wording.not_in_prices(left[0].original, question.book, question.catalogue)
    rows = offers(named[0].words.lower().split(), question.book)
    keys = list(dict.fromkeys(row.key for row in rows))[:MOST_MODELS]
    options = LookupOptions(keys, rate_of(question.reading), cheapest_first=True)
    intent = intent_of("price_lookup", question.book, keys, [])
    return msgspec.structs.replace(intent, options=msgspec.to_builtins(options)) if keys else None


_OF_SELLERS = frozenset(
    ["sells", "sell", "sold", "offers", "offer", "offered", "hosts", "host", "hosted", "provides", "where"]
)


def _is_of_usage(reading: Reading, said: bool) -> bool:
    """Whether it asks what calls cost, by something or on average: not what is listed."""
    if reading.says(r"\bhow many\b"):
        return True
    if reading.says(LIST):
        return False
    if reading.says(PER_CALL) or reading.says(_WOULD_HAVE):
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
        return intent_of("price_lookup", book, whole, [], rate_of(reading), unit_of(reading))
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
    return intent_of("price_lookup", book, keys_of(question), periods, rate_of(reading), unit_of(reading))


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


def unit_of(reading: Reading) -> int:
    """How many tokens a price is asked for."""
    return 1_000 if reading.says(_THOUSAND) else 1 if reading.says(_A_SINGLE) else PER_MILLION


def intent_of(
    kind: str,
    book: PriceBook,
    keys: Sequence[PriceKey],
    periods: Sequence[Period],
    rate: Rate | None = None,
    tokens: int = PER_MILLION,
) -> Intent:
    """The intent that looks these models up."""
    options = msgspec.to_builtins(LookupOptions(list(keys), rate, tokens))
    return Intent(kind=kind, table=book.columns.table, periods=list(periods), options=options)


# --- asked ----------------------------------------------------------------------------------------------------------


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The prices, newest first, and the tiers that are known of them."""
    book, options = _book(intent, catalogue), options_of(intent, LookupOptions)
    return [prices_query(book, options, hull(intent.periods)), *tiers_query(book, options)]


def _book(intent: Intent, catalogue: Catalogue) -> PriceBook:
    return next(book for book in catalogue.price_books if book.columns.table == intent.table)


# --- worded ---------------------------------------------------------------------------------------------------------


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The newest price in a sentence, all that are asked for in a table."""
    book, options = _book(intent, catalogue), options_of(intent, LookupOptions)
    if not len(sheets["prices"]):
        names = listed([str(key) for key in options.models])
        return wording.no_such_price(names, book, catalogue)
    prices = Prices(book, catalogue, sheets, options, hull(intent.periods))
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
    options: LookupOptions
    period: Period | None = None

    @property
    def rate(self) -> Rate | None:
        """The one that is asked for."""
        return self.options.rate

    @property
    def _per(self) -> str:
        units = {PER_MILLION: "million ", 1_000: "thousand ", 1: ""}
        return f"per {units[self.options.tokens]}"

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
            unit = f"{self._per}{'token' if self.options.tokens == 1 else 'tokens'}"
            return f"{self._when()}{self._cheapest(rows)}List prices {unit} of {listed(models)}:"
        first, *others = rows
        when = wording.holds(first, others)
        text = f"{self._when()}{models[0]} lists at {self._rates(first)}{f' {when}' if when else ''}"
        return text + "".join(f"; {wording.holds(row, rows)}: {self._rates(row)}" for row in others) + "."

    def _cheapest(self, rows: Sequence[Mapping[str, Cell]]) -> str:
        """The first offer, where they stand in the order of their prices."""
        if not self.options.cheapest_first:
            return ""
        return f"By input and output together {wording.model_of(rows[0])} is cheapest: {self._rates(rows[0])}. "

    def _when(self) -> str:
        return f"For {self.period.words}: " if self.period else ""

    def _rates(self, row: Mapping[str, Cell]) -> str:
        rates = [self.rate] if self.rate else [Rate.INPUT, Rate.OUTPUT]
        told = [
            f"**{wording.rate(row[r], self._currency)}** {self._per}{self._called(r)}"
            for r in rates
            if not row[r].missing
        ]
        return listed(told) or "no price per token"

    def _called(self, rate: Rate) -> str:
        return _CALLED[rate] if self.options.tokens > 1 else _CALLED[rate].replace("tokens", "token", 1)

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
        """That the list does not date a price; that a longer prompt costs more, where it is not known how much."""
        return [*self._undated(rows), *self._without_tiers(rows)]

    def _undated(self, rows: Sequence[Mapping[str, Cell]]) -> list[str]:
        undated = [row for row in rows if row["since"].missing and row["until"].missing]
        if self.period is None or not undated:
            return []
        names = listed(list(dict.fromkeys(wording.model_of(row) for row in undated)))
        return [f"The list gives no date for {names}: it does not say since when that price holds."]

    def _without_tiers(self, rows: Sequence[Mapping[str, Cell]]) -> list[str]:
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
