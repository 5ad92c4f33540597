"""Chores: tasks that are there only while there is something to do, so that a quiet connection is one task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs
import trio

Work: TypeAlias = Callable[[], Awaitable[None]]


@attrs.define(eq=False)
class Hands:
    """Do the chores of one connection, each in a task of its own and none twice at the same time.

    Args:
        nursery: of the connection; None before there is one, and after.
        failed: is told of a defect.
    """

    nursery: trio.Nursery | None = None
    failed: Callable[[Exception], None] | None = None
    _doing: tuple[Work, ...] = ()

    def do(self, work: Work) -> None:
        """Begin this chore. Where it is being done already, it finds what is new.

        Args:
            work: does all there is; between its last look and its return it must not wait.
        """
        if self.nursery is not None and work not in self._doing:
            self.nursery.start_soon(self._do, work)
            self._doing = (*self._doing, work)

    async def _do(self, work: Work) -> None:
        try:
            await work()
        except Exception as error:
            if self.failed is None:
                raise
            self.failed(error)
        finally:
            self._doing = tuple(other for other in self._doing if other != work)
