"""A session: one accepted connection from its first frame to its close.

It is one task, which hears the client (:mod:`.reception`). What it says is sent where it is said (:mod:`.voice`), and
it is told of the services (:mod:`.attendance`); what has to wait, for a slow reader or for storage, has a task for as
long (:mod:`.chores`). Whoever finds a reason to end says so to the voice, and what was said before is written first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable

import attrs
import trio

from chatcore.agents.supervisor import AgentSupervisor
from chatcore.context import UserExecutionContext
from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.errors import CloseCode, ErrorCode
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.initialization.progress import Snapshot
from chatcore.limits import TokenBucket
from chatcore.observability import Recorder, describe_error
from chatcore.protocol import messages as m
from chatcore.protocol.codec import ClientFrameDecoder
from chatcore.session.attendance import Attendance, Usher
from chatcore.session.bulletin import Bulletin
from chatcore.session.chores import Hands
from chatcore.session.connections import Connections
from chatcore.session.reception import Reception
from chatcore.session.voice import Voice
from chatcore.settings import Settings
from chatcore.threads.service import ThreadService
from chatcore.transports.base import Transport

FLUSH_SECONDS = 1.0
"""How long what was said last may take to be written before the connection is closed."""


@attrs.frozen(kw_only=True, eq=False)
class SessionParts:
    """What the sessions of a server share."""

    settings: Settings
    manager: ServiceInitializationManager
    supervisor: AgentSupervisor
    bridge: AgentWebSocketBridge
    store: Callable[[], Awaitable[ThreadService]]
    connections: Connections
    recorder: Recorder
    bulletin: Bulletin
    usher: Usher
    decoder: ClientFrameDecoder


@attrs.define(eq=False)
class Session:
    """One connection. Made by :func:`open_session`.

    Args:
        voice: what it says.
        attendance: on the services.
        reception: what it hears.
        parts: of the server.
        ends_at: when its token expires, in Trio's time.
    """

    voice: Voice
    attendance: Attendance
    reception: Reception
    parts: SessionParts
    ends_at: float

    async def run(self) -> None:
        """Serve the connection until it ends; returns when it is closed."""
        try:
            hands = self.voice.hands
            hands.needed, hands.failed = self.voice.transport.rouse, self._fail
            self._arrive()
            if not hands.wanted:
                await self._hear()
            if hands.wanted:
                async with hands.at_work():
                    await self._hear()
                    await self._finish_writing()
        finally:
            self._leave()
            try:
                await self._close()
            finally:
                self.parts.connections.leave(self)
                self.voice.silence()

    @property
    def state(self) -> str:
        """Where the conversation is."""
        return self.voice.state

    def drain(self, reconnect_after_seconds: float) -> None:
        """See :class:`~chatcore.session.connections.Drainable`."""
        message = "This server is going away; another is taking over"
        try:
            self.voice.say(m.Draining, message=message, reconnect_after_seconds=reconnect_after_seconds)
        except Exception as error:
            return self._fail(error)
        self.voice.end(CloseCode.SERVICE_RESTART, "Draining")

    async def _finish_writing(self) -> None:
        if self.voice.heard and self.voice.unwritten:
            with trio.move_on_after(FLUSH_SECONDS):
                await self.voice.written()

    def _arrive(self) -> None:
        try:
            if not self.parts.connections.enter(self, self.voice.context.user_id):
                return self._refuse()
            self.attendance.begin()
            self.parts.usher.enter(self)
        except Exception as error:
            self._fail(error)
        if math.isfinite(self.ends_at):
            self.voice.hands.do(self._expire)

    async def _hear(self) -> None:
        """Hear the client until the connection ends, or somebody is needed for a chore."""
        try:
            await self.reception.hear()
        except Exception as error:
            self._fail(error)
        if self.voice.ending is not None:
            self._leave()

    def _leave(self) -> None:
        """Hear of nothing any more."""
        self.parts.usher.leave(self)
        self.attendance.end()
        self.parts.bridge.leave(self.voice)

    def follow(self, snapshot: Snapshot) -> None:
        """See :class:`~chatcore.session.attendance.Follower`."""
        try:
            self.attendance.follow(snapshot)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """A defect of this server must end this connection only."""
        self.parts.recorder.log("session_failed", **describe_error(error))
        self.voice.end(CloseCode.SERVER_FAULT, "Internal error")

    def _refuse(self) -> None:
        code = ErrorCode.CONNECTION_LIMIT
        self.voice.say_error(code)
        self.voice.end(CloseCode.POLICY_VIOLATION, code.meaning.message)

    async def _expire(self) -> None:
        """End the connection with its token, whatever its state; a run that was begun goes on."""
        await trio.sleep_until(self.ends_at)
        code = ErrorCode.TOKEN_EXPIRED
        self.voice.say_error(code)
        self.voice.end(CloseCode.TOKEN_EXPIRED, code.meaning.message)

    async def _close(self) -> None:
        """Close, also when the server around this session was cancelled, as a plain Hypercorn does on SIGTERM."""
        if self.voice.ending is None or self.voice.ending.code is not None:
            with trio.CancelScope(shield=True):
                await self._take_leave()
        ending = self.voice.ending
        assert ending is not None  # noqa: S101  it has one by now
        self.parts.recorder.connection_ended(ending.outcome)

    async def _take_leave(self) -> None:
        if self.voice.ending is None:
            await self._say_goodbye()
        ending = self.voice.ending
        if ending is not None and ending.code is not None:
            await self.voice.transport.close(ending.code, ending.reason)

    async def _say_goodbye(self) -> None:
        self.voice.hands = Hands(failed=self._fail)
        with trio.move_on_after(FLUSH_SECONDS):
            async with self.voice.hands.at_work():
                self.drain(reconnect_after_seconds=FLUSH_SECONDS)
                if self.voice.unwritten:
                    self.voice.hands.do(self.voice.write)
                await self.voice.written()


def open_session(
    context: UserExecutionContext, transport: Transport, parts: SessionParts, expires_at: float = math.inf
) -> Session:
    """A session for an accepted connection.

    Args:
        context: whose it is.
        transport: carries its frames.
        parts: of the server.
        expires_at: Unix seconds at which its token does; infinity where there is none.

    Raises:
        ContextRequired: when ``context`` is no context of a request.
    """
    settings = parts.settings
    voice = Voice(context, transport, parts.recorder, 4 * settings.max_message_bytes)
    reception = Reception(
        voice=voice,
        supervisor=parts.supervisor,
        bridge=parts.bridge,
        store=parts.store,
        connections=parts.connections,
        recorder=parts.recorder,
        decoder=parts.decoder,
        frames=TokenBucket(settings.max_frames_per_second, 4 * settings.max_frames_per_second),
    )
    attendance = Attendance(voice=voice, manager=parts.manager, bulletin=parts.bulletin)
    ends_at = trio.current_time() + (expires_at - time.time()) if expires_at < math.inf else math.inf
    return Session(voice, attendance, reception, parts, ends_at)
