"""A server inside an ASGI server: its life is the ``lifespan`` call.

Nothing is made at import. What a server is lives in that call, and reaches connections through the ASGI ``state``; so
the lifetime of everything is one ``async with`` inside one task.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import trio

from chatcore.auth.authenticator import authenticator_of
from chatcore.errors import ChatcoreError
from chatcore.metrics import Metrics
from chatcore.observability import describe_error
from chatcore.servable import check_servable
from chatcore.server import Server, running
from chatcore.services import ServiceGraph
from chatcore.settings import Settings, load_settings
from chatcore.transports.asgi import Message, Receive, Send
from chatcore.web.gate import Gate
from chatcore.web.site import Pages, Site

SITE_KEY = "chatcore.site"
"""Where ``scope["state"]`` holds the site of the running server."""


class Served(Protocol):
    """What is served: an :class:`~chatcore.application.Application`."""

    @property
    def services(self) -> ServiceGraph:
        """Its graph."""

    @property
    def agents(self) -> Mapping[str, type[Any]]:
        """Its agents by name."""


@asynccontextmanager
async def site_running(served: Served, settings: Settings) -> AsyncIterator[Site]:
    """A server and its site, for as long as the block lasts; its pages are imported beside it."""
    metrics = Metrics.for_process(settings)
    async with (
        running(served.services, served.agents, settings, metrics) as server,
        trio.open_nursery() as nursery,
    ):
        gate = Gate(settings, server.tickets, await authenticator_of(settings, metrics), metrics)
        site = Site(server, gate, _import_pages)
        nursery.start_soon(site.load)
        yield site
        nursery.cancel_scope.cancel()


def _import_pages(server: Server) -> Pages:
    from chatcore.web.app import build_app

    return build_app(server)  # type: ignore[return-value]  # an ASGI application


async def serve_scope(make: Callable[[Settings], Served], scope: Message, receive: Receive, send: Send) -> None:
    """Serve one ASGI call of the application that ``make`` gives."""
    if scope["type"] == "lifespan":
        await _live(make, scope, receive, send)
    else:
        await scope["state"][SITE_KEY](scope, receive, send)


async def _live(make: Callable[[Settings], Served], scope: Message, receive: Receive, send: Send) -> None:
    """The server's life. Startup is answered at once: the port must not wait for services, which start elsewhere.

    A crash after that is answered with ``lifespan.shutdown.failed``, at which Hypercorn ends the process: a port that
    answers with nothing behind it is worse than none (guarantees.md, 38).
    """
    await receive()
    step, failure = "startup", None
    try:
        settings = load_settings()
        check_servable(settings)
        async with site_running(make(settings), settings) as site:
            scope["state"][SITE_KEY] = site
            await send({"type": "lifespan.startup.complete"})
            step = "shutdown"
            await receive()
    except ChatcoreError as error:  # in our own words, for the operator
        failure = str(error)
    except Exception as error:
        failure = f"the server ended by a defect: {describe_error(error)}"
    if failure is None:
        await send({"type": "lifespan.shutdown.complete"})
    else:  # out here, so that what Hypercorn raises and prints does not carry the exception and its words along
        await send({"type": f"lifespan.{step}.failed", "message": failure})
