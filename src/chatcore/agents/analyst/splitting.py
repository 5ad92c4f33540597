"""What a question is split by: columns, steps of time, who leads in each, how many there are. Pure."""

from __future__ import annotations

import re

import attrs
import msgspec

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import COUNT_OF, PER_CALL, ROW_NOUNS
from chatcore.agents.analyst.building import Building
from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.columns import Family, Meaning
from chatcore.agents.analyst.intents.cross import SUMS
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.request import Grain, Intent, Measure, Refusal
from chatcore.agents.analyst.turns import (
    EACH_OF,
    HOW_LONG,
    OVER_TIME,
    SUM_PER,
    WITHIN_EACH,
)

_TWO = 2
_SET_AGAINST = frozenset({"compare", "compares", "compared", "comparing", "comparison", "vs", "versus", "against"})
_JUDGED = frozenset({"best", "better", "greatest", "worst", "good", "bad"})
_SPREAD = frozenset({"median", "percentile", "percentiles", "p95", "p50", "p99", "distribution", "spread"})


@attrs.frozen
class Splitting(Building):
    """The decisions about what the rows are split by."""

    def _ours_elsewhere(self, ledger: Table) -> bool:
        """Whether what we use is asked for, and the table only lists what there is: prices, say."""
        table = self.asking.table
        used = table.has(Meaning.COST) or table.has(Meaning.INPUT_TOKENS) or table.first_day is not None
        mine = self.reading.says(r"\b(?:we|our|us|i|my)\b") and not self.reading.tables
        return bool(mine) and ledger.name != table.name and (not used or table.name in self._price_tables)

    @property
    def _price_tables(self) -> set[str]:
        return {book.columns.table for book in self.reading.catalogue.price_books}

    def distinct(self) -> Intent | Refusal | None:
        """How many different models, users, features there are."""
        counted = re.search(COUNT_OF + rf"(?!\w+ (?:{ROW_NOUNS})\b)", self.reading.text)
        at = [named for named in self.reading.columns if counted and named.start == counted.end()]
        if not at or at[0].column.family is Family.NUMBER:
            return None
        ledger = ranked(self.reading.catalogue.tables)[0]
        if self._ours_elsewhere(ledger):
            return refusals.no_such_column(at[0].column.name, ledger, self.reading.catalogue)
        measure = Measure.COST if self.reading.has(lexicon.COST) else Measure.CALLS
        return self.intent("distinct", by=at[0].column.name, measure=measure, grain=self.asking.grain)

    def trend(self) -> Intent | Refusal | None:
        """A course over time."""
        moved = self.reading.has(lexicon.COMPARE - _SET_AGAINST) and not self.asking.group_columns
        asked = self.reading.has(lexicon.TREND) or self.reading.says(OVER_TIME) or moved
        if self.asking.grain is None and not asked:
            return None
        if self.reading.has(_SPREAD) and self.asking.grain is not None:
            return refusals.not_supported(f"a spread over {self.asking.grain}s", self.reading.catalogue)
        if self.asking.table.first_day is None:
            return refusals.no_time(self.asking.table, self.reading)
        if self.asking.grain is not None and self.asking.group_columns:
            return self._cross(self.asking.grain)
        return self.intent("trend", grain=self.asking.grain or self.asking.fitting_grain)

    def grouping(self) -> Intent | Refusal | None:
        """A split by the values of a column."""
        columns = [named.column for named in self.asking.group_columns]
        if not columns:
            return self._named_rows()
        if len(columns) > 1:
            return self._cross(None)
        return self._leaders_of(columns[0]) or self._by(columns[0])

    def _cross(self, grain: Grain | None) -> Intent | Refusal:
        """A split by two things: steps of time and a column, or two columns."""
        columns = [named.column for named in self.asking.group_columns]
        texts = all(column.family is Family.TEXT for column in columns)
        apart = self._leaders(columns, grain) or self._average_per(columns, grain)
        if apart is not None and texts and self.asking.measure in SUMS and not self.reading.says(PER_CALL):
            return apart
        averaged = self.reading.says(PER_CALL) or self.reading.has(lexicon.AVERAGE)
        if len(columns) + bool(grain) > _TWO or not texts or averaged or self.asking.measure not in SUMS:
            return refusals.one_split_at_a_time(columns, grain, self.asking.table, self.reading.catalogue)
        crossed = self.intent("cross", by=columns[0].name, grain=grain)
        across = {} if grain else {"across": columns[1].name}
        return msgspec.structs.replace(crossed, options=across)

    def _average_per(self, columns: list[Column], grain: Grain | None) -> Intent | None:
        """``average spend per user per month``: over every user and month."""
        if not self.reading.has(lexicon.AVERAGE) or len(columns) + bool(grain) > _TWO:
            return None
        if len(columns) + bool(grain) == _TWO and not self.reading.says(r"\b(?:per|each|every|a)\b"):
            return None
        measure = self.asking.summed_measure
        averaged = self.intent("average_per", by=columns[0].name, grain=grain, measure=measure)
        across = {} if len(columns) == 1 else {"across": columns[1].name}
        return msgspec.structs.replace(averaged, options=across, limit=None, descending=True)

    def _leaders(self, columns: list[Column], grain: Grain | None) -> Intent | None:
        """``the most expensive model each month``: of each month, and not of all of them."""
        if not self.reading.says(WITHIN_EACH) or len(columns) + bool(grain) != _TWO:
            return None
        by, across = columns[0], columns[1] if len(columns) > 1 else None
        if across is not None:  # what is led by ``each`` is what the others lead in
            led = re.search(rf"{EACH_OF}[\s.]+$", self.reading.text[: self.asking.group_columns[0].start])
            by, across = (across, by) if led is None else (by, across)
        leaders = self.intent("leaders", by=(across or by).name, grain=grain)
        return msgspec.structs.replace(leaders, options={} if across is None else {"within": by.name})

    def _leaders_of(self, group: Column) -> Intent | None:
        """``biggest user of each model``, where only what is led by ``each`` splits."""
        named = {each.column.name: each.column for each in self.reading.columns if each.column.family is Family.TEXT}
        others = [column for name, column in named.items() if name not in (group.name, *self._restricted)]
        if not self.reading.says(WITHIN_EACH) or len(others) != 1 or self.asking.measure not in SUMS:
            return None
        return msgspec.structs.replace(self.intent("leaders", by=others[0].name), options={"within": group.name})

    @property
    def _restricted(self) -> set[str]:
        return {each.column for each in self.reading.filters}

    def _by(self, column: Column) -> Intent | Refusal | None:
        if self.reading.has(_JUDGED) and not self.reading.has(lexicon.FIGURES | lexicon.CHEAP):
            return refusals.best_by_what(column, self.asking.table)
        counts = self.asking.measure in (Measure.CALLS, Measure.TOKENS, Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS)
        counts = counts or self.reading.says(SUM_PER)
        if counts and self.reading.has(lexicon.AVERAGE) and column.meaning is not Meaning.TIME:
            return self._average_per([column], None)
        number = self.asking.named_number or self.timed()
        if number is not None and number.name != column.name:
            return self.intent("column_by", by=column.name, column=number.name)
        if column.meaning is Meaning.TIME:
            return self.intent("trend", grain=self.asking.fitting_grain)
        return self.intent("by", by=column.name)

    def timed(self) -> Column | None:
        """How long rows took, where that is asked for."""
        asked = self.reading.says(HOW_LONG) or self.reading.has(lexicon.SLOW | lexicon.FAST)
        return self.asking.table.column(Meaning.DURATION) if asked else None

    def _named_rows(self) -> Intent | None:
        """``Which errors …``: the rows of a table by the one column that tells them apart."""
        table = self.asking.table
        if not self.reading.tables or not self.reading.has({"which", "what"}) or table.has(Meaning.COST):
            return None
        texts = [c for c in table.columns if c.values and c.meaning is Meaning.UNKNOWN]
        return self.intent("by", by=texts[0].name, measure=Measure.CALLS) if len(texts) == 1 else None
