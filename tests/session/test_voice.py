"""What a connection says: what the table allows, in order, within bounds, and nothing after its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from chatcore.context import UserExecutionContext
from chatcore.errors import CloseCode, ContextRequired, ErrorCode, IllegalFrame, TransportRoused
from chatcore.observability import Recorder
from chatcore.protocol import messages as m
from chatcore.session.voice import STALLED_SECONDS, Ending, Voice
from chatcore.testing import in_virtual_time, memory_pair
from chatcore.threads.model import StoredEvent
from chatcore.transports.memory import MemoryClient

FIRST = {"message": "", "progress": 0, "connection_id": "c", "instance_id": "i"}
READY = {
    "message": "",
    "connection_id": "c",
    "instance_id": "i",
    "generation": 1,
    "agents": [],
    "limits": m.Limits(max_message_bytes=1, max_frames_per_second=1, max_messages_per_minute=1, max_pending_messages=1),
}


def event(seq: int, size: int = 2) -> StoredEvent:
    return StoredEvent(seq=seq, first_seq=seq, run_id="r", type="agent_delta", frame=str(seq).encode().rjust(size))


async def fill(voice: Voice) -> None:
    """Have it say events until it is behind, with its writer stuck."""
    for _ in range(2):
        while not voice.behind:
            voice.deliver(event(1, size=100))
        await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def speaking(
    *, max_bytes: int = 10_000, unread: float = float("inf")
) -> AsyncIterator[tuple[Voice, MemoryClient]]:
    """A voice that is being written."""
    transport, client = memory_pair(unread=unread)
    voice = Voice(UserExecutionContext(user_id="ann"), transport, Recorder(), max_bytes)
    async with voice.hands.at_work():
        yield voice, client


async def ended(voice: Voice) -> None:
    """Return when it has ended."""
    with suppress(TransportRoused):
        await voice.transport.receive()


@in_virtual_time
async def test_what_the_table_does_not_allow_cannot_be_said() -> None:
    async with speaking() as (voice, _):
        with pytest.raises(IllegalFrame):
            voice.say(m.Pong, nonce=1)
        voice.say(m.Initializing, **FIRST)
        with pytest.raises(IllegalFrame):
            voice.say(m.Initializing, **FIRST)
        voice.say(m.Pong, nonce=1)


@in_virtual_time
async def test_no_event_is_wanted_before_ready_and_ready_makes_room() -> None:
    async with speaking() as (voice, client):
        voice.say(m.Initializing, **FIRST)
        assert voice.behind
        async with trio.open_nursery() as nursery:
            nursery.start_soon(voice.room)
            await trio.sleep(60)
            assert voice.ending is None, "the services may take their time"
            assert nursery.child_tasks
            voice.say(m.Ready, **READY)
        voice.deliver(event(3))
        told = [await client.receive() for _ in range(3)]
    assert ["initializing" in told[0], "ready" in told[1], told[2].strip()] == [True, True, "3"]


@in_virtual_time
async def test_a_client_that_takes_nothing_is_cut_while_it_is_waited_for() -> None:
    async with speaking(max_bytes=1000, unread=0) as (voice, _):
        voice.say(m.Initializing, **FIRST)
        voice.say(m.Ready, **READY)
        await fill(voice)
        await voice.room()
        assert trio.current_time() == STALLED_SECONDS
    assert voice.ending == Ending(CloseCode.SLOW_CONSUMER, ErrorCode.SLOW_CONSUMER.meaning.message)


@in_virtual_time
async def test_a_client_that_reads_slowly_is_waited_for() -> None:
    async with speaking(max_bytes=1000, unread=0) as (voice, client):
        voice.say(m.Initializing, **FIRST)
        voice.say(m.Ready, **READY)
        await fill(voice)

        async def read_slowly() -> None:
            while True:
                await client.receive()
                await trio.sleep(STALLED_SECONDS - 1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_slowly)
            await voice.room()
            nursery.cancel_scope.cancel()
        assert (voice.behind, voice.ending) == (False, None)


@in_virtual_time
async def test_after_the_end_nothing_is_said_and_the_first_reason_counts() -> None:
    async with speaking() as (voice, client):
        voice.say(m.Initializing, **FIRST)
        voice.end(CloseCode.SERVICE_RESTART, "Draining")
        voice.end(CloseCode.SERVER_FAULT, "too late")
        voice.say(m.Pong, nonce=1)
        voice.deliver(event(1))
        await voice.written()
        await client.receive()
        with trio.move_on_after(1) as nothing:
            await client.receive()
    assert voice.ending == Ending(CloseCode.SERVICE_RESTART, "Draining")
    assert nothing.cancelled_caught


@in_virtual_time
async def test_a_client_that_is_gone_ends_it_without_a_code() -> None:
    async with speaking() as (voice, client):
        client.drop()
        voice.say(m.Initializing, **FIRST)
        await ended(voice)
    assert voice.ending == Ending(None)
    assert voice.ending.outcome == "gone"
    assert not voice.heard


@in_virtual_time
async def test_a_client_that_does_not_take_a_frame_in_time_is_cut_and_counted() -> None:
    async with speaking(unread=0) as (voice, _):
        voice.say(m.Initializing, **FIRST)
        await ended(voice)
    assert voice.ending == Ending(CloseCode.SLOW_CONSUMER, ErrorCode.SLOW_CONSUMER.meaning.message)


@in_virtual_time
async def test_what_has_not_been_written_can_be_let_go() -> None:
    async with speaking(unread=0) as (voice, client):
        voice.say(m.Initializing, **FIRST)
        await trio.testing.wait_all_tasks_blocked()
        for nonce in range(3):
            voice.say(m.Pong, nonce=nonce)
        voice.unsay()
        voice.say_error(ErrorCode.RATE_LIMITED)
        told = [await client.receive() for _ in range(2)]
        await voice.written()
    assert "initializing" in told[0]
    assert "RATE_LIMITED" in told[1]


@in_virtual_time
async def test_nobody_waits_for_what_a_client_that_is_gone_will_never_take() -> None:
    async with speaking(unread=0) as (voice, client):
        voice.say(m.Initializing, **FIRST)
        voice.say(m.Pong, nonce=1)
        await trio.testing.wait_all_tasks_blocked()
        client.drop()
        await voice.written()
        assert trio.current_time() == 0
    assert (voice.ending, voice.unwritten) == (Ending(None), False)


@in_virtual_time
async def test_it_belongs_to_a_context() -> None:
    transport, _ = memory_pair()
    with pytest.raises(ContextRequired, match="Voice belongs to one request"):
        Voice("ann", transport, Recorder(), 1)  # type: ignore[arg-type]  # on purpose
