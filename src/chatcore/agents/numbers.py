"""Which numbers of a text do not trace to the evidence beside it (protocol.md, 1.3). Pure.

A number traces where a cell, rounded to the precision that the text shows, equals it: ``$9,990.01`` traces to
9990.01252875, ``1.2M`` to 1234567, ``12.5%`` to 12.53, ``five thousand`` to 5,123. An unsigned number traces to a
negative cell too ("fell by $74.33"); a percentage to no cell of a column that is called after amounts or counts, as
``spend`` is and ``spend_percent`` is not. Nothing is asked of what is no quantity: dates and times, list marks, names
with digits in them, code, numbers of the question, and integers below 10.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import attrs

from chatcore.agents.dates import years_in
from chatcore.agents.quantities import (
    Shown,
    find_quantities,
    may_say_numbers,
    number_in,
    without_list_marks,
)
from chatcore.agents.rendered import as_rendered, without_code
from chatcore.protocol.messages import Evidence

_ROUNDING = 1e-9
"""Allowed beside half a unit of the last digit shown: what binary fractions lose."""

_DIGIT = re.compile(r"\d")
_WORD_BEGINS = re.compile(r"(?<![\w.])(?<!\w-)")
_WORD_ENDS = re.compile(r"(?!-?\w)")
_OF_AMOUNTS = frozenset({
    "spend", "cost", "costs", "amount", "amounts", "price", "prices", "usd", "eur", "budget", "logged", "distance",
    "calls", "tokens", "rows", "errors", "sessions", "models", "users", "days", "months", "hours", "seconds", "minutes",
    "count", "requests", "groups", "saving", "savings", "baseline", "projected", "input", "output",
})  # fmt: skip
_OF_HUNDRED = frozenset({"percent", "percentage", "pct"})
_OF_ONE = frozenset({"share", "part", "fraction", "ratio", "rate"})
_OF_PARTS = _OF_HUNDRED | _OF_ONE | {"growth", "change"}


def untraceable_numbers(text: str, *, question: str, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The numbers of ``text`` that neither need proof nor trace to a cell, as they stand there, each once.

    Args:
        text: Markdown.
        question: what was asked; its numbers may be repeated.
        evidence: the queries whose rows may prove a number.
    """
    return proof_of(question, evidence).untraceable_numbers(text) if may_say_numbers(text) else ()


@attrs.frozen
class Proof:
    """What a question and some evidence prove; made by :func:`proof_of`.

    Args:
        values: the numbers of the cells, sorted.
        parts: those of them that a percentage may be, sorted.
        strings: the cells that are words with digits in them.
        asked: the numbers of the question.
        years: that are named in the question or in cells.
    """

    values: Sequence[float]
    parts: Sequence[float]
    strings: Set[str]
    asked: Set[float]
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
        known = number.needs_no_proof or number.value in self.asked or (number.text in self.years and not number.led)
        return known or _traces(number, self.parts if number.percent else self.values)


def proof_of(question: str, evidence: Sequence[Evidence]) -> Proof:
    """What may be said of numbers after a question, given the queries whose rows may prove them."""
    values, parts, strings = _cells(evidence)
    years = frozenset(years_in(" ".join((question, *strings))))
    words = frozenset(string for string in strings if number_in(string) is None)
    asked = frozenset(
        number.value for said in (question, question.lower()) for number in find_quantities(as_rendered(said))
    )
    return Proof(values, parts, words, asked, years)


def _cells(evidence: Sequence[Evidence]) -> tuple[list[float], list[float], set[str]]:
    """The numbers among the cells, sorted; those that a percentage may be; and the strings with digits in them."""
    plain: list[Any] = []
    amounts: list[Any] = []
    fractions: list[Any] = []
    for item in evidence:
        for name, column in zip_longest(item.columns, zip_longest(*item.rows)):
            cells = list(_distinct(column or ()))
            (amounts if name is not None and _is_amount(name) else plain).extend(cells)
            fractions += cells if name is not None and _is_fraction(name) else []
    parts, strings = _gathered(plain)
    values, others = _gathered(amounts)
    as_percent = {100.0 * part for part in _gathered(fractions)[0] if abs(part) <= 1.0}
    return sorted(values | parts), sorted(parts | as_percent), strings | others


def _distinct(column: Sequence[Any]) -> Iterable[Any]:
    """The cells of a column, each once where they can be told apart: most say the same again and again."""
    try:
        return set(column)
    except TypeError:  # there are cells within its cells
        return column


@lru_cache(maxsize=1024)
def _is_amount(column: str) -> bool:
    """Whether a column is called after amounts or counts, and not after parts of something."""
    words = set(re.split(r"[^a-z]+", column.lower()))
    return not words.isdisjoint(_OF_AMOUNTS) and words.isdisjoint(_OF_PARTS)


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
