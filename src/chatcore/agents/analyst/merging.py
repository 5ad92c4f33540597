"""What a follow-up makes of the last question: its parts take the place of that question's parts. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs
import msgspec

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import BY, Asking, fitting_grain
from chatcore.agents.analyst.catalogue import Column
from chatcore.agents.analyst.faults import find_follow_up_fault, lacking_for
from chatcore.agents.analyst.holes import less
from chatcore.agents.analyst.intents.cross import SUMS
from chatcore.agents.analyst.periods import Found, after, before
from chatcore.agents.analyst.phrasing import phrase
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Filter, Intent, Measure, Period, Refusal

_EVERYTHING = (
    r"\b(?:in total|overall|altogether|all together|all time|of all|whole|everything|everyone|ever)\b|\btotal\W*$"
)
_BEFORE = r"\b(?:previous|prior|preceding|before|earlier)\b"
_AFTER = r"\b(?:next|following|afterwards?|after|later)\b"
_CHART = r"\b(?:charts?|graphs?|plots?|diagram)\b"
_UNIT = re.compile(r"\b(day|week|month|quarter|year)\b")
PLAIN = frozenset(
    ["total", "by", "trend", "distinct", "versus", "compare", "top_calls", "statistics", "column_by", "cross"]
)
"""The kinds that the planner's own grammar finds: they differ in their split, and share the rest."""

_OF_TOKENS = frozenset({Measure.TOKENS, Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS})
_SCOPED = PLAIN
_LISTS = frozenset(["by", "trend", "top_calls", "column_by"])


def merge(last: Intent, asking: Asking, alone: Intent | Refusal) -> Intent | Refusal:
    """The last intent with what a follow-up changes of it.

    Args:
        last: what was asked before.
        asking: the follow-up, read against the same table.
        alone: what it is by itself.
    """
    return FollowUp(last, of_the_same_year(last, asking), alone).merged()


def asks_for_the_peak(reading: Reading) -> bool:
    """Whether it asks for nothing but the highest of what was listed: ``what was the peak?``."""
    return _PEAK.search(reading.text) is not None


_PEAK = re.compile(
    r"^\W*(?:and )?(?:what|when|where|which)(?:'s| is| was| one is| one was)? (?:the )?"
    r"(?:peak|maximum|max|highest(?: one)?|top(?: one)?|most)\W*$"
)


def of_the_same_year(last: Intent, asking: Asking) -> Asking:
    """``and in March?`` after a question about 2025 is about that year."""
    years = {period.year for period in last.periods if period.year}
    periods = tuple(_narrowed(found, years) for found in asking.reading.periods)
    return attrs.evolve(asking, reading=attrs.evolve(asking.reading, periods=periods))


def _narrowed(found: Found, years: set[str]) -> Found:
    choices = tuple(choice for choice in found.choices if choice.year in years)
    return attrs.evolve(found, choices=choices) if len(choices) == 1 else found


def _with(last: Filter, own: Filter) -> Filter:
    """``and excluding claude?`` after a question without o3: both are left out."""
    values = list(dict.fromkeys([*last.values, *own.values]))
    words = own.words if values == own.values else f"{last.words} or {own.words}"
    return Filter(column=own.column, values=values, words=words, exclude=True)


