"""A crowd that comes in goes before telling those who are in, and still nobody who waits hears nothing for long."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from chatcore.initialization.lifecycle import State
from chatcore.initialization.progress import Snapshot
from chatcore.session.attendance import PATIENCE_SECONDS
from chatcore.testing import Script, ScriptedServices, in_virtual_time, run_in_virtual_time
from scenes import Stage, application, staged

pytestmark = pytest.mark.usefixtures("threads_in_place")

SILENCE_SECONDS = 2.0
"""Promise 26."""

EACH_SECONDS = 0.01
"""Between one who comes in and the next."""


@attrs.define(eq=False)
class Guest:
    """Someone who attends, and what they heard when; to tell them again takes so many seconds."""

    heard: list[tuple[float, Snapshot]] = attrs.field(factory=list)
    seconds: float = 0.0

    def follow(self, snapshot: Snapshot) -> None:
        if self.seconds and self.heard:
            jump(self.seconds)
        self.heard.append((trio.current_time(), snapshot))


def jump(seconds: float) -> None:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    clock.jump(seconds)


def ten_services(fail_at: float | None = None) -> ScriptedServices:
    """Half a second each; the last may fail at its end."""
    services = ScriptedServices()
    needs: tuple[str, ...] = ()
    for number in range(10):
        failing: dict[str, Any] = {"fail_at": fail_at} if number == 9 and fail_at is not None else {}
        services.add(f"s{number}", Script(seconds=0.5, **failing), needs=needs)
        needs = (f"s{number}",)
    return services


def started(stage: Stage) -> Guest:
    """The first one in; the services start."""
    first = Guest()
    stage.server.session_parts.usher.enter(first)
    stage.server.manager.request_start()
    return first


async def crowd(stage: Stage, seconds: float) -> None:
    """One comes in every turn of the loop, which takes a while."""
    until = trio.current_time() + seconds
    while trio.current_time() < until:
        stage.server.session_parts.usher.enter(Guest())
        await trio.lowlevel.checkpoint()
        jump(EACH_SECONDS)


@in_virtual_time
async def test_while_a_crowd_comes_in_all_steps_are_told_together_and_in_time() -> None:
    async with staged(application(ten_services())) as stage:
        began_at, first = trio.current_time(), started(stage)
        await crowd(stage, 4.5)

    times = [began_at, *(at for at, _ in first.heard if at <= began_at + 4.5)]
    assert len(times) < 10, "of some twenty changes, few are told one by one"
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) <= SILENCE_SECONDS
    assert min(gaps[2:]) > 0.9 * PATIENCE_SECONDS, "in between, the crowd goes first"


@in_virtual_time
async def test_among_thousands_who_take_time_to_tell_nobody_hears_nothing_for_long() -> None:
    async with staged(application(ten_services())) as stage:
        began_at, first = trio.current_time(), started(stage)
        thousands = [Guest(seconds=0.00025) for _ in range(3_000)]
        for guest in thousands:
            stage.server.session_parts.usher.enter(guest)
        await crowd(stage, 4.5)

    for guest in (first, thousands[0], thousands[-1]):
        times = [began_at, *(at for at, _ in guest.heard if at <= began_at + 4.5)]
        assert max(after - before for before, after in pairwise(times)) <= SILENCE_SECONDS


@in_virtual_time
async def test_every_change_is_told_when_nobody_comes_in() -> None:
    async with staged(application(ten_services())) as stage:
        first = started(stage)
        await stage.server.manager.ensure_ready()
        await trio.testing.wait_all_tasks_blocked()

    told = {snapshot.progress for _, snapshot in first.heard}
    assert len(told) >= 10, "each service that is up"


@pytest.mark.parametrize(("fail_at", "end"), [(None, State.READY), (1, State.UNAVAILABLE)])
def test_how_a_start_ends_is_told_at_once_whoever_comes_in(fail_at: float | None, end: State) -> None:
    async def told_late() -> float:
        async with staged(application(ten_services(fail_at))) as stage:
            first = started(stage)
            await crowd(stage, 8.0)
            at, snapshot = next((at, snapshot) for at, snapshot in first.heard if snapshot.state is end)
            assert snapshot.attempt_ended_at is not None
            return at - snapshot.attempt_ended_at

    assert run_in_virtual_time(told_late) < 10 * EACH_SECONDS
