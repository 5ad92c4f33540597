"""The world of a history: one server after another on the same database, the connections to them, and their log."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing, suppress
from random import Random
from typing import Any

import attrs
import trio
from history_agents import Restartable, Steady
from history_storage import Disk

from chatcore.application import Application
from chatcore.client import ConnectionLost
from chatcore.errors import RequestRefused
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.services import Phase, ServiceGraph
from chatcore.testing.servers import FrameClient, LocalServer, serving

AGENTS = {"steady": Steady, "restartable": Restartable}

DOWN_SECONDS = (0.0, 0.05, 0.5)
"""Between the end of a server and the start of the next one."""

LET_GO_SECONDS = 30.0
"""What a server that is cancelled may take, in virtual seconds."""


@attrs.define(eq=False)
class Journal(Recorder):
    """Hears what a server would log."""

    world: World

    def log(self, event: str, **fields: Any) -> None:
        """See :class:`~chatcore.observability.Recorder`."""
        self.world.logged.append(event)
        self.world.tell(f"log: {event} {fields}")


@attrs.define(eq=False)
class Life:
    """One server, from its start to its end.

    Args:
        number: counted from 1.
        local: the server, once it is up.
    """

    number: int
    local: LocalServer | None = None
    over: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


@attrs.define(eq=False)
class Connection:
    """One connection, and all that was heard on it.

    Args:
        number: counted from 1.
        user: whose.
        life: of the server, by its number.
        peer: the client's end.
        frames: what was heard, in order.
        resumes: what was asked for, in order.
        cut_after: frames after which it breaks off; None for never.
        numb: what the client sends gets lost, while what the server sends arrives.
        deaf: the client reads no more.
        dozes: seconds for which it does not read before it reads on.
        honest: no fault was done to it: it has to be live in the end.
        open: it has not broken off.
    """

    number: int
    user: str
    life: int
    peer: FrameClient
    frames: list[m.AnyServerFrame] = attrs.field(factory=list)
    resumes: list[m.Resume] = attrs.field(factory=list)
    cut_after: int | None = None
    numb: bool = False
    deaf: bool = False
    dozes: float = 0.0
    honest: bool = True
    open: bool = True
    changed: trio.Event = attrs.field(factory=trio.Event)
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    async def send(self, frame: m.AnyClientFrame) -> None:
        """Send a frame, as far as the network lets it."""
        await trio.lowlevel.checkpoint()
        if not self.open or self.numb:
            return
        if isinstance(frame, m.Resume):
            self.resumes.append(frame)
        try:
            await self.peer.send(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.break_off()

    async def read(self) -> AsyncIterator[m.AnyServerFrame]:
        """What arrives, until it breaks off or is not read any more."""
        try:
            while self._hears():
                frame = await self.peer.receive()
                if not self._hears():
                    return
                self.frames.append(frame)
                yield frame
                self.tell()
                await self._doze()
                if self.cut_after is not None and len(self.frames) >= self.cut_after:
                    self.break_off()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            self.open = False
        finally:
            self.tell()

    async def _doze(self) -> None:
        if self.dozes:
            dozes, self.dozes = self.dozes, 0.0
            await trio.sleep(dozes)

    def _hears(self) -> bool:
        return self.open and not self.deaf

    def tell(self) -> None:
        """Wake whoever waits for something to be heard."""
        self.changed.set()
        self.changed = trio.Event()

    def break_off(self) -> None:
        """Be gone without a word."""
        self.open = self.honest = False
        self.peer.drop()
        self.tell()

    async def close(self) -> None:
        """Let go of it in the end."""
        self.break_off()
        await self._stack.aclose()


@attrs.frozen
class Loss:
    """A server ended without storing what it had sent: deltas may be lost, and nothing else.

    Args:
        life: of the server, by its number.
        durable: the last ``seq`` of each thread that was stored.
    """

    life: int
    durable: dict[str, int]


@attrs.define(eq=False)
class World:
    """Everything there is in one history.

    Args:
        seed: of all of it.
        disk: where the servers have their database.
        connections: all there ever were.
        deleting: threads that someone wanted deleted.
        cancelled: runs that their own user wanted cancelled.
        trace: what happened, for people.
        logged: what the servers logged.
        too_early: events that were heard before they were stored.
    """

    seed: int
    disk: Disk
    nursery: trio.Nursery
    rng: Random = attrs.field(init=False)
    settings: dict[str, Any] = attrs.field(init=False)
    connections: list[Connection] = attrs.field(factory=list)
    deleting: set[str] = attrs.field(factory=set)
    cancelled: set[str] = attrs.field(factory=set)
    restarts: int = 0
    losses: list[Loss] = attrs.field(factory=list)
    too_early: list[str] = attrs.field(factory=list)
    trace: list[str] = attrs.field(factory=list)
    logged: list[str] = attrs.field(factory=list)
    life: Life = attrs.field(init=False)
    lives: int = 0
    log: sqlite3.Connection = attrs.field(init=False)
    _witnessed: set[tuple[str, int]] = attrs.field(factory=set)
    _up: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.rng = Random(f"world {self.seed}")
        self.settings = {
            "max_connections_per_user": 1000,
            "max_frames_per_second": 0,
            "max_messages_per_minute": 0,
            "max_message_bytes": self.rng.choice((1_048_576, 3_000, 500)),
            "drain_seconds": self.rng.choice((10.0, 0.5)),
        }

    def witness(self, event: m.AnyRunEvent) -> None:
        """Look whether an event that is heard for the first time is stored, as all are but deltas."""
        place = (event.thread_id, event.seq)
        if isinstance(event, m.AgentDelta) or place in self._witnessed or event.thread_id in self.deleting:
            return
        self._witnessed.add(place)
        found = self.log.execute("SELECT 1 FROM events WHERE thread_id = ? AND seq = ?", place).fetchall()
        if not found:
            self.too_early.append(f"{type(event).__name__} {event.seq} of {event.thread_id}")

    def tell(self, what: str) -> None:
        """Note what happens."""
        self.trace.append(f"{trio.current_time() % 1e6:10.4f}  {what}")

    # --- servers ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start a server; returns when it takes connections."""
        self.lives += 1
        self.life = Life(self.lives)
        if self.lives > 1:
            self.log.close()
        self.log = sqlite3.connect(self.disk.path)
        await self.nursery.start(self._live, self.life)
        self.tell(f"server {self.lives} is up")
        self._up.set()

    async def _live(self, life: Life, task_status: trio.TaskStatus[None]) -> None:
        settings = self.settings | {"database_url": self.disk.url}
        try:
            with life.scope:
                async with serving(_application(), recorder=Journal(self), **settings) as life.local:
                    task_status.started()
                    await life.over.wait()
        finally:
            life.ended.set()

    async def server(self) -> LocalServer:
        """The server that is up; waits for it."""
        while not self._up.is_set() or self.life.local is None:
            await self._up.wait()
        return self.life.local

    async def drain(self) -> None:
        """Restart, as an operator does."""
        self._going("drains")
        self.life.over.set()
        await self.life.ended.wait()

    async def cancel(self) -> None:
        """Restart after everything was cancelled, as a crash in a part of the server does."""
        self._going("is cancelled")
        self.life.scope.cancel()
        with trio.fail_after(LET_GO_SECONDS):
            await self.life.ended.wait()
        self._lose()

    def crash(self) -> None:
        """Kill the server between two instructions: what is on the disk now is all that is left."""
        self._going("is killed")
        self.disk.pull_the_plug()
        for connection in self.connections:
            if connection.open:
                connection.break_off()
        self._lose()
        self.life.scope.cancel()

    def _lose(self) -> None:
        with closing(sqlite3.connect(self.disk.path)) as database:
            stored = database.execute("SELECT thread_id, max(seq) FROM events GROUP BY thread_id").fetchall()
        self.losses.append(Loss(self.life.number, dict(stored)))

    def _going(self, how: str) -> None:
        self.restarts += 1
        self._up = trio.Event()
        self.tell(f"server {self.life.number} {how}")

    async def crash_at_commit(self, ahead: int, after: bool) -> None:
        """Kill the server right before or after one of its next commits, unless it has nothing to commit for long."""
        died = trio.Event()
        at = self.disk.commits + ahead

        def strike(committed: bool) -> None:
            if not died.is_set() and committed is after and self.disk.commits >= at:
                died.set()
                self.crash()

        self.disk.at_commit = strike
        with trio.move_on_after(5.0):
            await died.wait()
        self.disk.at_commit = lambda _: None
        if not died.is_set():
            self.crash()

    # --- connections ------------------------------------------------------------------------------------------------

    async def connect(self, user: str, unread: float) -> Connection | None:
        """A connection to the server that is up; None where it is not accepted."""
        local = await self.server()
        stack = AsyncExitStack()
        try:
            peer = await stack.enter_async_context(local.open(user, unread=unread))
        except ConnectionLost:
            return None
        connection = Connection(len(self.connections) + 1, user, self.life.number, peer, stack=stack)
        self.connections.append(connection)
        return connection

    async def delete_thread(self, user: str, thread_id: str) -> None:
        """Delete a thread, as far as the server lives to do it."""
        server = (await self.server()).server
        with suppress(RequestRefused):  # it is gone already, or the server is going
            store = await server.keeper.opened()
            await store.thread(user, thread_id)
            await server.supervisor.give_up_thread(thread_id)
            await store.delete_thread(user, thread_id)


def _application() -> Application:
    services = ServiceGraph()

    @services.provide(phase=Phase.SERVICES, label="steady agent")
    async def steady() -> AsyncIterator[Steady]:
        yield Steady()

    @services.provide(phase=Phase.SERVICES, label="restartable agent")
    async def restartable() -> AsyncIterator[Restartable]:
        await trio.sleep(0.1)
        yield Restartable()

    return Application(services, agents=dict(AGENTS))
