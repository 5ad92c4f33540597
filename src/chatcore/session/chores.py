"""A chore: a task that is there only while there is something to do, so that a quiet connection is one task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

Work: TypeAlias = Callable[[], Awaitable[None]]


@attrs.define(eq=False)
class Hands:
    """Starts the chores of one connection.

    Args:
        start: starts a task in the connection's nursery; None before there is one, and after.
    """

    start: Callable[[Work], object] | None = None


@attrs.define(eq=False)
class Chore:
    """Work that is begun when there is some, and returns when there is none left.

    Args:
        hands: do it.
        work: does all there is. Between its last look and its return it must not wait.
    """

    _hands: Hands
    _work: Work
    _doing: bool = False

    def wake(self) -> None:
        """There is something to do; where it is being done already, it will be found."""
        if not self._doing and self._hands.start is not None:
            self._doing = True
            self._hands.start(self._do)

    async def _do(self) -> None:
        try:
            await self._work()
        finally:
            self._doing = False
