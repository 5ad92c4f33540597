"""A whole server in the process of a test: the real one, with connections in memory instead of sockets.

::

    async with serving(app, init_timeout_seconds=5) as server, server.connect("ann") as chat:
        run = await chat.send("How many orders do I have?")
        events = [event async for event in run]

Its database is a temporary SQLite file unless a setting names another. Storage works in threads, of which a clock that
jumps ahead knows nothing: use real time.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import trio

from chatcore.application import Application
from chatcore.client import Chat, ConnectionLost, Wire, connect
from chatcore.context import UserExecutionContext
from chatcore.errors import CloseCode
from chatcore.ids import new_id
from chatcore.observability import Recorder
from chatcore.protocol.codec import decode_server_frame, encode
from chatcore.protocol.connection import OPENED, Conversation
from chatcore.protocol.messages import AnyClientFrame, AnyServerFrame
from chatcore.server import Server, running
from chatcore.services import ReadyServices
from chatcore.session.session import open_session
from chatcore.settings import Settings
from chatcore.testing.groups import lone_exceptions
from chatcore.transports.memory import Closed, memory_pair

if TYPE_CHECKING:
    from chatcore.transports.memory import MemoryClient

F = TypeVar("F", bound=AnyServerFrame)

CLOSE_SECONDS = 3.0
"""What the last connections may take to close at the end: as in ``chatcore serve``."""

USER = "tester"


@attrs.frozen(eq=False)
class LocalServer:
    """A server within a test. Made by :func:`serving`.

    Args:
        server: the real one, for what a client cannot see.
    """

    server: Server
    _sessions: trio.Nursery

    def connect(self, user_id: str = USER, **options: Any) -> AbstractAsyncContextManager[Chat]:
        """Chat with the server as a client does, which reconnects, resumes and yields typed events.

        Args:
            user_id: who this is.
            options: anything else that :func:`chatcore.client.connect` takes.
        """
        return connect("http://memory", dial=partial(self._dial, user_id), **options)

    @asynccontextmanager
    async def open(
        self, user_id: str = USER, *, unread: float = math.inf, expires_at: float = math.inf
    ) -> AsyncIterator[FrameClient]:
        """One connection, for a test that decides itself what is sent and sees every frame.

        Args:
            user_id: who this is.
            unread: frames that may be left unread before the server's sends wait.
            expires_at: Unix seconds at which the user's token does.

        Raises:
            ConnectionLost: with the HTTP status of a handshake that is not accepted.
        """
        if not self.server.has_room():
            raise ConnectionLost("HTTP status 503", status=503, retry_after_seconds=self.server.retry_after_seconds)
        transport, client = memory_pair(unread=unread)
        context = UserExecutionContext(user_id=user_id, connection_id=new_id("conn"))
        self._sessions.start_soon(open_session(context, transport, self.server.session_parts, expires_at).run)
        try:
            yield FrameClient(client)
        finally:
            client.drop()

    async def ready(self) -> ReadyServices:
        """The services, which are started unless they are up.

        Raises:
            InitializationFailed: they could not be.
        """
        return await self.server.manager.ensure_ready()

    @asynccontextmanager
    async def _dial(self, user_id: str) -> AsyncIterator[Wire]:
        async with self.open(user_id) as connection:
            yield _MemoryWire(connection)


@attrs.define(eq=False)
class FrameClient:
    """The client's end of one connection, frame by frame.

    Args:
        client: the end of the transport, for frames that are none.
        conversation: where the connection is, by the frames that were received.
    """

    client: MemoryClient
    conversation: Conversation = OPENED

    async def send(self, frame: AnyClientFrame) -> None:
        """Send a frame."""
        await self.client.send(encode(frame))

    async def receive(self) -> AnyServerFrame:
        """The next frame.

        Raises:
            IllegalFrame: the server may not say this now, which is its defect.
            trio.EndOfChannel: the server closed; :attr:`closed` says how.
        """
        frame = decode_server_frame(await self.client.receive())
        self.conversation = self.conversation.advance(frame)
        return frame

    async def until(self, kind: type[F]) -> F:
        """The next frame of this kind; those before it are let go.

        Raises:
            IllegalFrame, trio.EndOfChannel: as :meth:`receive`.
        """
        while True:
            frame = await self.receive()
            if isinstance(frame, kind):
                return frame

    @property
    def closed(self) -> Closed | None:
        """How the server closed the connection, None where it has not."""
        return self.client.transport.closed

    def drop(self) -> None:
        """Be gone without a word."""
        self.client.drop()


@attrs.frozen
class _MemoryWire:
    """One connection as the client knows it."""

    _connection: FrameClient

    async def send(self, text: str) -> None:
        with self._end_is_loss():
            await self._connection.client.send(text)

    async def receive(self) -> str | bytes:
        with self._end_is_loss():
            return await self._connection.client.receive()

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._connection.closed is not None:
            raise self._lost()

    async def close(self, code: CloseCode) -> None:  # noqa: ARG002  memory carries no code from a client
        await trio.lowlevel.checkpoint()
        self._connection.drop()

    @contextmanager
    def _end_is_loss(self) -> Iterator[None]:
        try:
            yield
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._lost() from None

    def _lost(self) -> ConnectionLost:
        closed = self._connection.closed
        if closed is None:
            return ConnectionLost("the connection was lost")
        return ConnectionLost(closed.reason or f"closed with {closed.code}", code=closed.code)


@asynccontextmanager
async def serving(
    application: Application, *, recorder: Recorder | None = None, **settings: Any
) -> AsyncIterator[LocalServer]:
    """The server of an application, for as long as the block lasts; at its end it drains.

    Nothing starts the services but the first connection, or :meth:`LocalServer.ready`, unless ``prewarm`` is set.

    Args:
        application: to serve.
        recorder: hears what happens.
        settings: of the server, by the names of :class:`~chatcore.Settings`.
    """
    with lone_exceptions():
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="chatcore-"))
            made = Settings(**{"database_url": f"sqlite:///{Path(folder, 'served.db')}"} | settings)
            parts = (application.services, application.agents, made, recorder or Recorder())
            server = await stack.enter_async_context(running(*parts))
            sessions = await stack.enter_async_context(trio.open_nursery())
            yield LocalServer(server, sessions)
            await server.drain()
            with trio.move_on_after(CLOSE_SECONDS):
                await server.connections.none_left()
            sessions.cancel_scope.cancel()
