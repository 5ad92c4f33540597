"""A message between its acknowledgement and the end of its run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio

from chatcore.agents.live_run import LiveRun
from chatcore.context import UserExecutionContext
from chatcore.protocol import messages as m


@attrs.define(eq=False, kw_only=True)
class PendingRun:
    """A message that waits for its turn or is being answered.

    ``attempts`` were begun by processes that are gone, and ``begun`` is what they left of its run.
    """

    context: UserExecutionContext
    epoch: str
    agent: str
    message: m.UserMessage
    attempts: int = 0
    begun: LiveRun | None = None
    running: bool = False
    _cancelled: bool = False
    _scope: trio.CancelScope | None = None

    @property
    def size(self) -> int:
        """Bytes of its content."""
        return len(self.message.content.encode())

    def cancel(self) -> None:
        """Give it up, whether it waits or runs."""
        self._cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    @contextmanager
    def cancellable(self) -> Iterator[None]:
        """What happens within the block ends when the run is given up, before it or meanwhile."""
        with trio.CancelScope() as self._scope:
            if self._cancelled:
                self._scope.cancel()
            yield
