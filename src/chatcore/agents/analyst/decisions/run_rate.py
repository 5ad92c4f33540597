"""What the spend of some days comes to in a month, a year or a period to come; only where each day has rows."""

from __future__ import annotations

import datetime as dt
import re

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.decisions.pace import (
    clean_spend,
    pace_fault,
    pace_queries,
    paced_table_fault,
    window_of,
)
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import Draft, IntentKind, Sheets, options_of, plural, table_of
from chatcore.agents.analyst.intents.scope import filter_words, implausible_query, implausible_words, nothing_there
from chatcore.agents.analyst.periods import begin_of, next_of
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Period, Refusal
from chatcore.agents.analyst.scoping import apart_from, scope_of
from chatcore.agents.analyst.sql import all_of, during, filtered, parameters_of, time_of


class RunRateOptions(msgspec.Struct, frozen=True):
    """What only a run rate takes.

    Args:
        target: the period that the spend is projected for, one that is not over; None for a month and a year.
    """

    target: Period | None = None


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The pace of the window; for a target, what is spent of it and what would be at this pace."""
    table, target = table_of(intent, catalogue), options_of(intent, RunRateOptions).target
    window = window_of(intent.period, table)
    if window is None:
        return []
    windowed = msgspec.structs.replace(intent, periods=[window])
    asked = [*pace_queries(intent, catalogue, window), *implausible_query(windowed, catalogue)]
    return asked if target is None else [*asked, target_query(intent, table, window, target)]


def target_query(intent: Intent, table: Table, window: Period, target: Period) -> Query:
    """What is spent of a period so far, and what it comes to if each day that is left costs what one of the window did.

    The days that are left are those after the last one that has rows.
    """
    time, source = time_of(table), identifier(table.name)
    so_far, at_pace = during(target, time, "target_"), during(window, time)
    parts = [all_of((part, filtered(intent.filters))) for part in (so_far, at_pace)]
    spent, paced = (f"(SELECT {clean_spend(table)} FROM {source} {part.where})" for part in parts)
    parameters = {name: value for part in parts for name, value in part.parameters.items()} | parameters_of(table)
    begins = "greatest(CAST($target_from AS DATE), CAST($after AS DATE))"
    sql = (
        "SELECT spent_so_far, days_left, spend_per_day, spent_so_far + days_left * spend_per_day AS projected_spend "
        f"FROM (SELECT {spent} AS spent_so_far, greatest(0, date_diff('day', {begins}, CAST($target_to AS DATE))) "
        f"AS days_left, {paced} / date_diff('day', CAST($from AS DATE), CAST($to AS DATE)) AS spend_per_day)"
    )
    after = table.last_day + dt.timedelta(days=1) if table.last_day else None
    return Query("target", sql, {**parameters, "after": str(after)})


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The projection first, what it is taken from after; a refusal where the days do not allow one."""
    table = table_of(intent, catalogue)
    if "pace" not in sheets:
        return nothing_there(intent, catalogue)
    fault = pace_fault(intent, catalogue, sheets)
    if fault is not None:
        return fault
    words = _Words(intent, table, sheets)
    target = options_of(intent, RunRateOptions).target
    parts = [words.basis(), words.rates() if target is None else words.projection(target)]
    return Draft(tuple(parts), words.assumptions())


