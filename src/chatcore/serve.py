"""``chatcore serve``: the server under its own root nursery, Hypercorn's protocols beneath it, from signal to exit."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import trio

from chatcore.application import Application
from chatcore.errors import ConfigurationError
from chatcore.lifespan import SITE_KEY, site_running
from chatcore.server import Server
from chatcore.settings import Settings
from chatcore.transports.asgi import Message, Receive, Send
from chatcore.transports.listener import BoundedListener, http_served, open_listeners
from chatcore.web.admission import is_loopback

EXIT_CODE_HUNG = 1
"""The process ended in time, and not everything in it did."""

SQLITE = "sqlite:///"

CLOSE_SECONDS = 3.0
"""What the last connections may take to close: the flush and the other side's close frame."""

LAST_RESORT_SECONDS = 0.2
"""Before the end of the drain budget the process is ended whatever still hangs; a thread has no other way to stop."""


def check_servable(settings: Settings) -> None:
    """Refuse what this version cannot serve, before anything is opened.

    Raises:
        ConfigurationError: names the setting.
    """
    if settings.auth == "jwt":
        raise ConfigurationError("auth", "`jwt` is not available in this version", "use `none` on a loopback address")
    if not is_loopback(settings.host):
        problem = f"without authentication only loopback addresses may be served, and {settings.host} is none"
        raise ConfigurationError("bind", problem, "bind 127.0.0.1 and put a proxy that authenticates in front")
    if settings.redis_url is not None:
        raise ConfigurationError("redis_url", "several instances are not available in this version", "leave it out")
    if settings.workers > 1:
        raise ConfigurationError("workers", "more than one needs a shared event log", "use 1 in this version")
    if settings.llm_base_url is not None:
        raise ConfigurationError("llm_base_url", "language models are not available in this version", "leave it out")
    _check_database(settings.database_url)


def _check_database(url: str) -> None:
    if not url.startswith(SQLITE):
        raise ConfigurationError("database_url", "this version keeps its data in SQLite", "use sqlite:///FILE")
    folder = Path(url.removeprefix(SQLITE)).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        problem = f"{folder} is no folder that can be written"
        raise ConfigurationError("database_url", problem, "name a file in one that can")


async def serve(application: Application, settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Returns when everything is stopped.

    Args:
        application: to serve.
        settings: of the server.
        announce: called with the address, once the port answers.

    Raises:
        ConfigurationError: the settings cannot be served, or the address cannot be had.
    """
    check_servable(settings)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        listeners = await open_listeners(settings)
        async with trio.open_nursery() as nursery:
            told = trio.Event()
            async with site_running(application, settings) as site:
                nursery.start_soon(_heed, signals, told, site.server)
                async with http_served(_to_site, listeners, settings, {SITE_KEY: site}):
                    announce(_address(settings, listeners))
                    await told.wait()
                    await _leave(site.server)
            nursery.cancel_scope.cancel()


async def _to_site(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application that Hypercorn calls."""
    await scope["state"][SITE_KEY](scope, receive, send)


async def _heed(signals: AsyncIterator[int], told: trio.Event, server: Server) -> None:
    """The first signal asks for the drain, a second one hurries it."""
    async for _ in signals:
        if told.is_set():
            server.hurry()
        told.set()


async def _leave(server: Server) -> None:
    """Drain with the port still answering 503, until the last connection has had its close."""
    _end_process_at(server.settings.drain_seconds - LAST_RESORT_SECONDS)
    await server.drain()
    with trio.move_on_after(CLOSE_SECONDS):
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
