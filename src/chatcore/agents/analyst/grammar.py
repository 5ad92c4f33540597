"""One question that stands by itself: its kind, and the intent of that kind, or why there is none. Pure.

It would rather refuse than answer another question: a word that changes the meaning and that nothing accounts for is
named in the refusal, with questions that are answered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import attrs
import msgspec

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import PER_CALL, SUMMED, Asking
from chatcore.agents.analyst.beyond import beyond_any_table, foreign, in_other_money
from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.columns import Family, Meaning
from chatcore.agents.analyst.faults import find_fault
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.left_out import find_left_out
from chatcore.agents.analyst.one_currency import mixed_currencies
from chatcore.agents.analyst.periods import after, before, period_of
from chatcore.agents.analyst.phrasing import phrase
from chatcore.agents.analyst.reading import Reading, in_table
from chatcore.agents.analyst.request import Filter, Grain, Intent, Measure, Period, Refusal
from chatcore.agents.analyst.same_time import same_times
from chatcore.agents.analyst.splitting import Splitting
from chatcore.agents.analyst.turns import (
    DESCRIPTION,
    EXTREME,
    HOW_ENDED,
    NO_TOKENS,
    OFF,
    SINGLE_ROWS,
    THAN_LAST,
    WITHOUT_FREE,
)

_SPREAD = frozenset({"median", "percentile", "percentiles", "p95", "p50", "p99", "distribution", "spread"})
_JUDGED = frozenset({"best", "better", "greatest", "worst", "good", "bad"})
_SET_AGAINST = frozenset({"compare", "compares", "compared", "comparing", "comparison", "vs", "versus", "against"})
_MOVED = lexicon.COMPARE - _SET_AGAINST - {"difference", "differ", "differs"}
_MORE_OR_LESS = frozenset({"more", "less", "cheaper", "or", "better", "worse", "than"})
_SPLIT = frozenset({"split", "breakdown", "broken", "divide", "divided"})


def plan_alone(reading: Reading) -> Intent | Refusal:
    """What a question asks for by itself."""
    found = foreign(reading) or _recognised(reading) or beyond_any_table(reading) or choose_table(reading)
    if isinstance(found, Table):
        found = Planner(Asking(in_table(reading, found, apart=apart), found)).plan()
    return _whole(found, reading)


def plan_in(reading: Reading, asking: Asking) -> Intent | Refusal:
    """The same, of a table that is given: ``asking`` is the question read against it."""
    found = foreign(reading) or _recognised(reading) or beyond_any_table(reading) or Planner(asking).plan()
    return _whole(found, reading)


def _whole(found: Intent | Refusal, reading: Reading) -> Intent | Refusal:
    """An intent that answers all of the question; a refusal that names what it would leave out."""
    placed = in_other_money(found, reading) or _placed(found, reading)
    if isinstance(placed, Refusal):
        return placed
    mixed = mixed_currencies(placed, reading.catalogue, reading.asked or reading.text)
    return mixed or find_left_out(placed, reading, apart) or placed


def _placed(found: Intent | Refusal, reading: Reading) -> Intent | Refusal:
    """``second most expensive``: one place of a split; of any other ranking only the first is told."""
    if reading.place is None or isinstance(found, Refusal):
        return found
    if found.kind != "by":
        return refusals.not_supported("one place of a ranking, other than the first", reading.catalogue)
    return msgspec.structs.replace(found, options={"place": reading.place})


def _recognised(reading: Reading) -> Intent | Refusal | None:
    """What the first kind that finds itself in the question makes of it."""
    recognisers = (kind.recognise for kind in KINDS.values() if kind.recognise is not None)
    return next((found for recognise in recognisers if (found := recognise(reading)) is not None), None)


def apart(reading: Reading) -> bool:
    """Whether two dates are two periods to compare and not the ends of one: names are compared over one stretch."""
    if reading.sides and not reading.has(_MOVED):
        return False
    gone = r"\bgrowth\b.*\b(?:from|between)\b|\b(?:gone|go|goes|went|going) (?:up|down)\b.*\b(?:from|between)\b"
    return reading.has(lexicon.COMPARE) or reading.says(gone)


@attrs.frozen
class Planner(Splitting):
    """The decisions about one question, in the order in which they are tried."""

    def plan(self) -> Intent | Refusal:
        """The intent, or why there is none."""
        by_length = self.asking.length is not None and not self.asking.group_columns and self.asking.grain is None
        kinds: list[Callable[[], Intent | Refusal | None]] = [self._statistics] if by_length else []
        kinds += [
            self._comparison,
            self._versus,
            self._top_calls,
            self.distinct,
            self.trend,
            self.grouping,
            self._statistics,
            self._totals,
        ]
        found = self._description() or find_fault(self.asking) or self._judged() or self._quality()
        decided = (intent for kind in kinds if (intent := kind()) is not None)
        return found or next(decided, None) or refusals.not_understood(self.reading.catalogue)

    def _description(self) -> Intent | None:
        """What data there is: tables, columns, the period they cover."""
        if not self.reading.says(DESCRIPTION) or self.reading.values:
            return None
        about_figures = lexicon.COST | lexicon.TOKENS | lexicon.AVERAGE | lexicon.STATISTIC | lexicon.COMPARE
        about_faults = lexicon.QUALITY - {"wrong", "free"}
        return None if self.reading.has(about_figures | about_faults) else self.intent("description")

    def _judged(self) -> Refusal | None:
        """Which of several names is better, which is no matter of what was spent on them."""
        of_data = self.reading.has({"data", "row", "rows", "record", "records"})
        judged = self.reading.has(_JUDGED) or (self.reading.has({"quality"}) and not of_data)
        if not judged or not self.reading.values or self.reading.has(lexicon.FIGURES | lexicon.CHEAP):
            return None
        names = [values.words for values in self.reading.values]
        return refusals.better_by_what(names, self.asking.table, self.reading.catalogue)

    def _quality(self) -> Intent | Refusal | None:
        """Whether the rows can be trusted; not what they cost by something."""
        figures = self.reading.has(lexicon.COST | lexicon.TOKENS)
        asked = self.reading.has(lexicon.QUALITY) or (self.reading.has(lexicon.SOUND) and not figures)
        if self.reading.says(OFF) and not self.asking.group_columns:
            return self.intent("quality")
        if not asked or self.reading.without_outliers:
            return None
        if self.reading.says(NO_TOKENS):
            return refusals.not_supported("calls by their having no tokens", self.reading.catalogue)
        unpriced = self.reading.has({"free", "unpriced", "zero"})
        counted = figures or self.reading.has(lexicon.CALLS)
        if unpriced and ((self.asking.grain is not None and counted) or (self.asking.group_columns and figures)):
            return refusals.not_supported("free calls apart, in such a list", self.reading.catalogue)
        if self.reading.says(WITHOUT_FREE):
            return refusals.not_supported("a figure without free calls", self.reading.catalogue)
        if self.asking.grain is not None:
            counted = figures or self.reading.has(lexicon.CALLS)
            return None if counted else refusals.not_supported(f"faults by {self.asking.grain}", self.reading.catalogue)
        if self.asking.group_columns:
            return None if figures else refusals.not_supported("faults by a column", self.reading.catalogue)
        return self.intent("quality")

    def _comparison(self) -> Intent | Refusal | None:
        """Two periods side by side; one that is compared is set against the one before it."""
        periods = [found.choices[0] for found in self.reading.periods]
        alike = same_times(self.reading.text, periods, self.asking.table)
        if alike is not None:
            return self._compared(alike)
        if len(periods) > 1 and self.reading.sides and not self.reading.has(_MOVED):
            return self._sides_in(periods)
        against = self.reading.has(_SET_AGAINST)
        named = [period for period in periods if not period.relative] or periods
        if len(periods) == 1 and periods[0].relative and self.reading.says(THAN_LAST):
            periods = [periods[0], after(periods[0])]
        elif len(named) == 1 and self._wants_previous(against) and named[0].days is not None:
            periods = [before(named[0], self.asking.previous_unit), named[0]]
        if len(periods) > _TWO:
            return refusals.too_many_periods(self.reading.catalogue, self._all_of(periods))
        if len(periods) == _TWO and any(period.without for period in periods):
            return refusals.not_supported("a comparison without a part of a period", self.reading.catalogue)
        if len(periods) != _TWO or any(period.days is None for period in periods):
            return None
        return self._compared(sorted(periods, key=lambda period: str(period.start)))

    def _all_of(self, periods: list[Period]) -> list[str]:
        """The course over all of several periods."""
        spans = [each for each in periods if each.days is not None]
        if len(spans) < len(periods):
            return []
        first, last = min(str(each.start) for each in spans), max(str(each.end) for each in spans)
        whole = period_of(dt.date.fromisoformat(first), dt.date.fromisoformat(last))
        longest = max(each.days or 0 for each in spans)
        grain: Grain = "month" if longest <= _MONTH else "quarter" if longest <= _QUARTER else "year"
        trend = msgspec.structs.replace(self.intent("trend", grain=grain), periods=[whole], limit=None)
        return list(filter(None, [phrase(trend, self.reading.catalogue)]))

    def _sides_in(self, periods: list[Period]) -> Refusal:
        """Several names in several periods: the names in each of them, or the periods for each name."""
        versus = self._beside(self.reading.sides)
        asked = [msgspec.structs.replace(versus, periods=[each]) for each in periods]
        if len(periods) == _TWO:
            moved = self.intent("compare", periods=periods)
            beside = self.reading.beside
            asked += [msgspec.structs.replace(moved, filters=[each, *beside]) for each in self.reading.sides]
        words = [phrase(each, self.reading.catalogue) for each in asked]
        return refusals.names_or_periods(list(filter(None, words)))

    def _compared(self, periods: list[Period]) -> Intent | Refusal:
        """Two periods; by a column, what its names cost in both."""
        columns = [named.column for named in self.asking.group_columns]
        if not columns:
            return self.intent("compare", periods=periods)
        if len(columns) > 1 or self.asking.measure is not Measure.COST or columns[0].meaning is Meaning.TIME:
            return refusals.not_supported("a comparison by a column", self.reading.catalogue)
        return self.intent("drivers", by=columns[0].name, periods=periods)

    def _wants_previous(self, against: bool) -> bool:
        if self.asking.group_columns or self.reading.sides:
            return False
        return self.asking.previous or (against and len(self.reading.periods) == 1)

    def _versus(self) -> Intent | None:
        """Two or more values of a column side by side."""
        sides = self.reading.sides
        apart = self.reading.has(lexicon.COMPARE | _MORE_OR_LESS | _SPLIT)
        if not sides or not apart:
            return None
        return self._beside(sides)

    def _beside(self, sides: list[Filter]) -> Intent:
        filters = [*sides, *self.reading.beside]
        return msgspec.structs.replace(self.intent("versus", by=sides[0].column), filters=filters)

    def _top_calls(self) -> Intent | None:
        """The single rows that cost most."""
        if not self.reading.says(SINGLE_ROWS) or self.reading.says(PER_CALL) or self.reading.has({"many"}):
            return None
        if self.asking.group_columns and not self.reading.values:
            return None
        top = self.intent("top_calls", measure=self.asking.row_measure)
        return msgspec.structs.replace(top, options={"plausible": True}) if self.reading.without_outliers else top

    def _statistics(self) -> Intent | None:
        """A column of numbers by itself."""
        table = self.asking.table
        numbers = [named.column for named in self.reading.columns if named.column.family is Family.NUMBER]
        timed = self.asking.length or self.timed()
        if timed is not None:
            return self.intent("statistics", column=timed.name)
        spread = self.reading.has(lexicon.STATISTIC) or self.reading.says(EXTREME)
        if spread and not numbers:
            summed = table.column(_COLUMN_OF[self.asking.row_measure])
            return self.intent("statistics", column=summed.name) if summed else None
        spelt_out = [named for named in self.reading.columns if "_" in self.reading.text[named.start : named.end]]
        if numbers and (spread or numbers[0].meaning not in SUMMED or spelt_out):
            return self.intent("statistics", column=numbers[0].name)
        return None

    def _totals(self) -> Intent | None:
        """One figure over all rows; of what ended how, the rows by how they ended."""
        status = self.asking.table.column(Meaning.STATUS)
        if status is not None and (self.reading.has(lexicon.STATUS) or self.reading.says(HOW_ENDED)):
            return self.intent("by", by=status.name, measure=Measure.CALLS)
        figures = lexicon.COST | lexicon.CHEAP | lexicon.TOKENS | lexicon.CALLS
        if self.reading.periods and self.reading.says(
            r"\bhow much (?:in|on|during|for|since|from|between|was|is|it)\b"
        ):
            return self.intent("total")
        named = self.reading.tables or self.reading.values or self.reading.without_outliers
        asked = named or self.reading.has(figures)
        return self.intent("total") if asked else None


_TWO = 2
_MONTH, _QUARTER = 31, 92
"""Days that the longest of them have."""
_COLUMN_OF = {
    Measure.COST: Meaning.COST,
    Measure.TOKENS: Meaning.TOTAL_TOKENS,
    Measure.INPUT_TOKENS: Meaning.INPUT_TOKENS,
    Measure.OUTPUT_TOKENS: Meaning.OUTPUT_TOKENS,
}
