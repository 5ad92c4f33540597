"""A follow-up to a price, a what-if or a decision: the question before with a part of it changed, or more added. Pure.

Which of these is meant shows in what the planner makes of them: the first that is understood, is of the same family
and is not the question before over again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from chatcore.agents.analyst.followups import Asked
from chatcore.agents.analyst.kinds import FAMILIES
from chatcore.agents.analyst.mentions import NamedTable
from chatcore.agents.analyst.phrasing import scope
from chatcore.agents.analyst.prices.on_models import USUAL_DISCOUNT
from chatcore.agents.analyst.reading import Reading, read
from chatcore.agents.analyst.request import Intent
from chatcore.agents.analyst.savings.chosen import ON_TOP, asked_as, named_measures

_GOES_ON = ("prices", "what if", "decisions")
"""Families whose questions hold more than a split, a period and names: amounts, models to move to, measures."""

_LEAD = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|thanks|and|but|also|plus|then|so|now|what about|how about|what if|what|the same)\b[\s,]*)*"
)
_LAST = re.compile(r"(?:[\s,]+(?:instead|as well|too|also|then|please|pls))?[\s?.!,]*$")
_UNIT = r"(?:input|output|in|out|prompt|completion|calls?|requests?|tokens?|%|percent|dollars|usd|months?|days?)"
_SIZED = re.compile(rf"(?<![\w.,-])(?P<amount>[$€£]?\d[\d,]*(?:\.\d+)?\s?[km]?)\s*(?P<unit>{_UNIT})(?![\w-])")
_AS_GOOD = re.compile(r"\b(?:as good|worse|better|quality|good enough|same quality|how good|as well)\b")


def goes_on(last: Intent) -> bool:
    """Whether a question of that kind can be gone on from in these ways."""
    return family(last.kind) in _GOES_ON


def family(kind: str) -> str:
    """What a kind is about."""
    return next((name for name, kinds in FAMILIES.items() if any(each.name == kind for each in kinds)), "")


def asks_how_good(last: Intent, reading: Reading) -> bool:
    """``would it be as good?`` after another model was supposed: the answer to that holds it already."""
    return last.kind == "swap" and _AS_GOOD.search(reading.text) is not None and len(reading.words) < _SHORT


_SHORT = 9


def on_top(last: Intent, reading: Reading) -> str | None:
    """The question what two measures save together, where one is to come on top of another; None where it is not so.

    Returns:
        an empty question where the measures are not such that a plan takes them together.
    """
    added = named_measures(reading.text)
    if family(last.kind) != "what if" or not ON_TOP.search(reading.text) or not added:
        return None
    first = asked_as(last.kind)
    usual = not last.options or last.options == {"discount_percent": USUAL_DISCOUNT}
    return f"what would {first} and {added[0]} save together{scope(last)}" if first and usual else ""


def elsewhere(asked: Asked, reading: Reading) -> Iterator[str]:
    """The question before put to the table that the follow-up names: ``and the code trace?``."""
    before = read(asked.text, reading.catalogue)
    others = [named for named in reading.tables if named.table.name != asked.intent.table]
    for other in others:
        for old in before.tables:
            yield _replaced(asked.text, old, other.table.name)


def added_to(asked: Asked, reading: Reading) -> Iterator[str]:
    """The question before with an amount of the follow-up in place of its own, or the follow-up after it."""
    text, core = asked.text.rstrip(" ?.!"), _LAST.sub("", _LEAD.sub("", reading.text))
    old = {_unit(match): match for match in _SIZED.finditer(text)}
    new = [match for match in _SIZED.finditer(core) if _unit(match) in old]
    if new:
        changes = [(old[_unit(match)].span("amount"), match["amount"]) for match in new]
        for (start, end), amount in sorted(changes, reverse=True):
            text = f"{text[:start]}{amount}{text[end:]}"
        yield text
    if core:
        yield f"{asked.text.rstrip(' ?.!')} {core}"


def _unit(match: re.Match[str]) -> str:
    """What an amount is of, by one name."""
    unit = match["unit"].rstrip("s")
    return _ALIKE.get(unit, unit)


_ALIKE = {"input": "in", "prompt": "in", "output": "out", "completion": "out", "percent": "%", "usd": "dollar"}


def _replaced(text: str, old: NamedTable, name: str) -> str:
    return f"{text[: old.start]}{name}{text[old.end :]}"
