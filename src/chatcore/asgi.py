"""chatcore as an ASGI application: ``hypercorn --worker-class trio chatcore.asgi:app``, set by the environment.

Nothing is made at import. What a server is lives in the ``lifespan`` call, and reaches connections through the ASGI
``state``; so the lifetime of everything is one ``async with`` inside one task.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chatcore.errors import ChatcoreError
from chatcore.settings import Settings, load_settings
from chatcore.transports.asgi import Message, Receive, Send

if TYPE_CHECKING:
    from chatcore.application import Application

SITE_KEY = "chatcore.site"
"""Where ``scope["state"]`` holds the site of the running server."""


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """The application that the settings name: ``CHATCORE_APP``, or the built-in analyst over ``CHATCORE_DATA``."""
    from chatcore.builtin import application_of

    await serve_scope(application_of, scope, receive, send)


async def serve_scope(make: Callable[[Settings], Application], scope: Message, receive: Receive, send: Send) -> None:
    """Serve one ASGI call of the application that ``make`` gives."""
    if scope["type"] == "lifespan":
        await _live(make, scope, receive, send)
    else:
        await scope["state"][SITE_KEY](scope, receive, send)


async def _live(make: Callable[[Settings], Application], scope: Message, receive: Receive, send: Send) -> None:
    """The server's life. Startup is answered at once: the port must not wait for services, which start elsewhere.

    A crash after that is answered with ``lifespan.shutdown.failed``, at which Hypercorn ends the process: a port that
    answers with nothing behind it is worse than none (guarantees.md, 38).
    """
    from chatcore.web.site import site_running

    await receive()
    step = "startup"
    try:
        settings = load_settings()
        application = make(settings)
        async with site_running(application.services, application.agents, settings) as site:
            scope["state"][SITE_KEY] = site
            await send({"type": "lifespan.startup.complete"})
            step = "shutdown"
            await receive()
    except ChatcoreError as error:  # in our own words, for the operator
        await send({"type": f"lifespan.{step}.failed", "message": str(error)})
    except Exception as error:
        message = f"the server ended with {type(error).__qualname__}"
        await send({"type": f"lifespan.{step}.failed", "message": message})
    else:
        await send({"type": "lifespan.shutdown.complete"})
