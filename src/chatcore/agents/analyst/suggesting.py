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
from chatcore.agents.analyst.request import Grain, Intent, Measure, Period

MOST_SUGGESTED = 3

_MAX_GROUPS = 1_000
_SPLIT_BY = (Meaning.MODEL, Meaning.FEATURE, Meaning.USER)
_DAYS_OF_A_TREND_BY_MONTH = 62
_SPENT = ("Which days were unusual?", "How much would batching have saved?", "What would our usage cost at list price?")
_ASKED_AFTER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "total": _SPENT,
        "by": ("What are our most expensive calls?", "How can we save money?"),
        "trend": ("Which days were unusual?", "What drove the change?"),
        "compare": ("Which days were unusual?",),
        "top_calls": ("Any implausible calls?", "Median cost per call"),
        "quality": ("Any implausible calls?", "How many calls were free?", "Which calls returned nothing?"),
        "description": ("What did we spend in total?", "Spend by model", "How good is the data quality?"),
    }
)
"""Further questions by the kind that was answered; of these, what the data allows is offered."""
_ALWAYS = ("What did we spend in total?", "Spend by model", "Spend by month", "How can we save money?")


def next_questions(intent: Intent, catalogue: Catalogue) -> Iterator[str]:
    """Questions that fit after an answer, each one planned: at most MOST_SUGGESTED, found one by one."""
    offered: list[Intent] = [intent]
    for question in _candidates(intent, catalogue):
        planned = plan(question, catalogue)
        if isinstance(planned, Intent) and not any(_same(planned, each) for each in offered):
            offered.append(planned)
            yield question
        if len(offered) > MOST_SUGGESTED:
            return


def _same(one: Intent, other: Intent) -> bool:
    return _bare(one) == _bare(other)


def _bare(intent: Intent) -> Intent:
    """An intent without how its parts are called."""
    periods = [Period(words="", start=each.start, end=each.end) for each in intent.periods]
    filters = [msgspec.structs.replace(each, words="") for each in intent.filters]
    return msgspec.structs.replace(intent, periods=periods, filters=filters)


def _candidates(intent: Intent, catalogue: Catalogue) -> Iterator[str]:
    table = catalogue.table(intent.table)
    for changed in _changed(intent, table):
        words = phrase(changed, catalogue)
        planned = plan(words, catalogue) if words else None
        if words and isinstance(planned, Intent) and _same(planned, changed):
            yield words
    yield from _ASKED_AFTER.get(intent.kind, ())
    yield from _ALWAYS


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
    if intent.kind != "trend" and table.covered_from and scope.measure in _SUMS:
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
