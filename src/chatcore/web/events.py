"""A thread's events as server-sent events: what was, then what is, each with its ``seq`` as its id."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import trio

from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.delivery.outbox import Outbox
from chatcore.delivery.replay import Replay
from chatcore.protocol import messages as m
from chatcore.protocol.codec import encode
from chatcore.threads.model import StoredEvent
from chatcore.threads.service import ThreadService

KEEP_ALIVE_SECONDS = 15.0
"""Proxies give up on a silent response after half a minute or more."""


@attrs.define(eq=False)
class EventStream:
    """One reader of a thread's events; a :class:`~chatcore.delivery.bridge.Watcher`.

    Args:
        outbox: bounded; a reader that leaves it full is cut, and comes again with ``Last-Event-ID``.
    """

    outbox: Outbox

    def deliver(self, event: StoredEvent) -> None:
        """Take an event of a run."""
        self._put(f"id: {event.seq}\nevent: {event.type}\ndata: {event.frame.decode()}\n\n")

    def say(self, frame: m.AnyServerFrame) -> None:
        """Take a frame about the stream itself; it has no id, so that a reader resumes from the last event."""
        self._put(f"event: {frame.__struct_config__.tag}\ndata: {encode(frame)}\n\n")

    def _put(self, text: str) -> None:
        self.outbox.put(text, trio.current_time())


async def sse(
    bridge: AgentWebSocketBridge, store: ThreadService, user_id: str, resume: m.Resume, max_bytes: int
) -> AsyncIterator[bytes]:
    """The stream's bytes, until the reader is gone or has left too much unread."""
    stream = EventStream(Outbox(max_bytes=max_bytes))
    replay = Replay(store=store, bridge=bridge, watcher=stream, user_id=user_id, send=stream.say)
    try:
        await replay.run(resume)
        while not stream.outbox.overflowed.is_set():
            text = ": still here\n\n"
            with trio.move_on_after(KEEP_ALIVE_SECONDS):
                text, _ = await stream.outbox.take()
            yield text.encode()
    finally:
        bridge.leave(stream)
