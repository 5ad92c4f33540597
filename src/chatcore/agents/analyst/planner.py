"""The planner: from a question to what it asks for, or to why it is not answered. Pure, and no language model.

It would rather refuse than answer another question: a word that changes the meaning and that nothing accounts for is
named in the refusal, with questions that are answered.
"""

from __future__ import annotations

import re

import attrs
import msgspec

from chatcore.agents.analyst import language as lang
from chatcore.agents.analyst import refusals
from chatcore.agents.analyst.catalogue import Catalogue, Column, Table
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.columns import Family, Meaning
from chatcore.agents.analyst.mentions import NamedColumn
from chatcore.agents.analyst.periods import Calendar, before, overlaps
from chatcore.agents.analyst.reading import Reading, in_table, read
from chatcore.agents.analyst.request import Grain, Intent, Measure, Period, Refusal

_STRONG_COMPARE = frozenset(["compare", "compares", "compared", "comparing", "comparison", "vs", "versus", "against"])
_PREVIOUS = r"\b(previous|before|prior|preceding|earlier)\b"
_ROW_NOUNS = "|".join(sorted(lang.SINGLE))
_SINGLE_ROWS = (
    rf"\b(expensive|costliest|priciest|dearest|largest|biggest|longest|heaviest|cheapest|smallest|single"
    rf"|top(?: \w+)?|highest[- ]cost|cost(?:ing)?)\s+(?:\d+ |single |individual |llm |api )*(?:{_ROW_NOUNS})\b"
    rf"|\b(?:{_ROW_NOUNS}) (?:were|was|are|is) (?:the )?(?:most expensive|costliest|priciest|largest|biggest|cheapest)"
    rf"|\b(?:{_ROW_NOUNS}) (?:that |which )?cost(?:s|ing)? (?:us )?(?:the )?most\b"
)
_PER_CALL = rf"\bper[ -](?:single )?(?:{_ROW_NOUNS})\b|\ba (?:single )?(?:call|request) costs?\b"
_PER_TOKENS = r"\bper (?:1[,.]?000,?000|million|m|1m|1000|thousand|1k)?[ -]?tokens?\b|\bper (?:million|mtok)\b|\bunit (?:price|cost)s?\b"
_OVER_TIME = r"\bover time\b|\bgoing (?:up|down)\b|\bup or down\b|\b(\w+)[- ](?:over|by|to|on)[- ]\1\b"
_HOW_LONG = r"\bhow (?:long|fast|slow)\b"
_COUNT_OF = r"\b(?:how many|number of|count of)(?: different| distinct| unique| various| of our| of the)*\s+"
_STATUS_WORDS = frozenset(
    ["failed", "fail", "fails", "failure", "failures", "succeeded", "success", "successful", "completed", "cancelled", "canceled", "unsuccessful"]
)
_LED = re.compile(r"\b(by|per|each|every|across|which|what|who)\s+$")
_ALSO = re.compile(r"\s*(?:and|,|&|and by|then by|, then by|and per)\s*")
_WHO = frozenset(["who", "whose", "whom"])
_OURS = frozenset(["team", "company", "organization", "organisation", "org"])


def plan(question: str, catalogue: Catalogue) -> Intent | Refusal:
    """What a question asks for.

    Args:
        question: as written.
        catalogue: what there is to ask about.

    Returns:
        An intent that the data allows, or why there is none, with alternatives that are answered.
    """
    reading = read(question, catalogue)
    early = _early(reading)
    if early is not None:
        return early
    table = choose_table(reading)
    if isinstance(table, Refusal):
        return table
    return Planner(in_table(reading, table, apart=_apart), table).plan()


def _early(reading: Reading) -> Intent | Refusal | None:
    """What is decided whatever the table is."""
    words = {word.text for word in reading.words}
    if not words:
        return refusals.not_understood(reading.catalogue)
    asked = [lang.UNSUPPORTED[word] for word in (w.text for w in reading.words) if word in lang.UNSUPPORTED]
    if asked and not reading.tables:
        return refusals.not_supported(asked[0], reading.catalogue)
    if reading.threshold:
        return refusals.not_supported("a threshold", reading.catalogue)
    return None


def _apart(reading: Reading) -> bool:
    """Whether two dates are two periods to compare and not the ends of one."""
    return reading.has(_STRONG_COMPARE) or reading.has(lang.COMPARE - {"against"})


