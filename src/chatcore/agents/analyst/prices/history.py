"""When prices changed: the rows of a price table by the day from which they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, code, listed, markdown_table, options_of
from chatcore.agents.analyst.pricebook import PriceKey, Rate
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.listed import MOST_MODELS, LookupOptions, prices_query
from chatcore.agents.analyst.prices.lookup import intent_of, keys_of, model_fault
from chatcore.agents.analyst.prices.questions import OURS, PRICE, PriceQuestion
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Period, Refusal

_CHANGED = (
    r"\bhistory\b|\bchang(?:e|es|ed|ing)\b|\bwent (?:up|down)\b|\bgo(?:ne|es)? (?:up|down)\b|\bdrop(?:s|ped)?\b"
    r"|\bcut(?:s)?\b|\brose\b|\brisen\b|\bf[ae]ll(?:en)?\b|\b(?:in|de)creased?\b|\blowered\b|\braised\b|\bover time\b"
    r"|\bused to\b|\bevol\w+\b|\btimeline\b"
)
_EFFECTS = r"\b(?:volume|mix|spend|spending|bill)\b"
"""Words of what we paid, which prices are only a part of."""


def recognise(reading: Reading) -> Intent | Refusal | None:
    """A question for the course of a list price."""
    if not (reading.says(PRICE) and reading.says(_CHANGED)) or reading.says(OURS) or reading.says(_EFFECTS):
        return None
    book = wording.book_of(reading.catalogue, [named.table.name for named in reading.tables])
    if book is None:
        return wording.no_prices(reading.catalogue)
    question = PriceQuestion(reading, book)
    fault = model_fault(question)
    if fault is not None:
        return fault
    keys = keys_of(question) or [row.key for row in book.rows if row.conditions > 1]
    periods = [found.choices[0] for found in question.periods]
    return (
        intent_of("price_history", book, keys[:MOST_MODELS], periods) if keys else nothing_dated(reading.catalogue, [])
    )


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """All prices of the models, newest first."""
    book = next(book for book in catalogue.price_books if book.columns.table == intent.table)
    return [prices_query(book, options_of(intent, LookupOptions))]


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """Each change in a sentence, all prices in a table."""
    book = next(book for book in catalogue.price_books if book.columns.table == intent.table)
    changes = [each for each in pairwise(sheets["prices"]) if _is_change(*each) and _is_in(each[0], intent.period)]
    if not changes:
        return nothing_dated(catalogue, options_of(intent, LookupOptions).models)
    told = "".join(_change(new, old, book.columns.currency) for new, old in changes)
    changed = {_key(new) for new, _ in changes}
    table = _table([row for row in sheets["prices"] if _key(row) in changed], book.columns.currency)
    when = f" in {intent.period.words}" if intent.period else ""
    note = "The list knows only the changes that it has dates for: a model without one may have changed all the same."
    return Draft(
        (f"Changes of list prices{when}, per million tokens:\n\n{told}\n", table),
        (note, wording.source_note(book, catalogue)),
    )


def _key(row: Mapping[str, Cell]) -> tuple[Any, Any]:
    return row["provider"].value, row["model"].value


def _is_change(new: Mapping[str, Cell], old: Mapping[str, Cell]) -> bool:
    """Whether one price came after another: of the same model, at the same time of the day, since a day."""
    return _key(new) == _key(old) and not new["since"].missing and new["from_time"].value == old["from_time"].value


def _is_in(row: Mapping[str, Cell], period: Period | None) -> bool:
    """Whether a price began to hold in a period."""
    since = str(row["since"])[:10]
    start, end = (period.start, period.end) if period else (None, None)
    return (start is None or start <= since) and (end is None or since < end)


def _change(new: Mapping[str, Cell], old: Mapping[str, Cell], currency: str) -> str:
    changes = [
        f"{rate} from {wording.rate(old[rate], currency)} to {wording.rate(new[rate], currency)}"
        for rate in (Rate.INPUT, Rate.OUTPUT)
        if old[rate].value != new[rate].value
    ]
    if old["tiered"].value and not new["tiered"].value:
        changes.append("a long prompt no longer costs more")
    return f"- {wording.model_of(new)} on {str(new['since'])[:10]}: {listed(changes) or 'no other price'}\n"


def _table(rows: Sequence[Mapping[str, Cell]], currency: str) -> str:
    shown = [
        [
            code(row["model"]),
            code(row["provider"]),
            wording.holds(row, [other for other in rows if _key(other) == _key(row)]) or "–",
            wording.rate(row[Rate.INPUT], currency),
            wording.rate(row[Rate.OUTPUT], currency),
        ]
        for row in rows
    ]
    return markdown_table(["model", "seller", "holds", "input", "output"], shown)


def nothing_dated(catalogue: Catalogue, keys: list[PriceKey]) -> Refusal:
    """The prices have no dates."""
    names = listed([wording.name_of(key) for key in keys]) or "any model"
    return Refusal(
        reason="no_rows",
        text=f"The price list has no date of a change for {names}. That does not say that its price never changed.",
        missing=("the date of a change",),
        alternatives=("Which list prices changed?", *wording.price_questions(catalogue))
        if keys
        else wording.price_questions(catalogue),
    )


KIND = IntentKind("price_history", "When list prices changed", queries, word, recognise, LookupOptions)
