"""One connection's outgoing frames: a bounded queue that one writer empties, so that no client waits for another."""

from __future__ import annotations

from collections import deque

import attrs
import trio


@attrs.define(eq=False)
class Outbox:
    """Frames, as UTF-8, in the order they were put.

    Args:
        max_bytes: what may wait unwritten; a frame that comes when it is more sets :attr:`overflowed`, and the
            connection is to be cut. A single frame may be of any size: a long answer is no fault of its reader.
    """

    max_bytes: int
    held_bytes: int = 0
    overflowed: bool = False
    _frames: deque[tuple[bytes, float]] = attrs.field(factory=deque)
    _filled: trio.Event = attrs.field(factory=trio.Event)
    _moved: trio.Event = attrs.field(factory=trio.Event)
    _writing: bool = False

    @property
    def behind(self) -> bool:
        """Whether more than half of what may wait does: who can put later does so, and is not cut for it."""
        return 2 * self.held_bytes > self.max_bytes

    def put(self, frame: bytes, now: float) -> None:
        """Queue a frame at ``now``; never waits."""
        self.overflowed = self.overflowed or self.held_bytes > self.max_bytes
        self._frames.append((frame, now))
        self.held_bytes += len(frame)
        self._filled.set()

    def clear(self) -> None:
        """Let go of what has not been written."""
        self._frames.clear()
        self.held_bytes = 0

    async def take(self) -> tuple[bytes, float]:
        """The next frame to write, and when it was put; asking for it says that the one before has been written."""
        self._writing = False
        self.wake()
        while not self._frames:
            self._filled = trio.Event()
            await self._filled.wait()
        self._writing = True
        frame, put_at = self._frames.popleft()
        self.held_bytes -= len(frame)
        return frame, put_at

    def wake(self) -> None:
        """Have whoever waits for the writer look again."""
        self._moved.set()
        self._moved = trio.Event()

    async def moved(self) -> None:
        """Return when the writer has written a frame, or was woken."""
        await self._moved.wait()

    async def room(self) -> None:
        """Return when no more than half of what may wait does."""
        while self.behind:
            await self.moved()

    async def flushed(self) -> None:
        """Return when everything that was put has been written."""
        while self._frames or self._writing:
            await self.moved()
