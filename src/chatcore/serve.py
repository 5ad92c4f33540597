"""``chatcore serve``: the server under its own root nursery, Hypercorn's protocols beneath it, from signal to exit."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import trio

from chatcore.errors import ANOTHER_SERVER
from chatcore.logs import LogRecorder, logger_for
from chatcore.servable import check_servable
from chatcore.settings import Settings
from chatcore.transports.asgi import LIVE, Message, Receive, Send, respond
from chatcore.transports.listener import http_served
from chatcore.transports.stream import BoundedListener, open_listeners

if TYPE_CHECKING:
    from chatcore.application import Application
    from chatcore.server import Server
    from chatcore.web.site import Site

TAKEN = (
    f"chatcore: {ANOTHER_SERVER}, and this one is not ready until that one ends; to have a file of its own, set "
    "CHATCORE_DATABASE_URL, such as sqlite:///other.db"
)

EXIT_CODE_HUNG = 1
"""The process ended in time, and not everything in it did."""

CLOSE_SHARE = 0.3
"""Of the drain budget, what connections may take to close: the flush and the other side's close frame."""

COLLECTED_AFTER = 10_000
"""Objects that are made before the youngest are looked through: those of a hundred connections, or of a few answers.
The more there are, the longer everybody waits while those that are no more are freed."""

LAST_RESORT_SECONDS = 0.2
"""Before the end of the drain budget the process is ended whatever still hangs; a thread has no other way to stop."""


async def serve(make: Callable[[Settings], Application], settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Returns when everything is stopped.

    The port answers first. What is served is imported and checked beside it, in a thread: that takes longer.

    Args:
        make: gives the application; it may take its time.
        settings: of the server.
        announce: called with the address, once the application is known to be right.

    Raises:
        ConfigurationError: the settings or the application cannot be served, or the address cannot be had.
    """
    check_servable(settings)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        listeners = await open_listeners(settings)
        door, told, recorder = Door(), trio.Event(), LogRecorder(logger_for(settings.log_format))
        async with http_served(door, listeners, settings, recorder), trio.open_nursery() as nursery:
            application, site_running = await trio.to_thread.run_sync(_import_and_make, make, settings)
            async with site_running(application, settings) as site:
                nursery.start_soon(_heed, signals, told, site.server)
                nursery.start_soon(_tell_taken, site.server)
                door.open(site)
                _relieve_collector()
                announce(_address(settings, listeners))
                await told.wait()
                await _leave(site.server)
            nursery.cancel_scope.cancel()


def _import_and_make(make: Callable[[Settings], Application], settings: Settings) -> tuple[Application, Any]:
    from chatcore.lifespan import site_running

    return make(settings), site_running


def _relieve_collector() -> None:
    """Have the garbage collector leave alone what was made up to here, and look at the rest less often.

    What was imported stays; connections come and go by the thousand and leave hardly a cycle. With the defaults, much
    of the time of a stampede goes into looking through them again and again (architecture.md, section 2).
    """
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER, 10, 10)


@attrs.define(eq=False)
class Door:
    """The ASGI application that Hypercorn calls: alive from the first moment, and the site once there is one."""

    _site: Site | None = None
    _opened: trio.Event = attrs.field(factory=trio.Event)

    def open(self, site: Site) -> None:
        """From now on everything goes to the site."""
        self._site = site
        self._opened.set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._site is None and scope["type"] == "http" and scope["path"] == "/health/live":
            return await respond(send, 200, {"content-type": "application/json"}, LIVE)
        if self._site is None and scope["type"] == "websocket":
            stayed = await self._kept_waiting(receive)
            if stayed is None:
                return None
            receive = stayed
        if self._site is None:  # an event that has come gives the turn away all the same
            await self._opened.wait()
        assert self._site is not None  # noqa: S101  opened
        await self._site(scope, receive, send)

    async def _kept_waiting(self, receive: Receive) -> Receive | None:
        """What is received from a client that waits for the opening; None where it has gone meanwhile.

        One that gave up and came back must not count twice: it would be refused for its own connections.
        """
        received = [await receive()]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_receive_into, received, receive, nursery.cancel_scope)
            await self._opened.wait()
            nursery.cancel_scope.cancel()
        if received[-1]["type"] == "websocket.disconnect":
            return None

        async def again() -> Message:
            return received.pop(0) if received else await receive()

        return again


async def _receive_into(received: list[Message], receive: Receive, waiting: trio.CancelScope) -> None:
    """The next message, which before the handshake is answered is only the end of the connection."""
    received.append(await receive())
    waiting.cancel()


async def _heed(signals: AsyncIterator[int], told: trio.Event, server: Server) -> None:
    """The first signal asks for the drain, a second one hurries it."""
    async for _ in signals:
        if told.is_set():
            server.hurry()
        told.set()


async def _tell_taken(server: Server) -> None:
    """Say once in plain words what the log says in its own each time: a person has to choose."""
    await server.keeper.taken.wait()
    sys.stderr.write(f"{TAKEN}\n")
    sys.stderr.flush()


async def _leave(server: Server) -> None:
    """Drain with the port still answering 503, until the last connection has had its close."""
    _end_process_at(server.settings.drain_seconds - LAST_RESORT_SECONDS)
    closed_by = trio.current_time() + CLOSE_SHARE * server.settings.drain_seconds
    await server.drain()
    with trio.move_on_at(closed_by):  # counted from the beginning: the services' exits need their time too
        await server.connections.none_left()


def _end_process_at(seconds: float) -> None:
    """End the process then, whatever hangs: an exit that is stuck in a thread can be stopped in no other way."""

    def end() -> None:
        sys.stderr.write("chatcore: the drain budget is over and something still hangs; the process is ended\n")
        sys.stderr.flush()
        os._exit(EXIT_CODE_HUNG)

    timer = threading.Timer(max(0.0, seconds), end)
    timer.daemon = True
    timer.start()


def _address(settings: Settings, listeners: Sequence[BoundedListener]) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listeners[0].port}"
