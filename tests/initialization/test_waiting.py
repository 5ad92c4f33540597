"""What a waiting connection is told: the steps between two snapshots (guarantees.md, 24, 25, 27)."""

from __future__ import annotations

import random
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from initialization_scenes import PATIENT, SHOP, manager_of, shop, unhurried

from chatcore.initialization.lifecycle import State
from chatcore.initialization.plan import Plan
from chatcore.initialization.progress import Ledger, ServiceState, Snapshot
from chatcore.session.waiting import progress_between
from chatcore.testing import Script, run_in_virtual_time

NAMES = tuple(SHOP)


def accounts() -> Ledger:
    return Ledger(Plan.of(shop().graph.services))


def snapshot(ledger: Ledger, state: State = State.INITIALIZING, at: float = 0.0) -> Snapshot:
    return Snapshot(
        version=0,
        at=at,
        state=state,
        attempt=ledger.attempt,
        generation=0,
        progress=ledger.progress(),
        attempt_started_at=ledger.started_at,
        attempt_ended_at=ledger.ended_at,
        notices=ledger.notices,
        eta_seconds=None,
        services=ledger.statuses,
    )


def told(before: Snapshot | None, now: Snapshot) -> list[tuple[str | None, str]]:
    return [(frame["service"], frame["status"]) for frame in progress_between(before, now)]


# --- joining ----------------------------------------------------------------------------------------------------------


def test_before_anything_has_begun_one_waits() -> None:
    ledger = accounts()
    [frame] = progress_between(None, snapshot(ledger, State.IDLE))
    assert (frame["status"], frame["service"], frame["progress"], frame["attempt"]) == ("waiting", None, 0, 1)
    assert frame["message"] == "Waiting for the services"


def test_who_joins_is_told_what_is_starting_and_not_what_is_over() -> None:
    ledger = accounts()
    ledger.begin(NAMES, 0.0)
    ledger.starting("database", 0.0)
    ledger.up("database", 2.0)
    ledger.starting("cache", 2.0)
    ledger.starting("session", 2.0)
    [first, second] = progress_between(None, snapshot(ledger, at=2.5))
    assert (first["service"], second["service"]) == ("session", "cache")
    assert first["status"] == second["status"] == "started"
    assert first["progress"] == 16
    assert (second["phase"], second["label"], second["message"]) == ("cache", "cache", "Starting cache")
    assert first["elapsed_seconds"] == 2.5


def test_who_joins_between_attempts_is_told_so() -> None:
    ledger = accounts()
    ledger.begin(NAMES, 0.0)
    ledger.failed("database", 1.0)
    [frame] = progress_between(None, snapshot(ledger, State.UNAVAILABLE))
    assert (frame["status"], frame["message"]) == ("waiting", "Waiting for the next attempt")


# --- following --------------------------------------------------------------------------------------------------------


def test_every_step_that_was_conflated_is_told_in_order() -> None:
    ledger = accounts()
    before = snapshot(ledger)
    ledger.begin(NAMES, 0.0)
    ledger.starting("database", 0.0)
    ledger.retrying("database", "connecting again")
    ledger.up("database", 2.0)
    ledger.starting("cache", 2.0)
    assert told(before, snapshot(ledger)) == [
        ("database", "started"),
        ("database", "retrying"),
        ("database", "completed"),
        ("cache", "started"),
    ]


def test_a_retry_says_which_step_in_the_services_own_words() -> None:
    ledger = accounts()
    ledger.begin(NAMES, 0.0)
    ledger.starting("database", 0.0)
    before = snapshot(ledger)
    ledger.retrying("database", "connecting again")
    [frame] = progress_between(before, snapshot(ledger))
    assert (frame["status"], frame["message"]) == ("retrying", "connecting again")


@pytest.mark.parametrize(
    ("words", "message"), [(None, "Starting database"), ("reading the index", "database: reading the index")]
)
def test_where_nothing_moved_the_wait_is_told_with_what_it_is_for(words: str | None, message: str) -> None:
    ledger = accounts()
    ledger.begin(NAMES, 0.0)
    ledger.starting("database", 0.0)
    before = snapshot(ledger)
    ledger.advance("database", 0.1, words, 1.0)
    [frame] = progress_between(before, snapshot(ledger, at=1.0))
    assert (frame["status"], frame["service"], frame["message"]) == ("waiting", "database", message)


def test_a_notice_is_told_once_and_beside_the_steps() -> None:
    ledger = accounts()
    ledger.begin(NAMES, 0.0)
    before = snapshot(ledger)
    ledger.starting("database", 10.0)
    ledger.notices = 1
    first = snapshot(ledger, at=10.0)
    assert told(before, first) == [("database", "started"), ("database", "slow")]
    assert progress_between(before, first)[-1]["message"] == "Still starting after 10 s"
    assert told(first, snapshot(ledger, at=11.0)) == [("database", "waiting")]
    ledger.notices = 2
    assert told(first, snapshot(ledger, at=20.0)) == [("database", "slow")]


def test_who_joins_after_a_notice_is_not_told_of_it() -> None:
    ledger = accounts()
    ledger.begin(NAMES, 0.0)
    ledger.starting("database", 0.0)
    ledger.notices = 1
    assert told(None, snapshot(ledger, at=15.0)) == [("database", "started")]


