"""What `chatcore.testing` gives to app authors: it has to be right itself."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path

import pytest
import trio
from initialization_scenes import manager_of
from trio._core import _run

from chatcore.services import Phase
from chatcore.testing import (
    Script,
    ScriptedFault,
    ScriptedServices,
    in_virtual_time,
    run_in_virtual_time,
    schedules,
    seeded_schedule,
)

# --- the clock --------------------------------------------------------------------------------------------------------


def test_an_hour_takes_no_time() -> None:
    async def wait() -> None:
        await trio.sleep(3599)

    began_at = time.perf_counter()
    run_in_virtual_time(wait)
    assert time.perf_counter() - began_at < 5.0


def test_a_deadlock_fails_instead_of_hanging() -> None:
    with pytest.raises(trio.TooSlowError):
        run_in_virtual_time(trio.sleep_forever)


def test_the_limit_can_be_set_and_the_result_comes_back() -> None:
    async def answer() -> int:
        await trio.sleep(5)
        return 42

    assert run_in_virtual_time(answer, limit_seconds=6) == 42
    with pytest.raises(trio.TooSlowError):
        run_in_virtual_time(answer, limit_seconds=4)


def test_a_decorated_test_keeps_its_name_and_takes_its_arguments() -> None:
    @in_virtual_time
    async def check(number: int, *, other: int) -> int:
        """Says what it does."""
        await trio.sleep(100)
        return number + other

    assert check(1, other=2) == 3
    assert (check.__name__, check.__doc__) == ("check", "Says what it does.")


# --- schedules --------------------------------------------------------------------------------------------------------


async def order_of_ten_tasks() -> list[int]:
    order: list[int] = []

    async def note(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(note, number)
    return order


def test_trio_still_has_what_seeds_it() -> None:
    """Private, so pinned: where this fails, Trio has renamed them, and `schedules` has to follow."""
    assert isinstance(getattr(_run, schedules.SWITCH), bool)
    assert isinstance(getattr(_run, schedules.SOURCE), random.Random)


def test_a_seed_repeats_a_schedule_and_another_makes_another() -> None:
    def run(seed: int) -> tuple[int, ...]:
        return tuple(run_in_virtual_time(order_of_ten_tasks, seed=seed))

    assert [run(seed) for seed in range(20)] == [run(seed) for seed in range(20)]
    assert len({run(seed) for seed in range(20)}) == 20


def test_after_it_trio_is_as_it_was() -> None:
    def now() -> tuple[object, object]:
        return getattr(_run, schedules.SWITCH), getattr(_run, schedules.SOURCE).getstate()

    before = now()
    with seeded_schedule(1):
        switched, state = now()
        assert switched is True
        assert state != before[1]
    assert now() == before


@pytest.mark.parametrize("name", [schedules.SWITCH, schedules.SOURCE])
def test_a_trio_without_them_is_told_instead_of_doing_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(_run, name)
    with pytest.raises(RuntimeError, match="pin the version"), seeded_schedule(1):
        pass


# --- services ---------------------------------------------------------------------------------------------------------


async def one_life(*scripts: Script) -> ScriptedServices:
    services = ScriptedServices()
    services.add("one", *scripts)
    async with manager_of(services) as manager:
        manager.request_start()
        await trio.sleep(20)
    return services


def whats(services: ScriptedServices) -> list[tuple[str, float]]:
    return [(moment.what, moment.at) for moment in services.log]


def test_a_plain_script() -> None:
    services = run_in_virtual_time(lambda: one_life(Script(seconds=3, steps=2, exit_seconds=1)))
    assert whats(services) == [
        ("entered", 0.0),
        ("step", 0.0),
        ("step", 1.5),
        ("up", 3.0),
        ("leaving", 20.0),
        ("left", 21.0),
    ]
    assert services.held == set()


@pytest.mark.parametrize(("fail_at", "at"), [(0, 0.0), (1, 1.0), (2, 2.0)])
def test_a_script_fails_where_it_says_and_the_next_start_follows_the_next_script(fail_at: int, at: float) -> None:
    services = run_in_virtual_time(lambda: one_life(Script(seconds=2, steps=2, fail_at=fail_at), Script()))
    assert services.at("one", "left")[0] == at
    assert services.at("one", "up") == [at + 1 + 1]
    assert services.latest["one"].start == 2


def test_the_last_script_is_for_all_that_follow() -> None:
    services = run_in_virtual_time(lambda: one_life(Script(dies_after=2), Script(dies_after=3)))
    assert services.at("one", "up") == [1.0, 4.0, 8.0, 12.0, 16.0, 20.0]


def test_a_service_that_is_held_is_known(tmp_path: Path) -> None:
    @in_virtual_time
    async def scene() -> None:
        services = ScriptedServices()
        services.add("one", Script(file=tmp_path / "file"))
        async with manager_of(services) as manager:
            await manager.ensure_ready()
            assert services.held == {"one"}
            assert (tmp_path / "file").exists()
        assert services.held == set()

    scene()


@in_virtual_time
async def test_a_scripted_service_can_be_killed_and_be_ill() -> None:
    services = ScriptedServices()
    kind = services.add("one", checked=True, phase=Phase.CACHE)
    async with manager_of(services) as manager:
        one = (await manager.ensure_ready()).get(kind)
        await one.check()
        one.healthy = False
        with pytest.raises(ScriptedFault):
            await one.check()
        one.healthy = True
        one.die()
        await trio.testing.wait_all_tasks_blocked()
        assert (await manager.ensure_ready()).get(kind).start == 2


@in_virtual_time
async def test_an_exit_that_never_ends_is_cut_and_one_that_is_shielded_goes_on() -> None:
    services = ScriptedServices()
    services.add("first", Script(exit_seconds=30.0, exit_shielded=True))
    services.add("second", Script(exit_seconds=math.inf), needs=("first",))
    with pytest.raises(ExceptionGroup):
        async with manager_of(services) as manager:
            await manager.ensure_ready()
    assert services.at("second", "left") == [2.0 + 5.0]
    assert services.at("first", "left") == [2.0 + 5.0 + 30.0]
