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
    _frames: deque[tuple[bytes, float]] | None = None
    """None until something has to wait: most connections never need it, and an empty one takes 800 bytes."""
    _filled: trio.Event | None = None
    _moved: trio.Event | None = None
    _writing: bool = False

    @property
    def behind(self) -> bool:
        """Whether more than half of what may wait does: who can put later does so, and is not cut for it."""
        return 2 * self.held_bytes > self.max_bytes

    @property
    def empty(self) -> bool:
        """Whether everything that was put has been written."""
        return not self._frames and not self._writing

    def put(self, frame: bytes, now: float) -> None:
        """Queue a frame at ``now``; never waits."""
        self.overflowed = self.overflowed or self.held_bytes > self.max_bytes
        if self._frames is None:
            self._frames = deque()
        self._frames.append((frame, now))
        self.held_bytes += len(frame)
        if self._filled is not None:
            self._filled.set()

    def begin(self) -> None:
        """A frame is being written that was never put: it went past the queue, which was empty."""
        self._writing = True

    def clear(self) -> None:
        """Let go of what has not been written."""
        self._frames = None
        self.held_bytes = 0

    def abandon(self) -> None:
        """Let go of everything: nothing can be written any more."""
        self.clear()
        self._writing = False
        self.wake()

    def pop(self) -> tuple[bytes, float] | None:
        """The next frame to write, and when it was put; None where there is none.

        Asking for it says that the one before has been written.
        """
        self._writing = False
        self.wake()
        if not self._frames:
            return None
        self._writing = True
        frame, put_at = self._frames.popleft()
        self.held_bytes -= len(frame)
        return frame, put_at

    async def take(self) -> tuple[bytes, float]:
        """The same, once there is one."""
        while (taken := self.pop()) is None:
            self._filled = trio.Event()
            await self._filled.wait()
        return taken

    def wake(self) -> None:
        """Have whoever waits for the writer look again."""
        if self._moved is not None:
            self._moved.set()
            self._moved = None

    async def moved(self) -> None:
        """Return when the writer has written a frame, or was woken."""
        if self._moved is None:
            self._moved = trio.Event()
        await self._moved.wait()

    async def room(self) -> None:
        """Return when no more than half of what may wait does."""
        while self.behind:
            await self.moved()

    async def flushed(self) -> None:
        """Return when everything that was put has been written."""
        while not self.empty:
            await self.moved()
