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
class _Place(Generic[F]):
    """A frame, or deltas that continue one another.

    They are joined when they are read: joining each as it arrives would copy the whole text every time.
    """

    _frame: F
    """The last one; of several, with the ``first_seq`` of them all."""
    _texts: list[str] = attrs.field(factory=list, init=False)
    """What the deltas before it say."""

    def join(self, frame: F) -> bool:
        """Take in ``frame`` where it goes on with the same text; whether it does."""
        last = self._frame
        if not isinstance(last, AgentDelta) or not isinstance(frame, AgentDelta):
            return False
        if (last.run_id, last.offset + len(last.text)) != (frame.run_id, frame.offset):
            return False
        self._texts.append(last.text)
        self._frame = msgspec.structs.replace(frame, first_seq=first_seq(last))
        return True

    def frame(self) -> F:
        """All of it as one frame."""
        last = self._frame
        if not self._texts or not isinstance(last, AgentDelta):
            return last
        before = "".join(self._texts)
        return msgspec.structs.replace(last, text=before + last.text, offset=last.offset - len(before))


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
    _places: deque[_Place[F]] = attrs.field(factory=deque, init=False)
    _end: Exception | None = attrs.field(default=None, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def put(self, frame: F) -> None:
        """Add ``frame``. A closed inbox takes nothing more."""
        if self._closed:
            return
        if not self._joins(frame):
            self._append(frame)
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
        while not self._places:
            if self._closed:
                raise StopAsyncIteration if self._end is None else own(self._end)
            await self._changed.wait()
        return self._places.popleft().frame()

    def _joins(self, frame: F) -> bool:
        return 2 * len(self._places) >= self.size and self._places[-1].join(frame)

    def _append(self, frame: F) -> None:
        if len(self._places) >= self.size:
            if not self.unread:
                return self.close(ReaderTooSlow(self.size))
            self._places.popleft()
        self._places.append(_Place(frame))

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
