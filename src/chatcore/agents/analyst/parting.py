"""A question that asks several things: its clauses, and whether one answer covers them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.choosing import can_measure
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Intent, Measure

_ASKING = r"(?:what|how|which|who|when|is|are|was|were|did|do|does|show|list|give|compare|tell)"
_BETWEEN = re.compile(
    rf"[?!;]+\s+|\.\s+(?={_ASKING}\b)|\s*,?\s*\b(?:and|but|plus|then)\s+(?:also\s+|then\s+)*(?={_ASKING}\b)"
)
_TAIL = re.compile(
    r"\s*,?\s*\b(?:and|but|plus)\s+(?:(?P<thing>(?:on|with|using|through)\s+(?:what|which|which (?:llms?|models?)))"
    r"|(?P<feature>for (?:what|which (?:purposes?|tasks?|features?))|what (?:it was |they were )?for)"
    r"|(?P<user>(?:by|for) whom?)"
    r"|(?P<when>when))\W*$"
)
_TAILS = {"thing": "by model", "feature": "by feature", "user": "by user", "when": "by month"}
"""What a clause of one question word splits by: ``who spent the most, and on what?``."""
_ONE_ROW = re.compile(r"(?<!per )(?<!\ba )(?<!each )\b(?:call|row|record|request)\b")
"""Of a single one everything is told: ``who made the implausible call, and when?``."""

_AND = re.compile(r"\s*,?\s*(?:\b(?:and|plus|as well as|along with|together with)\b|&)\s+(?:also |the )*")
_TWO = 2
_SHORT_QUESTION = 2
_FIGURES = lexicon.FIGURES | lexicon.CHEAP | lexicon.STATISTIC | lexicon.TREND | lexicon.TELLING_OF_ROWS


def clauses(reading: Reading) -> list[str]:
    """The parts that ask something of their own; one where the question asks one thing."""
    tail = _TAIL.search(reading.text) if not _ONE_ROW.search(reading.text) else None
    parts = [part for part in _BETWEEN.split(reading.text[: tail.start()] if tail else reading.text) if part.strip()]
    asking = [each for part in parts if _asks(part) for each in _of_two_tables(part, reading)]
    asking += [_TAILS[str(tail.lastgroup)]] if tail and asking else []
    return asking if len(asking) > 1 else [reading.text]


_IT = r"(?:that|this|those|these|they|it)"
_SUMMED_UP = re.compile(
    r"\s*,?\s*\b(?:and|plus)\s+(?:(?:how much|what (?:share|part|percentage|percent|fraction|portion)|which part)"
    r"(?: of (?:the |our )?(?:\w+ )?(?:total|spend|bill|whole|cost|costs|all|everything|it))?"
    rf"(?: (?:is|are|was|were|do|did))? {_IT}(?: (?:together|in total|make up|account for|come to))?"
    rf"|what (?:do|did|does) {_IT} (?:add up to|sum (?:up )?to|come to|cost together|make together)"
    r"|(?:their|the) (?:sum|combined \w+|share)(?: of (?:the )?total)?)\W*$"
)
"""What the sum of a list of so many, and its part of the whole, is asked by: its answer tells both."""


def without_sum(text: str) -> str:
    """The question without a clause that asks for the sum of what it lists."""
    return _SUMMED_UP.sub("", text)


def _of_two_tables(part: str, reading: Reading) -> list[str]:
    """``total cost and number of errors``: what only another table has than the one that is named."""
    named = list({mention.table.name: mention for mention in reading.tables}.values())
    halves = _AND.split(part)
    if len(named) != 1 or len(halves) != _TWO:
        return [part]
    words, table = reading.text[named[0].start : named[0].end], named[0].table
    others = [half for half in halves if words not in half]
    return halves if len(others) == 1 and not can_measure(set(re.findall(r"[a-z$]+", others[0])), table) else [part]


def _asks(part: str) -> bool:
    words = set(re.findall(r"[a-z$]+", part))
    if re.match(r"\W*(?:what|how|which|who|when|where|why)\b", part):
        return len(words) > _SHORT_QUESTION and not re.match(r"\W*how (?:are you|do you do|is it going)", part)
    return len(words) > 1 and bool(words & _FIGURES)


def covering(intents: Sequence[Intent]) -> Intent | None:
    """The one intent whose answer tells what all of them ask: totals of the same rows; None where there is none."""
    first = intents[0]
    if any(msgspec.structs.replace(each, measure=first.measure) != first for each in intents):
        return None
    if first.kind != "total" or any(each.measure not in _TOLD for each in intents):
        return first if all(each == first for each in intents) else None
    return min(intents, key=lambda each: _TOLD.index(each.measure))


_TOLD = (Measure.COST, Measure.TOKENS, Measure.CALLS)
"""A total of one of these tells those after it."""
