"""Chores: tasks that are there only while there is something to do, so that a quiet connection is one task."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import attrs
import trio

Work: TypeAlias = Callable[[], Awaitable[None]]


def _nobody() -> None:
    """Whoever asks for chores sees to it that they are done."""


@attrs.define(eq=False)
class Hands:
    """Do the chores of one connection, each in a task of its own and none twice at the same time.

    Args:
        needed: is told when there is a chore and nobody :meth:`at_work`: most connections never need anybody, and a
            nursery for each would cost as much as the rest of a connection.
        failed: is told of a defect.
    """

    needed: Callable[[], None] = _nobody
    failed: Callable[[Exception], None] | None = None
    _chores: tuple[Work, ...] = ()
    """What is being done, or waits to be begun."""
    _nursery: trio.Nursery | None = None
    _rested: bool = False

    @property
    def wanted(self) -> bool:
        """Whether there is a chore."""
        return bool(self._chores)

    @property
    def missing(self) -> bool:
        """Whether there is a chore, and nobody at work."""
        return bool(self._chores) and self._nursery is None

    def do(self, work: Work) -> None:
        """Begin this chore, or have it begun. Where it is being done already, it finds what is new.

        Args:
            work: does all there is; between its last look and its return it must not wait.
        """
        if self._rested or work in self._chores:
            return
        self._chores = (*self._chores, work)
        if self._nursery is None:
            self.needed()
        else:
            self._nursery.start_soon(self._do, work)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Do chores, those first that wait to be begun. With the block they end, and none is begun after it."""
        async with trio.open_nursery() as self._nursery:
            for work in self._chores:
                self._nursery.start_soon(self._do, work)
            try:
                yield
            finally:
                self._rested = True
            self._nursery.cancel_scope.cancel()

    async def _do(self, work: Work) -> None:
        try:
            await work()
        except Exception as error:
            if self.failed is None:
                raise
            self.failed(error)
        finally:
            self._chores = tuple(other for other in self._chores if other != work)
