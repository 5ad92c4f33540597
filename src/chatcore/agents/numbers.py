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

from chatcore.protocol.messages import Evidence


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


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
_PERCENT = re.compile(r"\s?(?:%|percent\b|per cent\b)")
_CHANGED = re.compile(
    r"\b(?:rose|rises?|risen|fell|falls?|fallen|grew|grown|grows|drop(?:ped|s)?|increased?|decreased?|climbed|jumped|sank"
    r"|shrank|reduced|cut|went|came|comes|amounts?|amounted|adds? up|added up|up|down|equal)(?: back)?\s+(?:to|by)\s+$"
    r"|\b(?:total|sum|average|mean|median|costs?|spend|bill|count|maximum|minimum)\s+of\s+$",
    re.IGNORECASE,
)
"""What stands before ``2024`` where that is an amount and no year."""
_SPELT = _words("""
    two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety
""")
_SPELT_VALUES = {word: float(n) for n, word in enumerate(_SPELT[:18], 2)}
_SPELT_VALUES |= {word: 10.0 * n for n, word in enumerate(_SPELT[18:], 2)}
_SPELT_NUMBER = re.compile(
    rf"\b(?P<tens>{'|'.join(_SPELT)})(?:[- ](?P<ones>{'|'.join(_SPELT[:8])}))?[- ]"
    r"(?P<scale>hundred|thousand|million|billion|trillion)\b",
    re.IGNORECASE,
)
_MAY_BE_SPELT = re.compile(r"\d|hundred|thousand|illion", re.IGNORECASE)
_FIGURE_NAME = re.compile(
    r"(?:costs?|spend|spent|total|sum|tokens?|calls?|rows?|requests?|users?|price|amount|usd|eur|saving|savings|paid|bill"
    r"|average|mean|median|max|min|count|approx|about|circa|ca)[-_]\d+|[A-Za-z]+\d{4,}|x\d+",
    re.IGNORECASE,
)
"""What looks like a name and is a number with a word before it: ``cost-5000``, ``x5000``."""
_OF_AMOUNTS = _words("""
    spend cost costs amount amounts price prices usd eur calls tokens rows errors sessions models users days months
    hours seconds minutes count requests groups saving savings baseline projected
""")
_OF_PARTS = _words("percent percentage pct share part fraction ratio rate growth change")
_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_SCALE_WORDS = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}


@attrs.frozen
class Shown:
    """A number as a text shows it.

    Args:
        text: the characters.
        value: what they say, with its sign if it has one.
        tolerance: half a unit of the last digit shown.
        percent: whether it is a percentage.
        led: whether the words before it make it an amount, though it look like a year.
    """

    text: str
    value: float
    tolerance: float
    percent: bool = False
    led: bool = False

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
        numbers = _numbers(_without_strings(_without_marks(text), self.strings))
        return tuple(dict.fromkeys(number.text for number in numbers if not self._proves(number)))

    def _proves(self, number: Shown) -> bool:
        known = number.needs_no_proof or number.value in self.asked or (number.text in self.years and not number.led)
        return known or _traces(number, self.parts if number.percent else self.values)


def proof_of(question: str, evidence: Sequence[Evidence]) -> Proof:
    """What may be said of numbers after a question, given the queries whose rows may prove them."""
    values, parts, strings = _cells(evidence)
    years = frozenset(re.findall(rf"(?<!\d){_YEAR}(?!\d)", " ".join((question, *strings))))
    words = frozenset(string for string in strings if _number_in(string) is None)
    asked = frozenset(number.value for said in (question, question.lower()) for number in _numbers(said))
    return Proof(values, parts, words, asked, years)


def may_say_numbers(text: str) -> bool:
    """Whether a text can have a number in it, in digits or in words."""
    return _MAY_BE_SPELT.search(text) is not None


def code_is_closed(text: str) -> bool:
    """Whether no code of a text goes on in what follows it."""
    rest = _CODE.sub(lambda code: "" if code.group().endswith(("`", "~~~")) else "`", text)
    return "`" not in rest and "~~~" not in rest


def _cells(evidence: Sequence[Evidence]) -> tuple[list[float], list[float], set[str]]:
    """The numbers among the cells, sorted; those that a percentage may be; and the strings with digits in them.

    A negative number stands there without its sign too: a text may leave that to its words.
    """
    plain: list[Any] = []
    amounts: list[Any] = []
    for item in evidence:
        for name, column in zip_longest(item.columns, zip_longest(*item.rows)):
            (amounts if name is not None and _is_amount(name) else plain).extend(_distinct(column or ()))
    parts, strings = _gathered(plain)
    values, others = _gathered(amounts)
    return sorted(values | parts), sorted(parts), strings | others


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
    values.update(number for string in telling if (number := _number_in(string)) is not None)
    values.update([-value for value in values if value < 0])
    return set(filter(math.isfinite, values)), telling


_NESTED = frozenset({list, tuple, dict})


def _number_in(string: str) -> float | None:
    try:
        return float(string) if string[:1] in "-+.0123456789" else None
    except ValueError:
        return None


def _traces(number: Shown, values: Sequence[float]) -> bool:
    if not math.isfinite(number.value):
        return False  # no cell is as large, and nothing can be told of what is near it
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
    undated = _DATES.sub(_blank_date, text) if _MAY_HOLD_DATE.search(text) else text
    shown = map(_shown, _NUMBER.finditer(_RUN.sub(_blank_name, undated)))
    return (*shown, *map(_spelt, _SPELT_NUMBER.finditer(text)))


def _blank_date(match: re.Match[str]) -> str:
    """Nothing in place of a date; but ``rose to 2024`` ends in an amount."""
    date = match.group()
    return date if date[-4:].isdigit() and date[:2].isalpha() and _is_led(match.string, match.end() - 4) else " "


def _is_led(text: str, start: int) -> bool:
    """Whether what stands before a number makes it an amount, though it look like a year."""
    return _CHANGED.search(text[max(start - _BEFORE, 0) : start]) is not None


_BEFORE = 24
"""Characters before a year that are looked at."""


def _spelt(match: re.Match[str]) -> Shown:
    """A number in words; what is said in thousands is taken to be rounded to them."""
    scale = _SCALE_WORDS[match["scale"].lower()]
    value = _SPELT_VALUES[match["tens"].lower()] + _SPELT_VALUES.get((match["ones"] or "").lower(), 0.0)
    return Shown(match.group(), value * scale, 0.5 * scale)


def _blank_name(match: re.Match[str]) -> str:
    run = match.group()
    return " " if _is_name(run) else run


def _is_name(run: str) -> bool:
    """Whether a run of letters and digits is a name, as ``gpt-4o`` is and ``10k`` or ``30-day`` is not."""
    if not any(map(str.isdigit, run)) or _FIGURE_NAME.fullmatch(run):
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
    scale *= float(f"1{match['exponent'] or ''}")  # of any length: what is too large is infinite
    negative = (match["sign"] or "+") != "+"
    value = float(match["digits"].replace(",", "") + decimals) * scale
    tolerance = 0.5 * 10.0 ** -max(len(decimals) - 1, 0) * scale
    percent = _PERCENT.match(match.string, match.end()) is not None
    return Shown(
        match.group().strip(),
        -value if negative else value,
        tolerance,
        percent,
        _is_led(match.string, match.start()),
    )
