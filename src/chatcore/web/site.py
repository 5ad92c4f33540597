"""The door: what may come in, as whom, and where it goes. WebSockets go to a session, everything else to the pages.

``/health/live`` is answered right here: it depends on the event loop alone, not on anything that is still being
imported (guarantees.md, 36).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import attrs
import trio

from chatcore.auth.claims import Identity
from chatcore.context import UserExecutionContext
from chatcore.errors import ErrorCode, RequestRefused
from chatcore.ids import new_id
from chatcore.observability import describe_error
from chatcore.server import Server
from chatcore.session.session import SessionParts, open_session
from chatcore.transports.asgi import ACCEPT, LIVE, Message, Receive, Send, converse_over_asgi, respond
from chatcore.transports.base import Transport
from chatcore.web.admission import IDENTITY_KEY, Request
from chatcore.web.gate import Gate
from chatcore.web.problems import Problem

SUBPROTOCOL = "chatcore.v1"

Pages: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


@attrs.define(eq=False)
class Site:
    """A running server as an ASGI application for its connections.

    Args:
        server: that is running.
        gate: tells who comes in.
        build: makes the pages; takes long, because it imports them.
    """

    server: Server
    gate: Gate
    _build: Callable[[Server], Pages]
    _pages: Pages | None = None
    _loaded: trio.Event = attrs.field(factory=trio.Event)

    async def load(self) -> None:
        """Make the pages, in a thread: Quart takes longer to import than everything else that the port needs."""
        self._pages = await trio.to_thread.run_sync(self._build, self.server)
        self._loaded.set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection. A defect in here is told by its kind and place, never in its own words."""
        try:
            if scope["type"] == "websocket":
                await self._websocket(scope, receive, send)
            elif scope["path"] == "/health/live":
                await respond(send, 200, {"content-type": "application/json"}, LIVE)
            else:
                await self._http(scope, receive, send)
        except Exception as error:
            self.server.recorder.log("connection_failed", path=scope["path"], **describe_error(error))
            raise ConnectionAbortedError from None  # what serves us answers 500, or closes with 1011

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        identity = await self.gate.admit(Request.of(scope))
        if isinstance(identity, Problem):
            return await respond(send, identity.status, identity.headers(), identity.body())
        await self._loaded.wait()
        assert self._pages is not None  # noqa: S101  loaded
        scope["state"][IDENTITY_KEY] = identity
        await self._pages(scope, receive, _whole(send))

    async def _websocket(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        identity = await self._door(scope)
        if isinstance(identity, Problem):
            self.server.recorder.connection_ended("refused")
            return await _reject(send, identity)
        context = UserExecutionContext(user_id=identity.user_id, connection_id=new_id("conn"))
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        limit = self.server.settings.max_message_bytes
        accept = scope["extensions"].get(ACCEPT) or partial(converse_over_asgi, receive, send)
        converse = partial(_converse, context, self.server.session_parts, identity.expires_at)
        await accept(subprotocol=subprotocol, max_message_bytes=limit, converse=converse)

    async def _door(self, scope: Message) -> Identity | Problem:
        """The user of a WebSocket's handshake, or why it is not accepted."""
        if scope["path"] != "/ws":
            return Problem(404, "There is no WebSocket here; it is at /ws")
        identity = await self.gate.admit(Request.of(scope))
        if isinstance(identity, Identity) and not self.server.has_room():
            return Problem.of(RequestRefused(ErrorCode.SERVICES_UNAVAILABLE, self.server.retry_after_seconds))
        return identity


def _whole(send: Send) -> Send:
    """A ``send`` whose last call is not cut short.

    Within it Hypercorn closes a connection that is not to be kept. Before, it tells the application that the client is
    gone, upon which Quart cancels whatever it is at: the socket would stay open for as long as the client likes.
    """

    async def send_on(message: Message) -> None:
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        with trio.CancelScope(shield=last):
            await send(message)

    return send_on


def _converse(
    context: UserExecutionContext, parts: SessionParts, expires_at: float, transport: Transport
) -> Awaitable[None]:
    return open_session(context, transport, parts, expires_at).run()


async def _reject(send: Send, problem: Problem) -> None:
    """Answer a WebSocket's handshake with an HTTP response (ASGI extension ``websocket.http.response``)."""
    body = problem.body()
    headers = {**problem.headers(), "content-length": str(len(body))}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": body})
