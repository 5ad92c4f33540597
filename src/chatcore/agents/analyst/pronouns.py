"""What “it” stands for in a question after another one: ``who is using it?``, ``what did it cost in June?``. Pure.

It is the one name of the question before. Where that had several names, or a list of them, it is asked which is meant.
"""

from __future__ import annotations

import re

from chatcore.agents.analyst.catalogue import Table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.followups import Asked
from chatcore.agents.analyst.grammar import apart
from chatcore.agents.analyst.phrasing import during
from chatcore.agents.analyst.reading import Reading, in_table, read
from chatcore.agents.analyst.request import Filter

_DONE = r"(?:us(?:e[sd]?|ing)|call(?:s|ed|ing)?|run(?:s|ning)?|ran|pay(?:s|ing)? for|paid for|(?:spen[dt]|spending) on)"
_NO_NAME = (
    r"(?! (?:possible|true|worth|going|likely|ok|okay|normal|fair|sensible|right|safe|better|time)\b)"
    r"(?!(?: \w+){0,3} (?:to|if|that|when)\b)"
)
"""What ``it`` stands for nothing before: ``is it worth …``, ``would it cost less to …``."""
_IT = re.compile(
    rf"\b{_DONE} (?P<object>it)\b|\b(?:did|does|has|had|was|is|would|will) (?P<subject>it)\b{_NO_NAME}"
    r"|\b(?:for|on|by|with|to|via) (?P<after>it)\b"
    r"|\b(?P<whose>its)\b(?= (?:list )?(?:cost|price|spend|share|calls|tokens|users?)\b)"
)
_ELSEWHERE = re.compile(r"\bwould it have cost\b")
"""The calls that were made, on another model."""

_JOINED = re.compile(r"^\W*(?:(?:and|but|so|then|also|ok|okay)\b[\s,]*)+")
MOST_NAMES = 3
_LISTS = frozenset(["by", "column_by", "distinct"])


def refers(reading: Reading) -> bool:
    """Whether something is asked of “it”."""
    return _IT.search(reading.text) is not None


def named_instead(asked: Asked, reading: Reading) -> list[str]:
    """The question with the name in place of “it”, once for each name that may be meant.

    Args:
        asked: the question before.
        reading: one that :func:`refers`.

    Returns:
        none where the question before has no name and lists none: then nothing is lost without “it”.
    """
    match = _IT.search(reading.text)
    table = reading.catalogue.table(asked.intent.table)
    own = in_table(reading, table, apart=apart)
    if match is None:
        return []
    start, end = match.span(str(match.lastgroup))
    when = "" if own.periods or len(asked.intent.periods) != 1 else during(asked.intent.periods[0])
    head, tail = _JOINED.sub("", reading.text[:start]), reading.text[end:].rstrip(" ?.!")
    ending = "'s" if match["whose"] else " calls" if _ELSEWHERE.search(reading.text) else ""
    return [f"{head}{name}{ending}{tail}{when}" for name in _names(asked, reading, table)]


def _names(asked: Asked, reading: Reading, table: Table) -> list[str]:
    """What the question before named; of a list of models or users, the commonest of them."""
    intent = asked.intent
    named = [name for each in intent.filters if not each.exclude for name in _of(each)]
    before = in_table(read(asked.text, reading.catalogue), table, apart=apart)
    named = named or [each.words for each in before.values if not intent.filters]
    column = table.named(intent.by) if intent.by and intent.kind in _LISTS else None
    listed = column.values[:MOST_NAMES] if column and column.meaning is not Meaning.STATUS else ()
    return list(dict.fromkeys(named)) or [value for value in listed if value]


def _of(each: Filter) -> list[str]:
    """The names of a filter: of two that were joined, each."""
    return each.values if len(each.values) == 1 else each.words.split(" or ")
