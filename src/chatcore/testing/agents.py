"""Agents in tests: one that follows a script, and a rehearsal, which runs any agent as a server does, without one.

::

    agent = ScriptedAgent([Think("Looking"), UseTool("find", summary="2 orders"), Say("You have 2 orders.")])
    events = await run_agent(agent, "How many orders do I have?")

A rehearsal is made of the real parts: a service graph with the agent in it, the supervisor, the bridge, and storage in
a temporary SQLite file. Storage works in threads, of which a clock that jumps ahead knows nothing: use real time.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar, cast

import attrs
import trio

from chatcore.agents.base import Agent, Run
from chatcore.agents.supervisor import AgentSupervisor, RunPolicy
from chatcore.context import UserExecutionContext
from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.observability import Recorder
from chatcore.protocol.codec import decode_server_frame
from chatcore.protocol.messages import (
    AgentCancelled,
    AgentCompleted,
    AgentFailed,
    Answer,
    AnyRunEvent,
    Evidence,
    MessageAccepted,
    RunEvent,
    UserMessage,
)
from chatcore.protocol.run import ENDS
from chatcore.services import Phase, ServiceGraph
from chatcore.testing.groups import lone_exceptions
from chatcore.threads.model import StoredEvent
from chatcore.threads.opening import open_threads
from chatcore.threads.service import ThreadService

E = TypeVar("E", bound=RunEvent)

AGENT = "agent"
"""What a rehearsal calls its only agent."""

# --- scripts --------------------------------------------------------------------------------------------------------


class Step(Protocol):
    """One thing that a :class:`ScriptedAgent` does."""

    async def perform(self, run: Run) -> Answer | None:
        """Do it; an answer ends the script."""


async def follow(steps: Sequence[Step], run: Run) -> Answer | None:
    """Perform ``steps`` in order, up to the one that gives an answer; that answer, or None."""
    for step in steps:
        answer = await step.perform(run)
        if answer is not None:
            return answer
    return None


@attrs.frozen
class Think:
    """Tells the watchers ``text``."""

    text: str

    async def perform(self, run: Run) -> None:
        """See :class:`Step`."""
        await run.thinking(self.text)


@attrs.frozen
class Say:
    """Streams ``text`` as a part of the answer."""

    text: str

    async def perform(self, run: Run) -> None:
        """See :class:`Step`."""
        await run.say(self.text)


@attrs.frozen
class UseTool:
    """Uses a tool.

    Args:
        name: of the tool.
        arguments: that it is called with.
        steps: what happens while it is in use.
        summary: what came out, in words.
        evidence: what came out, in rows.
    """

    name: str
    arguments: Mapping[str, Any] = attrs.field(factory=dict)
    steps: Sequence[Step] = ()
    summary: str = ""
    evidence: Sequence[Evidence] = ()

    async def perform(self, run: Run) -> Answer | None:
        """See :class:`Step`."""
        async with run.tool(self.name, **self.arguments) as call:
            answer = await follow(self.steps, run)
            call.summary = self.summary
            call.evidence.extend(self.evidence)
        return answer


@attrs.frozen
class HoldTool:
    """Announces a tool and lets go of it only when ``until`` is closed: an agent that forgets to."""

    name: str
    until: AsyncExitStack

    async def perform(self, run: Run) -> None:
        """See :class:`Step`."""
        await self.until.enter_async_context(run.tool(self.name))


@attrs.frozen
class Wait:
    """Does nothing for ``seconds`` of Trio's clock; for ever unless given."""

    seconds: float = math.inf

    async def perform(self, run: Run) -> None:  # noqa: ARG002  a step is given the run
        """See :class:`Step`."""
        await trio.sleep(self.seconds)


@attrs.frozen
class SwallowCancellation:
    """Waits to be cancelled, takes no notice, and goes on for ``seconds`` that nobody can cut short."""

    seconds: float = 0.0

    async def perform(self, run: Run) -> None:  # noqa: ARG002  a step is given the run
        """See :class:`Step`."""
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.seconds)


