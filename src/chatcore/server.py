"""The server while it runs: everything is made here, in one order, and let go of in the other."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import trio

from chatcore.agents.recovery import take_up_unfinished
from chatcore.agents.supervisor import AgentSupervisor, RunPolicy
from chatcore.auth.tickets import TicketOffice
from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.errors import ErrorCode, RequestRefused, StorageUnavailable
from chatcore.ids import new_id
from chatcore.initialization.attempt import Failure
from chatcore.initialization.lifecycle import State
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.initialization.progress import ServiceState, Snapshot
from chatcore.observability import Recorder
from chatcore.protocol.codec import ClientFrameDecoder
from chatcore.services import ServiceGraph
from chatcore.session.attendance import Usher
from chatcore.session.bulletin import Bulletin, Introduction
from chatcore.session.connections import Connections
from chatcore.session.session import SessionParts
from chatcore.settings import Settings
from chatcore.store import StoreKeeper
from chatcore.threads.model import InitializationRecord, ServiceStart
from chatcore.threads.service import ThreadService

RUNS_SHARE = 0.6
"""Of the drain budget, what runs may use to finish; the rest is for the services' exits."""

HISTORY = 20
"""Attempts that the status page shows."""

STORAGE = "storage"
"""What the storage is called among the services."""

RECONNECT_SECONDS = 1.0
"""What draining clients are told to wait: another instance is up already, or this one is back after a restart."""

HURRIED_SECONDS = 2.0
"""The drain budget that is left after a second signal."""

EXIT_SHARE = 0.1
"""Of the drain budget, what is kept for an exit that has to be abandoned and for the end of the process itself."""

DAY_SECONDS = 86_400.0

LAG_SECONDS = 0.1
"""How often the event loop's lag is measured."""


@attrs.frozen
class Wrong:
    """What is wrong.

    Args:
        error_code: of the catalogue.
        service: with which, None where it is none alone.
    """

    error_code: ErrorCode
    service: str | None


@attrs.define(eq=False, kw_only=True)
class Server:
    """A running server. Made by :func:`running`."""

    settings: Settings
    recorder: Recorder
    manager: ServiceInitializationManager
    keeper: StoreKeeper
    supervisor: AgentSupervisor
    bridge: AgentWebSocketBridge
    connections: Connections
    introduction: Introduction
    session_parts: SessionParts
    tickets: TicketOffice
    started_at: float = attrs.field(factory=trio.current_time)
    history: deque[InitializationRecord] = attrs.field(factory=lambda: deque(maxlen=HISTORY))
    draining: bool = False
    _drain_by: float = float("inf")

    @property
    def state(self) -> State:
        """What ``/health/ready`` calls ``state``: ready if and only if an agent can answer (guarantees.md, 36)."""
        if self.draining:
            return State.DRAINING
        state = self.manager.snapshot().state
        return State.UNAVAILABLE if state is State.READY and not self.keeper.available else state

    @property
    def wrong(self) -> Wrong | None:
        """Why no agent can answer; None where nothing is wrong, as far as is known."""
        if self.keeper.faulty:
            return Wrong(ErrorCode.STORAGE_UNAVAILABLE, STORAGE)
        if self.state not in (State.UNAVAILABLE, State.FAILED):
            return None
        last = self.history[-1] if self.history else None
        if last is None or last.error_code is None:  # the start was right, and was lost too often since
            return Wrong(ErrorCode.SERVICES_UNAVAILABLE, self.manager.snapshot().lost)
        return Wrong(ErrorCode(last.error_code), last.failed_service)

    @property
    def retry_after_seconds(self) -> float:
        """When a caller that is refused now may come again."""
        refusal = self.manager.refusal()
        after = refusal.retry_after_seconds if refusal is not None else None
        return after or self.manager.snapshot().eta_seconds or RECONNECT_SECONDS

    @property
    def outbox_bytes(self) -> int:
        """What a reader may leave unread before it is cut: four of the largest messages."""
        return 4 * self.settings.max_message_bytes

    def has_room(self) -> bool:
        """Whether one more connection may come in. Where those are refused until the services are ready, the first
        one that is refused has them started.
        """
        if self.draining or self.connections.full:
            return False
        if self.settings.admission == "wait" or self.state is State.READY:
            return True
        self.manager.request_start()
        return False

    def take_message(self, user_id: str) -> None:
        """Count a message that comes over HTTP.

        Raises:
            RequestRefused: the user sends too many, or the server is going away.
        """
        if self.draining:
            raise RequestRefused(ErrorCode.SERVICES_UNAVAILABLE, retry_after_seconds=RECONNECT_SECONDS)
        self.connections.take_message(user_id, trio.current_time())

    async def drain(self) -> None:
        """Go away: tell every connection, let runs finish within their share of the budget. Final."""
        if self.draining:
            return
        self.draining = True
        self._drain_by = trio.current_time() + self.settings.drain_seconds
        self.recorder.log("draining", connections=len(self.connections), runs=self.supervisor.running)
        await self.connections.drain(RECONNECT_SECONDS)
        share = RUNS_SHARE if self.manager.ready is not None else 0.0
        await self.supervisor.drain(share * self.settings.drain_seconds)

    def hurry(self) -> None:
        """A second request to go: wait for no run any more."""
        self._drain_by = min(self._drain_by, trio.current_time() + HURRIED_SECONDS)
        self.supervisor.hurry()

    @property
    def seconds_left(self) -> float:
        """Of the drain budget, for the services' exits."""
        return max(0.0, self._drain_by - EXIT_SHARE * self.settings.drain_seconds - trio.current_time())


