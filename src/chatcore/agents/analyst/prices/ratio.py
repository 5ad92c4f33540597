"""How many times one list price is another: of two models, or of a model's output and its input."""

from __future__ import annotations

import re

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Cell, Query, Sheet
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, markdown_table, options_of
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey, Rate
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.listed import newest_prices
from chatcore.agents.analyst.prices.lookup import keys_of, model_fault
from chatcore.agents.analyst.prices.questions import OURS, PAST, PriceQuestion, usage_tables
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Refusal

_TWO = 2

_DEARER = (
    r"\b(?:more|less) (?:expensive|costly)\b|\b(?:cheap|dear|costl|pric)i?er\b"
    r"|\bhow (?:many times|much more|much less)\b"
    r"|\btimes (?:as|more|less|the price)\b|\bratio\b|\bpercent(?:age)? (?:difference|more|less)\b"
    r"|\b(?:price|cost|pricing) (?:difference|gap|ratio)\b"
    r"|\bdifference (?:in|of|between)\b.*\b(?:price|cost|pricing)s?\b"
    r"|\bcosts? (?:more|less|the same)\b"
)
_SIDES = r"\bratio\b|\bhow many times\b|\btimes (?:as|more)\b"
_OF_CALLS = (
    r"\b(?:calls?|requests?|usage|traffic|spend|spending|spent|bill|tokens? did|average|months?|weeks?|days?|solved"
    r"|case|would|saved?|savings?|quality|score[sd]?|benchmark|run|hours?|night|workload|trace)\b"
)
"""What was used, and not what is listed."""
_ONE_SIDE = {Rate.INPUT: r"\b(?:input|prompt)\b", Rate.OUTPUT: r"\b(?:output|completion)\b"}


class RatioOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The models by seller and id, the one that is asked about first; one for its output beside its input."""

    models: list[PriceKey]


# --- recognised -----------------------------------------------------------------------------------------------------


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Two models of which it is asked how much dearer one is; or one, and its output beside its input."""
    ours = reading.says(OURS) or reading.says(PAST) or reading.says(_OF_CALLS)
    if ours or not reading.says(_DEARER) or reading.says(r"\d ?(?:%|percent)"):
        return None
    book = wording.book_of(reading.catalogue, [named.table.name for named in reading.tables])
    if book is None:
        return None
    question = PriceQuestion(reading, book)
    if not all(named.is_clear for named in question.models) or question.periods or question.unaccounted is not None:
        return None
    keys = keys_of(question)
    sides = reading.says(_SIDES) and all(reading.says(side) for side in _ONE_SIDE.values())
    if question.input_tokens is not None or len(keys) != (1 if sides else _TWO):
        return None
    fault = model_fault(question)
    options = msgspec.to_builtins(RatioOptions(keys))
    return fault or Intent(kind=KIND.name, table=book.columns.table, options=options)


# --- asked ----------------------------------------------------------------------------------------------------------


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The newest price of each model at any time of the day, and how many times it is that of the last."""
    book, options = _book(intent, catalogue), options_of(intent, RatioOptions)
    prices = newest_prices(book, options.models)
    beside = ", ".join(
        f"{rate} / nullif(last_value({rate}) OVER whole, 0) AS {rate}_times, "
        f"100.0 * abs({rate} / nullif(last_value({rate}) OVER whole, 0) - 1) AS {rate}_apart_percent"
        for rate in (Rate.INPUT, Rate.OUTPUT)
    )
    sql = (
        f"SELECT provider, model, CAST(since AS VARCHAR) AS since, input, output, tiered, windows, "
        f"output / nullif(input, 0) AS output_to_input, {beside} FROM ({prices.sql}) "
        "WINDOW whole AS (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY place"
    )
    return [Query("prices", sql, prices.parameters)]


def _book(intent: Intent, catalogue: Catalogue) -> PriceBook:
    return next(book for book in catalogue.price_books if book.columns.table == intent.table)


# --- worded ---------------------------------------------------------------------------------------------------------


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The ratio first, the prices after."""
    book, options = _book(intent, catalogue), options_of(intent, RatioOptions)
    prices = sheets["prices"]
    if len(prices) < len(options.models) or any(row["input"].missing or row["output"].missing for row in prices):
        names = ", ".join(str(key) for key in options.models)
        return wording.no_such_price(names, book, catalogue)
    words = _Words(prices, book.columns.currency)
    text = words.of_sides() if len(prices) == 1 else words.of_two()
    notes = [*words.notes(), *_paid(catalogue, options), wording.source_note(book, catalogue)]
    return Draft((f"{text}\n\n", words.table()), tuple(notes))


