"""The numbers that a text shows, in digits and in words. Pure.

Nothing is found in what is no quantity: dates and times, the marks of a list, names with digits in them.
"""

from __future__ import annotations

import math
import re
from enum import Enum
from functools import lru_cache

import attrs

from chatcore.agents.dates import is_led, without_dates


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


BELOW_NEED_NO_PROOF = 10
"""Integers below this are counted at a glance."""

_SHORT = 4096
"""Characters of a text whose numbers are remembered."""

_ORDINAL = r"\d\d(?:\.\d+)?(?:st|nd|rd|th)"
_FAMILIES = "claude|gpt|gemini|gemma|llama|qwen|mistral|mixtral|deepseek|grok|phi|sonnet|opus|haiku"
_VARIANTS = "sonnet|opus|haiku|pro|flash|mini|nano|turbo|instruct|coder|chat|large|small|medium|scout|maverick"
_COUNTED = r"\s?(?:[%$€£¥₹‰]|(?:[kmbt]n?|percent|dollars?|usd|eur|cents?|calls?|tokens?|times|thousand|[mb]illion)\b)"

_LIST_MARK = re.compile(
    r"^[ \t>]*(?:(?:#{1,6}[ \t]|[-+*][ \t])?(?:\*\*)?(?P<item>\d{1,9})\\?[.)](?=[\s*])"
    r"|\|[ \t]*(?P<rank>\d{1,3})[ \t]*(?=\|))",
    re.MULTILINE,
)
"""Of an item, bold or not, or of a row of a table that begins with its rank."""


def _named(parts: str, pattern: str) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """A pattern, and in lower case what one of it has in it: texts without that are not searched by it."""
    return tuple(parts.replace("_", " ").split("|")), re.compile(pattern, re.IGNORECASE)


_NAMES = (
    _named("://", r"\bhttps?://[^\s<>()\[\]|]*"),
    _named("24/7", r"(?<![\w/.,$])24/7(?![\w/]|[.,]\d)"),
    _named(
        "percentile",
        rf"(?<![\w.,$]){_ORDINAL}(?:(?:,|/|,?\s(?:and|or))\s?(?:the\s)?{_ORDINAL})*[\s-]percentiles?\b",
    ),
    _named("per_1", r"\bper\s(?:(?:10{0,2}|1(?:,?000){1,2})(?!\w|[.,]?\d)|1\s?(?:k|m|thousand|million)\b)"),
    _named("/1|/_1", r"(?<=[\w$€£¥])\s?/\s?1\s?[km](?!\w|[.,]\d)"),
    _named(
        "rfc|iso_|iso-|http", r"\b(?:rfc|iso|http(?:/\d(?:\.\d)?)?(?:\sstatus)?(?:\scode)?)[\s-]\d{3,5}(?!\w|[.,]\d)"
    ),
    _named(
        "version|release_|python|sqlite|duckdb",
        r"\b(?:versions?|release|python|sqlite|duckdb)[\s/]v?\d+(?:\.\d+)+(?![\w%]|,\d)",
    ),
    _named(
        _FAMILIES.replace("|", "_|") + "_",
        rf"\b(?:{_FAMILIES})(?:\s(?:{_VARIANTS}|\d(?:\.\d\d?)?(?![.,]?\d)|\d{{1,3}}b\b)(?!{_COUNTED}))+",
    ),
)
"""What has digits and spaces in it and is no quantity: addresses, percentiles, what prices are per, versions."""
_RUN = re.compile(r"[A-Za-z0-9_][\w.:@#+-]*(?<![.:+-])")
_CURRENCIES = r"(?:USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|KRW|SGD|HKD|NZD|ZAR|TRY|US)"
_CURRENCY_CODE = re.compile(rf"{_CURRENCIES}(?=\d)")
_EXPONENT = re.compile(r"\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+|x10\Z)")
_NUMBER = re.compile(
    r"(?=[-−–+$€£¥₹\d]|\.\d)(?P<sign>(?<![\w)\]])[-−–+])?(?P<currency>[$€£¥₹]\s?)?(?<!\d)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?:[_'’]\d{3})+(?!\d)|\d+|(?<![\w.)])(?=\.\d))(?P<decimals>\.\d+)?"
    r"(?P<exponent>[eE][+-]?\d+)?(?:\s?[×x*·]\s?10\s?\^\s?(?P<power>[-−+]?\d+))?"
    r"(?:(?P<suffix>(?(currency)(?:[mbt]n?|[kKMBT]|MM)|(?:[kKMBT]|MM|[mbt]n))(?![A-Za-z])|\s?[kKMB](?=\s?tok)|[千万萬亿億])"
    r"|[\s-]{0,2}(?P<word>(?i:hundreds?|thousands?|tausend|tsd|mille|dozens?|lakhs?|crores?|milli(?:on(?:s|en|es)?|oni)"
    r"|mill?ones|mio|mln|[mbt]n|milliard(?:en?|s|i)?|mrd|bln|billions?|trillions?))\b)?"
)
_PERCENT = re.compile(
    r"\s?(?:%|(?:percent|per cent|percentage points?|pct|pp|prozent|pour cent|por ciento|per cento)\b)", re.IGNORECASE
)
_SAID = re.compile(
    r"\s?(?:(?P<money>usd|eur|dollars?|euros?)|calls?|tokens?|rows?|requests?|users?|models?|sessions?|errors?)\b",
    re.IGNORECASE,
)
_PER_MILLE = re.compile(r"\s?‰")
_SCALES = {
    "hundred": 1e2, "thousand": 1e3, "tausend": 1e3, "tsd": 1e3, "mille": 1e3, "dozen": 12.0, "lakh": 1e5,
    "crore": 1e7, "bln": 1e9, "billion": 1e9, "trillion": 1e12, "mrd": 1e9,
    "k": 1e3, "m": 1e6, "mm": 1e6, "mn": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12, "tn": 1e12,
    "千": 1e3, "万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8,
}  # fmt: skip
"""What else begins with ``mi`` or ``ml`` is a million, in one language or another."""
_ABOUT = re.compile(
    r"(?:\b(?:about|around|roughly|approximately|approx\.?|circa|ca\.?|nearly|almost|(?:just|well) over|under"
    r"|(?:more|less|fewer) than|at least|some)\s+|[~≈><]\s?)\Z",
    re.IGNORECASE,
)
_NO_DIGIT = re.compile(r"\D+")
_YEAR_DIGITS = 4
_OR_SO = re.compile(r"\+|\s+or\s+so\b", re.IGNORECASE)
"""What says that a number is rounded: "more than 5,500 calls" are 5,522; "over 5,500" may mean that many."""
_BEFORE = 24
"""Characters before a number that are looked at for it."""

