"""The graph of services: typed async-generator factories, known by what they yield (protocol.md, section 5).

A factory is written like a pytest fixture: what comes before its ``yield`` starts the service, what follows runs on
rollback, restart and shutdown. There is no other way to build a service: the lazy start, the pre-warmed start, a
restart and a test all run the same factory.
"""

from __future__ import annotations

import collections.abc
import enum
import inspect
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TypeVar

import attrs
import trio

from chatcore.errors import GraphFault, ServiceGraphInvalid
from chatcore.protocol.text import is_sendable
from chatcore.settings import Settings
from chatcore.threads.service import ThreadService

T = TypeVar("T")
Factory = TypeVar("Factory", bound=Callable[..., AsyncIterator[Any]])


class Phase(enum.IntEnum):
    """The seven phases of a start, in their order. A phase begins when the one before it is complete."""

    DEPENDENCIES = 1
    DATABASE = 2
    CACHE = 3
    SERVICES = 4
    WEBSOCKET = 5
    VALIDATION = 6
    FINALIZE = 7

    @property
    def label(self) -> str:
        """The name on the wire: lower case."""
        return self.name.lower()


class StartReporter(Protocol):
    """What a starting service may tell of itself. A factory asks for it as a parameter of this type."""

    def advance(self, fraction: float, words: str | None = None) -> None:
        """``fraction`` of this start is done (0 to 1, never falling); ``words`` say what, for a person."""

    def retrying(self, words: str) -> None:
        """A step failed and is tried again within this attempt; ``words`` say which."""


INJECTED: tuple[type, ...] = (Settings, StartReporter, ThreadService)
"""What every factory may ask for without a service that provides it; the ThreadService within a server only."""


@attrs.frozen(kw_only=True, eq=False)
class Service:
    """One service of the graph, as declared.

    Args:
        name: the factory's name.
        provides: the type it yields, which is how others ask for it.
        needs: parameter names to the types asked for.
        factory: the async-generator function.
        phase: when it starts.
        label: words for a person.
        weight: its share of the progress, relative to the others'.
        timeout_seconds: how long its start may take, None for the attempt's own limit.
        check: an async health check on what it yields, run after ready.
        check_every_seconds: how often.
        scope: ``instance``, or ``cluster`` for what happens once in the whole cluster.
    """

    name: str
    provides: type
    needs: Mapping[str, type]
    factory: Callable[..., AsyncIterator[Any]]
    phase: Phase
    label: str
    weight: float
    timeout_seconds: float | None
    check: Callable[[Any], Awaitable[object]] | None
    check_every_seconds: float
    scope: Literal["instance", "cluster"]


class ServiceGraph:
    """The declarations of an application, in the order they were made."""

    def __init__(self) -> None:
        self._services: list[Service] = []

    def provide(
        self,
        *,
        phase: Phase,
        label: str | None = None,
        weight: float = 1.0,
        timeout_seconds: float | None = None,
        check: Callable[[Any], Awaitable[object]] | None = None,
        check_every_seconds: float = 5.0,
        scope: Literal["instance", "cluster"] = "instance",
    ) -> Callable[[Factory], Factory]:
        """Declare the decorated factory as a service.

        Args:
            phase: when it starts.
            label: words for a person; the factory's name in words unless given.
            weight: its share of the progress, above 0.
            timeout_seconds: how long its start may take.
            check: an async health check, called with what the factory yields; it fails by raising.
            check_every_seconds: how often it is run after ready.
            scope: ``cluster`` for what happens once in the whole cluster.

        Raises:
            ServiceGraphInvalid: when the factory is not an async generator that says what it yields and needs, or a
                number is out of range, or the label is no text that can be sent.
        """

        def declare(factory: Factory) -> Factory:
            provides, needs = _signature(factory)
            service = Service(
                name=factory.__name__,
                provides=provides,
                needs=needs,
                factory=factory,
                phase=phase,
                label=label or factory.__name__.replace("_", " "),
                weight=weight,
                timeout_seconds=timeout_seconds,
                check=check,
                check_every_seconds=check_every_seconds,
                scope=scope,
            )
            _check_label(service)
            _check_numbers(service)
            self._services.append(service)
            return factory

        return declare

    @property
    def services(self) -> tuple[Service, ...]:
        """Every declaration, in order."""
        return tuple(self._services)


