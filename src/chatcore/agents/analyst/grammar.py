"""One question that stands by itself: its kind, and the intent of that kind, or why there is none. Pure.

It would rather refuse than answer another question: a word that changes the meaning and that nothing accounts for is
named in the refusal, with questions that are answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs
import msgspec

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import COUNT_OF, PER_CALL, ROW_NOUNS, SUMMED, Asking
from chatcore.agents.analyst.beyond import beyond_any_table, foreign, in_other_money
from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.columns import Family, Meaning
from chatcore.agents.analyst.faults import find_fault
from chatcore.agents.analyst.intents.cross import SUMS
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.left_out import find_left_out
from chatcore.agents.analyst.periods import after, before
from chatcore.agents.analyst.phrasing import phrase
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading, in_table
from chatcore.agents.analyst.request import Filter, Grain, Intent, Measure, Period, Refusal

_SPREAD = frozenset({"median", "percentile", "percentiles", "p95", "p50", "p99", "distribution", "spread"})
_JUDGED = frozenset({"best", "better", "greatest", "worst", "good", "bad"})
_SET_AGAINST = frozenset({"compare", "compares", "compared", "comparing", "comparison", "vs", "versus", "against"})
_MOVED = lexicon.COMPARE - _SET_AGAINST - {"difference", "differ", "differs"}
_MORE_OR_LESS = frozenset({"more", "less", "cheaper", "or", "better", "worse", "than"})
_SPLIT = frozenset({"split", "breakdown", "broken", "divide", "divided"})
_SUPERLATIVE = r"(?:most expensive|costliest|priciest|dearest|largest|biggest|longest|heaviest|cheapest|smallest)"
_SINGLE_ROWS = (
    rf"\b(?:{_SUPERLATIVE}|expensive|single|top(?: \w+)?|highest[- ]cost|cost(?:ing)?)\s+"
    rf"(?:\d+ |single |individual |llm |api )*(?:{ROW_NOUNS})\b"
    rf"|\b(?:{ROW_NOUNS}) (?:were|was|are|is) (?:the )?{_SUPERLATIVE}\b"
    rf"|\b(?:{ROW_NOUNS}) (?:that |which )?cost(?:s|ing)? (?:us )?(?:the )?most\b"
    rf"|\b(?:which|what) (?:single )?(?:{ROW_NOUNS}) (?:had|has|have|used|took|sent|produced|generated|consumed|with) "
    rf"(?:the )?(?:most|highest|largest|biggest|fewest|least|lowest)\b"
    rf"|\b(?:{ROW_NOUNS}) with (?:the )?(?:most|highest|largest|biggest|fewest|least|lowest) "
    r"(?:number of |count of )?(?:\w+ )?tokens?\b"
)
_THAN_LAST = (
    r"\b(?:more|less|fewer|higher|lower|cheaper|dearer) than (?:in |during )?(?:the )?(?:last|previous|past) \w+\W*$"
)
_OVER_TIME = (
    r"\bover time\b|\bpeak(?:ed|s)?\b|\b(?:by|per) (?:date|time)\b"
    r"|\b(?:go|goes|going|gone|went) (?:up|down)\b|\bup or down\b"
    r"|\b(\w+)[- ](?:over|by|to|on)[- ]\1\b"
    r"|\bwhen (?:did|do|have|was|were|is)\b.*\b(?:most|least|highest|lowest|biggest|fewest|peak|dearest|costliest)\b"
)
_HOW_LONG = r"\bhow (?:long|fast|slow)\b"
_HOW_ENDED = r"\bhow did\b.*\bend(?:ed)?\b|\b(?:success|failure|error) rate\b"
_EXTREME = (
    r"\b(?:highest|lowest|largest|smallest|biggest) (?:single )?"
    r"(?:costs?|charge|price|expense|(?:(?:input|output|prompt|completion)[ _])?tokens?)\b"
    r"|\b(?:highest|largest|biggest|most|lowest|fewest) (?:(?:number|amount|count) of )?tokens? "
    r"(?:in|of|for|on|with) (?:a|an|one|any|each) "
)
_THINGS = r"\b(data|tables?|columns?|fields?|files?|dataset|period|dates?|months?|years?|range)\b"
_AMISS = r"(?:off|fishy|funny|amiss|wrong|weird|strange|odd|right|okay|ok|fine)"
_OFF = (
    rf"\b(?:anything|something|everything|all)(?: \w+)? {_AMISS}\b|\blooks? {_AMISS}\b"
    r"|\b(?:off|wrong|fishy) (?:with|about|in) (?:our|the|my)\b"
)
_DESCRIPTION = (
    rf"\b(what|which|how much)\b.*{_THINGS}.*"
    r"\b(have|there|is|are|covers?|covered|contain|attached|available|loaded|know|got|in|does)\b"
    r"|\b(describe|show|list|explain|about)\b.*\b(data|tables?|columns?|schema|dataset|files?)\b"
    r"|\bwhat'?s? (is )?in (the|this|that|my|our|your)?\b|\bschema\b|\bhow far back\b|\bdate range\b"
    r"|\b(?:who|what) are you\b"
    r"|\bwhat can (you|i)\b|\b(first|last|latest|earliest|newest|oldest) (row|record|entry|call|date|day)\b"
    r"|^\s*(help|hello|hi|hey|data|tables|columns|schema)\b|\bwhat do you (know|have|see)\b"
    r"|\bwhere (?:do|does|did|are|is) (?:the|these|this|those|that|your|our) \w+(?: \w+)? (?:come|came) from\b"
    r"|\b(?:is|are) (?:this|the|these|that) (?:data|numbers?|figures?|rows?) (?:real|made up|generated|fake|genuine)\b"
    r"|\bhow many (tables|columns|files)\b|\bhow (much|many \w+ of) data\b"
)


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
    return placed if isinstance(placed, Refusal) else find_left_out(placed, reading, apart) or placed


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
    return reading.has(lexicon.COMPARE) or reading.says(r"\bgrowth\b.*\b(?:from|between)\b")


@attrs.frozen
class Planner:
    """The decisions about one question, in the order in which they are tried."""

    asking: Asking

    @property
    def reading(self) -> Reading:
        """The question."""
        return self.asking.reading

    def plan(self) -> Intent | Refusal:
        """The intent, or why there is none."""
        by_length = self.asking.length is not None and not self.asking.group_columns and self.asking.grain is None
        kinds: list[Callable[[], Intent | Refusal | None]] = [self._statistics] if by_length else []
        kinds += [
            self._comparison,
            self._versus,
            self._top_calls,
            self._distinct,
            self._trend,
            self._grouping,
            self._statistics,
            self._totals,
        ]
        found = self._description() or find_fault(self.asking) or self._judged() or self._quality()
        decided = (intent for kind in kinds if (intent := kind()) is not None)
        return found or next(decided, None) or refusals.not_understood(self.reading.catalogue)

    def _description(self) -> Intent | None:
        """What data there is: tables, columns, the period they cover."""
        if not self.reading.says(_DESCRIPTION) or self.reading.values:
            return None
        about_figures = lexicon.COST | lexicon.TOKENS | lexicon.AVERAGE | lexicon.STATISTIC | lexicon.COMPARE
        about_faults = lexicon.QUALITY - {"wrong", "free"}
        return None if self.reading.has(about_figures | about_faults) else self._intent("description")

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
        if self.reading.says(_OFF) and not self.asking.group_columns:
            return self._intent("quality")
        if not asked or self.reading.without_outliers:
            return None
        if self.asking.grain is not None:
            counted = figures or self.reading.has(lexicon.CALLS)
            return None if counted else refusals.not_supported(f"faults by {self.asking.grain}", self.reading.catalogue)
        if self.asking.group_columns:
            return None if figures else refusals.not_supported("faults by a column", self.reading.catalogue)
        return self._intent("quality")

    def _comparison(self) -> Intent | Refusal | None:
        """Two periods side by side; one that is compared is set against the one before it."""
        periods = [found.choices[0] for found in self.reading.periods]
        if len(periods) > 1 and self.reading.sides and not self.reading.has(_MOVED):
            return self._sides_in(periods)
        against = self.reading.has(_SET_AGAINST)
        named = [period for period in periods if not period.relative] or periods
        if len(periods) == 1 and periods[0].relative and self.reading.says(_THAN_LAST):
            periods = [periods[0], after(periods[0])]
        elif len(named) == 1 and self._wants_previous(against) and named[0].days is not None:
            periods = [before(named[0], self.asking.previous_unit), named[0]]
        if len(periods) > _TWO:
            return refusals.too_many_periods(self.reading.catalogue)
        if len(periods) == _TWO and any(period.without for period in periods):
            return refusals.not_supported("a comparison without a part of a period", self.reading.catalogue)
        if len(periods) != _TWO or any(period.days is None for period in periods):
            return None
        return self._compared(sorted(periods, key=lambda period: str(period.start)))

    def _sides_in(self, periods: list[Period]) -> Refusal:
        """Several names in several periods: the names in each of them, or the periods for each name."""
        versus = self._beside(self.reading.sides)
        asked = [msgspec.structs.replace(versus, periods=[each]) for each in periods]
        if len(periods) == _TWO:
            moved = self._intent("compare", periods=periods)
            beside = self.reading.beside
            asked += [msgspec.structs.replace(moved, filters=[each, *beside]) for each in self.reading.sides]
        words = [phrase(each, self.reading.catalogue) for each in asked]
        return refusals.names_or_periods(list(filter(None, words)))

    def _compared(self, periods: list[Period]) -> Intent | Refusal:
        """Two periods; by a column, what its names cost in both."""
        columns = [named.column for named in self.asking.group_columns]
        if not columns:
            return self._intent("compare", periods=periods)
        if len(columns) > 1 or self.asking.measure is not Measure.COST or columns[0].meaning is Meaning.TIME:
            return refusals.not_supported("a comparison by a column", self.reading.catalogue)
        return self._intent("drivers", by=columns[0].name, periods=periods)

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
        return msgspec.structs.replace(self._intent("versus", by=sides[0].column), filters=filters)

    def _top_calls(self) -> Intent | None:
        """The single rows that cost most."""
        if not self.reading.says(_SINGLE_ROWS) or self.reading.says(PER_CALL) or self.reading.has({"many"}):
            return None
        if self.asking.group_columns and not self.reading.values:
            return None
        top = self._intent("top_calls", measure=self.asking.row_measure)
        return msgspec.structs.replace(top, options={"plausible": True}) if self.reading.without_outliers else top

    def _ours_elsewhere(self, ledger: Table) -> bool:
        """Whether what we use is asked for, and the table only lists what there is: prices, say."""
        table = self.asking.table
        used = table.has(Meaning.COST) or table.has(Meaning.INPUT_TOKENS) or table.first_day is not None
        mine = self.reading.says(r"\b(?:we|our|us|i|my)\b") and not self.reading.tables
        return bool(mine) and ledger.name != table.name and (not used or table.name in self._price_tables)

    @property
    def _price_tables(self) -> set[str]:
        return {book.columns.table for book in self.reading.catalogue.price_books}

    def _distinct(self) -> Intent | Refusal | None:
        """How many different models, users, features there are."""
        counted = re.search(COUNT_OF + rf"(?!\w+ (?:{ROW_NOUNS})\b)", self.reading.text)
        at = [named for named in self.reading.columns if counted and named.start == counted.end()]
        if not at or at[0].column.family is Family.NUMBER:
            return None
        if self.asking.grain is not None:
            what = f"a number of different values by {self.asking.grain}"
            return refusals.not_supported(what, self.reading.catalogue)
        ledger = ranked(self.reading.catalogue.tables)[0]
        if self._ours_elsewhere(ledger):
            return refusals.no_such_column(at[0].column.name, ledger, self.reading.catalogue)
        measure = Measure.COST if self.reading.has(lexicon.COST) else Measure.CALLS
        return self._intent("distinct", by=at[0].column.name, measure=measure)

    def _trend(self) -> Intent | Refusal | None:
        """A course over time."""
        moved = self.reading.has(lexicon.COMPARE - _SET_AGAINST) and not self.asking.group_columns
        asked = self.reading.has(lexicon.TREND) or self.reading.says(_OVER_TIME) or moved
        if self.asking.grain is None and not asked:
            return None
        if self.reading.has(_SPREAD) and self.asking.grain is not None:
            return refusals.not_supported(f"a spread over {self.asking.grain}s", self.reading.catalogue)
        if self.asking.table.first_day is None:
            return refusals.no_time(self.asking.table, self.reading)
        if self.asking.grain is not None and self.asking.group_columns:
            return self._cross(self.asking.grain)
        return self._intent("trend", grain=self.asking.grain or self.asking.fitting_grain)

    def _grouping(self) -> Intent | Refusal | None:
        """A split by the values of a column."""
        columns = [named.column for named in self.asking.group_columns]
        if not columns:
            return self._named_rows()
        if len(columns) > 1:
            return self._cross(None)
        return self._by(columns[0])

    def _cross(self, grain: Grain | None) -> Intent | Refusal:
        """A split by two things: steps of time and a column, or two columns."""
        columns = [named.column for named in self.asking.group_columns]
        texts = all(column.family is Family.TEXT for column in columns)
        averaged = self.reading.says(PER_CALL) or self.reading.has(lexicon.AVERAGE)
        if len(columns) + bool(grain) > _TWO or not texts or averaged or self.asking.measure not in SUMS:
            return refusals.one_split_at_a_time(columns, grain, self.asking.table, self.reading.catalogue)
        crossed = self._intent("cross", by=columns[0].name, grain=grain)
        across = {} if grain else {"across": columns[1].name}
        return msgspec.structs.replace(crossed, options=across)

    def _by(self, column: Column) -> Intent | Refusal | None:
        if self.reading.has(_JUDGED) and not self.reading.has(lexicon.FIGURES | lexicon.CHEAP):
            return refusals.best_by_what(column, self.asking.table)
        number = self.asking.named_number or self._timed()
        if number is not None and number.name != column.name:
            return self._intent("column_by", by=column.name, column=number.name)
        if column.meaning is Meaning.TIME:
            return self._intent("trend", grain=self.asking.fitting_grain)
        return self._intent("by", by=column.name)

    def _timed(self) -> Column | None:
        """How long rows took, where that is asked for."""
        asked = self.reading.says(_HOW_LONG) or self.reading.has(lexicon.SLOW | lexicon.FAST)
        return self.asking.table.column(Meaning.DURATION) if asked else None

    def _named_rows(self) -> Intent | None:
        """``Which errors …``: the rows of a table by the one column that tells them apart."""
        table = self.asking.table
        if not self.reading.tables or not self.reading.has({"which", "what"}) or table.has(Meaning.COST):
            return None
        texts = [c for c in table.columns if c.values and c.meaning is Meaning.UNKNOWN]
        return self._intent("by", by=texts[0].name, measure=Measure.CALLS) if len(texts) == 1 else None

    def _statistics(self) -> Intent | None:
        """A column of numbers by itself."""
        table = self.asking.table
        numbers = [named.column for named in self.reading.columns if named.column.family is Family.NUMBER]
        timed = self.asking.length or self._timed()
        if timed is not None:
            return self._intent("statistics", column=timed.name)
        spread = self.reading.has(lexicon.STATISTIC) or self.reading.says(_EXTREME)
        if spread and not numbers:
            summed = table.column(_COLUMN_OF[self.asking.row_measure])
            return self._intent("statistics", column=summed.name) if summed else None
        spelt_out = [named for named in self.reading.columns if "_" in self.reading.text[named.start : named.end]]
        if numbers and (spread or numbers[0].meaning not in SUMMED or spelt_out):
            return self._intent("statistics", column=numbers[0].name)
        return None

    def _totals(self) -> Intent | None:
        """One figure over all rows; of what ended how, the rows by how they ended."""
        status = self.asking.table.column(Meaning.STATUS)
        if status is not None and (self.reading.has(lexicon.STATUS) or self.reading.says(_HOW_ENDED)):
            return self._intent("by", by=status.name, measure=Measure.CALLS)
        figures = lexicon.COST | lexicon.CHEAP | lexicon.TOKENS | lexicon.CALLS
        if self.reading.periods and self.reading.says(
            r"\bhow much (?:in|on|during|for|since|from|between|was|is|it)\b"
        ):
            return self._intent("total")
        named = self.reading.tables or self.reading.values or self.reading.without_outliers
        asked = named or self.reading.has(figures)
        return self._intent("total") if asked else None

    def _intent(
        self,
        kind: str,
        *,
        measure: Measure | None = None,
        by: str | None = None,
        grain: Grain | None = None,
        column: str | None = None,
        periods: list[Period] | None = None,
    ) -> Intent:
        named = [self.asking.period] if self.asking.period else []
        return Intent(
            kind=kind,
            table=self.asking.table.name,
            measure=measure or self.asking.measure,
            by=by,
            grain=grain,
            column=column,
            descending=not self.reading.has(lexicon.LOW | lexicon.CHEAP | lexicon.FAST),
            limit=self.reading.limit,
            periods=named if periods is None else periods,
            filters=self.reading.filters,
        )


_TWO = 2
_COLUMN_OF = {
    Measure.COST: Meaning.COST,
    Measure.TOKENS: Meaning.TOTAL_TOKENS,
    Measure.INPUT_TOKENS: Meaning.INPUT_TOKENS,
    Measure.OUTPUT_TOKENS: Meaning.OUTPUT_TOKENS,
}
