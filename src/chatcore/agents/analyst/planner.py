"""The planner: from a question to what it asks for, or to why it is not answered. Pure, and no language model.

It would rather refuse than answer another question: a word that changes the meaning and that nothing accounts for is
named in the refusal, with questions that are answered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs
import msgspec

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import COUNT_OF, PER_CALL, ROW_NOUNS, SUMMED, Asking
from chatcore.agents.analyst.catalogue import Catalogue, Column
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.columns import Family, Meaning
from chatcore.agents.analyst.faults import find_fault
from chatcore.agents.analyst.followups import Asked, is_fragment, is_plain, leans, points_back, reworded
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.merging import merge
from chatcore.agents.analyst.parting import clauses, covering
from chatcore.agents.analyst.periods import before
from chatcore.agents.analyst.phrasing import phrase, sentence
from chatcore.agents.analyst.reading import Reading, in_table, is_too_long, read
from chatcore.agents.analyst.request import Grain, Intent, Measure, Period, Refusal

_JUDGED = frozenset({"best", "better", "greatest", "worst", "good", "bad"})
_SET_AGAINST = frozenset({"compare", "compares", "compared", "comparing", "comparison", "vs", "versus", "against"})
_MORE_OR_LESS = frozenset({"more", "less", "cheaper", "or"})
_SUPERLATIVE = r"(?:most expensive|costliest|priciest|dearest|largest|biggest|longest|heaviest|cheapest|smallest)"
_SINGLE_ROWS = (
    rf"\b(?:{_SUPERLATIVE}|expensive|single|top(?: \w+)?|highest[- ]cost|cost(?:ing)?)\s+"
    rf"(?:\d+ |single |individual |llm |api )*(?:{ROW_NOUNS})\b"
    rf"|\b(?:{ROW_NOUNS}) (?:were|was|are|is) (?:the )?{_SUPERLATIVE}\b"
    rf"|\b(?:{ROW_NOUNS}) (?:that |which )?cost(?:s|ing)? (?:us )?(?:the )?most\b"
)
_OVER_TIME = (
    r"\bover time\b|\b(?:by|per) (?:date|time)\b|\bgoing (?:up|down)\b|\bup or down\b"
    r"|\b(\w+)[- ](?:over|by|to|on)[- ]\1\b"
)
_HOW_LONG = r"\bhow (?:long|fast|slow)\b"
_HOW_ENDED = r"\bhow did\b.*\bend(?:ed)?\b|\b(?:success|failure|error) rate\b"
_EXTREME = r"\b(highest|lowest|largest|smallest|biggest) (?:single )?(costs?|charge|price|expense|tokens?)\b"
_THINGS = r"\b(data|tables?|columns?|fields?|files?|dataset|period|dates?|months?|years?|range)\b"
_AMISS = r"(?:off|fishy|funny|amiss|wrong|weird|strange|odd|right|okay|ok|fine)"
_OFF = (
    rf"\b(?:anything|something|everything|all)(?: \w+)? {_AMISS}\b|\blooks? {_AMISS}\b"
    r"|\b(?:off|wrong|fishy) (?:with|about|in) (?:our|the|my)\b"
)
_SQL = (
    r"\bselect\b.+\bfrom\b|\b(?:drop|alter|create|truncate) (?:table|view|schema|database)\b|\bdelete from\b"
    r"|\binsert into\b|\bupdate \w+ set\b"
)
_PER_MONEY = r"\bper (?:dollar|usd|buck|euro|cent|\$|€)(?!\w)"
_NEW = (
    r"\b(?:which|what) (?:models?|users?|features?|formats?)\b.* "
    r"(?:new|stop(?:ped)? using|start(?:ed)? using|no longer)\b"
)
_CHANGE = r"^\W*(?:please )?(?:delete|truncate|drop|remove|erase|insert|update|wipe|overwrite)\b"
_DESCRIPTION = (
    rf"\b(what|which|how much)\b.*{_THINGS}.*"
    r"\b(have|there|is|are|covers?|covered|contain|attached|available|loaded|know|got|in|does)\b"
    r"|\b(describe|show|list|explain|about)\b.*\b(data|tables?|columns?|schema|dataset|files?)\b"
    r"|\bwhat'?s? (is )?in (the|this|that|my|our|your)?\b|\bschema\b|\bhow far back\b|\bdate range\b"
    r"|\bwhat can (you|i)\b|\b(first|last|latest|earliest|newest|oldest) (row|record|entry|call|date|day)\b"
    r"|^\s*(help|hello|hi|hey|data|tables|columns|schema)\b|\bwhat do you (know|have|see)\b"
    r"|\bhow many (tables|columns|files)\b|\bhow (much|many \w+ of) data\b"
)


def plan(question: str, catalogue: Catalogue, earlier: Sequence[str] = ()) -> Intent | Refusal:
    """What a question asks for.

    Args:
        question: as written.
        catalogue: what there is to ask about.
        earlier: the questions before it, oldest first; only one that :func:`leans_on_earlier` is read with them.

    Returns:
        An intent that the data allows, or why there is none, with alternatives that are answered.
    """
    if is_too_long(question):
        return refusals.too_long(catalogue)
    if earlier:
        return _plan(question, catalogue, earlier)
    planned: Intent | Refusal = catalogue.plans.find(question, lambda: _plan(question, catalogue, ()))
    return planned


def _plan(question: str, catalogue: Catalogue, earlier: Sequence[str]) -> Intent | Refusal:
    reading = read(question, catalogue)
    if not leans(reading):
        return _plan_whole(reading)
    asked = _last_asked(earlier, catalogue)
    return _without_earlier(reading) if asked is None else _follow(asked, reading).found


def leans_on_earlier(question: str, catalogue: Catalogue) -> bool:
    """Whether a question means something else with the questions before it: only then are they needed."""
    return not is_too_long(question) and leans(read(question, catalogue))


def _without_earlier(reading: Reading) -> Intent | Refusal:
    """A follow-up to nothing: what it is by itself, or else that something is lacking before it."""
    alone = _plan_whole(reading)
    understood = isinstance(alone, Intent) or alone.missing or not points_back(reading)
    return alone if understood else refusals.nothing_before(reading.catalogue)


@attrs.frozen
class _Followed:
    """What a question came to, and the words it then has."""

    text: str
    found: Intent | Refusal


def _last_asked(earlier: Sequence[str], catalogue: Catalogue) -> Asked | None:
    """The last of the earlier questions that was understood, follow-ups among them taken with what they lean on."""
    asked: Asked | None = None
    for question in _from_last_whole(earlier[-_LOOKED_BACK:], catalogue):
        reading = read(question, catalogue)
        went_on = asked is not None and leans(reading)
        found = _follow(asked, reading) if asked and went_on else _Followed(question, _plan_alone(reading))
        if isinstance(found.found, Intent):
            asked = Asked(found.text, found.found)
    return asked


def _from_last_whole(earlier: Sequence[str], catalogue: Catalogue) -> Sequence[str]:
    """The questions from the last one on that is understood by itself."""
    earlier = [question for question in earlier if not is_too_long(question)]
    for number in range(len(earlier) - 1, -1, -1):
        reading = read(earlier[number], catalogue)
        if not leans(reading) and isinstance(_plan_alone(reading), Intent):
            return earlier[number:]
    return earlier


def _follow(asked: Asked, reading: Reading) -> _Followed:
    """What a follow-up asks for."""
    last, table = asked.intent, reading.catalogue.table(asked.intent.table)
    if any(named.table.name != table.name for named in reading.tables):
        return _Followed(reading.text, _plan_alone(reading))
    asking = Asking(in_table(reading, table, apart=_apart), table)
    alone = _recognised(reading) or _beyond_any_table(reading) or Planner(asking).plan()
    if not is_plain(last):
        return _reworded(asked, asking, alone)
    merged = merge(last, asking, alone)
    words = phrase(merged, reading.catalogue) if isinstance(merged, Intent) else None
    return _Followed(words or reading.text, merged)


def _reworded(asked: Asked, asking: Asking, alone: Intent | Refusal) -> _Followed:
    """The last question put again in words, with what a follow-up names."""
    catalogue = asking.reading.catalogue
    before = in_table(read(asked.text, catalogue), asking.table, apart=_apart)
    text = reworded(before, asking.reading)
    again = _plan_alone(read(text, catalogue)) if text is not None else None
    if isinstance(again, Intent) and again.kind == asked.intent.kind:
        return _Followed(str(text), again)
    return _Followed(asking.reading.text, alone if isinstance(alone, Intent) else again or alone)


def _plan_whole(reading: Reading) -> Intent | Refusal:
    """What a question asks for by itself; where it asks several things, all of them or none."""
    parts = clauses(reading)
    if len(parts) == 1:
        return _plan_alone(reading)
    first = _plan_alone(read(parts[0], reading.catalogue))
    found = [first, *(_next_part(part, parts[0], first, reading.catalogue) for part in parts[1:])]
    intents = [each for each in found if isinstance(each, Intent)]
    if len(intents) < len(parts):
        return _plan_alone(reading) if not intents else _in_part(parts, found, reading.catalogue)
    return covering(intents) or covering(_scoped_alike(intents)) or _in_part(parts, found, reading.catalogue)


def _scoped_alike(intents: Sequence[Intent]) -> list[Intent]:
    """``how many calls and how many tokens in 2025``: what closes the last clause is meant for all of them."""
    last = intents[-1]
    open_ones = all(not (each.periods or each.filters) for each in intents[:-1])
    scope = {"periods": last.periods, "filters": last.filters}
    return [msgspec.structs.replace(each, **scope) if open_ones else each for each in intents]


def _next_part(part: str, before: str, first: Intent | Refusal, catalogue: Catalogue) -> Intent | Refusal:
    """A further clause: it is about the period and the names of the first where it has none of its own."""
    reading = read(part, catalogue)
    alone = None if is_fragment(reading) else _plan_alone(reading)
    if not isinstance(first, Intent) or isinstance(alone, Refusal):
        return alone or _plan_alone(reading)
    return _follow(Asked(before, first), reading).found


def _in_part(parts: Sequence[str], found: Sequence[Intent | Refusal], catalogue: Catalogue) -> Refusal:
    asked = [phrase(each, catalogue) if isinstance(each, Intent) else None for each in found]
    whole = [words or sentence(f"{part.strip(' ,.?!')}?") for words, part in zip(asked, parts, strict=True)]
    answered = [words for words in whole if isinstance(plan(words, catalogue), Intent)]
    open_parts = [part.strip(" ,.?!") for part, each in zip(parts, found, strict=True) if isinstance(each, Refusal)]
    return refusals.several_things(open_parts, answered, catalogue)


def _plan_alone(reading: Reading) -> Intent | Refusal:
    """What a question asks for by itself."""
    found = _recognised(reading)
    if found is not None:
        return found
    early = _beyond_any_table(reading)
    if early is not None:
        return early
    table = choose_table(reading)
    if isinstance(table, Refusal):
        return table
    return Planner(Asking(in_table(reading, table, apart=_apart), table)).plan()


def _recognised(reading: Reading) -> Intent | Refusal | None:
    """What the first kind that finds itself in the question makes of it."""
    recognisers = (kind.recognise for kind in KINDS.values() if kind.recognise is not None)
    return next((found for recognise in recognisers if (found := recognise(reading)) is not None), None)


def _beyond_any_table(reading: Reading) -> Refusal | None:
    """What is not answered whatever the table is."""
    if not reading.words:
        return refusals.not_understood(reading.catalogue)
    if reading.says(_SQL):
        return refusals.not_supported("SQL", reading.catalogue)
    if reading.says(_PER_MONEY):
        return refusals.not_supported("something per amount of money", reading.catalogue)
    if reading.says(_NEW):
        return refusals.not_supported("what is new and what is gone", reading.catalogue)
    if reading.says(_CHANGE):
        return refusals.not_supported("a change to the data", reading.catalogue)
    asked = [lexicon.UNSUPPORTED[word.text] for word in reading.words if word.text in lexicon.UNSUPPORTED]
    if asked and not reading.tables:
        return refusals.not_supported(asked[0], reading.catalogue)
    return refusals.not_supported("a threshold", reading.catalogue) if reading.threshold else None


def _apart(reading: Reading) -> bool:
    """Whether two dates are two periods to compare and not the ends of one."""
    return reading.has(lexicon.COMPARE)


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
        kinds = (
            self._comparison,
            self._versus,
            self._top_calls,
            self._distinct,
            self._trend,
            self._grouping,
            self._statistics,
            self._totals,
        )
        found = self._description() or find_fault(self.asking) or self._quality()
        decided = (intent for kind in kinds if (intent := kind()) is not None)
        return found or next(decided, None) or refusals.not_understood(self.reading.catalogue)

    def _description(self) -> Intent | None:
        """What data there is: tables, columns, the period they cover."""
        if not self.reading.says(_DESCRIPTION) or self.reading.values:
            return None
        about_figures = lexicon.COST | lexicon.TOKENS | lexicon.AVERAGE | lexicon.STATISTIC | lexicon.COMPARE
        about_faults = lexicon.QUALITY - {"wrong", "free"}
        return None if self.reading.has(about_figures | about_faults) else self._intent("description")

    def _quality(self) -> Intent | Refusal | None:
        """Whether the rows can be trusted; not what they cost by something."""
        figures = self.reading.has(lexicon.COST | lexicon.TOKENS)
        asked = self.reading.has(lexicon.QUALITY) or (self.reading.has(lexicon.SOUND) and not figures)
        if self.reading.says(_OFF) and not self.asking.group_columns:
            return self._intent("quality")
        if not asked or self.reading.without_outliers or self.asking.grain is not None:
            return None
        if self.asking.group_columns:
            return None if figures else refusals.not_supported("faults by a column", self.reading.catalogue)
        return self._intent("quality")

    def _comparison(self) -> Intent | Refusal | None:
        """Two periods side by side; one that is compared is set against the one before it."""
        periods = [found.choices[0] for found in self.reading.periods]
        against = self.reading.has(_SET_AGAINST)
        named = [period for period in periods if not period.relative] or periods
        if len(named) == 1 and self._wants_previous(against) and named[0].days is not None:
            periods = [before(named[0], self.asking.previous_unit), named[0]]
        if len(periods) > _TWO:
            return refusals.too_many_periods(self.reading.catalogue)
        if len(periods) != _TWO or any(period.days is None for period in periods):
            return None
        return self._intent("compare", periods=sorted(periods, key=lambda period: str(period.start)))

    def _wants_previous(self, against: bool) -> bool:
        if self.asking.group_columns or self.reading.sides:
            return False
        return self.asking.previous or (against and len(self.reading.periods) == 1)

    def _versus(self) -> Intent | None:
        """Two or more values of a column side by side."""
        sides = self.reading.sides
        if not sides or not self.reading.has(lexicon.COMPARE | _MORE_OR_LESS):
            return None
        return msgspec.structs.replace(self._intent("versus", by=sides[0].column), filters=sides)

    def _top_calls(self) -> Intent | None:
        """The single rows that cost most."""
        if not self.reading.says(_SINGLE_ROWS) or self.reading.says(PER_CALL) or self.reading.has({"many"}):
            return None
        if self.asking.group_columns and not self.reading.values:
            return None
        return self._intent("top_calls", measure=self.asking.row_measure)

    def _distinct(self) -> Intent | None:
        """How many different models, users, features there are."""
        counted = re.search(COUNT_OF + rf"(?!\w+ (?:{ROW_NOUNS})\b)", self.reading.text)
        at = [named for named in self.reading.columns if counted and named.start == counted.end()]
        if not at or at[0].column.family is Family.NUMBER:
            return None
        measure = Measure.COST if self.reading.has(lexicon.COST) else Measure.CALLS
        return self._intent("distinct", by=at[0].column.name, measure=measure)

    def _trend(self) -> Intent | Refusal | None:
        """A course over time."""
        moved = self.reading.has(lexicon.COMPARE - _SET_AGAINST) and not self.asking.group_columns
        asked = self.reading.has(lexicon.TREND) or self.reading.says(_OVER_TIME) or moved
        if self.asking.grain is None and not asked:
            return None
        if self.asking.table.first_day is None:
            return refusals.no_time(self.asking.table, self.reading)
        if self.asking.grain is not None and self.asking.group_columns:
            columns = [named.column for named in self.asking.group_columns]
            return refusals.one_split_at_a_time(columns, self.asking.grain, self.asking.table, self.reading.catalogue)
        return self._intent("trend", grain=self.asking.grain or self.asking.fitting_grain)

    def _grouping(self) -> Intent | Refusal | None:
        """A split by the values of a column."""
        columns = [named.column for named in self.asking.group_columns]
        if not columns:
            return self._named_rows()
        if len(columns) > 1:
            return refusals.one_split_at_a_time(columns, None, self.asking.table, self.reading.catalogue)
        return self._by(columns[0])

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
        timed = self._timed()
        if timed is not None:
            return self._intent("statistics", column=timed.name)
        spread = self.reading.has(lexicon.STATISTIC) or self.reading.says(_EXTREME)
        if spread and not numbers:
            summed = table.column(Meaning.COST if self.asking.row_measure is Measure.COST else Meaning.TOTAL_TOKENS)
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
        asked = self.reading.tables or self.reading.values or self.reading.has(figures)
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

_LOOKED_BACK = 8
"""Earlier questions that a follow-up may lean on: who goes on from further back says so."""
