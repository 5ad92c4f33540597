"""The token bucket, against a reading of what a rate with bursts is."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from initialization_scenes import unhurried

from chatcore.limits import TokenBucket

rates = st.floats(0.01, 1000)
bursts = st.floats(1, 1000)


@unhurried
@given(rates, bursts)
def test_a_full_bucket_gives_its_burst_at_once_and_then_no_more(per_second: float, burst: float) -> None:
    bucket = TokenBucket(per_second, burst)
    assert [bucket.take(0.0) for _ in range(int(burst))] == [0.0] * int(burst)
    assert bucket.take(0.0) > 0.0


@unhurried
@given(rates, bursts, st.lists(st.floats(0, 10), max_size=60))
def test_no_stretch_of_time_gives_more_than_burst_and_rate(
    per_second: float, burst: float, pauses: list[float]
) -> None:
    bucket = TokenBucket(per_second, burst)
    times = [now for now in itertools.accumulate(pauses) if bucket.take(now) == 0.0]
    for place, first in enumerate(times):
        for count, last in enumerate(times[place:], start=1):
            assert count <= burst + (last - first) * per_second + 1e-6


@unhurried
@given(rates, st.integers(1, 100), st.integers(0, 30))
def test_the_wait_that_is_told_is_enough_and_no_longer_than_needed(per_second: float, burst: int, more: int) -> None:
    bucket = TokenBucket(per_second, burst)
    for _ in range(burst + more):
        bucket.take(0.0)
    wait = bucket.take(0.0)
    assert 0.0 < wait <= 1 / per_second
    assert bucket.take(wait * (1 - 1e-6)) > 0.0
    assert bucket.take(wait * (1 + 1e-6)) == 0.0


@unhurried
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_a_rate_of_none_allows_everything(pauses: list[float]) -> None:
    bucket = TokenBucket(0.0, 1.0)
    assert all(bucket.take(now) == 0.0 for now in itertools.accumulate(pauses))


@pytest.mark.parametrize("idle", [1.0, 1e9])
def test_idleness_fills_it_up_to_its_burst_and_no_further(idle: float) -> None:
    bucket = TokenBucket(10.0, 3.0)
    for _ in range(3):
        bucket.take(0.0)
    assert [bucket.take(idle) == 0.0 for _ in range(4)] == [True, True, True, False]


class BucketWalk(RuleBasedStateMachine):
    """The bucket against exact accounts in whole numbers: a thousand parts of a token."""

    @initialize(per_second=st.integers(1, 50), burst=st.integers(1, 50))
    def fill(self, per_second: int, burst: int) -> None:
        self.bucket = TokenBucket(float(per_second), float(burst))
        self.rate, self.burst = per_second, burst
        self.now_ms = 0
        self.parts = burst * 1000

    @rule(milliseconds=st.integers(0, 5000))
    def wait(self, milliseconds: int) -> None:
        self.now_ms += milliseconds
        self.parts = min(self.burst * 1000, self.parts + milliseconds * self.rate)

    @rule()
    def take(self) -> None:
        told = self.bucket.take(self.now_ms / 1000)
        if self.parts >= 1001:  # beyond what rounding can be
            assert told == 0.0
        if self.parts <= 999:
            assert told == pytest.approx((1000 - self.parts) / 1000 / self.rate, abs=1e-6)
        if told == 0.0:
            self.parts -= 1000

    @invariant()
    def accounts_are_never_overdrawn(self) -> None:
        assert -1 <= self.parts <= self.burst * 1000


TestBucketWalk = BucketWalk.TestCase
TestBucketWalk.settings = settings(unhurried, max_examples=50)
