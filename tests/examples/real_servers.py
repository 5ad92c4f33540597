"""Whole servers in the process of a test, on real sockets: what one of them serves another can be asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from chatcore.application import Application
from chatcore.lifespan import site_running
from chatcore.observability import Recorder
from chatcore.settings import Settings
from chatcore.testing.groups import lone_exceptions
from chatcore.transports.listener import http_served
from chatcore.transports.stream import open_listeners


@asynccontextmanager
async def served(application: Application, bind: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """A server of this application on the loopback, until the block ends; its address."""
    with lone_exceptions(), TemporaryDirectory(prefix="chatcore-") as folder:
        settings = Settings(bind=bind, database_url=f"sqlite:///{Path(folder, 'served.db')}")
        async with site_running(application, settings) as site:
            listeners = await open_listeners(settings)
            async with http_served(site, listeners, settings, Recorder()):
                yield f"http://127.0.0.1:{listeners[0].port}"
                await site.server.drain()
