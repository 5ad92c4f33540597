"""Which figure, order or unit of a question an intent does not hold. Pure.

The grammar finds a kind by a word or two; these are the words that ask for another figure than the one it would tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs
import msgspec

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.asking import ROW_NOUNS
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Measure
from chatcore.agents.analyst.same_time import SAME_TIME, is_same_time

_LISTED = (
    r"\b(?:list|show|display|print|give|see)\b(?: \w+){0,3} (?:all|every|each|the|raw|single|individual)? ?"
    rf"(?:{ROW_NOUNS})\b"
)
_ADDED = r"\b(?:together|combined|altogether|sum of|add(?:ed)? up)\b"
_LISTS = frozenset({"total", "by", "trend", "cross", "compare", "versus", "top_calls", "distinct"})
_MIDDLES = re.compile(
    r"\b(?:medians?|percentiles?|quartiles?|deciles?|p\d\d|standard deviations?|std(?:dev)?|variances?|modes? of)\b"
)
_GROUPS = r"(?:models?|users?|people|persons?|features?|modes?|formats?|providers?|vendors?|kinds?)"
_EACH = r"(?:(?:for|in|of|per|by|within) (?:each|every)|per|each|every|by)"
_WITHIN = re.compile(
    rf"\b(?:top|first|biggest|largest|highest|dearest|cheapest|most expensive|costliest|best|worst|smallest|\d+)"
    rf" (?:\d+ |\w+ )?(?:{ROW_NOUNS}) (?:{_EACH}) (?:{_GROUPS}|days?|weeks?|months?|quarters?|years?)\b"
)
_BY_SIZE = (
    r"(?:(?:the )?(?:total |number of )?(?:spend|costs?|calls|usage|requests|tokens|descending|ascending|high|low|most"
    r"|least|big|cheap|dear|expens))"
)
_NAMED_ORDER = re.compile(
    rf"\b(?:alphabetic(?:al|ally)?|(?:sort(?:ed)?|order(?:ed)?|arranged?) (?:by|in|from|on) (?!{_BY_SIZE})"
    r"(?:the |their )?\w+|(?:newest|oldest|latest|earliest|most recent) (?:ones? )?first)\b"
)
_SIDE = re.compile(
    r"\b(?:input|output|completion|prompt|context|response)[ -](?:share|ratio|percentage|percent|part|proportion|rate"
    r"|volume|size|amount)s?\b"
)


@attrs.frozen
class Part:
    """A part of a question that an intent does not hold.

    Args:
        words: of it.
        why: in a clause.
        instead: what has an answer.
        asked: the same in words.
    """

    words: str
    why: str
    instead: Sequence[Intent] = ()
    asked: Sequence[str] = ()


def figure_left_out(found: Intent, reading: Reading) -> Part | None:
    """The first figure, order or concept that is asked for and would not be told."""
    if found.kind not in _LISTS:
        return None
    checks = (_listed, _beside_distinct, _added, _middle, _within, _order, _side, _same_time, _concept)
    return next((part for check in checks if (part := check(found, reading)) is not None), None)


def _listed(found: Intent, reading: Reading) -> Part | None:
    """``list all calls``, where they would be counted."""
    match = re.search(_LISTED, reading.text)
    if (
        found.kind != "total"
        or match is None
        or reading.says(r"\b(?:how many|how much|number of|count|total|sum|spend|cost)\b")
    ):
        return None
    largest = msgspec.structs.replace(found, kind="top_calls", measure=Measure.COST, limit=5)
    return Part(match[0], "I count rows, and list only those that are largest", [largest, found])


def _beside_distinct(found: Intent, reading: Reading) -> Part | None:
    """``spend and number of users by month``, where only the users would be told."""
    if found.kind != "distinct" or found.grain is None:
        return None
    match = re.search(
        r"\b(?:spend|spending|costs?|bill|tokens)\b(?= (?:and|plus|,)|,)|(?<=and )(?:spend|cost|tokens)\b", reading.text
    )
    trend = msgspec.structs.replace(found, kind="trend", by=None, measure=Measure.COST)
    return Part(match[0], f"I tell “{match[0]}” and the number of different values apart", [trend]) if match else None


def _middle(found: Intent, reading: Reading) -> Part | None:
    """``median cost per call by model``, of a list of sums and averages."""
    match = _MIDDLES.search(reading.text)
    if match is None:
        return None
    known = re.match(r"med|perc|p\d", match[0]) is not None
    over = "over all rows that are asked for, and not by groups or steps"
    why = f"I work out “{match[0]}” {over}" if known else f"I do not work out “{match[0]}”"
    return Part(match[0], why, [found])


def _added(found: Intent, reading: Reading) -> Part | None:
    """``the 3 dearest days together``, of a list that is not added up."""
    match = re.search(_ADDED, reading.text) if found.kind == "trend" and found.limit is not None else None
    return Part(match[0], f"I list {found.grain}s and do not add them up", [found]) if match else None


def _within(found: Intent, reading: Reading) -> Part | None:
    """``top 3 calls for each model``, of a list of models."""
    match = _WITHIN.search(reading.text)
    return Part(match[0], "I list the top rows of all, and not those within each group", [found]) if match else None


def _order(found: Intent, reading: Reading) -> Part | None:
    """An order other than by size."""
    match = _NAMED_ORDER.search(reading.text)
    if match is None or (found.kind == "trend" and re.search(r"oldest|earliest|date|time|month|day|week", match[0])):
        return None
    how = "by time, the oldest first" if found.kind == "trend" else "by size"
    return Part(match[0], f"I list {how}, and in no other order", [found])


def _side(found: Intent, reading: Reading) -> Part | None:
    """``the highest output share``, where all tokens or costs would be told."""
    match = _SIDE.search(reading.text)
    told = found.measure in (
        Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS, Measure.INPUT_TOKENS_PER_CALL, Measure.OUTPUT_TOKENS_PER_CALL,
    )  # fmt: skip
    return None if match is None or told else Part(match[0], f"I do not tell “{match[0]}” in such a list", [found])


def _same_time(found: Intent, reading: Reading) -> Part | None:
    """A stretch of time that is said to be like another, where whole ones are compared."""
    match = SAME_TIME.search(reading.text)
    if match is None or (found.kind == "compare" and is_same_time(found.periods, reading.catalogue.table(found.table))):
        return None
    return Part(match[0], "I cannot make out which two stretches are meant; name their days", [found])


def _concept(found: Intent, reading: Reading) -> Part | None:
    """``errors and models``: a thing that the table knows nothing of."""
    table = reading.catalogue.table(found.table)
    for word in reading.words:
        meaning = lexicon.CONCEPTS.get(word.text)
        apart = word.text in reading.free and not any(named.covers(word) for named in reading.columns)
        if meaning in (Meaning.MODEL, Meaning.FEATURE) and not table.has(meaning) and apart:
            return Part(word.original, f"`{table.name}` has nothing about “{word.original}”", [found])
    return None
