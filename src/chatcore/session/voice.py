"""What a connection says: every frame passes one table, and is sent the moment it is said where that takes no waiting.

What has to wait does so in one bounded outbox, and is written by a task that is there for as long as something waits.
"""

from __future__ import annotations

import time
from typing import Any

import attrs
import trio

from chatcore.context import UserExecutionContext, require_context
from chatcore.delivery.arrears import Arrear, Arrears
from chatcore.delivery.outbox import Outbox
from chatcore.errors import CloseCode, ErrorCode, TransportError, TransportStalled
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.protocol.codec import encode_utf8
from chatcore.protocol.connection import OPENED, TRANSITIONS, Conversation, State, What
from chatcore.protocol.shared import Announcement, Owner
from chatcore.session.chores import Hands, Work
from chatcore.threads.model import StoredEvent
from chatcore.transports.base import Transport

STALLED_SECONDS = 5.0
"""A client that takes not a single frame in this time, with much unread, does not read. A transport's own deadline is
longer, so that the client is told why."""

TOGETHER_SECONDS = 0.001
"""Events that follow one another faster than this, as an agent's words may, go out in one call for all of them."""

WRITTEN_BYTES = 65_536
"""Written at once of what waits: a full send buffer, and a slice of what a slow reader is given time for."""


@attrs.frozen
class Ending:
    """How a connection ends. ``code`` is None where the other side is already gone."""

    code: CloseCode | None
    reason: str = ""

    @property
    def outcome(self) -> str:
        """What metrics call it."""
        return str(int(self.code)) if self.code is not None else "gone"


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)
class Voice:
    """The outgoing half of one connection; a :class:`~chatcore.delivery.bridge.Watcher` of threads.

    Args:
        context: whose connection it is.
        transport: where frames go.
        recorder: hears of states and deliveries.
        hands: write what has to wait.
        max_bytes: what may wait unwritten; a client that leaves more unread is cut (4413). Events of runs take half of
            it at most: what comes then is read from the log when there is room.
    """

    context: UserExecutionContext = attrs.field(
        validator=lambda voice, _, value: require_context(value, type(voice).__name__)
    )
    transport: Transport
    recorder: Recorder
    max_bytes: int
    hands: Hands = attrs.field(factory=Hands)
    ending: Ending | None = attrs.field(default=None, init=False)
    arrears: Arrears = attrs.field(factory=Arrears, init=False)
    """What it is still to be given from the log."""
    settle: Work | None = attrs.field(default=None, init=False)
    """Gives it that."""
    _conversation: Conversation = attrs.field(default=OPENED, init=False)
    _outbox: Outbox = attrs.field(init=False)
    _owner: Owner = attrs.field(init=False)
    _delivered_at: float = attrs.field(default=float("-inf"), init=False)
    _counted: State | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._outbox = Outbox(max_bytes=self.max_bytes)
        self._owner = Owner.of(self.context.user_id, self.context.connection_id)

    @property
    def state(self) -> State:
        """Where the conversation is."""
        return self._conversation.state

    @property
    def heard(self) -> bool:
        """Whether the other side takes what is said: it is there, and it reads."""
        return self.ending is None or self.ending.code not in (None, CloseCode.SLOW_CONSUMER)

    def say(self, kind: type[Any], **fields: Any) -> None:
        """Say a frame of this kind; after the end nothing is said any more.

        Raises:
            IllegalFrame: the table does not allow it now, which is a defect of the caller.
        """
        self.say_frame(kind(timestamp=time.time(), user_id=self.context.user_id, **fields))

    def say_frame(self, frame: m.AnyServerFrame) -> None:
        """Say a frame that is made already."""
        if self.ending is None:
            self._go_on(self._conversation.advance(frame))
            self._put(encode_utf8(frame))

    def announce(self, announcement: Announcement) -> None:
        """Say what is said to many."""
        if self.ending is None:
            self._go_on(announcement.after(self._conversation))
            self._put(*announcement.texts_for(self._owner))

    def say_error(
        self,
        code: ErrorCode,
        *,
        message: str | None = None,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
        message_id: str | None = None,
    ) -> None:
        """Say an error; what is not given is the catalogue's."""
        self.say(
            m.Error,
            error_code=str(code),
            message=message or code.meaning.message,
            retryable=code.meaning.retryable if retryable is None else retryable,
            retry_after_seconds=retry_after_seconds,
            message_id=message_id,
        )

    @property
    def behind(self) -> bool:
        """Whether it may not say an event of a run now: ``ready`` has not been said, or much is unread."""
        return self.ending is None and ((self.state, What.RUN_EVENT) not in TRANSITIONS or self._outbox.behind)

    def deliver(self, *events: StoredEvent) -> None:
        """Say events of a run, together; only while not :attr:`behind`."""
        if self.ending is None:
            now = trio.current_time()
            together, self._delivered_at = now - self._delivered_at < TOGETHER_SECONDS, now
            (self._queue if together and len(events) == 1 else self._put)(*[event.frame for event in events])

    def fall_behind(self, thread_id: str) -> None:
        """Events of this thread were passed over."""
        self.owe(thread_id)

    def owe(self, arrear: Arrear) -> None:
        """Have it given this from the log."""
        self.arrears.add(arrear)
        if self.settle is not None:
            self.hands.do(self.settle)

    @property
    def listens(self) -> bool:
        """Whether the client is to be heard now: not after the end, nor before somebody does the chores there are."""
        return self.ending is None and not self.hands.missing

    def end(self, code: CloseCode | None, reason: str = "") -> None:
        """End the connection after what has been said is written. The first reason counts."""
        if self.ending is None:
            self.ending = Ending(code, reason)
            self.transport.rouse()

    @property
    def unwritten(self) -> bool:
        """Whether something that was said waits to be written."""
        return not self._outbox.empty

    async def written(self) -> None:
        """Return when everything that was said has been written."""
        await self._outbox.flushed()

    def unsay(self) -> None:
        """Let go of what has not been written: what is said next is heard next."""
        self._outbox.clear()

    async def room(self) -> None:
        """Return when it is not behind any more; a client that takes nothing meanwhile is cut."""
        while self.behind:
            with trio.move_on_after(STALLED_SECONDS) as wait:
                await self._outbox.moved()
            if wait.cancelled_caught and self._outbox.behind:
                self.cut()

    def silence(self) -> None:
        """The connection is over; it is counted nowhere any more."""
        self._count(None)

    def _put(self, *frames: bytes) -> None:
        """Send at once; what has to wait is the writer's."""
        if not self._outbox.empty:
            return self._queue(*frames)
        try:
            whole = self.transport.offer(*frames)
        except TransportError:
            return self.end(None)
        if whole:
            self.recorder.delivered(0.0, len(frames))
            return None
        self._outbox.begin(len(frames), trio.current_time())
        return self.hands.do(self.write)

    def _queue(self, *frames: bytes) -> None:
        """Have the writer send this, with what else is said before its turn comes."""
        for frame in frames:
            self._outbox.put(frame, trio.current_time())
        if self._outbox.overflowed:
            self.cut()
        self.hands.do(self.write)

    async def write(self) -> None:
        """Write what has to wait, and what is said meanwhile."""
        try:
            while True:
                if self._outbox.writing:
                    await self.transport.flush()
                for put_at in self._outbox.written():
                    self.recorder.delivered(trio.current_time() - put_at)
                frames = self._outbox.pop(WRITTEN_BYTES)
                if not frames:
                    return
                self.transport.offer(*frames)
        except TransportStalled:
            self._outbox.abandon()
            self.cut()
        except TransportError:
            self._outbox.abandon()
            self.end(None)
        except Exception:  # a defect, which whoever began this hears of; nobody is to wait for the rest
            self._outbox.abandon()
            raise

    def cut(self) -> None:
        """End the connection of a client that is too far behind; it may come again and resume."""
        if self.ending is None:
            self.recorder.slow_consumer()
            self.end(CloseCode.SLOW_CONSUMER, ErrorCode.SLOW_CONSUMER.meaning.message)

    def _go_on(self, conversation: Conversation) -> None:
        """What is said leads to this."""
        self._conversation = conversation
        if conversation.state is not self._counted:
            self._count(conversation.state)
            self._outbox.wake()  # what could not be said before may be allowed now

    def _count(self, state: State | None) -> None:
        if state is not self._counted:
            self.recorder.connection_changed(self._counted, state)
            self._counted = state
