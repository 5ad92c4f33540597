"""The plan of a start: which service starts after which, checked before any side effect. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import attrs

from chatcore.errors import GraphFault, ServiceGraphInvalid
from chatcore.services import INJECTED, Phase, Service


@attrs.frozen
class Plan:
    """The services in the order they may start: by phase, then by need, then as declared.

    Args:
        services: in that order; stopping goes the other way.
        needs: for each service's name, the names it needs itself.
    """

    services: tuple[Service, ...]
    needs: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, services: Sequence[Service]) -> Plan:
        """The plan for these declarations.

        Raises:
            ServiceGraphInvalid: names every missing, duplicate, circular and later-phase dependency at once
                (guarantees.md, 11).
        """
        faults = (*_duplicates(services), *_missing(services), *_circular(services), *_later_phases(services))
        if faults:
            raise ServiceGraphInvalid(faults)
        return cls(_in_order(services), _needs(services))

    @property
    def names(self) -> frozenset[str]:
        """Every service's name."""
        return frozenset(self.needs)

    @property
    def by_name(self) -> Mapping[str, Service]:
        """Each service by its name."""
        return {service.name: service for service in self.services}

    def phases(self) -> Iterator[tuple[Phase, tuple[Service, ...]]]:
        """Each phase that has services, with them."""
        for phase in Phase:
            members = tuple(service for service in self.services if service.phase is phase)
            if members:
                yield phase, members

    def with_dependents(self, names: Iterable[str]) -> frozenset[str]:
        """``names`` and every service that needs one of them, directly or not."""
        found = set(names)
        for service in self.services:  # in start order, so one pass sees every chain
            if self.needs[service.name] & found:
                found.add(service.name)
        return frozenset(found)

    def reach(self) -> Mapping[type, frozenset[type]]:
        """For each type that is provided, the types it needs, directly or not, and itself."""
        by_name = self.by_name
        reach: dict[type, frozenset[type]] = {}
        for service in self.services:
            needed = [reach[by_name[name].provides] for name in self.needs[service.name]]
            reach[service.provides] = frozenset({service.provides}).union(*needed)
        return reach


def _providers(services: Sequence[Service]) -> dict[Any, Service]:
    return {service.provides: service for service in services}


def _wanted(service: Service) -> Iterator[tuple[str, Any]]:
    """The parameters of ``service`` that another service must provide."""
    for parameter, kind in service.needs.items():
        if kind not in INJECTED:
            yield parameter, kind


def _needs(services: Sequence[Service]) -> dict[str, frozenset[str]]:
    needs: dict[str, set[str]] = {service.name: set() for service in services}
    for service, _, provider in _provided(services):
        needs[service.name].add(provider.name)
    return {name: frozenset(needed) for name, needed in needs.items()}


def _provided(services: Sequence[Service]) -> Iterator[tuple[Service, str, Service]]:
    """Each service, a parameter of it, and the service that provides what it asks for; missing ones left out."""
    providers = _providers(services)
    for service in services:
        for parameter, kind in _wanted(service):
            if kind in providers:
                yield service, parameter, providers[kind]


def _duplicates(services: Sequence[Service]) -> Iterator[GraphFault]:
    types: dict[Any, str] = {}
    names: set[str] = set()
    for service in services:
        if service.provides in types or service.provides in INJECTED:
            first = types.get(service.provides, "chatcore itself")
            detail = f"yields {_name(service.provides)}, which {first} yields already; give each service its own type"
            yield GraphFault("duplicate", service.name, detail)
        if service.name in names:
            yield GraphFault("duplicate", service.name, "two factories have this name; give each its own")
        types.setdefault(service.provides, service.name)
        names.add(service.name)


def _missing(services: Sequence[Service]) -> Iterator[GraphFault]:
    providers = _providers(services)
    for service in services:
        for parameter, kind in _wanted(service):
            if kind not in providers:
                detail = f"needs {_name(kind)} (parameter {parameter!r}), and no service yields it"
                yield GraphFault("missing", service.name, detail)


def _circular(services: Sequence[Service]) -> Iterator[GraphFault]:
    needs = _needs(services)
    while circle := _circle(needs):
        yield GraphFault("circular", circle[0], "needs itself: " + " needs ".join(circle))
        needs[circle[0]] -= {circle[1]}  # cut open, so that the next one shows


def _circle(needs: Mapping[str, frozenset[str]]) -> list[str]:
    """Names that each need the next, the last the first; none where nothing needs itself."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def _later_phases(services: Sequence[Service]) -> Iterator[GraphFault]:
    for service, parameter, provider in _provided(services):
        if provider.phase > service.phase:
            detail = (
                f"starts in phase {service.phase.name} and needs {provider.name} (parameter {parameter!r}), "
                f"which starts later, in {provider.phase.name}"
            )
            yield GraphFault("later_phase", service.name, detail)


def _in_order(services: Sequence[Service]) -> tuple[Service, ...]:
    by_name = {service.name: service for service in services}
    declared = {service.name: position for position, service in enumerate(services)}
    sorter = TopologicalSorter(_needs(services))
    sorter.prepare()
    ordered: list[Service] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=declared.__getitem__)
        ordered.extend(by_name[name] for name in ready)
        sorter.done(*ready)
    return tuple(sorted(ordered, key=lambda service: service.phase))  # stable: needs stay in order within a phase


def _name(kind: Any) -> str:
    return getattr(kind, "__qualname__", None) or str(kind)
