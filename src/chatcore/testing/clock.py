"""Virtual time: an hour of waiting takes milliseconds, and a deadlock fails instead of hanging the test run."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import ParamSpec, TypeVar

import trio
from trio.testing import MockClock

from chatcore.testing.schedules import seeded_schedule

T = TypeVar("T")
P = ParamSpec("P")

LIMIT_SECONDS = 3600.0
"""Of virtual time. A clock that jumps to the next deadline never ends where there is none; this is one."""


def run_in_virtual_time(
    function: Callable[[], Awaitable[T]], *, limit_seconds: float = LIMIT_SECONDS, seed: int | None = None
) -> T:
    """Run an async function in a Trio of its own, on a clock that jumps ahead whenever every task waits.

    The clock does not know of threads: while one works and every task waits, it jumps all the same.

    Args:
        function: what to run.
        limit_seconds: how long it may take, in virtual seconds.
        seed: of the order in which Trio runs tasks; see :func:`~chatcore.testing.schedules.seeded_schedule`. Left to
            Trio unless given.

    Returns:
        what the function returns.

    Raises:
        trio.TooSlowError: it took longer, or every task waited for ever.
    """

    async def main() -> T:
        with trio.fail_after(limit_seconds):
            return await function()

    with seeded_schedule(seed) if seed is not None else nullcontext():
        return trio.run(main, clock=MockClock(autojump_threshold=0))


def in_virtual_time(test: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """Decorate an async test, so that it runs in virtual time: :func:`run_in_virtual_time` as a decorator."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_in_virtual_time(functools.partial(test, *args, **kwargs))

    return run
