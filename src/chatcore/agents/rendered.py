"""A text as a person reads its figures once it is rendered: without code, and with what is drawn over undone. Pure.

``5**0**00``, ``5&#48;00``, ``5`` and ``000`` with an invisible character between them and ``５０００`` all show 5000.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

from chatcore.agents.placeholders import INVISIBLE, LINK, TAG, comments_closed

_BEGINS: Final = r"^(?:[ \t]{0,3}(?:>|[-*+][ \t]|\d{1,9}[.)][ \t]))*[ \t]{0,3}"
_CODE: Final = re.compile(
    rf"{_BEGINS}(?P<fence>`{{3,}}(?=[^`\n]*$)|~{{3,}}).*?(?:^[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<![\\`])(?P<ticks>`+)(?!`)(?:(?!\n[ \t>]*\n).)+?(?<!`)(?P=ticks)(?!`)",
    re.DOTALL | re.MULTILINE,
)
"""A fence begins a line, or what a list or a quotation has in one. Code in a line does not go beyond its paragraph, and
a tick behind a backslash begins none."""

_DRESSED: Final = re.compile(r"[^\x00-\x7f]|[\\&<]|\][(\[]|\d\S?[*~]|[*~]\S?\d")
"""Anything that may show another figure than its characters say."""
_LINK: Final = re.compile(rf"\[([^\[\]]*)(?:{LINK})")
_TAG: Final = re.compile(TAG, re.DOTALL | re.IGNORECASE)
_UNSEEN: Final = re.compile(f"[{INVISIBLE}]+")
_ESCAPE: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_EMPHASIS: Final = re.compile(r"(\*{1,3}|~~)(?=\S)([^*~\n]+?)(?<=\S)\1")
_RAISED: Final = re.compile(r"(?<=[\w)])(?<![⁰¹²³⁴-⁹])[⁺⁻]?[⁰¹²³⁴-⁹]+")
_RAISED_DIGIT: Final = re.compile("[⁰¹²³⁴-⁹]")
_FOREIGN_DIGIT: Final = re.compile(r"(?![0-9])\d")
_ARABIC_SIGNS: Final = str.maketrans({"٫": ".", "٬": ",", "٪": "%"})


def without_code(text: str) -> str:
    """The text with a space in place of each piece of code."""
    return _CODE.sub(" ", text) if "`" in text or "~~~" in text else text


def code_is_closed(text: str) -> bool:
    """Whether no code of a text goes on in what follows it."""
    rest = _CODE.sub(lambda code: "" if code.group().endswith(("`", "~~~")) else "`", text)
    return "`" not in rest and "~~~" not in rest


def as_rendered(text: str) -> str:
    """A text without code as it shows its figures, in digits and signs of ASCII."""
    if _DRESSED.search(text) is None:
        return text
    text = _LINK.sub(r"\1", _TAG.sub("", comments_closed(html.unescape(text) if "&" in text else text)))
    if not text.isascii():
        text = _UNSEEN.sub("", _in_ascii(text))
    text = _ESCAPE.sub(r"\1", text)
    return _EMPHASIS.sub(r"\2", text) if "*" in text or "~" in text else text


def _in_ascii(text: str) -> str:
    """Digits of every script as those of ASCII; what is raised, as a power."""
    if _RAISED_DIGIT.search(text) is not None:
        text = _RAISED.sub(lambda raised: "^" + unicodedata.normalize("NFKC", raised.group()), text)
    text = unicodedata.normalize("NFKC", text).translate(_ARABIC_SIGNS)
    if text.isascii() or _FOREIGN_DIGIT.search(text) is None:
        return text
    return _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit.group())), text)
