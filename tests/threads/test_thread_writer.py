"""``chatcore.threads.writer``: groups, bounds, callers that leave, and closing."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from chatcore.errors import StorageUnavailable
from chatcore.threads import writer as writer_module
from chatcore.threads.writer import FLUSH_SECONDS, Outcome, open_writer


class Refused(Exception):
    """What a bad piece of work gets."""


@attrs.define
class Disk:
    """Commits groups of numbers, each only when it is let; odd jobs are refused where ``picky``."""

    groups: list[list[int]] = attrs.field(factory=list)
    picky: bool = False
    _reached: trio.Event = attrs.field(factory=trio.Event)
    _free: threading.Event = attrs.field(factory=threading.Event)

    def commit(self, works: Sequence[int]) -> list[Outcome]:
        self.groups.append(list(works))
        trio.from_thread.run_sync(self._reached.set)
        assert self._free.wait(30)
        return [Outcome(error=Refused()) if self.picky and work % 2 else Outcome(work * 10) for work in works]

    def free(self) -> None:
        self._free.set()

    async def is_busy(self) -> None:
        """Return once a group has reached the disk and everyone else waits."""
        await self._reached.wait()
        await wait_all_tasks_blocked()


async def test_what_is_queued_while_the_disk_is_busy_is_one_group() -> None:
    disk = Disk()
    results: dict[int, int] = {}

    async def write(number: int) -> None:
        results[number] = await writer.write(number, 0)

    async with open_writer(disk.commit) as writer, trio.open_nursery() as nursery:
        nursery.start_soon(write, 0)
        await disk.is_busy()
        for number in range(1, 11):
            nursery.start_soon(write, number)
        await wait_all_tasks_blocked()
        disk.free()
    assert [sorted(group) for group in disk.groups] == [[0], list(range(1, 11))]
    assert results == {number: number * 10 for number in range(11)}


async def test_each_caller_gets_its_own_result_or_error() -> None:
    disk = Disk(picky=True)
    refused: list[int] = []
    done: list[int] = []
    disk.free()

    async def write(number: int) -> None:
        try:
            done.append(await writer.write(number, 0))
        except Refused:
            refused.append(number)

    async with open_writer(disk.commit) as writer, trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(write, number)
    assert sorted(refused) == list(range(1, 20, 2))
    assert sorted(done) == [number * 10 for number in range(0, 20, 2)]


async def test_a_caller_that_leaves_while_queued_takes_its_work_back() -> None:
    disk = Disk()
    kept: list[int] = []

    async def write(number: int) -> None:
        kept.append(await writer.write(number, 1))

    async with open_writer(disk.commit) as writer, trio.open_nursery() as nursery:
        nursery.start_soon(write, 0)
        await disk.is_busy()
        with trio.CancelScope() as leaving:
            async with trio.open_nursery() as leavers:
                for number in range(1, 5):
                    leavers.start_soon(write, number)
                await wait_all_tasks_blocked()
                leaving.cancel()
        nursery.start_soon(write, 5)
        await wait_all_tasks_blocked()
        disk.free()
    assert disk.groups == [[0], [5]]
    assert kept == [0, 50]


async def test_a_caller_that_leaves_while_its_work_is_under_way_breaks_nothing() -> None:
    disk = Disk()
    async with open_writer(disk.commit) as writer, trio.open_nursery() as nursery:
        with trio.CancelScope() as leaving:
            nursery.start_soon(self_cancelling, leaving, disk)
            await writer.write(0, 0)
        assert leaving.cancelled_caught
        disk.free()
        assert await writer.write(1, 0) == 10
    assert disk.groups == [[0], [1]]


async def self_cancelling(leaving: trio.CancelScope, disk: Disk) -> None:
    await disk.is_busy()
    leaving.cancel()


@pytest.mark.parametrize("seed", range(20))
async def test_whoever_leaves_and_whenever_all_others_are_written_once(seed: int) -> None:
    dice, disk = random.Random(seed), Disk()
    done: list[int] = []
    disk.free()

    async def write(number: int, leaves: bool) -> None:
        for _ in range(dice.randrange(5)):
            await trio.lowlevel.checkpoint()
        with trio.CancelScope() as scope:
            if leaves:
                nursery.start_soon(cancel_later, scope, dice.randrange(10))
            done.append(await writer.write(number, 1))

    async def cancel_later(scope: trio.CancelScope, steps: int) -> None:
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    stays = [dice.random() < 0.5 for _ in range(40)]
    async with open_writer(disk.commit) as writer, trio.open_nursery() as nursery:
        for number, stay in enumerate(stays):
            nursery.start_soon(write, number, not stay)
    written = [number for group in disk.groups for number in group]
    assert len(written) == len(set(written))
    assert {number * 10 for number, stay in enumerate(stays) if stay} <= set(done)
    assert {result // 10 for result in done} <= set(written)


async def test_more_waiting_callers_than_the_bound_are_refused_and_later_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer_module, "MAX_WRITES", 5)
    disk = Disk()
    async with open_writer(disk.commit) as writer:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(writer.write, number, 0)
            await disk.is_busy()
            with pytest.raises(StorageUnavailable):
                await writer.write(5, 0)
            disk.free()
        assert await writer.write(6, 0) == 60
    assert sorted(number for group in disk.groups for number in group) == [0, 1, 2, 3, 4, 6]


async def test_more_bytes_than_the_bound_are_refused_and_released_when_written() -> None:
    disk = Disk()
    half = writer_module.MAX_BYTES // 2
    async with open_writer(disk.commit) as writer, trio.open_nursery() as nursery:
        nursery.start_soon(writer.write, 0, half + 1)
        await disk.is_busy()
        with pytest.raises(StorageUnavailable):
            await writer.write(1, half)
        with trio.CancelScope() as leaving:
            nursery.start_soon(self_cancelling, leaving, disk)
            await writer.write(2, half - 1)
        disk.free()
        assert await writer.write(3, half - 1) == 30
        assert await writer.write(4, half * 2) == 40


async def test_closing_writes_what_is_queued_though_everything_around_is_cancelled() -> None:
    disk = Disk()
    done: list[int] = []

    async def write(number: int) -> None:
        with trio.CancelScope(shield=True):
            done.append(await writer.write(number, 0))

    with trio.CancelScope() as everything:
        async with trio.open_nursery() as nursery, open_writer(disk.commit) as writer:
            nursery.start_soon(write, 0)
            await disk.is_busy()
            for number in range(1, 4):
                nursery.start_soon(write, number)
            await wait_all_tasks_blocked()
            everything.cancel()
            disk.free()
    assert sorted(done) == [0, 10, 20, 30]


async def test_closing_gives_a_disk_that_hangs_five_seconds_and_refuses_who_still_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk = Disk()
    refused: list[int] = []

    async def write(number: int) -> None:
        with pytest.raises(StorageUnavailable):
            await writer.write(number, 0)
        refused.append(number)

    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            async with open_writer(disk.commit) as writer:
                nursery.start_soon(write, 0)
                await wait_all_tasks_blocked()
                nursery.start_soon(write, 1)
                await wait_all_tasks_blocked()
                began_at = trio.current_time()
            assert trio.current_time() - began_at == pytest.approx(FLUSH_SECONDS)
        disk.free()
    assert sorted(refused) == [0, 1]


async def test_a_closed_writer_refuses() -> None:
    async with open_writer(Disk().commit) as writer:
        pass
    assert writer.closed
    with pytest.raises(StorageUnavailable):
        await writer.write(0, 0)


async def test_a_defect_in_the_commit_releases_the_callers_and_ends_the_block() -> None:
    def commit(works: Sequence[int]) -> list[Outcome]:
        raise ZeroDivisionError

    refusals: list[StorageUnavailable] = []

    async def write() -> None:
        with trio.CancelScope(shield=True), pytest.raises(StorageUnavailable) as refused:
            await writer.write(0, 0)
        refusals.append(refused.value)

    with pytest.RaisesGroup(ZeroDivisionError):
        async with open_writer(commit) as writer:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
                nursery.start_soon(write)
            await trio.sleep_forever()
    assert len({id(refusal) for refusal in refusals}) == 2


async def test_an_exception_of_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with open_writer(Disk().commit):
            raise KeyError
