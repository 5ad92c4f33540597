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
    _began: float = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002  Trio calls it so
        """A step begins."""
        self._began = time.perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """A step has ended."""
        took = time.perf_counter() - self._began if self._began else 0.0  # 0: installed within this very step
        if took > BLOCKED_SECONDS:
            host = task.context.get(STARTING)
            self.report(host.service.name if host is not None else None, task.name, took)


@contextmanager
def blocking_steps(report: Callable[[str | None, str, float], None]) -> Iterator[None]:
    """Watch for blocking steps within the block. Meant for a start, which is short: it costs a little on every step."""
    detector = BlockingDetector(report)
    trio.lowlevel.add_instrument(detector)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(detector)
