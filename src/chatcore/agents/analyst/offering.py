"""Questions for who has not asked any yet: each has been answered before it is offered."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import trio

from chatcore.agents.analyst.evidence import Sheet
from chatcore.agents.analyst.kinds import KINDS
from chatcore.agents.analyst.ledger import Ledger
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.running import run_queries
from chatcore.agents.analyst.suggesting import opening_questions
from chatcore.agents.tools import ToolError

MOST_OPENING = 6

OPENING = "opening_question"
"""What runs the queries, where an answer names a tool."""


async def answered_questions(ledger: Ledger) -> list[str]:
    """Questions that this data answers, the most telling first; the ledger keeps what was found for who asks them."""
    offered: list[str] = []
    for question, intent in opening_questions(ledger.catalogue):
        await trio.lowlevel.checkpoint()
        if await _is_answered(intent, ledger):
            offered.append(question)
        if len(offered) == MOST_OPENING:
            break
    return offered


async def _is_answered(intent: Intent, ledger: Ledger) -> bool:
    """Whether the rows do not say otherwise: a single day, for instance, has no odd ones."""
    kind, ids = KINDS[intent.kind], _ids()
    try:
        found = await run_queries(ledger, OPENING, kind.queries(intent, ledger.catalogue), ids)
    except ToolError:
        return False
    sheets = {name: Sheet(evidence) for name, evidence in found.items()}
    return not isinstance(kind.word(intent, ledger.catalogue, sheets), Refusal)


def _ids() -> Iterator[str]:
    return (f"o{number}" for number in count(1))
