"""Dates and times in a text, in the shapes that people write them. Pure."""

from __future__ import annotations

import re
from typing import Final

_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|(?-i:May|MAY)|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
"""``may`` is a verb: "$25 may be saved"."""
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?(?![\d%])"
_TO: Final = r"(?:\s?[-–—&,]\s?|,?\s(?:and|or|to|through|until|till)\s(?:the\s)?)"
_DAYS: Final = rf"{_DAY}(?:{_TO}{_DAY}(?!\w|[.,]\d)){{0,9}}"
YEAR: Final = r"(?:19|20)\d\d"
_SHORT_YEAR: Final = r"['’]\d\d(?!\w|[.,]\d)"
_ANY_YEAR: Final = rf"(?:{YEAR}|{_SHORT_YEAR})"
_CLOCK: Final = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
_ZONE: Final = r"(?:\s?(?:Z|UTC)|[+-]\d\d:?\d\d)?"
_HOUR: Final = r"(?:0?[1-9]|1[0-2])(?:[:.][0-5]\d)?"
_NOON: Final = r"\s?(?:[ap]m\b|[ap]\.m\.)"
_QUANTITY: Final = (
    r"(?:%|\$|€|£|(?:calls?|tokens?|rows?|requests?|users?|models?|dollars?|usd|eur|cents?|times|runs?|days?|weeks?"
    r"|months?|hours?|seconds?|minutes?|messages?|errors?|percent|records?|features?|sessions?|k|thousand|million"
    r"|billion)\b)"
)
_NO_QUANTITY: Final = rf"(?!\s?{_QUANTITY})"
_PERIOD: Final = r"(?:[fc]y|q[1-4]|h[12])"
_TIME_WORD: Final = (
    rf"(?:in|of|since|from|to|until|till|through|during|before|after|years?|and|or|vs\.?|versus|than|between|by|for"
    rf"|early|mid|late|all|whole|{_PERIOD}|{_MONTH})"
)
_ALONE: Final = r"(?<![\w$€£¥₹.,])(?<![$€£¥₹]\s)"
"""Not the end of an amount."""
_DATES: Final = re.compile(
    "|".join(
        (
            rf"\b{YEAR}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?(?:[T ]{_CLOCK}{_ZONE})?(?![\w-])",
            rf"\b{YEAR}[- /]?(?:q[1-4]|h[12]|w\d\d)\b",
            rf"{_ALONE}{_DAYS}[\s-](?:of\s+)?{_MONTH}(?:(?:,?\s+|-){_ANY_YEAR}|-\d\d(?!\w|[.,]\d))?(?!\w)",
            rf"(?<=\bon )\b{_MONTH}\s+{_DAYS}(?:,?\s+{_ANY_YEAR})?(?![\w,.]*\d)",
            rf"\b{_MONTH}\s+{_DAYS}(?:,?\s+{_ANY_YEAR})?(?![\w,.]*\d){_NO_QUANTITY}",
            r"(?<=\bon the )\d\d?(?:st|nd|rd|th)\b",
            rf"{_ALONE}\d\d?[./-]\d\d?[./-]{YEAR}\b(?![./-]?\d)",
            rf"(?<![\w.,/-])(?:0[1-9]|1[0-2])/{YEAR}\b(?!/)",
            rf"(?<![\w.,/-]){YEAR}/(?:0[1-9]|1[0-2])(?:/(?:0[1-9]|[12]\d|3[01]))?(?![\w/])",
            rf"{_ALONE}{_HOUR}(?:{_NOON})?\s?[-–—]\s?{_HOUR}{_NOON}",
            rf"{_ALONE}{_HOUR}{_NOON}",
            rf"(?<![\w.:]){_CLOCK}(?:\s?[ap]m)?\b{_ZONE}",
            rf"\b{_PERIOD}[\s/-]?{_ANY_YEAR}(?:[/-]\d\d(?!\d))?(?![,.-]?\d)",
            rf"\b{_MONTH}[\s-]?{_SHORT_YEAR}",
            rf"\b{_TIME_WORD}[\s-]+{YEAR}\b(?![,.-]?\d)(?!\s+{_QUANTITY})(?:\s?[-–]\s?{YEAR}\b)?",
            rf"{_ALONE}{YEAR}\s?[-–/]\s?{YEAR}\b(?![,.-]?\d){_NO_QUANTITY}",
        )
    ),
    re.IGNORECASE,
)
_DATE_SHAPE: Final = re.compile(r"[12][90]\d\d|\d:\d|\d\s?[aApP]\.?[mM]|['’]\d\d")
_DATE_PARTS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "on the ",
)  # fmt: skip
"""A part of everything that is a date or a time: most texts have none, and are not searched by the slower pattern."""

_CHANGED: Final = re.compile(
    r"\b(?:rose|rises?|risen|fell|falls?|fallen|grew|grown|grows|drop(?:ped|s)?|increased?|decreased?|climbed|jumped|sank"
    r"|shrank|reduced|cut|went|came|comes|amounts?|amounted|adds? up|added up|up|down|equal)(?: back)?\s+(?:to|by)\s+$"
    r"|\b(?:total|sum|average|mean|median|costs?|spend|bill|count|maximum|minimum)\s+of\s+$",
    re.IGNORECASE,
)
"""What stands before ``2024`` where that is an amount and no year."""
_BEFORE: Final = 24
"""Characters before a year that are looked at."""


def without_dates(text: str) -> str:
    """The text with a space in place of each date and each time."""
    lowered = text.lower()
    may = any(part in lowered for part in _DATE_PARTS) or _DATE_SHAPE.search(text) is not None
    return _DATES.sub(_blank, text) if may else text


def years_in(text: str) -> list[str]:
    """What may be years in a text."""
    return re.findall(rf"(?<!\d){YEAR}(?!\d)", text)


def is_led(text: str, start: int) -> bool:
    """Whether what stands before a number makes it an amount, though it look like a year."""
    return _CHANGED.search(text[max(start - _BEFORE, 0) : start]) is not None


def _blank(match: re.Match[str]) -> str:
    """Nothing in place of a date; but ``rose to 2024`` ends in an amount."""
    date = match.group()
    return date if date[-4:].isdigit() and date[:2].isalpha() and is_led(match.string, match.end() - 4) else " "