@attrs.frozen
class _Words:
    """The wording of prices side by side."""

    prices: Sheet
    currency: str

    def of_sides(self) -> str:
        """A model's output beside its input."""
        row = self.prices.row(0)
        return (
            f"A million output tokens of {wording.model_of(row)} cost **{row['output_to_input'].figure} times** what a "
            f"million input tokens do by the list: {self._rate(row['output'])} against {self._rate(row['input'])}."
        )

    def of_two(self) -> str:
        """One model beside another."""
        one, other = self.prices.row(0), self.prices.row(1)
        sides = [
            f"**{one[f'{rate}_times'].figure} times** as much for {rate} ({self._rate(one[rate])} against "
            f"{self._rate(other[rate])} per million tokens{self._apart(rate)})"
            for rate in (Rate.INPUT, Rate.OUTPUT)
            if not one[f"{rate}_times"].missing
        ]
        verdict = f"{wording.model_of(one)} {self._verdict()} {wording.model_of(other)}"
        return f"By list price {verdict}{': ' if sides else ''}{' and '.join(sides)}."

    def _verdict(self) -> str:
        row = self.prices.row(0)
        ends = {_sign(row[f"{rate}_times"]) for rate in (Rate.INPUT, Rate.OUTPUT)} - {0}
        if not ends:
            return "costs the same as"
        return _ENDS[ends.pop()] if len(ends) == 1 else "is dearer on one side and cheaper on the other than"

    def _apart(self, rate: Rate) -> str:
        cells = self.prices.row(0)
        more = _sign(cells[f"{rate}_times"])
        return f", {cells[f'{rate}_apart_percent'].percent} {'more' if more > 0 else 'less'}" if more else ""

    def table(self) -> str:
        """The prices."""
        rows = [[wording.model_of(row), self._rate(row["input"]), self._rate(row["output"])] for row in self.prices]
        return markdown_table(["model", "input per million", "output per million"], rows)

    def notes(self) -> list[str]:
        """What the ratio leaves out."""
        told = [
            f"{wording.model_of(row)} has this price since {str(row['since'])[:10]}; before, it was another."
            for row in self.prices
            if not row["since"].missing
        ]
        told += [
            f"{wording.model_of(row)} has another price in a window of the day: this is the one outside of it."
            for row in self.prices
            if row["windows"]
        ]
        tiered = [wording.model_of(row) for row in self.prices if row["tiered"].value]
        return [*told, *(f"A long prompt costs more for {name}: this is the price of a short one." for name in tiered)]

    def _rate(self, cell: Cell) -> str:
        return wording.rate(cell, self.currency)


_ENDS = {1: "is more expensive than", -1: "is cheaper than"}


def _sign(times: Cell) -> int:
    return 0 if times.missing or times.value == 1 else 1 if times.value > 1 else -1


def _paid(catalogue: Catalogue, options: RatioOptions) -> list[str]:
    """Where the other figure is, where there is one: what was paid for the tokens of both."""
    tables = [table for table in usage_tables(catalogue) if table.has(Meaning.COST)]
    if not tables or len(options.models) != _TWO:
        return []
    names = " and ".join(re.sub(r"^.*/", "", key.model) for key in options.models)
    return [f"These are list prices. What was paid is another figure: ask for the cost per million tokens of {names}."]


KIND = IntentKind("price_ratio", "How many times one list price is another", queries, word, recognise, RatioOptions)
