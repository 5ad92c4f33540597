"""What the conformance suite for storage writes, reads and expects to be refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import trio

from chatcore.errors import ErrorCode
from chatcore.protocol import messages as m
from chatcore.protocol.codec import encode_utf8
from chatcore.threads.deltas import merged
from chatcore.threads.model import Accepted, InitializationRecord, Page, ServiceStart, StoredEvent, Thread
from chatcore.threads.service import ThreadService

T = TypeVar("T")

ANN, BOB = "ann", "bob"
WORDS = "Wie viel für Zoë 🦉?"
"""A question with letters that need more than one byte, so that it is seen to be kept as it was."""

AT_ONCE = 20
"""Writers that work side by side in a check: enough for a backend to group or interleave them."""


def message(message_id: str, content: str = WORDS, thread_id: str | None = None) -> m.UserMessage:
    """A message of a client."""
    return m.UserMessage(message_id=message_id, content=content, thread_id=thread_id)


def events_of(run: Accepted, first: int, count: int) -> list[StoredEvent]:
    """So many events of a run, numbered from ``first``."""
    return [_stored(m.AgentThinking(text=WORDS, **_common(run, seq))) for seq in range(first, first + count)]


def beginning(run: Accepted) -> Callable[[int], StoredEvent]:
    """Makes the first event of a run, given its number."""
    return lambda seq: events_of(run, seq, 1)[0]


def merged_deltas(run: Accepted, first: int, count: int) -> StoredEvent:
    """So many deltas of a run, numbered from ``first``, as the one that storage keeps of them."""
    parts = [
        _stored(m.AgentDelta(text=WORDS, offset=number * len(WORDS), **_common(run, first + number)))
        for number in range(count)
    ]
    (one,) = merged(parts)
    return one


def _common(run: Accepted, seq: int) -> dict[str, Any]:
    return {
        "timestamp": 0.0,
        "user_id": ANN,
        "thread_id": run.thread_id,
        "run_id": run.run_id,
        "seq": seq,
        "epoch": run.epoch,
    }


def _stored(event: m.AgentThinking | m.AgentDelta) -> StoredEvent:
    kind = str(event.__struct_config__.tag)
    return StoredEvent(seq=event.seq, first_seq=event.seq, run_id=event.run_id, type=kind, frame=encode_utf8(event))


async def started(threads: ThreadService, user_id: str, sent: m.UserMessage) -> Accepted:
    """A run that is running."""
    accepted = await threads.accept_message(user_id, sent, "analyst")
    await threads.start_run(accepted.run_id, 1)
    return accepted


async def answered(threads: ThreadService, user_id: str, sent: m.UserMessage) -> Accepted:
    """A run of two events that is over."""
    accepted = await threads.accept_message(user_id, sent, "analyst")
    first = await threads.start_run(accepted.run_id, 1)
    await threads.append_events(accepted.thread_id, events_of(accepted, first, 1))
    await end(threads, accepted, events_of(accepted, first + 1, 1))
    return accepted


async def end(threads: ThreadService, run: Accepted, events: Sequence[StoredEvent]) -> None:
    """End a run with an answer."""
    answer = msgspec.json.encode(m.Answer(text="42"))
    await threads.end_run(run, events, state="completed", answer=answer, text="42", error_code=None)


def initialization(seconds: float) -> InitializationRecord:
    """An attempt in which one service took so long."""
    return InitializationRecord(
        attempt=1,
        outcome="succeeded",
        started_at=0.0,
        duration_seconds=seconds,
        generation=1,
        instance_id="instance",
        services=(ServiceStart(service="database", duration_seconds=seconds),),
        error_code=None,
        failed_service=None,
    )


async def kept_events(threads: ThreadService, run: Accepted) -> list[int]:
    """The numbers of the events of Ann's thread that this run is of."""
    return [event.seq for event in (await threads.events(ANN, run.thread_id)).items]


async def picture(threads: ThreadService, run: Accepted) -> tuple[Thread, Any, Any, Any]:
    """All that is kept of Ann's thread that this run is of."""
    messages = (await threads.messages(ANN, run.thread_id)).items
    events = (await threads.events(ANN, run.thread_id)).items
    return await threads.thread(ANN, run.thread_id), messages, events, await threads.run(ANN, run.run_id)


def reads(threads: ThreadService, user_id: str, run: Accepted) -> tuple[Callable[[], Awaitable[object]], ...]:
    """Every way to ask for something of a run or its thread."""
    return (
        lambda: threads.thread(user_id, run.thread_id),
        lambda: threads.messages(user_id, run.thread_id),
        lambda: threads.events(user_id, run.thread_id),
        lambda: threads.run(user_id, run.run_id),
    )


async def walk(page_at: Callable[[str], Awaitable[Page[T]]], at: str | None) -> list[T]:
    """The items of every page from ``at`` on."""
    found: list[T] = []
    while at is not None:
        page = await page_at(at)
        found += page.items
        at = page.next
    return found


async def at_once(make: Callable[[], Awaitable[T]]) -> list[T]:
    """What :data:`AT_ONCE` calls side by side give."""
    found: list[T] = []

    async def one() -> None:
        found.append(await make())

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(one)
    return found


@contextmanager
def refused(what: str, kind: type[Exception], *codes: ErrorCode) -> Iterator[None]:
    """Fail unless the block raises ``kind``, with one of ``codes`` where any are given."""
    try:
        yield
    except kind as error:
        code = getattr(error, "error_code", None)
        assert not codes or code in codes, f"{what} was refused with {code}"
        return
    raise AssertionError(f"{what} was not refused")


async def two_events(threads: ThreadService, run: Accepted, after: str) -> Page[StoredEvent]:
    """A page of two events of Ann's thread."""
    return await threads.events(ANN, run.thread_id, after_seq=int(after), limit=2)
