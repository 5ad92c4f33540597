"""The other side of a client in these tests: a server in memory, whose every word the test decides."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import attrs
import trio
from msgspec import UNSET

from chatcore.client import ConnectionLost, Wire
from chatcore.errors import CloseCode
from chatcore.protocol.codec import ClientFrameDecoder, encode
from chatcore.protocol.messages import (
    AgentCancelled,
    AgentCompleted,
    AgentDelta,
    AgentFailed,
    AgentRestarted,
    AgentStarted,
    AgentThinking,
    Answer,
    AnyClientFrame,
    AnyServerFrame,
    Draining,
    Error,
    InitializationProgress,
    Initializing,
    Limits,
    MessageAccepted,
    Provenance,
    Ready,
    Recovering,
    Resumed,
    ThreadMessage,
    ThreadSnapshot,
    ToolCompleted,
    ToolExecuting,
)

T = TypeVar("T")
F = TypeVar("F", bound=AnyClientFrame)

DEFAULTS: dict[type, dict[str, Any]] = {
    Initializing: {"message": "starting", "progress": 0, "connection_id": "c1", "instance_id": "i1"},
    InitializationProgress: {
        "message": "starting",
        "progress": 10,
        "phase": "services",
        "service": "orders",
        "label": "order history",
        "status": "started",
        "attempt": 1,
        "elapsed_seconds": 1.0,
        "eta_seconds": 2.0,
    },
    Ready: {
        "message": "ready",
        "connection_id": "c1",
        "instance_id": "i1",
        "generation": 1,
        "agents": [],
        "limits": Limits(
            max_message_bytes=1000, max_frames_per_second=100, max_messages_per_minute=120, max_pending_messages=10
        ),
    },
    Recovering: {"message": "recovering", "service": "orders", "label": "order history"},
    Draining: {"message": "draining", "reconnect_after_seconds": 3.0},
    MessageAccepted: {"thread_id": "t1", "run_id": "r1", "state": "queued", "duplicate": False},
    Resumed: {"thread_id": "t1", "epoch": "e1", "from_seq": 1, "to_seq": 1, "complete": True},
    ThreadSnapshot: {"thread_id": "t1", "epoch": "e2", "seq": 9, "messages": []},
    Error: {"message": "words", "retryable": True, "retry_after_seconds": None, "message_id": None},
    AgentStarted: {"agent": "a", "message_id": None},
    AgentThinking: {"text": "hm"},
    AgentDelta: {},
    AgentRestarted: {"attempt": 2},
    ToolExecuting: {"tool_call_id": "c1", "tool": "find", "arguments": {}},
    ToolCompleted: {"tool_call_id": "c1", "tool": "find", "status": "ok", "summary": "2", "duration_seconds": 0.1},
    AgentCompleted: {
        "answer": Answer(),
        "provenance": Provenance(agent="a", engine="planner", model=None, tool_calls=[], generation=1),
        "duration_seconds": 1.0,
    },
    AgentFailed: {"error_code": "AGENT_FAILED", "message": "words", "retryable": True},
    AgentCancelled: {"reason": "asked"},
}
EVENTS = (
    AgentStarted,
    AgentThinking,
    AgentDelta,
    AgentRestarted,
    ToolExecuting,
    ToolCompleted,
    AgentCompleted,
    AgentFailed,
    AgentCancelled,
)


def frame(kind: type[T], **fields: Any) -> T:
    """A server frame with everything filled that the test does not care about."""
    common: dict[str, Any] = {"timestamp": 0.0, "user_id": "u1"}
    if kind in EVENTS:
        common |= {"thread_id": "t1", "run_id": "r1", "epoch": "e1"}
    return kind(**common | DEFAULTS[kind] | fields)


def deltas(*texts: str, seq: int, **fields: Any) -> list[AgentDelta]:
    """A delta for each text, numbered from ``seq``, spelling from the beginning."""
    offsets = [sum(map(len, texts[:n])) for n in range(len(texts))]
    return [
        frame(AgentDelta, text=text, offset=offset, seq=seq + n, **fields)
        for n, (text, offset) in enumerate(zip(texts, offsets, strict=True))
    ]


def snapshot_of(run_id: str | None, status: Any, **fields: Any) -> ThreadSnapshot:
    """A thread with one answer in it."""
    message = ThreadMessage(
        message_id=None,
        role="agent",
        content="done",
        run_id=run_id,
        created_at=0.0,
        status=status,
        answer=Answer(text="done") if status == "completed" else UNSET,
    )
    return frame(ThreadSnapshot, messages=[message], **fields)


@attrs.define(eq=False)
class Connection:
    """The server's end of one connection."""

    _incoming: trio.MemoryReceiveChannel[str]
    _outgoing: trio.MemorySendChannel[str | bytes | ConnectionLost]
    alive: bool = True
    closed_with: CloseCode | None = None
    _decoder: ClientFrameDecoder = attrs.field(factory=lambda: ClientFrameDecoder(10**7))

    def send(self, *frames: AnyServerFrame) -> None:
        """Say something."""
        for said in frames:
            self._outgoing.send_nowait(encode(said))

    def send_raw(self, data: str | bytes) -> None:
        """Say something that no encoder would."""
        self._outgoing.send_nowait(data)

    async def expect(self, kind: type[F]) -> F:
        """The next frame of the client, which has to be of this kind."""
        received = self._decoder.decode(await self._incoming.receive())
        assert isinstance(received, kind), received
        return received

    def unread(self) -> int:
        """How many frames of the client wait."""
        return self._incoming.statistics().current_buffer_used

    def close(self, code: int | None = None, reason: str = "") -> None:
        """End the connection, with a close frame or (None) without."""
        self._outgoing.send_nowait(ConnectionLost(reason, code=code))

    def vanish(self) -> None:
        """Answer nothing any more, without a word."""
        self.alive = False


@attrs.define(eq=False)
class _MemoryWire:
    _connection: Connection
    _outgoing: trio.MemorySendChannel[str]
    _incoming: trio.MemoryReceiveChannel[str | bytes | ConnectionLost]

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        if self._connection.alive:
            self._outgoing.send_nowait(text)

    async def receive(self) -> str | bytes:
        item = await self._incoming.receive()
        if isinstance(item, ConnectionLost):
            raise item
        return item

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()
        if not self._connection.alive:
            await trio.sleep_forever()

    async def close(self, code: CloseCode) -> None:
        if self._connection.closed_with is None:
            self._connection.closed_with = code


@attrs.define(eq=False)
class Server:
    """Takes connections; ``refusals`` are raised by the next dials, ``dialled`` are the times of all."""

    refusals: deque[ConnectionLost] = attrs.field(factory=deque)
    dialled: list[float] = attrs.field(factory=list)
    _accepted: deque[Connection] = attrs.field(factory=deque)
    _arrived: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(0))

    @asynccontextmanager
    async def dial(self) -> AsyncIterator[Wire]:
        """The client's way in."""
        self.dialled.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.refusals:
            raise self.refusals.popleft()
        to_server, at_server = trio.open_memory_channel[str](10_000)
        to_client, at_client = trio.open_memory_channel[str | bytes | ConnectionLost](100_000)
        connection = Connection(at_server, to_client)
        self._accepted.append(connection)
        self._arrived.release()
        wire = _MemoryWire(connection, to_server, at_client)
        try:
            yield wire
        finally:
            await wire.close(CloseCode.NORMAL)

    async def accept(self, *frames: AnyServerFrame) -> Connection:
        """The next connection, greeted with ``frames``."""
        await self._arrived.acquire()
        connection = self._accepted.popleft()
        connection.send(*frames)
        return connection
