"""Chores: begun when there is something to do, never twice, and a defect in one is told."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from chatcore.session.chores import Hands


async def test_a_chore_is_done_once_at_a_time_and_finds_what_is_new() -> None:
    todo, done, at_once, most = [1], list[int](), 0, 0

    async def work() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        while todo:
            done.append(todo.pop(0))
            await trio.lowlevel.checkpoint()
        at_once -= 1

    with trio.fail_after(30):
        hands = Hands()
        async with hands.at_work():
            hands.do(work)
            todo.append(2)
            hands.do(work)
            assert hands.wanted
            await wait_all_tasks_blocked()
            assert (done, most, hands.wanted) == ([1, 2], 1, False)
            todo.append(3)
            hands.do(work)
            await wait_all_tasks_blocked()
    assert (done, most) == ([1, 2, 3], 1)


async def test_somebody_is_called_for_the_first_chore_and_does_all_that_wait() -> None:
    calls, begun = list[int](), list[int]()

    async def chore(number: int) -> None:
        begun.append(number)
        await trio.sleep_forever()

    chores = [partial(chore, number) for number in range(3)]
    with trio.fail_after(30):
        hands = Hands(lambda: calls.append(1))
        hands.do(chores[0])
        hands.do(chores[1])
        hands.do(chores[0])
        assert (len(calls), hands.wanted) == (2, True)
        async with hands.at_work():
            hands.do(chores[2])
            await wait_all_tasks_blocked()
            assert (sorted(begun), len(calls)) == ([0, 1, 2], 2)
        hands.do(chores[2])
        assert (len(begun), len(calls), hands.wanted) == (3, 2, False), "it is over"


async def test_a_defect_is_told_and_the_others_go_on() -> None:
    told: list[Exception] = []

    async def broken() -> None:
        raise ValueError

    with trio.fail_after(30):
        hands = Hands(failed=told.append)
        async with hands.at_work():
            hands.do(broken)
            await wait_all_tasks_blocked()
    assert [type(error) for error in told] == [ValueError]


async def test_a_defect_that_nobody_is_told_of_is_raised() -> None:
    async def broken() -> None:
        raise ValueError

    async def ask_for_it() -> None:
        hands = Hands()
        async with hands.at_work():
            hands.do(broken)
            await trio.sleep_forever()

    with trio.fail_after(30), pytest.raises(ExceptionGroup) as raised:
        await ask_for_it()
    assert raised.group_contains(ValueError)
