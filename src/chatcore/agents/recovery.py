"""What an earlier process left without an end is taken up when the next one starts: no run stays "running" for ever.

A message that was accepted and not begun is answered. A run that was under way ends in ``agent_failed`` with
``SERVICE_LOST``: the process that it ran in is gone.
"""

from __future__ import annotations

from chatcore.agents.supervisor import AgentSupervisor, PendingRun, failure
from chatcore.context import UserExecutionContext
from chatcore.errors import ChatcoreError, ErrorCode, StorageUnavailable
from chatcore.observability import describe_error
from chatcore.protocol import messages as m
from chatcore.threads.model import RunRecord, StoredEvent
from chatcore.threads.service import ThreadService


async def take_up_unfinished(supervisor: AgentSupervisor, store: ThreadService) -> None:
    """Take up every run without an end, oldest first; to be called before anyone else has the store.

    One that cannot be ended, because its record is broken, is told in the log and left: it must not keep the others
    from their ends, nor the server from starting.

    Raises:
        StorageUnavailable: the database went away meanwhile; what was taken up already is not taken up again.
    """
    for record in await store.unfinished_runs():
        if supervisor.knows(record.run_id):
            continue
        try:
            await _take_up(record, supervisor, store)
        except StorageUnavailable:
            raise
        except ChatcoreError as error:
            supervisor.recorder.log("run_not_taken_up", run_id=record.run_id, **describe_error(error))


async def _take_up(record: RunRecord, supervisor: AgentSupervisor, store: ThreadService) -> None:
    pending = await _pending(record, store)
    if record.state == "waiting" and record.agent in supervisor.agents:
        supervisor.enqueue(pending)
        supervisor.manager.request_start()
    else:
        await _end_lost(record, pending, supervisor, store)


async def _pending(record: RunRecord, store: ThreadService) -> PendingRun:
    thread = await store.thread(record.user_id, record.thread_id)
    context = UserExecutionContext(user_id=record.user_id, thread_id=record.thread_id, run_id=record.run_id)
    message = m.UserMessage(
        message_id=record.message_id or record.run_id,
        content=record.content,
        thread_id=record.thread_id,
        agent=record.agent,
    )
    return PendingRun(context=context, epoch=thread.epoch, agent=record.agent, message=message)


async def _end_lost(record: RunRecord, pending: PendingRun, supervisor: AgentSupervisor, store: ThreadService) -> None:
    events = await _events_of(record, store)
    thread = await store.thread(record.user_id, record.thread_id)
    run = supervisor.live_run(pending, store, thread.last_seq + 1)
    run.take_up(events)
    if events:
        await run.skip_lost()
    else:
        await run.start(pending.agent, pending.message.message_id)
    await run.end(failure(ErrorCode.SERVICE_LOST))
    supervisor.recorder.log("run_ended_after_restart", run_id=record.run_id)


async def _events_of(record: RunRecord, store: ThreadService) -> list[StoredEvent]:
    events: list[StoredEvent] = []
    after = 0
    while True:
        page = await store.events(record.user_id, record.thread_id, after_seq=after)
        events += [event for event in page.items if event.run_id == record.run_id]
        if page.next is None or not page.items:
            return events
        after = page.items[-1].seq
