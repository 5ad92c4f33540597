"""chatcore as an ASGI application: ``hypercorn --worker-class trio chatcore.asgi:app``, set by the environment."""

from __future__ import annotations

from chatcore.transports.asgi import Message, Receive, Send


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """The application that the settings name: ``CHATCORE_APP``, or the built-in analyst over ``CHATCORE_DATA``."""
    from chatcore.builtin import application_of
    from chatcore.lifespan import serve_scope

    await serve_scope(application_of, scope, receive, send)