@asynccontextmanager
async def running(
    services: ServiceGraph, agents: Mapping[str, type[Any]], settings: Settings, recorder: Recorder
) -> AsyncIterator[Server]:
    """A server, for as long as the block lasts. Nothing waits for anything at the beginning: the database is opened
    beside it, and the services when they are wanted.

    A crash of any part of it ends the block with that error (guarantees.md, 38).

    Args:
        services: the graph.
        agents: the agents' types by name; the first is the default.
        settings: of the server.
        recorder: hears what happens.
    """
    async with trio.open_nursery() as root:
        keeper = StoreKeeper(
            settings.database_url,
            recorder,
            random.random,
            signing_key=settings.signing_key,
            retention_seconds=settings.retention_days * DAY_SECONDS,
        )
        root.start_soon(_measure_lag, recorder)
        try:
            async with _manager(services, settings, recorder, keeper) as manager:
                async with trio.open_nursery() as runs:
                    server = _server(manager, keeper, agents, settings, recorder, runs)
                    manager.attempt_ended = _Chronicle(server, root).attempt_ended
                    keeper.first = partial(take_up_unfinished, server.supervisor)
                    root.start_soon(keeper.keep)
                    root.start_soon(server.session_parts.usher.run)
                    if settings.prewarm:
                        manager.request_start()
                    try:
                        yield server
                        await server.drain()
                    finally:
                        server.supervisor.close()  # what is taken up from now on is left to the next start
                    runs.cancel_scope.cancel()
                await _stop_services(server)
        finally:
            keeper.close()
            root.cancel_scope.cancel()


def _manager(
    services: ServiceGraph, settings: Settings, recorder: Recorder, keeper: StoreKeeper
) -> ServiceInitializationManager:
    async def database_first() -> None:
        """An agent that cannot keep its events cannot answer; and what earlier starts took is known there."""
        if keeper.wrong is not None:
            raise keeper.wrong
        try:
            store = await keeper.opened()
        except StorageUnavailable:
            raise keeper.wrong or StorageUnavailable from None  # it may have been found out meanwhile
        manager.learn(await store.learned_durations())

    manager = ServiceInitializationManager(
        services,
        settings=settings,
        given={ThreadService: lambda: keeper.current},
        prerequisite=database_first,
        recorder=recorder,
    )
    return manager


def _server(
    manager: ServiceInitializationManager,
    keeper: StoreKeeper,
    agents: Mapping[str, type[Any]],
    settings: Settings,
    recorder: Recorder,
    runs: trio.Nursery,
) -> Server:
    bridge = AgentWebSocketBridge()
    supervisor = AgentSupervisor(
        agents=agents,
        manager=manager,
        store=keeper.opened,
        bridge=bridge,
        nursery=runs,
        recorder=recorder,
        policy=RunPolicy(max_running=settings.max_runs),
    )
    introduction = Introduction.of(new_id("instance"), agents, settings, supervisor.policy)
    bulletin = Bulletin(manager=manager, introduction=introduction)
    parts = SessionParts(
        settings=settings,
        manager=manager,
        supervisor=supervisor,
        bridge=bridge,
        store=keeper.opened,
        connections=Connections(settings),
        recorder=recorder,
        bulletin=bulletin,
        usher=Usher(manager, bulletin),
        decoder=ClientFrameDecoder(settings.max_message_bytes),
    )
    return Server(
        settings=settings,
        recorder=recorder,
        manager=manager,
        keeper=keeper,
        supervisor=supervisor,
        bridge=bridge,
        connections=parts.connections,
        introduction=introduction,
        session_parts=parts,
        tickets=TicketOffice(settings.ticket_seconds),
    )


async def _stop_services(server: Server) -> None:
    try:
        await server.manager.aclose(within_seconds=server.seconds_left)
    except ExceptionGroup as errors:  # each is in the log already, where it happened
        server.recorder.log("services_stopped", failed_exits=len(errors.exceptions))
    else:
        server.recorder.log("services_stopped", failed_exits=0)


async def _measure_lag(recorder: Recorder) -> None:
    while True:
        due = trio.current_time() + LAG_SECONDS
        await trio.sleep_until(due)
        recorder.loop_lag(trio.current_time() - due)


@attrs.frozen
class _Chronicle:
    """Keeps what became of each attempt: in memory for the status page, in the database for the next estimate."""

    server: Server
    nursery: trio.Nursery

    def attempt_ended(self, snapshot: Snapshot, failure: Failure | None) -> None:
        """An attempt is over."""
        record = InitializationRecord(
            attempt=snapshot.attempt,
            outcome="succeeded" if snapshot.state is State.READY else failure.outcome if failure else "abandoned",
            started_at=time.time() - snapshot.elapsed_seconds,
            duration_seconds=snapshot.elapsed_seconds,
            generation=snapshot.generation if snapshot.state is State.READY else None,
            instance_id=self.server.introduction.instance_id,
            services=tuple(
                ServiceStart(service=status.name, duration_seconds=status.duration_seconds)
                for status in snapshot.services
                if status.state is ServiceState.READY and status.duration_seconds is not None
            ),
            error_code=str(failure.error_code) if failure else None,
            failed_service=failure.service.name if failure and failure.service else None,
        )
        self.server.history.append(record)
        self.nursery.start_soon(self._keep, record)

    async def _keep(self, record: InitializationRecord) -> None:
        try:
            store = await self.server.keeper.opened()
            await store.record_initialization(record)
        except StorageUnavailable as error:
            self.server.recorder.log("initialization_not_recorded", error_code=error.error_code)
