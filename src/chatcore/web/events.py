"""A thread's events as server-sent events: what was, then what is, each with its ``seq`` as its id."""

from __future__ import annotations

import math
import time
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import attrs
import trio
from quart.wrappers.response import ResponseBody

from chatcore.auth.claims import Identity
from chatcore.delivery.arrears import Arrears
from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.delivery.outbox import Outbox
from chatcore.delivery.replay import Replay
from chatcore.errors import ErrorCode, RequestRefused
from chatcore.protocol import messages as m
from chatcore.protocol.codec import encode
from chatcore.session.connections import Connections
from chatcore.threads.model import StoredEvent
from chatcore.threads.service import ThreadService

KEEP_ALIVE_SECONDS = 15.0
"""Proxies give up on a silent response after half a minute or more."""


@attrs.define(eq=False)
class EventStream(ResponseBody):
    """One reader of a thread's events, as the body of a response; a :class:`~chatcore.delivery.bridge.Watcher`.

    It ends when its reader is gone or their token has expired, when too much is unread, when the history cannot be read
    any further, or when the thread has been deleted; a reader comes again with ``Last-Event-ID``.

    Args:
        store: where the events are.
        bridge: from where they go on.
        identity: who reads.
        resume: from where.
        outbox: bounded.
        connections: it is counted among, for as long as it is read.
    """

    store: ThreadService
    bridge: AgentWebSocketBridge
    identity: Identity
    resume: m.Resume
    outbox: Outbox
    connections: Connections
    _arrears: Arrears = attrs.field(factory=Arrears, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _following: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack, init=False)

    async def __aenter__(self) -> Self:
        allowed = self.connections.enter(self, self.identity.user_id)
        self._stack.callback(self.connections.leave, self)
        if not allowed:
            self._end(b": too many connections\n\n")
        self._stack.callback(self.bridge.leave, self)
        nursery = await self._stack.enter_async_context(trio.open_nursery())
        self._stack.callback(nursery.cancel_scope.cancel)
        nursery.start_soon(self._follow)
        if math.isfinite(self.identity.expires_at):
            nursery.start_soon(self._expire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self.outbox.overflowed or (self._ended and not self.outbox.held_bytes):
            raise StopAsyncIteration
        with trio.move_on_after(KEEP_ALIVE_SECONDS):
            return await self.outbox.take()
        if await self._is_deleted():
            raise StopAsyncIteration
        return b": still here\n\n"

    @property
    def state(self) -> str:
        """See :class:`~chatcore.session.connections.Drainable`."""
        return "reading"

    def drain(self, reconnect_after_seconds: float) -> None:
        """See :class:`~chatcore.session.connections.Drainable`; a reader comes again after that time."""
        self._end(b"retry: %d\n: draining\n\n" % round(1000 * reconnect_after_seconds))

    @property
    def behind(self) -> bool:
        """Whether much is unread."""
        return self.outbox.behind

    def fall_behind(self, thread_id: str) -> None:
        """Events were passed over; they are read from the log when there is room."""
        self._arrears.add(thread_id)

    def deliver(self, *events: StoredEvent) -> None:
        """Take events of a run."""
        for event in events:
            self._put(b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), event.frame))

    def say(self, frame: m.AnyServerFrame) -> None:
        """Take a frame about the stream itself. Only a snapshot has an id: a reader resumes from what it has seen."""
        position = f"id: {frame.seq}\n" if isinstance(frame, m.ThreadSnapshot) else ""
        self._put(f"{position}event: {frame.__struct_config__.tag}\ndata: {encode(frame)}\n\n".encode())

    async def _follow(self) -> None:
        replay = Replay(
            store=self.store,
            bridge=self.bridge,
            watcher=self,
            user_id=self.identity.user_id,
            send=self.say,
            room=self.outbox.room,
        )
        try:
            with self._following:
                await replay.resume(self.resume)
                while True:
                    await replay.catch_up(str(await self._arrears.next()))
        except RequestRefused:  # the response has begun: all that can be said is that it ends
            self._end(b": the history cannot be read now\n\n")

    async def _expire(self) -> None:
        await trio.sleep(max(0.0, self.identity.expires_at - time.time()))
        self._end(b": the token has expired\n\n")

    async def _is_deleted(self) -> bool:
        """Whether the thread is gone; one that can't be read now is not."""
        try:
            await self.store.thread(self.identity.user_id, self.resume.thread_id)
        except RequestRefused as error:
            return error.error_code is ErrorCode.THREAD_NOT_FOUND
        return False

    def _end(self, last: bytes) -> None:
        self._put(last)
        self._ended = True
        self._following.cancel()

    def _put(self, text: bytes) -> None:
        if not self._ended:
            self.outbox.put(text, trio.current_time())
