"""What a workload costs on models: some tokens in, some out, on those that are named or on all."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs
import msgspec

from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Cell, Query, Sheet
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, markdown_table, options_of, plural
from chatcore.agents.analyst.pricebook import PriceBook, PriceKey
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.lookup import keys_of, model_fault
from chatcore.agents.analyst.prices.pricing import all_prices, costed
from chatcore.agents.analyst.prices.questions import INPUT, OURS, OUTPUT, PRICE, PriceQuestion, amount_of, usage_tables
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.scoping import apart_from

_USED = r"\b(?:our|my) (?:\w+ )?models?\b|\b(?:we|i) (?:have )?used?\b"

_BUT_FREE = (
    r"\b(?:excluding|except(?: for)?|without|ignoring|not counting|no|but not) (?:the |any )?"
    r"(?:free|trial|zero[- ]cost)(?: (?:ones?|models?|tiers?))?\b"
)
"""What is left out at any rate: a price of nothing is none to plan with."""

MOST_USED = 100
"""Models of the usage that are set side by side."""

SHOWN = 10
"""The cheapest models that are shown, where none is named."""

_ASKED = PRICE + r"|\bcosts?\b|\bcheap\w*\b|\bexpensive\b|\bcompar\w+\b|\bpay\b|\bhow much\b"
_OF_ROWS = r"\bhow (?:many|often)\b|\bwhich (?:calls|requests|rows|users?)\b|\bwho\b"
_EACH = r"\beach\b|\b(?:per|a|every|one|single) (?:call|request|prompt)\b"
_CHEAPEST = r"\b(?:cheapest|least expensive|lowest price|best price|most expensive|costliest|priciest|dearest)\b"
_DEAREST = r"\b(?:most expensive|costliest|priciest|dearest|highest)\b"


_RATE = rf"\b(?:per|each|every) (?:\d[\d,.]*\s?(?:k|m)?\s?|million |thousand )*(?:{INPUT}|{OUTPUT})[ _]tokens?\b"
"""``per 1k output tokens``: a unit, and no workload."""

_WINDOW = (
    r"\b(?:models?|llms?)\b.*\b(?:with|has|have|having|of|supports?)\b.*"
    r"(?:\d[km]? context\b(?! tokens)|\bcontext window)"
)
"""Which models take so long a prompt at all is not worked out: the list knows it of a few only."""

LONGEST_CALL = 1_048_576
"""Tokens of one side of one call: more are those of many calls together, as hardly a model takes them at once."""


class WorkloadOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A workload: tokens in and out of a call, how many calls; the models by seller and id, all where none is given.

    ``together``: whether the tokens are those of all calls together; with 1 for the calls, it is not known of how many.
    """

    input_tokens: int
    output_tokens: int
    calls: int = 1
    models: list[PriceKey] = []
    together: bool = False

    @property
    def uncounted(self) -> bool:
        """Whether nothing says how long a prompt is: the tokens are of many calls, and nobody said of how many."""
        return self.together and self.calls == 1


# --- recognised -----------------------------------------------------------------------------------------------------


def recognise(reading: Reading) -> Intent | Refusal | None:
    """Tokens in and out that somebody thinks of, and what they cost; or the cheapest model by the list."""
    bare = _amounts(reading) and not reading.says(_OF_ROWS)
    if not (bare or reading.says(_ASKED)) or not reading.says(r"\d|\bcheapest\b|\bexpensive\b"):
        return None
    if reading.says(_WINDOW):
        return refusals.not_supported("models by their context window", reading.catalogue)
    book = wording.book_of(reading.catalogue, [named.table.name for named in reading.tables])
    if book is None:
        return wording.no_prices(reading.catalogue) if _amounts(reading) else None
    reading = apart_from(reading, (_BUT_FREE,))
    question = PriceQuestion(reading, book)
    if question.input_tokens is None and question.output_tokens is None:
        asks_cheapest = reading.says(_CHEAPEST) and reading.says(r"\blist\b") and not question.models
        return which_workload(reading.catalogue) if asks_cheapest else None
    if not (reading.says(_ASKED) or question.models) or _is_paid_rate(question):
        return None
    if question.periods and question.models:
        return _of_another_day(question)
    if (amount := question.unaccounted) is not None:
        return _of_what(amount, question)
    own = [] if question.reading.says(_USED) else sold_by(question)
    return (None if own else model_fault(question)) or _intent(question, own)