@attrs.frozen
class _Words:
    """The wording of a pace."""

    intent: Intent
    table: Table
    sheets: Sheets

    def _money(self, column: str, sheet: str = "pace") -> str:
        return self.sheets[sheet].cell(column).money(self.table.currency)

    def basis(self) -> str:
        """What the rate is taken from."""
        pace = self.sheets["pace"]
        days = plural(pace.cell("days"), "day")
        return (
            f"From {pace.cell('first_day')} to {pace.cell('last_day')}, {days} that all have rows, "
            f"{self._money('spend')} was spent{filter_words(self.intent.filters)}: "
            f"{self._money('spend_per_day')} a day (`{self.table.name}`).\n\n"
        )

    def rates(self) -> str:
        """What that comes to in a month and a year."""
        pace = self.sheets["pace"]
        return (
            f"At this rate it is **{self._money('spend_per_month')} a month** of {pace.cell('month_days').count} days, "
            f"and {self._money('spend_per_year')} in {pace.cell('year_days').count} days.\n"
        )

    def projection(self, target: Period) -> str:
        """What that comes to in the period that was asked for."""
        left = plural(self.sheets["target"].cell("days_left"), "day")
        spent = self.sheets["target"].cell("spent_so_far")
        so_far = f"{self._money('spent_so_far', 'target')} so far and " if spent else ""
        projected = self._money("projected_spend", "target")
        return f"At this rate {target.words} comes to **{projected}**: {so_far}{left} to go.\n"

    def assumptions(self) -> tuple[str, ...]:
        """What is assumed, and the rows that are left out."""
        odd = implausible_words(self.table, self.sheets.get("implausible"))
        assumed = [
            "It is assumed that a day to come costs what a day of that time did: the same use at the same prices."
        ]
        last = str(self.sheets["pace"].cell("last_day"))
        if self.table.covered_to and self.table.covered_to[:10] == last:
            assumed.append(f"{last} counts as a whole day, though its rows end at {self.table.covered_to}.")
        return (*assumed, *([odd.strip()] if odd else []))


_ASKED = (
    r"\brun[- ]?rates?\b|\bburn[- ]?rates?\b",
    r"\b(?:at|with) (?:this|our|the) (?:current )?(?:rate|pace)\b|\bon (?:this )?(?:pace|track) to\b",
    r"\b(?:forecast|predict|extrapolat|estimate)(?:s|ed|e|es|ing|ion|ions)?\b|\bproject(?:ed|ing|ions?)\b",
    r"(?:^\W*|\b(?:to|you|please) )project\b",
)
_COMING = r"\b(?:will|going to|shall|expect(?:ed)? to)\b.*\b(?:spend|cost|pay|bill|be|come|reach|amount)\w*\b"
_SPENT = (
    r"\b(?:spend|spending|cost|costs|bill|bills|budget|expens\w+|pay|burn|money|usage|month\w*|annual\w*|year\w*)\b"
)
_NEXT = r"\b(?:the )?(?:next|coming|upcoming) (week|month|quarter|year)\b"
_WORDS = frozenset({"rate", "pace", "run", "burn", "track", "keep", "continue", "month", "monthly", "annual", "yearly"})


def recognise(reading: Reading) -> Intent | Refusal | None:
    """What a pace comes to: a run rate, a forecast, what something will cost."""
    asked = any(re.search(pattern, reading.text) for pattern in _ASKED) and re.search(_SPENT, reading.text + " cost")
    if not asked and not (re.search(_COMING, reading.text) and re.search(_SPENT, reading.text)):
        return None
    table = choose_table(apart_from(reading, (*_ASKED, _NEXT)))
    if isinstance(table, Refusal):
        return table
    fault = paced_table_fault(table, reading)
    if fault is not None:
        return fault
    scope = scope_of(apart_from(reading, (*_ASKED, _NEXT)), table, _WORDS, ahead=True)
    if isinstance(scope, Refusal):
        return scope
    named = _next(reading, table) or (scope.periods[0] if scope.periods else None)
    target = named if named is not None and is_ahead(named, table) else None
    return Intent(
        kind=KIND.name,
        table=table.name,
        periods=scope.periods if target is None else [],
        filters=scope.filters,
        options=msgspec.to_builtins(RunRateOptions(target=target)),
    )


def is_ahead(period: Period, table: Table) -> bool:
    """Whether a period is not over on the last day of the rows."""
    closed = period.start is not None and period.end is not None
    return closed and table.last_day is not None and dt.date.fromisoformat(str(period.end)) > table.last_day


def _next(reading: Reading, table: Table) -> Period | None:
    """``Next month``, counted from the last day of the rows."""
    found = re.search(_NEXT, reading.text)
    if found is None or table.last_day is None:
        return None
    begin = next_of(found[1], begin_of(found[1], table.last_day))
    end = next_of(found[1], begin)
    return Period(words=f"{begin} to {end - dt.timedelta(days=1)}", start=begin.isoformat(), end=end.isoformat())


KIND = IntentKind(
    "run_rate",
    "What the spend a day comes to in a month, a year or a period to come",
    queries,
    word,
    recognise,
    RunRateOptions,
)
