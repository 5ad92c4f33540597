"""After ready: notices the death of a service, by its task or by its health check."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
import trio

from chatcore.initialization.host import ServiceHost


class HealthCheckTimedOut(Exception):
    """A health check took longer than the time between two checks."""


@attrs.frozen
class Loss:
    """A service is lost.

    Args:
        service: its name.
        cause: what ended it or what its check raised; None where it ended by itself.
    """

    service: str
    cause: BaseException | None


async def first_loss(hosts: Iterable[ServiceHost]) -> Loss:
    """Wait until the first of these services is lost.

    A task that ends is noticed at once, and within :data:`~chatcore.initialization.host.PARTING_SECONDS` where its exit
    hangs; a failing check within twice its interval, once to wait and once to run.
    """
    losses: list[Loss] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)  # of no services, none is ever lost

        def report(host: ServiceHost, cause: BaseException | None) -> None:
            losses.append(Loss(host.service.name, cause))
            nursery.cancel_scope.cancel()

        for host in hosts:
            nursery.start_soon(_watch_task, host, report)
            if host.service.check is not None:
                nursery.start_soon(_watch_health, host, report)
    return losses[0]


Report = Callable[[ServiceHost, BaseException | None], None]


async def _watch_task(host: ServiceHost, report: Report) -> None:
    await host.lost()
    report(host, host.failure)


async def _watch_health(host: ServiceHost, report: Report) -> None:
    every = host.service.check_every_seconds
    check = host.service.check
    assert check is not None  # noqa: S101  first_loss starts this only where there is one
    while True:
        await trio.sleep(every)
        try:
            with trio.move_on_after(every) as scope:
                await check(host.value)
        except Exception as error:  # a check says no by raising whatever it likes
            return report(host, error)
        if scope.cancelled_caught:
            return report(host, HealthCheckTimedOut())
