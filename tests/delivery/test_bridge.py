"""The bridge: every watcher gets each event of its thread once, in order, and a replay meets live without a seam."""

from __future__ import annotations

from collections import defaultdict

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chatcore.delivery.bridge import AgentWebSocketBridge, Watch
from chatcore.threads.model import StoredEvent


def event(seq: int) -> StoredEvent:
    return StoredEvent(seq=seq, first_seq=seq, run_id="run", type="agent_delta", frame=b"{}")


@attrs.define(eq=False)
class Collector:
    """A watcher."""

    seen: list[int] = attrs.field(factory=list)

    def deliver(self, event: StoredEvent) -> None:
        self.seen.append(event.seq)


def test_events_reach_those_who_watch_their_thread() -> None:
    bridge, ann, bob = AgentWebSocketBridge(), Collector(), Collector()
    bridge.watch(ann, "one")
    bridge.watch(ann, "one")
    bridge.watch(bob, "two")
    for seq in (1, 2):
        bridge.publish("one", event(seq))
    bridge.publish("three", event(1))
    assert (ann.seen, bob.seen) == ([1, 2], [])
    bridge.leave(ann)
    bridge.publish("one", event(3))
    assert ann.seen == [1, 2]


def test_live_events_wait_for_the_replay_and_follow_it() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    with bridge.replaying(ann, "one") as watch:
        bridge.publish("one", event(3))
        bridge.publish("one", event(4))
        for seq in (1, 2, 3):
            ann.deliver(event(seq))
        watch.last_seq = 3
    bridge.publish("one", event(5))
    assert ann.seen == [1, 2, 3, 4, 5]


def test_a_replay_that_fails_leaves_nothing_that_grows() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    watches: list[Watch] = []

    def fail() -> None:
        with bridge.replaying(ann, "one") as watch:
            watches.append(watch)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    bridge.publish("one", event(1))
    assert ann.seen == []
    assert watches[0].held == []
    bridge.leave(ann)


def test_a_watcher_that_left_during_its_replay_is_gone() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    with bridge.replaying(ann, "one") as watch:
        bridge.leave(ann)
        bridge.publish("one", event(1))
        watch.last_seq = 0
    bridge.publish("one", event(2))
    assert ann.seen == []


async def test_settling_asks_the_run_under_way_to_store() -> None:
    bridge, flushed = AgentWebSocketBridge(), []

    async def flush() -> None:
        flushed.append("one")

    await bridge.settle("one")
    with bridge.live("one", flush):
        await bridge.settle("one")
        await bridge.settle("two")
    await bridge.settle("one")
    assert flushed == ["one"]


class Replays(RuleBasedStateMachine):
    """A thread's history grows; a watcher leaves, comes back from where it is, or starts over, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.bridge = AgentWebSocketBridge()
        self.last_seq = 0
        self.collectors: dict[int, Collector] = defaultdict(Collector)
        self.watching: dict[int, bool] = defaultdict(bool)

    def _publish(self, events: int) -> None:
        for _ in range(events):
            self.last_seq += 1
            self.bridge.publish("one", event(self.last_seq))

    @rule(events=st.integers(1, 4))
    def publish(self, events: int) -> None:
        self._publish(events)

    @rule(who=st.integers(0, 2), before=st.integers(0, 3), during=st.integers(0, 3))
    def resume(self, who: int, before: int, during: int) -> None:
        collector = self.collectors[who]
        with self.bridge.replaying(collector, "one") as watch:
            self._publish(before)
            snapshot = self.last_seq
            for seq in range(len(collector.seen) + 1, snapshot + 1):
                collector.deliver(event(seq))
            self._publish(during)
            watch.last_seq = snapshot
        self.watching[who] = True

    @rule(who=st.integers(0, 2))
    def leave(self, who: int) -> None:
        self.bridge.leave(self.collectors[who])
        self.watching[who] = False

    @invariant()
    def nobody_misses_or_repeats(self) -> None:
        for who, collector in self.collectors.items():
            assert collector.seen == list(range(1, len(collector.seen) + 1))
            if self.watching[who]:
                assert len(collector.seen) == self.last_seq


TestReplays = Replays.TestCase
TestReplays.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
