"""Snapshots for whoever watches a start: the current one first, then the latest whenever something changed."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from chatcore.initialization.progress import Snapshot


@attrs.define(eq=False)
class Feed:
    """Tells watchers that something changed. They are conflated: a slow one sees the latest, not each."""

    version: int = 0
    _latest: Snapshot | None = None
    _changed: trio.Event = attrs.field(factory=trio.Event)

    def tell(self) -> None:
        """Something changed."""
        self.version += 1
        self._changed.set()
        self._changed = trio.Event()

    async def pulse(self, seconds: float, wanted: Callable[[], bool]) -> None:
        """Tell that time passes where nothing else was told for so long, and it is of use to those who wait
        (guarantees.md, 26).
        """
        while True:
            with trio.move_on_after(seconds) as silence:
                await self.after(self.version)
            if silence.cancelled_caught and wanted():
                self.tell()

    def latest(self, take: Callable[[], Snapshot]) -> Snapshot:
        """The snapshot of this version: taken once, however many watchers ask for it."""
        if self._latest is None or self._latest.version != self.version:
            self._latest = take()
        return self._latest

    async def after(self, version: int) -> None:
        """Return when there is something newer than ``version``."""
        while self.version <= version:
            await self._changed.wait()


@attrs.define(eq=False)
class Progress:
    """An endless async iterator of snapshots; a plain object, so nothing is left to close when a watcher leaves."""

    _feed: Feed
    _snapshot: Callable[[], Snapshot]
    _seen: int = -1

    def __aiter__(self) -> Progress:
        return self

    async def __anext__(self) -> Snapshot:
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._feed.after(self._seen)
        joining = self._seen < 0  # the first is never older than the moment of joining (guarantees.md, 25)
        snapshot = self._snapshot() if joining else self._feed.latest(self._snapshot)
        self._seen = snapshot.version
        return snapshot
