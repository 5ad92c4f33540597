"""Scenes: a whole server on scripted services and agents, and clients that hold all they read against both tables."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Any, TypeVar

import attrs
import msgspec
import trio

from chatcore.agents.base import Agent
from chatcore.application import Application
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.protocol.run import ENDS, RunGrammar
from chatcore.services import Phase
from chatcore.testing.agents import ScriptedAgent
from chatcore.testing.groups import lone_exceptions
from chatcore.testing.servers import FrameClient, LocalServer, serving
from chatcore.testing.services import Script, ScriptedServices
from chatcore.transports.memory import Closed

F = TypeVar("F", bound=msgspec.Struct)

AGENT = "agent"


@attrs.define(eq=False)
class Line:
    """A client that reads all the time.

    Args:
        peer: its connection.
        frames: what it has read.
        times: when, in Trio's time.
        runs: the grammar of each run, advanced by what was read; None where a replay would confuse it.
    """

    peer: FrameClient
    frames: list[m.AnyServerFrame] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    runs: dict[str, RunGrammar] | None = attrs.field(factory=dict)
    over: trio.Event = attrs.field(factory=trio.Event)
    _changed: trio.Event = attrs.field(factory=trio.Event)

    async def read(self) -> None:
        """Read to the end."""
        try:
            while True:
                self._take(await self.peer.receive())
        except (trio.EndOfChannel, trio.ClosedResourceError):
            self.over.set()
            self._tell()

    def _take(self, frame: m.AnyServerFrame) -> None:
        if isinstance(frame, m.RunEvent) and self.runs is not None:
            self.runs.setdefault(frame.run_id, RunGrammar()).advance(frame)
        self.frames.append(frame)
        self.times.append(trio.current_time())
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def send(self, frame: m.AnyClientFrame) -> None:
        """Send a frame."""
        await self.peer.send(frame)

    async def ask(self, content: str, message_id: str = "m1", **fields: Any) -> m.MessageAccepted:
        """Send a message; its acknowledgement."""
        before = len(self.frames)
        await self.send(m.UserMessage(message_id=message_id, content=content, **fields))
        return await self.next(m.MessageAccepted, before)

    async def next(self, kind: type[F], after: int = 0, where: Callable[[F], bool] = lambda _: True) -> F:
        """The first frame of this kind from position ``after`` on; waits for it."""
        while True:
            found = next((frame for frame in self.frames[after:] if isinstance(frame, kind) and where(frame)), None)
            if found is not None:
                return found
            assert not self.over.is_set(), f"closed with {self.closed} and no {kind.__name__}: {self.kinds}"
            await self._changed.wait()

    async def end(self, run_id: str) -> m.AgentCompleted | m.AgentFailed | m.AgentCancelled:
        """The last event of a run; waits for it."""
        while True:
            for frame in self.frames:
                if isinstance(frame, ENDS) and frame.run_id == run_id:
                    return frame
            assert not self.over.is_set(), f"closed with {self.closed}: {self.kinds}"
            await self._changed.wait()

    async def close(self) -> Closed:
        """How the server closed the connection; waits for it."""
        await self.over.wait()
        assert self.closed is not None, "the client left"
        return self.closed

    @property
    def closed(self) -> Closed | None:
        """How the server closed the connection, None where it has not."""
        return self.peer.closed

    def of(self, kind: type[F]) -> list[F]:
        """The frames of this kind."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    def events(self, run_id: str) -> list[m.RunEvent]:
        """The events of a run."""
        return [frame for frame in self.of(m.RunEvent) if frame.run_id == run_id]

    def text(self, run_id: str) -> str:
        """What the deltas of a run spell."""
        return "".join(frame.text for frame in self.of(m.AgentDelta) if frame.run_id == run_id)

    @property
    def kinds(self) -> list[str]:
        """The names of all frames, in order."""
        return [str(frame.__struct_config__.tag) for frame in self.frames]

    def longest_silence(self, begin: float, end: float) -> float:
        """Between two frames from ``begin`` to ``end``."""
        times = [begin, *(at for at in self.times if begin <= at <= end), end]
        return max(after - before for before, after in pairwise(times))


def employ(services: ScriptedServices, agent: Agent, *, name: str = AGENT, needs: Sequence[str] = ()) -> type[Any]:
    """Declare ``agent`` as a service that needs others; its type."""
    kind = type(agent)

    async def factory(**_: Any) -> AsyncIterator[Any]:
        yield agent

    kinds = {need: services.kinds[need] for need in needs}
    factory.__name__ = name
    factory.__annotations__ = {**kinds, "return": AsyncIterator[kind]}  # type: ignore[valid-type]  # known only now
    factory.__signature__ = _keywords(kinds)  # type: ignore[attr-defined]  # inspect looks for it
    services.graph.provide(phase=Phase.FINALIZE, label=f"the {name}")(factory)
    return kind


def _keywords(kinds: Mapping[str, type[Any]]) -> Any:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([inspect.Parameter(name, keyword, annotation=kind) for name, kind in kinds.items()])


def application(
    services: ScriptedServices, agent: Agent | None = None, *, needs: Sequence[str] | None = None
) -> Application:
    """An application with one agent, which needs every service unless told otherwise."""
    wanted = list(services.kinds) if needs is None else needs
    kind = employ(services, agent or ScriptedAgent(), needs=wanted)
    return Application(services.graph, agents={AGENT: kind})


def two_services(seconds: float = 1.0) -> ScriptedServices:
    """``database``, and ``cache`` which needs it, a second each."""
    services = ScriptedServices()
    services.add("database", Script(seconds=seconds), phase=Phase.DATABASE, label="order history")
    services.add("cache", Script(seconds=seconds), needs=("database",), phase=Phase.CACHE, label="cache")
    return services


@attrs.define(eq=False)
class Stage:
    """A server and its lines. Made by :func:`staged`."""

    local: LocalServer
    _nursery: trio.Nursery
    _stack: AsyncExitStack

    @property
    def server(self) -> Any:
        """The server."""
        return self.local.server

    async def line(self, user_id: str = "ann", *, replays: bool = False, unread: float = float("inf")) -> Line:
        """A new connection that is read all the time."""
        peer = await self._stack.enter_async_context(self.local.open(user_id, unread=unread))
        line = Line(peer)
        if replays:
            line.runs = None
        self._nursery.start_soon(line.read)
        return line

    async def silent(self, user_id: str = "ann", *, unread: float = 0) -> FrameClient:
        """A new connection that is never read."""
        return await self._stack.enter_async_context(self.local.open(user_id, unread=unread))


@asynccontextmanager
async def staged(
    app: Application, *, recorder: Recorder | None = None, limit_seconds: float = 900.0, **settings: Any
) -> AsyncIterator[Stage]:
    """A server within a test, and a deadline around it."""
    with lone_exceptions(), trio.fail_after(limit_seconds):
        async with (
            trio.open_nursery() as nursery,
            AsyncExitStack() as stack,
            serving(app, recorder=recorder, **settings) as local,
        ):
            yield Stage(local, nursery, stack)
