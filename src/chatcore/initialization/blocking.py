"""Names the code that blocks the event loop during a start (guarantees.md, 14)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs
import trio

from chatcore.initialization.host import STARTING

BLOCKED_SECONDS = 0.05
"""A step longer than this is felt by every other connection: the lag that guarantees.md promises to stay under."""


@attrs.define(eq=False)
class BlockingDetector(trio.abc.Instrument):
    """Times every step of every task while it is installed.

    Args:
        report: called with the service whose start the step belongs to (None for other code), the task's name and
            the seconds it blocked the loop.
    """

    report: Callable[[str | None, str, float], None]
    _task: trio.lowlevel.Task | None = None
    """Whose step it is; None before the first, as this is installed within one, and while the loop waits."""
    _began: float = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A step begins, and with it the one before has ended: one call a step, of which a stampede has thousands."""
        now = time.perf_counter()
        self._judge(now)
        self._task, self._began = task, now

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002  Trio calls it so
        """The last step has ended."""
        self._judge(time.perf_counter())
        self._task = None

    def _judge(self, now: float) -> None:
        if self._task is not None and now - self._began > BLOCKED_SECONDS:
            host = self._task.context.get(STARTING)
            self.report(host.service.name if host is not None else None, self._task.name, now - self._began)


@contextmanager
def blocking_steps(report: Callable[[str | None, str, float], None]) -> Iterator[None]:
    """Watch for blocking steps within the block. Meant for a start, which is short: it costs a little on every step."""
    detector = BlockingDetector(report)
    trio.lowlevel.add_instrument(detector)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(detector)
