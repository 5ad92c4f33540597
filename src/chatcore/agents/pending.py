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

    Args:
        attempts: that were begun by processes that are gone.
        begun: what they left of its run.
        given_up: whether its user does not want it any more.
    """

    context: UserExecutionContext
    epoch: str
    agent: str
    message: m.UserMessage
    attempts: int = 0
    begun: LiveRun | None = None
    running: bool = False
    given_up: bool = False
    _cut: bool = False
    _scope: trio.CancelScope | None = None

    @property
    def size(self) -> int:
        """Bytes of its content."""
        return len(self.message.content.encode())

    def give_up(self) -> None:
        """Its user does not want it any more, whether it waits or runs."""
        self.given_up = True
        self.cut()

    def cut(self) -> None:
        """Wait or run no longer."""
        self._cut = True
        if self._scope is not None:
            self._scope.cancel()

    @contextmanager
    def cancellable(self) -> Iterator[None]:
        """What happens within the block ends when the run is cut, before it or meanwhile."""
        with trio.CancelScope() as self._scope:
            if self._cut:
                self._scope.cancel()
            yield
