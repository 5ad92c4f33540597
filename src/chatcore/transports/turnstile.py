"""A turnstile: lets few on in each turn of the event loop, so that whoever else there is has a turn in between.

All that comes in one look of Trio's is served in one turn. Where hundreds of requests come at once, each a fraction of
a millisecond, everybody else would wait for all of them.
"""

from __future__ import annotations

from typing import Final

import attrs
import trio

ON_AT_ONCE: Final = 4
"""Requests that are answered in one turn: with their tokens, two milliseconds."""


@attrs.define(eq=False)
class Turnstile:
    """Lets :data:`ON_AT_ONCE` on each turn, in the order they come."""

    _left: int = ON_AT_ONCE
    """Who may still go on in this turn."""
    _waiting: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)
    _used: trio.Event = attrs.field(factory=trio.Event)

    async def go_through(self) -> None:
        """Go on, in this turn or a later one."""
        self._used.set()
        if self._left > 0 and not self._waiting:
            self._left -= 1
        else:
            await self._waiting.park()

    async def keep(self) -> None:
        """Turn it, for as long as the server runs."""
        while True:
            await self._used.wait()
            self._used = trio.Event()
            await trio.lowlevel.checkpoint()
            while self._waiting:
                self._waiting.unpark(count=ON_AT_ONCE)
                await trio.lowlevel.checkpoint()
            self._left = ON_AT_ONCE
