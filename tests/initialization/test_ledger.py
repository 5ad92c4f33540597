"""Progress, deadlines and estimates, against plain second readings (guarantees.md, 12, 13, 24)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from initialization_scenes import SHOP, SHOP_SECONDS, shop, unhurried

from chatcore.initialization.lifecycle import State
from chatcore.initialization.plan import Plan
from chatcore.initialization.progress import Deadline, Ledger, ServiceState, Snapshot, eta_seconds
from chatcore.services import Phase
from chatcore.testing import ScriptedServices

NAMES = tuple(SHOP)
fractions = st.floats(-0.5, 1.5) | st.sampled_from([math.nan, math.inf, -math.inf])


def ledger(weights: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Ledger:
    services = ScriptedServices()
    for place, weight in enumerate(weights):
        services.add(f"s{place}", weight=weight)
    return Ledger(Plan.of(services.graph.services))


def complete(accounts: Ledger, name: str, *, at: float = 0.0, seconds: float = 1.0) -> None:
    accounts.starting(name, at)
    accounts.up(name, at + seconds)


# --- progress ---------------------------------------------------------------------------------------------------------


@unhurried
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.data())
def test_progress_is_completed_weight_over_total_weight(weights: list[float], data: st.DataObject) -> None:
    accounts = ledger(tuple(weights))
    accounts.begin(accounts.plan.names, 0.0)
    done = data.draw(st.sets(st.sampled_from(range(len(weights)))))
    for place in done:
        complete(accounts, f"s{place}")
    share = 100 * sum(weights[place] for place in done) / sum(weights)
    assert accounts.progress() == min(99, int(share + 1e-9))


def test_equal_weights_are_not_rounded_down_by_binary_fractions() -> None:
    accounts = ledger((0.1,) * 10)
    accounts.begin(accounts.plan.names, 0.0)
    seen = [accounts.progress()]
    for place in range(10):
        complete(accounts, f"s{place}")
        seen.append(accounts.progress())
    assert seen == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99]


def test_a_starting_service_counts_with_the_share_it_reports() -> None:
    accounts = ledger((1.0, 3.0))
    accounts.begin(accounts.plan.names, 0.0)
    accounts.starting("s1", 0.0)
    accounts.advance("s1", 0.5, None, 1.0)
    assert accounts.progress() == 37


def test_a_graph_of_nothing_makes_no_progress() -> None:
    assert ledger(()).progress() == 0


def test_a_failed_service_takes_no_progress_back() -> None:
    accounts = ledger()
    accounts.begin(accounts.plan.names, 0.0)
    accounts.starting("s0", 0.0)
    accounts.advance("s0", 0.9, None, 1.0)
    assert accounts.progress() == 30
    accounts.failed("s0", 2.0)
    assert accounts.progress() == 30
    accounts.begin(accounts.plan.names, 3.0)
    assert accounts.progress() == 0


def test_what_is_up_already_counts_in_a_restart() -> None:
    accounts = ledger()
    accounts.begin(accounts.plan.names, 0.0)
    for name in accounts.plan.names:
        complete(accounts, name)
    assert accounts.progress() == 99
    accounts.begin({"s1"}, 10.0)
    assert accounts.progress() == 66


@pytest.mark.parametrize("told", [math.nan, -1.0, 0.2])
def test_a_fraction_that_falls_or_is_none_is_not_believed(told: float) -> None:
    accounts = ledger((1.0,))
    accounts.begin(accounts.plan.names, 0.0)
    accounts.starting("s0", 0.0)
    accounts.advance("s0", 0.4, None, 1.0)
    accounts.advance("s0", told, "words", 2.0)
    assert accounts.progress() == 40
    assert accounts.progressed_at == 1.0


def test_only_a_starting_service_may_report() -> None:
    accounts = ledger((1.0,))
    accounts.begin(accounts.plan.names, 0.0)
    assert accounts.advance("s0", 0.5, "too early", 0.0) is False
    complete(accounts, "s0")
    assert accounts.advance("s0", 0.5, "too late", 2.0) is False
    accounts.retrying("s0", "too late")
    [status] = accounts.statuses
    assert (status.words, status.retries, status.fraction) == (None, 0, 1.0)


@pytest.mark.parametrize(("percent", "times"), [(10, 10), (0.5, 4)])
def test_a_flood_of_reports_is_told_now_and_then(percent: float, times: int) -> None:
    """Ten thousand rows in a second: told at each percent, and else each quarter of a second."""
    accounts = ledger((1.0,))
    accounts.begin(accounts.plan.names, 0.0)
    accounts.starting("s0", 0.0)
    rows = 10_000
    told = [accounts.advance("s0", percent / 100 * row / rows, "loading", row / rows) for row in range(rows)]
    assert sum(told) == times


def test_a_retry_is_counted_and_is_no_progress() -> None:
    accounts = ledger((1.0,))
    accounts.begin(accounts.plan.names, 0.0)
    accounts.starting("s0", 1.0)
    accounts.retrying("s0", "connecting again")
    [status] = accounts.statuses
    assert (status.retries, status.words, accounts.progressed_at) == (1, "connecting again", 0.0)


def test_words_that_cannot_be_sent_are_told_as_far_as_they_can() -> None:
    accounts = ledger((1.0,))
    accounts.begin(accounts.plan.names, 0.0)
    accounts.starting("s0", 0.0)
    accounts.advance("s0", 0.5, "reading caf\udce9.csv", 1.0)
    assert accounts.statuses[0].words == "reading caf?.csv"
    accounts.retrying("s0", "caf\udce9 again")
    assert accounts.statuses[0].words == "caf? again"


def test_what_failed_or_is_yet_to_start_stays_known_as_that_while_it_is_stopped() -> None:
    accounts = ledger()
    accounts.begin(accounts.plan.names, 0.0)
    complete(accounts, "s0")
    accounts.starting("s1", 0.0)
    accounts.failed("s1", 5.0)
    for name in ("s2", "s1", "s0"):
        accounts.stopping(name)
    assert [status.state for status in accounts.statuses] == ["stopping", "failed", "pending"]
    for name in ("s2", "s1", "s0"):
        accounts.stopped(name)
    assert [accounts.state_of(name) for name in ("s0", "s1", "s2")] == ["stopped", "failed", "pending"]


def test_what_never_began_teaches_nothing() -> None:
    accounts = ledger((1.0,))
    accounts.up("s0", 1.0)
    assert accounts.learned == {}


def test_durations_are_of_the_start_whatever_comes_later() -> None:
    accounts = ledger((1.0,))
    [pending] = accounts.statuses
    assert pending.duration_seconds is None
    accounts.begin(accounts.plan.names, 0.0)
    complete(accounts, "s0", at=1.0, seconds=2.5)
    accounts.failed("s0", 100.0)  # dies long after
    [status] = accounts.statuses
    assert status.duration_seconds == 2.5
    assert accounts.learned == {"s0": 2.5}


class LedgerWalk(RuleBasedStateMachine):
    """Attempts over the six services of a shop, in any legal order: progress, states and the estimate stay sane."""

    @initialize()
    def open_shop(self) -> None:
        self.ledger = Ledger(Plan.of(shop().graph.services))
        self.now = 0.0
        self.best = 0
        self.seen: dict[str, ServiceState] = {}

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(names=st.sets(st.sampled_from(NAMES), min_size=1))
    def begin(self, names: set[str]) -> None:
        assert self.ledger.begin(names, self.now) == self.ledger.attempt
        assert (self.ledger.started_at, self.ledger.ended_at, self.ledger.notices) == (self.now, None, 0)
        self.best = 0

    @precondition(lambda self: self.ledger.attempt)
    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        if self.ledger.state_of(name) is ServiceState.PENDING:
            self.ledger.starting(name, self.now)

    @rule(name=st.sampled_from(NAMES), fraction=fractions)
    def report(self, name: str, fraction: float) -> None:
        self.ledger.advance(name, fraction, None, self.now)

    @rule(name=st.sampled_from(NAMES))
    def retry(self, name: str) -> None:
        self.ledger.retrying(name, "again")

    @rule(name=st.sampled_from(NAMES))
    def come_up(self, name: str) -> None:
        if self.ledger.state_of(name) is ServiceState.STARTING:
            self.ledger.up(name, self.now)
            assert self.ledger.progressed_at == self.now

    @rule(name=st.sampled_from(NAMES), how=st.sampled_from(["failed", "stopping", "stopped"]))
    def go_down(self, name: str, how: str) -> None:
        self.ledger.failed(name, self.now) if how == "failed" else getattr(self.ledger, how)(name)

    @rule()
    def end(self) -> None:
        self.ledger.end(self.now)
        assert self.ledger.ended_at == self.now

    @invariant()
    def progress_never_falls_within_an_attempt_and_is_never_complete(self) -> None:
        progress = self.ledger.progress()
        assert self.best <= progress <= 99
        self.best = progress

    @invariant()
    def the_estimate_is_a_time_or_none(self) -> None:
        left = eta_seconds(self.ledger.plan, self.ledger.statuses, self.ledger.learned, self.now)
        assert left is None or 0.0 <= left < math.inf

    @invariant()
    def order_and_fractions_hold(self) -> None:
        assert [status.name for status in self.ledger.statuses] == [one.name for one in self.ledger.plan.services]
        assert all(0.0 <= status.fraction <= 1.0 for status in self.ledger.statuses)


TestLedgerWalk = LedgerWalk.TestCase
TestLedgerWalk.settings = settings(unhurried, max_examples=50)


# --- the time limit ---------------------------------------------------------------------------------------------------


def test_notices_come_at_a_third_and_two_thirds() -> None:
    assert Deadline(5.0, 30.0).notices_at() == (15.0, 25.0)


@pytest.mark.parametrize(
    ("progressed_at", "ends_at"),
    [(0.0, 30.0), (20.0, 30.0), (21.0, 31.0), (29.9, 39.9), (45.0, 55.0), (50.0, 60.0), (59.0, 60.0)],
)
def test_progress_extends_the_limit_by_a_third_up_to_twice(progressed_at: float, ends_at: float) -> None:
    assert Deadline(0.0, 30.0).ends_at(progressed_at) == ends_at


@unhurried
@given(st.floats(-1e6, 1e6), st.floats(0.001, 1e6), st.lists(st.floats(0, 4), max_size=20))
def test_the_end_is_between_once_and_twice_the_limit_and_never_moves_back(
    started_at: float, limit: float, progress: list[float]
) -> None:
    deadline = Deadline(started_at, limit)
    ends = [deadline.ends_at(started_at + limit * share) for share in sorted(progress)]
    assert ends == sorted(ends)
    assert all(started_at + limit <= end <= started_at + 2 * limit for end in ends)
    first, second = deadline.notices_at()
    assert started_at < first < second < min([*ends, started_at + limit])


# --- the estimate -----------------------------------------------------------------------------------------------------


LEARNED = {"database": 2.0, "cache": 3.0, "session": 1.0, "model": 2.0, "search": 1.0, "agent": 1.0}


def left(accounts: Ledger, now: float, learned: dict[str, float] = LEARNED) -> float | None:
    return eta_seconds(accounts.plan, accounts.statuses, learned, now)


def opened() -> Ledger:
    accounts = Ledger(Plan.of(shop().graph.services))
    accounts.begin(accounts.plan.names, 0.0)
    return accounts


def test_phases_follow_each_other_and_members_run_side_by_side() -> None:
    assert left(opened(), 0.0) == SHOP_SECONDS


def test_within_a_phase_needs_follow_each_other() -> None:
    services = ScriptedServices()
    services.add("a")
    services.add("b", needs=("a",))
    services.add("c")
    plan = Plan.of(services.graph.services)
    assert eta_seconds(plan, Ledger(plan).statuses, {"a": 2.0, "b": 3.0, "c": 4.0}, 0.0) == 5.0


def test_what_has_passed_is_taken_off() -> None:
    accounts = opened()
    accounts.starting("database", 0.0)
    assert left(accounts, 0.5) == 7.5
    accounts.up("database", 2.0)
    assert left(accounts, 2.0) == 6.0


def test_one_service_that_was_never_timed_leaves_the_estimate_open() -> None:
    assert left(opened(), 0.0, {name: took for name, took in LEARNED.items() if name != "search"}) is None


def test_a_service_that_takes_longer_than_ever_leaves_the_estimate_open() -> None:
    accounts = opened()
    accounts.starting("database", 0.0)
    assert left(accounts, 2.0) == 6.0
    assert left(accounts, 2.1) is None


def test_what_a_service_reports_itself_counts_more_than_history() -> None:
    accounts = opened()
    accounts.starting("database", 0.0)
    accounts.advance("database", 0.25, None, 4.0)
    assert left(accounts, 4.0) == 12.0 + 6.0
    accounts.advance("database", 0.05, None, 4.0)
    assert left(opened(), 4.0) == SHOP_SECONDS


def test_what_has_failed_or_was_stopped_has_all_its_time_before_it() -> None:
    """A failed start is begun anew, however far it had come."""
    accounts = opened()
    accounts.starting("database", 0.0)
    accounts.advance("database", 0.9, None, 1.0)
    accounts.failed("database", 1.0)
    assert left(accounts, 1.0) == SHOP_SECONDS
    accounts = opened()
    complete(accounts, "database", seconds=2.0)
    accounts.stopping("database")
    assert left(accounts, 2.0) == SHOP_SECONDS
    accounts.stopped("database")
    assert left(accounts, 2.0) == SHOP_SECONDS


def test_when_all_is_up_nothing_is_left() -> None:
    accounts = opened()
    for name in accounts.plan.names:
        complete(accounts, name)
    assert left(accounts, 100.0) == 0.0


# --- snapshots --------------------------------------------------------------------------------------------------------


def snapshot(**changes: object) -> Snapshot:
    fields = {
        "version": 1,
        "at": 10.0,
        "state": State.INITIALIZING,
        "attempt": 1,
        "generation": 0,
        "progress": 0,
        "attempt_started_at": 4.0,
        "attempt_ended_at": None,
        "notices": 0,
        "eta_seconds": None,
        "services": (),
    }
    return Snapshot(**{**fields, **changes})  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(("started_at", "ended_at", "elapsed"), [(None, None, 0.0), (4.0, None, 6.0), (4.0, 9.0, 5.0)])
def test_elapsed_is_of_the_attempt(started_at: float | None, ended_at: float | None, elapsed: float) -> None:
    assert snapshot(attempt_started_at=started_at, attempt_ended_at=ended_at).elapsed_seconds == elapsed


def test_a_snapshot_knows_what_is_starting() -> None:
    accounts = Ledger(Plan.of(shop().graph.services))
    accounts.starting("cache", 0.0)
    complete(accounts, "database")
    assert [status.name for status in snapshot(services=accounts.statuses).starting] == ["cache"]
    assert {status.phase for status in accounts.statuses} == {
        phase.label for phase in (Phase.DATABASE, Phase.CACHE, Phase.SERVICES, Phase.FINALIZE)
    }
