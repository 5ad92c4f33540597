"""How a connection follows the services: initializing, progress, ready, recovering, or the error that ends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import trio

from chatcore.agents.base import describe_agent
from chatcore.agents.supervisor import RunPolicy
from chatcore.errors import CloseCode, InitializationFailed
from chatcore.initialization.lifecycle import State as ServicesState
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.initialization.progress import Snapshot
from chatcore.protocol import messages as m
from chatcore.protocol.connection import State
from chatcore.services import ReadyServices
from chatcore.session.voice import Voice
from chatcore.session.waiting import UNDER_WAY, progress_between
from chatcore.settings import Settings


@attrs.frozen(kw_only=True)
class Introduction:
    """What ``ready`` says of the server.

    Args:
        instance_id: of this process.
        agents: that clients may address.
        limits: that hold for a connection.
    """

    instance_id: str
    agents: tuple[m.AgentInfo, ...]
    limits: m.Limits

    @classmethod
    def of(
        cls, instance_id: str, agents: Mapping[str, type[Any]], settings: Settings, policy: RunPolicy
    ) -> Introduction:
        """The introduction that these agents and limits make."""
        infos = [m.AgentInfo(name=name, description=describe_agent(kind)) for name, kind in agents.items()]
        limits = m.Limits(
            max_message_bytes=settings.max_message_bytes,
            max_frames_per_second=settings.max_frames_per_second,
            max_messages_per_minute=settings.max_messages_per_minute,
            max_pending_messages=policy.max_pending_messages,
        )
        return cls(instance_id=instance_id, agents=tuple(infos), limits=limits)


@attrs.define(eq=False, kw_only=True)
class Attendance:
    """One connection's attendance on the services.

    Args:
        voice: of the connection.
        manager: of the services.
        introduction: for ``ready``.
    """

    voice: Voice
    manager: ServiceInitializationManager
    introduction: Introduction
    greeted: trio.Event = attrs.field(factory=trio.Event, init=False)
    """The first frame has been said."""
    _told: Snapshot | None = attrs.field(default=None, init=False)

    def _greet(self) -> None:
        """The first frame: the truth now."""
        if self.manager.ready is not None:
            return self._announce(self.manager.ready)
        refusal = self.manager.refusal()
        if refusal is not None:
            return self._refuse(refusal)
        self.voice.say(
            m.Initializing,
            message="The services are starting",
            progress=self.manager.snapshot().progress,
            connection_id=str(self.voice.context.connection_id),
            instance_id=self.introduction.instance_id,
        )

    async def follow(self) -> None:
        """Tell what becomes of the services, for as long as the connection lasts.

        The greeting and the wait begin in one step: an attempt that the greeting told of is the one that is waited for.
        """
        self._greet()
        self.greeted.set()
        while self.voice.ending is None:
            ready = self.manager.ready or await self._wait()
            if ready is not None:
                self._announce(ready)
                await self._until_lost(ready)

    async def _wait(self) -> ReadyServices | None:
        """Wait with the others, told of the progress; None where the wait ended in the error that has been said."""
        failure: InitializationFailed | None = None
        ready: ReadyServices | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_progress)
            try:
                ready = await self.manager.ensure_ready()
            except InitializationFailed as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            self._refuse(failure)
        else:
            self._tell_rest()
        return ready

    async def _tell_progress(self) -> None:
        """Tell each change; a client that reads slowly gets the latest when it has read the last."""
        async for snapshot in self.manager.progress():
            if self._is_over(snapshot):
                return  # the error that ends this wait is on its way; an attempt's progress never falls
            if snapshot.state in (*UNDER_WAY, ServicesState.UNAVAILABLE):
                self._tell(snapshot)
                await self.voice.written()
            else:
                self._told = snapshot

    def _is_over(self, snapshot: Snapshot) -> bool:
        """Whether the attempt that this connection was told of has come to nothing."""
        return self._told is not None and self._told.state in UNDER_WAY and snapshot.state not in UNDER_WAY

    def _tell_rest(self) -> None:
        """The steps of the attempt that has succeeded which were too quick to be told one by one."""
        told, self._told = self._told, None
        snapshot = self.manager.snapshot()
        if told is not None and told.attempt in (0, snapshot.attempt):
            self._say_progress([fields for fields in progress_between(told, snapshot) if fields["service"]])

    def _tell(self, snapshot: Snapshot) -> None:
        self._say_progress(progress_between(self._told, snapshot))
        self._told = snapshot

    def _say_progress(self, frames: Iterable[Mapping[str, Any]]) -> None:
        for fields in frames:
            self.voice.say(m.InitializationProgress, **fields)

    def _announce(self, ready: ReadyServices) -> None:
        """Say ``ready``, once a generation."""
        if self.voice.state is not State.READY:
            self.voice.say(
                m.Ready,
                message="Ready",
                connection_id=str(self.voice.context.connection_id),
                instance_id=self.introduction.instance_id,
                generation=ready.generation,
                agents=list(self.introduction.agents),
                limits=self.introduction.limits,
            )

    async def _until_lost(self, ready: ReadyServices) -> None:
        """Wait until this generation is over, and say so: also where the next one is up already."""
        snapshot = self.manager.snapshot()
        async for snapshot in self.manager.progress():  # noqa: B007  the last one is looked at below
            if self.manager.ready is not ready:
                break
        if self.voice.ending is None and snapshot.state is not ServicesState.DRAINING:
            self._say_recovering(snapshot)

    def _say_recovering(self, snapshot: Snapshot) -> None:
        lost = next((status for status in snapshot.services if status.name == snapshot.lost), None)
        if lost is not None:
            message = f"{lost.label} was lost and is being restarted"
            self.voice.say(m.Recovering, message=message, service=lost.name, label=lost.label)

    def _refuse(self, failure: InitializationFailed) -> None:
        """The error that ends the wait, and the connection."""
        meaning = failure.error_code.meaning
        self.voice.say_error(
            failure.error_code, retryable=failure.retryable, retry_after_seconds=failure.retry_after_seconds
        )
        self.voice.end(meaning.close or CloseCode.SERVER_FAULT, meaning.message)