def test_a_new_attempt_is_told_from_its_beginning() -> None:
    ledger = accounts()
    ledger.begin(NAMES, 0.0)
    ledger.starting("database", 0.0)
    ledger.notices = 2
    before = snapshot(ledger)
    ledger.failed("database", 1.0)
    ledger.begin(NAMES, 2.0)
    ledger.starting("database", 2.0)
    [frame] = progress_between(before, snapshot(ledger))
    assert (frame["service"], frame["status"], frame["attempt"]) == ("database", "started", 2)


def test_a_recovery_begins_with_its_own_words_and_tells_its_steps() -> None:
    ledger = accounts()
    ledger.begin(NAMES, 0.0)
    for name in NAMES:
        ledger.starting(name, 0.0)
        ledger.up(name, 1.0)
    before = snapshot(ledger, State.READY)
    ledger.failed("agent", 5.0)
    ledger.begin({"agent"}, 5.0)
    first = snapshot(ledger, State.RECOVERING)
    assert told(before, first) == [(None, "retrying")]
    assert progress_between(before, first)[0]["message"] == "Restarting what was lost"
    ledger.stopping("agent")  # what is left of the one that was lost
    ledger.stopped("agent")
    second = snapshot(ledger, State.RECOVERING)
    ledger.starting("agent", 6.0)
    third = snapshot(ledger, State.RECOVERING)
    ledger.up("agent", 7.0)
    last = snapshot(ledger, State.RECOVERING)
    assert told(first, second) == [(None, "waiting")]
    assert told(second, third) == [("agent", "started")]
    assert told(third, last) == [("agent", "completed")]
    assert told(second, last) == [("agent", "started"), ("agent", "completed")]


# --- any history ------------------------------------------------------------------------------------------------------


@attrs.define
class Following:
    """A start, and a connection that looks at it now and then."""

    ledger: Ledger = attrs.field(factory=accounts)
    now: float = 0.0
    frames: list[dict[str, Any]] = attrs.field(factory=list)
    last: Snapshot | None = None

    def look(self, _: str) -> None:
        now = snapshot(self.ledger)
        between = progress_between(self.last, now)
        assert between
        self.frames.extend(between)
        self.last = now

    def start(self, name: str) -> None:
        if self.ledger.state_of(name) is ServiceState.PENDING:
            self.ledger.starting(name, self.now)

    def report(self, name: str) -> None:
        self.ledger.advance(name, self.now / 60, None, self.now)

    def retry(self, name: str) -> None:
        self.ledger.retrying(name, "again")

    def up(self, name: str) -> None:
        if self.ledger.state_of(name) is ServiceState.STARTING:
            self.ledger.up(name, self.now)

    def notice(self, _: str) -> None:
        self.ledger.notices = min(2, self.ledger.notices + 1)

    def told_of(self, name: str) -> list[str]:
        return [frame["status"] for frame in self.frames if frame["service"] == name]


happenings = st.lists(
    st.tuples(st.sampled_from(["start", "report", "retry", "up", "notice", "look"]), st.sampled_from(NAMES)),
    max_size=60,
)


@unhurried
@given(happenings)
def test_however_it_is_conflated_every_step_is_told_once_and_in_order(happenings: list[tuple[str, str]]) -> None:
    following = Following()
    following.ledger.begin(NAMES, 0.0)
    following.look("")
    for happening, name in happenings:
        following.now += 1.0
        getattr(following, happening)(name)
    following.look("")
    progress = [frame["progress"] for frame in following.frames]
    assert progress == sorted(progress)
    assert all(0 <= each <= 99 for each in progress)
    for status in following.ledger.statuses:
        told = following.told_of(status.name)
        steps = [step for step in told if step in ("started", "completed")]
        assert steps == ["started", "completed"][: (status.started_at is not None) + (status.ended_at is not None)]
        assert ("retrying" in told) == (status.retries > 0)
    slow = sum(frame["status"] == "slow" for frame in following.frames)
    assert (slow > 0) == (following.ledger.notices > 0)
    assert slow <= following.ledger.notices


def test_of_a_real_start_a_recovery_and_failures_a_slow_connection_is_told_the_truth() -> None:
    """Per attempt: no progress that falls, each service started before it is completed, and nothing told twice."""

    async def scene(dice: random.Random) -> None:
        fails = Script(seconds=2, steps=4, fail_at=3)
        lives = Script(seconds=2, steps=4, retry_at=2, dies_after=5.0)
        services = shop(model=(lives, fails, fails, Script(seconds=2, steps=4)))
        last: Snapshot | None = None
        frames: list[dict[str, Any]] = []
        async with manager_of(services, policy=attrs.evolve(PATIENT, limit_seconds=12.0)) as manager:
            manager.request_start()
            with trio.move_on_after(40):
                async for now in manager.progress():
                    if now.state in (State.INITIALIZING, State.RECOVERING):
                        frames.extend(progress_between(last, now))
                    last = now
                    await trio.sleep(dice.choice([0.0, 0.1, dice.uniform(0, 2)]))
            assert manager.snapshot().generation == 2
        for attempt in {frame["attempt"] for frame in frames}:
            mine = [frame for frame in frames if frame["attempt"] == attempt]
            progress = [frame["progress"] for frame in mine]
            assert progress == sorted(progress)
            for name in NAMES:
                steps = [f["status"] for f in mine if f["service"] == name and f["status"] in ("started", "completed")]
                assert steps in ([], ["started"], ["started", "completed"])

    for seed in range(30):
        run_in_virtual_time(lambda seed=seed: scene(random.Random(seed)), seed=seed)  # type: ignore[misc]
