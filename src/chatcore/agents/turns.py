"""Whose turn it is when more agents are wanted at work than may be: users in rotation, each user's runs in order."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio


@attrs.define(eq=False)
class Turns:
    """Gives turns, ``most`` at a time. Who has the fewest is next, among those who waited longest for their last.

    Args:
        most: turns at a time.
    """

    most: int
    _held: Counter[str] = attrs.field(factory=Counter, init=False)
    _waiting: dict[str, deque[trio.Event]] = attrs.field(factory=dict, init=False)

    @asynccontextmanager
    async def turn(self, user_id: str) -> AsyncIterator[None]:
        """A turn of this user, for the length of the block."""
        await self._wait(user_id)
        try:
            yield
        finally:
            self._give_back(user_id)

    async def _wait(self, user_id: str) -> None:
        granted = trio.Event()
        self._waiting.setdefault(user_id, deque()).append(granted)
        self._grant()
        try:
            await granted.wait()
        except trio.Cancelled:
            if granted.is_set():
                self._give_back(user_id)
            else:
                self._leave(user_id, granted)
            raise

    def _give_back(self, user_id: str) -> None:
        self._held[user_id] -= 1
        if not self._held[user_id]:
            del self._held[user_id]
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._held.total() < self.most:
            user_id = min(self._waiting, key=self._held.__getitem__)
            granted = self._waiting[user_id].popleft()
            self._to_the_end(user_id)
            self._held[user_id] += 1
            granted.set()

    def _leave(self, user_id: str, granted: trio.Event) -> None:
        self._waiting[user_id].remove(granted)
        if not self._waiting[user_id]:
            del self._waiting[user_id]

    def _to_the_end(self, user_id: str) -> None:
        rest = self._waiting.pop(user_id)
        if rest:
            self._waiting[user_id] = rest
