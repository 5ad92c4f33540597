"""Periods that are left out of others: ``in 2025 without May``, ``excluding 2025-07 and 2025-08``. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

import attrs
import msgspec

from chatcore.agents.analyst.mentions import Span
from chatcore.agents.analyst.periods import Found
from chatcore.agents.analyst.request import Period, Stretch

_LEADS = re.compile(
    r"\b(?:without|exclud(?:ing|es?|ed)|except(?:ing)?(?: for)?|other than|(?:apart|aside) from|ignoring|omitting"
    r"|leaving out|minus|besides|not counting|but not|(?:but )?not(?= (?:in|during|from|on)\b)"
    r"|(?:everything|all|every (?:day|week|month)) but)\s+"
    r"(?:\.+(?:\s*,\s*|\s+(?:and|or|nor)\s+))*(?:(?:in|during|for|on|of|from|between|the|months? of)\s+)*$"
)
_LISTED = re.compile(r"\s*(?:,|,?\s*\b(?:and|or|nor)\b|&)\s*(?:(?:in|during|the)\s+)*")
"""What stands between two of one list; dots stand for a name before them that is left out too."""


def with_holes(text: str, found: Sequence[Found]) -> tuple[list[Found], list[Span]]:
    """The periods of a question, less those that are to be left out.

    Args:
        text: in lower case.
        found: its periods, in its order.

    Returns:
        The periods, and the stretches of the text that leave something out of them.
    """
    spans: dict[int, Span] = {}
    for number, each in enumerate(found):
        led = _LEADS.search(text[: each.start])
        listed = number - 1 in spans and _LISTED.fullmatch(text[found[number - 1].end : each.start])
        if (led or listed) and not _is_set_off(found, number, led):
            spans[number] = Span(led.start() if led else each.start, each.end)
    left_out = [found[number] for number in spans]
    if any(not each.choices for each in left_out):
        return [each for each in left_out if not each.choices], list(spans.values())
    kept = [each for number, each in enumerate(found) if number not in spans]
    return _less(kept, left_out) if left_out else list(found), list(spans.values())


def _is_set_off(found: Sequence[Found], number: int, led: re.Match[str] | None) -> bool:
    """``2025 minus 2024``: no part of the other, but what it is compared with."""
    if number != 1 or led is None or not led[0].startswith("minus"):
        return False
    whole, other = found[0].choices, found[1].choices
    apart = len(whole) == len(other) == 1 and whole[0].days and other[0].days
    return bool(apart) and (str(other[0].end) <= str(whole[0].start) or str(whole[0].end) <= str(other[0].start))


def _less(kept: Sequence[Found], left_out: Sequence[Found]) -> list[Found]:
    """Each period without those that are left out; all of the time without them, where none is named."""
    holes = list(product(*(each.choices for each in left_out)))
    if not kept:
        whole = Period(words="")
        return [Found(left_out[0].start, left_out[-1].end, tuple(less(whole, each) for each in holes))]
    return [attrs.evolve(each, choices=tuple(less(p, h) for p in each.choices for h in holes)) for each in kept]


def less(period: Period, holes: Sequence[Period]) -> Period:
    """A period without others; one that is open to both sides and has holes is only these."""
    stretches = [stretch for each in holes for stretch in (each.without or (Stretch(start=each.start, end=each.end),))]
    named = " and ".join(each.words.removeprefix("without ") for each in holes)
    words = f"{period.words} {'and' if period.without else 'without'} {named}".strip()
    relative = period.relative or any(each.relative for each in holes)
    return msgspec.structs.replace(period, words=words, without=(*period.without, *stretches), relative=relative)
