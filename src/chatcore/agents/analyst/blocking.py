"""DuckDB's blocking calls, run in worker threads so that the event loop turns, and ended when they are cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import outcome
import trio

T = TypeVar("T")

INTERRUPT_EVERY_SECONDS = 0.02
"""An interrupt that comes before the statement has begun is lost; it is repeated until the thread is done."""

TICK_SECONDS = 0.25
"""How often progress is looked at: often enough for a watcher, seldom enough to cost nothing."""


class Interruptible(Protocol):
    """A DuckDB connection or cursor, as far as it can be stopped."""

    def interrupt(self) -> None:
        """Make the statement that is running raise."""


async def interruptible(
    connection: Interruptible, work: Callable[[], T], on_tick: Callable[[], object] = lambda: None
) -> T:
    """Run ``work``, which uses ``connection``, in a worker thread.

    Args:
        connection: interrupted when this is cancelled; the call returns once the thread has ended.
        work: blocks.
        on_tick: called here, in the Trio thread, while ``work`` lasts.

    Returns:
        What ``work`` returns.
    """
    done = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, connection, done, on_tick)
        with trio.CancelScope(shield=True):
            result = await trio.to_thread.run_sync(outcome.capture, work)
        done.set()
    await trio.lowlevel.checkpoint_if_cancelled()
    return result.unwrap()


async def _watch(connection: Interruptible, done: trio.Event, on_tick: Callable[[], object]) -> None:
    try:
        while not done.is_set():
            with trio.move_on_after(TICK_SECONDS):
                await done.wait()
            on_tick()
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            await _interrupt_until(connection, done)
        raise


async def _interrupt_until(connection: Interruptible, done: trio.Event) -> None:
    while not done.is_set():
        connection.interrupt()
        with trio.move_on_after(INTERRUPT_EVERY_SECONDS):
            await done.wait()
