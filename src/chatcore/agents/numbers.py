"""Which numbers of a text do not trace to the evidence beside it (protocol.md, 1.3). Pure.

A number traces where a cell, rounded to the precision that the text shows, equals it: ``$9,990.01`` traces to
9990.01252875, ``1.2M`` to 1234567, ``12.5%`` to 12.53, ``five thousand`` to 5,123. An unsigned number traces to a
negative cell too ("fell by $74.33"); a percentage to no cell of a column that is called after amounts or counts, as
``spend`` is and ``spend_percent`` is not; an amount of money to no percentage and no count, and a count to neither.
A cell of ``spend_share`` may be shown as the percentage that it is. Nothing is asked of what is no quantity: dates and
times, list marks, names with digits in them, code, numbers of the question, and integers below 10.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import attrs

from chatcore.agents.dates import years_in
from chatcore.agents.quantities import (
    Shown,
    Unit,
    find_quantities,
    may_say_numbers,
    number_in,
    without_list_marks,
)
from chatcore.agents.rendered import as_rendered, without_code
from chatcore.protocol.messages import Evidence

_ROUNDING = 1e-9
"""Allowed beside half a unit of the last digit shown: what binary fractions lose."""

READ_CHARACTERS = 4_096
"""Of a question are read for its numbers: it takes up to fifteen microseconds each, and everybody waits."""

WRITTEN_CHARACTERS = 131_072
"""After those are looked at for figures that may be said again as they are written there."""

_DIGIT = re.compile(r"\d")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_SIGNS = "$€£¥₹% "
_WORD_BEGINS = re.compile(r"(?<![\w.])(?<!\w-)")
_WORD_ENDS = re.compile(r"(?!-?\w)")
_OF_AMOUNTS = frozenset({
    "spend", "cost", "costs", "amount", "amounts", "price", "prices", "usd", "eur", "budget", "logged", "distance",
    "calls", "tokens", "rows", "errors", "sessions", "models", "users", "days", "months", "hours", "seconds", "minutes",
    "count", "requests", "groups", "saving", "savings", "baseline", "projected", "input", "output",
})  # fmt: skip
_OF_MONEY = frozenset({"spend", "cost", "price", "prices", "usd", "eur", "dollars"})
_OF_COUNTS = frozenset({"calls", "tokens", "rows", "errors", "sessions", "models", "users", "requests", "count"})
_OF_WHAT_HAS = frozenset({"with", "without"})
"""``with_cost`` are the calls that have one."""
_OF_HUNDRED = frozenset({"percent", "percentage", "pct"})
_OF_ONE = frozenset({"share", "part", "fraction", "ratio", "rate"})
_OF_PARTS = _OF_HUNDRED | _OF_ONE | {"growth", "change"}


def untraceable_numbers(text: str, *, question: str, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The numbers of ``text`` that neither need proof nor trace to a cell, as they stand there, each once.

    Args:
        text: Markdown.
        question: what was asked; its numbers may be repeated, those far into a long one as they are written.
        evidence: the queries whose rows may prove a number.
    """
    return proof_of(question, evidence).untraceable_numbers(text) if may_say_numbers(text) else ()


@attrs.frozen
class Proof:
    """What a question and some evidence prove; made by :func:`proof_of`.

    Args:
        values: the numbers of the cells, sorted, by what they may be shown as.
        strings: the cells that are words with digits in them.
        asked: the numbers of the question.
        written: the figures of what is not read of a long question.
        years: that are named in the question or in cells.
    """

    values: Mapping[Unit, Sequence[float]]
    strings: Set[str]
    asked: Set[float]
    written: Set[str]
    years: Set[str]
    _last: dict[str, tuple[str, ...]] = attrs.field(factory=dict, eq=False, repr=False)
    """The text that was judged last: an answer's is judged when it is said, and again with what stands beside it."""

    def untraceable_numbers(self, text: str) -> tuple[str, ...]:
        """The numbers of ``text`` that neither need proof nor have it, as they stand there, each once."""
        if not may_say_numbers(text):
            return ()
        if text not in self._last:
            found = self._untraceable(text)
            self._last.clear()
            self._last[text] = found
        return self._last[text]

    def _untraceable(self, text: str) -> tuple[str, ...]:
        written = _without_strings(without_list_marks(without_code(text)), self.strings)
        shown = as_rendered(written)
        numbers = find_quantities(shown if shown == written else _without_strings(shown, self.strings))
        return tuple(dict.fromkeys(number.text for number in numbers if not self._proves(number)))

    def _proves(self, number: Shown) -> bool:
        known = number.needs_no_proof or number.value in self.asked or number.text.strip(_SIGNS) in self.written
        known = known or (number.text in self.years and not number.led)
        return known or _traces(number, self.values[number.unit])


def proof_of(question: str, evidence: Sequence[Evidence]) -> Proof:
    """What may be said of numbers after a question, given the queries whose rows may prove them."""
    values, strings = _cells(evidence)
    asked, written, years = _said(question[: READ_CHARACTERS + WRITTEN_CHARACTERS])
    years |= frozenset(years_in(" ".join(strings)))
    words = frozenset(string for string in strings if number_in(string) is None)
    return Proof(values, words, asked, written, years)


