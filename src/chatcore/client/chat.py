"""The public face of the client, and the one nursery behind it.

Theory of operation. The :class:`~chatcore.client.ledger.Ledger` knows what is wanted and seen, the
:class:`~chatcore.client.link.Link` keeps one connection after another going, and what arrives is put where it is read:
a :class:`~chatcore.client.inbox.Reply` for a request, an :class:`~chatcore.client.inbox.Inbox` for a run and for the
chat. The link's task lives in the nursery of :func:`connect`. What goes wrong for good is told to every call and
iteration; no task raises it.
"""

from __future__ import annotations

import random as _random
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final, Self

import attrs
import trio

from chatcore.backoff import Backoff
from chatcore.client.cursor import Cursor
from chatcore.client.errors import ClientClosed, ConnectionLost, HistoryLost, Refused, own
from chatcore.client.inbox import Inbox, Reply
from chatcore.client.ledger import Ledger, running
from chatcore.client.link import Link, Patience
from chatcore.client.wire import Dial, FreshToken, dialer, ungrouped
from chatcore.errors import ErrorCode, RequestRefused, TransportError
from chatcore.protocol.codec import check, encode_utf8
from chatcore.protocol.messages import (
    AnyRunEvent,
    AnyServerFrame,
    Error,
    MessageAccepted,
    Ready,
    Resume,
    Resumed,
    RunEvent,
    ThreadMessage,
    ThreadSnapshot,
    UserMessage,
)
from chatcore.protocol.run import ENDS

RECONNECT: Final = Backoff(first_seconds=0.5, factor=2.0, cap_seconds=30.0)
"""A restart takes seconds: the first tries should find it, and an outage should not be hammered."""

BUFFERED_FRAMES: Final = 1024
"""What waits for the reader of a run, or of the chat. Deltas are joined, so tool calls are what counts."""


@attrs.define(eq=False)
class Run:
    """One run: iterate it for its events. Each is yielded once, in order, and the iteration ends after the last.

    Events wait in a bounded buffer and never hold up the connection: when the reader falls behind, deltas are joined;
    past the bound the iteration ends in :class:`~chatcore.client.ReaderTooSlow`. A run that is not read costs its
    buffer: up to 1,024 events, and all of its text.

    Args:
        run_id: the server's id of the run.
        thread_id: the thread it belongs to.
        message_id: the message it answers.
    """

    run_id: str
    thread_id: str
    message_id: str
    _cursor: Cursor = attrs.field(factory=Cursor, init=False, repr=False)
    _inbox: Inbox[AnyRunEvent] = attrs.field(factory=lambda: Inbox(BUFFERED_FRAMES), init=False, repr=False)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyRunEvent:
        """The next event.

        Raises:
            HistoryLost: when the run ended and the server could not tell how; it has the state it ended in.
            ReaderTooSlow: when this iteration fell behind too far.
            Refused: when the server no longer knows the thread.
            ConversationEnded: when there will be no further connection.
            ClientClosed: when the block of :func:`connect` was left.
        """
        return await self._inbox.get()

    def _take(self, event: AnyRunEvent) -> None:
        fresh = self._cursor.take(event)
        if fresh is not None:
            self._inbox.put(fresh)
        if isinstance(event, ENDS):
            self._inbox.close()


