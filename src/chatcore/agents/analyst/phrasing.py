"""An intent as a question that is planned as that intent: for follow-ups, and for questions to ask next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.columns import Meaning, name_words
from chatcore.agents.analyst.request import Filter, Intent, Measure, Period

_MEASURES: Mapping[Measure, str] = MappingProxyType(
    {
        Measure.COST: "Spend",
        Measure.CALLS: "Calls",
        Measure.TOKENS: "Tokens",
        Measure.INPUT_TOKENS: "Input tokens",
        Measure.OUTPUT_TOKENS: "Output tokens",
        Measure.COST_PER_CALL: "Average cost per call",
        Measure.COST_PER_MILLION_TOKENS: "Cost per million tokens",
        Measure.TOKENS_PER_CALL: "Average tokens per call",
        Measure.INPUT_TOKENS_PER_CALL: "Average input tokens per call",
        Measure.OUTPUT_TOKENS_PER_CALL: "Average output tokens per call",
    }
)
_NAMED = (Meaning.MODEL, Meaning.USER, Meaning.FEATURE)


def phrase(intent: Intent, catalogue: Catalogue) -> str | None:
    """A question for an intent of one of the kinds that the planner's own grammar finds; None for any other kind."""
    asked = _ASKED.get(intent.kind)
    if asked is None:
        return None
    table = catalogue.table(intent.table)
    return sentence(f"{asked(intent, table)}{scope(intent)}?")


def why(intent: Intent) -> str | None:
    """The question what made spend change to what an intent told; None where it told of no stretch of time."""
    periods = [period for period in intent.periods if period.days is not None]
    if not periods or len(periods) < len(intent.periods):
        return None
    names = "".join(_only(each, "for") for each in intent.filters)
    if len(periods) == 1:
        return f"What drove the change in spend{during(periods[0])}{names}?"
    return f"What drove the change in spend from {periods[0].words} to {periods[-1].words}{names}?"


def sentence(text: str) -> str:
    """The text with a capital letter first."""
    return text[:1].upper() + text[1:]


def _total(intent: Intent, table: Table) -> str:
    everything = " in total" if not intent.periods and not intent.filters else ""
    if intent.measure is Measure.CALLS:
        return f"How many {_measured(intent, table).lower()} were there{everything}"
    return f"{'What did we spend' if intent.measure is Measure.COST else _measured(intent, table)}{everything}"


def _measured(intent: Intent, table: Table) -> str:
    """What is summed or counted; rows that are no calls are called as their table is."""
    are_calls = any(table.has(each) for each in (Meaning.COST, Meaning.INPUT_TOKENS, Meaning.TOTAL_TOKENS))
    counted = intent.measure is Measure.CALLS and not are_calls
    return " ".join(name_words(table.name)).capitalize() if counted else _MEASURES[intent.measure]


def _by(intent: Intent, table: Table) -> str:
    if intent.limit is None:
        return f"{_measured(intent, table)} by {intent.by}"
    rank = "Top" if intent.descending else "Bottom"
    return f"{rank} {intent.limit} {plural_of(table, str(intent.by))} by {_measured(intent, table).lower()}"


def plural_of(table: Table, column: str) -> str:
    """What the values of a column are called: models, users; or the column's own name."""
    meaning = table.named(column).meaning
    return f"{meaning}s" if meaning in _NAMED else column


def _trend(intent: Intent, table: Table) -> str:
    if intent.limit is None:
        return f"{_measured(intent, table)} by {intent.grain}"
    return f"Top {intent.limit} {intent.grain}s by {_measured(intent, table).lower()}"


def _cross(intent: Intent, table: Table) -> str:
    rows, across = (intent.grain, intent.by) if intent.grain else (intent.by, intent.options.get("across"))
    return f"{_measured(intent, table)} by {rows} and {across}"


def _distinct(intent: Intent, table: Table) -> str:
    return f"How many {plural_of(table, str(intent.by))} are there"


def _versus(intent: Intent, _: Table) -> str:
    sides = " and ".join(each.words for each in intent.sides)
    return f"Compare {_MEASURES[intent.measure].lower()} of {sides}"


def _compare(intent: Intent, table: Table) -> str:
    return f"Compare {_measured(intent, table).lower()} in {' and '.join(each.words for each in intent.periods)}"


def _top_calls(intent: Intent, _: Table) -> str:
    count = f"{intent.limit} " if intent.limit else ""
    if intent.measure is Measure.COST:
        return f"{count}most expensive calls"
    return f"{count}largest calls by {_MEASURES[intent.measure].lower()}"


_ASKED = MappingProxyType(
    {
        "total": _total,
        "by": _by,
        "trend": _trend,
        "cross": _cross,
        "distinct": _distinct,
        "versus": _versus,
        "compare": _compare,
        "top_calls": _top_calls,
    }
)


def scope(intent: Intent) -> str:
    """What an intent is restricted to, as it follows a noun."""
    filters = intent.beside if intent.kind == "versus" else intent.filters
    periods = [] if intent.kind == "compare" else intent.periods
    lead = "on" if intent.kind == "total" and intent.measure is Measure.COST else "for"
    return "".join(_only(each, lead) for each in filters) + "".join(map(during, periods))


def _only(each: Filter, lead: str) -> str:
    words = each.values[0] if len(each.values) == 1 else each.words
    return f" {'excluding' if each.exclude else lead} {words}"


def during(period: Period) -> str:
    """A period after a noun, in words that are read as the same period."""
    if period.start is None or period.end is None:
        return f" {period.words}"
    lead = "from" if " to " in period.outline else "on" if period.days == 1 else "in"
    return f" {lead} {period.words}"
