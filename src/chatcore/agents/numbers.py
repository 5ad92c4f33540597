"""Which numbers of a text do not trace to the evidence beside it (protocol.md, 1.3). Pure.

A number traces where a cell, rounded to the precision that the text shows, equals it: ``$9,990.01`` traces to
9990.01252875, ``1.2M`` to 1234567, ``12.5%`` to 12.53. An unsigned number traces to a negative cell too ("fell by
$74.33"); a percentage only to a cell that holds a percentage. Nothing is asked of what is no quantity: dates and
times, list marks, names with digits in them, code, numbers of the question, and integers below 10.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import lru_cache
from itertools import chain
from typing import Any

import attrs

from chatcore.protocol.messages import Evidence

BELOW_NEED_NO_PROOF = 10
"""Integers below this are counted at a glance."""

_SHORT = 4096
"""Characters of a text whose numbers are remembered."""

_ROUNDING = 1e-9
"""Allowed beside half a unit of the last digit shown: what binary fractions lose."""

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d\d"
_CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
_ZONE = r"(?:\s?(?:Z|UTC)|[+-]\d\d:?\d\d)?"
_QUANTITY = (
    r"(?:calls?|tokens?|rows?|requests?|users?|models?|dollars?|usd|times|runs?|days?|weeks?|months?|hours?|seconds?"
    r"|minutes?|messages?|errors?|percent|records?|features?)\b"
)
_TIME_WORD = (
    rf"(?:in|of|since|from|to|until|till|through|during|before|after|years?|and|or|vs\.?|versus|than|between|by|for"
    rf"|q[1-4]|h[12]|{_MONTH})"
)
_DATES = re.compile(
    "|".join(
        (
            rf"\b{_YEAR}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?(?:[T ]{_CLOCK}{_ZONE})?(?![\w-])",
            rf"\b{_YEAR}[- ]?(?:q[1-4]|h[12]|w\d\d)\b",
            rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?(?!\w)",
            rf"\b{_MONTH}\s+{_DAY}(?:,?\s+{_YEAR})?(?![\w,.]*\d)",
            rf"\b\d\d?[./]\d\d?[./]{_YEAR}\b",
            rf"(?<![\w.:]){_CLOCK}(?:\s?[ap]m)?\b{_ZONE}",
            rf"\b{_TIME_WORD}\s+{_YEAR}\b(?![,.-]?\d)(?!\s+{_QUANTITY})(?:\s?[-–]\s?{_YEAR}\b)?",
        )
    ),
    re.IGNORECASE,
)
_MAY_HOLD_DATE = re.compile(r"(?:19|20)\d\d|\d:\d|jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec", re.IGNORECASE)
"""A part of everything that is a date or a time: most texts have none, and are not searched by the slower pattern."""
_DIGIT = re.compile(r"\d")
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LIST_MARK = re.compile(r"^[ \t>]*\d{1,9}[.)](?=\s)", re.MULTILINE)
_RUN = re.compile(r"[A-Za-z0-9_][\w.:@#+-]*(?<![.:+-])")
_WORD_BEGINS = re.compile(r"(?<![\w.])(?<!\w-)")
_WORD_ENDS = re.compile(r"(?!-?\w)")
_CURRENCY_CODE = re.compile(r"(?:USD|EUR|GBP|CHF|US)(?=\d)")
_EXPONENT = re.compile(r"\d[\d,]*(?:\.\d+)?[eE][+-]?\d+")
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]])[-−+])?(?:[$€£]\s?)?(?<!\d)(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?P<decimals>\.\d+)?"
    r"(?P<exponent>[eE][+-]?\d+)?(?:(?P<suffix>[kKMBT])(?![A-Za-z])|\s(?P<word>thousand|million|billion|trillion)\b)?"
)
_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_SCALE_WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}


@attrs.frozen
class Shown:
    """A number as a text shows it.

    Args:
        text: the characters.
        value: what they say, with its sign if it has one.
        tolerance: half a unit of the last digit shown.
        signed: whether a minus stands before it.
    """

    text: str
    value: float
    tolerance: float
    signed: bool

    @property
    def needs_no_proof(self) -> bool:
        """Whether it is an integer below 10."""
        return abs(self.value) < BELOW_NEED_NO_PROOF and self.tolerance == 0.5


def untraceable_numbers(text: str, *, question: str, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The numbers of ``text`` that neither need proof nor trace to a cell, as they stand there, each once.

    Args:
        text: Markdown.
        question: what was asked; its numbers may be repeated.
        evidence: the queries whose rows may prove a number.
    """
    return proof_of(question, evidence).untraceable_numbers(text) if _DIGIT.search(text) else ()


