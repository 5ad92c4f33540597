"""What a question about prices says: which models, how many tokens, of which day. Pure."""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property

import attrs

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.language import Word
from chatcore.agents.analyst.lexicon import KNOWN, OTHER_NOUNS, UNSUPPORTED
from chatcore.agents.analyst.mentions import Span
from chatcore.agents.analyst.periods import Calendar, Found, find_periods
from chatcore.agents.analyst.pricebook import PriceBook
from chatcore.agents.analyst.prices.naming import NamedModel, NamedSeller, beside, find_models, find_sellers
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading, blanked

PRICE = (
    r"\blist(?:ed)?[- ]?(?:prices?|rates?|costs?)\b|\bprices?\b|\bpriced\b|\bpricing\b|\bprice[- ]lists?\b"
    r"|\brate cards?\b|\b(?:input|output|token|cached?|api)(?: token)? rates?\b|\brates? (?:of|for)\b"
)
"""A price is spoken of."""

LIST = (
    r"\b(?:at|to|from|with|against|versus|vs\.?|on|by|under|over|above|below|than|the) (?:the )?list\b"
    r"|\blist(?:ed)?[- ](?:prices?|rates?|costs?)\b|\bprice[- ]lists?\b"
)
"""The list is spoken of."""

OURS = (
    r"\b(?:us|we|our|ours|my|i|"
    r"(?<!give )(?<!tell )(?<!show )(?<!get )(?<!send )(?<!let )me|paid|pay|paying"
    r"|spent|spend|spending|logged|recorded|charged|billed)\b"
)
"""Somebody's own calls are spoken of."""

PAST = r"\b(?:did|was|were|has|have|had)\b"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WORDS_OF_PRICES = _words("""
    list listed price prices priced pricing rate rates card cards mtok mtoks million 1m 1k cache cached caching read
    write reads writes hit hits tier tiers tiered provider providers vendor vendors seller sellers maker official
    public api catalog catalogue workload usd history historical timeline effective per long
    longer short shorter prompt prompts utc gmt night nights day daytime offpeak off-peak certain hour hours clock
    single ktok
""")
"""Words that a question about prices may have, whatever the data is."""

_PLAIN_WORDS = (KNOWN - OTHER_NOUNS - frozenset(UNSUPPORTED)) | WORDS_OF_PRICES | {"should", "expect", "will"}

