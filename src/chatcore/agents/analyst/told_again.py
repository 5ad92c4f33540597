"""A follow-up to a list or a figure that asks for it in another way: ``as a table``, ``only those above $1``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.intents.bounds import bounds
from chatcore.agents.analyst.phrasing import plural_of, scope
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Measure

_SO = r"^\W*(?:(?:and|but|ok(?:ay)?|so|now|thanks?|please|then)\b[\s,]*)*"
_THESE = r"(?:they|those|these|them|it|that|all of (?:them|those|these))"
_AS_TABLE = re.compile(
    rf"{_SO}(?:(?:can|could) you )?(?:(?:show|give|make|put|display|print|list|write) )?(?:me )?"
    r"(?:it |that |this |them |those |these )?(?:all )?(?:again )?(?:as|in|into) an? (?:table|list)(?: again"
    r")?(?: please)?\W*$"
)
_IN_PERCENT = re.compile(
    rf"{_SO}(?:how much (?:is|are|was|were) {_THESE} )?(?:as|in) (?:a )?(?:percent|percentages?|%)(?: of"
    rf" (?:the )?(?:total|all|whole|everything))?"
    rf"\W*$|{_SO}(?:and )?(?:what|which) (?:share|percent|percentage|part) (?:of (?:the |our )?(?:total|all"
    rf"|spend|bill|whole) )?"
    rf"(?:is|are|was|were) {_THESE}(?: in all| together)?\W*$"
)
_ADDED_UP = re.compile(
    rf"{_SO}(?:what|how much) (?:do|does|did|will) {_THESE} (?:all )?"
    r"(?:add up to|sum (?:up )?to|come to|total(?: up to)?|make|(?:cost|come to|have) (?:together|in total"
    r"|altogether|all together|combined))"
    rf"(?: (?:together|in total|altogether|combined))?\W*$"
    rf"|{_SO}(?:what(?:'s|s| is| was) )?(?:the |their )?(?:sum|total|grand total) (?:of|for) {_THESE}\W*$"
    rf"|{_SO}(?:add|sum) (?:it|that|them|those|these)(?: all)?(?: up| together)*\W*$"
    rf"|{_SO}how much (?:is|are|was|were) {_THESE} (?:all )?(?:together|in total|altogether|combined|in all)\W*$"
)
_BOUND = re.compile(
    rf"\b{bounds(r'(?: (?:dollars?|usd|bucks|calls?|requests?|(?:(?:input|output) )?tokens?))?')}(?!\w|[.,]\d)"
)
_NTH = re.compile(
    rf"{_SO}(?:(?:what|which|how) (?:about|is|was) )?(?:the )?(?P<place>second|third|fourth|fifth|2nd|3rd|4th|5th)"
    r"(?: (?:one|place|most expensive|biggest|largest|highest))*\W*$"
)
_PLACES = {"second": 2, "third": 3, "fourth": 4, "fifth": 5}
_WITHOUT_IT = re.compile(
    r"\b(?:without|excluding|minus|less|ignoring|leaving out) (?:it|that|this|them|those|these)"
    r"(?: (?:ones?|calls?|rows?|charges?|outliers?))?\W*$"
)


def asks_again(reading: Reading) -> bool:
    """Whether it asks for nothing but the last answer in another way, by its words alone."""
    patterns = (_AS_TABLE, _IN_PERCENT, _ADDED_UP, _NTH, _WITHOUT_IT, _MOVED)
    return any(pattern.search(reading.text) for pattern in patterns)


def told_again(last: Intent, reading: Reading) -> Intent | None:
    """The last intent, as such a follow-up has it; None where it is no such follow-up, or does not fit.

    Args:
        last: what was asked before.
        reading: the follow-up.
    """
    text = reading.text
    if _AS_TABLE.search(text):
        return last
    if _IN_PERCENT.search(text):
        return last if last.kind in _WITH_SHARES or last.filters else None
    if _ADDED_UP.search(text):
        return _added_up(last)
    place = _NTH.search(text)
    if place is not None and last.kind == "by":
        number = _PLACES.get(place["place"]) or int(place["place"][0])
        return msgspec.structs.replace(last, limit=None, options={"place": number})
    return None


def asks_for_shares(reading: Reading) -> bool:
    """Whether it asks for nothing but the last answer in percent of all."""
    return _IN_PERCENT.search(reading.text) is not None


_WITH_SHARES = frozenset({"by", "clock", "concentration", "top_calls", "threshold", "leaders", "errors", "makers"})
"""Kinds whose answers tell what part of all each is."""
_WITH_SUM = frozenset({"threshold", "groups_beyond"})
"""Kinds whose answers tell the sum of what they list."""
_SUMMED = frozenset({"by", "trend", "cross", "leaders", "versus", "total"})


def _added_up(last: Intent) -> Intent | None:
    """The sum of what was listed: in the same answer where a part of all was listed, else as a total."""
    if last.kind in _WITH_SUM or (last.kind in ("by", "top_calls") and last.limit is not None):
        return last
    if last.kind not in _SUMMED or last.limit is not None or last.options.get("place"):
        return None
    return msgspec.structs.replace(last, kind="total", by=None, grain=None, options={}, descending=True)


def reworded_again(last: Intent, reading: Reading, catalogue: Catalogue) -> Iterator[str]:
    """The same in words: a list within an amount, the total without what was implausible.

    Args:
        last: what was asked before.
        reading: the follow-up.
        catalogue: what there is.
    """
    if last.kind in ("implausible", "quality") and _WITHOUT_IT.search(reading.text):
        yield "what did we spend in total without outliers" + scope(last)
    if last.measure in _UNIT_COSTS and _MOVED.search(reading.text):
        yield f"{_UNIT_COSTS[last.measure]} over time{scope(last)}"
    bound = _BOUND.search(reading.text)
    if bound is not None and (bound["sign"] or re.search("[a-z$€£]", bound[0].removeprefix("from"))):
        listed = _listed(last, bound[0], catalogue.table(last.table))
        if listed:
            yield f"{listed}{scope(last)}"


_UNIT_COSTS = {Measure.COST_PER_CALL: "cost per call", Measure.COST_PER_MILLION_TOKENS: "cost per million tokens"}
_MOVED = re.compile(
    rf"{_SO}(?:(?:has|have|did|is|was) (?:it|that|this) (?:been )?(?:gone|go|going|risen|rise|rising|fallen"
    rf"|fall|falling|changed?"
    r"|increas\w+|decreas\w+|grow\w*|grown)(?: (?:up|down|over time))*|over time|how did (?:it|that)"
    r" change(?: over time)?)\W*$"
)


def _listed(last: Intent, bound: str, table: Table) -> str:
    if last.kind == "trend" and last.measure is Measure.COST:
        return f"which {last.grain}s cost {bound}"
    if last.kind == "top_calls" and last.measure is Measure.COST:
        return f"calls that cost {bound}"
    if last.kind not in ("by", "groups_beyond") or last.by is None:
        return ""
    first = f"top {last.limit}" if last.limit else "which"
    unit = (
        "" if re.search(r"calls?|requests?|tokens?|dollars?|usd|bucks|[$€£]", bound) else _UNITS.get(last.measure, "")
    )
    money = bool(re.search("[$€£]", bound)) or (
        last.measure is Measure.COST and not unit and not re.search(r"calls|requests|tokens", bound)
    )
    return f"{first} {plural_of(table, last.by)} that {'cost' if money else 'have'} {bound}{unit}"


_UNITS = {Measure.CALLS: " calls", Measure.TOKENS: " tokens"}
