"""What an answer says of a unit that was asked for, where its figures are in another. Pure."""

from __future__ import annotations

import re

from chatcore.agents.analyst.catalogue import Table

_SCALED = re.compile(r"\bin (?P<unit>cents|pennies|thousands?|millions?|billions?|k\b|mio\b)(?: of (?:\w+))?")
_PER_THOUSAND = re.compile(r"\bper (?:1[ ,.]?000|1 ?k|thousand|k) ?tok(?:en)?s?\b")
_PER_CALLS = re.compile(
    r"\bper (?P<many>\d[\d,.]*k?|thousand|hundred|million) (?:calls|requests|prompts|messages|queries)\b"
)
_PER_TOKEN = re.compile(r"\b(?:cost|costs|price|spend|pay) (?:per|of a|of one|for a|of a single) token\b")


def unit_notes(question: str, table: Table) -> list[str]:
    """A sentence for each unit that the figures of an answer are not in.

    Args:
        question: as it was put.
        table: that the answer is about.
    """
    text, notes = question.lower(), []
    if scaled := _SCALED.search(text):
        own = f"costs are in {table.currency}, and tokens" if table.currency else "costs are as recorded, and tokens"
        notes.append(f"Asked for in {scaled['unit']}: {own} and calls are counted one by one.")
    if _PER_THOUSAND.search(text):
        notes.append("Asked for by the thousand: a thousand tokens cost a thousandth of what a million cost.")
    if many := _PER_CALLS.search(text):
        notes.append(
            f"Asked for per {many['many']} calls: the cost per call is of one, and so many cost as many times that."
        )
    if _PER_TOKEN.search(text):
        notes.append("One token costs a millionth of what a million cost.")
    return notes
