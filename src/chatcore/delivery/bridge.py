"""The AgentWebSocketBridge: hands the events of runs to everyone who watches their thread.

A run belongs to its thread, not to a connection, so the bridge knows threads and watchers only. Handing over never
waits: a watcher that has much unread is given no more. A mark stands for what it misses, which it reads from the log at
its own pace (:mod:`.replay`), and then it is live again; it costs nobody else anything.

Replay meets live without a seam: a watcher is registered first and its live events are held, the run under way is made
to store what it has sent, the history is replayed up to what was stored then, and the held events follow from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import attrs

from chatcore.threads.model import StoredEvent

HELD_BYTES = 65_536
"""Of live events that wait for a replay to end; with more, the replay goes on instead: the log has them."""


class Watcher(Protocol):
    """Someone who watches threads: a session, or a reader of server-sent events."""

    @property
    def behind(self) -> bool:
        """Whether it is to be given no event now."""

    def deliver(self, *events: StoredEvent) -> None:
        """Take events that follow one another; must not wait."""

    def fall_behind(self, thread_id: str) -> None:
        """Events of this thread are in the log from now on, for :meth:`~.replay.Replay.catch_up`; must not wait."""


@attrs.define(eq=False)
class Watch:
    """One watcher's place in one thread.

    Args:
        watcher: whose.
        thread_id: which.
        last_seq: the last event it was given; None before the first.
        held: live events that wait for a replay to end; None while live.
        missed: whether events after ``last_seq`` were passed over.
    """

    watcher: Watcher
    thread_id: str
    last_seq: int | None = None
    held: list[StoredEvent] | None = None
    missed: bool = False
    _held_bytes: int = 0

    def offer(self, *events: StoredEvent) -> None:
        """Give events that follow one another, each once; or hold them, or pass them over."""
        if self.last_seq is None:
            self.last_seq = events[0].first_seq - 1
        if events[0].seq <= self.last_seq:
            events = tuple(event for event in events if event.seq > (self.last_seq or 0))
        if self.missed or not events:
            return
        if self.held is not None:
            self._hold(self.held, events)
        elif self.watcher.behind:
            self.lapse()
        else:
            self.give(*events)

    def give(self, *events: StoredEvent) -> None:
        """Give the next events."""
        self.last_seq = events[-1].seq
        self.watcher.deliver(*events)

    def hold(self) -> None:
        """A replay begins: what it does not reach is held."""
        self.held, self._held_bytes, self.missed = [], 0, False

    def suspend(self) -> None:
        """What comes cannot be given now: it is in the log."""
        self.held, self.missed = None, True

    def lapse(self) -> None:
        """The same, and the watcher is to read the log."""
        self.suspend()
        self.watcher.fall_behind(self.thread_id)

    def go_live(self) -> None:
        """The replay is over: what was held follows it."""
        held, self.held = self.held or [], None
        for event in held:
            self.offer(event)

    def _hold(self, held: list[StoredEvent], events: Sequence[StoredEvent]) -> None:
        held.extend(events)
        self._held_bytes += sum(len(event.frame) for event in events)
        if self._held_bytes > HELD_BYTES:
            held.clear()
            self.missed = True


@attrs.define(eq=False)
class AgentWebSocketBridge:
    """From runs to watchers, within this process."""

    _watches: dict[str, dict[Watcher, Watch]] = attrs.field(factory=dict)
    _watched: defaultdict[Watcher, set[str]] = attrs.field(factory=lambda: defaultdict(set))
    _flushes: dict[str, Callable[[], Awaitable[None]]] = attrs.field(factory=dict)

    def publish(self, thread_id: str, *events: StoredEvent) -> None:
        """Hand events that follow one another to everyone who watches their thread."""
        for watch in tuple(self._watches.get(thread_id, {}).values()):
            watch.offer(*events)

    def watch(self, watcher: Watcher, thread_id: str) -> None:
        """Watch a thread from now on; changes nothing where it is watched already."""
        if thread_id not in self._watched[watcher]:
            self._register(Watch(watcher, thread_id))

    def leave(self, watcher: Watcher) -> None:
        """Watch nothing any more."""
        for thread_id in self._watched.pop(watcher, ()):
            self._remove(watcher, thread_id)

    def forget(self, watcher: Watcher, thread_id: str) -> None:
        """Watch a thread no more."""
        if thread_id in self._watched.get(watcher, ()):
            self._watched[watcher].remove(thread_id)
            self._remove(watcher, thread_id)

    def missed(self, watcher: Watcher, thread_id: str) -> Watch | None:
        """The place of a watcher that has missed events of a thread; None where it has not."""
        watch = self.place(watcher, thread_id)
        return watch if watch is not None and watch.missed else None

    def restore(self, watch: Watch | None) -> None:
        """Watch as before a replay that failed; what came since is in the log."""
        if watch is not None and watch.last_seq is not None:
            self._register(watch)
            watch.lapse()

    def place(self, watcher: Watcher, thread_id: str) -> Watch | None:
        """The place of a watcher in a thread; None where it does not watch it."""
        return self._watches.get(thread_id, {}).get(watcher)

    def watch_anew(self, watcher: Watcher, thread_id: str) -> Watch:
        """Watch a thread from a place that is still to be found; live events are held until then."""
        watch = Watch(watcher, thread_id, held=[])
        self._register(watch)
        return watch

    @contextmanager
    def live(self, thread_id: str, flush: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """A run is under way on this thread; ``flush`` stores what it has sent and not yet stored."""
        self._flushes[thread_id] = flush
        try:
            yield
        finally:
            del self._flushes[thread_id]

    async def settle(self, thread_id: str) -> None:
        """Have everything that was published on this thread stored."""
        flush = self._flushes.get(thread_id)
        if flush is not None:
            await flush()

    def _register(self, watch: Watch) -> None:
        self._watches.setdefault(watch.thread_id, {})[watch.watcher] = watch
        self._watched[watch.watcher].add(watch.thread_id)

    def _remove(self, watcher: Watcher, thread_id: str) -> None:
        watches = self._watches[thread_id]
        del watches[watcher]
        if not watches:
            del self._watches[thread_id]
