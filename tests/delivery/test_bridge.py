"""The bridge: every watcher gets each event of its thread once, in order, however far behind it falls."""

from __future__ import annotations

from collections import defaultdict

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chatcore.delivery.bridge import HELD_BYTES, AgentWebSocketBridge, Watch
from chatcore.threads.model import StoredEvent


def event(seq: int, size: int = 2) -> StoredEvent:
    return StoredEvent(seq=seq, first_seq=seq, run_id="run", type="agent_delta", frame=b" " * size)


@attrs.define(eq=False)
class Collector:
    """A watcher."""

    seen: list[int] = attrs.field(factory=list)
    behind: bool = False
    missing: list[str] = attrs.field(factory=list)

    def deliver(self, *events: StoredEvent) -> None:
        assert not self.behind
        self.seen += [event.seq for event in events]

    def fall_behind(self, thread_id: str) -> None:
        self.missing.append(thread_id)


def replay(watch: Watch, up_to: int) -> None:
    """Give what a log has, up to an event of it."""
    for seq in range((watch.last_seq or 0) + 1, up_to + 1):
        watch.give(event(seq))


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


@pytest.mark.parametrize("up_to", [2, 3, 4])
def test_live_events_wait_for_the_replay_and_follow_it(up_to: int) -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    watch = bridge.watch_anew(ann, "one")
    bridge.publish("one", event(3))
    bridge.publish("one", event(4))
    assert ann.seen == []
    watch.last_seq = 0
    replay(watch, up_to)
    watch.go_live()
    bridge.publish("one", event(5))
    assert ann.seen == [1, 2, 3, 4, 5]


def test_what_is_held_is_bounded_and_then_the_log_has_it() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    watch = bridge.watch_anew(ann, "one")
    half = HELD_BYTES // 2 + 1
    bridge.publish("one", event(1, size=half))
    assert (watch.missed, len(watch.held or [])) == (False, 1)
    bridge.publish("one", event(2, size=half))
    assert (watch.missed, watch.held) == (True, [])
    bridge.publish("one", event(3))
    assert watch.held == [], "it would have a gap before it"


def test_a_watcher_that_is_behind_is_given_nothing_and_told_once() -> None:
    bridge, ann, bob = AgentWebSocketBridge(), Collector(), Collector()
    for watcher in (ann, bob):
        bridge.watch(watcher, "one")
    bridge.publish("one", event(1))
    ann.behind = True
    for seq in (2, 3):
        bridge.publish("one", event(seq))
    ann.behind = False
    bridge.publish("one", event(4))
    assert (ann.seen, ann.missing) == ([1], ["one"])
    assert bob.seen == [1, 2, 3, 4], "at nobody else's cost"
    watch = bridge.missed(ann, "one")
    assert watch is not None
    assert watch.last_seq == 1
    watch.hold()
    bridge.publish("one", event(5))
    replay(watch, 4)
    watch.go_live()
    assert ann.seen == [1, 2, 3, 4, 5]
    assert bridge.missed(ann, "one") is None


def test_one_that_falls_behind_with_its_first_event_misses_nothing_before_it() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector(behind=True)
    bridge.watch(ann, "one")
    bridge.publish("one", event(7))
    watch = bridge.missed(ann, "one")
    assert watch is not None
    assert watch.last_seq == 6


def test_what_was_held_may_be_too_much_for_the_watcher() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    watch = bridge.watch_anew(ann, "one")
    bridge.publish("one", event(1))
    watch.last_seq, ann.behind = 0, True
    watch.go_live()
    assert (ann.seen, ann.missing) == ([], ["one"])


def test_a_replay_that_failed_leaves_the_watch_as_it_was_and_behind() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    bridge.watch(ann, "one")
    bridge.publish("one", event(1))
    before = bridge.place(ann, "one")
    bridge.watch_anew(ann, "one")
    bridge.publish("one", event(2))
    bridge.restore(before)
    bridge.publish("one", event(3))
    assert (ann.seen, ann.missing) == ([1], ["one"])
    watch = bridge.missed(ann, "one")
    assert watch is before
    assert watch is not None
    watch.hold()
    replay(watch, 3)
    watch.go_live()
    assert ann.seen == [1, 2, 3]


def test_there_is_nothing_to_restore_where_nothing_was_watched() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    bridge.restore(None)
    bridge.watch(ann, "one")
    bridge.restore(bridge.place(ann, "one"))
    assert ann.missing == []


def test_a_thread_that_is_forgotten_is_not_watched_and_nothing_grows() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    watch = bridge.watch_anew(ann, "one")
    bridge.forget(ann, "one")
    bridge.forget(ann, "one")
    bridge.forget(ann, "never watched")
    bridge.publish("one", event(1))
    assert (ann.seen, watch.held) == ([], [])
    assert bridge.missed(ann, "one") is None
    bridge.leave(ann)


def test_a_watcher_that_left_during_its_replay_is_gone() -> None:
    bridge, ann = AgentWebSocketBridge(), Collector()
    watch = bridge.watch_anew(ann, "one")
    bridge.leave(ann)
    bridge.publish("one", event(1))
    watch.last_seq = 0
    watch.go_live()
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
    """A thread's history grows; a watcher leaves, falls behind, catches up, or comes back from where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.bridge = AgentWebSocketBridge()
        self.last_seq = 0
        self.collectors: dict[int, Collector] = defaultdict(Collector)
        self.watching: dict[int, bool] = defaultdict(bool)

    def _publish(self, events: int) -> None:
        for _ in range(events):
            self.last_seq += 1
            self.bridge.publish("one", event(self.last_seq, size=HELD_BYTES // 3))

    @rule(events=st.integers(1, 4))
    def publish(self, events: int) -> None:
        self._publish(events)

    @rule(who=st.integers(0, 2), before=st.integers(0, 3), during=st.integers(0, 5))
    def resume(self, who: int, before: int, during: int) -> None:
        collector = self.collectors[who]
        collector.behind = False
        watch = self.bridge.watch_anew(collector, "one")
        self._publish(before)
        watch.last_seq = len(collector.seen)
        self._replay(watch, during)
        self.watching[who] = True

    @rule(who=st.integers(0, 2))
    def stall(self, who: int) -> None:
        self.collectors[who].behind = True

    @rule(who=st.integers(0, 2), during=st.integers(0, 5))
    def catch_up(self, who: int, during: int) -> None:
        collector = self.collectors[who]
        collector.behind = False
        watch = self.bridge.missed(collector, "one")
        if watch is not None:
            watch.hold()
            self._replay(watch, during)

    def _replay(self, watch: Watch, during: int) -> None:
        """Up to where the log was when it was looked at; more comes ``during`` the first round."""
        end = self.last_seq
        self._publish(during)
        replay(watch, end)
        while watch.missed:
            watch.hold()
            replay(watch, self.last_seq)
        watch.go_live()

    @rule(who=st.integers(0, 2))
    def leave(self, who: int) -> None:
        self.bridge.leave(self.collectors[who])
        self.watching[who] = False

    @invariant()
    def nobody_misses_or_repeats(self) -> None:
        for who, collector in self.collectors.items():
            assert collector.seen == list(range(1, len(collector.seen) + 1))
            if self.watching[who] and self.bridge.missed(collector, "one") is None:
                assert len(collector.seen) == self.last_seq


TestReplays = Replays.TestCase
TestReplays.settings = settings(max_examples=80, stateful_step_count=20, deadline=None)
