"""Why a question cannot be answered from a table, found before anything is asked of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from chatcore.agents.analyst import lexicon, refusals
from chatcore.agents.analyst.asking import BY, LED, SUMMED, TOKENS, Asking
from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.language import Word
from chatcore.agents.analyst.mentions import NamedColumn, Span
from chatcore.agents.analyst.periods import Calendar, overlaps
from chatcore.agents.analyst.reading import EXCLUDING, Reading, blanked
from chatcore.agents.analyst.refusals import groupings
from chatcore.agents.analyst.request import Measure, Refusal
from chatcore.agents.analyst.same_time import SAME_TIME

_WHO = frozenset({"who", "whose", "whom"})
_OURS = frozenset({"team", "company", "organization", "organisation", "org"})
_ASKED_OF_ROWS = frozenset(["many", "number", "count"]).union(
    lexicon.FIGURES, lexicon.CHEAP, lexicon.QUALITY, lexicon.STATISTIC, lexicon.AVERAGE, lexicon.TREND,
    lexicon.COMPARE, lexicon.SLOW, lexicon.FAST, lexicon.STATUS, lexicon.SPLIT,
) - lexicon.SINGLE  # fmt: skip
_NAMES_TIME = (
    r"\b(january|february|april|june|july|august|september|october|november|december)\b|\b(19|20)\d\d(-\d\d)?\b"
    r"|\b(last|this|past|previous) (day|week|month|quarter|year)s?\b"
)
_PART = (
    r"\b(first|second|third|fourth|last|early|late|mid|middle|beginning|end|start|half)\b(?: \w+)? ?(?:of |in )?"
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december|(?:19|20)\d\d)\b"
)
_COUNTED_STEPS = r"\bhow many (?:days|weeks|months|quarters|years)\b"
_SIDE = r"(?:input|output|prompt|completion|incoming|outgoing|generated)"
_ONE_SIDE = (
    rf"\b(?:costs?|costing|spend|spent|pay|paid|price|rate|expensive|cheap|cheaper|cheapest|priciest|dearest|costliest)\b.*"
    rf"\b(?:per|an?|each|every) "
    rf"(?:\d[\d,.]*\s?[km]? |million |thousand |[km] )*{_SIDE}[ _]tokens?\b"
    rf"|\b(?:costs?|spend|spent|pay|paid|price|expenses?|bill) (?:of|on|for) (?:the |our |all )*{_SIDE}[ _]tokens?\b"
    rf"|\b{_SIDE}[ _]tokens? costs?\b|\b(?:did|do) (?:the |our |all )*{_SIDE}[ _]tokens? cost\b"
)
_NAMED_AFTER = frozenset(["user", "model", "person", "developer", "feature", "format", "mode", "member", "engineer"])
_DID = frozenset(["did", "does", "do", "has", "had", "have"])
_NEEDED = {
    Measure.COST: Meaning.COST,
    Measure.COST_PER_CALL: Meaning.COST,
    Measure.COST_PER_MILLION_TOKENS: Meaning.COST,
    Measure.INPUT_TOKENS: Meaning.INPUT_TOKENS,
    Measure.OUTPUT_TOKENS: Meaning.OUTPUT_TOKENS,
    Measure.INPUT_TOKENS_PER_CALL: Meaning.INPUT_TOKENS,
    Measure.OUTPUT_TOKENS_PER_CALL: Meaning.OUTPUT_TOKENS,
}
_NEEDS_TOKENS = (Measure.TOKENS, Measure.TOKENS_PER_CALL, Measure.COST_PER_MILLION_TOKENS)


def find_fault(asking: Asking) -> Refusal | None:
    """The first reason against an answer, None where there is none."""
    return _first(_FAULTS, asking)


def find_scope_fault(asking: Asking) -> Refusal | None:
    """The first reason against the period or a name of a question whose other words a recogniser accounts for."""
    return _first(_SCOPE_FAULTS, asking)


def find_follow_up_fault(asking: Asking) -> Refusal | None:
    """The first reason against what a follow-up names; a month of several years is none yet."""
    return _first(_FOLLOW_UP_FAULTS, asking)


def _first(faults: Sequence[Callable[[Asking], Refusal | None]], asking: Asking) -> Refusal | None:
    return next((refusal for fault in faults if (refusal := fault(asking)) is not None), None)


def _split_by_sum(asking: Asking) -> Refusal | None:
    """A split by what is summed itself."""
    text, columns = asking.reading.text, asking.reading.columns
    if not any(each.column.meaning in SUMMED and BY.search(text[: each.start]) for each in columns):
        return None
    return refusals.not_supported("a split by a figure", asking.reading.catalogue)


def _none_of_them(asking: Asking) -> Refusal | None:
    """The first nought of a ranking."""
    nothing = asking.reading.limit == 0
    return refusals.not_supported("a list of none", asking.reading.catalogue) if nothing else None


def _timeless(asking: Asking) -> Refusal | None:
    """Words of time, where the rows do not say when they were."""
    if asking.table.first_day is not None or not asking.reading.says(_NAMES_TIME):
        return None
    return refusals.no_time(asking.table, asking.reading)


def _bad_date(asking: Asking) -> Refusal | None:
    bad = [found for found in asking.reading.periods if not found.choices]
    if not bad:
        return None
    words = asking.reading.text[bad[0].start : bad[0].end]
    return refusals.no_such_day(words, asking.table, asking.reading.catalogue)


def _part_of_period(asking: Asking) -> Refusal | None:
    """A part of a month or a year that is not worked out: its first week, its end."""
    free = asking.reading.free
    steps = any(word in lexicon.GRAINS for word in free) and asking.grain is None and not asking.previous
    part = asking.reading.periods and re.search(_PART, _without_whole_periods(asking))
    if SAME_TIME.search(asking.reading.text):
        return None
    if not part and not (steps and not asking.reading.says(_COUNTED_STEPS)):
        return None
    if steps and asking.group_columns and not asking.reading.periods:
        columns, step = [named.column for named in asking.group_columns], next(iter(free & set(lexicon.GRAINS)))
        return refusals.one_split_at_a_time(columns, lexicon.GRAINS[step], asking.table, asking.reading.catalogue)
    return refusals.not_supported("a part of a period", asking.reading.catalogue)


def _without_whole_periods(asking: Asking) -> str:
    """The question with dots for ``first quarter of 2025`` and the like, which are periods themselves."""
    whole = [
        Span(f.start, f.end) for f in asking.reading.periods if asking.reading.text[f.start : f.end].count(" ") > 1
    ]
    return blanked(asking.reading.text, whole)


def _absent_concept(asking: Asking) -> Refusal | None:
    """A word for a column that the table lacks, where the rows are to be split or measured by it."""
    reading, free = asking.reading, asking.reading.free
    for word in reading.words:
        meaning = lexicon.CONCEPTS.get(word.text)
        if meaning is None or asking.table.has(meaning) or word.text not in free:
            continue
        if any(named.covers(word) for named in reading.columns):
            continue
        if LED.search(reading.text[: word.start]) or word.text in _WHO or meaning is Meaning.DURATION:
            shown = word.text if meaning is Meaning.DURATION else str(meaning)
            return refusals.no_such_column(shown, asking.table, reading.catalogue)
    return None


def _about_something_else(asking: Asking) -> Refusal | None:
    """No word for a figure, and words that are not known: ``who won the world cup``, ``how happy are our users``."""
    reading = asking.reading
    asked = reading.has(_ASKED_OF_ROWS) or reading.says(r"\bhow long\b") or reading.values or reading.periods
    if asked or not reading.unknown:
        return None
    named = [each for each in reading.columns if "_" in reading.text[each.start : each.end] or not _is_meant(each)]
    if named or asking.grain is not None:
        return None
    words = [word for word, _ in reading.unknown if word.text not in lexicon.OTHER_NOUNS | lexicon.STATUS]
    digits = any(character.isdigit() for word in words for character in word.text)
    return refusals.not_understood(reading.catalogue) if words and not digits else None


def _is_meant(named: NamedColumn) -> bool:
    """Whether a column is named by what it means, as ``who`` does, and not by its name."""
    return named.column.meaning is not Meaning.UNKNOWN


def _unknown_word(asking: Asking) -> Refusal | None:
    """A word that restricts or splits the rows and is not found in the data."""
    reading, table = asking.reading, asking.table
    for word, lead in reading.unknown:
        ours = word.text in _OURS and reading.says(rf"\b(our|my|the whole|the entire) {word.text}\b")
        if ours or (word.text in lexicon.STATUS and table.has(Meaning.STATUS)):
            continue
        if EXCLUDING.fullmatch(word.text):
            continue  # whether it leaves out a name is asked of the whole question
        if word.text == "never" or word.text.endswith(("n't", "n’t")):
            why = "The rows tell what was done, and not what was not"
            return refusals.left_out(word.original, why, groupings(table)[:3], reading.catalogue)
        if any(character.isdigit() for character in word.text):
            return refusals.no_such_value(word.original, table, reading.catalogue)
        acts = lead in _DID and _acts(reading, word) and not _qualifies(asking, word)
        if acts or (lead in _NAMED_AFTER and _is_led(reading.text[: word.start])):
            return refusals.no_such_value(word.original, table, reading.catalogue)
        if (
            lead in lexicon.PREPOSITIONS
            or word.text in lexicon.OTHER_NOUNS | lexicon.STATUS
            or _qualifies(asking, word)
        ):
            return refusals.no_such_column(_phrase(asking, word.text), table, reading.catalogue)
    return None


def _acts(reading: Reading, word: Word) -> bool:
    """Whether a word stands where somebody or something does that acts: ``how many tokens did bob use``."""
    return (
        re.match(r"\s+(?:use|spend|cost|make|send|pay|run|consume|burn|need|call)\b", reading.text[word.end :])
        is not None
    )


def _is_led(before: str) -> bool:
    """Whether a word for a column stands right before, and a word before it that restricts rows: ``for user bob``."""
    return re.search(r"\b(?:by|for|on|of|from|with|in|using|via|to|did)\s+(?:the\s+)?\w+\W*$", before) is not None


def _qualifies(asking: Asking, word: Word) -> bool:
    """Whether a word says whose or what spend, calls or tokens are meant: it stands right before them."""
    after = re.match(r"\s*([a-z]+)", asking.reading.text[word.end :])
    return after is not None and after[1] in lexicon.FIGURES


def _phrase(asking: Asking, word: str) -> str:
    """An unknown word with the unknown ones before it."""
    unknown = "|".join(re.escape(each.text) for each, _ in asking.reading.unknown)
    match = re.search(rf"(?:\b(?:{unknown})\s+)*{re.escape(word)}", asking.reading.text)
    return match[0] if match else word


def _one_side_of_cost(asking: Asking) -> Refusal | None:
    """What tokens in cost apart from tokens out: a row has one cost for both."""
    if not asking.table.has(Meaning.COST) or not asking.reading.says(_ONE_SIDE):
        return None
    named = [value for values in asking.reading.values for value in values.values]
    return refusals.one_side_of_cost(asking.table, named, asking.reading.catalogue)


def _missing_measure(asking: Asking) -> Refusal | None:
    measure, table = asking.measure, asking.table
    timed = asking.reading.has(lexicon.SLOW | lexicon.FAST) and not table.has(Meaning.DURATION) and not asking.length
    words = str(Meaning.DURATION) if timed else lacking_for(measure, table)
    return refusals.no_such_column(words, table, asking.reading.catalogue) if words else None


def lacking_for(measure: Measure, table: Table) -> str:
    """What a table lacks for a measure; empty where it lacks nothing."""
    needed = _NEEDED.get(measure)
    if needed is not None and not table.has(needed):
        return str(needed)
    return "tokens" if measure in _NEEDS_TOKENS and not any(table.has(each) for each in TOKENS) else ""


def _bad_period(asking: Asking) -> Refusal | None:
    """A period that can be one of several, or that lies outside of the rows."""
    table, reading = asking.table, asking.reading
    if table.first_day is None or table.last_day is None:
        return None
    for found in reading.periods:
        if len(found.choices) > 1:
            return refusals.which_year(reading, found, table)
    return _beyond_the_rows(asking)


def _beyond_the_rows(asking: Asking) -> Refusal | None:
    table = asking.table
    if table.first_day is None or table.last_day is None:
        return None
    known = Calendar(table.first_day, table.last_day, table.months)
    outside = [f.choices[0] for f in asking.reading.periods if not any(overlaps(each, known) for each in f.choices)]
    return refusals.out_of_range(outside[0], table, asking.reading.catalogue) if outside else None


_FAULTS = (
    _none_of_them,
    _split_by_sum,
    _timeless,
    _bad_date,
    _part_of_period,
    _about_something_else,
    _absent_concept,
    _unknown_word,
    _one_side_of_cost,
    _missing_measure,
    _bad_period,
)
"""In the order of what a person would say first."""

_SCOPE_FAULTS = (_none_of_them, _timeless, _bad_date, _absent_concept, _unknown_word, _bad_period)
_FOLLOW_UP_FAULTS = (
    _none_of_them, _split_by_sum, _timeless, _bad_date, _absent_concept, _unknown_word, _about_something_else,
    _beyond_the_rows,
)  # fmt: skip
