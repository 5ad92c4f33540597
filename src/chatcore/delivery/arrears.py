"""What one watcher is still to be given from the log: what it asked for, and what it missed while it was behind."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import trio

from chatcore.protocol.messages import Resume

Arrear: TypeAlias = Resume | str
"""A request of the watcher, or the id of a thread in which it fell behind."""


@attrs.define(eq=False)
class Arrears:
    """A queue without a bound of its own: whoever takes requests bounds them, and the rest are threads watched."""

    _items: tuple[Arrear, ...] = ()
    _added: trio.Event | None = None

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Arrear) -> None:
        """To be given after the others; never waits."""
        self._items = (*self._items, item)
        if self._added is not None:
            self._added.set()

    def pop(self) -> Arrear:
        """The first one, of which there is one; nobody else gets it."""
        first, *rest = self._items
        self._items = tuple(rest)
        return first

    async def next(self) -> Arrear:
        """The first one, once there is one; nobody else gets it."""
        while not self._items:
            self._added = trio.Event()
            await self._added.wait()
        return self.pop()
