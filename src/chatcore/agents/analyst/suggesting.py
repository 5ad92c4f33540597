"""Questions to ask next: fitting to what was just answered, and planned before they are offered. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.periods import before
from chatcore.agents.analyst.phrasing import phrase
from chatcore.agents.analyst.planner import plan
from chatcore.agents.analyst.prices.wording import price_questions
from chatcore.agents.analyst.refusals import suggestions
from chatcore.agents.analyst.request import Grain, Intent, Measure, Period, Refusal

MOST_SUGGESTED = 3

_MAX_GROUPS = 1_000
_SPLIT_BY = (Meaning.MODEL, Meaning.FEATURE, Meaning.USER)
_DAYS_OF_A_TREND_BY_MONTH = 62
_ASKED_AFTER: Mapping[str, str] = MappingProxyType(
    {
        "total": "Which days were unusual? | How much would batching have saved? | How can we cut our bill?",
        "by": "How concentrated is our spend? | What are our most expensive calls? | How can we cut our bill?",
        "trend": "Which days were unusual? | At what hour of the day do we spend the most?",
        "cross": "How concentrated is our spend? | Which days were unusual? | Spend by model",
        "compare": "Which days were unusual? | What are our most expensive calls?",
        "top_calls": "Any implausible calls? | How concentrated is our spend? | Percentiles of cost per call",
        "statistics": "Percentiles of cost per call | What are our most expensive calls?",
        "quality": "Any implausible calls? | How many calls were free? | Which calls returned nothing?",
        "implausible": "Which days were unusual? | Did we pay list price? | How good is the data quality?",
        "odd_days": "Any implausible calls? | Spend by day | At what hour of the day do we spend the most?",
        "empty_outputs": "Which errors happened most often? | How many calls were free? | How can we cut our bill?",
        "free_calls": "What would the free calls cost at list price? | Spend by model",
        "errors": "Which calls returned nothing? | How good is the data quality?",
        "concentration": "What are our most expensive calls? | Spend by model | Percentiles of cost per call",
        "distribution": "What are our most expensive calls? | How concentrated is our spend?",
        "clock": "Which days were unusual? | What is the peak load? | Spend by month",
        "token_ratio": "How much would caching save at most? | Spend by model",
        "price_lookup": "What would our usage cost at list price? | Did we pay list price? | How can we cut our bill?",
        "list_cost": "Did we pay list price? | What would the free calls cost at list price?",
        "logged_against_list": "What would the free calls cost at list price? | Any implausible calls?",
        "frontier": "How can we cut our bill? | Spend by model",
        "budget": "Spend by month | Which days were unusual? | How can we cut our bill?",
        "run_rate": "Spend by month | How can we cut our bill?",
        "peak": "At what hour of the day do we make the most calls? | Which errors happened most often?",
        "savings_plan": "How much would batching have saved? | How much would caching save at most?",
        "description": "What did we spend in total? | Spend by model | How good is the data quality?",
    }
)
"""Further questions by the kind that was answered; of these, what the data allows is offered."""

_SAVING = "How can we cut our bill? | How much would batching have saved? | How much would caching save at most?"
_ALWAYS = f"{_SAVING} | What did we spend in total? | Spend by model | Spend by month | What data is there?"

_USUAL = (
    "Can we switch to a cheaper model? | What would prefix caching save? | What if we ran calls off-peak? "
    "| What is our run rate? | Which models are on the quality-cost frontier? | How many sessions were there? "
    "| What are our unit costs? | Which months have no data? | What is the input/output ratio? "
    "| Which list prices changed? | How many different models did we use? | What is the median cost of a call?"
)
"""Questions of further kinds, put as they are put without a period or a name."""


_OPENINGS = (
    "What did we spend in total? | Spend by model | Which days were unusual? | How can we cut our bill? | "
    "Which model is the best value?"
)
_OF_PRICES = "Which model is cheapest for 1000 tokens in and 500 tokens out?"
_OF_CALLS = (
    "What are our most expensive calls? | How many tokens went in and out? | What is the peak load? | "
    "How much would a prefix cache save? | Which errors happened most often?"
)
_OF_ANY = "How good is the data quality? | What data is there?"


def opening_questions(catalogue: Catalogue) -> Iterator[tuple[str, Intent]]:
    """Questions to begin with, each one planned: those that show most of what this data has first."""
    planned_before: list[Intent] = []
    for question in _opening_candidates(catalogue):
        planned = plan(question, catalogue)
        if isinstance(planned, Intent) and not any(_same(planned, each) for each in planned_before):
            planned_before.append(planned)
            yield question, planned


def _opening_candidates(catalogue: Catalogue) -> list[str]:
    """What may be asked to begin with; of a table of prices alone nobody asks for odd days."""
    prices = [*price_questions(catalogue), _OF_PRICES] if catalogue.price_books else []
    if len(catalogue.tables) == len({book.columns.table for book in catalogue.price_books}):
        return [*prices, *_OF_ANY.split(" | ")]
    shown = [*_OPENINGS.split(" | "), *prices[:1], *_OF_CALLS.split(" | ")]
    return [*shown, *suggestions(catalogue), *_OF_ANY.split(" | ")]


def next_questions(intent: Intent, catalogue: Catalogue) -> Iterator[str]:
    """Questions that fit after an answer, each one planned: at most MOST_SUGGESTED, found one by one."""
    offered: list[Intent] = [intent]
    for question, planned in _candidates(intent, catalogue):
        if isinstance(planned, Intent) and not any(_same(planned, each) for each in offered):
            offered.append(planned)
            yield question
        if len(offered) > MOST_SUGGESTED:
            return


def usual_intents(catalogue: Catalogue) -> list[Intent]:
    """What is asked of nearly any data: all that may be suggested, and more; what suits this data. Takes some 0.3 s."""
    questions = " | ".join([*_ASKED_AFTER.values(), _ALWAYS, _USUAL]).split(" | ")
    planned = [plan(question, catalogue) for question in dict.fromkeys(questions)]
    openings = [intent for _, intent in opening_questions(catalogue)]
    return [*openings, *(each for each in planned if isinstance(each, Intent) and each not in openings)]


def _same(one: Intent, other: Intent) -> bool:
    return one.bare == other.bare


def _candidates(intent: Intent, catalogue: Catalogue) -> Iterator[tuple[str, Intent | Refusal]]:
    table = catalogue.table(intent.table)
    for changed in _changed(intent, table):
        words = phrase(changed, catalogue)
        planned = plan(words, catalogue) if words else None
        if words and isinstance(planned, Intent) and _same(planned, changed):
            yield words, planned
    for question in f"{_ASKED_AFTER.get(intent.kind, '')} | {_ALWAYS}".strip(" |").split(" | "):
        yield question, plan(question, catalogue)


def _changed(intent: Intent, table: Table) -> Iterator[Intent]:
    """The same rows looked at in another way."""
    if intent.kind not in ("total", "by", "trend", "compare"):
        return
    scope = msgspec.structs.replace(intent, limit=None, by=None, grain=None, descending=True)
    if intent.kind == "compare":
        scope = msgspec.structs.replace(scope, periods=intent.periods[-1:])
    split = _split(intent, table)
    if split is not None:
        yield msgspec.structs.replace(scope, kind="by", by=split)
    one_day = scope.period is not None and scope.period.days == 1
    if intent.kind != "trend" and table.covered_from and scope.measure in _SUMS and not one_day:
        yield msgspec.structs.replace(scope, kind="trend", grain=_grain(scope.period))
    earlier = _earlier(scope.period, table) if intent.kind != "compare" else None
    if earlier is not None and scope.period is not None:
        yield msgspec.structs.replace(scope, kind="compare", periods=[earlier, scope.period])


_SUMS = (Measure.COST, Measure.CALLS, Measure.TOKENS)


def _split(intent: Intent, table: Table) -> str | None:
    """A column to split by that neither splits nor restricts the rows already."""
    used = {each.column for each in intent.filters} | {intent.by}
    columns = [column for meaning in _SPLIT_BY if (column := table.column(meaning))]
    return next((c.name for c in columns if c.name not in used and 1 < c.distinct <= _MAX_GROUPS), None)


def _grain(period: Period | None) -> Grain:
    days = period.days if period is not None else None
    return "day" if days is not None and days <= _DAYS_OF_A_TREND_BY_MONTH else "month"


def _earlier(period: Period | None, table: Table) -> Period | None:
    """The period before, where it has rows."""
    if period is None or period.days is None:
        return None
    earlier = before(period)
    first, last = str(earlier.start)[:7], str(earlier.end)[:7]
    return earlier if any(first <= month < last for month in table.months) else None
