"""The breaker and the restart window, against plain second readings (guarantees.md, 7, 21, 22, 23, 35)."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from initialization_scenes import unhurried

from chatcore.initialization.breaker import TRANSITIONS, Breaker, BreakerPolicy, BreakerState, RestartWindow, Result

CLOSED, OPEN, HALF_OPEN = BreakerState

EXPECTED = {
    (CLOSED, Result.SUCCEEDED): CLOSED,
    (CLOSED, Result.FAILED): CLOSED,
    (CLOSED, Result.FAILED_ENOUGH): OPEN,
    (CLOSED, Result.CANCELLED): CLOSED,
    (CLOSED, Result.DUE): CLOSED,
    (OPEN, Result.DUE): HALF_OPEN,
    (HALF_OPEN, Result.DUE): HALF_OPEN,
    (HALF_OPEN, Result.SUCCEEDED): CLOSED,
    (HALF_OPEN, Result.FAILED): OPEN,
    (HALF_OPEN, Result.FAILED_ENOUGH): OPEN,
    (HALF_OPEN, Result.CANCELLED): OPEN,
}


@pytest.mark.parametrize(("state", "result"), list(itertools.product(BreakerState, Result)))
def test_every_pair_is_as_expected(state: BreakerState, result: Result) -> None:
    assert TRANSITIONS.get((state, result)) == EXPECTED.get((state, result))


def breaker(random: float = 0.0, **policy: float) -> Breaker:
    return Breaker(BreakerPolicy(**policy), lambda: random)  # type: ignore[arg-type]  # failures_to_open is an int


def test_three_failures_in_a_row_open_it() -> None:
    one = breaker()
    for attempt in (1, 2, 3):
        assert one.state is CLOSED
        one.begin(attempt)
        one.failed(attempt, now=10.0 * attempt)
    assert one.state is OPEN
    assert one.retry_at == 34.0


def test_a_success_between_failures_begins_the_count_anew() -> None:
    one = breaker()
    for attempt, works in enumerate([False, False, True, False, False], start=1):
        one.begin(attempt)
        one.succeeded(attempt) if works else one.failed(attempt, now=0.0)
    assert one.state is CLOSED
    assert one.failures == 2


@pytest.mark.parametrize(
    ("failures", "wait"), [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (7, 30.0), (10_000, 30.0)]
)
def test_waits_double_up_to_the_longest_and_a_little_more(failures: int, wait: float) -> None:
    assert BreakerPolicy().wait_seconds(failures, lambda: 0.0) == wait
    assert BreakerPolicy().wait_seconds(failures, lambda: 0.5) == wait * 1.125


@unhurried
@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_jitter_makes_a_wait_longer_never_shorter(failures: int, random: float) -> None:
    policy = BreakerPolicy()
    least = policy.wait_seconds(failures, lambda: 0.0)
    assert least <= policy.wait_seconds(failures, lambda: random) <= least * 1.25


@unhurried
@given(st.floats(0, 100), st.floats(0, 1, exclude_max=True))
def test_a_caller_is_told_to_come_after_the_wait_and_not_with_all_the_others(since: float, random: float) -> None:
    one = breaker(random, first_wait_seconds=8.0)
    one.begin(1)
    one.failed(1, now=0.0)
    assert one.retry_at is not None
    left = max(0.0, one.retry_at - since)
    told = one.retry_after_seconds(since)
    assert left - 0.001 <= told <= left + max(8.0, 0.25 * left) + 0.001


def test_callers_are_spread() -> None:
    told = [breaker(random / 100).retry_after_seconds(0.0) for random in range(100)]
    assert len(set(told)) == 100
    assert max(told) < 1.0


def test_a_late_or_second_result_moves_nothing() -> None:
    one = breaker()
    for attempt in (1, 2, 3):
        one.begin(attempt)
        one.failed(attempt, now=0.0)
        one.failed(attempt, now=100.0)
    one.succeeded(3)
    one.cancelled(2, now=100.0)
    assert (one.state, one.failures, one.retry_at) == (OPEN, 3, 4.0)
    one.begin(4)
    one.succeeded(3)
    assert one.state is HALF_OPEN


def test_an_abandoned_probe_is_no_failure_but_waits_all_the_same() -> None:
    one = breaker()
    for attempt in (1, 2, 3):
        one.begin(attempt)
        one.failed(attempt, now=0.0)
    one.begin(4)
    assert one.state is HALF_OPEN
    one.cancelled(4, now=100.0)
    assert (one.state, one.failures, one.retry_at) == (OPEN, 3, 104.0)


def test_an_abandoned_attempt_before_any_failure_leaves_no_wait() -> None:
    one = breaker()
    one.begin(1)
    one.cancelled(1, now=0.0)
    assert (one.state, one.retry_at) == (CLOSED, None)


class BreakerWalk(RuleBasedStateMachine):
    """A breaker against a reading of guarantees.md 21-23: attempts come to results, in order, late and twice."""

    @initialize(to_open=st.integers(1, 5))
    def begin_life(self, to_open: int) -> None:
        self.breaker = Breaker(BreakerPolicy(failures_to_open=to_open), lambda: 0.0)
        self.now = 0.0
        self.attempt = 0
        self.settled = True
        self.in_a_row = 0
        self.state = CLOSED

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begin(self) -> None:
        """Also where the one before never came to a result, and never may any more."""
        self.now = max(self.now, self.breaker.retry_at or 0.0)
        self.attempt += 1
        self.settled = False
        self.breaker.begin(self.attempt)
        self.state = HALF_OPEN if self.state is OPEN else self.state

    @precondition(lambda self: not self.settled)
    @rule()
    def succeed(self) -> None:
        self.breaker.succeeded(self.attempt)
        self.settled, self.in_a_row, self.state = True, 0, CLOSED

    @precondition(lambda self: not self.settled)
    @rule()
    def fail(self) -> None:
        self.breaker.failed(self.attempt, self.now)
        self.settled = True
        self.in_a_row += 1
        if self.state is HALF_OPEN or self.in_a_row >= self.breaker.policy.failures_to_open:
            self.state = OPEN
        assert self.breaker.retry_at is not None
        assert self.breaker.retry_at >= self.now + self.breaker.policy.first_wait_seconds

    @precondition(lambda self: not self.settled)
    @rule()
    def be_abandoned(self) -> None:
        self.breaker.cancelled(self.attempt, self.now)
        self.settled = True
        self.state = OPEN if self.state is HALF_OPEN else self.state

    @rule(back=st.integers(0, 3), how=st.sampled_from(["succeeded", "failed", "cancelled"]))
    def a_late_result_moves_nothing(self, back: int, how: str) -> None:
        if back or self.settled:
            before = (self.breaker.state, self.breaker.failures, self.breaker.retry_at)
            late = self.attempt - back
            self.breaker.succeeded(late) if how == "succeeded" else getattr(self.breaker, how)(late, self.now)
            assert (self.breaker.state, self.breaker.failures, self.breaker.retry_at) == before

    @invariant()
    def state_and_count_are_as_read(self) -> None:
        assert self.breaker.state is self.state
        assert self.breaker.failures == self.in_a_row

    @invariant()
    def an_open_one_has_a_time_and_a_probe_is_one_attempt(self) -> None:
        assert (self.breaker.retry_at is not None) or self.breaker.state is not OPEN
        assert self.breaker.state is not HALF_OPEN or not self.settled
        assert (self.breaker.state, Result.DUE) in TRANSITIONS

    @invariant()
    def callers_are_told_a_time_to_come(self) -> None:
        told = self.breaker.retry_after_seconds(self.now)
        assert 0.0 <= told < math.inf


TestBreakerWalk = BreakerWalk.TestCase
TestBreakerWalk.settings = settings(unhurried, max_examples=50)


# --- restarts ---------------------------------------------------------------------------------------------------------


@unhurried
@given(st.integers(0, 6), st.floats(0.1, 100), st.lists(st.floats(0, 50), max_size=40))
def test_a_window_allows_so_many_restarts_and_no_more(most: int, seconds: float, pauses: list[float]) -> None:
    window = RestartWindow(most, seconds)
    times = list(itertools.accumulate(pauses))
    for count, now in enumerate(times, start=1):
        within = [time for time in times[:count] if time > now - seconds]
        assert window.allows(now) == (len(within) <= most)


def test_the_window_ends_exactly_after_its_length() -> None:
    window = RestartWindow(most=2, seconds=60.0)
    assert [window.allows(now) for now in (0.0, 1.0, 59.0)] == [True, True, False]
    window = RestartWindow(most=2, seconds=60.0)
    assert [window.allows(now) for now in (0.0, 1.0, 60.0)] == [True, True, True]


def test_a_fresh_start_forgets_earlier_restarts() -> None:
    window = RestartWindow(most=1, seconds=60.0)
    assert [window.allows(0.0), window.allows(0.0)] == [True, False]
    window.forget()
    assert window.allows(0.0)
