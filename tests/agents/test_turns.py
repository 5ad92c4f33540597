"""Turns: no more than so many at a time, users in rotation, and none is lost."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from chatcore.agents.turns import Turns
from chatcore.testing import in_virtual_time


@in_virtual_time
async def test_a_user_with_one_run_does_not_wait_behind_a_hundred_of_another() -> None:
    turns, order = Turns(2), []

    async def run(user_id: str) -> None:
        async with turns.turn(user_id):
            await trio.sleep(1)
            order.append(user_id)

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(run, "flood")
        await wait_all_tasks_blocked(0.001)
        nursery.start_soon(run, "ann")
        nursery.start_soon(run, "bob")
    assert {"ann", "bob"} <= set(order[:6]), "they wait for one round at most"
    assert trio.current_time() == pytest.approx(51, abs=0.1), "the two turns are always used"


@in_virtual_time
async def test_users_who_hold_as_many_go_in_rotation() -> None:
    turns, order = Turns(1), []

    async def run(user_id: str) -> None:
        async with turns.turn(user_id):
            order.append(user_id)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for user_id in ("ann", "ann", "ann", "bob", "bob", "cid"):
            nursery.start_soon(run, user_id)
            await wait_all_tasks_blocked(0.001)
    assert order == ["ann", "bob", "cid", "ann", "bob", "ann"] or order == ["ann", "ann", "bob", "cid", "ann", "bob"]


@in_virtual_time
async def test_more_than_the_most_are_never_at_work_and_cancellation_loses_no_turn() -> None:
    turns, at_work = Turns(3), Counter[str]()

    async def run(user_id: str, patience: float) -> None:
        with trio.move_on_after(patience):
            async with turns.turn(user_id):
                at_work[user_id] += 1
                assert at_work.total() <= 3
                try:
                    await trio.sleep(1)
                finally:
                    at_work[user_id] -= 1

    async with trio.open_nursery() as nursery:
        for number in range(60):
            nursery.start_soon(run, f"user {number % 7}", 0.5 + number / 10)
    assert at_work.total() == 0
    with trio.fail_after(1):
        async with turns.turn("last"), turns.turn("last"), turns.turn("last"):
            pass


@in_virtual_time
async def test_a_turn_that_comes_together_with_the_cancellation_is_passed_on() -> None:
    turns, got = Turns(1), []

    async def wait(user_id: str, scope: trio.CancelScope) -> None:
        with scope:
            async with turns.turn(user_id):
                got.append(user_id)

    first = trio.CancelScope()
    async with trio.open_nursery() as nursery, turns.turn("holder"):
        nursery.start_soon(wait, "ann", first)
        await wait_all_tasks_blocked(0.001)
        nursery.start_soon(wait, "bob", trio.CancelScope())
        await wait_all_tasks_blocked(0.001)
        first.cancel()
    assert got == ["bob"] or got == ["ann", "bob"]
