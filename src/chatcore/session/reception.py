"""What a connection hears: frames within its limits are checked, then done or refused in words; never in silence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import attrs
import trio

from chatcore.agents.supervisor import AgentSupervisor
from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.delivery.replay import Replay
from chatcore.errors import (
    CloseCode,
    ErrorCode,
    InvalidMessage,
    RequestRefused,
    StorageUnavailable,
    TransportError,
    TransportOverrun,
    TransportRoused,
    TransportViolated,
)
from chatcore.limits import TokenBucket
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.protocol.codec import ClientFrameDecoder
from chatcore.session.connections import Connections
from chatcore.session.voice import Voice
from chatcore.threads.service import ThreadService

STRIKES = 100
"""Refused frames that make a client abusive; an honest one that is told what is wrong stops long before."""

STRIKES_BACK_PER_SECOND = 1.0
"""So that refusals over a long and honest life do not add up."""

ABUSE = (ErrorCode.RATE_LIMITED, ErrorCode.TOO_MANY_PENDING)
"""Refusals of what is no fault in itself, only too much."""

AGAIN_SECONDS = 1.0
"""How soon what could not be read from the log is read again."""

QUEUED_FRAMES = 128
"""Frames that may wait for the storage: more than a user may have pending messages (100)."""

Errand: TypeAlias = tuple[m.AnyClientFrame, int]
"""A frame to be done, and its size as it came."""


@attrs.define(eq=False, kw_only=True)
class Reception:
    """The incoming half of one connection.

    Args:
        voice: answers.
        supervisor: takes messages and cancellations.
        bridge: is told what to watch.
        store: waits for the ThreadService to be open.
        connections: counts a user's messages.
        recorder: hears of resumes.
        decoder: checks frames.
        frames: limits them.
    """

    voice: Voice
    supervisor: AgentSupervisor
    bridge: AgentWebSocketBridge
    store: Callable[[], Awaitable[ThreadService]]
    connections: Connections
    recorder: Recorder
    decoder: ClientFrameDecoder
    frames: TokenBucket
    _strikes: TokenBucket | None = attrs.field(default=None, init=False)
    _work: list[Errand] = attrs.field(factory=list, init=False)
    _queued_bytes: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.voice.settle = self._settle_arrears

    async def hear(self) -> None:
        """Take what the client sends, for as long as it is to be heard."""
        while self.voice.listens:
            try:
                data = await self.voice.transport.receive()
            except TransportRoused:
                continue
            except TransportOverrun:
                return self._cut_off(RequestRefused(ErrorCode.RATE_LIMITED))
            except TransportViolated as fault:
                return self.voice.end(fault.code, fault.reason)
            except TransportError:
                return self.voice.end(None)
            await self._take(data)
            del data  # nothing of it is held while the client is quiet

    async def _work_off(self) -> None:
        """Do what was heard and needs the storage, in order; that a client leaves meanwhile is noticed all the same."""
        while self._work:
            frame, size = self._work.pop(0)
            await self._refusable(self._do, frame)
            self._queued_bytes -= size

    async def _settle_arrears(self) -> None:
        """Replay what was asked for and what was missed, one thread after another, each when there is room for it.

        ``resumed`` may be said once ``ready`` was: what was asked for before is done then.
        """
        while self.voice.arrears:
            arrear = self.voice.arrears.pop()
            if isinstance(arrear, m.Resume):
                await self._refusable(self._resume, arrear)
            else:
                await self._catch_up(arrear)

    async def _take(self, data: str | bytes) -> None:
        wait = self.frames.take(trio.current_time())
        if wait > 0:
            return self._strike(RequestRefused(ErrorCode.RATE_LIMITED, retry_after_seconds=round(wait, 3)), None)
        if self.decoder.too_long(data):
            return self.voice.end(CloseCode.MESSAGE_TOO_BIG, ErrorCode.MESSAGE_TOO_LARGE.meaning.message)
        try:
            frame = self.decoder.decode(data)
        except InvalidMessage as error:
            return self._strike(error, getattr(error, "message_id", None))
        if isinstance(frame, m.Ping):
            self.voice.say(m.Pong, nonce=frame.nonce)
        else:
            await self._refusable(self._queue, frame, len(data))

    async def _refusable(self, act: Callable[..., Awaitable[None]], frame: m.AnyClientFrame, *given: Any) -> None:
        try:
            await act(frame, *given)
        except RequestRefused as error:
            message_id = frame.message_id if isinstance(frame, m.UserMessage) else None
            if error.error_code in ABUSE:
                self._strike(error, message_id)
            else:
                self._tell_refusal(error, message_id)

    async def _queue(self, frame: m.AnyClientFrame, size: int) -> None:
        if isinstance(frame, m.UserMessage):
            self.connections.take_message(self.voice.context.user_id, trio.current_time())
        if len(self._work) >= QUEUED_FRAMES or self._queued_bytes + size > 4 * self.decoder.max_bytes:
            raise RequestRefused(ErrorCode.TOO_MANY_PENDING, retry_after_seconds=1.0)
        self._work.append((frame, size))
        self._queued_bytes += size
        self.voice.hands.do(self._work_off)

    async def _do(self, frame: m.AnyClientFrame) -> None:
        match frame:
            case m.UserMessage():
                await self.supervisor.submit(self.voice.context, frame, self._acknowledge)
            case m.CancelRun():
                await self.supervisor.cancel(self.voice.context.user_id, frame.run_id)
            case m.Resume():
                self._ask_for(frame)

    def _acknowledge(self, acknowledgement: m.MessageAccepted) -> None:
        """Say it, and watch the thread from here: the run's first event comes after the acknowledgement."""
        self.voice.say_frame(acknowledgement)
        if self.voice.ending is None:
            self.bridge.watch(self.voice, acknowledgement.thread_id)

    def _ask_for(self, frame: m.Resume) -> None:
        if len(self.voice.arrears) >= QUEUED_FRAMES:
            raise RequestRefused(ErrorCode.TOO_MANY_PENDING, retry_after_seconds=1.0)
        self.voice.owe(frame)

    async def _resume(self, frame: m.Resume) -> None:
        complete = await (await self._replay()).resume(frame)
        self.recorder.resumed("complete" if complete else "snapshot")

    async def _catch_up(self, thread_id: str) -> None:
        try:
            await (await self._replay()).catch_up(thread_id)
        except StorageUnavailable:
            await trio.sleep(AGAIN_SECONDS)
            self.voice.owe(thread_id)
        except RequestRefused as error:
            if error.error_code is not ErrorCode.THREAD_NOT_FOUND:  # it was deleted
                self.voice.cut()  # it would miss what it was promised; it may come again and resume

    async def _replay(self) -> Replay:
        return Replay(
            store=await self.store(),
            bridge=self.bridge,
            watcher=self.voice,
            user_id=self.voice.context.user_id,
            send=self.voice.say_frame,
            room=self.voice.room,
        )

    def _strike(self, error: RequestRefused, message_id: str | None) -> None:
        """A frame was no use; a client that sends nothing else is abusive."""
        if self._strikes is None:
            self._strikes = TokenBucket(STRIKES_BACK_PER_SECOND, STRIKES - 1)
        if self._strikes.take(trio.current_time()) > 0:
            return self._cut_off(error, message_id)
        self._tell_refusal(error, message_id)

    def _cut_off(self, error: RequestRefused, message_id: str | None = None) -> None:
        """Close on an abusive client, told why: what else it has coming would take its time under a flood."""
        self.voice.unsay()
        self._tell_refusal(error, message_id)
        self.voice.end(CloseCode.POLICY_VIOLATION, error.error_code.meaning.message)

    def _tell_refusal(self, error: RequestRefused, message_id: str | None) -> None:
        self.voice.say_error(
            error.error_code,
            message=error.public_message,
            retry_after_seconds=error.retry_after_seconds,
            message_id=message_id,
        )
