"""What calls that were logged at no cost would have cost at list price."""

from __future__ import annotations

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, code, markdown_table, plural
from chatcore.agents.analyst.intents.scope import filter_words, gap_query, gap_words, period_words
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.questions import LIST
from chatcore.agents.analyst.prices.repricing import (
    SHOWN_MODELS,
    SUMS,
    Repricing,
    intent_of,
    models_of,
    nothing_priced,
    totals_query,
    unpriced_words,
    untold,
)
from chatcore.agents.analyst.prices.usage import asked_of, is_logged, usage_of
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.sql import Condition

_FREE = (
    r"\bfree\b|\bunpriced\b|\bzero[- ]?(?:cost|priced|dollar)?\b|(?<!\w)[$€£]0\b|\bcost(?:ing)? nothing\b"
    r"|\b(?:no|without(?: an?)?|missing) (?:logged |recorded )?(?:cost|price)s?\b|\bunbilled\b"
)
_VALUED = r"\bwould\b.*\bcosts?\b|\bworth\b|\bvalued?\b|\bhave cost\b"
_CALLS = r"\b(?:calls?|requests?|usage|rows?|tokens|models?)\b"


def recognise(reading: Reading) -> Intent | Refusal | None:
    """A question for the price of what was free."""
    listed = reading.says(LIST) or reading.says(_VALUED)
    if not (listed and reading.says(_FREE) and reading.says(_CALLS)) or reading.says(r"\bno list(?:ed)? prices?\b"):
        return None
    if wording.book_of(reading.catalogue) is None:
        return wording.no_prices(reading.catalogue)
    table = usage_of(reading, is_logged)
    if table is None or isinstance(table, Refusal):
        return table or wording.no_usage(reading.catalogue)
    asking = asked_of(reading, table)
    return asking if isinstance(asking, Refusal) else intent_of("zero_cost_at_list", asking)


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The calls without a cost, together and by model."""
    repricing = Repricing.of(intent, catalogue)
    cost = repricing.table.column(Meaning.COST)
    calls = repricing.calls(Condition(f"coalesce({identifier(cost.name)}, 0) = 0" if cost else ""))
    return [totals_query(calls, SUMS), *gap_query(intent, catalogue)]


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The amount at list first, whose calls they are after."""
    repricing, totals = Repricing.of(intent, catalogue), sheets["totals"]
    scope = period_words(intent) + filter_words(intent.filters)
    if totals.cell("calls").value == 0:
        return _none(scope, repricing)
    if totals.cell("priced_calls").value == 0:
        return nothing_priced(sheets, repricing, catalogue)
    currency = repricing.book.columns.currency
    headline = (
        f"{plural(totals.cell('calls'), 'call')}{scope} carry no cost. At list price, "
        f"{totals.cell('priced_calls').count} of them would cost "
        f"**{totals.cell('list_cost').money(currency)}**. {unpriced_words(sheets)}\n\n"
    )
    rows = [
        [code(row["used_model"]), wording.model_of(row), row["calls"].count, row["list_cost"].money(currency)]
        for row in models_of(sheets)
    ]
    table = markdown_table(["model", "priced as", "calls", "at list"], rows[:SHOWN_MODELS])
    free = (
        "A cost of zero can be a free offer, a local model or a price that was not known: the rows do not tell which."
    )
    notes = (free, *untold(repricing, sheets), *gap_words(sheets), wording.source_note(repricing.book, catalogue))
    return Draft((headline, table), notes)


def _none(scope: str, repricing: Repricing) -> Refusal:
    return Refusal(
        reason="no_rows",
        text=f"No call{scope} carries a cost of zero.",
        missing=("calls without a cost",),
        covered=repricing.table.covered,
        alternatives=("What would our usage cost at list price?",),
    )


KIND = IntentKind("zero_cost_at_list", "What calls logged at no cost would cost at list", queries, word, recognise)
