"""Where answers and frames wait for whoever reads them. Putting never blocks: a slow reader holds up nobody else."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import attrs
import msgspec
import trio

from chatcore.client.errors import ReaderTooSlow, own
from chatcore.protocol.messages import AgentDelta, AnyServerFrame
from chatcore.protocol.run import first_seq

T = TypeVar("T")
F = TypeVar("F", bound=AnyServerFrame)


@attrs.define
class Reply(Generic[T]):
    """The answer to one request, for any number of tasks that wait for it."""

    _settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    _values: list[T] = attrs.field(factory=list, init=False)
    _error: Exception | None = attrs.field(default=None, init=False)

    def settle(self, value: T) -> None:
        """Answer, unless that has been done."""
        if not self._settled.is_set():
            self._values.append(value)
            self._settled.set()

    def fail(self, error: Exception) -> None:
        """Say why there is no answer, unless that or the answer has been said."""
        if not self._settled.is_set():
            self._error = error
            self._settled.set()

    @property
    def unwanted(self) -> bool:
        """Whether no task waits for it."""
        return not self._settled.statistics().tasks_waiting

    async def wait(self) -> T:
        """The answer.

        Raises:
            Exception: what :meth:`fail` was given; each waiter has its own.
        """
        await self._settled.wait()
        if self._error is not None:
            raise own(self._error)
        return self._values[0]


@attrs.define
class Inbox(Generic[F]):
    """A bounded buffer of frames.

    From half of its size on, a delta that continues the last one is joined to it (as the server does on replay), so
    that a streamed answer takes one place however long it is. When it is full all the same, what arrives is dropped
    and the reader is told so after it has read the rest.

    Args:
        size: how many frames it holds.
        unread: whether the oldest frames make room as long as nobody has begun to read.
    """

    size: int
    unread: bool = False
    _frames: deque[F] = attrs.field(factory=deque, init=False)
    _end: Exception | None = attrs.field(default=None, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def put(self, frame: F) -> None:
        """Add ``frame``. A closed inbox takes nothing more."""
        if self._closed:
            return
        joined = self._joined(frame) if 2 * len(self._frames) >= self.size else None
        if joined is not None:
            self._frames[-1] = joined
        elif len(self._frames) < self.size:
            self._frames.append(frame)
        elif self.unread:
            self._frames.popleft()
            self._frames.append(frame)
        else:
            self.close(ReaderTooSlow(self.size))
        self._wake()

    def close(self, error: Exception | None = None) -> None:
        """Nothing follows. The reader has the rest, then ``error``, or the end of the iteration."""
        if not self._closed:
            self._closed, self._end = True, error
            self._wake()

    async def get(self) -> F:
        """The next frame.

        Raises:
            StopAsyncIteration: when there will be none.
            Exception: what :meth:`close` was given; each reader has its own.
        """
        self.unread = False
        await trio.lowlevel.checkpoint()
        while not self._frames:
            if self._closed:
                raise StopAsyncIteration if self._end is None else own(self._end)
            await self._changed.wait()
        return self._frames.popleft()

    def _joined(self, frame: F) -> F | None:
        """``frame`` with the frame before it, where both are parts of the same text."""
        last = self._frames[-1] if self._frames else None
        if not isinstance(last, AgentDelta) or not isinstance(frame, AgentDelta):
            return None
        if (last.run_id, last.offset + len(last.text)) != (frame.run_id, frame.offset):
            return None
        return msgspec.structs.replace(
            frame, text=last.text + frame.text, offset=last.offset, first_seq=first_seq(last)
        )

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
