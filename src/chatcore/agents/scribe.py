"""The scribe: passes on what runs say, once everyone who can run has had a turn.

An agent says words as they come from its model, often many without a wait between them. Each of them by itself would be
judged, numbered, and sent to each watcher in a call of the operating system, which costs most of all. So the first of
them has the scribe come, and when it is there it finds all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

import attrs
import trio

TURN_SECONDS = 0.005
"""What runs may keep others waiting for while what they said is judged, all together."""


@attrs.define(eq=False)
class Scribe:
    """One for all runs of a server, so that many runs cost no more turns than one.

    Args:
        nursery: of the server; without one, everything is passed on at once.
    """

    nursery: trio.Nursery | None = None
    _due: list[Callable[[], None]] = attrs.field(factory=list, init=False)

    def note(self, utter: Callable[[], None]) -> None:
        """Have something passed on.

        Args:
            utter: does it; it neither waits nor raises.
        """
        if self.nursery is None:
            return utter()
        self._due.append(utter)
        if len(self._due) == 1:
            self.nursery.start_soon(self._pass_on)
        return None

    async def store(self, store: Callable[[], Awaitable[None]]) -> None:
        """Have something stored once everyone who can run has had a turn: with it goes what has come since.

        Args:
            store: does it; it does not raise.
        """
        if self.nursery is None:
            await store()
        else:
            self.nursery.start_soon(store)

    async def _pass_on(self) -> None:
        due, self._due = self._due, []
        began_at = perf_counter()
        for utter in due:
            utter()
            if perf_counter() - began_at > TURN_SECONDS:
                await trio.lowlevel.cancel_shielded_checkpoint()
                began_at = perf_counter()
