"""The services that are up or on their way: started in tasks of their own, stopped one by one, the last first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import attrs
import trio

from chatcore.initialization.host import ExitTimedOut, ServiceHost
from chatcore.observability import Recorder, describe_error
from chatcore.services import Service


@attrs.define(eq=False)
class ServiceHosts:
    """Every :class:`~chatcore.initialization.host.ServiceHost` of a manager, in the order they were started.

    Args:
        nursery: where their tasks live.
        recorder: hears of exits that went wrong.
    """

    nursery: trio.Nursery
    recorder: Recorder
    exit_errors: list[Exception] = attrs.field(factory=list, init=False)
    """What exits raised, gathered until the manager closes (guarantees.md, 17)."""
    _hosts: dict[str, ServiceHost] = attrs.field(factory=dict, init=False)

    def __iter__(self) -> Iterator[ServiceHost]:
        return iter(tuple(self._hosts.values()))

    def start(self, service: Service, arguments: Mapping[str, Any]) -> ServiceHost:
        """Begin to start a service; its host's ``settled`` tells when that has ended."""
        host = ServiceHost(service, arguments)
        self._hosts[service.name] = host
        self.nursery.start_soon(host.run, name=f"service {service.name}")
        return host

    def values(self) -> dict[type, Any]:
        """What every service yielded, by the type it provides."""
        return {host.service.provides: host.value for host in self if host.alive}

    def alive(self) -> frozenset[str]:
        """The names of the services that are up."""
        return frozenset(name for name, host in self._hosts.items() if host.alive)

    def hurry(self, budget_seconds: float) -> None:
        """No exit may take longer than this, from now on or from when it begins."""
        for host in self:
            host.hurry(budget_seconds)

    async def stop(
        self, names: Collection[str], budget_seconds: Callable[[], float], on_change: Callable[[str, bool], None]
    ) -> None:
        """Stop those of ``names`` that were started, the last started first.

        Args:
            names: of services.
            budget_seconds: asked before each exit: how long it may take.
            on_change: called with a name and whether its service has stopped (else: begins to).
        """
        for name in [name for name in reversed(self._hosts) if name in names]:
            host = self._hosts[name]
            died = host.failure
            on_change(name, False)
            gone = await host.stop(budget_seconds())
            del self._hosts[name]
            self._judge_exit(host, died, gone=gone)
            on_change(name, True)

    def _judge_exit(self, host: ServiceHost, died: BaseException | None, *, gone: bool) -> None:
        if not gone:
            self.recorder.log("service_exit_abandoned", service=host.service.name)
            self.exit_errors.append(ExitTimedOut())
        elif host.failure is not None and host.failure is not died:
            self.recorder.log("service_exit_failed", service=host.service.name, **describe_error(host.failure))
            if isinstance(host.failure, Exception) and not host.died:
                self.exit_errors.append(host.failure)
