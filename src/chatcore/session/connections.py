"""Every connection of this process: how many a user has, how fast it may speak, and the way out for all of them."""

from __future__ import annotations

from collections import Counter
from typing import Final, Protocol

import attrs
import trio

from chatcore.errors import ErrorCode, RequestRefused
from chatcore.limits import TokenBucket
from chatcore.settings import Settings

TOLD_AT_ONCE: Final = 50
"""Connections that are told something before others have their turn: a few milliseconds."""


class Drainable(Protocol):
    """A connection that can be told to go."""

    @property
    def state(self) -> str:
        """Where its conversation is."""

    def drain(self, reconnect_after_seconds: float) -> None:
        """Say ``draining`` and end with 1012; must not wait."""


@attrs.define
class UserRecord:
    """What is counted for one user while any connection or request of theirs is open."""

    messages: TokenBucket
    connections: int = 0


@attrs.define(eq=False)
class Connections:
    """The registry of open connections."""

    settings: Settings
    _open: dict[Drainable, UserRecord | None] = attrs.field(factory=dict)
    _users: dict[str, UserRecord] = attrs.field(factory=dict)
    _closed: trio.Event = attrs.field(factory=trio.Event)
    _reconnect_after_seconds: float | None = None

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether no further connection is accepted."""
        return len(self._open) >= self.settings.max_connections

    def enter(self, connection: Drainable, user_id: str) -> bool:
        """Count a connection, until it leaves; whether its user may have it."""
        user = self.user(user_id)
        allowed = self._allows(user)
        user.connections += allowed  # one that is refused must not keep the next one out while it closes
        self._open[connection] = user if allowed else None
        if self._reconnect_after_seconds is not None:
            connection.drain(self._reconnect_after_seconds)
        return allowed

    def check_room(self, user_id: str) -> None:
        """Refuse a user who may have no further connection.

        Raises:
            RequestRefused: they have as many as they may, or the server has.
        """
        if self.full:
            raise RequestRefused(ErrorCode.SERVICES_UNAVAILABLE, retry_after_seconds=1.0)
        if not self._allows(self.user(user_id)):
            raise RequestRefused(ErrorCode.CONNECTION_LIMIT)

    def _allows(self, user: UserRecord) -> bool:
        return user.connections < self.settings.max_connections_per_user

    def leave(self, connection: Drainable) -> None:
        """Count it no more."""
        user = self._open.pop(connection, None)
        if user is not None:
            user.connections -= 1
        self._closed.set()
        self._closed = trio.Event()

    def user(self, user_id: str) -> UserRecord:
        """The record of a user, made where there is none."""
        user = self._users.get(user_id)
        if user is None:
            self._forget_idle()
            per_minute = self.settings.max_messages_per_minute
            user = self._users[user_id] = UserRecord(TokenBucket(per_minute / 60, per_minute))
        return user

    def take_message(self, user_id: str, now: float) -> None:
        """Count a message of a user.

        Raises:
            RequestRefused: it is one too many; says when the next may come.
        """
        wait = self.user(user_id).messages.take(now)
        if wait > 0:
            raise RequestRefused(ErrorCode.RATE_LIMITED, retry_after_seconds=round(wait, 3))

    def states(self) -> Counter[str]:
        """How many connections are in each state of their conversation."""
        return Counter(connection.state for connection in self._open)

    async def none_left(self) -> None:
        """Return when every connection is closed."""
        while self._open:
            await self._closed.wait()

    async def drain(self, reconnect_after_seconds: float) -> None:
        """Tell every connection to go, and those that were on their way in when they arrive."""
        self._reconnect_after_seconds = reconnect_after_seconds
        for number, connection in enumerate(tuple(self._open)):
            if number % TOLD_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            if connection in self._open:
                connection.drain(reconnect_after_seconds)

    def _forget_idle(self) -> None:
        """Drop the records of users that are gone once there are many: reconnecting must not reset a limit at once."""
        if len(self._users) > 2 * self.settings.max_connections:
            self._users = {name: user for name, user in self._users.items() if user.connections}
