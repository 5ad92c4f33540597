"""When prices changed: the rows of a price table by the day from which they hold."""

from __future__ import annotations

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, code, listed, markdown_table, options_of
from chatcore.agents.analyst.pricebook import PriceKey, Rate
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.lookup import (
    MOST_MODELS,
    LookupOptions,
    intent_of,
    keys_of,
    model_fault,
    prices_query,
)
from chatcore.agents.analyst.prices.questions import OURS, PRICE, PriceQuestion
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Refusal

_CHANGED = (
    r"\bhistory\b|\bchang(?:e|es|ed|ing)\b|\bwent (?:up|down)\b|\bgo(?:ne|es)? (?:up|down)\b|\bdrop(?:s|ped)?\b"
    r"|\bcut(?:s)?\b|\brose\b|\brisen\b|\bf[ae]ll(?:en)?\b|\b(?:in|de)creased?\b|\blowered\b|\braised\b|\bover time\b"
    r"|\bused to\b|\bevol\w+\b|\btimeline\b"
)


def recognise(reading: Reading) -> Intent | Refusal | None:
    """A question for the course of a list price."""
    if not (reading.says(PRICE) and reading.says(_CHANGED)) or reading.says(OURS):
        return None
    book = wording.book_of(reading.catalogue, [named.table.name for named in reading.tables])
    if book is None:
        return wording.no_prices(reading.catalogue)
    question = PriceQuestion(reading, book)
    fault = model_fault(question)
    if fault is not None:
        return fault
    keys = keys_of(question) or [row.key for row in book.rows if row.conditions > 1]
    return intent_of("price_history", book, keys[:MOST_MODELS], []) if keys else nothing_dated(reading.catalogue, [])


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """All prices of the models, newest first."""
    book = next(book for book in catalogue.price_books if book.columns.table == intent.table)
    return [prices_query(book, options_of(intent, LookupOptions).models)]


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """Each change in a sentence, all prices in a table."""
    book = next(book for book in catalogue.price_books if book.columns.table == intent.table)
    rows, currency = list(sheets["prices"]), book.columns.currency
    told = []
    for new, old in zip(rows, rows[1:], strict=False):
        same = (new["provider"].value, new["model"].value) == (old["provider"].value, old["model"].value)
        if same and not new["since"].missing and new["from_time"].value == old["from_time"].value:
            changes = [
                f"{rate} from {wording.rate(old[rate], currency)} to {wording.rate(new[rate], currency)}"
                for rate in (Rate.INPUT, Rate.OUTPUT)
                if old[rate].value != new[rate].value
            ]
            what = listed(changes) or "its rates for short prompts stayed as they were"
            told.append(f"- {wording.model_of(new)} on {str(new['since'])[:10]}: {what}\n")
    if not told:
        return nothing_dated(catalogue, options_of(intent, LookupOptions).models)
    table = markdown_table(
        ["model", "seller", "holds", "input", "output"],
        [
            [
                code(row["model"]),
                code(row["provider"]),
                wording.holds(row, [other for other in rows if other["model"].value == row["model"].value]) or "–",
                wording.rate(row[Rate.INPUT], currency),
                wording.rate(row[Rate.OUTPUT], currency),
            ]
            for row in rows
        ],
    )
    note = "The list knows only the changes that it has dates for: a model without one may have changed all the same."
    headline = f"Changes of list prices, per million tokens:\n\n{''.join(told)}\n"
    return Draft((headline, table), (note, wording.source_note(book, catalogue)))


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
