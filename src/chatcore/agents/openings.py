"""What an agent offers to be asked, to whoever has not asked anything yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import trio

from chatcore.context import UserExecutionContext
from chatcore.protocol.text import is_sendable
from chatcore.services import ReadyServices

MOST_OFFERED = 6
"""Questions; more are no help to choose one."""

LONGEST_CHARACTERS = 200
"""Of a question on a button."""

OFFERED_WITHIN_SECONDS = 5.0
"""Who has not thought of one by then offers none: the page can be used without."""


@runtime_checkable
class Opener(Protocol):
    """An agent that says what it can be asked."""

    async def opening_questions(self, context: UserExecutionContext) -> Sequence[str]:
        """Questions that it can answer this user now."""


async def openings_of(ready: ReadyServices | None, kind: type[object], context: UserExecutionContext) -> list[str]:
    """The questions that an agent offers; none from one that offers none, or that is not there.

    Args:
        ready: the services, None while they are not.
        kind: of the agent.
        context: who may be told.
    """
    agent = None if ready is None else ready.get(kind)
    if ready is None or not isinstance(agent, Opener):
        return []
    asked: Sequence[str] = ()
    with trio.move_on_after(OFFERED_WITHIN_SECONDS), ready.in_use(kind):
        asked = await agent.opening_questions(context)
    return [text for text in asked if 0 < len(text) <= LONGEST_CHARACTERS and is_sendable(text)][:MOST_OFFERED]