@lru_cache(maxsize=16)
def _said(question: str) -> tuple[frozenset[float], frozenset[str], frozenset[str]]:
    """The numbers of a question, the figures of what is not read of it, and its years."""
    read, rest = question[:READ_CHARACTERS], question[READ_CHARACTERS:]
    numbers = frozenset(number.value for said in {read, read.lower()} for number in find_quantities(as_rendered(said)))
    return numbers, frozenset(_FIGURE.findall(rest)), frozenset(years_in(question))


def _cells(evidence: Sequence[Evidence]) -> tuple[dict[Unit, list[float]], set[str]]:
    """The numbers among the cells, sorted, by what they may be shown as; and the strings with digits in them."""
    found = {unit: set[float]() for unit in Unit}
    strings = set[str]()
    for item in evidence:
        for name, column in zip_longest(item.columns, zip_longest(*item.rows)):
            values, words = _gathered(list(_distinct(column or ())))
            strings |= words
            for unit in _units(name or ""):
                found[unit] |= values
            if _is_fraction(name or ""):
                found[Unit.PERCENT].update(100.0 * value for value in values if abs(value) <= 1.0)
    return {unit: sorted(values) for unit, values in found.items()}, strings


@lru_cache(maxsize=1024)
def _units(column: str) -> tuple[Unit, ...]:
    """What the cells of a column may be shown as, as far as its name tells: ``spend`` is no count."""
    words = set(re.split(r"[^a-z]+", column.lower()))
    if not words.isdisjoint(_OF_HUNDRED):
        return (Unit.NONE, Unit.PERCENT)
    is_part = words.isdisjoint(_OF_AMOUNTS) or not words.isdisjoint(_OF_PARTS)
    money, count = not words.isdisjoint(_OF_MONEY), not words.isdisjoint(_OF_COUNTS)
    told = money is not count and words.isdisjoint(_OF_WHAT_HAS)
    units = [Unit.NONE, *([Unit.PERCENT] if is_part else [])]
    units += [Unit.MONEY] if not told or money else []
    return (*units, *([Unit.COUNT] if not told or count else []))


def _distinct(column: Sequence[Any]) -> Iterable[Any]:
    """The cells of a column, each once where they can be told apart: most say the same again and again."""
    try:
        return set(column)
    except TypeError:  # there are cells within its cells
        return column


@lru_cache(maxsize=1024)
def _is_fraction(column: str) -> bool:
    """Whether a column is called after parts of one, as ``share`` is, and not of a hundred."""
    words = set(re.split(r"[^a-z]+", column.lower()))
    return not words.isdisjoint(_OF_ONE) and words.isdisjoint(_OF_HUNDRED)


def _gathered(cells: list[Any]) -> tuple[set[float], set[str]]:
    """The numbers of some cells and of those in them, and the strings with digits in them."""
    values, strings = set[float](), set[str]()
    for cell in cells:  # those within others are added as they are met
        kind = type(cell)
        if kind is float or kind is int:
            values.add(cell)
        elif kind is str:
            strings.add(cell)
        elif kind in _NESTED:
            cells.extend(cell.values() if kind is dict else cell)
    telling = set(filter(_DIGIT.search, strings))
    values.update(number for string in telling if (number := number_in(string)) is not None)
    return set(filter(math.isfinite, values)), telling


_NESTED = frozenset({list, tuple, dict})


def _traces(number: Shown, values: Sequence[float]) -> bool:
    """Whether a number is one of these, or without a sign the amount of a negative one: its words may say that."""
    if not math.isfinite(number.value):
        return False  # no cell is as large, and nothing can be told of what is near it
    return _is_near(number, number.value, values) or (not number.signed and _is_near(number, -number.value, values))


def _is_near(number: Shown, value: float, values: Sequence[float]) -> bool:
    allowed = number.tolerance * (1 + _ROUNDING) + abs(value) * 1e-12
    nearest = bisect_left(values, value - allowed)
    return nearest < len(values) and values[nearest] <= value + allowed


def _without_strings(text: str, strings: Set[str]) -> str:
    """The text without the cells that are words with digits in them, longest first: they are quoted, not counted."""
    present = [string for string in strings if string in text]
    for string in sorted(present, key=len, reverse=True):
        text = "".join(_around(string, text))
    return text


def _around(string: str, text: str) -> Iterator[str]:
    """The text with a space where the string stands by itself. No pattern of it is compiled: there are thousands."""
    kept = 0
    found = text.find(string)
    while found >= 0:
        end = found + len(string)
        alone = _WORD_BEGINS.match(text, found) is not None and _WORD_ENDS.match(text, end) is not None
        if alone:
            yield text[kept:found]
            yield " "
            kept = end
        found = text.find(string, end if alone else found + 1)
    yield text[kept:]
