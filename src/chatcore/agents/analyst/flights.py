"""One execution for everyone who asks the same at the same time, and its result for those who ask later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import attrs
import trio

from chatcore.agents.analyst.keeping import Kept

T = TypeVar("T")


@attrs.define(eq=False)
class Flight(Generic[T]):
    """An execution on its way, and what came of it: nothing where the caller that executed was cancelled."""

    landed: trio.Event = attrs.field(factory=trio.Event)
    result: tuple[T, ...] = ()
    error: Exception | None = None


@attrs.define(eq=False)
class SingleFlight(Generic[T]):
    """Shares executions.

    Args:
        kept: results, which do not change.
    """

    kept: Kept[T]
    _flights: dict[str, Flight[T]] = attrs.field(factory=dict)

    async def do(self, key: str, execute: Callable[[], Awaitable[T]]) -> T:
        """The result of ``execute``: kept, of an execution that is on its way, or of one that begins now.

        Where the caller that executes is cancelled, one that waits begins anew: nobody's patience is another's limit.

        Args:
            key: says wholly what is executed.
            execute: for this caller, possibly for others.

        Raises:
            Exception: of ``execute``, to everyone who waited for it; it is not kept.
        """
        await trio.lowlevel.checkpoint()
        while key not in self.kept:
            flight = self._flights.get(key)
            if flight is None:
                return await self._fly(key, execute)
            await flight.landed.wait()
            if flight.error is not None:
                raise flight.error
            if flight.result:
                return flight.result[0]
        return self.kept[key]

    async def _fly(self, key: str, execute: Callable[[], Awaitable[T]]) -> T:
        flight = self._flights[key] = Flight[T]()
        try:
            flight.result = (self.kept.keep(key, await execute()),)
            return flight.result[0]
        except Exception as error:
            flight.error = error
            raise
        finally:
            del self._flights[key]
            flight.landed.set()
