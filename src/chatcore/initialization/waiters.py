"""The callers that wait for the services, and what they are told: one outcome, at once, each its own."""

from __future__ import annotations

import attrs
import trio

from chatcore.errors import ErrorCode
from chatcore.initialization.attempt import Failure
from chatcore.observability import Recorder
from chatcore.services import ReadyServices


@attrs.define(eq=False)
class Cohort:
    """The callers that wait for one outcome."""

    settled: trio.Event = attrs.field(factory=trio.Event)
    count: int = 0
    ready: ReadyServices | None = None
    failure: Failure | None = None

    def outcome(self, retry_after_seconds: float) -> ReadyServices:
        """What was waited for, once it is settled.

        Raises:
            InitializationFailed: there is none; one for each who asks.
        """
        if self.ready is None:
            failure = self.failure or Failure(error_code=ErrorCode.SERVICE_INIT_FAILED)
            raise failure.for_one_caller(retry_after_seconds) from failure.cause
        return self.ready


@attrs.define(eq=False)
class Waiters:
    """Everyone who waits. A caller joins the current cohort and stays with it; a cohort is settled once, and the next
    begins in the same step, so that nobody joins an outcome that is past (guarantees.md, 4 and 6).
    """

    recorder: Recorder
    _cohort: Cohort = attrs.field(factory=Cohort, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def count(self) -> int:
        """How many wait."""
        return self._cohort.count

    def join(self) -> Cohort:
        """Wait for the current cohort's outcome, until :meth:`leave`."""
        self._counted(self._cohort.count + 1)
        return self._cohort

    def leave(self, cohort: Cohort) -> None:
        """Wait no more. Leaving before the outcome concerns nobody else."""
        if cohort is self._cohort:
            self._counted(cohort.count - 1)

    def settle(self, *, ready: ReadyServices | None = None, failure: Failure | None = None) -> None:
        """Tell the current cohort what came of it."""
        cohort = self._cohort
        cohort.ready, cohort.failure = ready, failure
        cohort.settled.set()
        self._counted(0)
        self._cohort = Cohort()

    async def until(self, *, present: bool) -> None:
        """Return when somebody waits, or nobody does."""
        while (self.count > 0) is not present:
            await self._changed.wait()

    def _counted(self, count: int) -> None:
        """So many wait now. Who asks is told when that becomes anybody, or nobody."""
        before, self._cohort.count = self._cohort.count, count
        self.recorder.waiting_changed(count)
        if (before > 0) is not (count > 0):
            self._changed.set()
            self._changed = trio.Event()