@attrs.frozen
class Proof:
    """What a question and some evidence prove; made by :func:`proof_of`.

    Args:
        values: the numbers of the cells, sorted.
        strings: the cells that are words with digits in them.
        asked: the numbers of the question.
        years: that are named in the question or in cells.
    """

    values: Sequence[float]
    strings: Set[str]
    asked: Set[float]
    years: Set[str]
    _last: dict[str, tuple[str, ...]] = attrs.field(factory=dict, eq=False, repr=False)
    """The text that was judged last: an answer's is judged when it is said, and again with what stands beside it."""

    def untraceable_numbers(self, text: str) -> tuple[str, ...]:
        """The numbers of ``text`` that neither need proof nor have it, as they stand there, each once."""
        if _DIGIT.search(text) is None:
            return ()
        if text not in self._last:
            found = self._untraceable(text)
            self._last.clear()
            self._last[text] = found
        return self._last[text]

    def _untraceable(self, text: str) -> tuple[str, ...]:
        numbers = _numbers(_without_strings(_without_marks(text), self.strings))
        return tuple(dict.fromkeys(number.text for number in numbers if not self._proves(number)))

    def _proves(self, number: Shown) -> bool:
        known = number.needs_no_proof or number.value in self.asked or number.text in self.years
        return known or _traces(number, self.values)


def proof_of(question: str, evidence: Sequence[Evidence]) -> Proof:
    """What may be said of numbers after a question, given the queries whose rows may prove them."""
    values, strings = _cells(evidence)
    years = frozenset(re.findall(rf"(?<!\d){_YEAR}(?!\d)", " ".join((question, *strings))))
    words = frozenset(string for string in strings if _number_in(string) is None)
    asked = frozenset(number.value for said in (question, question.lower()) for number in _numbers(said))
    return Proof(values, words, asked, years)


def code_is_closed(text: str) -> bool:
    """Whether no code of a text goes on in what follows it."""
    rest = _CODE.sub(lambda code: "" if code.group().endswith(("`", "~~~")) else "`", text)
    return "`" not in rest and "~~~" not in rest


def _cells(evidence: Sequence[Evidence]) -> tuple[list[float], set[str]]:
    """The numbers among the cells, sorted, and the strings with digits in them.

    A negative number stands there without its sign too: a text may leave that to its words.
    """
    values: set[float] = set()
    strings: set[str] = set()
    cells: list[Any] = [row for item in evidence for row in item.rows]
    while cells:
        values.update(cell for cell in cells if type(cell) is int or type(cell) is float)
        strings.update(cell for cell in cells if type(cell) is str)
        cells = [*chain.from_iterable(map(_within, (cell for cell in cells if type(cell) in _NESTED)))]
    telling = set(filter(_DIGIT.search, strings))
    values.update(number for string in telling if (number := _number_in(string)) is not None)
    values.update([-value for value in values if value < 0])
    return sorted(filter(math.isfinite, values)), telling


_NESTED = frozenset({list, tuple, dict})


def _within(cell: Any) -> Iterable[Any]:
    """The cells in a row, or in a cell that has some."""
    return cell.values() if type(cell) is dict else cell


def _number_in(string: str) -> float | None:
    try:
        return float(string) if string[:1] in "-+.0123456789" else None
    except ValueError:
        return None


def _traces(number: Shown, values: Sequence[float]) -> bool:
    allowed = number.tolerance * (1 + _ROUNDING) + abs(number.value) * 1e-12
    nearest = bisect_left(values, number.value - allowed)
    return nearest < len(values) and values[nearest] <= number.value + allowed


def _without_marks(text: str) -> str:
    """The text without code, and list marks."""
    return _LIST_MARK.sub(" ", _CODE.sub(" ", text))


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


def _numbers(text: str) -> tuple[Shown, ...]:
    """The numbers of a text, as they stand there; of a short one they are remembered, as many are said again."""
    return _kept_numbers(text) if len(text) <= _SHORT else _find_numbers(text)


@lru_cache(maxsize=1024)
def _kept_numbers(text: str) -> tuple[Shown, ...]:
    return _find_numbers(text)


def _find_numbers(text: str) -> tuple[Shown, ...]:
    undated = _DATES.sub(" ", text) if _MAY_HOLD_DATE.search(text) else text
    return tuple(map(_shown, _NUMBER.finditer(_RUN.sub(_blank_name, undated))))


def _blank_name(match: re.Match[str]) -> str:
    run = match.group()
    return " " if _is_name(run) else run


def _is_name(run: str) -> bool:
    """Whether a run of letters and digits is a name, as ``gpt-4o`` is and ``10k`` or ``30-day`` is not."""
    if not any(map(str.isdigit, run)):
        return False
    word, separator, number = run.rpartition(next((mark for mark in reversed(run) if not mark.isalnum()), " "))
    if separator and word.isalpha() and separator in ":.#@" and number.isdigit():
        return False  # ``Total:5000``, said without a space
    if run[0].isdigit():
        after_letter = re.search(r"[A-Za-z].*\d", run)
        return after_letter is not None and _EXPONENT.match(run) is None
    return _CURRENCY_CODE.match(run) is None and run.strip("_")[:1].isalpha()


def _shown(match: re.Match[str]) -> Shown:
    decimals = match["decimals"] or ""
    scale = _SCALES.get(match["suffix"] or "", 1.0) * _SCALE_WORDS.get(match["word"] or "", 1.0)
    scale *= 10.0 ** min(max(int((match["exponent"] or "e0")[1:]), -300), 300)
    signed = (match["sign"] or "+") != "+"
    value = float(match["digits"].replace(",", "") + decimals) * scale
    tolerance = 0.5 * 10.0 ** -max(len(decimals) - 1, 0) * scale
    return Shown(match.group().strip(), -value if signed else value, tolerance, signed)
