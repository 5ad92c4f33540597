"""Replay: a thread's events after a position, then live; or its present state where that cannot be told honestly."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import attrs

from chatcore.delivery.bridge import AgentWebSocketBridge, Watch, Watcher
from chatcore.errors import StorageUnavailable
from chatcore.protocol import messages as m
from chatcore.threads.model import Thread
from chatcore.threads.service import ThreadService


@attrs.frozen(kw_only=True)
class Replay:
    """Replays threads to one watcher, one at a time.

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

    async def resume(self, request: m.Resume) -> bool:
        """Replay what the request asks for and watch the thread from there.

        Returns:
            whether the history was complete; else a snapshot was sent.

        Raises:
            RequestRefused: the user has no such thread, or it cannot be read now; it is watched as it was before.
        """
        await self.room()
        await self.store.thread(self.user_id, request.thread_id)
        before = self.bridge.place(self.watcher, request.thread_id)
        watch = self.bridge.watch_anew(self.watcher, request.thread_id)
        try:
            thread, complete = await self._begin(request, watch)
        except BaseException as error:  # cancelled or a defect, too: a place that was not found holds events for ever
            self.bridge.forget(self.watcher, request.thread_id)
            if isinstance(error, StorageUnavailable):
                self.bridge.restore(before)
            raise
        await self._keep_word(watch, thread)
        return complete

    async def _begin(self, request: m.Resume, watch: Watch) -> tuple[Thread, bool]:
        """Find the place and announce it: all that can fail has been read before a word is said."""
        thread = await self._settled(watch)
        complete = request.epoch in (None, thread.epoch) and request.after_seq <= thread.last_seq
        snapshot = None if complete else await self._snapshot(request.thread_id)
        await self.room()
        self._announce(request, thread, complete=complete)
        if snapshot is not None:
            self.send(snapshot)
        watch.last_seq = request.after_seq if snapshot is None else snapshot.seq
        return thread, complete

    async def _keep_word(self, watch: Watch, thread: Thread) -> None:
        """Replay what was announced; what cannot be read now comes later, from where it stopped."""
        try:
            await self._replay(watch, thread)
        except StorageUnavailable:
            watch.lapse()
        except BaseException:  # as above
            self.bridge.forget(self.watcher, watch.thread_id)
            raise

    async def catch_up(self, thread_id: str) -> None:
        """Give what the watcher missed of a thread while it was behind; nothing where it has missed nothing.

        Raises:
            StorageUnavailable: it cannot be read now, and is to be asked for again.
            RequestRefused: it cannot be read; the thread is not watched any more.
        """
        watch = self.bridge.missed(self.watcher, thread_id)
        if watch is None:
            return
        try:
            await self.room()
            watch.hold()
            await self._replay(watch, await self._settled(watch))
        except StorageUnavailable:
            watch.suspend()
            raise
        except BaseException:  # as in resume()
            self.bridge.forget(self.watcher, thread_id)
            raise

    async def _replay(self, watch: Watch, thread: Thread) -> None:
        """Replay up to where the thread was, again and again until what came since could be held."""
        await self._events(watch, thread)
        while watch.missed:
            watch.hold()
            await self._events(watch, await self._settled(watch))
        watch.go_live()

    async def _settled(self, watch: Watch) -> Thread:
        await self.bridge.settle(watch.thread_id)
        return await self.store.thread(self.user_id, watch.thread_id)

    async def _events(self, watch: Watch, thread: Thread) -> None:
        """The events up to where the thread was when it was looked at; what came since is held."""
        while (after := watch.last_seq or 0) < thread.last_seq:
            page = await self.store.events(self.user_id, thread.thread_id, after_seq=after)
            for event in page.items:
                if event.seq <= thread.last_seq:
                    await self.room()
                    watch.give(event)
            if not page.items:
                break

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

    async def _snapshot(self, thread_id: str) -> m.ThreadSnapshot:
        """The thread as it is now, all of one moment."""
        thread, messages = await self.store.snapshot(self.user_id, thread_id)
        return m.ThreadSnapshot(
            timestamp=time.time(),
            user_id=self.user_id,
            thread_id=thread.thread_id,
            epoch=thread.epoch,
            seq=thread.last_seq,
            messages=list(messages),
        )
