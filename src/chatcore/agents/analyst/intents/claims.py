"""How a kind of question finds itself in a question's words, and what it cannot do without. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.catalogue import Catalogue, Column, Table
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.faults import find_scope_fault
from chatcore.agents.analyst.mentions import Span
from chatcore.agents.analyst.ranking import ranked
from chatcore.agents.analyst.reading import Reading, in_table
from chatcore.agents.analyst.request import Intent, Measure, Refusal

_MOST_PERIODS = 1
_JOINERS = """
    but though although while where because also still even such something anything us there who's where's they're
    actual many often usually typical typically big large small high low worst best ones
"""
_JOINING = frozenset(_JOINERS.split())
"""Words that join or colour what is asked, and change nothing of it beside words that mean one kind of question."""


def _whole_words(patterns: Sequence[str]) -> re.Pattern[str]:
    """What matches any of these where no word goes on before or after, nothing for none.

    It is compiled once and for all: that takes milliseconds, which no question should wait for.
    """
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)" if patterns else r"(?!)")


@attrs.frozen(kw_only=True)
class Claim:
    """What a kind of question is recognised by.

    Args:
        name: of the kind.
        what: it works out, as a refusal calls it.
        words: regular expressions of whole words that mean it; what they match is accounted for.
        unless: whole words that make it another question.
        needs: what the table must have.
        able: what else must hold of the table; without it the table has nothing about ``lacks``.
        lacks: what a table that is not able lacks, in a word.
        splits: whether it goes by a column too; None where a column that is named changes nothing.
        steps: whether it goes by steps of time too; None where such a word changes nothing.
    """

    name: str
    what: str
    words: re.Pattern[str] = attrs.field(converter=_whole_words)
    unless: re.Pattern[str] = attrs.field(converter=_whole_words, default=())
    needs: tuple[Meaning, ...] = ()
    able: Callable[[Table], bool] = lambda _: True
    lacks: str = ""
    splits: bool | None = False
    steps: bool | None = False

    def of(self, reading: Reading, *, apart: bool = False) -> Asking | Refusal | None:
        """The question with its table, or why it has no answer; None where it asks for something else.

        Args:
            reading: the question.
            apart: whether two dates are two periods to compare; otherwise one period is all that is taken.
        """
        spans = [Span(*match.span()) for match in self.words.finditer(reading.text)]
        spans = [span for span in spans if not any(_overlaps(span, out) for out in reading.aside)]
        if not spans or self.unless.search(reading.text) or _asks_more(reading, spans):
            return None
        reading = _unnamed(reading, spans, self.allows)
        table = self._table(reading)
        if isinstance(table, Refusal):
            return table
        reading = attrs.evolve(reading, understood=reading.understood | _JOINING)
        asking = Asking(_accounted(in_table(reading, table, apart=lambda _: apart), spans), table)
        return find_scope_fault(asking) or self._fault(asking, apart=apart) or asking

    def _table(self, reading: Reading) -> Table | Refusal:
        """The table that is named or the likeliest one, of those that have what is needed."""
        named = [mention.table for mention in reading.tables]
        candidates = named or list(reading.catalogue.tables)
        able = [table for table in candidates if self.allows(table)]
        if not able:
            return self.lacking(ranked(candidates)[0], reading.catalogue)
        if named:
            return choose_table(attrs.evolve(reading, tables=tuple(m for m in reading.tables if m.table in able)))
        return choose_table(attrs.evolve(reading, catalogue=attrs.evolve(reading.catalogue, tables=tuple(able))))

    def allows(self, table: Table) -> bool:
        """Whether a table has what is needed."""
        return table.has(*self.needs) and self.able(table)

    def lacking(self, table: Table, catalogue: Catalogue) -> Refusal:
        """The refusal that names the first thing that a table lacks."""
        missing = next((str(meaning) for meaning in self.needs if not table.has(meaning)), self.lacks)
        return refusals.no_such_column(missing, table, catalogue)

    def _fault(self, asking: Asking, *, apart: bool) -> Refusal | None:
        """More than this kind takes: several periods, a split, steps of time."""
        catalogue, columns = asking.reading.catalogue, asking.group_columns
        if len(asking.reading.periods) > _MOST_PERIODS and not apart:
            return refusals.not_supported(f"{self.what} over several periods at once", catalogue)
        if self.splits is False and columns:
            return refusals.not_supported(f"{self.what} by a column", catalogue)
        if self.steps is False and asking.grain is not None:
            return refusals.not_supported(f"{self.what} by {asking.grain}", catalogue)
        if self.splits and self.steps and columns and asking.grain is not None:
            named = [each.column for each in columns]
            return refusals.one_split_at_a_time(named, asking.grain, asking.table, catalogue)
        if self.splits and len(columns) > 1:
            return refusals.one_split_at_a_time([e.column for e in columns], None, asking.table, catalogue)
        return None

    def intent(
        self, asking: Asking, *, measure: Measure | None = None, options: dict[str, Any] | None = None
    ) -> Intent:
        """What was asked, as an intent of this kind."""
        columns = asking.group_columns
        return Intent(
            kind=self.name,
            table=asking.table.name,
            measure=measure or asking.measure,
            by=columns[0].column.name if self.splits and columns else None,
            grain=asking.grain if self.steps else None,
            descending=not asking.reading.has(lexicon.LOW | lexicon.CHEAP),
            limit=asking.reading.limit,
            periods=[asking.period] if asking.period else [],
            filters=asking.reading.filters,
            options=options or {},
        )

    def recognise(self, reading: Reading) -> Intent | Refusal | None:
        """The intent of a question, where nothing but its words decide."""
        asking = self.of(reading)
        return self.intent(asking) if isinstance(asking, Asking) else asking


def _overlaps(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _asks_more(reading: Reading, spans: Sequence[Span]) -> bool:
    """Whether other words ask for what is not worked out: a forecast, a reason, rows beyond an amount."""
    free = [word.text for word in reading.words if not any(span.covers(word) for span in spans)]
    return reading.threshold or any(word in lexicon.UNSUPPORTED for word in free)


def _unnamed(reading: Reading, spans: Sequence[Span], allows: Callable[[Table], bool]) -> Reading:
    """The reading without the tables that only the recognised words name, as ``price effects`` does."""
    inside = [m for m in reading.tables if any(s.start <= m.start and m.end <= s.end for s in spans)]
    return attrs.evolve(reading, tables=tuple(m for m in reading.tables if m not in inside or allows(m.table)))


def _accounted(reading: Reading, spans: Sequence[Span]) -> Reading:
    """The reading with these stretches taken, and no column named in them."""
    columns = tuple(c for c in reading.columns if not any(s.start <= c.start and c.end <= s.end for s in spans))
    return attrs.evolve(reading, taken=(*reading.taken, *spans), columns=columns)


def dimensions_of(table: Table) -> list[Column]:
    """The columns that rows are told apart by: model, user, feature, as far as there are."""
    return [c for meaning in (Meaning.MODEL, Meaning.USER, Meaning.FEATURE) if (c := table.column(meaning))]
