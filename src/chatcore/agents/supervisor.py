"""The AgentSupervisor: runs agents. Each acknowledged message comes to exactly one end.

Messages of one thread run in order, one at a time; threads run side by side. A run starts when a generation is ready
and holds its agent's services while it lasts; it ends by its answer, its failure, its deadline, a cancellation, or the
loss of a service it uses. Nothing here can run an agent without :class:`~chatcore.services.ReadyServices`.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from typing import Any, TypeVar

import attrs
import msgspec
import trio

from chatcore.agents.base import Agent
from chatcore.agents.endings import Ending, cancellation, completion, failure, provenance_of
from chatcore.agents.live_run import LiveRun
from chatcore.agents.pending import PendingRun
from chatcore.agents.run_log import first_event
from chatcore.agents.scribe import Scribe
from chatcore.agents.turns import Turns
from chatcore.context import UserExecutionContext
from chatcore.delivery.bridge import AgentWebSocketBridge
from chatcore.errors import AgentFailure, ChatcoreError, ErrorCode, RequestRefused, StorageUnavailable
from chatcore.initialization.manager import ServiceInitializationManager
from chatcore.observability import Recorder, describe_error
from chatcore.protocol import messages as m
from chatcore.services import ReadyServices
from chatcore.store import RETRY
from chatcore.threads.model import ENDED_STATES, Accepted
from chatcore.threads.service import ThreadService

T = TypeVar("T")

LET_GO_SECONDS = 1.0
"""What runs that a drain has cut may take to let go and to store what they have sent."""


@attrs.frozen(kw_only=True)
class RunPolicy:
    """The limits of runs.

    Args:
        timeout_seconds: of one run, from the start of its agent.
        max_pending_messages: a user's messages that wait or run at once, over all threads.
        max_pending_bytes: their contents, in UTF-8.
        max_running: runs at once, of all users; the others wait for their turn, users in rotation.
    """

    timeout_seconds: float = 300.0
    max_pending_messages: int = 100
    max_pending_bytes: int = 4 * 1_048_576
    max_running: int = 256


@attrs.define(eq=False, kw_only=True)
class AgentSupervisor:
    """Routes messages to agents and sees each run to its end.

    Args:
        agents: the agents' types by the names that clients use; the first is the default.
        manager: gives the generation that runs need.
        store: waits for the ThreadService to be open.
        bridge: takes the events to their watchers.
        nursery: the server's; runs live in it, never in a connection's.
        recorder: hears of runs.
        policy: limits.
    """

    agents: Mapping[str, type[Any]]
    manager: ServiceInitializationManager
    store: Callable[[], Awaitable[ThreadService]]
    bridge: AgentWebSocketBridge
    nursery: trio.Nursery
    recorder: Recorder
    policy: RunPolicy = attrs.field(factory=RunPolicy)
    _pending: dict[str, PendingRun] = attrs.field(factory=dict, init=False)
    _queues: dict[str, deque[PendingRun]] = attrs.field(factory=dict, init=False)
    _arriving: list[tuple[str, int]] = attrs.field(factory=list, init=False)
    """Messages that are being kept: whose, and their bytes."""
    _turns: Turns = attrs.field(init=False)
    _draining: bool = attrs.field(default=False, init=False)
    _hurried: bool = attrs.field(default=False, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _scribe: Scribe = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._turns = Turns(self.policy.max_running)
        self._scribe = Scribe(self.nursery)

    @property
    def running(self) -> int:
        """Runs whose agent is at work."""
        return sum(pending.running for pending in self._pending.values())

    @property
    def waiting(self) -> int:
        """Messages that wait for the services or for their turn."""
        return len(self._pending) - self.running

    # --- for clients ------------------------------------------------------------------------------------------------

    async def submit(
        self, context: UserExecutionContext, message: m.UserMessage, acknowledge: Callable[[m.MessageAccepted], None]
    ) -> None:
        """Keep a message and see that it is answered.

        Args:
            context: who sent it.
            message: a known ``message_id`` starts nothing.
            acknowledge: called with the acknowledgement once the message is durable, before its run can begin.

        Raises:
            RequestRefused: the message was not accepted.
        """
        agent = self._agent_name(message.agent)
        store = await self.store()
        async with self._room(store, context.user_id, message):
            with trio.CancelScope(shield=True):  # a client that leaves now must not leave a message kept but never run
                await self._keep(store, context, message, agent, acknowledge)
        self.manager.request_start()

    async def _keep(
        self,
        store: ThreadService,
        context: UserExecutionContext,
        message: m.UserMessage,
        agent: str,
        acknowledge: Callable[[m.MessageAccepted], None],
    ) -> None:
        accepted = await store.accept_message(context.user_id, message, agent)
        if accepted.duplicate and not accepted.ended and not self.knows(accepted.run_id):
            kept = await store.run(context.user_id, accepted.run_id)  # it has just ended, or nobody was told of it
            accepted = attrs.evolve(accepted, ended=kept.state in ENDED_STATES)
            message = msgspec.structs.replace(message, content=kept.content)
        acknowledge(self._acknowledgement(context, accepted))
        if not accepted.ended and not self.knows(accepted.run_id):
            self._enqueue(context, message, accepted)

    async def cancel(self, user_id: str, run_id: str) -> None:
        """End a run of this user in ``agent_cancelled``, now or after a restart; a run that has ended stays as it is.

        Raises:
            RequestRefused: the user has no such run.
        """
        self._give_up(user_id, run_id)  # also where that cannot be kept now
        await (await self.store()).request_cancel(user_id, run_id)
        self._give_up(user_id, run_id)  # it may have been taken up meanwhile

    def _give_up(self, user_id: str, run_id: str) -> None:
        pending = self._pending.get(run_id)
        if pending is not None and pending.context.user_id == user_id:
            pending.give_up()

    async def give_up_thread(self, thread_id: str) -> None:
        """Cancel everything that runs or waits on a thread, which is about to be deleted.

        It returns when that has ended, so that who watches hears of it, or when it takes its agent too long.
        """
        for pending in tuple(self._queues.get(thread_id, ())):
            pending.give_up()
        with trio.move_on_after(LET_GO_SECONDS):
            while thread_id in self._queues:
                await self._changed.wait()

    def _agent_name(self, wanted: str | None) -> str:
        name = wanted if wanted is not None else next(iter(self.agents), None)
        if name is None or name not in self.agents:
            raise RequestRefused(ErrorCode.AGENT_NOT_FOUND)
        return name

    @asynccontextmanager
    async def _room(self, store: ThreadService, user_id: str, message: m.UserMessage) -> AsyncIterator[None]:
        """Room for a message from now until it waits for its turn; one that was accepted before needs none.

        Raises:
            RequestRefused: there is none.
        """
        arrival = (user_id, len(message.content.encode()))
        mine = [pending.size for pending in self._pending.values() if pending.context.user_id == user_id]
        mine += [size for user, size in self._arriving if user == user_id]
        full = len(mine) >= self.policy.max_pending_messages or sum(mine) + arrival[1] > self.policy.max_pending_bytes
        if full and not await store.has_message(user_id, message.message_id):
            raise RequestRefused(ErrorCode.TOO_MANY_PENDING, retry_after_seconds=1.0)
        self._arriving.append(arrival)
        try:
            yield
        finally:
            self._arriving.remove(arrival)

    def _acknowledgement(self, context: UserExecutionContext, accepted: Accepted) -> m.MessageAccepted:
        return m.MessageAccepted(
            timestamp=time.time(),
            user_id=context.user_id,
            message_id=accepted.message_id,
            thread_id=accepted.thread_id,
            run_id=accepted.run_id,
            state=self._state_of(accepted),
            duplicate=accepted.duplicate,
        )

    def _state_of(self, accepted: Accepted) -> Any:
        if accepted.ended:
            return "ended"
        pending = self._pending.get(accepted.run_id)
        if pending is not None and pending.running:
            return "running"
        return "queued" if self.manager.ready is not None else "waiting_for_services"

    # --- queues -----------------------------------------------------------------------------------------------------

    def _enqueue(self, context: UserExecutionContext, message: m.UserMessage, accepted: Accepted) -> None:
        context = attrs.evolve(context, thread_id=accepted.thread_id, run_id=accepted.run_id)
        message = msgspec.structs.replace(message, thread_id=accepted.thread_id, agent=accepted.agent)
        self.enqueue(PendingRun(context=context, epoch=accepted.epoch, agent=accepted.agent, message=message))

    def knows(self, run_id: str) -> bool:
        """Whether a run waits for its turn here, or has it."""
        return run_id in self._pending

    def enqueue(self, pending: PendingRun) -> None:
        """Have an accepted message answered after those before it on its thread; not by a server that is going away."""
        if self._draining:
            return
        thread_id = str(pending.context.thread_id)
        self._pending[str(pending.context.run_id)] = pending
        queue = self._queues.setdefault(thread_id, deque())
        queue.append(pending)
        if len(queue) == 1:
            self.nursery.start_soon(self._work, thread_id, name=f"thread {thread_id}")

    async def _work(self, thread_id: str) -> None:
        """Answer a thread's messages, one after another, until none is left."""
        queue = self._queues[thread_id]
        while queue and not self._draining:
            pending = queue[0]
            try:
                await self._answer(pending)
            except ChatcoreError as error:  # its thread was deleted, or the server goes while storage is away
                self.recorder.log("run_not_stored", run_id=pending.context.run_id, **describe_error(error))
            queue.popleft()
            del self._pending[str(pending.context.run_id)]
            self._tell()
        del self._queues[thread_id]

    async def drain(self, within_seconds: float) -> None:
        """Begin no run any more; let those under way finish, and cut those that have not within the time.

        What was cut or never began stays in the record without an end, for the next start.
        """
        self._draining = True
        with trio.move_on_after(within_seconds):
            while self.running and not self._hurried:
                await self._changed.wait()
        for pending in tuple(self._pending.values()):
            pending.cut()
        with trio.move_on_after(LET_GO_SECONDS):
            while self.running:
                await self._changed.wait()

    def close(self) -> None:
        """Begin no run any more."""
        self._draining = True

    def hurry(self) -> None:
        """Cut the runs that a drain still waits for."""
        self._hurried = True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # --- one run ----------------------------------------------------------------------------------------------------

    async def _answer(self, pending: PendingRun) -> None:
        ready: ReadyServices | None = None
        async with AsyncExitStack() as turn:
            with pending.cancellable():
                await turn.enter_async_context(self._turns.turn(pending.context.user_id))
                ready = await self._until_ready()
            if not self._draining:
                await self._run(pending, ready)

    async def _run(self, pending: PendingRun, ready: ReadyServices | None) -> None:
        """From the first event to the last; without services for a run that was cancelled before it had them."""
        store = await self._until_stored(self.store)
        pending.running = True
        run = await self._begun(pending, store, ready.generation if ready else 0)
        with self.bridge.live(run.thread_id, run.flush):
            if pending.begun is not None:
                await self._until_stored(partial(run.restart, pending.attempts + 1))
            ending = await self._respond(pending, run, ready) if ready is not None else cancellation()
            if ending is not None:
                await self._until_stored(partial(run.end, ending))
                self.recorder.run_ended(pending.agent, ending.outcome, run.seconds)
            else:
                await run.flush()

    async def _begun(self, pending: PendingRun, store: ThreadService, generation: int) -> LiveRun:
        """The run, marked as running; what an earlier process left of one is gone on with."""
        if pending.begun is None:
            return await self._until_stored(partial(self.begin, pending, store, generation))
        await self._until_stored(partial(store.start_run, str(pending.context.run_id), generation))
        pending.begun.store = store
        return pending.begun

    async def begin(self, pending: PendingRun, store: ThreadService, generation: int) -> LiveRun:
        """Begin a run that has no event yet. May be tried again where that could not be stored."""
        context, began_at = pending.context, trio.current_time()
        first = partial(first_event, context, pending.epoch, pending.agent, pending.message.message_id)
        event = await store.begin_run(str(context.run_id), generation, first)
        run = self.live_run(pending, store, event.seq)
        run.began_at = began_at
        run.begin(event)
        return run

    async def _until_stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """What ``write`` returns. While storage is away it is tried again: a run keeps its turn, and has one end."""
        for failures in count(1):
            try:
                return await write()
            except StorageUnavailable as error:
                if self._draining:
                    raise
                self.recorder.log("run_waits_for_storage", error_code=error.error_code)
            await trio.sleep(RETRY.delay(failures, random.random))
        raise AssertionError("counting never ends")

    async def _until_ready(self) -> ReadyServices:
        """The services, however long they take: a message that was accepted waits through failed attempts too."""
        async for _ in self.manager.progress():
            if self.manager.ready is not None:
                return self.manager.ready
        raise AssertionError("snapshots never end")

    def live_run(self, pending: PendingRun, store: ThreadService, next_seq: int) -> LiveRun:
        """The run of an accepted message, from ``next_seq`` of its thread on."""
        return LiveRun(
            context=pending.context,
            epoch=pending.epoch,
            next_seq=next_seq,
            store=store,
            bridge=self.bridge,
            recorder=self.recorder,
            question=pending.message.content,
            proves_numbers=getattr(self.agents.get(pending.agent), "proves_numbers", False),
            scribe=self._scribe,
        )

    async def _respond(self, pending: PendingRun, run: LiveRun, ready: ReadyServices) -> Ending | None:
        """Run the agent; how it ended, or None where a drain cut it and the next start has to end it."""
        if self.manager.ready is not ready:  # it was lost while the run was being begun
            return failure(ErrorCode.SERVICE_LOST)
        kind = self.agents[pending.agent]
        agent: Agent = ready.get(kind)
        began_at = trio.current_time()
        ending: Ending | None = None
        try:
            with (
                pending.cancellable(),
                trio.move_on_after(self.policy.timeout_seconds) as limit,
                ready.in_use(kind) as services,
            ):
                answer = await run.finish(await agent.respond(pending.message, run))
                provenance = provenance_of(pending.agent, agent, list(run.tool_calls), ready.generation)
                ending = completion(answer, provenance, trio.current_time() - began_at)
        except Exception as error:  # an agent may raise anything
            ending = self._failed(pending, error)
        run.utter()
        if run.alarm is not None:  # whatever the agent did after it
            self.recorder.log("inauthentic_response", agent=pending.agent, **run.alarm.told())
            return failure(ErrorCode.INAUTHENTIC_RESPONSE)
        if services.cancelled_caught or (ending is not None and ending.state == "failed" and self._lost(ready)):
            return failure(ErrorCode.SERVICE_LOST)
        if ending is None and limit.cancelled_caught:
            return failure(ErrorCode.RUN_TIMEOUT)
        if ending is None and (pending.given_up or not self._draining):
            return cancellation()
        return ending

    def _lost(self, ready: ReadyServices) -> bool:
        """Whether the generation is gone: what an agent raises then is only how it noticed."""
        return self.manager.ready is not ready and not self._draining

    def _failed(self, pending: PendingRun, error: Exception) -> Ending:
        if not isinstance(error, AgentFailure) or hasattr(error, "__notes__"):  # those are written for the operator
            self.recorder.log("agent_failed", agent=pending.agent, **describe_error(error))
        if isinstance(error, AgentFailure):
            return failure(error.error_code, error.retryable)
        return failure(ErrorCode.AGENT_FAILED)