@attrs.frozen
class Fail:
    """Raises what ``error`` makes."""

    error: Callable[[], Exception] = RuntimeError

    async def perform(self, run: Run) -> None:  # noqa: ARG002  a step is given the run
        """See :class:`Step`."""
        raise self.error()


@attrs.frozen
class Do:
    """Calls ``action`` with the run, for what no other step does."""

    action: Callable[[Run], Awaitable[Answer | None]]

    async def perform(self, run: Run) -> Answer | None:
        """See :class:`Step`."""
        return await self.action(run)


@attrs.frozen
class Reply:
    """Ends the script with ``answer``; one without text takes what was said."""

    answer: Answer = attrs.field(factory=Answer)

    async def perform(self, run: Run) -> Answer:  # noqa: ARG002  a step is given the run
        """See :class:`Step`."""
        return self.answer


@attrs.define(eq=False)
class ScriptedAgent:
    """Follows a script, and answers with what it said unless the script ends in a :class:`Reply`.

    Subclass it to declare ``proves_numbers``, or to have two of them in one application.

    Args:
        steps: what it does.
        scripts: what it does instead when it is asked one of these questions.
        messages: what it was asked so far.
    """

    steps: Sequence[Step] = ()
    scripts: Mapping[str, Sequence[Step]] = attrs.field(factory=dict)
    messages: list[UserMessage] = attrs.field(factory=list, init=False)

    async def respond(self, message: UserMessage, run: Run) -> Answer:
        """See :class:`~chatcore.Agent`."""
        self.messages.append(message)
        return await follow(self.scripts.get(message.content, self.steps), run) or Answer()


# --- rehearsals -----------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class RecordingRun:
    """A run, as its events reach a client; a :class:`~chatcore.delivery.bridge.Watcher` of its thread.

    Args:
        accepted: the acknowledgement of its message.
        events: what has come so far.
    """

    accepted: MessageAccepted
    events: list[AnyRunEvent] = attrs.field(factory=list)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def behind(self) -> bool:
        """Never: it takes everything."""
        return False

    def fall_behind(self, thread_id: str) -> None:
        """See :class:`~chatcore.delivery.bridge.Watcher`."""
        raise AssertionError(f"an event of {thread_id} was passed over")

    def deliver(self, *events: StoredEvent) -> None:
        """See :class:`~chatcore.delivery.bridge.Watcher`."""
        mine = [event for event in events if event.run_id == self.accepted.run_id]
        self.events += [cast("AnyRunEvent", decode_server_frame(event.frame)) for event in mine]
        self._changed.set()
        self._changed = trio.Event()

    @property
    def ended(self) -> bool:
        """Whether the last event has come."""
        return bool(self.events) and isinstance(self.events[-1], ENDS)

    async def end(self) -> AgentCompleted | AgentFailed | AgentCancelled:
        """The last event; waits for it."""
        while not self.ended:
            await self._changed.wait()
        return cast("AgentCompleted | AgentFailed | AgentCancelled", self.events[-1])

    async def seen(self, kind: type[E]) -> E:
        """The first event of this kind; waits for it.

        Raises:
            AssertionError: the run ended without one.
        """
        while True:
            found = next((event for event in self.events if isinstance(event, kind)), None)
            if found is not None:
                return found
            assert not self.ended, f"the run ended without {kind.__name__}, in {self.events[-1]}"
            await self._changed.wait()

    async def count(self, events: int) -> None:
        """Return once there are as many events, or the run has ended."""
        while len(self.events) < events and not self.ended:
            await self._changed.wait()

    async def answer(self) -> Answer:
        """The answer; waits for it.

        Raises:
            AssertionError: the run ended in another way.
        """
        end = await self.end()
        assert isinstance(end, AgentCompleted), f"there is no answer: {end}"
        return end.answer