def _of_what(amount: str, question: PriceQuestion) -> Refusal:
    """An amount that is no tokens in or out, and no calls."""
    return Refusal(
        reason="not_supported",
        text=f"I cannot tell what “{amount}” is of: say how many tokens go in, how many come out, and in how many "
        "calls.",
        missing=(amount,),
        alternatives=wording.price_questions(question.catalogue),
    )


def _of_another_day(question: PriceQuestion) -> Refusal:
    """A workload at the prices of a day gone by: the newest are applied, and the others are told."""
    found = question.periods[0]
    words = found.choices[0].words if found.choices else question.reading.text[found.start : found.end]
    names = [wording.shortest(row, question.book) for named in question.models for row in named.rows[:1]]
    return Refusal(
        reason="not_supported",
        text=f"I work out what tokens cost at the newest list prices only, and not at those of {words}.",
        missing=(words,),
        alternatives=tuple(f"What was the list price of {name} in {words}?" for name in names),
    )


def _is_paid_rate(question: PriceQuestion) -> bool:
    """Whether what tokens of a side cost is asked of what was paid: the rate of no model, or of somebody's calls."""
    reading = question.reading
    named = question.models or reading.says(PRICE)
    return reading.says(_RATE) and (reading.says(OURS) or not named)


def _amounts(reading: Reading) -> bool:
    return amount_of(reading.text, INPUT) is not None and amount_of(reading.text, OUTPUT) is not None


def _intent(question: PriceQuestion, own: list[PriceKey]) -> Intent:
    reading = question.reading
    keys = own or keys_of(question) or _used(question)
    inside, outside = question.input_tokens or 0, question.output_tokens or 0
    together = max(inside, outside) > LONGEST_CALL and not reading.says(_EACH)
    options = WorkloadOptions(inside, outside, question.calls, keys, together)
    return Intent(
        kind="workload_price",
        table=question.book.columns.table,
        descending=reading.says(_DEAREST),
        limit=reading.limit,
        options=msgspec.to_builtins(options),
    )


def sold_by(question: PriceQuestion) -> list[PriceKey]:
    """All that a seller sells, where its models are meant: ``the cheapest openai model``."""
    match = re.search(
        r"(?<![\w.-])([a-z][\w-]*)(?:'s)? (?:llm |chat )?(?:models?|llms?|ones?)\b", question.reading.text
    )
    seller = question.book.seller(match[1]) if match else None
    return [row.key for row in question.book.rows if row.priced and seller and row.key.provider == seller]


def _used(question: PriceQuestion) -> list[PriceKey]:
    """The models of our usage, where those are meant."""
    tables = usage_tables(question.catalogue)
    column = tables[0].column(Meaning.MODEL) if tables and question.reading.says(_USED) else None
    return list(dict.fromkeys(question.book.matches(column.values).values()))[:MOST_USED] if column else []


def which_workload(catalogue: Catalogue) -> Refusal:
    """Which model is cheapest depends on how much goes in and comes out."""
    return Refusal(
        reason="ambiguous",
        text="Which model is cheapest by the list depends on how many tokens go in and come out: for which workload?",
        missing=("tokens in and out",),
        alternatives=wording.price_questions(catalogue),
    )


