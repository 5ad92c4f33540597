"""The vigil: every peer is asked in its own time, and only the dead are hung up on."""

from __future__ import annotations

import attrs
import trio

from chatcore.testing import in_virtual_time
from chatcore.transports.vigil import AGAIN_SECONDS, ASKED_AT_ONCE, Vigil

PING, PONG = 20.0, 5.0


@attrs.define(eq=False)
class Peer:
    """Answers as long as it is alive, and cannot be asked while it is busy."""

    alive: bool = True
    busy_until: float = 0.0
    heard_at: float = attrs.field(factory=trio.current_time)
    asked_at: list[float] = attrs.field(factory=list)
    hung_up_at: float | None = None

    def ask(self) -> bool:
        if trio.current_time() < self.busy_until:
            return False
        self.asked_at.append(trio.current_time())
        if self.alive:
            self.heard_at = trio.current_time() + 0.1
        return True

    def hang_up(self) -> None:
        self.hung_up_at = trio.current_time()


@in_virtual_time
async def test_each_is_asked_in_its_own_time_and_the_dead_are_hung_up_on() -> None:
    vigil = Vigil(PING, PONG)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(vigil.keep)
        await trio.sleep(3)
        living, dead = Peer(), Peer(alive=False)
        with vigil.watch(living), vigil.watch(dead):
            await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert dead.asked_at == [3 + PING]
    assert dead.hung_up_at == 3 + PING + PONG
    assert living.hung_up_at is None
    assert len(living.asked_at) == 4
    gaps = [after - before for before, after in zip(living.asked_at, living.asked_at[1:], strict=False)]
    assert all(PING <= gap <= PING + PONG for gap in gaps)


@in_virtual_time
async def test_whoever_comes_while_a_longer_wait_is_on_is_not_late() -> None:
    vigil = Vigil(2.0, 50.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(vigil.keep)
        with vigil.watch(Peer(alive=False)):
            await trio.sleep(10)
            late = Peer()
            with vigil.watch(late):
                await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert late.asked_at[0] == 12


@in_virtual_time
async def test_one_that_is_being_sent_something_is_asked_after_it() -> None:
    vigil = Vigil(PING, PONG)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(vigil.keep)
        busy = Peer(busy_until=60.0)
        with vigil.watch(busy):
            await trio.sleep(70)
        nursery.cancel_scope.cancel()
    assert busy.hung_up_at is None
    assert 60 <= busy.asked_at[0] <= 60 + AGAIN_SECONDS


@in_virtual_time
async def test_who_has_gone_is_not_asked_and_many_are() -> None:
    vigil = Vigil(PING, PONG)
    peers = [Peer() for _ in range(3 * ASKED_AT_ONCE)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(vigil.keep)
        watched = [vigil.watch(peer) for peer in peers]
        with watched[0]:
            pass
        await trio.sleep(PING + 1)
        nursery.cancel_scope.cancel()
    assert [len(peer.asked_at) for peer in peers] == [0] + [1] * (len(peers) - 1)


@in_virtual_time
async def test_an_answer_that_comes_in_the_last_step_counts() -> None:
    """So it is where a loop was late: the answer and the end of the wait for it are seen at once."""
    vigil, peers = Vigil(PING, PONG), [Peer(alive=False) for _ in range(20)]

    async def answer(peer: Peer) -> None:
        await trio.sleep_until(PING + PONG)
        peer.heard_at = trio.current_time()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(vigil.keep)
        for peer in peers:
            vigil.watch(peer)
            nursery.start_soon(answer, peer)
        await trio.sleep(PING + PONG + 1)
        nursery.cancel_scope.cancel()
    assert [peer.hung_up_at for peer in peers] == [None] * len(peers)
