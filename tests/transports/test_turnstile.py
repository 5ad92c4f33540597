"""The turnstile: few go on in each turn, in the order they came, and nobody who comes alone waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import wait_all_tasks_blocked

from chatcore.transports.turnstile import ON_AT_ONCE, Turnstile


@asynccontextmanager
async def turning() -> AsyncIterator[Turnstile]:
    turnstile = Turnstile()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turnstile.keep)
            yield turnstile
            nursery.cancel_scope.cancel()


async def test_others_have_turns_between_a_few_and_the_next_few() -> None:
    turns = 0
    gone_on: list[tuple[int, int]] = []
    async with turning() as turnstile, trio.open_nursery() as nursery:

        async def take_turns() -> None:
            nonlocal turns
            while len(gone_on) < 100:
                await trio.lowlevel.checkpoint()
                turns += 1

        async def come(number: int) -> None:
            await turnstile.go_through()
            gone_on.append((number, turns))

        nursery.start_soon(take_turns)
        for number in range(100):
            nursery.start_soon(come, number)
            if number % 10 == 0:
                await trio.lowlevel.checkpoint()
    in_a_turn = [sum(turn == one for _, turn in gone_on) for one in range(turns + 1)]
    assert max(in_a_turn) <= 2 * ON_AT_ONCE  # the counter and the turnstile change over within one turn
    assert len([count for count in in_a_turn if count]) >= 100 / (2 * ON_AT_ONCE)


async def test_who_comes_alone_does_not_wait() -> None:
    async with turning() as turnstile:
        for _ in range(10):
            await wait_all_tasks_blocked()
            with trio.move_on_after(0) as scope:
                await turnstile.go_through()
            assert not scope.cancelled_caught


async def test_who_leaves_while_waiting_keeps_nobody() -> None:
    through: set[trio.CancelScope] = set()
    async with turning() as turnstile, trio.open_nursery() as nursery:

        async def come(scope: trio.CancelScope) -> None:
            with scope:
                await turnstile.go_through()
                through.add(scope)

        scopes = [trio.CancelScope() for _ in range(40)]
        for scope in scopes:
            nursery.start_soon(come, scope)
        for scope in scopes[::2]:
            scope.cancel()
    assert set(scopes[1::2]) <= through
    assert len(through) <= 20 + ON_AT_ONCE  # who does not have to wait goes on
