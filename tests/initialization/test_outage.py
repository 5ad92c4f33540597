"""An outage: few attempts, quick refusals, a probe that needs nobody (guarantees.md, 3, 7, 21, 23)."""

from __future__ import annotations

import itertools
import math
import random

import pytest
import trio
from initialization_scenes import SHOP_SECONDS, Caller, Ear, call_all, manager_of, shop

from chatcore.errors import ConfigurationError, ErrorCode, InitializationFailed
from chatcore.initialization.attempt import InitializationPolicy
from chatcore.initialization.breaker import BreakerPolicy
from chatcore.initialization.lifecycle import State
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time

OUTAGE_SECONDS = 300.0


async def reconnect(manager: ServiceInitializationManager, pause_seconds: float, until: float) -> None:
    """A client that comes back for ever, and does not listen to when it was asked to."""
    while trio.current_time() < until:
        try:
            await manager.ensure_ready()
        except InitializationFailed:
            await trio.sleep(pause_seconds)
        else:
            return


async def attempts_in_an_outage(clients: int, policy: BreakerPolicy, dice: random.Random) -> int:
    services = ScriptedServices()
    services.add("database", Script(seconds=0.5, fail_at=1))
    manager = manager_of(services, policy=InitializationPolicy(breaker=policy), random=dice.random)
    async with manager, trio.open_nursery() as nursery:
        manager.request_start()
        for _ in range(clients):
            nursery.start_soon(reconnect, manager, dice.uniform(0.2, 5.0), OUTAGE_SECONDS)
        await trio.sleep_until(OUTAGE_SECONDS)
        count = len(services.names("entered"))
        nursery.cancel_scope.cancel()
    return count


@pytest.mark.parametrize("backoff", [1.0, 10.0, 30.0])
@pytest.mark.parametrize("clients", [0, 1, 30])
def test_attempts_are_bounded_by_the_backoff_however_many_clients_reconnect(backoff: float, clients: int) -> None:
    policy = BreakerPolicy(first_wait_seconds=backoff, longest_wait_seconds=backoff)
    count = run_in_virtual_time(lambda: attempts_in_an_outage(clients, policy, random.Random(clients)), seed=clients)
    assert OUTAGE_SECONDS / (1.25 * backoff + 0.5) - 1 <= count <= math.ceil(OUTAGE_SECONDS / backoff) + 1


def test_with_the_policy_as_it_is_an_outage_of_five_minutes_costs_few_attempts() -> None:
    count = run_in_virtual_time(lambda: attempts_in_an_outage(30, BreakerPolicy(), random.Random(1)))
    assert 10 <= count <= 15  # after 1, 2, 4, 8, 16 s and then every 30 to 37.5 s


def broken(times: int, *, dies_after: float = math.inf) -> ScriptedServices:
    """A database that is away for its first ``times`` starts, each of which takes a second to say so."""
    services = ScriptedServices()
    away = Script(seconds=1.0, fail_at=1)
    services.add("database", *[away] * times, Script(seconds=1.0, dies_after=dies_after))
    return services


OPENS_AT = 1 + 1 + 1 + 2 + 1.0
"""Three failed starts of a second, after waits of 0, 1 and 2 s; the next may begin 4 s later."""


@in_virtual_time
async def test_an_open_breaker_answers_at_once_and_spreads_the_callers() -> None:
    dice = random.Random(1)
    async with manager_of(broken(3), random=dice.random) as manager:
        manager.request_start()
        await trio.sleep_until(OPENS_AT + 0.8)  # with the jitter of two waits
        callers = [Caller(manager, comes_at=trio.current_time()) for _ in range(50)]
        await call_all(callers)
        told = set()
        for caller in callers:
            assert caller.ended_at == caller.comes_at
            assert caller.failure is not None
            assert caller.failure.error_code is ErrorCode.SERVICES_UNAVAILABLE
            assert caller.failure.retryable
            assert caller.failure.retry_after_seconds is not None
            assert caller.failure.retry_after_seconds > 3.0
            told.add(caller.failure.retry_after_seconds)
        assert len(told) > 40


@in_virtual_time
async def test_the_probe_needs_no_caller_and_those_who_come_meanwhile_join_it() -> None:
    services = broken(3)
    async with manager_of(services) as manager:
        manager.request_start()
        refused = Caller(manager, comes_at=OPENS_AT + 3.9)
        joined = Caller(manager, comes_at=OPENS_AT + 4.5)
        await call_all([refused, joined])
        assert refused.failure is not None
        assert (joined.ready is not None, joined.ended_at) == (True, OPENS_AT + 4 + 1)
    assert services.at("database", "entered") == [0.0, 2.0, 5.0, OPENS_AT + 4]


@in_virtual_time
async def test_a_probe_that_fails_is_told_to_those_who_joined_it_and_the_wait_grows() -> None:
    services = broken(4)
    async with manager_of(services) as manager:
        manager.request_start()
        joined = Caller(manager, comes_at=OPENS_AT + 4.5)
        await joined.call()
        assert joined.ended_at == OPENS_AT + 5
        assert joined.failure is not None
        assert joined.failure.attempt == 4
        last = Caller(manager, comes_at=OPENS_AT + 5 + 8.5)
        await last.call()
        assert (last.ready is not None, last.ended_at) == (True, OPENS_AT + 5 + 8 + 1)


@in_virtual_time
async def test_a_probe_that_never_returns_ends_at_the_limit() -> None:
    services = ScriptedServices()
    services.add("database", *[Script(fail_at=0)] * 3, Script(hang_at=0), Script())
    ear = Ear()
    async with manager_of(services, recorder=ear) as manager:
        manager.request_start()
        await trio.sleep_until(60.0)
        assert manager.ready is not None
    begun = 0 + 1 + 2 + 4.0
    assert services.at("database", "left")[3] == begun + 30
    assert ear.outcomes == ["failed", "failed", "failed", "timed_out", "succeeded"]
    assert [breaker for _, breaker in ear.states if breaker == "half_open"]


