"""Resume: a thread's events after a position, then live; or its present state where that cannot be told honestly."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import attrs

from chatcore.delivery.bridge import AgentWebSocketBridge, Watcher
from chatcore.protocol import messages as m
from chatcore.threads.model import Thread
from chatcore.threads.service import ThreadService


@attrs.frozen(kw_only=True)
class Replay:
    """Replays threads to one watcher.

    Args:
        store: where the events are.
        bridge: from where they go on.
        watcher: who asked.
        user_id: whose threads it may see.
        send: puts a frame that is not an event of a run before the watcher.
        room: returns when the watcher can take more; a long history comes at its pace.
    """

    store: ThreadService
    bridge: AgentWebSocketBridge
    watcher: Watcher
    user_id: str
    send: Callable[[m.AnyServerFrame], None]
    room: Callable[[], Awaitable[None]]

    async def run(self, request: m.Resume) -> bool:
        """Replay what the request asks for and watch the thread from there.

        Returns:
            whether the history was complete; else a snapshot was sent.

        Raises:
            RequestRefused: the user has no such thread.
        """
        await self.store.thread(self.user_id, request.thread_id)
        with self.bridge.replaying(self.watcher, request.thread_id) as watch:
            await self.bridge.settle(request.thread_id)
            thread = await self.store.thread(self.user_id, request.thread_id)
            complete = request.epoch in (None, thread.epoch) and request.after_seq <= thread.last_seq
            self._announce(request, thread, complete=complete)
            if complete:
                await self._events(request, thread)
            else:
                await self._snapshot(thread)
            watch.last_seq = thread.last_seq
        return complete

    def _announce(self, request: m.Resume, thread: Thread, *, complete: bool) -> None:
        self.send(
            m.Resumed(
                timestamp=time.time(),
                user_id=self.user_id,
                thread_id=thread.thread_id,
                epoch=thread.epoch,
                from_seq=request.after_seq + 1,
                to_seq=thread.last_seq,
                complete=complete,
            )
        )

    async def _events(self, request: m.Resume, thread: Thread) -> None:
        """The events up to where the thread was when the replay began; what came since follows live."""
        after = request.after_seq
        while after < thread.last_seq:
            page = await self.store.events(self.user_id, thread.thread_id, after_seq=after)
            for event in page.items:
                if event.seq <= thread.last_seq:
                    await self.room()
                    self.watcher.deliver(event)
            if not page.items:
                break
            after = page.items[-1].seq

    async def _snapshot(self, thread: Thread) -> None:
        messages: list[m.ThreadMessage] = []
        cursor: str | None = None
        while True:
            page = await self.store.messages(self.user_id, thread.thread_id, cursor=cursor)
            messages += page.items
            cursor = page.next
            if cursor is None:
                break
        self.send(
            m.ThreadSnapshot(
                timestamp=time.time(),
                user_id=self.user_id,
                thread_id=thread.thread_id,
                epoch=thread.epoch,
                seq=thread.last_seq,
                messages=messages,
            )
        )