@attrs.define(eq=False)
class Chat:
    """A conversation with one server, over as many connections as it takes. Made by :func:`connect`.

    Iterate it for every frame of the server, events of runs included, each event once. Up to 1,024 frames wait for the
    reader: until the iteration has begun the newest are kept, after that one that falls behind further ends in
    :class:`~chatcore.client.ReaderTooSlow`.
    """

    _dial: Dial
    _patience: Patience
    _ledger: Ledger = attrs.field(factory=Ledger, init=False)
    _link: Link = attrs.field(init=False)
    _connected: Reply[None] = attrs.field(factory=Reply, init=False)
    _frames: Inbox[AnyServerFrame] = attrs.field(factory=lambda: Inbox(BUFFERED_FRAMES, unread=True), init=False)
    _runs: dict[str, Run] = attrs.field(factory=dict, init=False)
    _sent: dict[str, Reply[Run]] = attrs.field(factory=dict, init=False)
    _resumes: dict[str, Reply[Resumed]] = attrs.field(factory=dict, init=False)
    _max_message_bytes: int | None = attrs.field(default=None, init=False)
    _end: TransportError | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._link = Link(self._dial, self._ledger, self._patience, self._greet, self._deliver)

    # --- what a caller does -----------------------------------------------------------------------------------------

    async def send(
        self, content: str, thread_id: str | None = None, agent: str | None = None, *, message_id: str | None = None
    ) -> Run:
        """Ask an agent; return once the server has acknowledged the message, before the services are ready too.

        Sent again after a lost connection until it is acknowledged, which starts nothing twice. Cancelling this call
        leaves open whether the message was sent.

        Args:
            content: the question.
            thread_id: the thread to go on with, None for a new one.
            agent: the agent's name, None for the default one.
            message_id: an id of the caller's own, to ask for the run of a message that was sent before.

        Raises:
            InvalidMessage: when an argument is not what the protocol allows.
            RequestRefused: when the server did not accept it; ``retry_after_seconds`` says when it may.
            ConversationEnded: when there will be no further connection.
            ClientClosed: when the block of :func:`connect` was left.
        """
        self._check_open()
        fresh = message_id is None
        message = UserMessage(
            message_id=message_id or uuid.uuid4().hex, content=content, thread_id=thread_id, agent=agent
        )
        self._check(message)
        reply = self._sent.setdefault(message.message_id, Reply())
        self._ledger.send(message, fresh=fresh)
        self._link.wake()
        try:
            return await reply.wait()
        finally:
            if reply.unwanted:
                self._sent.pop(message.message_id, None)
                self._ledger.forget(message.message_id)

    async def cancel(self, run_id: str) -> None:
        """Ask for the end of a run, which comes as ``agent_cancelled`` unless the run ends by itself before."""
        self._check_open()
        self._ledger.cancel(run_id)
        self._link.wake()
        await trio.lowlevel.checkpoint()

    async def resume(self, thread_id: str, after_seq: int = 0) -> Resumed:
        """Watch a thread from here on, its events after ``after_seq`` first; they come by iterating the chat.

        It is watched over reconnections until the chat ends. Returns once the server has found the thread; waits until
        it is ready.

        Raises:
            InvalidMessage: when an argument is not what the protocol allows.
            Refused: when there is no such thread.
            ConversationEnded: when there will be no further connection.
            ClientClosed: when the block of :func:`connect` was left.
        """
        self._check_open()
        check(Resume(thread_id=thread_id, after_seq=after_seq))  # refused, it would not be named and wait for ever
        reply = self._resumes.setdefault(thread_id, Reply())
        self._ledger.resume(thread_id, after_seq)
        self._link.wake()
        return await reply.wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyServerFrame:
        """The next frame.

        Raises:
            ReaderTooSlow: when this iteration fell behind too far.
            ConversationEnded: when there will be no further connection.
            ClientClosed: when the block of :func:`connect` was left.
        """
        return await self._frames.get()

    def _check_open(self) -> None:
        if self._end is not None:
            raise own(self._end)

    def _check(self, message: UserMessage) -> None:
        check(message)
        if self._max_message_bytes is not None and len(encode_utf8(message)) > self._max_message_bytes:
            raise RequestRefused(ErrorCode.MESSAGE_TOO_LARGE)  # sent, it would cost the connection

    # --- what the link does -----------------------------------------------------------------------------------------

    async def _live(self) -> None:
        self._finish(await self._link.run())

    def _greet(self) -> None:
        self._connected.settle(None)

    def _deliver(self, frame: AnyServerFrame, shown: AnyServerFrame | None) -> None:
        if shown is not None:
            self._frames.put(shown)
        handle = _HANDLERS.get(RunEvent if isinstance(frame, RunEvent) else type(frame))
        if handle is not None:
            handle(self, frame)

    def _on_ready(self, frame: Ready) -> None:
        self._max_message_bytes = frame.limits.max_message_bytes

    def _on_accepted(self, frame: MessageAccepted) -> None:
        reply = self._sent.pop(frame.message_id, None)
        if reply is not None:
            run = self._runs.setdefault(frame.run_id, Run(frame.run_id, frame.thread_id, frame.message_id))
            reply.settle(run)

    def _on_error(self, frame: Error) -> None:
        reply = self._sent.pop(frame.message_id or "", None)
        if reply is not None:
            reply.fail(Refused.by(frame))
        thread_id = self._ledger.refused_thread(frame)
        if thread_id is not None:
            self._give_up(thread_id, Refused.by(frame))

    def _give_up(self, thread_id: str, refused: Refused) -> None:
        reply = self._resumes.pop(thread_id, None)
        if reply is not None:
            reply.fail(refused)
        for run in self._runs_of(thread_id):
            self._end_run(run, own(refused))

    def _on_resumed(self, frame: Resumed) -> None:
        if self._ledger.is_live(frame.thread_id):
            reply = self._resumes.pop(frame.thread_id, None)
            if reply is not None:
                reply.settle(frame)

    def _on_event(self, event: AnyRunEvent) -> None:
        run = self._runs.get(event.run_id)
        if run is not None and self._ledger.is_live(event.thread_id):
            run._take(event)
            if isinstance(event, ENDS):
                del self._runs[event.run_id]

    def _on_snapshot(self, frame: ThreadSnapshot) -> None:
        ongoing = running(frame)
        for run in self._runs_of(frame.thread_id):
            if run.run_id in ongoing:
                run._cursor.restored(frame)
            else:
                self._end_run(run, HistoryLost(run.run_id, _outcome(frame, run.run_id)))

    def _runs_of(self, thread_id: str) -> list[Run]:
        return [run for run in self._runs.values() if run.thread_id == thread_id]

    def _end_run(self, run: Run, error: Exception) -> None:
        run._inbox.close(error)
        del self._runs[run.run_id]

    def _finish(self, end: TransportError) -> None:
        """Tell everyone who waits or will ask."""
        if self._end is not None:
            return
        self._end = end
        self._frames.close(end)
        for run in self._runs.values():
            run._inbox.close(end)
        replies: list[Reply[Any]] = [self._connected, *self._sent.values(), *self._resumes.values()]
        for reply in replies:
            reply.fail(end)