@attrs.define(eq=False)
class OperatorLog(Recorder):
    """Keeps the lines of the log: each an event and its fields."""

    lines: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)

    def log(self, event: str, **fields: Any) -> None:
        """See :class:`~chatcore.observability.Recorder`."""
        self.lines.append((event, fields))


@attrs.frozen(eq=False)
class Rehearsal:
    """One agent and what runs it. Made by :func:`rehearsing`.

    Args:
        threads: where the runs are kept.
        operator: what an operator would read in the log.
    """

    threads: ThreadService
    _supervisor: AgentSupervisor
    operator: OperatorLog

    async def ask(
        self, content: str, *, user_id: str = "tester", thread_id: str | None = None, message_id: str | None = None
    ) -> RecordingRun:
        """Send the agent a message; returns once it is acknowledged.

        Args:
            content: of the message.
            user_id: who asks.
            thread_id: the thread to go on with, a new one unless given.
            message_id: of the sender's choice; one that is known gives the run that it started, without its past.
        """
        message = UserMessage(message_id=message_id or uuid.uuid4().hex, content=content, thread_id=thread_id)
        runs: list[RecordingRun] = []

        def watch(accepted: MessageAccepted) -> None:
            runs.append(RecordingRun(accepted))
            self._supervisor.bridge.watch(runs[0], accepted.thread_id)

        await self._supervisor.submit(UserExecutionContext(user_id=user_id), message, watch)
        return runs[0]

    async def cancel(self, run: RecordingRun) -> None:
        """Cancel a run, as a client's ``cancel_run`` does; returns once it was told, before it ends."""
        await self._supervisor.cancel(run.accepted.user_id, run.accepted.run_id)


@asynccontextmanager
async def rehearsing(agent: Agent, *, policy: RunPolicy | None = None) -> AsyncIterator[Rehearsal]:
    """An agent that can be asked within the block; runs that have not ended by then are cut.

    Args:
        agent: any agent; its class attributes count as they do in a server.
        policy: the limits of runs, a server's unless given.
    """
    with lone_exceptions():
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="chatcore-"))
            threads = await stack.enter_async_context(open_threads(f"sqlite:///{Path(folder, 'rehearsal.db')}"))
            manager = await stack.enter_async_context(ServiceInitializationManager(graph_of(agent)))
            runs = await stack.enter_async_context(trio.open_nursery())
            await manager.ensure_ready()
            operator = OperatorLog()
            supervisor = _supervisor(agent, manager, threads, runs, policy or RunPolicy(), operator)
            yield Rehearsal(threads, supervisor, operator)
            runs.cancel_scope.cancel()


def _supervisor(
    agent: Agent,
    manager: ServiceInitializationManager,
    threads: ThreadService,
    runs: trio.Nursery,
    policy: RunPolicy,
    recorder: Recorder,
) -> AgentSupervisor:
    async def store() -> ThreadService:
        return threads

    return AgentSupervisor(
        agents={AGENT: type(agent)},
        manager=manager,
        store=store,
        bridge=AgentWebSocketBridge(),
        nursery=runs,
        recorder=recorder,
        policy=policy,
    )


def graph_of(agent: Agent) -> ServiceGraph:
    """A graph whose only service is ``agent``, under the name ``agent``."""

    async def factory() -> AsyncIterator[Any]:
        yield agent

    factory.__name__ = AGENT
    factory.__annotations__["return"] = AsyncIterator[type(agent)]  # type: ignore[misc]  # known only now
    services = ServiceGraph()
    services.provide(phase=Phase.SERVICES)(factory)
    return services


async def run_agent(agent: Agent, content: str) -> list[AnyRunEvent]:
    """Ask an agent once, in a rehearsal of its own; every event of the run, the last one included."""
    async with rehearsing(agent) as rehearsal:
        run = await rehearsal.ask(content)
        await run.end()
        return run.events
