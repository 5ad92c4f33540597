"""What is said of the services to many connections in the same moment: each announcement is made once."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import Any

import attrs
import trio

from chatcore.agents.base import describe_agent
from chatcore.agents.supervisor import RunPolicy
from chatcore.initialization.lifecycle import State
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.initialization.progress import Snapshot
from chatcore.protocol import messages as m
from chatcore.protocol.shared import Announcement, SharedFrame
from chatcore.session.waiting import UNDER_WAY, progress_between
from chatcore.settings import Settings

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
    """Makes the announcements, and keeps them for a moment.

    Args:
        manager: of the services.
        introduction: for ``ready``.
    """

    manager: ServiceInitializationManager
    introduction: Introduction
    _latest: Snapshot | None = attrs.field(default=None, init=False)
    _made: dict[Hashable, Announcement] = attrs.field(factory=dict, init=False)

    def snapshot(self) -> Snapshot:
        """The truth at this moment; of changes, each has one of its own. What was made for the last one is let go."""
        now, latest = trio.current_time(), self._latest
        if latest is None or latest.version != self.manager.version or now - latest.at > MOMENT_SECONDS:
            self._made.clear()
            latest = self._latest = self.manager.snapshot()
        return latest

    def greeting(self, snapshot: Snapshot) -> Announcement:
        """What those hear first who have to wait."""
        key = ("greeting", snapshot.version, snapshot.at)
        return self._made.get(key) or self._keep(key, self._greeting(snapshot))

    def news(self, told: Snapshot | None, now: Snapshot) -> Announcement:
        """What leads from one snapshot to the next; nothing where nobody is told of such a one."""
        key = ("news", told and told.version, now.version, now.at)
        return self._made.get(key) or self._keep(key, self._news(told, now))

    def arrival(self, told: Snapshot | None, now: Snapshot, generation: int) -> Announcement:
        """The services are up; before that, what of ``told`` has come about that was too quick to be told by itself."""
        key = ("arrival", told and told.version, now.version, now.at, generation)
        return self._made.get(key) or self._keep(key, self._arrival(told, now, generation))

    def _greeting(self, snapshot: Snapshot) -> Announcement:
        greeting = _shared(
            m.Initializing,
            message="The services are starting",
            progress=snapshot.progress,
            connection_id="",
            instance_id=self.introduction.instance_id,
        )
        return Announcement((greeting, *self._news(None, snapshot).frames))

    def _news(self, told: Snapshot | None, now: Snapshot) -> Announcement:
        tellable = now.state in (*UNDER_WAY, State.UNAVAILABLE)
        found = progress_between(told, now) if tellable else []
        return Announcement(tuple(_shared(m.InitializationProgress, **fields) for fields in found))

    def _arrival(self, told: Snapshot | None, now: Snapshot, generation: int) -> Announcement:
        steps = progress_between(told, now) if told is not None else []
        ready = _shared(
            m.Ready,
            message="Ready",
            connection_id="",
            instance_id=self.introduction.instance_id,
            generation=generation,
            agents=list(self.introduction.agents),
            limits=self.introduction.limits,
        )
        of_services = [_shared(m.InitializationProgress, **fields) for fields in steps if fields["service"]]
        return Announcement((*of_services, ready))

    def _keep(self, key: Hashable, announcement: Announcement) -> Announcement:
        """For everyone else who is to hear the same of the same snapshot."""
        self._made[key] = announcement
        return announcement


def _shared(kind: type[Any], **fields: Any) -> SharedFrame:
    return SharedFrame(kind(timestamp=time.time(), user_id="", **fields))
