"""The outbox: order, bounds, and knowing when everything has been written."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from chatcore.delivery.outbox import Outbox


async def test_frames_come_out_in_order_with_when_they_were_put() -> None:
    outbox = Outbox(100)
    for number in range(3):
        outbox.put(b"%d" % number, float(number))
    assert [await outbox.take() for _ in range(3)] == [b"0", b"1", b"2"]
    assert outbox.written() == (2.0,)
    assert outbox.held_bytes == 0


async def test_a_taker_waits_for_a_frame(autojump_clock: MockClock) -> None:
    outbox = Outbox(100)

    async def put_late() -> None:
        await trio.sleep(1)
        outbox.put(b"late", 1.0)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(put_late)
            assert await outbox.take() == b"late"


async def test_it_overflows_by_bytes_and_not_by_one_long_frame() -> None:
    outbox = Outbox(10)
    outbox.put(b"x" * 1000, 0.0)
    assert not outbox.overflowed, "a long answer is no fault of its reader"
    outbox.put(b"y", 0.0)
    assert outbox.overflowed


async def test_bytes_are_counted_and_not_characters() -> None:
    outbox = Outbox(10)
    for _ in range(4):
        outbox.put("é🎉".encode(), 0.0)
    assert outbox.held_bytes == 24
    assert outbox.overflowed


@pytest.mark.parametrize("frames", [0, 1, 3])
async def test_flushed_returns_when_the_last_frame_has_been_written(frames: int, autojump_clock: MockClock) -> None:
    outbox, written = Outbox(100), 0

    async def write() -> None:
        nonlocal written
        while True:
            await outbox.take()
            await trio.sleep(1)
            written += 1

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await wait_all_tasks_blocked()
            for _ in range(frames):
                outbox.put(b"frame", 0.0)
            await outbox.flushed()
            assert written == frames
            nursery.cancel_scope.cancel()


async def test_room_is_waited_for_beyond_half(autojump_clock: MockClock) -> None:
    outbox = Outbox(10)

    async def write() -> None:
        while True:
            await outbox.take()
            await trio.sleep(1)

    with trio.fail_after(60):
        await outbox.room()
        outbox.put(b"12345", 0.0)
        await outbox.room()
        outbox.put(b"6", 0.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await outbox.room()
            assert outbox.held_bytes <= 5
            nursery.cancel_scope.cancel()


def test_several_are_written_at_once_up_to_so_many_bytes() -> None:
    outbox = Outbox(100)
    for number in range(5):
        outbox.put(b"%d" % number * 4, float(number))
    assert outbox.pop(9) == [b"0000", b"1111", b"2222"]
    assert (outbox.held_bytes, outbox.writing, outbox.written()) == (8, True, (0.0, 1.0, 2.0))
    assert outbox.pop(9) == [b"3333", b"4444"]
    assert not outbox.empty
    outbox.abandon()
    assert (outbox.empty, outbox.pop(9)) == (True, [])
