"""The AgentWebSocketBridge: hands the events of runs to everyone who watches their thread.

A run belongs to its thread, not to a connection, so the bridge knows threads and watchers only. Watching never waits:
a watcher takes a frame into a bounded queue of its own and is cut when that is full, at nobody else's cost.

Replay meets live without a seam: a watcher is registered first and its live events are held, the run under way is made
to store what it has sent, the history is replayed up to what was stored then, and the held events follow from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import attrs

from chatcore.threads.model import StoredEvent


class Watcher(Protocol):
    """Someone who watches threads: a session, or a reader of server-sent events."""

    def deliver(self, event: StoredEvent) -> None:
        """Take an event; must not wait."""


@attrs.define(eq=False)
class Watch:
    """One watcher's place in one thread.

    Args:
        last_seq: the last event it was given, or is given by a replay.
        held: live events that wait for the replay to end; None once live.
    """

    watcher: Watcher
    last_seq: int = 0
    held: list[StoredEvent] | None = None

    def offer(self, event: StoredEvent) -> None:
        """Give an event, once."""
        if self.held is not None:
            self.held.append(event)
        elif event.seq > self.last_seq:
            self.last_seq = event.seq
            self.watcher.deliver(event)

    def go_live(self) -> None:
        """The replay is over: what was held follows it."""
        held, self.held = self.held or [], None
        for event in held:
            self.offer(event)


@attrs.define(eq=False)
class AgentWebSocketBridge:
    """From runs to watchers, within this process."""

    _watches: dict[str, dict[Watcher, Watch]] = attrs.field(factory=dict)
    _flushes: dict[str, Callable[[], Awaitable[None]]] = attrs.field(factory=dict)

    def publish(self, thread_id: str, event: StoredEvent) -> None:
        """Hand an event to everyone who watches its thread."""
        for watch in tuple(self._watches.get(thread_id, {}).values()):
            watch.offer(event)

    def watch(self, watcher: Watcher, thread_id: str) -> None:
        """Watch a thread from now on; changes nothing where it is watched already."""
        self._watches.setdefault(thread_id, {}).setdefault(watcher, Watch(watcher))

    def leave(self, watcher: Watcher) -> None:
        """Watch nothing any more."""
        for thread_id in [thread_id for thread_id, watches in self._watches.items() if watcher in watches]:
            self._forget(watcher, thread_id)

    @contextmanager
    def replaying(self, watcher: Watcher, thread_id: str) -> Iterator[Watch]:
        """Watch a thread anew: within the block live events are held, so that a replay can come before them.

        The block sets ``last_seq`` to the last event that the replay gave. Where it fails, the thread is not watched
        any more: what would follow has a gap before it.
        """
        watch = Watch(watcher, held=[])
        self._watches.setdefault(thread_id, {})[watcher] = watch
        try:
            yield watch
        except BaseException:
            self._forget(watcher, thread_id)
            raise
        watch.go_live()

    @contextmanager
    def live(self, thread_id: str, flush: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """A run is under way on this thread; ``flush`` stores what it has sent and not yet stored."""
        self._flushes[thread_id] = flush
        try:
            yield
        finally:
            del self._flushes[thread_id]

    def _forget(self, watcher: Watcher, thread_id: str) -> None:
        watches = self._watches.get(thread_id, {})
        watches.pop(watcher, None)
        if not watches:
            self._watches.pop(thread_id, None)

    async def settle(self, thread_id: str) -> None:
        """Have everything that was published on this thread stored."""
        flush = self._flushes.get(thread_id)
        if flush is not None:
            await flush()
