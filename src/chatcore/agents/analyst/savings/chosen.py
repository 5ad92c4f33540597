"""Which measures a plan is asked for: all of them, some that are named, or all but those. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "as_good": r"(?:swapping|swaps|(?:switch|chang|mov)ing (?:the |our |to )?(?:\w+ )?models?"
        r"|(?:model |a )(?:swap|switch|change)s?|cheaper models?)",
        "batch": r"batch(?:es|ing)?(?: api| mode| jobs?| processing)?",
        "cache": r"(?:prompt |context |input )?cach(?:e|es|ing)(?: ceiling)?",
        "cap": r"(?:capping|caps?|trimming|truncat\w+|shorten\w+)(?: (?:the |our |long )*prompts?)?|shorter prompts?",
        "route": r"routing(?: (?:the |our |small |short )*prompts?)?|(?:small|short) prompts?",
        "off_peak": r"off[- ]?peak(?: hours?)?|time[- ]of[- ]day pric\w+",
    }
)
"""What each measure is called as a thing that may be done or left."""

_NO_MORE = (
    r"\b(?:without|excluding|except(?: for)?|other than|besides|apart from|but no|but not|no|not|ignoring|minus)\b"
)
_ALSO = r"(?:\s*,?\s*\b(?:and|or|nor|plus)\b\s*|\s*[,&+]\s*)"
_DET = r"\s+(?:using |doing |the |any |our |all )*"
_ANY = "|".join(_NAMES.values())
LEFT_OUT = rf"{_NO_MORE}{_DET}(?:{_ANY})\b(?:{_ALSO}(?:the |any )?(?:{_ANY})\b)*"
"""Measures that are to be left out: ``without batching and caching``."""

_TOGETHER = rf"\b(?:{_ANY})\b(?:{_ALSO}(?:the |with )?(?:{_ANY})\b)+"
"""Several measures in a row."""

_SAVING = r"\b(?:sav\w+|together|combin\w+|both|how much|what if|reduc\w+|cheaper|worth|cut|plan|effect|impact)\b"


def left_out(text: str) -> list[str]:
    """The measures that are to be left out of a plan."""
    return list(dict.fromkeys(name for match in re.finditer(LEFT_OUT, text) for name in _named(match[0])))


def together(text: str) -> list[str]:
    """The measures that are named side by side, two or more, where it is asked what they save."""
    match = re.search(_TOGETHER, text)
    if match is None or not re.search(_SAVING, text) or re.search(LEFT_OUT, text):
        return []
    names = list(dict.fromkeys(_named(match[0])))
    return names if len(names) > 1 else []


_PLAIN = MappingProxyType({"batch": "batching", "cache": "caching", "off_peak": "running off-peak"})
"""What is asked for by one word, and takes nothing more."""

ON_TOP = re.compile(r"\b(?:on top|together|combined|in addition|additionally|both|at the same time)\b")


def named_measures(text: str) -> list[str]:
    """The measures that are named and take nothing more, as they are asked for."""
    return [_PLAIN[name] for name in _named(text) if name in _PLAIN]


def asked_as(kind: str) -> str:
    """What a kind of what-if is asked for by, where that is one word; empty for the others."""
    return _PLAIN.get({"cache_ceiling": "cache"}.get(kind, kind), "")


def patterns(text: str) -> tuple[str, ...]:
    """What of a question :func:`left_out` and :func:`together` account for."""
    return (LEFT_OUT, *((_TOGETHER,) if together(text) else ()))


def but(names: list[str]) -> list[str]:
    """All measures but these."""
    return [name for name in _NAMES if name not in names]


def _named(text: str) -> Iterator[str]:
    return (name for name, words in _NAMES.items() if re.search(rf"\b(?:{words})\b", text))
