"""What intents came to, kept with the data: it depends on nothing but the intent and rows that do not change."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import msgspec

from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import Draft
from chatcore.agents.analyst.keeping import Kept
from chatcore.agents.analyst.request import Intent, Refusal

MOST_INTENTS = 512
"""Of each there are some kilobytes."""


@attrs.frozen(eq=False)
class Remembered:
    """By the intent; see :func:`key_of`.

    Args:
        queries: that it asks.
        words: that are made of their rows.
        next_questions: that fit after it.
        proven_questions: those of them that say nothing unproven; by the intent and the question as it was put.
    """

    queries: Kept[Sequence[Query]] = attrs.field(factory=lambda: Kept(MOST_INTENTS))
    words: Kept[Draft | Refusal] = attrs.field(factory=lambda: Kept(MOST_INTENTS))
    next_questions: Kept[tuple[str, ...]] = attrs.field(factory=lambda: Kept(MOST_INTENTS))
    proven_questions: Kept[tuple[str, ...]] = attrs.field(factory=lambda: Kept(MOST_INTENTS))


def key_of(intent: Intent) -> str:
    """Says wholly what is asked."""
    return msgspec.json.encode(intent).decode()
