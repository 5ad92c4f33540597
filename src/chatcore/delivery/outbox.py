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
    _writing: tuple[float, ...] = ()
    """When what is being written was put."""
    _filled: trio.Event | None = None
    _moved: trio.Event | None = None

    @property
    def behind(self) -> bool:
        """Whether more than half of what may wait does: who can put later does so, and is not cut for it."""
        return 2 * self.held_bytes > self.max_bytes

    @property
    def empty(self) -> bool:
        """Whether everything that was put has been written."""
        return not self._frames and not self._writing

    @property
    def writing(self) -> bool:
        """Whether something is being written."""
        return bool(self._writing)

    def put(self, frame: bytes, now: float) -> None:
        """Queue a frame at ``now``; never waits."""
        self.overflowed = self.overflowed or self.held_bytes > self.max_bytes
        if self._frames is None:
            self._frames = deque()
        self._frames.append((frame, now))
        self.held_bytes += len(frame)
        if self._filled is not None:
            self._filled.set()

    def begin(self, frames: int, now: float) -> None:
        """So many frames are being written that were never put: they went past the queue, which was empty."""
        self._writing = (now,) * frames

    def clear(self) -> None:
        """Let go of what has not been written."""
        self._frames = None
        self.held_bytes = 0

    def abandon(self) -> None:
        """Let go of everything: nothing can be written any more."""
        self.clear()
        self.written()

    def written(self) -> tuple[float, ...]:
        """What was being written has been; when it was put."""
        put_at, self._writing = self._writing, ()
        self.wake()
        return put_at

    def pop(self, most_bytes: int = 1) -> list[bytes]:
        """The next frames to write, up to so many bytes and at least one; nothing where nothing waits."""
        frames: list[bytes] = []
        put_at: list[float] = []
        while self._frames and most_bytes > 0:
            frame, at = self._frames.popleft()
            frames.append(frame)
            put_at.append(at)
            most_bytes -= len(frame)
            self.held_bytes -= len(frame)
        self._writing = tuple(put_at)
        return frames

    async def take(self) -> bytes:
        """The next frame to write, once there is one; asking for it says that the one before has been written."""
        self.written()
        while not self._frames:
            self._filled = trio.Event()
            await self._filled.wait()
        return self.pop()[0]

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