@attrs.frozen
class Planner:
    """One question about one table."""

    reading: Reading
    table: Table

    def plan(self) -> Intent | Refusal:
        """The intent, or why there is none."""
        faults = (self._bad_date, self._unknown_words, self._missing_measure, self._periods_fault)
        kinds = (
            self._description,
            self._quality,
            self._comparison,
            self._versus,
            self._top_calls,
            self._distinct,
            self._trend,
            self._grouping,
            self._statistics,
            self._totals,
        )
        description = self._description()
        if description is not None:
            return description
        for fault in faults:
            refusal = fault()
            if refusal is not None:
                return refusal
        for kind in kinds:
            decided = kind()
            if decided is not None:
                return decided
        return refusals.not_understood(self.reading.catalogue)

    # --- faults -----------------------------------------------------------------------------------------------------

    def _bad_date(self) -> Refusal | None:
        bad = [found for found in self.reading.periods if not found.choices]
        if not bad:
            return None
        return refusals.no_such_day(self.reading.text[bad[0].start : bad[0].end], self.table, self.reading.catalogue)

    def _unknown_words(self) -> Refusal | None:
        """Refuse for a word that restricts or splits the rows and is not found in the data."""
        absent = self._absent_concept()
        if absent is not None:
            return refusals.no_such_column(absent, self.table, self.reading.catalogue)
        for word, lead in self.reading.unknown:
            if word.text in _OURS and self.reading.says(rf"\b(our|my|the whole|the entire) {word.text}\b"):
                continue
            if word.text in _STATUS_WORDS and self.table.has(Meaning.STATUS):
                continue
            if any(character.isdigit() for character in word.text):
                return refusals.no_such_value(word.original, self.table, self.reading.catalogue)
            if lead in lang.PREPOSITIONS or word.text in lang.OTHER_NOUNS | _STATUS_WORDS:
                return refusals.no_such_column(self._phrase(word.text), self.table, self.reading.catalogue)
        return None

    def _absent_concept(self) -> str | None:
        """A word for a column that the table lacks, where the rows are to be split or measured by it."""
        for word in self.reading.words:
            meaning = lang.CONCEPTS.get(word.text)
            if meaning is None or self.table.has(meaning) or word.text not in self.reading.free:
                continue
            if any(named.covers(word) for named in self.reading.columns):
                continue
            split = _LED.search(self.reading.text[: word.start]) or word.text in _WHO
            if split or meaning is Meaning.DURATION:
                return word.text if meaning is Meaning.DURATION else str(meaning)
        return None

    def _phrase(self, word: str) -> str:
        """An unknown word with the unknown ones next to it."""
        unknown = [each.text for each, _ in self.reading.unknown]
        match = re.search(rf"(?:\b(?:{'|'.join(map(re.escape, unknown))})\s+)*{re.escape(word)}", self.reading.text)
        return match[0] if match else word

    def _missing_measure(self) -> Refusal | None:
        needs = {
            Measure.COST: (Meaning.COST,),
            Measure.COST_PER_CALL: (Meaning.COST,),
            Measure.COST_PER_MILLION_TOKENS: (Meaning.COST,),
            Measure.INPUT_TOKENS: (Meaning.INPUT_TOKENS,),
            Measure.OUTPUT_TOKENS: (Meaning.OUTPUT_TOKENS,),
        }.get(self.measure, ())
        missing = [meaning for meaning in needs if not self.table.has(meaning)]
        tokens = self.measure in (Measure.TOKENS, Measure.TOKENS_PER_CALL, Measure.COST_PER_MILLION_TOKENS)
        if not missing and tokens and not _has_tokens(self.table):
            missing = [Meaning.TOTAL_TOKENS]
        if not missing:
            return None
        return refusals.no_such_column(_SHORT[missing[0]], self.table, self.reading.catalogue)

    def _periods_fault(self) -> Refusal | None:
        if self.table.first_day is None or self.table.last_day is None:
            return refusals.no_time(self.table, self.reading) if _names_time(self.reading) else None
        known = Calendar(self.table.first_day, self.table.last_day, self.table.months)
        for found in self.reading.periods:
            if len(found.choices) > 1:
                return refusals.which_year(self.reading, found, self.table)
            if not overlaps(found.choices[0], known):
                return refusals.out_of_range(found.choices[0], self.table, self.reading.catalogue)
        return None

    # --- kinds, in the order they are tried -------------------------------------------------------------------------

    def _description(self) -> Intent | None:
        asks_money = self.reading.has(lang.COST | lang.TOKENS | lang.AVERAGE | lang.STATISTIC)
        what = self.reading.says(
            r"\b(what|which|how much)\b.*\b(data|tables?|columns?|fields?|files?|dataset|period|dates?|months?|years?|range)\b"
            r".*\b(have|there|is|are|cover|covers|covered|contain|attached|available|loaded|know|got|in|does)\b"
            r"|\b(describe|show|list|explain|about)\b.*\b(data|tables?|columns?|schema|dataset|files?)\b"
            r"|\bwhat'?s? (is )?in (the|this|that|my|our|your)?\b|\bschema\b|\bhow far back\b|\bdate range\b|\bwhat can (you|i)\b"
            r"|\b(first|last|latest|earliest|newest|oldest) (row|record|entry|call|date|day)\b|\bhow many (rows|tables|columns|records)\b.*\btables?\b"
            r"|^\s*(help|hello|hi|hey|data|tables|columns|schema)\b|\bwhat do you (know|have|see)\b|\bhow many (tables|columns|files)\b"
        )
        if (
            not what
            or asks_money
            or self.reading.values
            or self.reading.has(lang.QUALITY - {"complete", "wrong", "free"})
        ):
            return None
        return None if self.reading.has(lang.COMPARE) else self._intent("description")

    def _quality(self) -> Intent | None:
        if not self.reading.has(lang.QUALITY) or self.reading.without_outliers:
            return None
        return self._intent("quality") if self._is_about_quality() else None

    def _is_about_quality(self) -> bool:
        """Whether it is the rows that are looked at, and not what they cost by something."""
        return not (self._group_columns() and self.reading.has(lang.COST)) and self._grain() is None

    def _comparison(self) -> Intent | Refusal | None:
        periods = [found.choices[0] for found in self.reading.periods]
        if len(periods) > _TWO:
            return refusals.too_many_periods(self.reading.catalogue)
        compared = self.reading.has(_STRONG_COMPARE)
        moved = self.reading.has(lang.COMPARE) or compared
        if len(periods) == 1 and (compared or moved) and not self._group_columns():
            if (compared or self.reading.says(_PREVIOUS)) and periods[0].start and periods[0].end:
                periods.insert(0, before(periods[0]))
        if len(periods) != _TWO or not all(period.start and period.end for period in periods):
            return None
        ordered = sorted(periods, key=lambda period: str(period.start)) if not compared else periods
        return self._intent("compare", periods=ordered)

    def _versus(self) -> Intent | None:
        sides = self.reading.sides
        if not sides or not self.reading.has(lang.COMPARE | {"more", "less", "cheaper", "or"}):
            return None
        return msgspec.structs.replace(self._intent("versus", by=sides[0].column), filters=sides)

    def _top_calls(self) -> Intent | None:
        if not self.reading.says(_SINGLE_ROWS) or self.reading.says(_PER_CALL) or self.reading.has({"many"}):
            return None
        if self._group_columns() and not self.reading.values:
            return None
        return self._intent("top_calls", measure=self._row_measure())

    def _row_measure(self) -> Measure:
        by_cost = self.table.has(Meaning.COST) and not self.reading.has(lang.TOKENS)
        return Measure.COST if by_cost or not _has_tokens(self.table) else Measure.TOKENS

    def _distinct(self) -> Intent | None:
        counted = re.search(_COUNT_OF, self.reading.text)
        if counted is None:
            return None
        at = [named for named in self.reading.columns if named.start == counted.end()]
        if not at or at[0].column.family is Family.NUMBER:
            return None
        measure = Measure.COST if self.reading.has(lang.COST) else Measure.CALLS
        return self._intent("distinct", by=at[0].column.name, measure=measure)

    def _trend(self) -> Intent | Refusal | None:
        grain = self._grain()
        if grain is None and not self.reading.has(lang.TREND) and not self.reading.says(_OVER_TIME):
            if not (self.reading.has(lang.COMPARE - _STRONG_COMPARE) and not self._group_columns()):
                return None
        if self.table.first_day is None:
            return refusals.no_time(self.table, self.reading)
        return self._intent("trend", grain=grain or self._fitting_grain())

    def _grain(self) -> Grain | None:
        """The steps of time that are asked for: ``by month``, ``which day``, ``weekly``."""
        for word, after in zip(self.reading.words, [*self.reading.words[1:], None], strict=True):
            grain = lang.GRAINS.get(word.text)
            if grain is None or word.text not in self.reading.free:
                continue
            adverb = word.text.endswith("ly") or word.text == "annual"
            head = self.reading.text[: word.start].rstrip()
            led = re.search(
                r"\b(by|per|each|every|which|what|a|busiest|expensive|costliest|cheapest|over|best|worst|top(?: \w+)?|most|highest|biggest|lowest|quietest)$",
                head,
            )
            if adverb or led or (after is not None and after.text in ("by", "over", "on")):
                return grain  # type: ignore[return-value]  # the table's values are the grains
        return None

    def _fitting_grain(self) -> Grain:
        """Steps that make a readable number of rows of the period."""
        first, last = self.table.first_day, self.table.last_day
        if first is None or last is None:
            return "month"
        days = (last - first).days
        period = self._period()
        if period and period.start and period.end:
            days = min(days, _days(period))
        return "day" if days <= _MONTH_DAYS else "week" if days <= _HALF_YEAR_DAYS else "month"

    def _grouping(self) -> Intent | Refusal | None:
        columns = self._group_columns()
        if not columns:
            return self._named_rows()
        if len(columns) > 1:
            return refusals.one_column_at_a_time(
                [named.column for named in columns], self.table, self.reading.catalogue
            )
        return self._by(columns[0].column)

    def _by(self, column: Column) -> Intent | Refusal | None:
        if column.family is Family.NUMBER and not self._splits():
            return None
        number = self._named_number()
        if number is not None:
            return self._intent("column_by", by=column.name, column=number.name)
        if column.meaning is Meaning.TIME:
            return self._intent("trend", grain=self._fitting_grain())
        return self._intent("by", by=column.name, limit=self.reading.limit)

    def _named_rows(self) -> Intent | None:
        """``Which errors …``: the rows of a table by the column that tells them apart."""
        if not self.reading.tables or not self.reading.has({"which", "what"}) or self.table.has(Meaning.COST):
            return None
        texts = [c for c in self.table.columns if c.values and c.meaning is Meaning.UNKNOWN]
        return self._intent("by", by=texts[0].name, measure=Measure.CALLS) if len(texts) == 1 else None

    def _group_columns(self) -> list[NamedColumn]:
        """The columns that the rows are to be split by: named, and neither what is measured nor what is filtered."""
        filtered = {named.column.name for named in self.reading.values}
        measured = {Meaning.COST, Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS, Meaning.TOTAL_TOKENS, Meaning.DURATION}
        named = [each for each in self.reading.columns if each.column.meaning not in measured]
        if not self._splits():
            named = [
                each for each in named if each.column.name not in filtered and each.column.family is not Family.NUMBER
            ]
        led = [each for each in named if _LED.search(self.reading.text[: each.start])]
        ends = {each.end for each in led}
        led += [each for each in named if any(_ALSO.fullmatch(self.reading.text[end : each.start]) for end in ends)]
        return list({each.column.name: each for each in (led or named)}.values())

    def _splits(self) -> bool:
        return self.reading.has(lang.EACH | lang.SPLIT | lang.WHICH) or self.reading.limit is not None

    def _statistics(self) -> Intent | None:
        numeric = [named.column for named in self.reading.columns if named.column.family is Family.NUMBER]
        duration = self.table.column(Meaning.DURATION)
        if self.reading.says(_HOW_LONG) and duration is not None:
            return self._intent("statistics", column=duration.name)
        spread = self.reading.has(lang.STATISTIC)
        if spread and not numeric:
            meaning = Meaning.COST if self.measure in _COSTS else Meaning.TOTAL_TOKENS
            column = self.table.column(meaning)
            return self._intent("statistics", column=column.name) if column else None
        plain = {Meaning.COST, Meaning.TOTAL_TOKENS, Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS}
        if numeric and (spread or numeric[0].meaning not in plain):
            return self._intent("statistics", column=numeric[0].name)
        return None

    def _totals(self) -> Intent | None:
        counted = self.reading.has(lang.CALLS | lang.COUNT) and (self.reading.tables or self.reading.says(_COUNT_OF))
        if self.reading.has(_STATUS_WORDS) and (status := self.table.column(Meaning.STATUS)):
            return self._intent("by", by=status.name, measure=Measure.CALLS)
        if self.reading.has(lang.COST | lang.CHEAP | lang.TOKENS | lang.CALLS) or counted or self.reading.values:
            return self._intent("total")
        named = self.reading.tables and self.reading.says(r"\bhow (many|often)\b")
        return self._intent("total") if named else None

    # --- parameters -------------------------------------------------------------------------------------------------

    @property
    def measure(self) -> Measure:
        """What is summed, counted or averaged."""
        tokens = self.reading.has(lang.TOKENS)
        if self.reading.says(_PER_TOKENS):
            return Measure.COST_PER_MILLION_TOKENS
        if self.reading.says(_PER_CALL) or self.reading.has(lang.AVERAGE):
            per_call = self.table.has(Meaning.COST) and not self._named_number() and self._grain() is None
            if tokens and not self.reading.has(lang.COST):
                return Measure.TOKENS_PER_CALL
            if per_call and (self.reading.has(lang.COST) or self.reading.says(_PER_CALL)):
                return Measure.COST_PER_CALL
        if self.reading.has(lang.CHEAP) and self._group_columns() and _has_tokens(self.table):
            return Measure.COST_PER_MILLION_TOKENS
        if tokens and not self.reading.has(lang.COST):
            return self._kind_of_tokens()
        return self._plain_measure()

    def _named_number(self) -> Column | None:
        """A column of numbers that is named and is none of those that are summed."""
        plain = (Meaning.COST, Meaning.TOTAL_TOKENS, Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS)
        columns = [named.column for named in self.reading.columns]
        return next((c for c in columns if c.family is Family.NUMBER and c.meaning not in plain), None)

    def _plain_measure(self) -> Measure:
        if self.reading.has(lang.COST | lang.CHEAP):
            return Measure.COST
        counted = self.reading.has(lang.CALLS) or self.reading.says(_COUNT_OF) or self.reading.tables
        return Measure.CALLS if counted or not self.table.has(Meaning.COST) else Measure.COST

    def _kind_of_tokens(self) -> Measure:
        inside = self.reading.has(lang.INPUT) or self.reading.says(r"\btokens in\b(?=\s*(by|per|and|for each|$|\W*$))")
        outside = self.reading.has(lang.OUTPUT) or self.reading.says(r"\btokens out\b")
        if inside == outside:
            return Measure.TOKENS
        return Measure.INPUT_TOKENS if inside else Measure.OUTPUT_TOKENS

    def _period(self) -> Period | None:
        return self.reading.periods[0].choices[0] if self.reading.periods else None

    def _intent(
        self,
        kind: str,
        *,
        measure: Measure | None = None,
        by: str | None = None,
        grain: Grain | None = None,
        column: str | None = None,
        limit: int | None = None,
        periods: list[Period] | None = None,
    ) -> Intent:
        period = self._period()
        return Intent(
            kind=kind,
            table=self.table.name,
            measure=measure or self.measure,
            by=by,
            grain=grain,
            column=column,
            descending=not self.reading.has(lang.LOW | lang.CHEAP),
            limit=limit or self.reading.limit,
            periods=periods if periods is not None else [period] if period else [],
            filters=self.reading.filters,
        )


_TWO = 2
_MONTH_DAYS = 45
_HALF_YEAR_DAYS = 200
_COSTS = (Measure.COST, Measure.COST_PER_CALL, Measure.COST_PER_MILLION_TOKENS)
_SHORT = {
    Meaning.COST: "cost",
    Meaning.INPUT_TOKENS: "tokens in",
    Meaning.OUTPUT_TOKENS: "tokens out",
    Meaning.TOTAL_TOKENS: "tokens",
}


def _has_tokens(table: Table) -> bool:
    return any(table.has(m) for m in (Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS, Meaning.TOTAL_TOKENS))


def _days(period: Period) -> int:
    from datetime import date

    return (date.fromisoformat(str(period.end)) - date.fromisoformat(str(period.start))).days


def _names_time(reading: Reading) -> bool:
    """Whether a question about a table without time speaks of time."""
    month = r"\b(january|february|april|june|july|august|september|october|november|december)\b"
    return reading.says(
        rf"{month}|\b(19|20)\d\d(-\d\d)?\b|\b(last|this|past|previous) (day|week|month|quarter|year)s?\b"
    )
