"""Which sockets have something to be read: they stay registered, so that to wait for one takes no system call.

Trio registers a socket anew for each wait, and looks after each by itself: of what a small message costs, that was an
eighth (``python -m bench --only echo``). Here all are watched by one set of the kernel's, and Trio watches that.
"""

from __future__ import annotations

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket
from time import perf_counter
from typing import Final

import attrs
import trio

TOLD_FIRST: Final = 4
TOLD_AT_MOST: Final = 32
TURN_SECONDS: Final = 0.005
"""Sockets that the first look tells of, and any later one while there are more. What a socket brings may take
milliseconds, such as a message to be inflated, and all who are told are served in one turn of the loop, in which nobody
else is: so it begins with few, and tells twice as many or half as many next time, as the turn took less than this or
more."""

_ENDED: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR if hasattr(select, "epoll") else 0


@attrs.define(eq=False)
class Watched:
    """One socket, of which only news are told (``EPOLLET``): who was told reads until there is no more.

    Args:
        readiness: watches it.
        number: of the socket.
    """

    _readiness: Readiness
    _number: int
    _may_hold: bool = False
    _ended: bool = False
    """Whether the other side sends no more: that is told once, and may be told together with its last bytes."""
    _waiting: trio.lowlevel.Task | None = None

    async def readable(self) -> None:
        """Return when there may be something to be read, or the end, or it was closed; a checkpoint."""
        if self._may_hold:
            return await trio.lowlevel.checkpoint()
        self._waiting = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._wait_no_more)

    def emptied(self) -> None:
        """Nothing more was there to be read just now."""
        self._may_hold = self._ended

    def tell(self, *, ended: bool) -> None:
        """There is something to be read, or the end."""
        self._may_hold, self._ended = True, self._ended or ended
        if self._waiting is not None:
            trio.lowlevel.reschedule(self._waiting)
            self._waiting = None

    def close(self) -> None:
        """The socket is about to be closed: nobody waits for it any more."""
        self._readiness.forget(self._number)
        self.tell(ended=True)

    def _wait_no_more(self, _: object) -> trio.lowlevel.Abort:
        self._waiting = None
        return trio.lowlevel.Abort.SUCCEEDED


@attrs.define(eq=False)
class Readiness:
    """Watches sockets. Made by :func:`readiness_kept`.

    Args:
        poll: the kernel's set.
    """

    _poll: select.epoll
    _watched: dict[int, Watched] = attrs.field(factory=dict)

    def watch(self, watched_socket: socket) -> Watched:
        """Watch a socket, which does not block, until :meth:`Watched.close`; that is to be called before it is closed.

        Raises:
            OSError: the kernel cannot watch one more.
        """
        number = watched_socket.fileno()
        self._poll.register(number, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
        watched = self._watched[number] = Watched(self, number)
        return watched

    def forget(self, number: int) -> None:
        """Watch a socket no more. The kernel would go on telling of one that is closed here and open in a child."""
        if self._watched.pop(number, None) is not None:
            self._poll.unregister(number)

    async def keep(self) -> None:
        """Tell whoever waits, for as long as the server runs."""
        while True:
            await trio.lowlevel.wait_readable(self._poll.fileno())
            most = TOLD_FIRST
            while self._tell(most) == most:
                began_at = perf_counter()
                await trio.lowlevel.checkpoint()
                long = perf_counter() - began_at > TURN_SECONDS
                most = max(1, most // 2) if long else min(TOLD_AT_MOST, 2 * most)

    def _tell(self, most: int) -> int:
        """Tell some of those who have something to read; how many."""
        told = self._poll.poll(0, most)
        for number, events in told:
            self._watched[number].tell(ended=bool(events & _ENDED))
        return len(told)


@asynccontextmanager
async def readiness_kept() -> AsyncIterator[Readiness | None]:
    """Watch sockets within the block; None where the system has no epoll, and each is to be waited for by itself."""
    if not hasattr(select, "epoll"):
        yield None
        return
    with select.epoll() as poll:
        async with trio.open_nursery() as nursery:
            readiness = Readiness(poll)
            nursery.start_soon(readiness.keep)
            yield readiness
            nursery.cancel_scope.cancel()
