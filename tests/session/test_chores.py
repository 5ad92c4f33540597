"""Chores: begun when there is something to do, never twice, and a defect in one is told."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from chatcore.session.chores import Hands


async def test_a_chore_is_done_once_at_a_time_and_finds_what_is_new() -> None:
    todo, done = [1], list[int]()

    async def work() -> None:
        while todo:
            done.append(todo.pop(0))
            await trio.lowlevel.checkpoint()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            hands = Hands(nursery)
            hands.do(work)
            todo.append(2)
            hands.do(work)
            assert len(nursery.child_tasks) == 1
            await wait_all_tasks_blocked()
            assert (done, len(nursery.child_tasks)) == ([1, 2], 0)
            todo.append(3)
            hands.do(work)
    assert done == [1, 2, 3]


async def test_without_a_nursery_nothing_is_begun_and_after_one_that_was_cancelled_it_can_be_again() -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        await trio.sleep_forever()

    with trio.fail_after(30):
        hands = Hands()
        hands.do(work)
        for expected in (1, 2):
            async with trio.open_nursery() as nursery:
                hands.nursery = nursery
                hands.do(work)
                await wait_all_tasks_blocked()
                assert begun == expected
                nursery.cancel_scope.cancel()


async def test_a_defect_is_told_and_the_others_go_on() -> None:
    told: list[Exception] = []

    async def broken() -> None:
        raise ValueError

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            hands = Hands(nursery, told.append)
            hands.do(broken)
    assert [type(error) for error in told] == [ValueError]


async def test_a_defect_that_nobody_is_told_of_is_raised() -> None:
    async def broken() -> None:
        raise ValueError

    with trio.fail_after(30), pytest.raises(ExceptionGroup) as raised:
        async with trio.open_nursery() as nursery:
            Hands(nursery).do(broken)
    assert raised.group_contains(ValueError)