@in_virtual_time
async def test_a_success_after_an_outage_closes_the_breaker() -> None:
    services = broken(3, dies_after=100.0)
    ear = Ear()
    async with manager_of(services, recorder=ear) as manager:
        manager.request_start()
        await trio.sleep_until(60.0)
        assert ear.states[-1] == ("ready", "closed")


@in_virtual_time
async def test_a_wrong_configuration_is_not_tried_again() -> None:
    services = ScriptedServices()
    services.add("database", Script(fail_at=0, error=lambda: ConfigurationError("database_url", "is no address")))
    async with manager_of(services) as manager:
        callers = [Caller(manager), Caller(manager, comes_at=1000.0)]
        await call_all(callers)
        for caller in callers:
            assert caller.failure is not None
            assert caller.ended_at == caller.comes_at
            assert (caller.failure.retryable, caller.failure.retry_after_seconds) == (False, None)
            assert caller.failure.service == "database"
        assert manager.snapshot().state is State.FAILED
    assert len(services.names("entered")) == 1


@in_virtual_time
async def test_while_waiting_for_the_next_attempt_the_estimate_holds_the_wait_and_the_start() -> None:
    manager = manager_of(broken(1))
    manager.learn({"database": 1.0})
    async with manager:
        manager.request_start()
        await trio.sleep_until(1.5)
        assert manager.snapshot().state is State.UNAVAILABLE
        assert manager.snapshot().eta_seconds == 0.5 + 1.0


# --- when everyone has left -------------------------------------------------------------------------------------------

ABANDON = InitializationPolicy(when_all_leave="abandon", abandon_grace_seconds=2.0)


@in_virtual_time
async def test_by_default_a_start_that_everyone_has_left_is_finished() -> None:
    services = shop()
    async with manager_of(services) as manager:
        await Caller(manager, leaves_at=1.0).call()
        await trio.sleep_until(SHOP_SECONDS + 0.1)
        assert manager.ready is not None
        assert len(services.names("up")) == 6


@in_virtual_time
async def test_it_can_be_abandoned_after_a_grace_and_begun_anew() -> None:
    services, ear = shop(), Ear()
    async with manager_of(services, policy=ABANDON, recorder=ear) as manager:
        await Caller(manager, leaves_at=3.5).call()
        await trio.sleep_until(5.4)
        assert manager.snapshot().state is State.INITIALIZING
        await trio.sleep_until(5.6)
        assert manager.snapshot().state is State.IDLE
        assert not services.held
        await trio.sleep_until(100.0)
        assert manager.snapshot().attempt == 1
        again = Caller(manager, comes_at=100.0)
        await again.call()
        assert (again.ready is not None, again.ended_at) == (True, 108.0)
    assert ear.outcomes == ["abandoned", "succeeded"]


@in_virtual_time
async def test_who_comes_within_the_grace_finds_it_going_on() -> None:
    services = shop()
    async with manager_of(services, policy=ABANDON) as manager:
        second = Caller(manager, comes_at=4.5)
        await call_all([Caller(manager, leaves_at=3.0), second])
        assert second.ended_at == SHOP_SECONDS
    assert len(services.names("entered")) == 6


def test_nobody_is_lost_who_comes_in_the_very_step_in_which_it_is_abandoned() -> None:
    """One caller, so that no other can wake the owner in its place."""

    async def scene(steps: int) -> None:
        services = shop(database=Script(seconds=2, exit_seconds=1.0))
        async with manager_of(services, policy=ABANDON) as manager:
            await Caller(manager, leaves_at=3.0).call()
            await trio.sleep_until(5.0)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            await manager.ensure_ready()

    for steps, seed in itertools.product(range(8), range(10)):
        run_in_virtual_time(lambda steps=steps: scene(steps), limit_seconds=100.0, seed=seed)  # type: ignore[misc]


@in_virtual_time
async def test_a_start_that_nobody_ever_waited_for_is_not_abandoned() -> None:
    """A pre-warmed one."""
    async with manager_of(shop(), policy=ABANDON) as manager:
        manager.request_start()
        await trio.sleep_until(SHOP_SECONDS + 0.1)
        assert manager.ready is not None


@in_virtual_time
async def test_an_abandoned_probe_settles_and_the_next_comes_by_itself() -> None:
    services = ScriptedServices()
    services.add("database", *[Script(fail_at=0)] * 3, Script(seconds=20.0), Script())
    async with manager_of(services, policy=ABANDON) as manager:
        manager.request_start()
        await Caller(manager, comes_at=8.0, leaves_at=9.0).call()  # joins the probe, which began at 7 s
        await trio.sleep_until(11.1)
        assert not services.held
        assert manager.refusal() is not None
        await trio.sleep_until(11.0 + 4.0 + 1.1)
        assert manager.ready is not None


@in_virtual_time
async def test_a_recovery_is_not_abandoned() -> None:
    """Runs may go on with the services that are up, whoever waits."""
    services = shop(model=(Script(seconds=2, dies_after=10.0), Script(seconds=20)))
    async with manager_of(services, policy=ABANDON) as manager:
        await Caller(manager).call()
        await Caller(manager, comes_at=20.0, leaves_at=21.0).call()
        await trio.sleep_until(60.0)
        assert manager.snapshot().generation == 2
    assert services.names("entered").count("database") == 1
    assert services.names("entered").count("model") == 2