_HANDLERS: Final[Mapping[type, Callable[[Chat, Any], None]]] = MappingProxyType(
    {
        Ready: Chat._on_ready,
        MessageAccepted: Chat._on_accepted,
        Error: Chat._on_error,
        Resumed: Chat._on_resumed,
        ThreadSnapshot: Chat._on_snapshot,
        RunEvent: Chat._on_event,
    }
)
"""Who is waiting for which frame."""


def _outcome(frame: ThreadSnapshot, run_id: str) -> ThreadMessage | None:
    """What a snapshot shows of a run: the agent's message, or else the question."""
    messages = sorted((m for m in frame.messages if m.run_id == run_id), key=lambda m: m.role == "agent")
    return messages[-1] if messages else None


def _say_nothing(_lost: ConnectionLost, _seconds: float) -> None:
    """Who reads nothing of lost connections."""


@asynccontextmanager
async def connect(
    url: str,
    user_id: str | None = None,
    token: str | FreshToken | None = None,
    *,
    connect_timeout_seconds: float = 10.0,
    give_up_after_seconds: float | None = None,
    on_disconnect: Callable[[ConnectionLost, float], None] = _say_nothing,
    backoff: Backoff = RECONNECT,
    random: Callable[[], float] = _random.random,
    dial: Dial | None = None,
) -> AsyncIterator[Chat]:
    """A chat with the server at ``url``; the block begins when a connection is open, ready or not.

    A lost connection is made again by itself: after the wait the server asked for, plus a full-jitter exponential
    back-off. Messages that were not acknowledged are sent again, watched threads are resumed, each event is seen once.

    Args:
        url: ``http(s)://HOST:PORT`` or ``ws(s)://HOST:PORT[/ws]``.
        user_id: who this is, for servers without authentication.
        token: a bearer token, which travels in the header ``Authorization``, never in the URL. Or an async function
            that gives one, asked before each connection: an expired token then ends the connection and not the chat.
            What it raises ends the block.
        connect_timeout_seconds: how long the first connection may take, all tries together.
        give_up_after_seconds: how long it goes on later without becoming ready; None for ever.
        on_disconnect: called with what was lost and the seconds until the next try.
        backoff: the waits between tries.
        random: gives a number in [0, 1), for the jitter.
        dial: opens one connection instead of trio-websocket, for other transports and for tests.

    Raises:
        ConfigurationError: when ``url`` or ``token`` cannot be used.
        Unreachable: when nobody answered in time.
        ConnectionRefused: when the server does not want this client.
    """
    patience = Patience(
        backoff=backoff,
        random=random,
        connect_timeout_seconds=connect_timeout_seconds,
        give_up_after_seconds=give_up_after_seconds,
        on_disconnect=on_disconnect,
        renews_token=callable(token),
    )
    chat = Chat(dial or dialer(url, user_id, token), patience)
    with ungrouped():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chat._live)
            try:
                await chat._connected.wait()
                yield chat
            finally:
                chat._finish(ClientClosed())
                nursery.cancel_scope.cancel()