# --- asked ----------------------------------------------------------------------------------------------------------


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """What the workload costs on each model, in the order that is asked for; and how many models there are."""
    book, options = _book(intent, catalogue), options_of(intent, WorkloadOptions)
    priced, parameters = _priced(book, options)
    order = "DESC" if intent.descending and not options.models else "ASC"
    limit = "" if options.models else " LIMIT $limit"
    source = f"({priced}) AS priced"
    longest = ""
    if options.uncounted:
        source += f" JOIN (SELECT {_LONG} FROM ({_priced(book, options, long=True)[0]})) AS long ON {_SAME}"
        longest = ", long_cost AS workload_cost_of_long_prompts"
    models = (
        f"SELECT price_provider AS provider, price_model AS model, CAST(price_since AS VARCHAR) AS since, input_rate, "
        f"output_rate, $input_tokens AS input_tokens, $output_tokens AS output_tokens, call_input_tokens, "
        f"list_cost AS call_cost, $calls * list_cost AS workload_cost, price_tiered AS tiered{longest} "
        f"FROM {source} WHERE {_COUNTS} ORDER BY list_cost {order} NULLS LAST, provider, model{limit}"
    )
    limited = {} if options.models else {"limit": intent.limit or SHOWN}
    counted = (
        f"SELECT count(*) AS models, count(*) FILTER (WHERE NOT coalesce({_COUNTS}, false)) AS left_out FROM ({priced})"
    )
    return [
        Query("models", models, {**parameters, "calls": options.calls, **limited}),
        *([] if options.models else [Query("counted", counted, parameters)]),
    ]


_LONG = "price_provider AS long_provider, price_model AS long_model, list_cost AS long_cost"
_SAME = "price_provider IS NOT DISTINCT FROM long_provider AND price_model = long_model"
_COUNTS = "list_cost > 0"
"""A price of nothing is a trial, an offer or a gap in the list, and none of them is a price to plan with."""


def _book(intent: Intent, catalogue: Catalogue) -> PriceBook:
    return next(book for book in catalogue.price_books if book.columns.table == intent.table)


def _priced(book: PriceBook, options: WorkloadOptions, *, long: bool = False) -> tuple[str, dict[str, object]]:
    """SQL for the cost of a call on every model at its newest price, outside of any window of the day.

    Where it is not known how long a prompt is, at the price of short prompts; with ``long`` at that of long ones.
    """
    tiered = book.tiers is not None and any(row.tiered for row in book.rows) and (long or not options.uncounted)
    rows, struct = all_prices(book, tiered)
    parameters: dict[str, object] = {"input_tokens": options.input_tokens, "output_tokens": options.output_tokens}
    part = ""
    if options.together and options.calls > 1:
        parameters["calls"], part = options.calls, " / $calls"
    wanted = ""
    if options.models:
        wanted = (
            " JOIN (SELECT unnest($price_providers) AS wanted_provider, unnest($price_models) AS wanted_model) "
            "ON provider IS NOT DISTINCT FROM wanted_provider AND model = wanted_model"
        )
        parameters["price_providers"] = [key.provider for key in options.models]
        parameters["price_models"] = [key.model for key in options.models]
    newest = "row_number() OVER (PARTITION BY provider, model ORDER BY since DESC NULLS LAST, input, output)"
    inner = (
        f"SELECT $input_tokens{part} AS call_input_tokens, $output_tokens{part} AS call_output_tokens, "
        f"{struct} AS price "
        f"FROM ({rows}){wanted} WHERE from_time IS NULL QUALIFY {newest} = 1"
    )
    return costed(inner, tiered), parameters


