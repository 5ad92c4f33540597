"""What an earlier process left without an end is taken up when the next one starts.

A message that was accepted and not begun is answered. A run that was under way is run again where its agent says that
it may be (``restartable``), under the same ``run_id``; any other ends in ``agent_failed`` with ``SERVICE_LOST``: the
process that it ran in is gone.
"""

from __future__ import annotations

from chatcore.agents.endings import failure
from chatcore.agents.live_run import LiveRun
from chatcore.agents.pending import PendingRun
from chatcore.agents.supervisor import AgentSupervisor
from chatcore.context import UserExecutionContext
from chatcore.errors import ChatcoreError, ErrorCode, StorageUnavailable
from chatcore.observability import describe_error
from chatcore.protocol import messages as m
from chatcore.threads.model import RunRecord
from chatcore.threads.service import ThreadService

MOST_ATTEMPTS = 100
"""A message that ends the process each time must not do so for ever; an honest run survives as many restarts."""


async def take_up_unfinished(supervisor: AgentSupervisor, store: ThreadService) -> None:
    """Take up every run without an end, oldest first; to be called before anyone else has the store.

    Of a thread the one that was under way comes first, although another may have been accepted before it: messages that
    arrive at once are not always begun in the order in which they were stored, and its events are the thread's last.

    One that cannot be ended, because its record is broken, is told in the log and left: it must not keep the others
    from their ends, nor the server from starting.

    Raises:
        StorageUnavailable: the database went away meanwhile; what was taken up already is not taken up again.
    """
    for record in sorted(await store.unfinished_runs(), key=_waits):
        if supervisor.knows(record.run_id):
            continue
        try:
            await _take_up(record, supervisor, store)
        except StorageUnavailable:
            raise
        except ChatcoreError as error:
            supervisor.recorder.log("run_not_taken_up", run_id=record.run_id, **describe_error(error))


def _waits(record: RunRecord) -> bool:
    return record.state != "running"


async def _take_up(record: RunRecord, supervisor: AgentSupervisor, store: ThreadService) -> None:
    pending = await _pending(record, store)
    if record.state == "running":
        pending.begun = await _begun(pending, supervisor, store)
    if record.cancel_requested:
        pending.give_up()
    if record.cancel_requested or _may_run(record, supervisor):
        supervisor.enqueue(pending)
        supervisor.manager.request_start()
    else:
        await _end_lost(pending, supervisor, store)


async def _begun(pending: PendingRun, supervisor: AgentSupervisor, store: ThreadService) -> LiveRun | None:
    """What there is of a run, None where it has no event yet; from here on every number that was sent is stored."""
    thread = await store.thread(pending.context.user_id, str(pending.context.thread_id))
    run = supervisor.live_run(pending, store, thread.last_seq + 1)
    if not await run.recall():
        return None
    await run.flush()
    return run


def _may_run(record: RunRecord, supervisor: AgentSupervisor) -> bool:
    """Whether a run without an end is to be run, for the first time or again."""
    kind = supervisor.agents.get(record.agent)
    begun = record.state == "running"
    return kind is not None and (not begun or (_restartable(kind) and record.attempt < MOST_ATTEMPTS))


def _restartable(kind: type[object]) -> bool:
    """Whether agents of this type declare that their runs may be run again."""
    return bool(getattr(kind, "restartable", False))


async def _pending(record: RunRecord, store: ThreadService) -> PendingRun:
    thread = await store.thread(record.user_id, record.thread_id)
    context = UserExecutionContext(user_id=record.user_id, thread_id=record.thread_id, run_id=record.run_id)
    message = m.UserMessage(
        message_id=record.message_id or record.run_id,
        content=record.content,
        thread_id=record.thread_id,
        agent=record.agent,
    )
    return PendingRun(context=context, epoch=thread.epoch, agent=record.agent, message=message, attempts=record.attempt)


async def _end_lost(pending: PendingRun, supervisor: AgentSupervisor, store: ThreadService) -> None:
    run = pending.begun or await supervisor.begin(pending, store, generation=0)
    await run.end(failure(ErrorCode.SERVICE_LOST))
    supervisor.recorder.log("run_ended_after_restart", run_id=pending.context.run_id)
