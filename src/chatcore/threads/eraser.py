"""What was deleted leaves the files too, soon after: SQLite keeps old pages in its log, and scraps in its pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import trio

DELAY_SECONDS: Final = 1.0
"""From a deletion to the erasing: what is deleted meanwhile shares it."""

REST: Final = 50.0
"""How many times as long as the last one took the next has to wait: nothing is written meanwhile, so it gets 2 %."""


@attrs.define(eq=False)
class Eraser:
    """Erases once for all deletions of a time, and tries again where it could not.

    Args:
        erase: does it, and says false where it has to be tried again.
    """

    _erase: Callable[[], Awaitable[bool]]
    _requested: trio.Event = attrs.field(factory=trio.Event, init=False)

    def request(self) -> None:
        """Something was deleted."""
        self._requested.set()

    async def run(self) -> None:
        """Erase whatever is deleted from now on; runs until it is cancelled."""
        took_seconds = 0.0
        while True:
            await self._requested.wait()
            await trio.sleep(max(DELAY_SECONDS, REST * took_seconds))
            self._requested = trio.Event()
            began_at = trio.current_time()
            if not await self._erase():
                self.request()
            took_seconds = trio.current_time() - began_at