def _signature(factory: Callable[..., Any]) -> tuple[type, dict[str, type]]:
    """What ``factory`` yields and what it needs, from its annotations."""
    name = getattr(factory, "__name__", repr(factory))
    if not inspect.isasyncgenfunction(factory):
        raise _fault(name, "must be an `async def` that yields its service once")
    try:
        hints = typing.get_type_hints(factory)
    except Exception as error:  # an annotation is code: whatever it names may be missing or wrong
        raise _fault(name, f"has an annotation that cannot be read: {error}") from None
    returned = hints.pop("return", None)
    yields = typing.get_args(returned)
    if typing.get_origin(returned) not in (collections.abc.AsyncIterator, collections.abc.AsyncGenerator) or not yields:
        raise _fault(name, "must say what it yields: `-> AsyncIterator[TheType]`")
    for parameter in inspect.signature(factory).parameters.values():
        if parameter.name not in hints:
            raise _fault(name, f"must annotate its parameter {parameter.name!r} with the type it needs")
        if parameter.kind not in _BY_NAME:
            raise _fault(name, f"must take its parameter {parameter.name!r} by name")
    return yields[0], hints


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
"""The kinds of parameters that a service can be given to."""


def _check_label(service: Service) -> None:
    if not is_sendable(service.label):
        raise _fault(service.name, "label is text that cannot be sent: it holds a lone surrogate")


def _check_numbers(service: Service) -> None:
    limits = {
        "weight": service.weight,
        "timeout_seconds": service.timeout_seconds,
        "check_every_seconds": service.check_every_seconds,
    }
    for name, value in limits.items():
        if value is not None and not 0 < value < float("inf"):
            raise _fault(service.name, f"{name} is {value}; it must be above 0")


def _fault(service: str, detail: str) -> ServiceGraphInvalid:
    return ServiceGraphInvalid((GraphFault("signature", service, detail),))


_SEAL = object()


class ReadyServices:
    """The services of one generation, all of them up. Made by the ServiceInitializationManager and nobody else.

    Nothing that runs an agent can be built without one, so an answer without a ready generation cannot be written
    down (guarantees.md, 44).
    """

    def __init__(self, seal: object, generation: int, values: Mapping[type, Any], users: Users) -> None:
        if seal is not _SEAL:
            raise TypeError("ReadyServices are made by ServiceInitializationManager.ensure_ready() and nobody else")
        self.generation = generation
        self._values = dict(values)
        self._users = users
        self._withdrawn = False

    def get(self, kind: type[T]) -> T:
        """The service that yields ``kind``.

        Raises:
            LookupError: when no service of the graph does.
        """
        try:
            value: T = self._values[kind]
        except KeyError:
            raise LookupError(f"no service of the graph yields {kind.__qualname__}") from None
        return value

    @contextmanager
    def in_use(self, kind: type) -> Iterator[trio.CancelScope]:
        """Hold the service that yields ``kind``, and all it needs, for one run.

        The scope that is yielded covers the block; it is cancelled when one of those services is lost or must stop,
        and the service is stopped only after the block has ended (guarantees.md, 20). Where the generation is over
        already, it is cancelled from the beginning.
        """
        with self._users.hold(kind) as scope:
            if self._withdrawn:
                scope.cancel()
            yield scope


class Users:
    """Who uses which services now; the manager waits for them before it stops one.

    Args:
        reach: for each type, the types it needs, itself and theirs included.
    """

    def __init__(self, reach: Mapping[type, frozenset[type]]) -> None:
        self._reach = reach
        self._scopes: dict[trio.CancelScope, frozenset[type]] = {}
        self._changed = trio.Event()

    @contextmanager
    def hold(self, kind: type) -> Iterator[trio.CancelScope]:
        """Count as a user of ``kind`` within the block."""
        with trio.CancelScope() as scope:
            self._scopes[scope] = self._reach[kind]
            try:
                yield scope
            finally:
                del self._scopes[scope]
                self._changed.set()
                self._changed = trio.Event()

    def of(self, kinds: Iterable[type]) -> tuple[trio.CancelScope, ...]:
        """The scopes of those that use one of ``kinds``."""
        wanted = frozenset(kinds)
        return tuple(scope for scope, used in self._scopes.items() if used & wanted)

    async def none_left(self, kinds: Iterable[type]) -> None:
        """Return when nobody uses any of ``kinds``."""
        wanted = frozenset(kinds)
        while self.of(wanted):
            await self._changed.wait()


def seal_services(generation: int, values: Mapping[type, Any], users: Users) -> ReadyServices:
    """A generation. For the manager: called with services that are up, right before its waiters are told."""
    return ReadyServices(_SEAL, generation, values, users)


def withdraw_services(ready: ReadyServices) -> None:
    """The generation is over. For the manager: called before the first of its services is stopped."""
    ready._withdrawn = True