# --- worded ---------------------------------------------------------------------------------------------------------


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The first in a sentence, all in a table."""
    book, options = _book(intent, catalogue), options_of(intent, WorkloadOptions)
    if not len(sheets["models"]):
        names = ", ".join(str(key) for key in options.models)
        return wording.no_such_price(names or "this workload", book, catalogue)
    return Workload(intent, catalogue, sheets, book, options).draft()


@attrs.frozen
class Workload:
    """The wording of what a workload costs."""

    intent: Intent
    catalogue: Catalogue
    sheets: Sheets
    book: PriceBook
    options: WorkloadOptions

    def draft(self) -> Draft:
        """The whole answer."""
        return Draft(
            (f"{self._headline()}\n\n", self._table()),
            (*self._assumed(), wording.source_note(self.book, self.catalogue)),
        )

    @property
    def _rows(self) -> Sheet:
        return self.sheets["models"]

    def _headline(self) -> str:
        row = self.sheets["models"].row(0)
        if self.options.together:
            return self._headline_of_all()
        inside, outside = row["input_tokens"].count, row["output_tokens"].count
        calls = "A call" if self.options.calls == 1 else f"`{self.options.calls}` calls"
        verb = "costs" if self.options.calls == 1 else "cost"
        size = f"{calls} with {inside} tokens in and {outside} out{' each' if self.options.calls != 1 else ''}"
        amount = f"**{wording.amount(row['workload_cost'], self.book.columns.currency)}**"
        if len(self.sheets["models"]) == 1:
            return f"{size} {verb} {amount} on {wording.model_of(row)} at list price."
        rank = "most" if self.intent.descending and not self.options.models else "least"
        return f"{size} {verb} {rank} on {wording.model_of(row)}: {amount} at list price."

    def _headline_of_all(self) -> str:
        """Of the tokens of all calls together; where nobody said of how many, at both prices."""
        row, currency = self.sheets["models"].row(0), self.book.columns.currency
        size = f"{row['input_tokens'].count} tokens in and {row['output_tokens'].count} out"
        calls = "many calls" if self.options.uncounted else f"`{self.options.calls}` calls"
        rank = (
            "" if len(self._rows) == 1 else "most " if self.intent.descending and not self.options.models else "least "
        )
        amount = f"**{wording.amount(row['workload_cost'], currency)}**"
        text = f"{size}, of {calls} together, cost {rank}on {wording.model_of(row)}: {amount} at list price"
        if not self.options.uncounted or not self._depends(row):
            return f"{text}."
        longer = wording.amount(row["workload_cost_of_long_prompts"], currency)
        return f"{text} for prompts of standard length, and **{longer}** if every call had a long prompt."

    def _depends(self, row: Mapping[str, Cell]) -> bool:
        """Whether the price depends on how long the prompts are."""
        longer = row.get("workload_cost_of_long_prompts")
        return longer is not None and not longer.missing and longer.value != row["workload_cost"].value

    def _table(self) -> str:
        currency = self.book.columns.currency
        longer = any(self._depends(row) for row in self._rows)
        rows = [
            [
                wording.model_of(row),
                wording.rate(row["input_rate"], currency),
                wording.rate(row["output_rate"], currency),
                wording.amount(row["workload_cost"], currency),
                *([wording.amount(row["workload_cost_of_long_prompts"], currency)] if longer else []),
            ]
            for row in self.sheets["models"]
        ]
        titles = ["model", "input per million", "output per million", "the workload"]
        return markdown_table([*titles, *(["with long prompts"] if longer else [])], rows)

    def _assumed(self) -> list[str]:
        told = ["Prices are the newest of the list, outside of any window of the day; nothing is read from a cache."]
        if "counted" in self.sheets:
            counted = self.sheets["counted"]
            told.append(
                f"Of {plural(counted.cell('models'), 'model')} in the list, {counted.cell('left_out').count} without a "
                "price for such a call, or with a price of zero, are left out. How good one is, the list does not say."
            )
        if self.options.together:
            told.append(self._of_many_calls())
        elif self.book.tiers is not None and self.options.calls == 1 and any(row["tiered"].value for row in self._rows):
            told.append(
                "These tokens are taken for one call, and some models cost more for a long prompt: many short calls "
                "can cost less, which the tokens of each and the number of calls would tell."
            )
        if self.book.tiers is None and any(row["tiered"].value for row in self.sheets["models"]):
            told.append("Some of these cost more for a long prompt; the price of short prompts is applied.")
        return told

    def _of_many_calls(self) -> str:
        """What such a number of tokens is taken for."""
        if self.options.uncounted:
            return (
                "So many tokens are no single call's: they are taken for a workload of many calls, with prompts of "
                "standard length. The number of calls would tell how long a prompt is on average."
            )
        average = self._rows.cell("call_input_tokens").count
        return (
            f"The tokens are taken for those of all calls together, {average} in a prompt on average, and the price is "
            "that of such a prompt."
        )


KIND = IntentKind(
    "workload_price", "What some tokens in and out cost on models", queries, word, recognise, WorkloadOptions
)
