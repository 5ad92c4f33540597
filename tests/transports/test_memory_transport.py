"""The transport in memory keeps the same promises as one over a network."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from chatcore.errors import TransportBroken, TransportClosed
from chatcore.transports.base import send
from chatcore.transports.memory import Closed, memory_pair


async def test_frames_go_both_ways_and_the_close_is_seen() -> None:
    transport, client = memory_pair()
    await client.send("hello")
    await client.send(b"")
    assert [await transport.receive(), await transport.receive()] == ["hello", b""]
    await send(transport, "good day")
    await transport.close(1012, "Draining")
    await transport.close(1000, "again")
    assert await client.receive() == "good day"
    with pytest.raises(trio.EndOfChannel):
        await client.receive()
    assert transport.closed == Closed(1012, "Draining")
    with pytest.raises(TransportClosed):
        await send(transport, "x")
    with pytest.raises(TransportClosed):
        await transport.receive()


async def test_a_client_that_is_gone_breaks_both_directions() -> None:
    transport, client = memory_pair()
    client.drop()
    with pytest.raises(TransportBroken):
        await send(transport, "x")
    with pytest.raises(TransportBroken):
        await transport.receive()


async def test_a_client_that_does_not_read_breaks_the_send_in_time(autojump_clock: MockClock) -> None:
    transport, _ = memory_pair(unread=1)
    await send(transport, "kept")
    with trio.fail_after(60), pytest.raises(TransportBroken):
        await send(transport, "never taken")
    assert trio.current_time() == transport.send_seconds
    with pytest.raises(TransportBroken):
        await send(transport, "nor what follows")


async def test_a_send_that_was_cancelled_is_the_last() -> None:
    """Whoever says a last word to a client that reads slowly must not leave out what was under way."""
    transport, client = memory_pair(unread=1)
    await send(transport, "read")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, transport, "under way")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert await client.receive() == "read"
    for call in (transport.flush, partial(send, transport, "a last word")):
        with pytest.raises(TransportBroken):
            await call()
    await transport.close(1012, "Draining")
    with pytest.raises(trio.EndOfChannel):
        await client.receive()


async def test_what_was_taken_and_not_begun_is_sent_by_the_next_flush() -> None:
    transport, client = memory_pair(unread=1)
    assert transport.offer(b"read")
    assert not transport.offer(b"waits")
    with trio.CancelScope() as cancelled:
        cancelled.cancel()
        await transport.flush()
    assert await client.receive() == "read"
    await transport.flush()
    assert await client.receive() == "waits"