@attrs.frozen
class FollowUp:
    """A follow-up to an intent of the planner's own kinds.

    Args:
        last: the intent.
        asking: the follow-up.
        alone: what it is by itself.
    """

    last: Intent
    asking: Asking
    alone: Intent | Refusal

    @property
    def _reading(self) -> Reading:
        return self.asking.reading

    def merged(self) -> Intent | Refusal:
        """The intent, or why there is none."""
        fault = find_follow_up_fault(self.asking) or self._which_year()
        if fault is not None:
            return fault
        if self._has_holes and self.last.kind == "compare":
            return refusals.not_supported("a comparison without a part of a period", self._reading.catalogue)
        tried = (self._drawn, self._compared, self._split, self._another_kind, self._ranked, self._same_kind)
        found = next((intent for each in tried if (intent := each()) is not None), None)
        return self._checked(found) if found else refusals.unclear_follow_up(self._reading.catalogue)

    def _checked(self, found: Intent | Refusal) -> Intent | Refusal:
        """What was found, unless the table lacks a column that it needs."""
        if isinstance(found, Refusal):
            return found
        table = self._reading.catalogue.table(found.table)
        names = {column.name for column in table.columns}
        absent = [name for name in (found.by, found.column) if name is not None and name not in names]
        if absent:
            return refusals.no_such_column(absent[0], table, self._reading.catalogue)
        lacking = lacking_for(found.measure, table)
        return refusals.no_such_column(lacking, table, self._reading.catalogue) if lacking else found

    def _which_year(self) -> Refusal | None:
        """A month of several years: the whole question is asked back with each of them."""
        open_ones = [found for found in self._reading.periods if len(found.choices) > 1]
        if not open_ones:
            return None
        periods = tuple(attrs.evolve(found, choices=found.choices[:1]) for found in self._reading.periods)
        alternatives = []
        for choice in open_ones[0].choices:
            chosen = tuple(
                attrs.evolve(found, choices=(choice,)) if old is open_ones[0] else found
                for old, found in zip(self._reading.periods, periods, strict=True)
            )
            asking = attrs.evolve(self.asking, reading=attrs.evolve(self._reading, periods=chosen))
            intent = FollowUp(self.last, asking, self.alone).merged()
            if isinstance(intent, Intent) and (words := phrase(intent, self._reading.catalogue)):
                alternatives.append(words)
        return refusals.which_year(self._reading, open_ones[0], self.asking.table, alternatives)

    # --- what it names ----------------------------------------------------------------------------------------------

    @property
    def _periods(self) -> list[Period]:
        """The periods it names; those of the last question where it names none; none where it asks for everything."""
        named = [found.choices[0] for found in self._reading.periods]
        stepped = self._stepped() if not named or named[0].relative else []
        if self._has_holes:
            return [less(period, named) for period in self.last.periods] or named
        if named or stepped:
            return stepped or named
        return [] if self._wants_everything and not self._is_split else list(self.last.periods)

    @property
    def _has_holes(self) -> bool:
        """Whether it names nothing but what is left out: ``and without May?``."""
        named = [found.choices[0] for found in self._reading.periods]
        return bool(named) and all(each.without and not each.outline for each in named)

    def _stepped(self) -> list[Period]:
        """The period before or after the last question's: ``and the month before?``."""
        period = self.last.period
        if period is None or period.days is None or self.asking.grain is not None:
            return []
        unit = match[1] if (match := _UNIT.search(self._reading.text)) else None
        if self._reading.says(_BEFORE):
            return [before(period, unit)]
        return [after(period, unit)] if self._reading.says(_AFTER) else []

    @property
    def _wants_everything(self) -> bool:
        return self._reading.says(_EVERYTHING)

    @property
    def _is_split(self) -> bool:
        return self.last.kind not in ("total", "statistics")

    @property
    def _filters(self) -> list[Filter]:
        """Its own filters in place of those of the same columns; what is split by is not filtered to one value."""
        own = self._reading.filters
        columns, split = {each.column for each in own}, {named.column.name for named in self.asking.group_columns}
        kept = [each for each in self.last.filters if each.column not in split or len(each.values) > 1 or each.exclude]
        left_out = {each.column: each for each in kept if each.exclude}
        own = [_with(left_out[each.column], each) if each.exclude and each.column in left_out else each for each in own]
        return [each for each in kept if each.column not in columns] + own

    @property
    def _measure(self) -> Measure:
        figures = lexicon.COST | lexicon.CHEAP | lexicon.TOKENS | lexicon.CALLS | lexicon.AVERAGE
        if self.last.measure in _OF_TOKENS and self._reading.has(lexicon.INPUT | lexicon.OUTPUT):
            return self.asking.kind_of_tokens()
        return self.asking.measure if self._reading.has(figures) else self.last.measure

    @property
    def _names_something(self) -> bool:
        changed = self._measure is not self.last.measure or self._periods != self.last.periods
        asked = self._reading.filters or self._reading.limit is not None or self._reading.without_outliers
        return changed or bool(asked) or self._turned is not None

    @property
    def _turned(self) -> bool | None:
        """Whether the other end of a ranking is asked for; None where no end is."""
        if self._reading.has(lexicon.LOW | lexicon.CHEAP):
            return False
        return True if self._reading.has({"most", "highest", "biggest", "largest", "top", "best"}) else None

    # --- what it makes of the last question -------------------------------------------------------------------------

    def _compared(self) -> Intent | None:
        """The last period beside another one, or the last name beside another."""
        words = self._reading.words
        against = self._reading.has(lexicon.COMPARE) or (bool(words) and words[0].text in ("vs", "versus", "against"))
        if not against or self.last.kind not in PLAIN:
            return None
        own, last = self._reading.filters, [each for each in self.last.filters if not each.exclude]
        if own and last and own[0].column == last[0].column:
            return self._as("versus", by=own[0].column, filters=[*last[:1], *own], periods=self.last.periods)
        period, others = self.last.period, [found.choices[0] for found in self._reading.periods] or self._stepped()
        if period is None or period.days is None or len(others) != 1 or others[0].days is None:
            return None
        return self._as("compare", periods=sorted([others[0], period], key=lambda each: str(each.start)))

    def _drawn(self) -> Intent | None:
        """The last question over time; what is a list already stays as it is."""
        if not self._reading.says(_CHART) or self.asking.group_columns or self.asking.grain is not None:
            return None
        if self.last.kind != "total":
            return self.last
        return self._as("trend", grain=fitting_grain(self.asking.table, next(iter(self._periods), None)), limit=None)

    def _split(self) -> Intent | Refusal | None:
        """By steps of time or by a column, in place of the last split."""
        if self.last.kind not in PLAIN:
            return None
        columns = [named.column for named in self.asking.group_columns]
        if len(columns) + bool(self.asking.grain) > 1:
            return self._crossed(columns)
        if isinstance(self.alone, Intent) and self.alone.kind not in ("by", "trend", "total"):
            return None
        if self.asking.grain is not None:
            return self._as("trend", grain=self.asking.grain, limit=self._reading.limit)
        if self.last.kind == "distinct" and columns and not BY.search(self._reading.text[: self._first_column]):
            return self._as("distinct", by=columns[0].name, grain=self.last.grain, options=self.last.options)
        if self.last.kind == "top_calls" and columns and not self._reading.periods:
            return self.last  # a single call is told with who made it, on what
        if self.last.kind == "compare" and columns and not self._reading.periods and self._measure is Measure.COST:
            return self._as("drivers", by=columns[0].name, periods=self.last.periods)
        periods = self._periods[-1:] if self.last.kind == "compare" else self._periods
        return self._as("by", by=columns[0].name, limit=self._reading.limit, periods=periods) if columns else None

    @property
    def _first_column(self) -> int:
        return self.asking.group_columns[0].start

    def _crossed(self, columns: Sequence[Column]) -> Intent | Refusal:
        """By two things at once, as far as that is answered by itself."""
        grain, alone = self.asking.grain, self.alone
        if isinstance(alone, Intent) and alone.kind == "cross" and self.last.kind != "compare":
            return self._as("cross", by=alone.by, grain=grain, options=alone.options, limit=alone.limit)
        return refusals.one_split_at_a_time(columns, grain, self.asking.table, self._reading.catalogue)

    def _another_kind(self) -> Intent | None:
        """A question of another kind, over the same rows."""
        alone = self.alone
        if self.last.kind in ("trend", "by") and asks_for_the_peak(self._reading):
            return self._as(self.last.kind, by=self.last.by, grain=self.last.grain, descending=True)
        if not isinstance(alone, Intent) or alone.kind in ("total", "by", "trend", self.last.kind):
            return None
        if alone.table != self.last.table or alone.kind not in _SCOPED:
            return alone
        by = alone.by
        filters = [each for each in self._filters if each.column != by] if alone.kind == "distinct" else self._filters
        changed = {"periods": alone.periods or self._periods, "filters": alone.filters or filters}
        return msgspec.structs.replace(alone, **changed)

    def _ranked(self) -> Intent | Refusal | None:
        """The first few of what was listed."""
        if self._reading.limit is None or self.last.kind in _LISTS:
            return None
        return refusals.nothing_to_rank(self.asking.table, self._reading.catalogue)

    def _same_kind(self) -> Intent | Refusal | None:
        if self._wants_everything and self._is_split and not self._reading.filters and not self._reading.periods:
            return self._as("total", limit=None)
        if not self._names_something:
            return None
        kind, own = self.last.kind, self._reading.filters
        if kind == "versus" and own:
            kept = [each for each in self.last.beside if each.column not in {one.column for one in own}]
            return self._as(kind, by=self.last.by, filters=[*self.last.sides, *kept, *own])
        if kind == "compare" and self._reading.periods:
            return self._as("total" if len(self._reading.periods) == 1 else kind)
        if kind == "by" and any(each.column == self.last.by and len(each.values) == 1 for each in own):
            return self._as("total", limit=None)
        if kind == "cross" and self._measure not in SUMS:
            columns = [
                self.asking.table.named(name) for name in (self.last.by, self.last.options.get("across")) if name
            ]
            return refusals.one_split_at_a_time(columns, self.last.grain, self.asking.table, self._reading.catalogue)
        limit = self._reading.limit if self._reading.limit is not None else self.last.limit
        options = {"options": self.last.options} if kind == "cross" else {}
        return self._as(kind, by=self.last.by, grain=self.last.grain, column=self.last.column, limit=limit, **options)

    def _as(self, kind: str, **parts: object) -> Intent:
        turned = self._turned
        given = {
            "table": self.last.table,
            "measure": self._measure,
            "descending": self.last.descending if turned is None else turned,
            "periods": self._periods,
            "filters": self._filters,
        }
        return msgspec.convert({"kind": kind, **given, **parts}, Intent)