_SPELT = _words("""
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety
""")
_SPELT_VALUES = {word: float(n) for n, word in enumerate(_SPELT[:19], 1)}
_SPELT_VALUES |= {word: 10.0 * n for n, word in enumerate(_SPELT[19:], 2)}
_ONES, _TEENS, _TENS = "|".join(_SPELT[:9]), "|".join(_SPELT[9:19]), "|".join(_SPELT[19:])
_SPELT_SCALES = {"dozen": 12.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SMALL = rf"(?:(?:{_TENS})(?:[\s-]?(?:{_ONES})(?!\w))?|{_TEENS}|{_ONES})"
_BELOW_THOUSAND = rf"{_SMALL}(?:[\s-]hundred(?:(?:\sand)?\s{_SMALL})?)?"
_SPELT_NUMBER = re.compile(
    rf"\b(?<!per )(?!twenty[\s-]?twenty){_BELOW_THOUSAND}"
    rf"(?:[\s-](?:{'|'.join(_SPELT_SCALES)})(?:(?:,|\sand)?\s{_BELOW_THOUSAND})?)*\b",
    re.IGNORECASE,
)
_SPELT_WORD = re.compile(rf"{'|'.join(_SPELT[::-1])}|hundred|{'|'.join(_SPELT_SCALES)}")
_PARTS_OF_SPELT = _words("ten elev twel teen nty rty fty xty hty ety hundred dozen thousand illion")
"""One of them is in each number in words from ten on."""
_MAY_SAY_NUMBERS = re.compile(
    r"[\d&]|[^\x00-\x7f]|\b(?:ten|eleven|twelve|thir|four|fif|six|seven|eigh|nine|twen|for|one|two|three|five)",
    re.IGNORECASE,
)
_FIGURE_NAME = re.compile(
    r"(?:costs?|spend|spent|total|sum|tokens?|calls?|rows?|requests?|users?|price|amount|usd|eur|saving|savings|paid|bill"
    r"|average|mean|median|max|min|count|approx|about|circa|ca)[-_]?\d[\d.]*|[A-Za-z]+\d{4,}|x\d+",
    re.IGNORECASE,
)
"""What looks like a name and is a number with a word before it: ``cost-5000``, ``x5000``."""


class Unit(Enum):
    """What a number is said to be; NONE where it is not said."""

    NONE = "none"
    PERCENT = "percent"
    MONEY = "money"
    COUNT = "count"


@attrs.frozen
class Shown:
    """A number as a text shows it.

    Args:
        text: the characters.
        value: what they say, with its sign if it has one; infinite where they are no number by themselves.
        tolerance: half a unit of the last digit shown.
        signed: whether it has a sign.
        unit: what it is said to be.
        led: whether the words before it make it an amount, though it look like a year.
    """

    text: str
    value: float
    tolerance: float
    signed: bool = False
    unit: Unit = Unit.NONE
    led: bool = False

    @property
    def needs_no_proof(self) -> bool:
        """Whether it is an integer below 10."""
        return abs(self.value) < BELOW_NEED_NO_PROOF and self.tolerance == 0.5


def may_say_numbers(text: str) -> bool:
    """Whether a text can have a number in it, in digits or in words."""
    return _MAY_SAY_NUMBERS.search(text) is not None


def find_quantities(text: str) -> tuple[Shown, ...]:
    """The numbers of a text without code, as they stand there; of a short one they are remembered: many come again."""
    return _kept(text) if len(text) <= _SHORT else _find(text)


@lru_cache(maxsize=1024)
def _kept(text: str) -> tuple[Shown, ...]:
    return _find(text)


def _find(text: str) -> tuple[Shown, ...]:
    figures = _RUN.sub(_blank_name, _without_names(without_dates(text)))
    shown = map(_shown, _NUMBER.finditer(figures))
    return (*shown, *(map(_spelt, _SPELT_NUMBER.finditer(text)) if _may_be_spelt(text.lower()) else ()))


def _without_names(text: str) -> str:
    lowered = text.lower()
    for parts, pattern in _NAMES:
        text = pattern.sub(" ", text) if any(part in lowered for part in parts) else text
    return text


def _may_be_spelt(text: str) -> bool:
    return any(part in text for part in _PARTS_OF_SPELT)


def without_list_marks(text: str) -> str:
    """The text without the marks of its lists: small ones, and those that follow upon another."""
    numbers = {(mark.lastgroup, int(mark[mark.lastgroup or 0])) for mark in _LIST_MARK.finditer(text)}

    def blank(mark: re.Match[str]) -> str:
        number = int(mark[mark.lastgroup or 0])
        small = number <= BELOW_NEED_NO_PROOF and mark["item"] is not None
        return " " if small or (mark.lastgroup, number - 1) in numbers else mark.group()

    return _LIST_MARK.sub(blank, text) if numbers else text


def number_in(string: str) -> float | None:
    """What a string says that is nothing but a number; one that begins with noughts is a name."""
    try:
        return float(string) if string[:1] in "-+.0123456789" and not _is_padded(string) else None
    except ValueError:
        return None


def _is_padded(digits: str) -> bool:
    """Whether it goes on with what stands before it, as the end of ``7 000`` does, or is a name, as ``007`` is."""
    return digits[:1] == "0" and digits[1:3].isdigit() and len(digits[1:3]) == 2


def _spelt(match: re.Match[str]) -> Shown:
    """A number in words; what is said in thousands is taken to be rounded to them."""
    whole = below = 0.0
    last = 1.0
    for word in _SPELT_WORD.findall(match.group().lower()):
        last = 100.0 if word == "hundred" else _SPELT_SCALES.get(word, 1.0)
        if word in _SPELT_SCALES:
            whole, below = whole + below * last, 0.0
        else:
            below = below * last + _SPELT_VALUES.get(word, 0.0)
    last = last if last > _SPELT_SCALES["dozen"] else 1.0
    return Shown(match.group(), whole + below, 0.5 * last, unit=_unit(match.string, match.end()))


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
    scale = _scale(match["suffix"] or match["word"]) * float(f"1{match['exponent'] or ''}")  # what is too large is inf
    scale *= float(f"1e{(match['power'] or '0').replace('−', '-')}")
    per_mille = _PER_MILLE.match(match.string, match.end()) is not None
    scale *= 0.1 if per_mille else 1.0
    value = float(_NO_DIGIT.sub("", match["digits"]) + decimals) * scale
    return Shown(
        match.group().strip(),
        math.inf if _is_padded(match["digits"]) else -value if match["sign"] not in (None, "+") else value,
        0.5 * 10.0 ** (-len(decimals) + 1 if decimals else _rounded_places(match)) * scale,
        match["sign"] is not None,
        Unit.PERCENT if per_mille else Unit.MONEY if match["currency"] else _unit(match.string, match.end()),
        match.end() - match.start() == _YEAR_DIGITS and is_led(match.string, match.start()),
    )


def _unit(text: str, end: int) -> Unit:
    """What is said right after a number."""
    if _PERCENT.match(text, end) is not None:
        return Unit.PERCENT
    said = _SAID.match(text, end)
    return Unit.NONE if said is None else Unit.MONEY if said["money"] else Unit.COUNT


def _rounded_places(match: re.Match[str]) -> int:
    """How many noughts of a whole number show that it was rounded, as its words say: two digits are not of them."""
    digits = _NO_DIGIT.sub("", match["digits"])
    if not digits.endswith("0"):
        return 0
    text, start = match.string, match.start()
    about = _ABOUT.search(text[max(start - _BEFORE, 0) : start]) or _OR_SO.match(text, match.end())
    return len(digits) - max(len(digits.rstrip("0")), 2) if about is not None and len(digits) > 2 else 0


def _scale(unit: str | None) -> float:
    if unit is None:
        return 1.0
    unit = unit.strip().lower()
    return _SCALES.get(unit.removesuffix("s"), 1e9 if unit.startswith("milliard") else 1e6)
