"""What a question asks about one table, in parts: what is measured, split by, and over what steps of time. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import attrs

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.catalogue import Column, Table
from chatcore.agents.analyst.columns import Family, Meaning
from chatcore.agents.analyst.mentions import NamedColumn, NamedValues, Span
from chatcore.agents.analyst.reading import Reading, blanked
from chatcore.agents.analyst.request import Grain, Measure, Period

TOKENS = (Meaning.TOTAL_TOKENS, Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS)
SUMMED = (Meaning.COST, *TOKENS)
"""Meanings whose columns are summed under a name of their own."""

ROW_NOUNS = "|".join(sorted(lexicon.SINGLE))
_SO_MANY = r"(?:single |\d[\d,.]*k? |thousand |hundred |million )?"
PER_CALL = rf"\bper[ -]{_SO_MANY}(?:{ROW_NOUNS})\b|\ba (?:single )?(?:call|request) costs?\b"
_PER_TOKENS = (
    r"\b(?:per|a|each|every|for a) (?:1[,.]?000,?000|million|mio|m|1m|1000|thousand|1k|1 million)?[ -]?tokens?\b"
    r"|\bper (?:million|mtok)\b"
    r"|\bunit (?:price|cost)s?\b"
)
_OF_A_CALL = {
    Measure.TOKENS: Measure.TOKENS_PER_CALL,
    Measure.INPUT_TOKENS: Measure.INPUT_TOKENS_PER_CALL,
    Measure.OUTPUT_TOKENS: Measure.OUTPUT_TOKENS_PER_CALL,
}
COUNT_OF = r"\b(?:how many|number of|count of)(?: different| distinct| unique| various| active| of our| of the)*\s+"
LED = re.compile(r"\b(by|per|each|every|across|which|what|who)[\s.]+$")
"""What leads to a column that rows are split by; dots stand for a value in between, as in ``which claude model``."""

BY = re.compile(r"\b(by|per|each|every|across)\s+$")

_SENT, _GIVEN = r"(?:prompts?|contexts?|inputs?)", r"(?:responses?|answers?|outputs?|completions?|replies|reply)"
_HOW_LONG = (
    r"\b{what}(?:'s)? (?:lengths?|sizes?)\b|\b(?:lengths?|sizes?) of (?:the |our |a |an |all )*{what}\b"
    r"|\b(?:longest|biggest|largest|shortest) {what}\b(?! tokens?)"
    r"|\bhow (?:long|large|big) (?:is|are|was|were) (?:\w+ ){{0,3}}{what}\b"
)
_PREVIOUS = r"\b(previous|before|prior|preceding|earlier)\b"
_ALSO = re.compile(r"\s*(?:and|,|&|and by|then by|, then by|and per)\s*")
_STEP_LED = re.compile(
    r"\b(by|per|each|every|(?:which|what|the)(?: \d{1,3}| two| three| four| five| ten)|which|what|a"
    r"|busiest|expensive|costliest|priciest|dearest|cheapest|over|best|worst"
    r"|top(?: \w+)?|most|highest|biggest|lowest|quietest|slowest|single|average|each and every)(?: active| calendar)?$"
)
_STEP_ALSO = re.compile(r"\b(?:by|per|each|every) \w+(?: \w+)?(?:,? and|,| &| then)(?: by| per)?$")
"""``by model and month``: the step is led by what leads to a column before it."""

_RANKED = frozenset(["most", "least", "top", "rank", "ranked", "ranking", "highest", "lowest", "breakdown", "split"])
"""Words that ask for several names in order."""

_SUPERLATIVE = re.compile(
    r"\b(?:(?:most|least) \w+|cheapest|costliest|priciest|dearest|busiest|biggest|largest|smallest|top|main)\s+$"
)
_NEXT_TO = 2
"""Characters between a name and the word for its column: ``without claude models``, ``by user bob``."""

_USE_MOST = (
    r"\b(?:use|using)\b(?: \w+){0,3} (?:most|least|more|less|often)\b|\b(?:most|least|often) (?:do|did) we use\b"
)
_VERBOSE = r"\b(?:verbose|talkative|chatty|wordy|long-winded)\b"
"""Of a model: how much it says in a call."""
_ORDERED = re.compile(
    r"\b(?:sort(?:ed)?|order(?:ed)?|rank(?:ed)?|ranking) by (?:the )?(?:total |number of |most )?"
    r"(spend|spending|cost|costs|calls|usage|requests|tokens)\b"
)
_ORDERS = {
    **dict.fromkeys(("spend", "spending", "cost", "costs"), Measure.COST),
    **dict.fromkeys(("calls", "usage", "requests"), Measure.CALLS),
}
"""What a list is in the order of, where that is said: its table has the other sums beside."""

_MONTH_DAYS = 45
_HALF_YEAR_DAYS = 200


@attrs.frozen
class Asking:
    """A question and the table it is about."""

    reading: Reading
    table: Table

    @property
    def period(self) -> Period | None:
        """The first period that is named; None where that is no day that there is."""
        return next((choice for found in self.reading.periods[:1] for choice in found.choices), None)

    @property
    def has_tokens(self) -> bool:
        """Whether the table knows tokens of any kind."""
        return any(self.table.has(meaning) for meaning in TOKENS)

    @property
    def previous(self) -> bool:
        """Whether a period is set against the one before it."""
        return self.reading.has(lexicon.COMPARE | {"more", "less"}) and self.reading.says(_PREVIOUS)

    @property
    def previous_unit(self) -> str | None:
        """How far back that is: the month, the year before."""
        unit = r"(day|week|month|quarter|year)"
        found = re.search(
            rf"\b(?:previous|prior|preceding) {unit}\b|\b{unit} (?:before|earlier|prior)\b", self.reading.text
        )
        return next(filter(None, found.groups()), None) if found else None

    # --- what is measured -------------------------------------------------------------------------------------------

    @cached_property
    def measure(self) -> Measure:
        """What is summed, counted or averaged."""
        ordered = _ORDERED.search(self.reading.text)
        if ordered is not None and self.group_columns:
            return self.kind_of_tokens() if ordered[1].startswith("tok") else _ORDERS[ordered[1]]
        if self.group_columns and self.reading.says(r"\b(?:most|least)[ -](?:used|popular|called|active)\b"):
            return Measure.CALLS
        counted = self.reading.says(r"\bhow many (?:\w+ )?tokens\b(?!.*\b(?:cost|per)\b)")
        tokens = self.reading.has(lexicon.TOKENS) and (counted or not self.reading.has(lexicon.COST))
        if self.reading.says(_PER_TOKENS):
            return Measure.COST_PER_MILLION_TOKENS
        if self.reading.says(_VERBOSE) and self.table.has(Meaning.OUTPUT_TOKENS):
            return Measure.OUTPUT_TOKENS_PER_CALL
        quotient = self._quotient(tokens)
        if quotient is not None:
            return quotient
        if self.reading.has(lexicon.CHEAP) and (self.group_columns or self.reading.sides) and self.has_tokens:
            return Measure.COST_PER_MILLION_TOKENS
        return self.kind_of_tokens() if tokens else self._cost_or_calls()

    @property
    def summed_measure(self) -> Measure:
        """The sum that an average over groups is of."""
        tokens = self.reading.has(lexicon.TOKENS) and not self.reading.has(lexicon.COST)
        return self.kind_of_tokens() if tokens else self._cost_or_calls()

    def _quotient(self, tokens: bool) -> Measure | None:
        """Cost or tokens of a call, where an average is asked for."""
        per_call = self.reading.says(PER_CALL)
        if not per_call and not self.reading.has(lexicon.AVERAGE):
            return None
        if tokens:
            return _OF_A_CALL[self.kind_of_tokens()] if per_call or self.grain is None else None
        asks_cost = self.reading.has(lexicon.COST) or per_call
        plain = self.named_number is None and self.grain is None
        return Measure.COST_PER_CALL if asks_cost and plain and self.table.has(Meaning.COST) else None

    def _cost_or_calls(self) -> Measure:
        if self.reading.has(lexicon.COST | lexicon.CHEAP):
            return Measure.COST
        counted = (
            self.reading.has(lexicon.CALLS)
            or self.reading.says(_USE_MOST)
            or self.reading.says(COUNT_OF)
            or self.reading.tables
        )
        return Measure.CALLS if counted or not self.table.has(Meaning.COST) else Measure.COST

    def kind_of_tokens(self) -> Measure:
        """Tokens in, out, or both."""
        inside = self.reading.has(lexicon.INPUT) or self.reading.says(r"\btokens in\b(?=\s*(by|per|and|for each|\W*$))")
        outside = self.reading.has(lexicon.OUTPUT) or self.reading.says(r"\btokens out\b")
        if inside == outside:
            return Measure.TOKENS
        return Measure.INPUT_TOKENS if inside else Measure.OUTPUT_TOKENS

    @property
    def row_measure(self) -> Measure:
        """What single rows are ranked by."""
        by_cost = self.table.has(Meaning.COST) and not self.reading.has(lexicon.TOKENS)
        return Measure.COST if by_cost or not self.has_tokens else self.kind_of_tokens()

    @property
    def length(self) -> Column | None:
        """The tokens of prompts or of answers, where it is asked how long these are."""
        asked = {Meaning.INPUT_TOKENS: _SENT, Meaning.OUTPUT_TOKENS: _GIVEN}
        found = (m for m, what in asked.items() if self.reading.says(_HOW_LONG.format(what=what)))
        return next((column for meaning in found if (column := self.table.column(meaning))), None)

    @property
    def named_number(self) -> Column | None:
        """A column of numbers that is named and is none of those that are summed."""
        columns = [named.column for named in self.reading.columns]
        return next((c for c in columns if c.family is Family.NUMBER and c.meaning not in SUMMED), None)

    # --- what it is split by ----------------------------------------------------------------------------------------

    @cached_property
    def group_columns(self) -> list[NamedColumn]:
        """The columns that the rows are to be split by: named, and neither what is measured nor what is filtered."""
        filtered = self._filtered
        named = [each for each in self.reading.columns if each.column.meaning not in (*SUMMED, Meaning.DURATION)]
        text = blanked(self.reading.text, self.reading.values)
        led = [e for e in named if (LED.search(text[: e.start]) and not self._names_a_value(e)) or e.is_question]
        led = [e for e in led if e.column.family is not Family.NUMBER or BY.search(text[: e.start])]
        named = [e for e in named if e.column.name not in filtered and e.column.family is not Family.NUMBER]
        for each in named:
            ends = (before.end for before in led)
            if each not in led and any(_ALSO.fullmatch(self.reading.text[end : each.start]) for end in ends):
                led.append(each)
        return list({each.column.name: each for each in (led or named)}.values())

    def _names_a_value(self, named: NamedColumn) -> bool:
        """Whether words for a column only lead to a value of it: ``by user bob``."""
        values = (each for each in self.reading.values if each.column.name == named.column.name)
        return any(0 < each.start - named.end <= _NEXT_TO for each in values)

    @property
    def _filtered(self) -> set[str]:
        """The columns that named values restrict, so that their names split nothing: ``the model o3``, ``o3 models``.

        What is ranked is split all the same: ``top 5 models without o3``, ``the cheapest anthropic model``.
        """
        values, excluded = self.reading.values, self.reading.exclusions
        ranked = self.reading.limit is not None or self.reading.has(_RANKED)
        split = {
            each.column.name
            for each in self.reading.columns
            if (ranked and _is_plural(each, self.reading.text) and not _is_part_of(each, excluded))
            or any(_is_superlative(self.reading.text, value, each) for value in values)
        }
        return {named.column.name for named in values} - split

    # --- steps of time ----------------------------------------------------------------------------------------------

    @cached_property
    def grain(self) -> Grain | None:
        """The steps of time that are asked for: ``by month``, ``which day``, ``weekly``."""
        free = self.reading.free
        for word, after in zip(self.reading.words, (*self.reading.words[1:], None), strict=False):
            grain = lexicon.GRAINS.get(word.text)
            if grain is None or word.text not in free:
                continue
            adverb = word.text.endswith("ly") or word.text == "annual"
            before = self.reading.text[: word.start].rstrip()
            led = _STEP_LED.search(before) or _STEP_ALSO.search(before)
            if adverb or led or (after is not None and after.text in ("by", "over", "on", "with", "had", "has")):
                return grain
        return None

    @property
    def fitting_grain(self) -> Grain:
        """Steps that make a readable number of rows of the period."""
        return fitting_grain(self.table, self.period)


def _is_part_of(named: NamedColumn, excluded: Sequence[Span]) -> bool:
    """Whether a word for a column only says what a name that is left out is a name of."""
    return any(span.start <= named.start < span.end + _NEXT_TO for span in excluded)


def _is_superlative(text: str, value: NamedValues, named: NamedColumn) -> bool:
    """Whether the first of several is asked for: ``the most expensive claude model``."""
    beside = value.column.name == named.column.name and not text[value.end : named.start].strip()
    return beside and value.end <= named.start and _SUPERLATIVE.search(text[: value.start]) is not None


def _is_plural(named: NamedColumn, text: str) -> bool:
    """Whether a column is named by a word for several of its values."""
    return text[named.start : named.end].endswith("s")


def fitting_grain(table: Table, period: Period | None) -> Grain:
    """Steps of time that make a readable number of rows of a table, or of a period of it."""
    first, last = table.first_day, table.last_day
    if first is None or last is None:
        return "month"
    days = (last - first).days
    if period is not None and period.days is not None:
        days = min(days, period.days)
    return "day" if days <= _MONTH_DAYS else "week" if days <= _HALF_YEAR_DAYS else "month"