_YEARS = (dt.date(2015, 1, 1), dt.date(2100, 1, 1))
_SCALES = {"": 1, "k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000}
_NUMBER = r"(?P<number>\d[\d,]*(?:\.\d+)?)\s*(?P<scale>k|m|thousand|million)?"
INPUT = (
    r"(?:input|prompt|context|in(?=\s*(?:$|[,/&+?.;]|\d[\d,.]*\s?[km]?\s(?:tokens )?out"
    r"|(?:and|plus|with|tokens?|on|for|cost|costs)\b)))"
)
OUTPUT = r"(?:output|completion|generated|response|answer|reply|out)"


def amount_of(text: str, side: str) -> int | None:
    """How many tokens a question speaks of on a side: ``10k input tokens``, ``10k tokens in``, ``input of 10k``."""
    for pattern in (
        rf"(?<![\w.-]){_NUMBER}\s*(?:tokens?\s*)?{side}\b",
        rf"\b{side}(?: tokens?)?(?: of|:| is)?\s+{_NUMBER}\b",
    ):
        match = re.search(pattern, text)
        if match is not None:
            return _count(match)
    return None


def _count(match: re.Match[str]) -> int:
    return round(float(match["number"].replace(",", "")) * _SCALES[match["scale"] or ""])


_UNITS = re.compile(r"\b(?:per|each|every|a|for a)\s+(?:\d[\d,]*\s?(?:k|m)?|million|thousand)\b")
"""``per 1,000``: what a price is for."""


@attrs.frozen
class PriceQuestion:
    """A question read against a table of list prices."""

    reading: Reading
    book: PriceBook

    @property
    def catalogue(self) -> Catalogue:
        """What there is."""
        return self.reading.catalogue

    @cached_property
    def sellers(self) -> list[NamedSeller]:
        """The sellers that are named: after ``on`` and the like, or beside a model's name."""
        led = find_sellers(self.reading.text, self._free, self.book)
        models = find_models(self._free, self.book)
        apart = [seller for seller in led if not any(_is_part(seller, model) for model in models)]
        return apart or beside(self._free, models, self.book)

    @cached_property
    def models(self) -> list[NamedModel]:
        """The models that are named."""
        free = [word for word in self._free if not any(span.covers(word) for span in self.sellers)]
        seller = self.sellers[0].seller if len(self.sellers) == 1 else None
        return find_models(free, self.book, seller)

    @cached_property
    def _free(self) -> list[Word]:
        named = self.reading.tables
        return [word for word in self.reading.words if not any(span.covers(word) for span in named)]

    @cached_property
    def periods(self) -> list[Found]:
        """The times that are named."""
        spans: list[Span] = [*self.models, *self.sellers, *self.reading.tables]
        return find_periods(blanked(self.reading.text, spans), self._calendar, apart=False)

    @property
    def _calendar(self) -> Calendar:
        usage = usage_tables(self.catalogue)
        first, last = (usage[0].first_day, usage[0].last_day) if usage else (None, None)
        return Calendar(first or _YEARS[0], last or _YEARS[1], usage[0].months if usage else ())

    @property
    def leftover(self) -> list[Word]:
        """The words that nothing accounts for."""
        spans = [*self.models, *self.sellers, *self.reading.tables]
        times = [Span(found.start, found.end) for found in self.periods]
        words = [word for word in self.reading.words if not any(span.covers(word) for span in (*spans, *times))]
        return [word for word in words if word.text not in _PLAIN_WORDS and not is_amount(word)]

    @property
    def input_tokens(self) -> int | None:
        """How many go in, in the workload that is asked about."""
        return amount_of(self._unnamed, INPUT)

    @property
    def output_tokens(self) -> int | None:
        """How many come out."""
        return amount_of(self._unnamed, OUTPUT)

    @property
    def unaccounted(self) -> str | None:
        """An amount of which nothing says what it is of."""
        counts = {self.input_tokens, self.output_tokens, self.calls, self.reading.limit}
        text = blanked(_UNITS.sub(lambda unit: "." * len(unit[0]), self._unnamed), self._times)
        amounts = re.finditer(rf"(?<![\w.,$€£:-]){_NUMBER}(?![\w%:-])", text)
        return next((match[0].strip() for match in amounts if _count(match) not in counts), None)

    @property
    def _times(self) -> list[Span]:
        return [Span(found.start, found.end) for found in self.periods]

    @property
    def calls(self) -> int:
        """How many calls the workload has."""
        match = re.search(rf"(?<![\w.-]){_NUMBER}\s*(?:such |of these )?(?:calls?|requests?|times)\b", self._unnamed)
        return _count(match) if match else 1

    @property
    def _unnamed(self) -> str:
        return blanked(self.reading.text, self.models)


def _is_part(seller: NamedSeller, model: NamedModel) -> bool:
    """Whether the word for a seller is a part of a model's name, as in ``on gemini 2.5 pro``."""
    inside = model.start <= seller.start and seller.end <= model.end
    return inside and (model.start, model.end) != (seller.start, seller.end)


def is_amount(word: Word) -> bool:
    """Whether a word is a number: of tokens, of calls, of money, of percent, of hours."""
    return re.fullmatch(r"[$€£]?[\d.,]+(?:k|m|mtok|%)?|x|\d\d?:\d\d", word.text) is not None


def usage_tables(catalogue: Catalogue) -> list[Table]:
    """The tables whose calls can be priced by their own models, the likeliest ledger first."""
    tables = [table for table in ranked(catalogue.tables) if table.name not in catalogue.price_tables]
    return [table for table in tables if table.has(Meaning.MODEL) and counts_tokens(table)]


def counts_tokens(table: Table) -> bool:
    """Whether the tokens in and out of each call are known."""
    return table.has(Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS)
