"""What is said of the services to many connections in the same moment: each frame is made and encoded once."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import attrs
import trio

from chatcore.agents.base import describe_agent
from chatcore.agents.supervisor import RunPolicy
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.initialization.progress import Snapshot
from chatcore.protocol import messages as m
from chatcore.protocol.shared import SharedFrame
from chatcore.session.waiting import progress_between
from chatcore.settings import Settings

T = TypeVar("T")

MOMENT_SECONDS = 0.01
"""What counts as the same moment: a hundredth of what a person notices, and time for a burst of a hundred clients."""


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
class Bulletin:
    """Makes the frames, and keeps them for a moment.

    Args:
        manager: of the services.
        introduction: for ``ready``.
    """

    manager: ServiceInitializationManager
    introduction: Introduction
    _made: dict[Hashable, Any] = attrs.field(factory=dict, init=False)
    _made_at: float = attrs.field(default=float("-inf"), init=False)

    def snapshot(self) -> Snapshot:
        """The truth at this moment; of changes, each has one of its own."""
        return self._once(self.manager.version, self.manager.snapshot)

    def initializing(self, snapshot: Snapshot) -> SharedFrame:
        """The greeting of those who have to wait."""
        return self._shared(
            ("initializing", snapshot.version, snapshot.at),
            m.Initializing,
            message="The services are starting",
            progress=snapshot.progress,
            connection_id="",
            instance_id=self.introduction.instance_id,
        )

    def progress(self, told: Snapshot | None, now: Snapshot) -> list[SharedFrame]:
        """The frames that lead from one snapshot to the next, at least one."""
        versions = (told.version if told is not None else None, now.version)
        return self._once(("progress", *versions, now.at), lambda: self._progress(told, now))

    def steps(self, told: Snapshot, now: Snapshot) -> list[SharedFrame]:
        """Of those frames the ones that tell what has become of a service."""
        versions = (told.version, now.version)
        return self._once(("steps", *versions, now.at), lambda: self._progress(told, now, of_services=True))

    def ready(self, generation: int) -> SharedFrame:
        """The services are up."""
        return self._shared(
            ("ready", generation),
            m.Ready,
            message="Ready",
            connection_id="",
            instance_id=self.introduction.instance_id,
            generation=generation,
            agents=list(self.introduction.agents),
            limits=self.introduction.limits,
        )

    def _progress(self, told: Snapshot | None, now: Snapshot, *, of_services: bool = False) -> list[SharedFrame]:
        found = progress_between(told, now)
        return [_shared(m.InitializationProgress, **fields) for fields in found if fields["service"] or not of_services]

    def _shared(self, key: Hashable, kind: type[Any], **fields: Any) -> SharedFrame:
        return self._once(key, lambda: _shared(kind, **fields))

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        now = trio.current_time()
        if now - self._made_at > MOMENT_SECONDS:
            self._made.clear()
            self._made_at = now
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made


def _shared(kind: type[Any], **fields: Any) -> SharedFrame:
    return SharedFrame(kind(timestamp=time.time(), user_id="", **fields))
